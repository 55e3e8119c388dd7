"""`aws xray` of the AWS CLI, with --endpoint-url; and signatures, where keys are configured."""

import json
import time

import pytest
from cloudwatch import aws
from conftest import binary
from support import Server
from test_xray_api import Xray, hex_of, refused

KEYS = {"aws_access_key_id": "AKIACUPOLA00000000", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"}


def test_the_commands_of_a_working_day(server, service):
    now = time.time()
    trace_id = f"1-{int(now):08x}-{hex_of(12)}"
    segment = {"name": service, "id": hex_of(8), "trace_id": trace_id, "start_time": now - 1, "end_time": now}
    assert aws(server, "xray", "put-trace-segments", "--trace-segment-documents", json.dumps(segment)) == {"UnprocessedTraceSegments": []}
    times = ["--start-time", str(now - 60), "--end-time", str(now + 60)]
    found = aws(server, "xray", "get-trace-summaries", *times, "--filter-expression", f'service("{service}")')
    assert [summary["Id"] for summary in found["TraceSummaries"]] == [trace_id]
    (trace,) = aws(server, "xray", "batch-get-traces", "--trace-ids", trace_id)["Traces"]
    assert json.loads(trace["Segments"][0]["Document"]) == segment
    graph = aws(server, "xray", "get-service-graph", *times)
    assert service in {each["Name"] for each in graph["Services"]}
    group = f"cli-{hex_of(4)}"
    aws(server, "xray", "create-group", "--group-name", group, "--filter-expression", "fault")
    assert group in {each["GroupName"] for each in aws(server, "xray", "get-groups")["Groups"]}
    aws(server, "xray", "delete-group", "--group-name", group)
    rules = aws(server, "xray", "get-sampling-rules")["SamplingRuleRecords"]
    assert rules[-1]["SamplingRule"]["RuleName"] == "Default"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that knows one key."""
    keys = ",".join(KEYS.values()).replace(",", "=", 1)
    server = Server(binary(), tmp_path_factory.mktemp("guarded"), "--aws-keys", keys)
    yield server
    server.stop()


def test_only_signed_calls_are_answered_where_keys_are_configured(guarded, service):
    known = Xray(guarded.http, **KEYS)
    segment = {"name": service, "id": hex_of(8), "trace_id": f"1-{int(time.time()):08x}-{hex_of(12)}", "start_time": time.time(), "end_time": time.time()}
    assert known.call("PutTraceSegments", TraceSegmentDocuments=[json.dumps(segment)])["UnprocessedTraceSegments"] == []
    assert known.call("BatchGetTraces", TraceIds=[segment["trace_id"]])["Traces"]
    assert known.call("CreateGroup", GroupName="ä b/c", FilterExpression='annotation.x = "ü"')["Group"]["GroupName"] == "ä b/c"
    environment = {"AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"]}
    assert aws(guarded, "xray", "get-groups", **environment)["Groups"]
    aws(guarded, "logs", "create-log-group", "--log-group-name", "/a/b", **environment)
    assert aws(guarded, "sts", "get-caller-identity", **environment)["Account"] == "000000000000"
    refused(Xray(guarded.http), "GetGroups", "UnrecognizedClientException")
    refused(Xray(guarded.http, **KEYS | {"aws_secret_access_key": "wrong"}), "GetGroups", "InvalidSignatureException")
    refused(Xray(guarded.http, **KEYS | {"aws_secret_access_key": "wrong"}), "PutTraceSegments", "InvalidSignatureException", TraceSegmentDocuments=["{}"])
    # SDKs ask for sampling rules without credentials, at the daemon's port and here.
    assert Xray(guarded.http).call("GetSamplingRules")["SamplingRuleRecords"]
    # Our own paths and OTLP are as open as before.
    assert guarded.api.get("/api/health")
