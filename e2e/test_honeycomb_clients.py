"""Honeycomb's own SDKs, each pointed here: what they send is read back by Honeycomb's query API."""

import json
import os
import urllib.request
from pathlib import Path

import pytest
from support import HERE, eventually, run

KEY = {"X-Honeycomb-Team": "any", "Content-Type": "application/json"}


def ask(server, dataset: str, query: dict) -> list[dict]:
    """The rows of a query, kept and then run."""

    def post(path, body):
        request = urllib.request.Request(f"{server.http}{path}", json.dumps(body).encode(), KEY)
        return json.loads(urllib.request.urlopen(request, timeout=30).read())

    kept = post(f"/1/queries/{dataset}", {"time_range": 3_600} | query)
    result = post(f"/1/query_results/{dataset}", {"query_id": kept["id"], "disable_series": True})
    assert result["complete"] is True
    return [row["data"] for row in result["data"]["results"]]


def there(server, api, service, traces):
    def everything():
        rows = api.sql(f"SELECT trace_id, count(*) AS n FROM spans WHERE service.name = '{service}' GROUP BY trace_id")
        assert {row["trace_id"]: row["n"] for row in rows} == traces

    eventually(everything)


def python(name: str) -> list:
    return [Path(os.environ["CUPOLA_E2E_HONEYCOMB"]) / "bin" / "python", HERE / "apps" / name]


def node(name: str) -> list:
    return ["node", HERE / "node" / name]


def of_node() -> dict:
    return {"NODE_PATH": os.environ["CUPOLA_E2E_HONEYCOMB_NODE"] + "/node_modules"}


def of_distro(server, service, rate: int, protocol: str) -> dict:
    grpc = protocol == "grpc"
    return {
        "HONEYCOMB_API_KEY": "hcaik_" + "0" * 58,
        "HONEYCOMB_API_ENDPOINT": server.otlp_grpc if grpc else server.http,
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "SAMPLE_RATE": str(rate),
        "HONEYCOMB_METRICS_DATASET": f"{service}-metrics",
    }


def test_the_beeline_for_python(server, api, service):
    sent = run(python("beeline_app.py"), server.environment(service))
    there(server, api, service, sent["traces"])
    rows = ask(server, service, {"breakdowns": ["name"], "calculations": [{"op": "COUNT"}], "orders": [{"column": "name"}]})
    assert rows == [{"name": name, "COUNT": 6} for name in ("handler", "query", "request")]
    failed = ask(server, service, {
        "filters": [{"column": "app.exception_type", "op": "exists"}, {"column": "name", "op": "=", "value": "query"}],
        "breakdowns": ["app.exception_string"], "calculations": [{"op": "MAX", "column": "db.rows"}],
        "orders": [{"column": "app.exception_string"}],
    })
    assert [(row["app.exception_string"], row["MAX(db.rows)"]) for row in failed] == [("no rows 0", 0), ("no rows 3", 30)]
    assert sent["failed"] == len(failed)
    # A field of the trace is on each of its spans that began after it was set; the root's own says who asked.
    rows = ask(server, service, {
        "filters": [{"column": "root.name", "op": "=", "value": "request"}, {"column": "name", "op": "=", "value": "handler"}],
        "breakdowns": ["app.customer"], "calculations": [{"op": "SUM", "column": "items"}], "orders": [{"column": "app.customer"}],
    })
    assert [(row["app.customer"], row["SUM(items)"]) for row in rows] == [("c0", 0 + 2 + 4), ("c1", 1 + 3 + 5)]


def test_libhoney_for_node(server, api, service):
    sent = run(node("libhoney_app.cjs"), server.environment(service) | of_node())
    assert sent["answers"] == [202] * 9
    there(server, api, service, sent["traces"])

    def counted():
        assert ask(server, service, {"calculations": [{"op": "COUNT"}]}) == [{"COUNT": sent["stand_for"]}]

    eventually(counted)
    (row,) = ask(server, service, {"filters": [{"column": "message", "op": "exists"}], "breakdowns": ["message", "nothing"]})
    assert row == {"message": "one of eight", "nothing": None, "COUNT": 8}
    (row,) = ask(server, service, {
        "filters": [{"column": "duration_ms", "op": "exists"}], "calculations": [{"op": "P50", "column": "duration_ms"}],
    })
    assert row["P50(duration_ms)"] == pytest.approx(2.5, rel=0.008)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_distribution_for_python(server, api, service, protocol):
    environment = server.environment(service)
    environment.pop("OTEL_EXPORTER_OTLP_ENDPOINT")
    sent = run(python("honeycomb_distro_app.py"), environment | of_distro(server, service, 3, protocol))
    weighed(server, api, service, sent["traces"], 3)

    def metric():
        (row,) = ask(server, f"{service}-metrics", {"calculations": [{"op": "SUM", "column": "orders"}]})
        assert row["SUM(orders)"] == 10

    eventually(metric)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_distribution_for_node(server, api, service, protocol):
    environment = server.environment(service)
    environment.pop("OTEL_EXPORTER_OTLP_ENDPOINT")
    sent = run(node("honeycomb_distro_app.cjs"), environment | of_node() | of_distro(server, service, 3, protocol))
    weighed(server, api, service, sent["traces"], 3)


def weighed(server, api, service, traces, rate):
    """Each span that was sent counts for as many as its sample rate says, and the rate itself is no field."""
    assert 0 < len(traces) < 60
    there(server, api, service, traces)
    rows = ask(server, service, {"breakdowns": ["name", "SampleRate"], "calculations": [{"op": "COUNT"}], "orders": [{"column": "name"}]})
    assert rows == [{"name": name, "SampleRate": None, "COUNT": rate * len(traces)} for name in ("query", "request")]
