"""The page of logs in a real browser: search, patterns, groups, Logs Insights, an export, a tail."""

import json
import time
import urllib.request

from support import eventually, node_app, run

ACCESS = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=x"


def call(http: str, operation: str, body: dict) -> dict:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Logs_20140328.{operation}",
        "Authorization": ACCESS,
    }
    request = urllib.request.Request(f"{http}/", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"{}")


def test_a_person_reads_logs(server, api, service, tmp_path):
    group, stream = f"/shop/{service}", "web-1"
    call(server.http, "CreateLogGroup", {"logGroupName": group})
    call(server.http, "CreateLogStream", {"logGroupName": group, "logStreamName": stream})
    now = int(time.time() * 1000)
    said = [f"order {7000 + i} took {i * 3} ms" for i in range(40)] + ["payment refused by the bank"]
    events = [{"timestamp": now - 60_000 + i * 1000, "message": message} for i, message in enumerate(said)]
    call(server.http, "PutLogEvents", {"logGroupName": group, "logStreamName": stream, "logEvents": events})

    def all_are_there():
        assert len(api.get("/api/logs", log_group=group, limit=100)["logs"]) == len(said)

    eventually(all_are_there)
    question = {"http": server.http, "group": group, "stream": stream, "lines": len(said), "pictures": str(tmp_path)}
    assert run([*node_app("test_logs.mjs"), json.dumps(question)], {}) == {"passed": True}
