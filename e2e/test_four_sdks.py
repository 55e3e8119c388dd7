"""The case the project exists for: one request told by four vendors' SDKs is one trace here, by ids alone."""

import json

from support import eventually


def test_each_request_is_one_story(four_sdks, api):
    requests = four_sdks["requests"]
    assert [request["path"] for request in requests] == four_sdks["paths"]
    for request in requests:
        eventually(lambda: check_request(api, request))


def check_request(api, request):
    trace = api.get(f"/api/traces/{request['trace_id']}")
    xray_hex = request["xray_trace_id"].replace("1-", "", 1).replace("-", "")
    by_receiver = {"otlp": 0, "xray": 0}
    for span in trace["spans"]:
        by_receiver[span["receiver"]] += 1
    assert by_receiver == {"otlp": request["otel_spans"], "xray": request["xray_spans"]}
    assert trace["span_count"] == request["otel_spans"] + request["xray_spans"]
    assert [(linked["trace_id"], linked["exact"]) for linked in trace["linked"]] == [(xray_hex, True)]
    # X-Ray's segment stands below the span that told of it, not beside it.
    assert [span["depth"] for span in trace["spans"] if span["trace_id"] == xray_hex][0] > 0
    assert not any(span["missing_parent"] for span in trace["spans"])

    logs = api.get(f"/api/traces/{request['trace_id']}/logs")["logs"]
    assert sum(log["receiver"] == "cloudwatch" for log in logs) == request["lines"]
    errors = api.get(f"/api/traces/{request['trace_id']}/errors")["errors"]
    items = [error for error in errors if error["receiver"] == "rollbar"]
    assert len(items) == len(request["rollbar"])
    for uuid in request["rollbar"]:
        assert any(uuid in json.dumps(item["source"]) for item in items)
    assert sum(error["receiver"] == "otlp" for error in errors) == request["otel_exceptions"]

    # Asked by X-Ray's id, the same story.
    by_xray_id = api.get(f"/api/traces/{request['xray_trace_id']}")
    assert {span["span_id"] for span in by_xray_id["spans"]} == {span["span_id"] for span in trace["spans"]}


def test_nothing_is_lost_or_doubled(four_sdks, api):
    service, requests = four_sdks["service"], four_sdks["requests"]

    def counts_agree():
        spans = api.sql(f"SELECT receiver, count(*) AS n FROM spans WHERE service.name = '{service}' GROUP BY receiver")
        by_receiver = {row["receiver"]: row["n"] for row in spans}
        assert by_receiver == {"otlp": four_sdks["otel_spans"], "xray": sum(request["xray_spans"] for request in requests)}
        lines = api.value(f"SELECT count(*) FROM logs WHERE receiver = 'cloudwatch' AND aws.log.group.name = '{service}'")
        assert lines == sum(request["lines"] for request in requests)

    eventually(counts_agree)
    failed = [request for request in requests if "/fail/" in request["path"]]
    assert all(len(request["rollbar"]) == 1 for request in failed) and len(failed) == 2
    errors = api.get("/api/errors", q=f'"activity of {service}"')["errors"]
    told = {receiver for error in errors for receiver in error["receivers"]}
    assert told == {"otlp", "xray", "rollbar"}


def test_the_list_shows_a_request_once(four_sdks, api):
    def listed_once():
        traces = api.get("/api/traces", service=four_sdks["service"], limit=200)["traces"]
        listed = {trace["trace_id"]: trace for trace in traces}
        assert len(listed) == len(traces)
        for request in four_sdks["requests"]:
            xray_hex = request["xray_trace_id"].replace("1-", "", 1).replace("-", "")
            trace = listed[request["trace_id"]]
            assert xray_hex not in listed
            assert trace["linked_trace_ids"] == [xray_hex]
            assert sorted(trace["receivers"]) == ["otlp", "xray"]
            assert trace["span_count"] == request["otel_spans"] + request["xray_spans"]

    eventually(listed_once)
