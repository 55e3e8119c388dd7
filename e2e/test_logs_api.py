"""CloudWatch Logs' API by boto3: every operation of botocore's model, with valid and with wrong input, and what they tell together."""

import json
import os
import pathlib
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import make_logs_model
import pytest
from cloudwatch import client, protection
from model_shapes import faults, service_model, wrong_inputs
from support import eventually

MODEL = service_model("logs")
SERVER_MODEL = pathlib.Path(__file__).parent.parent / "crates/server/src/api/aws/logs/model.json"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Action": "logs:PutLogEvents", "Resource": "*"}]})
TRANSFORMER = [{"parseJSON": {}}, {"addKeys": {"entries": [{"key": "team", "value": "shop"}]}}]
ROLE = "arn:aws:iam::123456789012:role/e2e"
BUCKET = "e2e-tasks"
STREAMED = {"StartLiveTail": "responseStream", "GetLogObject": "fieldStream"}

# Nothing of these can be there: no lakes, no sources of AWS's own, and no anomalies yet.
REFUSED = {
    "CreateImportTask": "ResourceNotFoundException",
    "CancelImportTask": "ResourceNotFoundException",
    "DescribeImportTaskBatches": "ResourceNotFoundException",
    "GetLogFields": "ResourceNotFoundException",
    "UpdateAnomaly": "ResourceNotFoundException",
}


class Logs:
    """A client whose raw answers are kept."""

    def __init__(self, server):
        self.client = client(server, "logs")
        self.raw = None
        self.client.meta.events.register("before-parse.cloudwatch-logs", self._keep)

    def _keep(self, response_dict, **_):
        self.raw = response_dict

    def method(self, operation: str):
        names = {name: method for method, name in self.client.meta.method_to_api_mapping.items()}
        return getattr(self.client, names[operation])

    def call(self, operation: str, **arguments) -> dict:
        """Calls, and checks the raw answer against the model."""
        answer = self.method(operation)(**arguments)
        answer.pop("ResponseMetadata")
        if operation in STREAMED:
            return answer
        assert self.raw["status_code"] == 200 and self.raw["headers"]["content-type"] == "application/x-amz-json-1.1"
        shape = MODEL.operation_model(operation).output_shape
        found = faults(shape, json.loads(self.raw["body"])) if shape else []
        assert not found, f"{operation}: " + "; ".join(found)
        return answer


@pytest.fixture
def logs(server):
    return Logs(server)


