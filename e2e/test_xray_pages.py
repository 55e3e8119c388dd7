"""What the page asks about traces as a whole: the map, heatmaps, filters and groups, in our own API."""

import urllib.error

import pytest
from support import eventually
from test_xray_api import shop  # noqa: F401: a fixture


def asked(shop):  # noqa: F811
    return {"start": int(shop["start"] * 1000), "end": int(shop["end"] * 1000)}


def test_traces_are_found_by_filter_and_group(api, shop):  # noqa: F811
    by_name = f'service("{shop["name"]}")'

    def find(**more):
        return [trace["trace_id"] for trace in api.get("/api/traces", **asked(shop), **more)["traces"]]

    sent = [trace["id"].replace("1-", "", 1).replace("-", "") for trace in shop["traces"]]
    eventually(lambda: same(find(filter=by_name), sent[::-1]))
    assert find(filter=f"{by_name} {{ fault }}") == [sent[7]]
    assert find(filter=by_name, service=shop["bank"], limit=100) == sent[::-1], "both have to hold"
    first = api.get("/api/traces", **asked(shop), filter=by_name, limit=3)
    rest = api.get("/api/traces", **asked(shop), filter=by_name, limit=9, cursor=first["next_cursor"])
    assert [trace["trace_id"] for trace in first["traces"] + rest["traces"]] == sent[::-1]

    name = f"page {shop['name']}"
    group = api.send("POST", "/api/trace-groups", {"name": name, "filter_expression": f"{by_name} AND annotation.items >= 6"})
    assert group["name"] == name
    assert find(group=name) == [sent[7], sent[6]]
    assert find(filter=f'group.name = "{name}" AND !fault') == [sent[6]]
    api.send("PUT", f"/api/trace-groups/{name.replace(' ', '%20')}", {"filter_expression": f"{by_name} AND fault"})
    assert find(group=name) == [sent[7]], "a group looks back"
    histogram = api.get("/api/traces/histogram", **asked(shop), group=name)
    assert sum(bucket["count"] for bucket in histogram["buckets"]) == 1
    api.send("DELETE", f"/api/trace-groups/{name.replace(' ', '%20')}", {})
    for path, more in [("/api/traces", {"filter": "service("}), ("/api/map", {"filter": "nonsense"}), ("/api/map", {"group": name})]:
        with pytest.raises(AssertionError, match="400"):
            api.get(path, **asked(shop), **more)
    with pytest.raises(urllib.error.HTTPError) as refused:
        api.send("POST", "/api/trace-groups", {"name": "x", "filter_expression": "fault AND"})
    assert b'"position":' in refused.value.read()


def same(one, other):
    assert one == other


def test_the_map_and_what_it_leads_to(api, shop):  # noqa: F811
    by_name = f'service("{shop["name"]}")'
    drawn = api.get("/api/map", **asked(shop), filter=by_name)
    nodes = {(node["name"], node["synthetic"]): node for node in drawn["nodes"]}
    assert set(nodes) == {(shop["name"], None), (shop["name"], "client"), (shop["bank"], None), (f"carts-{shop['name']}", "inferred"), (f"mail.{shop['name']}", "inferred")}
    entry = nodes[(shop["name"], None)]
    assert (entry["total"], entry["ok"], entry["fault"], entry["root"]) == (8, 7, 1, True)
    assert len(drawn["edges"]) == 4 and all(edge["total"] == 8 for edge in drawn["edges"])
    one = api.get(f"/api/traces/{shop['traces'][0]['id']}/map")
    assert len(one["nodes"]) == 5
    cells = api.get("/api/traces/heatmap", **asked(shop), filter=by_name)
    assert sum(cell["count"] for cell in cells["cells"]) == 8 and sum(cell["errors"] for cell in cells["cells"]) == 1
    rows = api.get("/api/traces/refine", **asked(shop), filter=by_name, by="annotation.gift")["rows"]
    assert {row["value"]: row["count"] for row in rows} == {"true": 4, "false": 4}
    for row in rows:
        found = api.get("/api/traces", **asked(shop), filter=f"{by_name} AND {row['filter']}")["traces"]
        assert len(found) == row["count"]
    typical = api.get(f"/api/traces/{shop['traces'][0]['id']}/typical")
    assert typical["traces"] >= 7 and {span["service"] for span in typical["spans"]} >= {shop["name"]}
    keywords = {keyword["name"]: keyword for keyword in api.get("/api/filter-keywords")["keywords"]}
    assert keywords["responsetime"]["kind"] == "number" and keywords["http.url"]["help"]
