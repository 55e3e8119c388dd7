"""The X-Ray SDK for Python: segment documents by UDP, sampling rules by TCP."""

import json
import os
import socket
import time
import urllib.request
from collections import Counter

import boto3
from support import eventually, python_app, run


def with_subsegments(document):
    yield document
    for subsegment in document.get("subsegments", []):
        yield from with_subsegments(subsegment)


def test_every_segment_and_subsegment_becomes_a_span(server, api, service):
    sent = run(python_app("xray_app.py"), server.environment(service))
    assert sent["rules"] > 0, "no sampling rule came over TCP"
    documents = sent["documents"]
    segments = [document for document in documents if document.get("type") != "subsegment"]
    assert len(segments) == sent["requests"], "the rules sample every request"
    expected = Counter()
    for document in documents:
        for each in with_subsegments(document):
            expected[document["trace_id"].replace("1-", "", 1).replace("-", "")] += 1

    def everything_is_there():
        # A subsegment that is sent on its own does not say of which service it is.
        ids = ", ".join(f"'{trace_id}'" for trace_id in expected)
        rows = api.sql(f"SELECT trace_id, count(*) AS n FROM spans WHERE receiver = 'xray' AND trace_id IN ({ids}) GROUP BY trace_id")
        assert {row["trace_id"]: row["n"] for row in rows} == expected

    eventually(everything_is_there)

    for segment in segments:
        # X-Ray's own spelling of the id is as good as ours.
        trace = api.get(f"/api/traces/{segment['trace_id']}")
        assert trace["span_count"] == expected[trace["trace_id"]]
        root = trace["spans"][0]
        assert root["kind"] == "server" and root["depth"] == 0
        assert abs(root["duration_ns"] - 1e9 * (segment["end_time"] - segment["start_time"])) < 2000
        assert not any(span["missing_parent"] or span["in_progress"] for span in trace["spans"])
        raw = api.get(f"/api/traces/{segment['trace_id']}/raw")["documents"]
        assert segment in [document["document"] for document in raw if document["format"] == "xray"]

    annotated = api.sql(f"SELECT item, count FROM spans WHERE receiver = 'xray' AND service.name = '{service}' AND item IS NOT NULL")
    assert sorted(row["item"] for row in annotated) == [str(number) for number in range(10)]
    assert {row["count"] for row in annotated} == {3}
    (error,) = api.get("/api/errors", service=service)["errors"]
    assert (error["type"], error["message"], error["count"]) == ("RuntimeError", "card refused", 2)


def test_the_read_api_gives_the_documents_back(server, service):
    sent = run(python_app("xray_app.py"), server.environment(service))
    client = boto3.client(
        "xray", endpoint_url=server.http, region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE0000000", aws_secret_access_key="x"
    )
    rules = client.get_sampling_rules()["SamplingRuleRecords"]
    assert any(record["SamplingRule"]["RuleName"] == "Default" for record in rules)
    assert sent["rules"] == len(rules)


def test_the_daemon_s_door_counts_and_tells(server, api, service):
    """Datagrams that cannot be read are counted by what is wrong with them; what was kept is told in the daemon's words."""
    host, port = server.xray.rsplit(":", 1)
    header = b'{"format":"json","version":1}\n'
    segment = json.dumps({"name": service, "id": os.urandom(8).hex(), "trace_id": f"1-{int(time.time()):08x}-{os.urandom(12).hex()}", "start_time": time.time(), "end_time": time.time()}).encode()

    def counts() -> dict:
        (xray,) = [receiver for receiver in api.get("/api/receivers")["receivers"] if receiver["name"] == "xray"]
        return xray.get("datagrams") or dict.fromkeys(("received", "bad_header", "bad_json", "truncated", "lost"), 0)

    before = counts()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (header + segment, b"no header", b'{"format":"xml","version":1}\n' + segment, header + b"{not json}", header + segment[:60]):
            sender.sendto(datagram, (host, int(port)))

    def all_are_counted():
        more = {key: value - before[key] for key, value in counts().items()}
        assert more == {"received": 5, "bad_header": 2, "bad_json": 1, "truncated": 1, "lost": 0}
        assert api.value(f"SELECT count(*) FROM spans WHERE service.name = '{service}'") == 1
        assert any("Successfully sent batch of" in line for line in server.log)
        metrics = urllib.request.urlopen(f"{server.http}/metrics", timeout=10).read().decode()
        assert 'cupola_datagrams_failed_total{receiver="xray",outcome="truncated"}' in metrics

    eventually(all_are_counted)
