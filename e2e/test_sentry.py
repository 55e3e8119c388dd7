"""Sentry's SDKs, Python and Node: errors become items, transactions spans, and the rest is kept."""

import urllib.error
import urllib.request
import uuid

from support import eventually, node_app, python_app, reads, run
from test_rollbar import RollbarApi


def test_python_errors_spans_logs_and_check_ins(server, api):
    marker = uuid.uuid4().hex
    run(python_app("sentry_app.py"), {"SENTRY_DSN": f"http://key@{server.http.removeprefix('http://')}/42", "MARKER": marker})

    def errors_are_there():
        errors = api.get("/api/errors", receiver="sentry", q=f'"sentry.tags.run":"{marker}"', limit=100)["errors"]
        assert sum(error["count"] for error in errors) == 3, errors
        return errors

    errors = eventually(errors_are_there)
    repeated = next(error for error in errors if error["type"] == "ValueError")
    assert (repeated["count"], repeated["people"]) == (2, 1), "the amount is no difference"
    details = api.get(f"/api/errors/{repeated['group']}")
    assert "in charge" in details["latest"]["exception"]["stacktrace"]
    reads(server.http, f"/errors/{repeated['group']}?time=1h", page=["ValueError"], frames=["charge"])
    (item,) = RollbarApi(server.http).get("/items/", query=f"fingerprint:{repeated['group']}")["items"]
    assert (item["total_occurrences"], item["environment"]) == (2, "e2e-sentry")
    trace_id = details["latest"]["trace_id"]
    assert trace_id, "an error within a transaction names its trace"

    spans = eventually(lambda: at_least(2, api.sql(f"SELECT name FROM spans WHERE receiver = 'sentry' AND \"sentry.tags.run\" = '{marker}'")))
    assert {row["name"] for row in spans} == {"GET /cart"}
    eventually(lambda: at_least(1, api.sql(f"SELECT body FROM logs WHERE receiver = 'sentry' AND body = 'log of {marker}'")))
    eventually(lambda: at_least(1, api.sql(f"SELECT body FROM logs WHERE event_name = 'check_in' AND body = 'nightly-{marker} ok'")))


def at_least(count, rows):
    assert len(rows) >= count, rows
    return rows


def test_node_errors_and_spans(server, api):
    marker = uuid.uuid4().hex
    run(node_app("sentry_app.cjs"), {"SENTRY_DSN": f"http://key@{server.http.removeprefix('http://')}/7", "MARKER": marker})

    def the_error():
        (error,) = api.get("/api/errors", receiver="sentry", q=f'"sentry.tags.run":"{marker}"', limit=10)["errors"]
        assert error["type"] == "TypeError" and error["count"] == 2
        return error

    error = eventually(the_error)
    assert "buy" in api.get(f"/api/errors/{error['group']}")["latest"]["exception"]["stacktrace"]
    reads(server.http, f"/errors/{error['group']}?time=1h", page=["TypeError"], frames=["buy"])
    (item,) = RollbarApi(server.http).get("/items/", query=f"fingerprint:{error['group']}")["items"]
    assert item["total_occurrences"] == 2
    eventually(lambda: at_least(2, api.sql(f"SELECT name FROM spans WHERE receiver = 'sentry' AND name = 'checkout-{marker}'")))


def test_a_key_is_asked_for_and_browsers_may_send(server):
    url = f"{server.http}/api/42/envelope/"
    try:
        urllib.request.urlopen(urllib.request.Request(url, b'{}\n{"type":"event"}\n{}\n', method="POST"))
        raise AssertionError("taken without a key")
    except urllib.error.HTTPError as error:
        assert error.code == 401 and error.headers["X-Sentry-Error"]
    asked = urllib.request.Request(url, method="OPTIONS", headers={"Origin": "https://shop.example", "Access-Control-Request-Headers": "x-sentry-auth"})
    answer = urllib.request.urlopen(asked)
    assert answer.headers["Access-Control-Allow-Origin"] == "*" and answer.headers["Access-Control-Allow-Headers"] == "x-sentry-auth"
    sent = urllib.request.Request(f"{url}?sentry_key=k", b'{}\n{"type":"session"}\n{}\n', method="POST", headers={"Origin": "x"})
    assert "X-Sentry-Rate-Limits" in urllib.request.urlopen(sent).headers["Access-Control-Expose-Headers"]
