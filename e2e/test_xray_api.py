"""X-Ray's API by boto3: every operation of botocore's model, with valid and with wrong input, and what they tell together."""

import json
import os
import time
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import pytest
from model_shapes import faults, service_model, wrong_inputs
from support import eventually

MODEL = service_model("xray")
RULE = {
    "Priority": 100, "FixedRate": 0.5, "ReservoirSize": 3, "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
    "URLPath": "/cart/*", "ResourceARN": "*", "Version": 1,
}
INSIGHT = "0a1b2c3d-0000-4000-8000-000000000000"


def hex_of(count: int) -> str:
    return os.urandom(count).hex()


class Xray:
    """A client whose raw answers are kept."""

    def __init__(self, endpoint: str, validated: bool = True, **credentials):
        credentials = {"aws_access_key_id": "AKIAEXAMPLE0000000", "aws_secret_access_key": "examplesecret"} | credentials
        config = botocore.config.Config(parameter_validation=validated, retries={"total_max_attempts": 1})
        self.client = boto3.client("xray", endpoint_url=endpoint, region_name="eu-west-1", config=config, **credentials)
        self.raw = None
        self.client.meta.events.register("before-parse.xray", self._keep)

    def _keep(self, response_dict, **_):
        self.raw = response_dict

    def call(self, operation: str, **arguments) -> dict:
        """Calls, and checks the raw answer against the model."""
        names = {name: method for method, name in self.client.meta.method_to_api_mapping.items()}
        answer = getattr(self.client, names[operation])(**arguments)
        assert self.raw["status_code"] == 200 and self.raw["headers"]["content-type"] == "application/json"
        found = faults(MODEL.operation_model(operation).output_shape, json.loads(self.raw["body"]))
        assert not found, f"{operation}: " + "; ".join(found)
        answer.pop("ResponseMetadata")
        return answer


@pytest.fixture
def xray(server):
    return Xray(server.http)


@pytest.fixture(autouse=True)
def no_rules_are_left(server):
    """SDKs of other tests sample by the rules of the server that they share."""
    yield
    client = Xray(server.http).client
    for record in client.get_sampling_rules()["SamplingRuleRecords"]:
        if record["SamplingRule"]["RuleName"] != "Default":
            client.delete_sampling_rule(RuleName=record["SamplingRule"]["RuleName"])


@pytest.fixture(scope="session")
def shop(server):
    """Traces of a shop: its service calls a table, a queue, a bank that answers, and a host that does not."""
    name = f"shop-{hex_of(4)}"
    bank, now, traces = f"bank-{hex_of(4)}", time.time() - 30, []
    client = Xray(server.http)
    for number in range(8):
        fault, trace_id = number == 7, f"1-{int(now):08x}-{hex_of(12)}"
        root, table, call, host = (hex_of(8) for _ in range(4))
        start = now + number / 10
        segment = {
            "name": name, "id": root, "trace_id": trace_id, "start_time": start, "end_time": start + 0.25, "fault": fault,
            "origin": "AWS::ECS::Container", "user": "ada", "annotations": {"tenant": "t1", "items": number, "gift": number % 2 == 0},
            "aws": {"account_id": "123456789012", "ec2": {"instance_id": "i-1", "availability_zone": "eu-west-1a"}},
            "http": {"request": {"method": "GET", "url": f"http://shop.example/cart/{number}", "client_ip": "10.0.0.1", "user_agent": "e2e"},
                     "response": {"status": 500 if fault else 200}},
            "subsegments": [
                {"name": "DynamoDB", "id": table, "namespace": "aws", "start_time": start + 0.01, "end_time": start + 0.05,
                 "aws": {"operation": "GetItem", "region": "eu-west-1", "table_name": f"carts-{name}"}, "http": {"response": {"status": 200}}},
                {"name": bank, "id": call, "namespace": "remote", "start_time": start + 0.05, "end_time": start + 0.24, "fault": fault,
                 "http": {"request": {"method": "POST", "url": f"http://{bank}/pay", "traced": True}, "response": {"status": 502 if fault else 200}}},
                {"name": f"mail.{name}", "id": host, "namespace": "remote", "start_time": start + 0.2, "end_time": start + 0.21,
                 "http": {"request": {"method": "POST", "url": f"http://mail.{name}/send"}, "response": {"status": 200}}},
            ],
        }
        served = {
            "name": bank, "id": hex_of(8), "trace_id": trace_id, "parent_id": call, "start_time": start + 0.06, "end_time": start + 0.23, "fault": fault,
            "http": {"request": {"method": "POST", "url": f"http://{bank}/pay"}, "response": {"status": 502 if fault else 200}},
        }
        if fault:
            served["cause"] = {"working_directory": "/", "exceptions": [{"id": hex_of(8), "type": "Refused", "message": "no money"}]}
        documents = [json.dumps(segment), json.dumps(served)]
        assert client.call("PutTraceSegments", TraceSegmentDocuments=documents)["UnprocessedTraceSegments"] == []
        traces.append({"id": trace_id, "documents": documents, "root": root, "table": table, "host": host})
    return {"name": name, "bank": bank, "start": now - 5, "end": now + 20, "traces": traces}


