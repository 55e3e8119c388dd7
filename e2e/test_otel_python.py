"""OpenTelemetry for Python under its zero-code agent, by OTLP over HTTP and over gRPC."""

import pytest
from support import eventually, instrumented_app, run


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [
        ("http/protobuf", {}),
        ("http/protobuf", {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
        ("grpc", {}),
        ("grpc", {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
    ],
    ids=["http", "http-gzip", "grpc", "grpc-gzip"],
)
def test_traces_logs_and_metrics_arrive_as_recorded(server, api, service, protocol, settings):
    sent = run(instrumented_app("otel_app.py"), server.environment(service) | {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_grpc if protocol == "grpc" else server.otlp_http,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
    } | settings)
    of_service = f"service.name = '{service}' AND receiver = 'otlp'"

    def everything_is_there():
        spans = api.sql(f"SELECT trace_id, count(*) AS n FROM spans WHERE {of_service} GROUP BY trace_id")
        assert {row["trace_id"]: row["n"] for row in spans} == sent["spans"]
        logs = api.value(f"SELECT count(*) FROM logs WHERE {of_service} AND coalesce(event_name, '') = ''")
        assert logs == sum(sent["logs"].values())
        exceptions = api.value(f"SELECT count(*) FROM logs WHERE {of_service} AND event_name = 'exception'")
        assert exceptions == sum(sent["exceptions"].values()) == 2
        served = f"SELECT series, max(value) AS v FROM metrics WHERE {of_service} AND metric = 'shop.served' GROUP BY series"
        assert api.value(f"SELECT sum(v) FROM ({served})") == sent["served"]
        waits = api.value(f"SELECT max(count) FROM metrics WHERE {of_service} AND metric = 'shop.wait'")
        assert waits == sent["waits"]

    eventually(everything_is_there)

    names = api.sql(f"SELECT name, count(*) AS n FROM spans WHERE {of_service} GROUP BY name")
    assert {row["name"]: row["n"] for row in names} == sent["names"]
    (reserved,) = api.sql(f"SELECT item, count, price, gift FROM spans WHERE {of_service} AND item = 'item-3'")
    assert reserved == {"item": "item-3", "count": 3, "price": 9.5, "gift": True}

    for trace_id, spans in sent["spans"].items():
        trace = api.get(f"/api/traces/{trace_id}")
        assert trace["span_count"] == len(trace["spans"]) == spans
        assert [service["name"] for service in trace["services"]] == [service]
        assert sum(span["depth"] == 0 for span in trace["spans"]) == 1
        assert not any(span["missing_parent"] or span["in_progress"] for span in trace["spans"])
        lines = [log for log in api.get(f"/api/traces/{trace_id}/logs")["logs"] if not log["event_name"]]
        assert len(lines) == sent["logs"].get(trace_id, 0)
        events = [event for span in trace["spans"] for event in span["events"]]
        assert sum(event["exception"] is not None for event in events) == sent["exceptions"].get(trace_id, 0)

    failed = api.get("/api/traces", service=service, status="error", limit=50)["traces"]
    assert {trace["trace_id"] for trace in failed} == {trace for trace, count in sent["exceptions"].items() if count}
    (error,) = api.get("/api/errors", service=service)["errors"]
    assert (error["type"], error["message"]) == ("RuntimeError", "out of stock")
    # The span's event tells of it, and so does the line that Flask logs.
    assert error["count"] == sum(sent["exceptions"].values()) + sum(sent["logged_exceptions"].values()) == 4
    bought = api.get("/api/logs", service=service, q='bought "item-4"')["logs"]
    assert [log["body"] for log in bought] == ["bought item-4"]
