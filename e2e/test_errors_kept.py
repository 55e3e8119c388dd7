"""What is known of errors beside their rows: counts, idle items, issues, and how they are searched and mapped."""

import io
import json
import time
import urllib.request
import uuid
import zipfile

import pytest
from conftest import binary
from support import Server, eventually, reads
from test_rollbar import RollbarApi
from test_rollbar_browser import APP, source_map

DAY = 86_400


def send(rollbar: RollbarApi, at: float, said: str, **more) -> str:
    told = uuid.uuid4().hex
    data = {"environment": "e2e-kept", "uuid": told, "timestamp": int(at), "body": {"message": {"body": said}}} | more
    rollbar.send("POST", "/item/", {"data": data})
    return told


def test_counts_outlive_rows_and_idle_items_are_resolved(tmp_path):
    server = Server(binary(), tmp_path)
    rollbar = RollbarApi(server.http)
    now = time.time()
    gone = [send(rollbar, now - 3 * DAY, "three days ago") for _ in range(3)]
    send(rollbar, now, "today")
    assert server.api.send("PUT", "/api/error-settings", {"resolved_after_days": 2}) == {"resolved_after_days": 2}
    eventually(lambda: rollbar.get("/items/", environment="e2e-kept")["items"][1])
    server.stop()

    # Both are looked at when the server starts.
    server = Server(binary(), tmp_path)
    rollbar = RollbarApi(server.http)
    try:
        def resolved():
            (item,) = rollbar.get("/items/", status="resolved")["items"]
            return item

        item = eventually(resolved)
        assert item["title"] == "three days ago"
        page = server.api.get(f"/api/errors/{item['counter']}")
        assert page["history"][0]["kind"] == "resolved" and page["history"][0]["details"]["unseen_days"] == 2
        assert rollbar.get("/items/", status="active")["total_count"] == 1
        time.sleep(3)
        for one in gone:
            rollbar.send("DELETE", f"/instance/{one}", None)
        eventually(lambda: none_left(rollbar, item))
        asked = {"item_id": item["id"], "min_time": int(now - 5 * DAY)}
        for size in (3_600, 86_400):
            assert sum(count for _, count in rollbar.get("/reports/occurrence_counts", bucket_size=size, **asked)) == 3
        week = {"start": str(int((now - 7 * DAY) * 1000)), "end": str(int((now + 60) * 1000))}
        error = server.api.get(f"/api/errors/{item['counter']}", **week)["error"]
        assert error["count"] == 3 and sum(error["series"]["counts"]) == 3
    finally:
        server.stop()


def none_left(rollbar, item):
    assert rollbar.get(f"/item/{item['id']}/instances/")["instances"] == []


def test_stacks_are_searched_by_their_files_and_items_by_their_issue(server, api, service):
    rollbar = RollbarApi(server.http)
    frames = [{"filename": f"/srv/{service}/main.py", "lineno": 1, "method": "run"}, {"filename": f"/srv/{service}/cart.py", "lineno": 2, "method": "buy"}]
    send(rollbar, time.time(), "", language="python", environment=service,
         body={"trace": {"frames": frames, "exception": {"class": "CartError", "message": "no"}}})
    item = eventually(lambda: rollbar.get("/items/", environment=service)["items"][0])
    found = {"topfile:cart.py", "bottomfile:main.py", f"allfiles:{service}", "nofiles:vendor", "minfiles:2", "maxfiles:2", "file:main.py"}
    for word in sorted(found | {"topfile:main.py", "bottomfile:cart.py", "allfiles:cart.py", "nofiles:cart.py", "minfiles:3", "maxfiles:1"}):
        in_api = rollbar.get("/items/", environment=service, query=word)["items"]
        on_page = api.get("/api/errors", environment=service, q=word)["errors"]
        assert (len(in_api), len(on_page)) == ((1, 1) if word in found else (0, 0)), word
    assert rollbar.ask("GET", "/items/?query=minfiles:few")[0] == 422

    assert rollbar.get("/items/", environment=service, query="has:issue")["items"] == []
    issue = "https://tracker.example/shop/seven"
    assert api.send("PUT", f"/api/errors/{item['counter']}/issue", {"url": issue}) == {"url": issue}
    for _ in range(2):
        assert len(rollbar.get("/items/", environment=service, query="has:issue")["items"]) == 1
        assert len(api.get("/api/errors", environment=service, q="has:issue")["errors"]) == 1
    assert rollbar.get(f"/item/{item['id']}")["integrations_data"] == {"issue": {"url": issue}}
    reads(server.http, f"/errors/{item['hash']}?time=1h", issue=["shop/seven"], frames=["cart.py"])
    api.send("PUT", f"/api/errors/{item['counter']}/issue", {"url": None})
    assert rollbar.get("/items/", environment=service, query="has:issue")["items"] == []


@pytest.mark.parametrize("name", ["debug_id", "debugId"])
def test_sentrys_minified_frames_are_told_by_their_debug_id(server, api, name):
    debug_id, script = str(uuid.uuid4()), f"https://{uuid.uuid4().hex}.example/js/app.min.js"
    frames = [{"filename": script, "function": "a", "lineno": 1, "colno": APP.index("b({})") + 1},
              {"filename": script, "function": "b", "lineno": 1, "colno": APP.index("length") + 1}]
    event = {"event_id": uuid.uuid4().hex, "timestamp": time.time(), "platform": "javascript", "environment": debug_id,
             "exception": {"values": [{"type": "TypeError", "value": "no items", "stacktrace": {"frames": frames}}]},
             "debug_meta": {"images": [{"type": "sourcemap", "code_file": script, "debug_id": debug_id}]}}
    lines = [{"event_id": event["event_id"]}, {"type": "event"}, event]
    body = "\n".join(map(json.dumps, lines)).encode()
    urllib.request.urlopen(urllib.request.Request(f"{server.http}/api/42/envelope/?sentry_key=any", body)).read()

    def the_error():
        (error,) = api.get("/api/errors", environment=debug_id)["errors"]
        return api.get(f"/api/errors/{error['item']['counter']}")

    page = eventually(the_error)
    path = f"/api/errors/{page['item']['counter']}/occurrences/{page['latest']['id']}/frames"
    (told,) = api.get(path)["traces"]
    assert f"no source map with the debug id {debug_id.replace('-', '')} was uploaded" in told["frames"][-1]["reason"]

    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("files/_/_/app.min.js.map", json.dumps(json.loads(source_map()) | {name: debug_id.upper()}))
    put = f"{server.http}/api/1/sourcemap_bundle?access_token=any&prefix_url=//dynamichost"
    urllib.request.urlopen(urllib.request.Request(put, bundle.getvalue(), method="PUT")).read()
    (told,) = api.get(path)["traces"]
    original = told["frames"][-1]["original"]
    assert (original["filename"], original["lineno"], original["code"]) == ("webpack://shop/src/shop.ts", 2, "  return cart.items.length;")
    reads(server.http, f"/errors/{page['item']['group']}?time=1h", frames=["return cart.items.length;", "shop.ts"])