def valid_inputs(xray: Xray, shop: dict) -> dict[str, dict]:
    """Input for each operation that is answered; the order is that in which they are called."""
    tag = hex_of(4)
    trace_ids = [trace["id"] for trace in shop["traces"]]
    times = {"StartTime": shop["start"], "EndTime": shop["end"]}
    group = xray.call("CreateGroup", GroupName=f"g-{tag}", FilterExpression="fault")["Group"]
    xray.call("CreateSamplingRule", SamplingRule=RULE | {"RuleName": f"r-{tag}"})
    xray.call("PutResourcePolicy", PolicyName=f"p-{tag}", PolicyDocument=POLICY)
    token = xray.call("StartTraceRetrieval", TraceIds=trace_ids, **times)["RetrievalToken"]
    other = xray.call("StartTraceRetrieval", TraceIds=trace_ids, **times)["RetrievalToken"]
    segment = {"name": "e2e", "id": hex_of(8), "trace_id": f"1-{int(time.time()):08x}-{hex_of(12)}", "start_time": time.time(), "end_time": time.time()}
    statistics = {"RuleName": "Default", "ClientID": hex_of(12), "Timestamp": time.time(), "RequestCount": 5, "SampledCount": 2, "BorrowCount": 1}
    arn = group["GroupARN"]
    return {
        "PutTraceSegments": {"TraceSegmentDocuments": [json.dumps(segment)]},
        "PutTelemetryRecords": {"TelemetryRecords": [{"Timestamp": time.time(), "SegmentsReceivedCount": 3}], "Hostname": "e2e"},
        "BatchGetTraces": {"TraceIds": trace_ids},
        "GetTraceSummaries": {**times, "TimeRangeType": "Event", "Sampling": True, "SamplingStrategy": {"Name": "FixedRate", "Value": 1.0}, "FilterExpression": f'service("{shop["name"]}")'},
        "GetServiceGraph": times,
        "GetTraceGraph": {"TraceIds": trace_ids},
        "GetTimeSeriesServiceStatistics": {**times, "Period": 60, "EntitySelectorExpression": f'service("{shop["name"]}")', "ForecastStatistics": True},
        "CreateGroup": {"GroupName": f"h-{tag}", "FilterExpression": "error", "InsightsConfiguration": {"InsightsEnabled": True}, "Tags": [{"Key": "a", "Value": "b"}]},
        "GetGroup": {"GroupName": f"g-{tag}"},
        "GetGroups": {},
        "UpdateGroup": {"GroupARN": arn, "FilterExpression": "duration > 1"},
        "TagResource": {"ResourceARN": arn, "Tags": [{"Key": "team", "Value": "shop"}]},
        "ListTagsForResource": {"ResourceARN": arn},
        "UntagResource": {"ResourceARN": arn, "TagKeys": ["team"]},
        "CreateSamplingRule": {"SamplingRule": RULE | {"RuleName": f"s-{tag}", "Attributes": {"a": "b"}, "SamplingRateBoost": {"MaxRate": 0.9, "CooldownWindowMinutes": 5}}, "Tags": [{"Key": "a", "Value": ""}]},
        "GetSamplingRules": {},
        "UpdateSamplingRule": {"SamplingRuleUpdate": {"RuleName": f"r-{tag}", "FixedRate": 0.25}},
        "GetSamplingTargets": {"SamplingStatisticsDocuments": [statistics]},
        "GetSamplingStatisticSummaries": {},
        "GetInsightSummaries": {**times, "States": ["ACTIVE"], "GroupName": "Default", "MaxResults": 5},
        "GetInsight": {"InsightId": INSIGHT},
        "GetInsightEvents": {"InsightId": INSIGHT, "MaxResults": 5},
        "GetInsightImpactGraph": {"InsightId": INSIGHT, **times},
        "StartTraceRetrieval": {"TraceIds": trace_ids, **times},
        "ListRetrievedTraces": {"RetrievalToken": token, "TraceFormat": "XRAY"},
        "GetRetrievedTracesGraph": {"RetrievalToken": token},
        "CancelTraceRetrieval": {"RetrievalToken": other},
        "GetEncryptionConfig": {},
        "PutEncryptionConfig": {"Type": "NONE"},
        "GetTraceSegmentDestination": {},
        "UpdateTraceSegmentDestination": {"Destination": "XRay"},
        "GetIndexingRules": {},
        "UpdateIndexingRule": {"Name": "Default", "Rule": {"Probabilistic": {"DesiredSamplingPercentage": 5.0}}},
        "PutResourcePolicy": {"PolicyName": f"p-{tag}", "PolicyDocument": POLICY, "PolicyRevisionId": "1"},
        "ListResourcePolicies": {},
        "DeleteResourcePolicy": {"PolicyName": f"p-{tag}"},
        "DeleteGroup": {"GroupName": f"g-{tag}"},
        "DeleteSamplingRule": {"RuleName": f"r-{tag}"},
    }


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "xray:PutTraceSegments", "Resource": "*"}]})

# An insight that is there needs an hour of past; its shape is tested where one is made.
NEED_AN_INSIGHT = {"GetInsight", "GetInsightEvents", "GetInsightImpactGraph"}

