"""The pages of metrics, alerts and settings of errors in a real browser."""

import json
import time
import urllib.request

from support import eventually, node_app, run


def test_a_person_watches(server, api, service, hook, tmp_path):
    metric = f"queue.depth.{service}"
    now = time.time_ns()
    points = [
        {"timeUnixNano": str(now - i * 10_000_000_000), "asDouble": depth + i, "attributes": [attribute("queue", queue)]}
        for i in range(20)
        for queue, depth in (("mail", 40), ("index", 5))
    ]
    resource = {"attributes": [attribute("service.name", service)]}
    scope = {"metrics": [{"name": metric, "unit": "{job}", "gauge": {"dataPoints": points}}]}
    body = json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}).encode()
    request = urllib.request.Request(f"{server.http}/v1/metrics", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200

    def it_is_there():
        assert [one["name"] for one in api.get("/api/metrics", q=metric)["metrics"]] == [metric]

    eventually(it_is_there)
    question = {
        "http": server.http,
        "metric": metric,
        "service": service,
        "hook": hook[0],
        "pictures": str(tmp_path),
    }
    assert run([*node_app("test_alerts.mjs"), json.dumps(question)], {}) == {"passed": True}
    assert len(hook[1]) >= 2


def attribute(key: str, value: str) -> dict:
    return {"key": key, "value": {"stringValue": value}}
