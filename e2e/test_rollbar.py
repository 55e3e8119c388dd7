"""pyrollbar: items become log records, and errors group as people expect."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest
from support import eventually, python_app, reads, run


def test_items_arrive_and_group(server, api, service):
    sent = run(python_app("rollbar_app.py"), server.environment(service))
    uuids = sent["uuids"]
    assert all(uuid for kind in uuids.values() for uuid in kind), "the SDK was told that an item was not kept"

    def everything_is_there():
        errors = api.get("/api/errors", receiver="rollbar", q=f'"{sent["run"]}"', limit=100)["errors"]
        assert sum(error["count"] for error in errors) == sent["items"]
        return errors

    errors = eventually(everything_is_there)
    by_type = {error["type"]: error for error in errors if error["type"]}
    repeated = by_type["ValueError"]
    assert repeated["count"] == 2 and repeated["people"] == 1
    details = api.get(f"/api/errors/{repeated['group']}")
    assert len(details["occurrences"]) == 2
    payloads = json.dumps([occurrence.get("source") for occurrence in details["occurrences"]])
    told = {uuid for uuid in uuids["repeated"] if uuid in payloads}
    assert told == set(uuids["repeated"]) or json.dumps(details["latest"]).count(uuids["repeated"][1]) > 0
    stacktrace = details["latest"]["exception"]["stacktrace"]
    assert "charge" in stacktrace and "ValueError" in stacktrace
    levels = {error["level"] for error in errors if "message of" in error["message"]}
    assert levels == {"debug", "info", "warning", "error", "critical"}


def test_items_are_worked_on_through_rollbars_api(server, service):
    rollbar = RollbarApi(server.http)
    sent = run(python_app("rollbar_app.py"), server.environment(service))

    def the_item():
        (item,) = rollbar.get("/items/", query='"ValueError: cannot charge"', environment="e2e", status="active")["items"]
        # Messages do not split errors: other tests' are of the same item.
        newest = rollbar.get(f"/instance/{item['last_occurrence_id']}")
        assert newest["data"]["uuid"] == sent["uuids"]["repeated"][-1] and item["total_occurrences"] >= 2
        return item

    item = eventually(the_item)
    assert (item["level"], item["status"], item["environment"]) == ("error", "active", "e2e")
    assert item["id"] != item["counter"]
    assert rollbar.get("/item/", counter=item["counter"])["id"] == item["id"]
    status, moved = rollbar.ask("GET", f"/item_by_counter/{item['counter']}")
    assert (status, moved["result"]["itemId"]) == (301, item["id"])

    instances = rollbar.get(f"/item/{item['id']}/instances/", limit=2)["instances"]
    assert {instance["data"]["uuid"] for instance in instances} == set(sent["uuids"]["repeated"])
    newest = rollbar.get(f"/instance/{item['last_occurrence_id']}")
    assert newest["item_id"] == item["id"]
    assert newest["data"]["body"]["trace"]["exception"]["class"] == "ValueError"
    assert newest["data"]["person"] == {"id": "u1"}
    (older,) = rollbar.get(f"/item/{item['id']}/instances/", last_id=instances[0]["id"], limit=1)["instances"]
    assert older["id"] == instances[1]["id"]

    changed = rollbar.send("PATCH", f"/item/{item['id']}", {"status": "resolved", "resolved_in_version": "1.2.0", "level": "critical"})
    assert (changed["status"], changed["level"]) == ("resolved", "critical")
    # The app is of version 1.2.3, which should have had the mend.
    time.sleep(1.1)
    run(python_app("rollbar_app.py"), server.environment(service))

    def it_is_back():
        back = rollbar.get(f"/item/{item['id']}")
        assert back["status"] == "active"
        assert back["total_occurrences"] == 2
        return back

    back = eventually(it_is_back)
    assert back["level"] == "critical" and back["activating_occurrence_id"] != item["activating_occurrence_id"]
    events = [event["event"] for event in rollbar.get(f"/item/{item['id']}/events")["events"]]
    assert events == ["reactivated", "level", "resolved", "new"]

    counts = rollbar.get("/reports/occurrence_counts", item_id=item["id"])
    assert sum(count for _, count in counts) == item["total_occurrences"] + 2
    version = rollbar.get("/versions/1.2.3", environment="e2e")
    assert version["item_stats"]["critical"]["reactivated"] >= 1
    top = rollbar.get("/reports/top_active_items", hours=24, environments="e2e", sort="occurrences")
    assert all(len(row["counts"]) == 24 and sum(row["counts"]) == row["item"]["occurrences"] for row in top)


@pytest.mark.parametrize("handler", ["default", "blocking", "thread", "thread_pool", "async", "httpx", "twisted"])
def test_each_handler_of_pyrollbar_arrives(server, service, handler):
    rollbar = RollbarApi(server.http)
    run([*python_app("rollbar_handlers_app.py"), handler], server.environment(service))

    def both_are_there():
        bodies = [one["data"]["body"] for one in rollbar.get("/instances/", environment=service)["instances"]]
        said = json.dumps(bodies)
        assert len(bodies) == 2 and f"'{handler}'" in said and f"by way of {handler}" in said, said

    eventually(both_are_there)
    items = rollbar.get("/items/", environment=service)["items"]
    raised = next(item for item in items if item["title"].startswith("KeyError"))
    reads(server.http, f"/errors/{raised['hash']}?time=1h", page=["KeyError"], frames=["rollbar_handlers_app.py"])


def test_deploys_are_announced_and_go_on(server):
    rollbar = RollbarApi(server.http)
    announced = {"environment": "e2e", "revision": uuid.uuid4().hex, "local_username": "ada", "status": "started"}
    deploy = rollbar.send("POST", "/deploy/", announced | {"access_token": "0" * 32})["deploy_id"]

    def it_is_told():
        (told,) = [told for told in rollbar.get("/deploys/", limit=50)["deploys"] if told["id"] == deploy]
        return told

    told = eventually(it_is_told)
    assert (told["revision"], told["status"], told["finish_time"]) == (announced["revision"], "started", None)
    done = rollbar.send("PATCH", f"/deploy/{deploy}", {"status": "succeeded"})
    assert done["status"] == "succeeded" and done["finish_time"] >= done["start_time"]
    assert rollbar.ask("PATCH", f"/deploy/{deploy}", {"status": "gone"})[0] == 422


def test_rql_asks_about_occurrences_and_their_items(server, service):
    rollbar = RollbarApi(server.http)
    run(python_app("rollbar_app.py"), server.environment(service))

    def rows(query: str):
        job = rollbar.send("POST", "/rql/jobs/", {"query_string": query, "force_refresh": True})

        def done():
            told = rollbar.get(f"/rql/job/{job['id']}", expand="result")
            assert told["status"] in ("success", "failed"), told
            return told

        told = eventually(done)
        assert told["status"] == "success", told
        return told["result"]["rows"]

    here = f"body.trace.exception.message LIKE '%{service}' OR body.message.body LIKE '%{service}'"
    by_level = rows(f"SELECT level, count(*) FROM item_occurrence WHERE {here} GROUP BY level ORDER BY 2 DESC, 1")
    assert by_level[0] == ["error", 5] and sum(count for _, count in by_level) == 9
    ((counter, title, people),) = rows(
        "SELECT item.counter, item.title, count_distinct(person.id) FROM item_occurrence "
        f"WHERE body.trace.exception.message LIKE '%{service}' AND person.id = 'u1' GROUP BY 1, 2")
    assert people == 1 and title.startswith("ValueError: cannot charge")
    amounts = rows(
        "SELECT custom.amount, occurrence_id FROM item_occurrence "
        f"WHERE item.counter = {counter} AND custom.amount > 6 AND timestamp > unix_timestamp() - 3600 ORDER BY timestamp DESC LIMIT 1")
    assert amounts[0][0] == "70"
    assert rollbar.get(f"/instance/{amounts[0][1]}")["data"]["custom"]["amount"] == 70
    assert len(rows("SELECT * FROM item_occurrence LIMIT 2")) == 2
    answered, told = rollbar.ask("POST", "/rql/jobs/", {"query_string": "SELECT level FROM items"})
    assert answered == 422 and "expected item_occurrence or deploy" in told["message"]


def test_what_is_wrong_is_said_in_rollbars_form(server):
    rollbar = RollbarApi(server.http)
    for path, status in [("/item/5", 404), ("/item/?counter=x", 422), ("/nothing/here", 404), ("/items/?status=gone", 422)]:
        answered, told = rollbar.ask("GET", path)
        assert (answered, told["err"]) == (status, 1) and told["message"]
    answered, told = rollbar.ask("GET", "/items/", token=None)
    assert (answered, told["err"]) == (401, 1)
    assert urllib.request.urlopen(f"{server.http}/api/1/status/ping").read() == b"pong"


class RollbarApi:
    """As scripts call it: a token in the header, answers in envelopes."""

    def __init__(self, http: str):
        self.base = f"{http}/api/1"

    def get(self, path: str, **params):
        query = urllib.parse.urlencode(params)
        return self._result("GET", f"{path}?{query}" if query else path)

    def send(self, method: str, path: str, body):
        return self._result(method, path, body)

    def _result(self, method: str, path: str, body=None):
        status, told = self.ask(method, path, body)
        assert status in (200, 201) and told["err"] == 0, f"{method} {path}: {status} {told}"
        return told["result"]

    def ask(self, method: str, path: str, body=None, token: str | None = "0" * 32):
        headers = {"Content-Type": "application/json"} | ({"X-Rollbar-Access-Token": token} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with _not_followed.open(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_not_followed = urllib.request.build_opener(_NotFollowed)


def test_metrics_count_by_time_and_by_what_occurrences_have_in_common(server, service):
    rollbar = RollbarApi(server.http)
    run([*python_app("rollbar_handlers_app.py"), "blocking"], server.environment(service))
    ours = [{"field": "environment", "operator": "eq", "values": [service]}]

    def both_levels():
        asked = {"granularity": "hour", "group_by": ["level"], "filters": ours}
        (point,) = rollbar.send("POST", "/metrics/occurrences", asked)["timepoints"]
        rows = [{cell["field"]: cell["value"] for cell in row} for row in point["metrics_rows"]]
        assert sorted((row["level"], row["occurrence_count"]) for row in rows) == [("error", 1), ("warning", 1)], rows

    eventually(both_levels)
    items = rollbar.get("/items/", environment=service)["items"]
    told = rollbar.send("POST", "/metrics/items", {"item_ids": [item["id"] for item in items]})
    assert told["columns"][:2] == ["timestamp", "item_id"] and len(told["rows"]) == 2
    rollbar.send("PATCH", f"/item/{items[0]['id']}", {"status": "resolved"})
    (row,) = rollbar.send("POST", "/metrics/ttr", {"project_ids": [1], "environments": [service]})["rows"]
    assert row[:2] == [1, 1] and row[2] >= 0
    assert rollbar.ask("POST", "/metrics/occurrences", {"granularity": "moon"})[0] == 422


def test_a_token_that_calls_too_often_is_told_to_wait(server):
    token = uuid.uuid4().hex
    rollbar = RollbarApi(server.http)
    rollbar.send("PATCH", f"/project/1/access_token/{token}", {"rate_limit_window_size": 86_400, "rate_limit_window_count": 2})

    def send(headers: dict, **beside):
        data = {"environment": "e2e-limits", "body": {"message": {"body": "one of few"}}, "uuid": str(uuid.uuid4())}
        body = json.dumps({"data": data, **beside}).encode()
        request = urllib.request.Request(f"{server.http}/api/1/item/", body, {"Content-Type": "application/json", **headers})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers

    # In the header, in the body, and then one too many.
    assert send({"X-Rollbar-Access-Token": token})[1]["X-Rate-Limit-Remaining"] == "1"
    assert send({}, access_token=token)[1]["X-Rate-Limit-Remaining"] == "0"
    status, headers = send({}, access_token=token)
    assert (status, headers["X-Rate-Limit-Limit"], headers["X-Rate-Limit-Remaining"]) == (429, "2", "0")
    assert 0 < int(headers["X-Rate-Limit-Remaining-Seconds"]) <= 86_400 and int(headers["X-Rate-Limit-Reset"]) > time.time()
    try:
        urllib.request.urlopen(f"{server.http}/api/1/items/?access_token={token}")
        raise AssertionError("read beyond the limit")
    except urllib.error.HTTPError as error:
        assert error.code == 429 and json.load(error)["err"] == 1 and error.headers["X-Rate-Limit-Remaining"] == "0"
    assert send({"X-Rollbar-Access-Token": "0" * 32})[0] == 200
