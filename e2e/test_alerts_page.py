"""The pages of metrics, alerts and settings of errors in a real browser."""

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import eventually, node_app, run


def test_a_person_watches(server, api, service, tmp_path):
    told = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
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
        "hook": f"http://127.0.0.1:{hook.server_port}/hook",
        "pictures": str(tmp_path),
    }
    try:
        assert run([*node_app("test_alerts.mjs"), json.dumps(question)], {}) == {"passed": True}
        assert len(told) >= 2
    finally:
        hook.shutdown()


def attribute(key: str, value: str) -> dict:
    return {"key": key, "value": {"stringValue": value}}
