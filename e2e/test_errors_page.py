"""The pages of errors in a real browser: work on items as a person does it."""

import json
import time
import urllib.request

from support import eventually, node_app, run

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"


def browser_item(environment: str, number: int) -> dict:
    """An item as a browser's client sends it: code around frames, what happened before."""
    at = int(time.time()) - 60 * number
    own = {
        "filename": "webpack://shop/src/total.ts",
        "lineno": 23,
        "method": "total",
        "code": "  return sum - sum * coupon.rule.discount;",
        "context": {"pre": ["function total() {"], "post": ["}"]},
    }
    library = {"filename": "webpack://shop/node_modules/react-dom/index.js", "lineno": 1, "method": "dispatch"}
    failed = {"subtype": "fetch", "method": "POST", "url": "/api/coupons/1", "status_code": 503}
    return {
        "environment": environment,
        "timestamp": at,
        "level": "error",
        "platform": "browser",
        "language": "javascript",
        "code_version": f"2.{number}",
        "person": {"id": str(number)},
        "client": {"javascript": {"browser": AGENT}},
        "request": {"url": f"https://shop.example/cart/{number}?coupon=a", "method": "GET"},
        "body": {
            "telemetry": [{"level": "error", "type": "network", "timestamp_ms": at * 1000 - 40, "body": failed}],
            "trace": {"exception": {"class": "CartBroken", "message": "no discount"}, "frames": [library, own]},
        },
    }


def send(http: str, item: dict) -> None:
    body = json.dumps({"data": item}).encode()
    headers = {"Content-Type": "application/json", "X-Rollbar-Access-Token": "e2e"}
    with urllib.request.urlopen(urllib.request.Request(f"{http}/api/1/item/", body, headers)) as answer:
        assert answer.status == 200


def test_a_person_works_on_errors(server, api, service, tmp_path):
    environment = service
    for number in range(3):
        send(server.http, browser_item(environment, number))
    other = browser_item(environment, 1) | {"body": {"message": {"body": f"something else of {environment}"}}}
    send(server.http, other)

    def both_are_there():
        found = api.get("/api/errors", environment=environment)
        assert found["total"] == 2 and sum(error["count"] for error in found["errors"]) == 4

    eventually(both_are_there)
    question = {"http": server.http, "environment": environment, "pictures": str(tmp_path)}
    assert run([*node_app("test_errors.mjs"), json.dumps(question)], {}) == {"passed": True}
