"""Honeycomb's API for triggers, recipients, SLOs, burn alerts, board views, environments and keys: shapes, errors, and that a
trigger asks its query and tells a webhook."""

import json
import re
import time
import urllib.error
import urllib.request
import uuid

import pytest
from conftest import binary
from support import EXPECTED_WARNINGS, Server, eventually
from test_rollbar_alerts import MailServer

# No mail server is named: what is for e-mail recipients goes nowhere, and says so.
EXPECTED_WARNINGS.append(re.compile("a delivery was given up.*no mail server is configured"))

KEY = {"X-Honeycomb-Team": "any", "Content-Type": "application/json"}
MANAGEMENT = {"Authorization": "Bearer hcamk_any:secret", "Content-Type": "application/vnd.api+json"}


def call(server, method, path, body=None, headers=KEY):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(server.http + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else None


def true(held, otherwise: str):
    assert held, otherwise


def put_events(server, service):
    # A minute old: an evaluation looks back from a whole minute, so what is younger may not be in it yet.
    newest = time.time() - 60
    events = [{"time": newest - number, "data": {"service.name": service, "name": f"r{number % 2}", "duration_ms": number}} for number in range(40)]
    body = json.dumps(events).encode()
    urllib.request.urlopen(urllib.request.Request(f"{server.http}/1/batch/{service}", body, KEY), timeout=30).read()


@pytest.fixture
def dataset(server, service):
    put_events(server, service)
    eventually(lambda: true(call(server, "GET", f"/1/datasets/{service}")[0] == 200, "no dataset"))
    return service


def webhook(server, url, **more):
    details = {"webhook_name": f"hook-{uuid.uuid4().hex[:6]}", "webhook_url": url, **more}
    status, made = call(server, "POST", "/1/recipients", {"type": "webhook", "details": details})
    assert status == 201, made
    return made


def trigger(**more):
    return {
        "name": "too many",
        "threshold": {"op": ">", "value": 5},
        "frequency": 60,
        "query": {"calculations": [{"op": "COUNT"}], "breakdowns": ["name"], "time_range": 240},
    } | more


def test_recipients(server, hook):
    url, _ = hook
    made = webhook(server, url + "?" + uuid.uuid4().hex)
    assert {"id", "type", "details", "created_at", "updated_at"} <= set(made)
    assert made["id"] in [one["id"] for one in call(server, "GET", "/1/recipients")[1]]
    status, changed = call(server, "PUT", f"/1/recipients/{made['id']}", {"type": "webhook", "details": made["details"] | {"webhook_name": "n"}})
    assert status == 200 and changed["details"]["webhook_name"] == "n"
    for body, field in [({}, "type"), ({"type": "pigeon"}, "type"), ({"type": "email", "details": {}}, "details.email_address"),
                        ({"type": "msteams", "details": {"webhook_name": "a", "webhook_url": "http://a"}}, "type")]:
        status, told = call(server, "POST", "/1/recipients", body)
        assert status == 422 and told["type_detail"][0]["field"] == field, told
    email = {"type": "email", "details": {"email_address": f"{uuid.uuid4().hex}@example.test"}}
    assert call(server, "POST", "/1/recipients", email)[0] == 201
    assert call(server, "POST", "/1/recipients", email)[0] == 409
    assert call(server, "DELETE", f"/1/recipients/{made['id']}")[0] == 204
    assert call(server, "GET", f"/1/recipients/{made['id']}")[0] == 404


def test_a_trigger_is_kept_asked_and_told(server, dataset, hook):
    url, came = hook
    recipient = webhook(server, url, webhook_secret="s3", webhook_headers=[{"header": "X-Extra", "value": "1"}])
    address = f"{uuid.uuid4().hex}@example.test"
    wanted = trigger(recipients=[{"id": recipient["id"]}, {"type": "email", "target": address}], tags=[{"key": "team", "value": "a"}])
    status, made = call(server, "POST", f"/1/triggers/{dataset}", wanted)
    assert status == 201, made
    assert [one["type"] for one in made["recipients"]] == ["webhook", "email"] and all(one["id"] for one in made["recipients"])
    assert made["recipients"][1]["target"] == address
    assert (made["alert_type"], made["evaluation_schedule_type"], made["threshold"]["exceeded_limit"]) == ("on_change", "frequency", 1)
    assert made["dataset_slug"] == dataset and made["disabled"] is False

    eventually(lambda: true(came, "nothing came"), 90)
    headers, body = came[0]
    headers, body = {name.lower(): value for name, value in headers.items()}, json.loads(body)
    assert headers["x-honeycomb-webhook-token"] == "s3" and headers["x-extra"] == "1"
    assert (body["id"], body["status"], body["is_test"]) == (made["id"], "TRIGGERED", False)
    assert {one["Group"]["name"] for one in body["result_groups_triggered"]} == {"r0", "r1"}
    assert call(server, "GET", f"/1/triggers/{dataset}/{made['id']}")[1]["triggered"] is True
    assert made["id"] in [one["id"] for one in call(server, "GET", f"/1/recipients/{recipient['id']}/triggers")[1]]
    assert call(server, "DELETE", f"/1/recipients/{recipient['id']}")[0] == 409

    own = server.api.get(f"/api/triggers/{made['id']}")
    assert own["trigger"]["state"] == "triggered" and own["history"][0]["changed"] is True
    assert {one["kind"] for one in own["deliveries"]} == {"http", "email"}
    status, tested = call(server, "POST", f"/api/triggers/{made['id']}/test", {})
    assert status == 200 and tested["would_trigger"] in (True, False) and tested["deliveries"][0]["state"] == "delivered"
    assert json.loads(came[-1][1])["is_test"] is True

    status, changed = call(server, "PUT", f"/1/triggers/{dataset}/{made['id']}", trigger(name="renamed", disabled=True))
    assert status == 200 and changed["recipients"] == [] and changed["disabled"] is True
    status, changed = call(server, "PUT", f"/1/triggers/{dataset}/{made['id']}", trigger(name="renamed"))
    assert changed["disabled"] is True, "stays when it is not given"
    assert call(server, "DELETE", f"/1/triggers/{dataset}/{made['id']}")[0] == 204
    assert call(server, "GET", f"/1/triggers/{dataset}/{made['id']}")[0] == 404


def test_every_kind_of_recipient_is_told_and_a_restart_tells_nobody_again(tmp_path, service, hook):
    url, came = hook
    mail = MailServer()
    arguments = ["--smtp-server", mail.address, "--smtp-security", "off", "--smtp-from", "Cupola <cupola@example.test>"]
    server = Server(binary(), tmp_path, *arguments)
    put_events(server, service)
    details = {
        "webhook": {"webhook_name": "hook", "webhook_url": url},
        "slack": {"slack_channel": f"{url}/slack"},
        "pagerduty": {"pagerduty_integration_name": "on call", "pagerduty_integration_key": "k" * 32, "pagerduty_url": f"{url}/pagerduty"},
        "msteams_workflow": {"webhook_name": "teams", "webhook_url": f"{url}/teams"},
        "email": {"email_address": "ann@example.test"},
        "marker": {},
    }
    recipients = [call(server, "POST", "/1/recipients", {"type": kind, "details": one})[1]["id"] for kind, one in details.items()]
    status, made = call(server, "POST", f"/1/triggers/{service}", trigger(recipients=[{"id": one} for one in recipients]))
    assert status == 201, made

    eventually(lambda: true(len(came) == 4 and mail.mails, f"{len(came)} of 4, {len(mail.mails)} mails"), 90)
    by_path = {headers[":path"].removeprefix("/hook"): json.loads(body) for headers, body in came}
    assert by_path[""]["status"] == "TRIGGERED" and by_path[""]["id"] == made["id"]
    assert by_path["/slack"]["attachments"][0]["color"] == "danger" and "too many" in by_path["/slack"]["text"]
    assert (by_path["/pagerduty"]["event_action"], by_path["/pagerduty"]["routing_key"]) == ("trigger", "k" * 32)
    assert by_path["/teams"]["attachments"][0]["content"]["type"] == "AdaptiveCard"
    [(to, message)] = mail.mails
    assert to == ["ann@example.test"] and "too many" in message["subject"] and "name = r0: 20" in message.get_content()
    markers = call(server, "GET", f"/1/markers/{service}")[1]
    assert len(markers) == 1 and "too many" in markers[0]["message"]

    server.stop()
    server = Server(binary(), tmp_path, *arguments)
    looked = server.api.get(f"/api/triggers/{made['id']}")["trigger"]["last_evaluated_unix_nano"]
    put_events(server, service)

    def looked_again():
        assert server.api.get(f"/api/triggers/{made['id']}")["trigger"]["last_evaluated_unix_nano"] != looked

    eventually(looked_again, 90)
    assert call(server, "GET", f"/1/triggers/{service}/{made['id']}")[1]["triggered"] is True
    assert (len(came), len(mail.mails), len(call(server, "GET", f"/1/markers/{service}")[1])) == (4, 1, 1)
    server.stop()


@pytest.mark.parametrize("wrong,field", [
    ({"name": ""}, "name"),
    ({"name": "n" * 121}, "name"),
    ({"frequency": 61}, "frequency"),
    ({"frequency": 30}, "frequency"),
    ({"threshold": None}, "threshold"),
    ({"threshold": {"op": "=", "value": 1}}, "threshold.op"),
    ({"threshold": {"op": ">", "value": "1"}}, "threshold.value"),
    ({"threshold": {"op": ">", "value": 1, "exceeded_limit": 6}}, "threshold.exceeded_limit"),
    ({"alert_type": "never"}, "alert_type"),
    ({"baseline_details": {"offset_minutes": 7, "type": "value"}}, "baseline_details.offset_minutes"),
    ({"evaluation_schedule_type": "window", "evaluation_schedule": {"window": {"days_of_week": ["someday"]}}}, "evaluation_schedule.window.days_of_week"),
    ({"query": None}, "query_id"),
    ({"query_id": "nope", "query": None}, "query_id"),
    ({"query": {"calculations": [{"op": "HEATMAP", "column": "duration_ms"}], "time_range": 60}}, "query"),
    ({"query": {"calculations": [{"op": "COUNT"}, {"op": "AVG", "column": "a"}], "time_range": 60}}, "query"),
    ({"query": {"calculations": [{"op": "COUNT"}], "time_range": 600}}, "query"),
    ({"query": {"calculations": [{"op": "COUNT"}], "limit": 7, "time_range": 60}}, "query"),
    ({"recipients": [{"id": "nope"}]}, "recipients[0].id"),
])
def test_wrong_triggers_name_the_field(server, dataset, wrong, field):
    status, told = call(server, "POST", f"/1/triggers/{dataset}", trigger(**wrong))
    assert status == 422 and told["type_detail"][0]["field"] == field, told
    assert told["type"].endswith("/problems/validation-failed") and told["title"] == "The provided input is invalid."


def test_slos_and_burn_alerts(server, dataset, hook):
    url, came = hook
    field = {"alias": "quick", "expression": "LT($duration_ms, 30)"}
    assert call(server, "POST", f"/1/derived_columns/{dataset}", field)[0] == 201
    wanted = {"name": "answers", "sli": {"alias": "quick"}, "time_period_days": 7, "target_per_million": 900_000}
    status, slo = call(server, "POST", f"/1/slos/{dataset}", wanted)
    assert status == 201 and slo["dataset_slugs"] == [dataset] and slo["tags"] == []
    detailed = call(server, "GET", f"/1/slos/{dataset}/{slo['id']}?detailed=true")[1]
    # 30 of 40 are good; 4 may be bad.
    assert detailed["compliance"] == 75 and detailed["budget_remaining"] == pytest.approx(-150)
    alert = {"alert_type": "exhaustion_time", "exhaustion_minutes": 60, "slo": {"id": slo["id"]}, "recipients": [{"id": webhook(server, url)["id"]}]}
    status, made = call(server, "POST", f"/1/burn_alerts/{dataset}", alert)
    assert status == 201 and made["slo"]["id"] == slo["id"] and made["recipients"][0]["type"] == "webhook"
    assert [one["id"] for one in call(server, "GET", f"/1/burn_alerts/{dataset}?slo_id={slo['id']}")[1]] == [made["id"]]
    eventually(lambda: true(came, "nothing came"), 60)
    body = json.loads(came[0][1])
    assert body["slo"]["name"] == "answers" and body["status"] == "TRIGGERED"
    own = server.api.get(f"/api/slos/{slo['id']}")
    assert own["slo"]["state"] == "exhausted" and (own["slo"]["good"], own["slo"]["total"]) == (30, 40)
    assert sum(own["burn_down"]["bad"]) == 10 and own["slo"]["burn_alerts"][0]["triggered"] is True
    now = int(time.time())
    asked = {"ids": [slo["id"]], "start_time": now - 7_200, "end_time": now}
    status, report = call(server, "POST", "/1/reporting/slos/historical", asked)
    # The hours before the events have nothing to tell; the last one stands as the objective does.
    known = {"timestamp": now // 60 * 60, "compliance": 75, "budget_remaining": pytest.approx(-150)}
    assert (status, report) == (200, {slo["id"]: [known]})

    rate = {"alert_type": "budget_rate", "budget_rate_window_minutes": 60, "budget_rate_decrease_threshold_per_million": 1, "slo": {"id": slo["id"]}}
    assert call(server, "POST", f"/1/burn_alerts/{dataset}", rate)[0] == 201
    for body, field in [({}, "slo.id"), (rate | {"budget_rate_window_minutes": 1}, "budget_rate_window_minutes"),
                        (rate | {"alert_type": "x"}, "alert_type"), (alert | {"exhaustion_minutes": None}, "exhaustion_minutes")]:
        status, told = call(server, "POST", f"/1/burn_alerts/{dataset}", body)
        assert status == 422 and told["type_detail"][0]["field"] == field, told
    for body, field in [({}, "name"), (wanted | {"target_per_million": 1_000_000}, "target_per_million"),
                        (wanted | {"sli": {"alias": "nope"}}, "sli.alias"), (wanted | {"time_period_days": 0}, "time_period_days")]:
        status, told = call(server, "POST", f"/1/slos/{dataset}", body)
        assert status == 422 and told["type_detail"][0]["field"] == field, told
    assert call(server, "DELETE", f"/1/slos/{dataset}/{slo['id']}")[0] == 204
    assert call(server, "GET", f"/1/burn_alerts/{dataset}/{made['id']}")[0] == 404


def test_board_views(server):
    board = call(server, "POST", "/1/boards", {"name": "b", "type": "flexible"})[1]
    path = f"/1/boards/{board['id']}/views"
    view = {"name": "mine", "filters": [{"column": "a", "operation": "=", "value": "b"}]}
    status, made = call(server, "POST", path, view)
    assert status == 201 and made["filters"] == view["filters"]
    assert call(server, "POST", path, view | {"name": "x", "filters": [{"column": "a", "operation": "like"}]})[0] == 422
    assert [one["id"] for one in call(server, "GET", path)[1]] == [made["id"]]
    assert call(server, "DELETE", f"{path}/{made['id']}")[0] == 204
    assert call(server, "GET", f"{path}/{made['id']}")[0] == 404


def test_markers_have_the_colour_of_their_type(server, dataset):
    setting = {"type": "deploy", "color": "#7b1fa2"}
    assert call(server, "POST", f"/1/marker_settings/{dataset}", setting)[0] == 201
    assert call(server, "POST", f"/1/marker_settings/{dataset}", setting)[0] == 409
    status, told = call(server, "POST", f"/1/marker_settings/{dataset}", {"type": "other", "color": "mauve"})
    assert status == 422 and told["type_detail"][0]["field"] == "color"
    status, made = call(server, "POST", f"/1/markers/{dataset}", {"message": "v2", "type": "deploy"})
    assert status == 201 and made["color"] == "#7b1fa2" and made["start_time"] > 0
    status, told = call(server, "POST", f"/1/markers/{dataset}", {"message": "v2", "start_time": "now"})
    assert (status, told) == (400, {"error": "start_time: expected seconds since 1970"})
    change = {"message": "v3", "type": "deploy", "start_time": 10, "end_time": 20}
    assert call(server, "PUT", f"/1/markers/{dataset}/{made['id']}", change)[1]["end_time"] == 20
    assert [one["message"] for one in call(server, "GET", f"/1/markers/{dataset}")[1]] == ["v3"]


def test_query_annotations_name_a_query(server, dataset):
    query = call(server, "POST", f"/1/queries/{dataset}", {"time_range": 60})[1]
    status, made = call(server, "POST", f"/1/query_annotations/{dataset}", {"name": "all", "query_id": query["id"]})
    assert status == 201 and (made["description"], made["source"]) == ("", "query")
    for wrong, field in [({"query_id": query["id"]}, "name"), ({"name": "n" * 321, "query_id": query["id"]}, "name"),
                         ({"name": "all", "query_id": "nope"}, "query_id")]:
        status, told = call(server, "POST", f"/1/query_annotations/{dataset}", wrong)
        assert status == 400 and told["error"].startswith(field), told
    other = call(server, "POST", f"/1/queries/{dataset}", {"time_range": 61})[1]
    status, told = call(server, "PUT", f"/1/query_annotations/{dataset}/{made['id']}", {"name": "all", "query_id": other["id"]})
    assert status == 400, told


def test_what_is_not_there_is_told_in_the_form_of_its_version(server):
    status, told = call(server, "GET", "/1/nothing/here")
    assert status == 404 and told["type"].endswith("/problems/not-found") and told["error"]
    assert call(server, "GET", "/1/nothing/here", headers={})[0] == 401
    assert call(server, "POST", "/1/datasets", None)[1]["type"].endswith("/problems/unparseable")
    status, told = call(server, "GET", "/2/teams/cupola/nothing", headers=MANAGEMENT)
    assert status == 404 and told["errors"][0]["code"] == "not_found"
    assert call(server, "GET", "/2/teams/cupola/pipelines", headers=MANAGEMENT) == (200, {"data": [], "links": {"next": None}})


def test_environments_and_keys(server):
    name = f"env-{uuid.uuid4().hex[:6]}"
    body = {"data": {"type": "environments", "attributes": {"name": name, "color": "red"}}}
    status, made = call(server, "POST", "/2/teams/cupola/environments", body, MANAGEMENT)
    assert status == 201 and made["data"]["attributes"]["slug"] == name
    path = f"/2/teams/cupola/environments/{made['data']['id']}"
    assert call(server, "POST", "/2/teams/cupola/environments", body, MANAGEMENT)[0] == 409
    assert call(server, "DELETE", path, headers=MANAGEMENT)[0] == 409, "protected"
    change = {"data": {"type": "environments", "id": made["data"]["id"], "attributes": {"settings": {"delete_protected": False}}}}
    assert call(server, "PATCH", path, change, MANAGEMENT)[0] == 200
    seen, next_page = [], "/2/teams/cupola/environments?page%5Bsize%5D=1"
    while next_page:
        page = call(server, "GET", next_page, headers=MANAGEMENT)[1]
        seen += [one["attributes"]["slug"] for one in page["data"]]
        next_page = page["links"]["next"]
    assert "cupola" in seen and name in seen
    key = {"data": {"type": "api-keys", "attributes": {"name": "k", "key_type": "ingest"},
                    "relationships": {"environment": {"data": {"type": "environments", "id": made["data"]["id"]}}}}}
    status, kept = call(server, "POST", "/2/teams/cupola/api-keys", key, MANAGEMENT)
    assert status == 201 and kept["data"]["attributes"]["secret"]
    key_path = f"/2/teams/cupola/api-keys/{kept['data']['id']}"
    assert "secret" not in call(server, "GET", key_path, headers=MANAGEMENT)[1]["data"]["attributes"]
    assert call(server, "DELETE", key_path, headers=MANAGEMENT)[0] == 204
    assert call(server, "DELETE", path, headers=MANAGEMENT)[0] == 204
    status, told = call(server, "GET", path, headers=MANAGEMENT)
    assert status == 404 and told["errors"][0]["code"] == "not_found"
    assert call(server, "GET", path)[0] == 401


def test_what_is_explored(server, dataset):
    query = {"calculations": [{"op": "COUNT"}, {"op": "MAX", "column": "duration_ms"}], "breakdowns": ["name"], "time_range": 600,
             "orders": [{"column": "name"}]}
    status, told = call(server, "POST", "/api/explore/query", {"query": query, "dataset": dataset, "stream": False})
    assert status == 200
    assert [(one["key"], one["values"]) for one in told["answer"]["groups"]] == [(["r0"], [20, 38]), (["r1"], [20, 39])]
    assert sum(told["answer"]["groups"][0]["series"][0]) == 20 and told["answer"]["total"]["values"] == [40, 39]
    said = call(server, "POST", "/api/explore/sql", {"query": query, "dataset": dataset})[1]
    found = server.api.sql(said["summary"])
    assert [list(row.values()) for row in found] == [["r0", 20, 38], ["r1", 20, 39]]
    steps = server.api.sql(said["series"])
    assert [sum(row["COUNT"] for row in steps if row["name"] == name) for name in ("r0", "r1")] == [20, 20]
    request = urllib.request.Request(f"{server.http}/api/explore/query", json.dumps({"query": query, "dataset": dataset}).encode(), KEY)
    events = [json.loads(line) for line in urllib.request.urlopen(request, timeout=30)]
    assert [next(iter(event)) for event in events if "progress" not in event] == ["begin", "answer", "end"]
    rows = call(server, "POST", "/api/explore/rows", {"query": {"time_range": 600}, "dataset": dataset, "limit": 3, "columns": ["name", "duration_ms"]})[1]
    either = {"time_range": 600, "filters": [{"column": "name", "op": "=", "value": name} for name in ("r0", "r1")], "filter_combination": "OR"}
    narrowed = [{"column": "duration_ms", "op": ">=", "value": 30}]
    told = call(server, "POST", "/api/explore/query", {"query": either, "dataset": dataset, "stream": False, "narrowed": narrowed})[1]
    assert told["answer"]["groups"][0]["values"] == [10]
    assert len(call(server, "POST", "/api/explore/rows", {"query": either, "dataset": dataset, "narrowed": narrowed})[1]["rows"]) == 10
    assert rows["columns"] == ["timestamp", "name", "duration_ms"] and [row[2] for row in rows["rows"]] == [0, 1, 2]
    asked = {"query": {"time_range": 600}, "dataset": dataset, "selection": {"column": "duration_ms", "low": 20}}
    status, told = call(server, "POST", "/api/explore/bubble-up", asked)
    assert status == 200 and (told["selection"]["rows"], told["baseline"]["rows"]) == (20, 20)
    assert told["fields"][0]["column"] == "duration_ms"
    assert call(server, "POST", "/api/explore/query", {"query": {"calculations": [{"op": "NOPE"}]}})[0] == 400


def test_metrics_are_columns_of_their_dataset(server, service):
    moment = str(time.time_ns())
    host = [{"key": "host", "value": {"stringValue": "a"}}]
    waits = {"timeUnixNano": moment, "startTimeUnixNano": moment, "count": "2", "sum": 3, "bucketCounts": ["1", "1"], "explicitBounds": [1], "attributes": host}
    metrics = [{"name": "queue.depth", "gauge": {"dataPoints": [{"timeUnixNano": moment, "asDouble": 3, "attributes": host}]}},
               {"name": "wait", "histogram": {"aggregationTemporality": 1, "dataPoints": [waits]}}]
    body = {"resourceMetrics": [{"resource": {"attributes": []}, "scopeMetrics": [{"metrics": metrics}]}]}
    headers = KEY | {"X-Honeycomb-Dataset": service}
    urllib.request.urlopen(urllib.request.Request(f"{server.otlp_http}/v1/metrics", json.dumps(body).encode(), headers), timeout=30).read()

    def columns(dataset):
        status, told = call(server, "GET", f"/1/columns/{dataset}")
        assert status == 200, told
        return {one["key_name"] for one in told}

    wanted = {"queue.depth", "wait.avg", "wait.count", "wait.max", "wait.min", "wait.sum", "host"}
    eventually(lambda: true(wanted <= columns(service), "no metrics"))
    assert not {"queue.depth", "wait.sum", "wait"} & columns("__all__")
    assert call(server, "PUT", f"/1/datasets/{service}", {"dataset_type": "metrics", "description": "", "expand_json_depth": 0})[0] == 200
    assert {"queue.depth", "wait", "host"} <= columns(service) and "wait.sum" not in columns(service)