# What the model forbids and is taken all the same: SDKs send it.
LIBERAL = {
    # ADOT misspells and leaves out members of the reports; unknown members of segments' calls are the receiver's affair.
    ("GetSamplingTargets", "SamplingStatisticsDocuments is missing"),
    ("GetSamplingTargets", "SamplingStatisticsDocuments has a wrong type"),
    ("GetSamplingTargets", "SamplingStatisticsDocuments has too many items"),
    ("GetSamplingTargets", "SamplingBoostStatisticsDocuments has a wrong type"),
    ("GetSamplingTargets", "SamplingBoostStatisticsDocuments has too many items"),
    ("PutTelemetryRecords", "EC2InstanceId is too long"),
    ("PutTelemetryRecords", "Hostname is too long"),
    ("PutTelemetryRecords", "ResourceARN is too long"),
    # An expression of nothing matches everything, as none does.
    ("GetTimeSeriesServiceStatistics", "EntitySelectorExpression is too short"),
}


def test_no_operation_is_forgotten(xray, shop):
    inputs = valid_inputs(xray, shop)
    assert set(inputs) == set(MODEL.operation_names)
    for operation, arguments in inputs.items():
        if operation not in NEED_AN_INSIGHT:
            xray.call(operation, **arguments)
    for path, operation in sorted((MODEL.operation_model(name).http["requestUri"], name) for name in MODEL.operation_names):
        assert MODEL.operation_model(operation).http["method"] == "POST", path


def test_wrong_input_is_refused_by_a_modelled_error(server, shop):
    inputs = valid_inputs(Xray(server.http), shop)
    loose = Xray(server.http, validated=False)
    taken, odd = [], []
    for operation, valid in inputs.items():
        model = MODEL.operation_model(operation)
        errors = {shape.name for shape in model.error_shapes}
        for what, arguments in wrong_inputs(model.input_shape, valid):
            status, body, kind = post(server, model.http["requestUri"], json.dumps(arguments).encode())
            if status == 200:
                taken.append((operation, what))
            elif kind not in errors or "Message" not in body:
                odd.append(f"{operation}: {what}: {status} {kind} {body}")
        for body in (b"[1", b"7", b'"text"'):
            status, _, kind = post(server, model.http["requestUri"], body)
            if status == 200 and not operation.startswith("Put"):
                taken.append((operation, f"the body is {body}"))
    assert set(taken) <= LIBERAL, sorted(set(taken) - LIBERAL)
    # Policies know no InvalidRequestException in the model; the service answers with it.
    odd = [line for line in odd if not ("ResourcePolicy" in line and "InvalidRequestException" in line)]
    assert not odd, "\n".join(odd)
    assert loose


def post(server, path: str, body: bytes, headers: dict = {}) -> tuple[int, dict, str]:
    request = urllib.request.Request(server.http + path, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), ""
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        return error.code, answer, answer.get("__type", "")


def test_traces_are_given_back_word_for_word(xray, shop):
    unknown = f"1-00000001-{hex_of(12)}"
    asked = [trace["id"] for trace in shop["traces"]]

    def everything_is_there():
        answer = xray.call("BatchGetTraces", TraceIds=[*asked, unknown, "nonsense"])
        assert [trace["Id"] for trace in answer["Traces"]] == asked
        assert answer["UnprocessedTraceIds"] == [unknown, "nonsense"]
        return answer["Traces"]

    for told, sent in zip(eventually(everything_is_there), shop["traces"], strict=True):
        documents = [segment["Document"] for segment in told["Segments"]]
        assert set(sent["documents"]) <= set(documents)
        made_up = [json.loads(document) for document in documents if document not in sent["documents"]]
        # The table and the host sent nothing; the bank did.
        assert {each["parent_id"] for each in made_up} == {sent["table"], sent["host"]}
        assert all(each["inferred"] is True for each in made_up)
        (table,) = [each for each in made_up if each["parent_id"] == sent["table"]]
        assert (table["origin"], table["name"]) == ("AWS::DynamoDB::Table", f"carts-{shop['name']}")
        assert abs(told["Duration"] - 0.25) < 1e-3 and told["LimitExceeded"] is False