@pytest.fixture(scope="session")
def shop(server):
    """A group with events of three kinds in two streams."""
    own = Logs(server)
    group = f"/e2e/api-{os.urandom(4).hex()}"
    own.call("CreateLogGroup", logGroupName=group, tags={"team": "shop"})
    now = int(time.time() * 1000)
    for stream in ("web/1", "web/2"):
        own.call("CreateLogStream", logGroupName=group, logStreamName=stream)
        events = [{"timestamp": now - 1000 + at, "message": message_of(stream, at)} for at in range(60)]
        own.call("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=events)

    def all_are_there():
        found = own.client.filter_log_events(logGroupName=group)["events"]
        assert len(found) == 120
        return found

    return {"group": group, "arn": f"arn:aws:logs:eu-west-1:{account(own)}:log-group:{group}", "now": now, "events": eventually(all_are_there)}


def message_of(stream: str, at: int) -> str:
    if at % 3 == 0:
        return json.dumps({"level": "error" if at % 2 else "info", "latency": at, "user": {"id": f"u{at}"}})
    return f'10.0.0.{at} - "GET /cart/{at}" {500 if at % 5 == 0 else 200}' if at % 3 == 1 else f"plain line {at} of {stream}"


def account(logs: Logs) -> str:
    return boto3.client("sts", endpoint_url=logs.client.meta.endpoint_url, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b").get_caller_identity()["Account"]


def pointer(shop: dict) -> str:
    return shop["events"][0]["eventId"]


def valid_inputs(logs: Logs, shop: dict) -> dict[str, dict]:
    """Input for each operation; the order is that in which they are called."""
    tag = os.urandom(4).hex()
    group, arn, now = f"/e2e/{tag}", f"{shop['arn'].rsplit(':', 1)[0]}:/e2e/{tag}", shop["now"]
    seconds = {"startTime": now // 1000 - 600, "endTime": now // 1000 + 600}
    logs.call("CreateLogGroup", logGroupName=group)
    logs.call("CreateLogStream", logGroupName=group, logStreamName="s")
    logs.call("CreateLogGroup", logGroupName=f"{group}/gone")
    logs.call("CreateLogStream", logGroupName=group, logStreamName="gone")
    logs.call("PutDestination", destinationName=f"d-{tag}", targetArn="arn:aws:kinesis:eu-west-1:123456789012:stream/s", roleArn=ROLE)
    logs.call("PutDeliverySource", name=f"s-{tag}", resourceArn="arn:aws:cloudfront::123456789012:distribution/E1", logType="ACCESS_LOGS")
    destination = logs.call("PutDeliveryDestination", name=f"t-{tag}", deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::bucket"})["deliveryDestination"]["arn"]
    delivery = logs.call("CreateDelivery", deliverySourceName=f"s-{tag}", deliveryDestinationArn=destination)["delivery"]["id"]
    logs.call("PutDeliveryDestination", name=f"u-{tag}", deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::bucket"})
    other = destination.replace(f"t-{tag}", f"u-{tag}")
    detector = logs.call("CreateLogAnomalyDetector", logGroupArnList=[arn], detectorName="d")["anomalyDetectorArn"]
    table = logs.call("CreateLookupTable", lookupTableName=f"l_{tag}", tableBody="id,name\n1,ada\n")["lookupTableArn"]
    definition = logs.call("PutQueryDefinition", name=f"q/{tag}", queryString="fields @message")["queryDefinitionId"]
    query = logs.call("StartQuery", queryLanguage="SQL", queryString="SELECT count(*) AS n FROM logs", **seconds)["queryId"]
    integration = f"arn:aws:logs:eu-west-1:123456789012:integration:{tag}"
    source = logs.call("AssociateSourceToS3TableIntegration", integrationArn=integration, dataSource={"name": "n", "type": "t"})["identifier"]
    transformation = [{"metricName": "Errors", "metricNamespace": "Shop", "metricValue": "1", "defaultValue": 0.0, "unit": "Count"}]
    schedule = {"queryLanguage": "CWLI", "queryString": "fields @message", "scheduleExpression": "cron(0 * * * ? *)", "executionRoleArn": ROLE}
    unknown = "e3b0c442-98fc-4c14-9afb-f4c8996fb924"
    return {
        "CreateLogGroup": {"logGroupName": f"{group}/new", "logGroupClass": "INFREQUENT_ACCESS", "tags": {"a": "b"}, "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/k"},
        "CreateLogStream": {"logGroupName": group, "logStreamName": "new"},
        "PutLogEvents": {"logGroupName": group, "logStreamName": "s", "logEvents": [{"timestamp": now, "message": "m"}]},
        "DescribeLogGroups": {"logGroupNamePrefix": group, "limit": 5},
        "DescribeLogStreams": {"logGroupIdentifier": arn, "orderBy": "LastEventTime", "descending": True},
        "ListLogGroups": {"logGroupNamePattern": "^/e2e", "logGroupTags": [{"key": "a", "values": ["b*"]}]},
        "ListAggregateLogGroupSummaries": {"groupBy": "DATA_SOURCE_NAME_AND_TYPE"},
        "GetLogEvents": {"logGroupName": shop["group"], "logStreamName": "web/1", "limit": 5, "startFromHead": True},
        "FilterLogEvents": {"logGroupIdentifier": shop["arn"], "filterPattern": "plain", "limit": 5},
        "GetLogRecord": {"logRecordPointer": pointer(shop)},
        "GetLogObject": {"logObjectPointer": pointer(shop)},
        "GetLogGroupFields": {"logGroupName": shop["group"]},
        "GetLogFields": {"dataSourceName": "amazon_vpc", "dataSourceType": "flow"},
        "StartLiveTail": {"logGroupIdentifiers": [shop["arn"]], "logEventFilterPattern": "plain"},
        "StartQuery": {"queryLanguage": "SQL", "logGroupNames": [group], "queryString": "SELECT body FROM logs LIMIT 5", "limit": 3, **seconds},
        "GetQueryResults": {"queryId": query},
        "DescribeQueries": {"maxResults": 5},
        "ListLogGroupsForQuery": {"queryId": query},
        "StopQuery": {"queryId": query},
        "PutQueryDefinition": {"name": f"q/{tag}", "queryDefinitionId": definition, "queryString": "stats count(*)", "logGroupNames": [group], "parameters": [{"name": "p", "defaultValue": "1"}]},
        "DescribeQueryDefinitions": {"queryDefinitionNamePrefix": "q/", "maxResults": 2},
        "DeleteQueryDefinition": {"queryDefinitionId": definition},
        "CreateScheduledQuery": {"name": f"n-{tag}", **schedule, "tags": {"a": "b"}},
        "GetScheduledQuery": {"identifier": f"n-{tag}"},
        "GetScheduledQueryHistory": {"identifier": f"n-{tag}", **seconds},
        "ListScheduledQueries": {"state": "ENABLED", "maxResults": 5},
        "UpdateScheduledQuery": {"identifier": f"n-{tag}", **schedule, "state": "DISABLED"},
        "DeleteScheduledQuery": {"identifier": f"n-{tag}"},
        "PutRetentionPolicy": {"logGroupName": group, "retentionInDays": 30},
        "DeleteRetentionPolicy": {"logGroupName": group},
        "PutStorageTierPolicy": {"storageTier": "STANDARD"},
        "GetStorageTierPolicy": {},
        "PutMetricFilter": {"logGroupName": group, "filterName": "f", "filterPattern": "{ $.level = \"error\" }", "metricTransformations": transformation},
        "DescribeMetricFilters": {"logGroupName": group, "metricName": "Errors", "metricNamespace": "Shop"},
        "TestMetricFilter": {"filterPattern": "[ip, ..., status = 5*]", "logEventMessages": ["10.0.0.1 a 500", "10.0.0.1 a 200"]},
        "DeleteMetricFilter": {"logGroupName": group, "filterName": "f"},
        "PutSubscriptionFilter": {"logGroupName": group, "filterName": "f", "filterPattern": "", "destinationArn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "distribution": "Random"},
        "DescribeSubscriptionFilters": {"logGroupName": group, "filterNamePrefix": "f"},
        "DeleteSubscriptionFilter": {"logGroupName": group, "filterName": "f"},
        "PutDestination": {"destinationName": f"e-{tag}", "targetArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/s", "roleArn": ROLE, "tags": {"a": "b"}},
        "PutDestinationPolicy": {"destinationName": f"d-{tag}", "accessPolicy": POLICY},
        "DescribeDestinations": {"DestinationNamePrefix": f"d-{tag}"},
        "DeleteDestination": {"destinationName": f"d-{tag}"},
        "TagResource": {"resourceArn": arn, "tags": {"x": "y"}},
        "ListTagsForResource": {"resourceArn": arn},
        "UntagResource": {"resourceArn": arn, "tagKeys": ["x"]},
        "TagLogGroup": {"logGroupName": group, "tags": {"x": "y"}},
        "ListTagsLogGroup": {"logGroupName": group},
        "UntagLogGroup": {"logGroupName": group, "tags": ["x"]},
        "UpdateLogAnomalyDetector": {"anomalyDetectorArn": detector, "enabled": False, "filterPattern": "error"},
        "GetLogAnomalyDetector": {"anomalyDetectorArn": detector},
        "ListLogAnomalyDetectors": {"filterLogGroupArn": arn},
        "ListAnomalies": {"anomalyDetectorArn": detector},
        "UpdateAnomaly": {"anomalyDetectorArn": detector, "anomalyId": unknown},
        "CreateLogAnomalyDetector": {"logGroupArnList": [arn], "evaluationFrequency": "ONE_HOUR"},
        "DeleteLogAnomalyDetector": {"anomalyDetectorArn": detector},
        "CreateExportTask": {"logGroupName": group, "fromTime": 1, "to": 2, "destination": BUCKET},
        "DescribeExportTasks": {},
        "CancelExportTask": {"taskId": unknown},
        "CreateImportTask": {"importSourceArn": "arn:aws:cloudtrail:eu-west-1:1:eventdatastore/x", "importRoleArn": ROLE},
        "DescribeImportTasks": {},
        "DescribeImportTaskBatches": {"importId": unknown},
        "CancelImportTask": {"importId": unknown},
        "PutResourcePolicy": {"policyName": f"p-{tag}", "policyDocument": POLICY},
        "DescribeResourcePolicies": {},
        "DeleteResourcePolicy": {"policyName": f"p-{tag}"},
        "PutDataProtectionPolicy": {"logGroupIdentifier": group, "policyDocument": protection("EmailAddress")},
        "GetDataProtectionPolicy": {"logGroupIdentifier": group},
        "DeleteDataProtectionPolicy": {"logGroupIdentifier": group},
        "PutIndexPolicy": {"logGroupIdentifier": group, "policyDocument": '{"Fields": ["level"]}'},
        "DescribeIndexPolicies": {"logGroupIdentifiers": [group]},
        "DescribeFieldIndexes": {"logGroupIdentifiers": [group]},
        "DeleteIndexPolicy": {"logGroupIdentifier": group},
        "PutTransformer": {"logGroupIdentifier": group, "transformerConfig": TRANSFORMER},
        "GetTransformer": {"logGroupIdentifier": group},
        "TestTransformer": {"transformerConfig": TRANSFORMER, "logEventMessages": ['{"a": 1}']},
        "DeleteTransformer": {"logGroupIdentifier": group},
        "CreateLookupTable": {"lookupTableName": f"m_{tag}", "tableBody": "id,name\n1,ada\n", "description": "people"},
        "GetLookupTable": {"lookupTableArn": table},
        "DescribeLookupTables": {"lookupTableNamePrefix": "l_"},
        "UpdateLookupTable": {"lookupTableArn": table, "tableBody": "id,name\n2,bob\n"},
        "DeleteLookupTable": {"lookupTableArn": table},
        "AssociateKmsKey": {"logGroupName": group, "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/k"},
        "DisassociateKmsKey": {"logGroupName": group},
        "PutBearerTokenAuthentication": {"logGroupIdentifier": group, "bearerTokenAuthenticationEnabled": True},
        "PutLogGroupDeletionProtection": {"logGroupIdentifier": group, "deletionProtectionEnabled": False},
        "PutAccountPolicy": {"policyName": f"a-{tag}", "policyDocument": protection("EmailAddress"), "policyType": "DATA_PROTECTION_POLICY"},
        "DescribeAccountPolicies": {"policyType": "DATA_PROTECTION_POLICY"},
        "DeleteAccountPolicy": {"policyName": f"a-{tag}", "policyType": "DATA_PROTECTION_POLICY"},
        "PutSyslogConfiguration": {"logGroupIdentifier": group, "vpcEndpointId": "vpce-0a1b2c"},
        "ListSyslogConfigurations": {"logGroupIdentifier": group},
        "DeleteSyslogConfiguration": {"logGroupIdentifier": group, "vpcEndpointId": "vpce-0a1b2c"},
        "PutDeliverySource": {"name": f"s-{tag}", "resourceArn": "arn:aws:cloudfront::123456789012:distribution/E1", "logType": "ACCESS_LOGS", "tags": {"a": "b"}},
        "GetDeliverySource": {"name": f"s-{tag}"},
        "DescribeDeliverySources": {"limit": 5},
        "PutDeliveryDestination": {"name": f"t-{tag}", "deliveryDestinationConfiguration": {"destinationResourceArn": "arn:aws:s3:::other"}},
        "GetDeliveryDestination": {"name": f"t-{tag}"},
        "DescribeDeliveryDestinations": {"names": [f"t-{tag}"]},
        "PutDeliveryDestinationPolicy": {"deliveryDestinationName": f"t-{tag}", "deliveryDestinationPolicy": POLICY},
        "GetDeliveryDestinationPolicy": {"deliveryDestinationName": f"t-{tag}"},
        "DeleteDeliveryDestinationPolicy": {"deliveryDestinationName": f"t-{tag}"},
        "CreateDelivery": {"deliverySourceName": f"s-{tag}", "deliveryDestinationArn": other, "recordFields": ["date"], "fieldDelimiter": ",", "tags": {"a": "b"}},
        "GetDelivery": {"id": delivery},
        "DescribeDeliveries": {"deliverySourceNames": [f"s-{tag}"]},
        "UpdateDeliveryConfiguration": {"id": delivery, "recordFields": ["date", "time"]},
        "DeleteDelivery": {"id": delivery},
        "DeleteDeliverySource": {"name": f"s-{tag}"},
        "DeleteDeliveryDestination": {"name": f"t-{tag}"},
        "DescribeConfigurationTemplates": {"service": "cloudfront", "limit": 2},
        "PutIntegration": {"integrationName": "search", "integrationType": "OPENSEARCH", "resourceConfig": {"openSearchResourceConfig": {"dataSourceRoleArn": ROLE, "dashboardViewerPrincipals": [ROLE], "retentionDays": 5}}},
        "GetIntegration": {"integrationName": "search"},
        "ListIntegrations": {},
        "DeleteIntegration": {"integrationName": "search"},
        "AssociateSourceToS3TableIntegration": {"integrationArn": integration, "dataSource": {"name": "a", "type": "b"}},
        "ListSourcesForS3TableIntegration": {"integrationArn": integration},
        "DisassociateSourceFromS3TableIntegration": {"identifier": source},
        "DeleteLogStream": {"logGroupName": group, "logStreamName": "gone"},
        "DeleteLogGroup": {"logGroupName": f"{group}/gone"},
    }


# A delivery has to be gone before its ends can go, and the second one has an id that only the call tells.
def last_deliveries_are_gone(logs: Logs, source: str):
    for each in logs.client.describe_deliveries(deliverySourceNames=[source])["deliveries"]:
        logs.client.delete_delivery(id=each["id"])


def a_task_that_waits(logs: Logs, arguments: dict) -> str:
    """An export task right after it was made: there is one at a time, and it ends by itself."""
    def made():
        try:
            return logs.call("CreateExportTask", **arguments)["taskId"]
        except logs.client.exceptions.LimitExceededException as error:
            raise AssertionError("a task is at work") from error

    return eventually(made)


def test_the_model_of_the_server_is_this_one():
    assert SERVER_MODEL.read_text() == make_logs_model.text()


def test_no_operation_is_forgotten(logs, shop):
    inputs = valid_inputs(logs, shop)
    assert set(inputs) == set(MODEL.operation_names)
    for operation, arguments in inputs.items():
        if operation == "DeleteDeliverySource":
            last_deliveries_are_gone(logs, arguments["name"])
        if operation == "CancelExportTask":
            arguments = {"taskId": a_task_that_waits(logs, inputs["CreateExportTask"])}
        if operation in REFUSED:
            with pytest.raises(botocore.exceptions.ClientError) as refused:
                logs.call(operation, **arguments)
            assert refused.value.response["Error"]["Code"] == REFUSED[operation]
            continue
        answer = logs.call(operation, **arguments)
        if operation in STREAMED:
            stream = answer[STREAMED[operation]]
            assert next(iter(stream))
            stream.close()


# What the model forbids and is taken all the same.
LIBERAL = {
    # Out of use: AWS takes whatever old clients say.
    ("PutLogEvents", "sequenceToken has a wrong type"),
    ("PutLogEvents", "sequenceToken is too short"),
}

# Refused by the type that is read, before the service's own errors; the model does not list it.
BY_TYPE = "SerializationException"
TOO_LARGE = "RequestEntityTooLargeException"


def test_wrong_input_is_refused_by_a_modelled_error(server, shop):
    inputs = valid_inputs(Logs(server), shop)
    taken, odd = [], []
    for operation, valid in inputs.items():
        model = MODEL.operation_model(operation)
        errors = {shape.name for shape in model.error_shapes} | {"InvalidParameterException"}
        wire = on_the_wire(model.input_shape, valid)
        for what, arguments in wrong_inputs(model.input_shape, wire):
            status, body, kind = post(server, operation, json.dumps(arguments).encode())
            if status == 200:
                taken += [] if (operation, what) in LIBERAL else [(operation, what)]
            elif kind not in errors | {TOO_LARGE} and not (kind == BY_TYPE and "wrong type" in what) or "message" not in body:
                odd.append(f"{operation}: {what}: {status} {kind} {body}")
        for body in (b"[1", b"7", b'"text"'):
            status, _, kind = post(server, operation, body)
            if (status, kind) != (400, BY_TYPE):
                odd.append(f"{operation}: the body is {body}: {status} {kind}")
    # A list of numbers where texts belong is told by its type, however long it is.
    odd = [line for line in odd if not ("too many items" in line and BY_TYPE in line)]
    assert not taken, sorted(taken)
    assert not odd, "\n".join(odd)


def on_the_wire(shape, valid: dict) -> dict:
    """Members as they are sent: boto3 calls `from` differently."""
    names = {"fromTime": "from"}
    return {names.get(member, member): value for member, value in valid.items()}


def post(server, operation: str, body: bytes) -> tuple[int, dict, str]:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{operation}"}
    request = urllib.request.Request(server.http + "/", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            if answer.headers["content-type"].startswith("application/vnd.amazon.eventstream"):
                return 200, {}, ""
            return answer.status, json.load(answer), ""
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        return error.code, answer, answer.get("__type", "")
    except urllib.error.URLError as error:
        # A body over the server's bound is refused before all of it is sent.
        if isinstance(error.reason, (BrokenPipeError, ConnectionResetError)) and len(body) > 8 << 20:
            return 413, {"message": ""}, TOO_LARGE
        raise


@pytest.mark.parametrize(("pattern", "count"), [
    ("plain", 40), ('"web/2"', 20), ("?plain ?latency", 80), ("line -web", 0), ("%GET /cart/(1|4)%", None), ("{ $.latency >= 30 }", 20),
    ('{ $.level = "error" && $.user.id = "u9" }', 2), ("[ip, dash, request, status = 500]", 8), ("", 120),
])
def test_events_are_filtered_by_pattern(logs, shop, pattern, count):
    ask = {"logGroupName": shop["group"], "filterPattern": pattern}
    if count is None:
        with pytest.raises(logs.client.exceptions.InvalidParameterException, match="Invalid filter pattern"):
            logs.call("FilterLogEvents", **ask)
        return
    whole = logs.call("FilterLogEvents", **ask)["events"]
    assert len(whole) == count
    paged = [each for page in logs.client.get_paginator("filter_log_events").paginate(**ask, limit=7) for each in page["events"]]
    assert paged == whole
    newest = [each for page in logs.client.get_paginator("filter_log_events").paginate(**ask, limit=9, startFromHead=False) for each in page["events"]]
    assert [each["eventId"] for each in newest] == [each["eventId"] for each in reversed(whole)]


def test_a_record_tells_its_fields(logs, shop):
    record = logs.call("GetLogRecord", logRecordPointer=pointer(shop))["logRecord"]
    assert record["@message"] == shop["events"][0]["message"] and record["latency"] == "0" and record["user.id"] == "u0"
    fields = {each["name"]: each["percent"] for each in logs.call("GetLogGroupFields", logGroupName=shop["group"])["logGroupFields"]}
    assert fields["@message"] == 100 and fields["user.id"] == 34
    stream = logs.call("GetLogObject", logObjectPointer=pointer(shop))["fieldStream"]
    assert next(iter(stream))["fields"]["data"].decode() == shop["events"][0]["message"]


def test_live_tail_tells_within_a_second(logs, shop):
    group, stream = shop["group"], "web/tail"
    logs.call("CreateLogStream", logGroupName=group, logStreamName=stream)
    tail = logs.call("StartLiveTail", logGroupIdentifiers=[shop["arn"]], logStreamNamePrefixes=["web/ta"], logEventFilterPattern="boom")["responseStream"]
    told = iter(tail)
    assert next(told)["sessionStart"]["logGroupIdentifiers"] == [shop["arn"]]
    sent = time.time()
    events = [{"timestamp": int(sent * 1000), "message": text} for text in ("boom 1", "quiet", "boom 2")]
    logs.client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    found, updates = [], 0
    while len(found) < 2 and updates < 5:
        update = next(told)["sessionUpdate"]
        found, updates = found + update["sessionResults"], updates + 1
        assert update["sessionMetadata"] == {"sampled": False}
    assert [each["message"] for each in found] == ["boom 1", "boom 2"]
    assert time.time() - sent < 2.5 and found[0]["logStreamName"] == stream and found[0]["logGroupIdentifier"].endswith(":" + group)
    assert next(told)["sessionUpdate"]["sessionResults"] == []
    tail.close()


def test_what_belongs_to_a_group_goes_with_it(logs):
    group = f"/e2e/{os.urandom(4).hex()}"
    logs.call("CreateLogGroup", logGroupName=group, tags={"a": "b"}, deletionProtectionEnabled=True)
    transformation = [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}]
    for at in range(3):
        logs.call("PutMetricFilter", logGroupName=group, filterName=f"f{at}", filterPattern="a", metricTransformations=transformation)
    (described,) = logs.call("DescribeLogGroups", logGroupNamePrefix=group)["logGroups"]
    assert described["metricFilterCount"] == 3 and described["deletionProtectionEnabled"] is True
    pages = [len(page["metricFilters"]) for page in logs.client.get_paginator("describe_metric_filters").paginate(logGroupName=group, PaginationConfig={"PageSize": 2})]
    assert pages == [2, 1]
    with pytest.raises(logs.client.exceptions.ValidationException, match="deletion protection"):
        logs.call("DeleteLogGroup", logGroupName=group)
    logs.call("PutLogGroupDeletionProtection", logGroupIdentifier=group, deletionProtectionEnabled=False)
    logs.call("DeleteLogGroup", logGroupName=group)
    logs.call("CreateLogGroup", logGroupName=group)
    assert logs.call("ListTagsLogGroup", logGroupName=group)["tags"] == {}
    assert logs.call("DescribeMetricFilters", logGroupName=group)["metricFilters"] == []


def test_a_transformer_is_tried(logs):
    (told,) = logs.call("TestTransformer", transformerConfig=TRANSFORMER, logEventMessages=['{"a": 1}'])["transformedLogs"]
    assert json.loads(told["transformedEventMessage"]) == {"a": 1, "team": "shop"}


def ask(logs: Logs, shop: dict, text: str) -> list[dict]:
    query = logs.call("StartQuery", logGroupName=shop["group"], queryString=text, startTime=shop["now"] // 1000 - 600, endTime=shop["now"] // 1000 + 600)["queryId"]

    def is_complete():
        answer = logs.call("GetQueryResults", queryId=query)
        assert answer["status"] == "Complete"
        return answer["results"]

    return [{cell["field"]: cell["value"] for cell in row} for row in eventually(is_complete)]


def test_insights_queries(logs, shop):
    newest = ask(logs, shop, "fields @timestamp, @message | sort @timestamp desc | limit 3")
    assert len(newest) == 3 and set(newest[0]) == {"@timestamp", "@message", "@ptr"}
    assert logs.call("GetLogRecord", logRecordPointer=newest[0]["@ptr"])["logRecord"]["@message"] == newest[0]["@message"]
    told = logs.call("DescribeQueries", logGroupName=shop["group"], queryLanguage="CWLI", maxResults=1)["queries"][0]
    start, end = shop["now"] // 1000 - 600, shop["now"] // 1000 + 600
    assert told["queryString"] == f'SOURCE "{shop["group"]}" START={start} END={end} | fields @timestamp, @message | sort @timestamp desc | limit 3'
    assert ask(logs, shop, "filter @message like /plain/ | stats count(*) as n by @logStream | sort @logStream") == [
        {"@logStream": "web/1", "n": "20"}, {"@logStream": "web/2", "n": "20"}]
    assert ask(logs, shop, "filter level = 'error' | stats max(latency) as most, count(*) as n") == [{"most": "57", "n": "20"}]
    assert ask(logs, shop, """parse @message '* - "GET /cart/*" *' as ip, cart, status | filter status = 500 | stats count(*) as n""") == [{"n": "8"}]
    with pytest.raises(logs.client.exceptions.MalformedQueryException) as refused:
        ask(logs, shop, "fields @message | filtre a = 1")
    assert refused.value.response["queryCompileError"]["location"]["startCharOffset"] == 18


def test_queries_are_asked_about(logs, shop):
    seconds = {"startTime": shop["now"] // 1000 - 600, "endTime": shop["now"] // 1000 + 600}
    text = f"SELECT count(*) AS n, max(time) AS newest FROM logs WHERE aws.log.group.name = '{shop['group']}'"
    query = logs.call("StartQuery", queryLanguage="SQL", logGroupName=shop["group"], queryString=text, **seconds)["queryId"]

    def is_complete():
        answer = logs.call("GetQueryResults", queryId=query)
        assert answer["status"] == "Complete"
        return answer

    answer = eventually(is_complete)
    (row,) = answer["results"]
    assert int({cell["field"]: cell["value"] for cell in row}["n"]) >= 120
    told = logs.call("DescribeQueries", logGroupName=shop["group"])["queries"][0]
    assert (told["queryId"], told["queryString"], told["queryLanguage"]) == (query, text, "SQL")
    assert told["userIdentity"] == f"arn:aws:iam::{account(logs)}:user/cupola"
    with pytest.raises(logs.client.exceptions.MalformedQueryException):
        logs.call("StartQuery", queryLanguage="SQL", queryString="SELEKT 1", **seconds)
    with pytest.raises(logs.client.exceptions.ResourceNotFoundException, match="does not exist for account ID"):
        logs.call("StartQuery", logGroupName="/not/there", queryString="fields @message", **seconds)
