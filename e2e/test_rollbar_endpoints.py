"""Every endpoint of Rollbar's API that clients call, asked once: its status, its envelope, and what is in the result."""

import io
import json
import time
import urllib.request
import uuid
import zipfile

import pytest
from support import eventually
from test_rollbar import RollbarApi
from test_rollbar_browser import source_map, upload

ITEM = ["id", "counter", "project_id", "environment", "framework", "platform", "hash", "title", "level", "status", "total_occurrences",
        "unique_occurrences", "first_occurrence_id", "first_occurrence_timestamp", "last_occurrence_id", "last_occurrence_timestamp",
        "activating_occurrence_id", "last_activated_timestamp", "last_resolved_timestamp", "resolved_in_version", "assigned_user_id",
        "integrations_data", "group_item_id", "group_status", "public_item_id"]
INSTANCE = ["id", "project_id", "item_id", "timestamp", "version", "data"]
DEPLOY = ["id", "project_id", "environment", "revision", "local_username", "comment", "status", "start_time", "finish_time"]

# Method, path, body, status, and what the result has: members of it, or of the first in the list that it has under a name.
ENDPOINTS = [
    ("GET", "/items/?environment={environment}", None, 200, {"items": ITEM, "": ["page", "total_count"]}),
    ("GET", "/items/?ids={item}&status=active&level=error&assigned_user=unassigned&query=one%20of%20each", None, 200, {"items": ITEM}),
    ("GET", "/items/?framework=flask&environment=nowhere", None, 200, {"": ["items"]}),
    ("GET", "/item/{item}", None, 200, {"": ITEM}),
    ("GET", "/item/{item}/", None, 200, {"": ITEM}),
    ("GET", "/item/?counter={counter}", None, 200, {"": ITEM}),
    ("GET", "/item?counter={counter}", None, 200, {"": ITEM}),
    ("GET", "/item_by_counter/{counter}", None, 301, {"": ["itemId", "path", "uri"]}),
    ("PATCH", "/item/{item}", {"status": "muted", "level": "warning", "title": "Renamed", "team_id": 3, "snooze_enabled": True,
                               "snooze_expiration_in_seconds": 60}, 200, {"": ITEM}),
    ("PATCH", "/item/{item}", {"status": "active", "snooze_enabled": False, "team_id": None}, 200, {"": ITEM}),
    ("GET", "/instances/?environment={environment}&page=1", None, 200, {"instances": INSTANCE, "": ["page"]}),
    ("GET", "/item/{item}/instances?limit=1", None, 200, {"instances": INSTANCE}),
    ("GET", "/item/{item}/instances?last_id={instance}", None, 200, {"": ["instances"]}),
    ("GET", "/instance/{instance}", None, 200, {"": INSTANCE}),
    ("GET", "/instance/{uuid}", None, 200, {"": INSTANCE}),
    ("GET", "/occurrence/{instance}", None, 200, {"": INSTANCE}),
    ("GET", "/reports/top_active_items?hours=24&environments={environment}&sort=occurrences", None, 200, {"0": ["item", "counts"]}),
    ("GET", "/reports/occurrence_counts?bucket_size=60", None, 200, None),
    ("GET", "/reports/occurrence_counts?bucket_size=3600&environments={environment}&item_id={item}", None, 200, None),
    ("GET", "/reports/occurrence_counts?bucket_size=86400", None, 200, None),
    ("GET", "/reports/activated_counts?bucket_size=3600&environments={environment}", None, 200, None),
    ("POST", "/deploy", {"environment": "{environment}", "revision": "r2", "local_username": "ada", "status": "started"}, 200, {"": ["deploy_id"]}),
    ("GET", "/deploys?limit=20", None, 200, {"deploys": DEPLOY, "": ["page"]}),
    ("GET", "/deploy/{deploy}", None, 200, {"": DEPLOY}),
    ("PATCH", "/deploy/{deploy}", {"status": "succeeded"}, 200, {"": DEPLOY}),
    ("GET", "/versions/r1?environment={environment}", None, 200, {"": ["environment", "version", "item_stats"]}),
    ("GET", "/versions/r1/items?environment={environment}&event=new", None, 200, {"": ["items"]}),
    ("POST", "/sourcemap/download", {"version": "r1"}, 422, None),
    ("POST", "/signed_url/sourcemap_bundle", {"version": "r1", "prefix_url": "//x.example/"}, 200, {"": ["signed_url"]}),
    ("POST", "/dsym", None, 404, None),
    ("POST", "/proguard", None, 404, None),
    ("GET", "/search/?title=renamed&status=active&fields=title", None, 200, {"0": ["id", "title"]}),
    ("POST", "/rql/jobs", {"query_string": "SELECT count(*) FROM item_occurrence WHERE environment = '{environment}'"}, 200, {"": ["id", "status", "query_string"]}),
    ("GET", "/rql/jobs", None, 200, {"jobs": ["id", "status"]}),
    ("GET", "/rql/job/{job}?expand=result", None, 200, {"": ["id", "status", "result"]}),
    ("GET", "/rql/job/{job}/result", None, 200, {"result": ["rows", "columns", "selectionColumns", "rowcount", "executionTime", "errors", "warnings"]}),
    ("POST", "/rql/job/{job}/cancel", None, 200, {"": ["id", "status"]}),
    ("POST", "/metrics/occurrences", {"granularity": "hour"}, 200, {"": ["timepoints"]}),
    ("POST", "/metrics/items", {"item_ids": ["{item}"]}, 200, {"": ["columns", "rows"]}),
    ("POST", "/metrics/ttr", {}, 200, {"": ["columns", "rows"]}),
    ("GET", "/projects", None, 200, {"0": ["id", "name", "status"]}),
    ("GET", "/project/1", None, 200, {"": ["id", "name"]}),
    ("GET", "/project/1/access_tokens", None, 200, None),
    ("PATCH", "/project/1/access_token/{token}", {"rate_limit_window_size": 60, "rate_limit_window_count": 100}, 200, {"": ["rate_limit_window_count"]}),
    ("GET", "/project/1/access_token/{token}", None, 200, {"": ["rate_limit_window_size"]}),
    ("GET", "/project/2", None, 404, None),
    ("PUT", "/notifications/webhook", {"enabled": True, "url": "http://127.0.0.1:9/{environment}"}, 200, None),
    ("GET", "/notifications/webhook", None, 200, None),
    ("POST", "/notifications/webhook/rules", [{"trigger": "deploy", "filters": [{"type": "environment", "operation": "eq", "value": "nowhere"}]}], 200, None),
    ("GET", "/notifications/webhook/rules", None, 200, {"0": ["id", "trigger", "filters"]}),
    ("GET", "/notifications/webhook/rule/{rule}", None, 200, {"": ["id", "trigger"]}),
    ("DELETE", "/notifications/webhook/rule/{rule}", None, 200, None),
    ("GET", "/notifications/pigeon/rules", None, 404, None),
    ("GET", "/service_links", None, 200, None),
    ("GET", "/environment/{environment}/session/s/replay/r", None, 404, None),
    ("POST", "/item/{item}/comments", {"body": "seen", "author": "ada"}, 201, {"": ["id", "body"]}),
    ("GET", "/item/{item}/comments", None, 200, {"comments": ["id", "body"]}),
    ("GET", "/item/{item}/events", None, 200, {"events": ["event", "timestamp"]}),
    ("GET", "/teams", None, 200, None),
    ("GET", "/team/1", None, 404, None),
    ("GET", "/users", None, 200, {"": ["users"]}),
    ("GET", "/user/999", None, 404, None),
    ("GET", "/invite/1", None, 404, None),
    ("GET", "/people", None, 200, {"people": ["id", "username", "email"]}),
    ("GET", "/person/{person}", None, 200, {"": ["id", "username", "email", "items"]}),
    ("GET", "/environments", None, 200, {"environments": ["environment"]}),
    ("DELETE", "/instance/{instance}", None, 200, {"": ["id"]}),
    ("DELETE", "/person/{person}", None, 200, {"": ["deletion"]}),
]


