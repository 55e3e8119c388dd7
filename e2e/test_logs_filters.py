"""Filters over log groups that no call of PutLogEvents writes to, policies of the account, and alarms over OpenTelemetry's metrics."""

import base64
import gzip
import json
import time
import uuid

import pytest
from cloudwatch import client, protection, refused
from conftest import binary
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as SpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from support import Server, eventually
from test_logs_clients import query
from test_metrics_api import put, statistics


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(binary(), tmp_path_factory.mktemp("data"))
    yield server
    server.stop()


@pytest.fixture
def service():
    return f"shop-{uuid.uuid4().hex[:8]}"


def tell(server, service: str, *lines: str, grpc: bool = False) -> None:
    """Sends lines as a service with OpenTelemetry's SDK does."""
    exporter = GrpcExporter(endpoint=server.otlp_grpc, insecure=True) if grpc else HttpExporter(endpoint=f"{server.otlp_http}/v1/logs")
    provider = LoggerProvider(resource=Resource.create({"service.name": service}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    for line in lines:
        record = LogRecord(timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, severity_text="INFO", body=line)
        provider.get_logger("e2e").emit(record)
    provider.shutdown()


def trace(server, service: str, *names: str, **attributes) -> None:
    """Sends spans as a service with OpenTelemetry's SDK does."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(SpanExporter(endpoint=f"{server.otlp_http}/v1/traces")))
    for name in names:
        with provider.get_tracer("e2e").start_as_current_span(name, attributes=attributes):
            pass
    provider.shutdown()


def error_of(call) -> str:
    return refused(call)[0]


def delivered(request) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(json.loads(request[1])["awslogs"]["data"])))


def test_log_records_count_in_metric_filters(server, logs, service):
    group, namespace = f"otel/{service}", f"e2e/{service}"
    transformation = {"metricNamespace": namespace, "metricName": "Errors", "metricValue": "1"}
    logs.put_metric_filter(logGroupName=group, filterName="errors", filterPattern="ERROR", metricTransformations=[transformation])
    assert logs.describe_metric_filters(logGroupName=group)["metricFilters"][0]["logGroupName"] == group
    tell(server, service, "ERROR one", "fine", "ERROR two")
    tell(server, service, "ERROR three", grpc=True)
    tell(server, f"{service}-other", "ERROR of another")
    cloudwatch = client(server)
    assert sum(statistics(cloudwatch, namespace, "Errors")) == 3
    (mine,) = [metric for metric in server.api.get("/api/metrics", q=namespace)["metrics"] if metric["name"] == "Errors"]
    assert mine["services"] == [service]
    logs.delete_metric_filter(logGroupName=group, filterName="errors")
    tell(server, service, "ERROR four")
    assert sum(statistics(cloudwatch, namespace, "Errors")) == 3
    assert error_of(lambda: logs.put_metric_filter(logGroupName="nowhere", filterName="f", filterPattern="", metricTransformations=[transformation])) == "ResourceNotFoundException"


def test_what_filters_made_of_log_records_outlives_a_kill(tmp_path, service):
    server = Server(binary(), tmp_path)
    transformation = {"metricNamespace": "Kept", "metricName": "Errors", "metricValue": "1"}
    client(server, "logs").put_metric_filter(logGroupName=f"otel/{service}", filterName="f", filterPattern="ERROR", metricTransformations=[transformation])
    tell(server, service, "ERROR one", "ERROR two")
    server.process.kill()
    server.process.wait()
    server = Server(binary(), tmp_path)
    assert sum(statistics(client(server), "Kept", "Errors")) == 2
    # Filters are known again before the first record comes.
    tell(server, service, "ERROR three")
    assert sum(statistics(client(server), "Kept", "Errors")) == 3
    server.stop()


def test_log_records_are_delivered(server, logs, service, hook):
    url, seen = hook
    group = f"otel/{service}"
    logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="ERROR", destinationArn=url)
    tell(server, service, "fine")
    tell(server, service, "ERROR one")
    eventually(lambda: seen[0])
    message = delivered(seen[0])
    assert (message["logGroup"], message["logStream"], message["subscriptionFilters"]) == (group, "default", ["errors"])
    assert [event["message"] for event in message["logEvents"]] == ["ERROR one"]
    logs.delete_subscription_filter(logGroupName=group, filterName="errors")


def test_the_account_subscribes_to_all_groups(server, logs, service, hook):
    url, seen = hook
    for name in (service, f"{service}-left-out"):
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="s")
    policy = {"policyName": "all", "policyType": "SUBSCRIPTION_FILTER_POLICY", "policyDocument": json.dumps({"DestinationArn": url, "FilterPattern": "ERROR", "Distribution": "Random"}),
              "selectionCriteria": f'LogGroupName NOT IN ["{service}-left-out"]'}
    answer = logs.put_account_policy(**policy)["accountPolicy"]
    assert answer["selectionCriteria"] == policy["selectionCriteria"] and answer["scope"] == "ALL"
    put(server, f"{service}-left-out", "ERROR not told")
    put(server, service, "ERROR by a call", "fine")
    tell(server, service, "ERROR by OpenTelemetry")
    eventually(lambda: seen[1])
    messages = [delivered(request) for request in seen]
    told = {message["logGroup"]: [event["message"] for event in message["logEvents"]] for message in messages}
    assert told == {service: ["ERROR by a call"], f"otel/{service}": ["ERROR by OpenTelemetry"]}
    assert {name for message in messages for name in message["subscriptionFilters"]} == {"all"}
    # There is one of them an account, and it is checked.
    assert error_of(lambda: logs.put_account_policy(**{**policy, "policyName": "second"})) == "LimitExceededException"
    for wrong in (
        {"policyDocument": "{}"},
        {"policyDocument": json.dumps({"DestinationArn": "arn:aws:sqs:us-east-1:000000000000:q"})},
        {"policyDocument": json.dumps({"DestinationArn": url, "FilterPattern": "[a,"})},
        {"selectionCriteria": 'LogGroupNamePrefix IN ["a"]'},
        {"selectionCriteria": "everything"},
    ):
        assert error_of(lambda wrong=wrong: logs.put_account_policy(**{**policy, **wrong})) == "InvalidParameterException", wrong
    logs.delete_account_policy(policyName="all", policyType="SUBSCRIPTION_FILTER_POLICY")
    put(server, service, "ERROR after it")
    time.sleep(1)
    assert len(seen) == 2


def test_the_account_indexes_groups_that_do_not(logs, service):
    for name in (f"{service}/a", f"{service}/b"):
        logs.create_log_group(logGroupName=name)
    logs.put_account_policy(policyName=f"i-{service}", policyType="FIELD_INDEX_POLICY", policyDocument=json.dumps({"Fields": ["requestId", "user"]}),
                            selectionCriteria=f'LogGroupNamePrefix IN ["{service}/"]')
    logs.put_index_policy(logGroupIdentifier=f"{service}/b", policyDocument=json.dumps({"Fields": ["own"]}))
    told = {}
    for name in ("a", "b"):
        (policy,) = logs.describe_index_policies(logGroupIdentifiers=[f"{service}/{name}"])["indexPolicies"]
        fields = logs.describe_field_indexes(logGroupIdentifiers=[f"{service}/{name}"])["fieldIndexes"]
        told[name] = (policy["source"], policy.get("policyName"), [field["fieldIndexName"] for field in fields])
    assert told == {"a": ("ACCOUNT", f"i-{service}", ["requestId", "user"]), "b": ("LOG_GROUP", None, ["own"])}
    assert error_of(lambda: logs.put_account_policy(policyName="none", policyType="FIELD_INDEX_POLICY", policyDocument='{"Fields": []}')) == "InvalidParameterException"


def test_the_account_transforms_what_metric_filters_ask_for(server, logs, service):
    logs.create_log_group(logGroupName=service)
    logs.create_log_stream(logGroupName=service, logStreamName="s")
    logs.put_account_policy(policyName=f"t-{service}", policyType="TRANSFORMER_POLICY", policyDocument=json.dumps([{"parseKeyValue": {}}]), selectionCriteria=f'LogGroupNamePrefix IN ["{service}"]')
    logs.put_metric_filter(logGroupName=service, filterName="slow", filterPattern='{ $.route = "/a" }', applyOnTransformedLogs=True,
                           metricTransformations=[{"metricNamespace": service, "metricName": "Ms", "metricValue": "$.ms"}])
    put(server, service, "route=/a&ms=40")
    assert statistics(client(server), service, "Ms") == [40]


def test_the_account_protects_all_groups(server, logs, service, hook):
    url, seen = hook
    logs.create_log_group(logGroupName=service)
    logs.create_log_stream(logGroupName=service, logStreamName="s")
    logs.put_account_policy(policyName="p", policyType="DATA_PROTECTION_POLICY", policyDocument=protection("EmailAddress"))
    (group,) = logs.describe_log_groups(logGroupNamePrefix=service)["logGroups"]
    assert group["inheritedProperties"] == ["ACCOUNT_DATA_PROTECTION"]
    put(server, service, "mail to jo@example.com")
    (event,) = logs.filter_log_events(logGroupName=service)["events"]
    assert "jo@" not in event["message"] and "mail to" in event["message"]
    # What is handed to subscribers is masked, also of a service's log records.
    logs.put_subscription_filter(logGroupName=f"otel/{service}", filterName="all", filterPattern="", destinationArn=url)
    tell(server, service, "mail to jo@example.com")
    eventually(lambda: seen[0])
    assert "jo@" not in delivered(seen[0])["logEvents"][0]["message"]
    # And wherever such a group is read.
    for group in (f"otel/{service}", service):
        (event,) = logs.filter_log_events(logGroupName=group)["events"]
        stream = event["logStreamName"]
        (same,) = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        record = logs.get_log_record(logRecordPointer=event["eventId"])["logRecord"]
        (row,), _ = query(logs, "fields @message, @ptr", group)
        assert {event["message"], same["message"], record["@message"], row["@message"]} == {"mail to **************"}
        assert row["@ptr"] == event["eventId"]
        assert logs.filter_log_events(logGroupName=group, unmask=True)["events"][0]["message"] == "mail to jo@example.com"
    logs.delete_account_policy(policyName="p", policyType="DATA_PROTECTION_POLICY")
    # A group that nobody made can have a policy of its own.
    group = f"otel/{service}"
    assert logs.filter_log_events(logGroupName=group)["events"][0]["message"] == "mail to jo@example.com"
    logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument=protection("EmailAddress"))
    assert logs.filter_log_events(logGroupName=group)["events"][0]["message"] == "mail to **************"
    logs.delete_data_protection_policy(logGroupIdentifier=group)


def test_a_services_records_are_read_as_a_group(server, logs, service):
    group = f"otel/{service}"
    tell(server, service, *(f"line {at} {'ERROR' if at % 5 == 0 else 'fine'}" for at in range(30)))
    pages = logs.get_paginator("filter_log_events")
    told = [event for page in pages.paginate(logGroupName=group, limit=7) for event in page["events"]]
    assert [event["message"] for event in told] == [f"line {at} {'ERROR' if at % 5 == 0 else 'fine'}" for at in range(30)]
    assert len({event["eventId"] for event in told}) == 30
    errors = logs.filter_log_events(logGroupName=group, filterPattern="ERROR", startFromHead=False)["events"]
    assert [event["message"] for event in errors] == [f"line {at} ERROR" for at in (25, 20, 15, 10, 5, 0)]
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["logStreamName"] == "default"
    assert logs.get_log_events(logGroupName=group, logStreamName="default", limit=2)["events"][-1]["message"] == "line 29 fine"
    assert error_of(lambda: logs.get_log_events(logGroupName=group, logStreamName="other")) == "ResourceNotFoundException"
    assert "@message" in {field["name"] for field in logs.get_log_group_fields(logGroupName=group)["logGroupFields"]}
    tail = logs.start_live_tail(logGroupIdentifiers=[f"arn:aws:logs:eu-west-1:000000000000:log-group:{group}"], logEventFilterPattern="late")["responseStream"]
    updates = iter(tail)
    assert "sessionStart" in next(updates)
    tell(server, service, "late", "not told")
    found = next(results for results in (next(updates)["sessionUpdate"]["sessionResults"] for _ in range(6)) if results)
    assert [event["message"] for event in found] == ["late"]
    tail.close()


def test_spans_are_events_of_a_group(server, logs, service, hook):
    url, seen = hook
    pattern = f'{{ $.resource.attributes.["service.name"] = "{service}" && $.name = "pay" }}'
    transformation = {"metricNamespace": service, "metricName": "Items", "metricValue": "$.attributes.items"}
    logs.put_metric_filter(logGroupName="aws/spans", filterName=service, filterPattern=pattern, metricTransformations=[transformation])
    logs.put_subscription_filter(logGroupName="aws/spans", filterName=service, filterPattern=pattern, destinationArn=url)
    logs.put_data_protection_policy(logGroupIdentifier="aws/spans", policyDocument=protection("EmailAddress"))
    trace(server, service, "pay", "ship", items=3, user="jo@example.com")
    trace(server, f"{service}-other", "pay", items=4)
    assert sum(statistics(client(server), service, "Items")) == 3
    eventually(lambda: seen[0])
    (handed,) = delivered(seen[0])["logEvents"]
    (event,) = logs.filter_log_events(logGroupName="aws/spans", filterPattern=pattern)["events"]
    assert json.loads(event["message"]) == json.loads(handed["message"])
    span = json.loads(event["message"])
    assert (span["name"], span["attributes"]["items"], span["attributes"]["user"]) == ("pay", 3, "**************")
    (row,), _ = query(logs, f'filter name = "ship" and `service.name` = "{service}" | fields user, items, @ptr', "aws/spans")
    assert (row["user"], row["items"]) == ("**************", "3")
    assert json.loads(logs.get_log_record(logRecordPointer=row["@ptr"], unmask=True)["logRecord"]["@message"])["attributes"]["user"] == "jo@example.com"
    logs.delete_metric_filter(logGroupName="aws/spans", filterName=service)
    logs.delete_subscription_filter(logGroupName="aws/spans", filterName=service)
    logs.delete_data_protection_policy(logGroupIdentifier="aws/spans")


def test_metrics_of_services_are_watched_by_alarms(server, service):
    cloudwatch, namespace = client(server), f"otel/{service}"
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{server.otlp_http}/v1/metrics"), export_interval_millis=3_600_000)
    provider = MeterProvider(resource=Resource.create({"service.name": service}), metric_readers=[reader])
    meter = provider.get_meter("e2e")
    orders, depth = meter.create_counter("orders"), meter.create_gauge("depth")
    # What counts since a start is told by what was added since the point before.
    for added in (5, 3, 4):
        orders.add(added, {"route": "/a"})
        depth.set(added * 10, {"queue": "mail"})
        provider.force_flush()
    listed = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    assert [(metric["MetricName"], metric["Dimensions"]) for metric in listed] == [("depth", []), ("orders", [])]
    assert sum(statistics(cloudwatch, namespace, "orders")) == 7
    assert sum(statistics(cloudwatch, namespace, "orders", [("route", "/a")])) == 7
    assert statistics(cloudwatch, namespace, "orders", [("route", "/b")]) == []
    assert max(statistics(cloudwatch, namespace, "depth", [("queue", "mail")], "Maximum")) == 50
    cloudwatch.put_metric_alarm(AlarmName=service, Namespace=namespace, MetricName="depth", Statistic="Maximum", Period=10, EvaluationPeriods=1,
                                Threshold=10, ComparisonOperator="GreaterThanThreshold", Dimensions=[{"Name": "queue", "Value": "mail"}])

    def fires():
        depth.set(50, {"queue": "mail"})
        provider.force_flush()
        assert cloudwatch.describe_alarms(AlarmNames=[service])["MetricAlarms"][0]["StateValue"] == "ALARM"

    eventually(fires, 60)
    provider.shutdown()
