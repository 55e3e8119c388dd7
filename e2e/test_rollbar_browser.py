"""rollbar.js in a real browser: an uncaught error arrives, and its frames are told as people wrote them."""

import json
import urllib.request
import uuid

from support import eventually, node_app, reads, run
from test_rollbar import RollbarApi

# Minified scripts of a page and of a server; what they come from is below, and the map between them is made here.
APP = 'function b(c){return c.items.length}function a(){console.info("buying");b({})}document.getElementById("buy").onclick=a;'
NODE_APP = 'function b(c){return c.items.length}function a(){console.info("buying");b({})}module.exports=a;'
SOURCE = """export function count(cart) {
  return cart.items.length;
}

function buy() {
  console.info("buying");
  count({});
}
document.getElementById("buy").onclick = buy;
"""
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def vlq(number: int) -> str:
    rest, out = (-number << 1 | 1) if number < 0 else number << 1, ""
    while True:
        rest, digit = rest >> 5, rest & 31
        out += DIGITS[digit | 32 if rest else digit]
        if not rest:
            return out


def source_map(app: str = APP, last: str = "document") -> str:
    """Each piece of the script with the line, column and name that it comes from; the last is named."""
    places = [("function b", 0, 7, 0), ("return c.items", 1, 2, None), ("c.items.length", 1, 9, None), ("items.length", 1, 14, None),
              ("length", 1, 20, None), ("function a", 4, 0, 1), ("console", 5, 2, None), ("b({})", 6, 2, 0), (last, 8, 0, None)]
    names, segments, before = ["count", "buy"], [], [0, 0, 0, 0, 0]
    for piece, line, column, name in places:
        now = [app.index(piece), 0, line, column] + ([] if name is None else [name])
        segments.append("".join(vlq(value - earlier) for value, earlier in zip(now, before)))
        before[: len(now)] = now
    return json.dumps({"version": 3, "sources": ["webpack://shop/src/shop.ts"], "sourcesContent": [SOURCE], "names": names,
                       "mappings": ",".join(segments)})


def upload(http: str, version: str, url: str):
    """As `curl -F` does it."""
    fields = {"access_token": "0" * 32, "version": version, "minified_url": url, "source_map": source_map()}
    parts = [f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    body = ("".join(parts) + "--b0--\r\n").encode()
    request = urllib.request.Request(f"{http}/api/1/sourcemap", body, {"Content-Type": "multipart/form-data; boundary=b0"})
    return json.load(urllib.request.urlopen(request))["result"]


def test_an_uncaught_error_of_a_page_is_told_in_its_source(server, api):
    rollbar = RollbarApi(server.http)
    version, marker = uuid.uuid4().hex, uuid.uuid4().hex
    question = {"endpoint": f"{server.http}/api/1/item/", "version": version, "marker": marker}
    said = run([*node_app("rollbar_page.mjs"), json.dumps(question)], {"APP": APP})
    assert (said["status"], said["answer"]["err"]) == (200, 0)

    def the_occurrence():
        found = [one for one in rollbar.get("/instances/")["instances"] if one["data"].get("custom", {}).get("marker") == marker]
        assert found
        return found[0]

    occurrence = eventually(the_occurrence)
    data = rollbar.get(f"/instance/{occurrence['id']}")["data"]
    assert data["request"]["user_ip"] == "127.0.0.1"
    kinds = {event["type"] for event in data["body"]["telemetry"]}
    assert {"log", "dom"} <= kinds, kinds
    minified = data["body"]["trace"]["frames"][-1]
    assert minified["filename"] == f"{said['origin']}/js/app.min.js" and minified["lineno"] == 1

    item = rollbar.get(f"/item/{occurrence['item_id']}")
    details = api.get(f"/api/errors/{item['counter']}")
    frames_path = f"/api/errors/{item['counter']}/occurrences/{details['latest']['id']}/frames"
    host = said["origin"].removeprefix("http:")
    told = api.get(frames_path)["traces"][-1]["frames"][-1]
    assert told["reason"] == f"no source map of {host}/js/app.min.js was uploaded, for version {version} or another"

    upload(server.http, "another", "http://dynamichost/js/app.min.js")
    told = api.get(frames_path)["traces"][-1]["frames"][-1]
    assert told["reason"].endswith(f"for version {version}; there are some for another")

    kept = upload(server.http, version, f"{said['origin']}/js/app.min.js?v=1")
    assert kept["minified_url"] == f"{host}/js/app.min.js"
    frames = api.get(frames_path)["traces"][-1]["frames"]
    original = frames[-1]["original"]
    assert (original["filename"], original["lineno"], original["method"]) == ("webpack://shop/src/shop.ts", 2, "count")
    assert original["code"] == "  return cart.items.length;" and original["context"]["pre"] == ["export function count(cart) {"]
    assert frames[-2]["original"]["lineno"] == 7
    mapped = rollbar.get(f"/instance/{occurrence['id']}")["data"]["body"]["trace"]["frames"][-1]
    reads(server.http, f"/errors/{item['hash']}?time=1h", frames=["return cart.items.length;", "shop.ts"], telemetry=["buying"])
    assert mapped["filename"] == "webpack://shop/src/shop.ts" and mapped["minified"]["filename"].endswith("app.min.js")

    (listed,) = [one for one in api.get("/api/source-maps")["source_maps"] if one["version"] == version]
    api.send("DELETE", f"/api/source-maps/{listed['id']}")
    assert "original" not in api.get(frames_path)["traces"][-1]["frames"][-1]