def test_spans_of_opentelemetry_are_segments(server, xray, service):
    trace_id, root, call = hex_of(16), hex_of(8), hex_of(8)
    start = time.time_ns() - 10**9
    text = lambda key, value: {"key": key, "value": {"stringValue": value}}  # noqa: E731
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5 * 10**8)}
    spans = [
        {"traceId": trace_id, "spanId": root, "name": "GET /cart", "kind": 2, **times,
         "attributes": [text("http.request.method", "GET"), text("url.full", "http://shop/cart"), text("tenant", "t1"), {"key": "http.response.status_code", "value": {"intValue": "503"}}]},
        {"traceId": trace_id, "spanId": call, "parentSpanId": root, "name": "SELECT", "kind": 3, **times,
         "attributes": [text("db.system", "postgresql"), text("db.name", "shop"), text("db.statement", "select 1")]},
    ]
    body = {"resourceSpans": [{"resource": {"attributes": [text("service.name", service)]}, "scopeSpans": [{"spans": spans}]}]}
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/xray/aws4_request, SignedHeaders=host, Signature=00"}
    assert post(server, "/v1/traces", json.dumps(body).encode(), signed)[0] == 200

    def it_is_there():
        (trace,) = xray.call("BatchGetTraces", TraceIds=[trace_id])["Traces"]
        return [json.loads(segment["Document"]) for segment in trace["Segments"]]

    segment, subsegment, database = eventually(it_is_there)
    assert (segment["name"], segment["id"], segment["fault"]) == (service, root, True)
    assert segment["trace_id"] == f"1-{trace_id[:8]}-{trace_id[8:]}"
    assert segment["http"] == {"request": {"method": "GET", "url": "http://shop/cart"}, "response": {"status": 503}}
    assert (subsegment["type"], subsegment["parent_id"], subsegment["namespace"]) == ("subsegment", root, "remote")
    assert subsegment["sql"]["sanitized_query"] == "select 1"
    assert (database["inferred"], database["parent_id"]) == (True, call)
    xray.call("GetTraceGraph", TraceIds=[trace_id])
    token = xray.call("StartTraceRetrieval", TraceIds=[trace_id], StartTime=start / 1e9 - 1, EndTime=start / 1e9 + 1)["RetrievalToken"]
    retrieved = xray.call("ListRetrievedTraces", RetrievalToken=token, TraceFormat="OTEL")
    assert retrieved["RetrievalStatus"] == "COMPLETE"
    (trace,) = retrieved["Traces"]
    told = [json.loads(span["Document"]) for span in trace["Spans"]]
    assert {span["spanId"] for span in told} == {root, call} and {span["kind"] for span in told} == {"SERVER", "CLIENT"}
    xray.call("CancelTraceRetrieval", RetrievalToken=token)
    assert xray.call("ListRetrievedTraces", RetrievalToken=token)["RetrievalStatus"] == "CANCELLED"


def test_retrieved_traces_come_in_pages(server, xray, service):
    """Seven traces, one of more spans than a page may have."""
    start, ids = time.time() - 5, []
    for number in range(7):
        trace_id = f"1-{int(start):08x}-{hex_of(12)}"
        inner = [{"name": f"step {step}", "id": hex_of(8), "start_time": start, "end_time": start + 1, "namespace": "remote"} for step in range(150 if number == 2 else 1)]
        segment = {"name": service, "id": hex_of(8), "trace_id": trace_id, "start_time": start, "end_time": start + 1, "subsegments": inner}
        xray.call("PutTraceSegments", TraceSegmentDocuments=[json.dumps(segment)])
        ids.append(trace_id)
    token = xray.call("StartTraceRetrieval", TraceIds=ids, StartTime=start - 9, EndTime=start + 9)["RetrievalToken"]
    for trace_format, expected in (("XRAY", 7 * 2 + 149), ("OTEL", 7 * 2 + 149)):
        spans, seen, arguments = [], [], {"RetrievalToken": token, "TraceFormat": trace_format}
        while True:
            page = xray.call("ListRetrievedTraces", **arguments)
            seen += [trace["Id"] for trace in page["Traces"]]
            spans += [span["Id"] for trace in page["Traces"] for span in trace["Spans"]]
            if "NextToken" not in page:
                break
            arguments["NextToken"] = page["NextToken"]
        assert sorted(set(seen)) == sorted(ids)
        assert len(spans) == len(set(spans)) == expected


def test_groups(xray):
    name = f"grp-{hex_of(4)}"
    group = xray.call("CreateGroup", GroupName=name, FilterExpression="fault", Tags=[{"Key": "team", "Value": "shop"}])["Group"]
    assert group["InsightsConfiguration"] == {"InsightsEnabled": False, "NotificationsEnabled": False}
    assert group["GroupARN"].startswith(f"arn:aws:xray:eu-west-1:000000000000:group/{name}/")
    assert xray.call("ListTagsForResource", ResourceARN=group["GroupARN"])["Tags"] == [{"Key": "team", "Value": "shop"}]
    for wrong in ({"GroupName": name}, {"GroupName": "Default"}, {"GroupName": f"x{name}", "FilterExpression": "service("}):
        refused(xray, "CreateGroup", "InvalidRequestException", **wrong)
    updated = xray.call("UpdateGroup", GroupName=name, InsightsConfiguration={"InsightsEnabled": True, "NotificationsEnabled": True})["Group"]
    assert (updated["FilterExpression"], updated["InsightsConfiguration"]["NotificationsEnabled"]) == ("fault", True)
    assert xray.call("GetGroup", GroupARN=group["GroupARN"])["Group"] == updated
    assert {"Default", name} <= {each["GroupName"] for each in xray.call("GetGroups")["Groups"]}
    xray.call("DeleteGroup", GroupARN=group["GroupARN"])
    refused(xray, "GetGroup", "InvalidRequestException", GroupName=name)
    refused(xray, "DeleteGroup", "InvalidRequestException", GroupName="Default")
    refused(xray, "ListTagsForResource", "ResourceNotFoundException", ResourceARN=group["GroupARN"])