@pytest.fixture(scope="module")
def known(server) -> dict[str, str]:
    """What paths name: one item with an occurrence, a deploy, a job and a rule."""
    rollbar = RollbarApi(server.http)
    named = {"environment": f"walk-{uuid.uuid4().hex[:8]}", "uuid": str(uuid.uuid4()), "person": uuid.uuid4().hex, "token": uuid.uuid4().hex}
    data = {"environment": named["environment"], "uuid": named["uuid"], "timestamp": int(time.time()), "code_version": "r1", "level": "error",
            "body": {"message": {"body": "one of each"}}, "person": {"id": named["person"], "username": "ada", "email": "ada@x.example"}}
    assert rollbar.send("POST", "/item/", {"data": data})["uuid"] == named["uuid"]
    (item,) = rollbar.get("/items/", environment=named["environment"])["items"]
    named |= {"item": item["id"], "counter": item["counter"], "instance": item["last_occurrence_id"]}
    deploy = rollbar.send("POST", "/deploy/", {"environment": named["environment"], "revision": "r1", "local_username": "ada"})
    job = rollbar.send("POST", "/rql/jobs/", {"query_string": "SELECT count(*) FROM item_occurrence"})
    rules = rollbar.send("POST", "/notifications/webhook/rules", [{"trigger": "deploy", "filters": [{"type": "environment", "operation": "eq", "value": "nowhere"}]}])
    named |= {"deploy": deploy.get("deploy_id") or deploy["data"]["deploy_id"], "job": job["id"], "rule": rules[-1]["id"]}
    eventually(lambda: rollbar.get(f"/deploy/{named['deploy']}"))
    return {key: str(value) for key, value in named.items()}


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), ENDPOINTS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_endpoint_answers_in_rollbars_form(server, known, method, path, body, status, expected):
    def filled(value):
        text = json.dumps(value)
        text = text.replace('"{item}"', known["item"])
        for key, word in known.items():
            text = text.replace("{%s}" % key, word)
        return json.loads(text)

    answered, told = RollbarApi(server.http).ask(method, filled(path), None if body is None else filled(body))
    assert answered == status, told
    assert told["err"] == (0 if status < 400 else 1) and (status < 400 or told["message"])
    for name, members in (expected or {}).items():
        result = told["result"]
        part = result if name == "" else result[int(name)] if name.isdigit() else result[name]
        part = part[0] if isinstance(part, list) else part
        assert not set(members) - set(part), (sorted(set(members) - set(part)), part)


def test_source_maps_are_taken_in_forms_and_bundles(server, known):
    """As `curl -F`, and as a build that asks where to put its bundle."""
    assert upload(server.http, known["environment"], "//x.example/walk.js")["minified_url"] == "//x.example/walk.js"
    rollbar = RollbarApi(server.http)
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("js/a.js.map", source_map())
    put = rollbar.send("POST", "/signed_url/sourcemap_bundle", {"version": known["environment"], "prefix_url": "//x.example"})
    answer = json.load(urllib.request.urlopen(urllib.request.Request(put["signed_url"], bundle.getvalue(), method="PUT")))
    assert [one["minified_url"] for one in answer["result"]["source_maps"]] == ["//x.example/js/a.js"]
