"""The SDKs for Node: OpenTelemetry's auto-instrumentations, X-Ray, Rollbar."""

import re
from collections import Counter

import pytest
from support import Program, eventually, node_app, run


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_auto_instrumentations(server, api, service, protocol):
    app = node_app("otel_app.cjs", "--require", "@opentelemetry/auto-instrumentations-node/register")
    out, _ = Program(app, server.environment(service) | {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_grpc if protocol == "grpc" else server.otlp_http,
        "OTEL_TRACES_EXPORTER": "otlp,console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_NODE_RESOURCE_DETECTORS": "env,host,os",
        "OTEL_NODE_DISABLED_INSTRUMENTATIONS": "fs,net,dns",
    }).finish()
    recorded = Counter(re.findall(r"^  traceId: '([0-9a-f]{32})'", out, re.MULTILINE))
    assert len(recorded) == 7

    def everything_is_there():
        rows = api.sql(f"SELECT trace_id, count(*) AS n FROM spans WHERE service.name = '{service}' GROUP BY trace_id")
        assert {row["trace_id"]: row["n"] for row in rows} == recorded

    eventually(everything_is_there)
    for trace_id in recorded:
        trace = api.get(f"/api/traces/{trace_id}")
        assert trace["span_count"] == recorded[trace_id]
        kinds = [span["kind"] for span in trace["spans"]]
        assert kinds[0] == "client" and "server" in kinds
    (reserved,) = api.sql(f"SELECT item, count, price, gift FROM spans WHERE service.name = '{service}' AND item = 'item-3'")
    assert reserved == {"item": "item-3", "count": 3, "price": 9.5, "gift": True}
    (error,) = api.get("/api/errors", service=service)["errors"]
    assert (error["type"], error["message"], error["count"]) == ("TypeError", "out of stock", 1)


def test_xray(server, api, service):
    sent = run(node_app("xray_app.cjs"), server.environment(service))
    expected = {trace_id.replace("1-", "", 1).replace("-", ""): spans for trace_id, spans in sent["traces"].items()}
    assert len(expected) == 7

    def everything_is_there():
        rows = api.sql(
            f"SELECT trace_id, count(*) AS n FROM spans WHERE receiver = 'xray' AND service.name = '{service}' GROUP BY trace_id"
        )
        assert {row["trace_id"]: row["n"] for row in rows} == expected

    eventually(everything_is_there)
    annotated = api.sql(f"SELECT item FROM spans WHERE receiver = 'xray' AND service.name = '{service}' AND item IS NOT NULL")
    assert sorted(row["item"] for row in annotated) == [f"item-{number}" for number in range(6)]


def test_rollbar(server, api, service):
    sent = run(node_app("rollbar_app.cjs"), server.environment(service))

    def everything_is_there():
        errors = api.get("/api/errors", receiver="rollbar", q=f'"{sent["run"]}"', limit=100)["errors"]
        assert sum(error["count"] for error in errors) == sent["items"]
        return errors

    errors = eventually(everything_is_there)
    assert {(error["type"], error["count"]) for error in errors if error["type"]} == {("RangeError", 2)}