def refused(xray: Xray, operation: str, error: str, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        xray.call(operation, **arguments)
    assert raised.value.response["Error"]["Code"] == error, raised.value
    assert raised.value.response["Error"]["Message"]


def test_groups_come_in_pages_that_hold_under_writes(xray):
    tag = hex_of(4)
    names = [f"p{tag}-{number:03}" for number in range(105)]
    for name in names:
        xray.call("CreateGroup", GroupName=name)
    try:
        first = xray.call("GetGroups")
        assert len(first["Groups"]) == 100
        last = first["Groups"][-1]["GroupName"]
        # What the token names goes away, and something comes before it: nothing is missed or told twice.
        if last.startswith(f"p{tag}"):
            xray.call("DeleteGroup", GroupName=last)
            names.remove(last)
        xray.call("CreateGroup", GroupName=f"p{tag}-000a")
        names.append(f"p{tag}-000a")
        seen = [group["GroupName"] for group in first["Groups"]]
        token = first["NextToken"]
        while token:
            page = xray.call("GetGroups", NextToken=token)
            seen += [group["GroupName"] for group in page["Groups"]]
            token = page.get("NextToken")
        assert len(seen) == len(set(seen))
        assert set(names) - set(seen) <= {f"p{tag}-000a"}
        refused(xray, "GetGroups", "InvalidRequestException", NextToken="bm90IG91cnM")
    finally:
        for name in names:
            xray.call("DeleteGroup", GroupName=name)


def test_sampling_rules(xray):
    name = f"rule-{hex_of(4)}"
    record = xray.call("CreateSamplingRule", SamplingRule=RULE | {"RuleName": name})["SamplingRuleRecord"]
    rule = record["SamplingRule"]
    assert rule["RuleARN"] == f"arn:aws:xray:eu-west-1:000000000000:sampling-rule/{name}"
    assert record["CreatedAt"] == record["ModifiedAt"]
    refused(xray, "CreateSamplingRule", "InvalidRequestException", SamplingRule=RULE | {"RuleName": name})
    refused(xray, "CreateSamplingRule", "InvalidRequestException", SamplingRule=RULE | {"RuleName": "x", "Version": 2})
    refused(xray, "DeleteSamplingRule", "InvalidRequestException", RuleName="Default")
    refused(xray, "UpdateSamplingRule", "InvalidRequestException", SamplingRuleUpdate={"RuleName": "Default", "ServiceName": "shop"})
    updated = xray.call("UpdateSamplingRule", SamplingRuleUpdate={"RuleARN": rule["RuleARN"], "FixedRate": 0.125, "Attributes": {"tenant": "a*"}})
    assert updated["SamplingRuleRecord"]["SamplingRule"] == rule | {"FixedRate": 0.125, "Attributes": {"tenant": "a*"}}
    order = [each["SamplingRule"]["RuleName"] for each in xray.call("GetSamplingRules")["SamplingRuleRecords"]]
    assert order.index(name) < order.index("Default") == len(order) - 1

    clients = [hex_of(12) for _ in range(3)]
    report = lambda client, rule=name: {"RuleName": rule, "ClientID": client, "Timestamp": time.time(), "RequestCount": 10, "SampledCount": 4, "BorrowCount": 1}  # noqa: E731
    before = time.time()
    for client in clients:
        xray.call("GetSamplingTargets", SamplingStatisticsDocuments=[report(client)])
    answers = [xray.call("GetSamplingTargets", SamplingStatisticsDocuments=[report(client), report(client, "gone")]) for client in clients]
    targets = [answer["SamplingTargetDocuments"] for answer in answers]
    assert sum(target[0]["ReservoirQuota"] for target in targets) == RULE["ReservoirSize"], "the reservoir is divided"
    assert {(target[0]["FixedRate"], target[0]["Interval"]) for target in targets} == {(0.125, 10)}
    assert targets[0][0]["ReservoirQuotaTTL"].timestamp() > before + 10
    assert [each["RuleName"] for each in answers[0]["UnprocessedStatistics"]] == ["gone"]
    assert abs(answers[0]["LastRuleModification"] - updated["SamplingRuleRecord"]["ModifiedAt"]).total_seconds() < 30
    counted = [each for each in xray.call("GetSamplingStatisticSummaries")["SamplingStatisticSummaries"] if each["RuleName"] == name]
    assert [sum(each[member] for each in counted) for member in ("RequestCount", "SampledCount", "BorrowCount")] == [60, 24, 6]
    gone = xray.call("DeleteSamplingRule", RuleName=name)["SamplingRuleRecord"]
    assert gone["SamplingRule"]["RuleName"] == name


def test_a_boost_is_answered(xray):
    name = f"boost-{hex_of(4)}"
    xray.call("CreateSamplingRule", SamplingRule=RULE | {"RuleName": name, "FixedRate": 0.1, "SamplingRateBoost": {"MaxRate": 0.8, "CooldownWindowMinutes": 10}})
    statistics = {"RuleName": name, "ClientID": hex_of(12), "Timestamp": time.time(), "RequestCount": 10, "SampledCount": 1}
    boost = {"RuleName": name, "ServiceName": "shop", "Timestamp": time.time(), "AnomalyCount": 5, "TotalCount": 10, "SampledAnomalyCount": 1}
    answer = xray.call("GetSamplingTargets", SamplingStatisticsDocuments=[statistics], SamplingBoostStatisticsDocuments=[boost])
    told = answer["SamplingTargetDocuments"][0]["SamplingBoost"]
    assert told["BoostRate"] == 0.8 and 0 < told["BoostRateTTL"].timestamp() - time.time() <= 61
    xray.call("DeleteSamplingRule", RuleName=name)


def test_settings_are_kept(xray):
    key = "arn:aws:kms:eu-west-1:123456789012:key/abc"
    assert xray.call("PutEncryptionConfig", Type="KMS", KeyId=key)["EncryptionConfig"] == {"Type": "KMS", "KeyId": key, "Status": "ACTIVE"}
    assert xray.call("GetEncryptionConfig")["EncryptionConfig"]["KeyId"] == key
    assert xray.call("PutEncryptionConfig", Type="NONE")["EncryptionConfig"] == {"Type": "NONE", "Status": "ACTIVE"}
    refused(xray, "PutEncryptionConfig", "InvalidRequestException", Type="KMS")
    assert xray.call("UpdateTraceSegmentDestination", Destination="CloudWatchLogs") == {"Destination": "CloudWatchLogs", "Status": "ACTIVE"}
    assert xray.call("GetTraceSegmentDestination")["Destination"] == "CloudWatchLogs"
    xray.call("UpdateTraceSegmentDestination", Destination="XRay")
    rule = {"Probabilistic": {"DesiredSamplingPercentage": 10.0}}
    updated = xray.call("UpdateIndexingRule", Name="Default", Rule=rule)["IndexingRule"]
    assert updated["Rule"]["Probabilistic"] == {"DesiredSamplingPercentage": 10.0, "ActualSamplingPercentage": 100.0}
    assert xray.call("GetIndexingRules")["IndexingRules"] == [updated]
    refused(xray, "UpdateIndexingRule", "ResourceNotFoundException", Name="other", Rule=rule)


def test_policies_have_revisions(xray):
    name = f"pol-{hex_of(4)}"
    assert xray.call("PutResourcePolicy", PolicyName=name, PolicyDocument=POLICY, PolicyRevisionId="0")["ResourcePolicy"]["PolicyRevisionId"] == "1"
    refused(xray, "PutResourcePolicy", "InvalidPolicyRevisionIdException", PolicyName=name, PolicyDocument=POLICY, PolicyRevisionId="0")
    refused(xray, "PutResourcePolicy", "MalformedPolicyDocumentException", PolicyName=name, PolicyDocument="{")
    refused(xray, "PutResourcePolicy", "PolicySizeLimitExceededException", PolicyName=name, PolicyDocument="x" * 5121)
    listed = {policy["PolicyName"]: policy for policy in xray.call("ListResourcePolicies")["ResourcePolicies"]}
    assert listed[name]["PolicyDocument"] == POLICY
    refused(xray, "DeleteResourcePolicy", "InvalidPolicyRevisionIdException", PolicyName=name, PolicyRevisionId="7")
    xray.call("DeleteResourcePolicy", PolicyName=name, PolicyRevisionId="1")


def test_tags_are_bounded(xray):
    group = xray.call("CreateGroup", GroupName=f"tag-{hex_of(4)}")["Group"]
    arn = group["GroupARN"]
    many = [{"Key": f"k{number:02}", "Value": "v"} for number in range(51)]
    refused(xray, "TagResource", "TooManyTagsException", ResourceARN=arn, Tags=many)
    refused(xray, "TagResource", "InvalidRequestException", ResourceARN=arn, Tags=[{"Key": "aws:x", "Value": ""}])
    xray.call("TagResource", ResourceARN=arn, Tags=many[:50])
    xray.call("UntagResource", ResourceARN=arn, TagKeys=["k00", "other"])
    assert len(xray.call("ListTagsForResource", ResourceARN=arn)["Tags"]) == 49
    refused(xray, "TagResource", "ResourceNotFoundException", ResourceARN=arn + "x", Tags=many[:1])
    xray.call("DeleteGroup", GroupARN=arn)


def node(graph: dict, name: str, kind: str | None = None) -> dict:
    found = [service for service in graph["Services"] if service["Name"] == name and (service["Type"] == "client") == (kind == "client")]
    assert len(found) == 1, (name, [(service["Name"], service["Type"]) for service in graph["Services"]])
    return found[0]


def edge(graph: dict, source: dict, target: dict) -> dict:
    (found,) = [each for each in source["Edges"] if each["ReferenceId"] == target["ReferenceId"]]
    return found


def test_the_graph_of_a_group(xray, shop):
    group = f"shop-{hex_of(4)}"
    xray.call("CreateGroup", GroupName=group, FilterExpression=f'service("{shop["name"]}")')
    times = {"StartTime": shop["start"], "EndTime": shop["end"]}
    whole = eventually(lambda: check_graph(xray.call("GetServiceGraph", GroupName=group, **times), shop))
    of_traces = xray.call("GetTraceGraph", TraceIds=[trace["id"] for trace in shop["traces"]])
    check_graph(of_traces, shop)
    assert {each["Name"] for each in whole["Services"]} == {each["Name"] for each in of_traces["Services"]}
    token = xray.call("StartTraceRetrieval", TraceIds=[trace["id"] for trace in shop["traces"]], **times)["RetrievalToken"]
    retrieved = xray.call("GetRetrievedTracesGraph", RetrievalToken=token)
    check_graph({"Services": [each["Service"] for each in retrieved["Services"]]}, shop)
    xray.call("DeleteGroup", GroupName=group)
    refused(xray, "GetServiceGraph", "InvalidRequestException", GroupName=group, **times)


def check_graph(graph: dict, shop: dict) -> dict:
    entry, bank = node(graph, shop["name"]), node(graph, shop["bank"])
    client, table, mail = node(graph, shop["name"], "client"), node(graph, f"carts-{shop['name']}"), node(graph, f"mail.{shop['name']}")
    assert len(graph["Services"]) == 5
    assert (entry["Type"], entry["State"], entry["Root"]) == ("AWS::ECS::Container", "active", True)
    assert (table["Type"], mail["Type"], bank["Type"]) == ("AWS::DynamoDB::Table", "remote", "")
    counts = entry["SummaryStatistics"]
    assert (counts["TotalCount"], counts["OkCount"], counts["FaultStatistics"]["TotalCount"]) == (8, 7, 1)
    assert abs(counts["TotalResponseTime"] - 8 * 0.25) < 0.01
    assert sum(entry["Count"] for entry in entry["ResponseTimeHistogram"]) == 8
    assert edge(graph, client, entry)["SummaryStatistics"]["TotalCount"] == 8
    call = edge(graph, entry, bank)["SummaryStatistics"]
    # The caller waits longer than the callee works.
    assert abs(call["TotalResponseTime"] - 8 * 0.19) < 0.01 and abs(bank["SummaryStatistics"]["TotalResponseTime"] - 8 * 0.17) < 0.01
    assert edge(graph, entry, table)["SummaryStatistics"]["OkCount"] == edge(graph, entry, mail)["SummaryStatistics"]["OkCount"] == 8
    return graph


def test_numbers_over_time(xray, shop):
    times = {"StartTime": shop["start"], "EndTime": shop["end"], "Period": 1}
    total = lambda answer, member: sum(each[member]["TotalCount"] for each in answer["TimeSeriesServiceStatistics"])  # noqa: E731
    by_name = f'service("{shop["name"]}")'
    of_node = xray.call("GetTimeSeriesServiceStatistics", EntitySelectorExpression=by_name, **times)
    assert total(of_node, "ServiceSummaryStatistics") == 8
    assert sum(each["ServiceSummaryStatistics"]["FaultStatistics"]["TotalCount"] for each in of_node["TimeSeriesServiceStatistics"]) == 1
    of_edge = xray.call("GetTimeSeriesServiceStatistics", EntitySelectorExpression=f'edge("{shop["name"]}", "{shop["bank"]}")', **times)
    assert total(of_edge, "EdgeSummaryStatistics") == 8
    assert total(xray.call("GetTimeSeriesServiceStatistics", **times), "EdgeSummaryStatistics") >= 8
    refused(xray, "GetTimeSeriesServiceStatistics", "InvalidRequestException", EntitySelectorExpression="fault", **times)
    paginator = xray.client.get_paginator("get_time_series_service_statistics")
    day = {"StartTime": shop["end"] - 86_400 * 2, "EndTime": shop["end"]}
    found = [each for page in paginator.paginate(EntitySelectorExpression=by_name, **day) for each in page["TimeSeriesServiceStatistics"]]
    assert len(found) >= 2_880 and sum(each["ServiceSummaryStatistics"]["TotalCount"] for each in found) == 8


def test_summaries_say_what_happened(xray, shop):
    times = {"StartTime": shop["start"], "EndTime": shop["end"]}
    find = lambda expression, **more: xray.call("GetTraceSummaries", FilterExpression=f'service("{shop["name"]}") {expression}', **times | more)["TraceSummaries"]  # noqa: E731
    assert len(eventually(lambda: of_length(find(""), 8))) == 8
    (failed,) = find("{ fault }")
    sent = shop["traces"][7]
    assert failed["Id"] == sent["id"] and failed["HasFault"] is True and failed["HasError"] is False
    assert failed["Http"] == {"HttpURL": "http://shop.example/cart/7", "HttpMethod": "GET", "HttpStatus": 500, "ClientIp": "10.0.0.1", "UserAgent": "e2e"}
    assert abs(failed["Duration"] - 0.25) < 1e-3 and abs(failed["ResponseTime"] - 0.25) < 1e-3
    assert {each["Name"] for each in failed["ServiceIds"]} == {shop["name"], shop["bank"], f"carts-{shop['name']}", f"mail.{shop['name']}"}
    assert failed["EntryPoint"]["Name"] == shop["name"]
    values = {key: [each["AnnotationValue"] for each in told] for key, told in failed["Annotations"].items()}
    assert values == {"tenant": [{"StringValue": "t1"}], "items": [{"NumberValue": 7.0}], "gift": [{"BooleanValue": False}]}
    assert [user["UserName"] for user in failed["Users"]] == ["ada"]
    assert failed["InstanceIds"] == [{"Id": "i-1"}] and failed["AvailabilityZones"] == [{"Name": "eu-west-1a"}]
    (slow,) = failed["ResponseTimeRootCauses"]
    assert [service["Name"] for service in slow["Services"]] == [shop["name"], shop["bank"]]
    assert all(service["EntityPath"] and service["Type"] is not None for service in slow["Services"])
    (fault,) = failed["FaultRootCauses"]
    assert fault["Services"][-1]["EntityPath"][-1]["Exceptions"] == [{"Name": "Refused", "Message": "no money"}]
    for expression, count in [("annotation.items > 5", 2), ('http.url CONTAINS "/cart/3"', 1), ("responsetime > 1", 0), ("!fault", 7),
                              (f'edge("{shop["name"]}", "{shop["bank"]}") {{ fault }}', 1), ('user = "ada" AND annotation.gift = true', 4)]:
        assert len(find(expression)) == count, expression
    for kind in ("TraceId", "Event", "Service"):
        assert len(find("", TimeRangeType=kind)) == 8, kind
    message = refused_message(xray, "GetTraceSummaries", FilterExpression="service(\"a\" { fault }", **times)
    assert "byte" in message


def of_length(found: list, count: int) -> list:
    assert len(found) == count
    return found


def refused_message(xray: Xray, operation: str, **arguments) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        xray.call(operation, **arguments)
    return raised.value.response["Error"]["Message"]


def test_summaries_of_any_number_come_in_pages(xray, service):
    begin, count = time.time() - 600, 450

    def send(number, at):
        trace_id = f"1-{int(at):08x}-{hex_of(12)}"
        segment = {"name": service, "id": hex_of(8), "trace_id": trace_id, "start_time": at, "end_time": at + 0.1}
        return trace_id, json.dumps(segment)

    sent = [send(number, begin + number) for number in range(count)]
    for start in range(0, count, 50):
        xray.call("PutTraceSegments", TraceSegmentDocuments=[document for _, document in sent[start:start + 50]])
    arguments = {"StartTime": begin - 1, "EndTime": begin + 600, "FilterExpression": f'service("{service}")'}
    seen, pages = [], 0
    while True:
        page = xray.call("GetTraceSummaries", **arguments)
        seen += [summary["Id"] for summary in page["TraceSummaries"]]
        pages += 1
        # What arrives meanwhile is newer: no page repeats or skips.
        xray.call("PutTraceSegments", TraceSegmentDocuments=[send(0, begin + 550 + pages)[1]])
        if "NextToken" not in page:
            break
        arguments["NextToken"] = page["NextToken"]
    assert pages > 1 and len(seen) == len(set(seen)) == count
    assert seen == [trace_id for trace_id, _ in reversed(sent)]


def test_an_outage_is_an_insight(xray, service):
    """An hour of calm, then eight minutes in which a callee fails and its caller with it; then calm again."""
    now = time.time() // 60 * 60
    outage = (now - 20 * 60, now - 12 * 60)
    documents = []
    for minute in range(100):
        at = now - (100 - minute) * 60
        for number in range(8):
            start, trace_id, root, call = at + number * 5, f"1-{int(at):08x}-{hex_of(12)}", hex_of(8), hex_of(8)
            fault = outage[0] <= start < outage[1] and number % 2 == 0
            times = {"start_time": start, "end_time": start + 0.1, "fault": fault}
            documents.append(json.dumps({"name": service, "id": root, "trace_id": trace_id, **times,
                                         "subsegments": [{"name": "db", "id": call, "namespace": "remote", **times}]}))
            documents.append(json.dumps({"name": f"db-{service}", "id": hex_of(8), "parent_id": call, "trace_id": trace_id, **times}))
    for start in range(0, len(documents), 400):
        xray.call("PutTraceSegments", TraceSegmentDocuments=documents[start:start + 400])
    group = f"ins-{hex_of(4)}"
    xray.call("CreateGroup", GroupName=group, FilterExpression=f'service("{service}")', InsightsConfiguration={"InsightsEnabled": True})
    times = {"StartTime": now - 40 * 60, "EndTime": now}
    (summary,) = eventually(lambda: of_length(xray.call("GetInsightSummaries", GroupName=group, **times)["InsightSummaries"], 1))
    assert summary["RootCauseServiceId"]["Name"] == f"db-{service}"
    assert (summary["State"], summary["Categories"], summary["GroupName"]) == ("CLOSED", ["FAULT"], group)
    assert summary["StartTime"].timestamp() == outage[0] and summary["EndTime"].timestamp() == outage[1]
    assert summary["RootCauseServiceRequestImpactStatistics"] == {"FaultCount": 32, "OkCount": 32, "TotalCount": 64}
    assert summary["ClientRequestImpactStatistics"] == {"FaultCount": 32, "OkCount": 32, "TotalCount": 64}
    assert {each["ServiceId"]["Name"] for each in summary["TopAnomalousServices"]} == {service, f"db-{service}"}
    assert xray.call("GetInsightSummaries", GroupName=group, States=["ACTIVE"], **times)["InsightSummaries"] == []
    insight = xray.call("GetInsight", InsightId=summary["InsightId"])["Insight"]
    assert insight.items() <= summary.items()
    first = xray.call("GetInsightEvents", InsightId=summary["InsightId"], MaxResults=5)
    rest = xray.call("GetInsightEvents", InsightId=summary["InsightId"], MaxResults=5, NextToken=first["NextToken"])
    events = first["InsightEvents"] + rest["InsightEvents"]
    assert [event["RootCauseServiceRequestImpactStatistics"]["FaultCount"] for event in events] == [4, 8, 12, 16, 20, 24, 28, 32]
    graph = xray.call("GetInsightImpactGraph", InsightId=summary["InsightId"], **times)
    assert {each["Name"] for each in graph["Services"]} == {service, f"db-{service}"}
    xray.call("DeleteGroup", GroupName=group)
    refused(xray, "GetInsight", "InvalidRequestException", InsightId=INSIGHT)
