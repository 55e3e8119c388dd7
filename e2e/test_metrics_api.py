"""CloudWatch's metrics and alarms with boto3 and the AWS CLI: data in, statistics and math out, alarms that call somebody."""

import base64
import datetime
import gzip
import json
import math
import time
import urllib.parse
import urllib.request
import uuid

import botocore.compat
import botocore.parsers
import botocore.serialize
import make_metrics_model
import pytest
from cloudwatch import aws, client, refused
from conftest import binary
from model_shapes import faults, service_model, wrong_inputs
from support import ROOT, Server, eventually

SERVER_MODEL = ROOT / "crates/server/src/api/aws/metrics/model.json"


MODEL = service_model("cloudwatch")


@pytest.fixture
def namespace() -> str:
    return f"E2E/{uuid.uuid4().hex[:10]}"


def minutes_ago(count: int) -> datetime.datetime:
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    return now - datetime.timedelta(minutes=count)


def test_the_model_is_current():
    assert SERVER_MODEL.read_text() == make_metrics_model.text()


def test_data_are_listed_and_summed_up(cloudwatch, namespace):
    dimensions = [{"Name": "Service", "Value": "api"}, {"Name": "Host", "Value": "a b"}]
    at = minutes_ago(5)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "Latency", "Dimensions": dimensions, "Unit": "Milliseconds", "Timestamp": at, "Values": [float(n) for n in range(1, 11)], "Counts": [1.0] * 10},
        {"MetricName": "Latency", "Dimensions": dimensions, "Unit": "Milliseconds", "Timestamp": at + datetime.timedelta(minutes=1), "Value": 50},
        {"MetricName": "Requests", "Timestamp": at, "StatisticValues": {"SampleCount": 4, "Sum": 20, "Minimum": 2, "Maximum": 9}},
    ])
    listed = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    assert [(each["MetricName"], each["Dimensions"]) for each in listed] == [
        ("Latency", [{"Name": "Host", "Value": "a b"}, {"Name": "Service", "Value": "api"}]), ("Requests", []),
    ]
    assert cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Host", "Value": "x"}])["Metrics"] == []
    assert len(cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Host"}], RecentlyActive="PT3H")["Metrics"]) == 1
    ask = {"Namespace": namespace, "MetricName": "Latency", "Dimensions": dimensions, "StartTime": minutes_ago(10), "EndTime": minutes_ago(0), "Period": 60}
    answer = cloudwatch.get_metric_statistics(**ask, Statistics=["Average", "Sum", "SampleCount", "Minimum", "Maximum"], ExtendedStatistics=["p50", "TM(10%:90%)", "PR(:5)"])
    assert answer["Label"] == "Latency"
    first, second = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    assert first["Timestamp"] == at and first["Unit"] == "Milliseconds"
    assert (first["Average"], first["Sum"], first["SampleCount"], first["Minimum"], first["Maximum"]) == (5.5, 55, 10, 1, 10)
    assert first["ExtendedStatistics"] == {"p50": 5.5, "TM(10%:90%)": 5.5, "PR(:5)": 50}
    assert second["Average"] == 50
    (point,) = cloudwatch.get_metric_statistics(**ask | {"MetricName": "Requests", "Dimensions": []}, Statistics=["Average"], ExtendedStatistics=["p99"])["Datapoints"]
    assert point["Average"] == 5 and "ExtendedStatistics" not in point


@pytest.mark.parametrize("encoding", ["query", "json", "smithy-rpc-v2-cbor"])
def test_each_encoding_says_the_same(server, namespace, encoding):
    """The three ways in which SDKs of different ages speak, as they are on the wire."""
    at = minutes_ago(2).timestamp()

    def call(operation, query, tree, expect=200):
        if encoding == "query":
            body = urllib.parse.urlencode({"Action": operation, "Version": "2010-08-01"} | query).encode()
            request = urllib.request.Request(server.http + "/", body, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
        elif encoding == "json":
            headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"GraniteServiceVersion20100801.{operation}", "x-amzn-query-mode": "true", "Content-Encoding": "gzip"}
            request = urllib.request.Request(server.http + "/", gzip.compress(json.dumps(tree).encode()), headers)
        else:
            raise AssertionError(encoding)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == expect
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            assert error.code == expect, error.read()
            return error.headers["x-amzn-query-error"]

    if encoding == "smithy-rpc-v2-cbor":
        # As botocore writes and reads it, which chooses JSON by itself.
        def asked(operation, **arguments):
            model = MODEL.operation_model(operation)
            wire = botocore.serialize.create_serializer(encoding).serialize_to_request(arguments, model)
            request = urllib.request.Request(server.http + wire["url_path"], wire["body"], dict(wire["headers"]))
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    response = {"status_code": answer.status, "headers": answer.headers, "body": answer.read()}
            except urllib.error.HTTPError as error:
                response = {"status_code": error.code, "headers": error.headers, "body": error.read()}
            assert response["headers"]["smithy-protocol"] == "rpc-v2-cbor"
            response["headers"] = botocore.compat.HTTPHeaders.from_dict(dict(response["headers"]))
            return botocore.parsers.create_parser(encoding).parse(response, model.output_shape)

        when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
        asked("PutMetricData", Namespace=namespace, MetricData=[{"MetricName": "M", "Value": 1.5, "Timestamp": when}])
        minute = datetime.timedelta(minutes=1)
        answer = asked("GetMetricStatistics", Namespace=namespace, MetricName="M", StartTime=when - minute, EndTime=when + minute, Period=60, Statistics=["Sum"])
        assert answer["Datapoints"][0]["Sum"] == 1.5
        assert asked("ListMetrics", NextToken="x")["Error"]["Code"] in ("InvalidNextToken", "InvalidNextTokenException")
        return
    time_text = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    call("PutMetricData", {"Namespace": namespace, "MetricData.member.1.MetricName": "M", "MetricData.member.1.Value": "1.5", "MetricData.member.1.Timestamp": time_text, "MetricData.member.1.Dimensions.member.1.Name": "D", "MetricData.member.1.Dimensions.member.1.Value": "ä&b"},
         {"Namespace": namespace, "MetricData": [{"MetricName": "M", "Value": 1.5, "Timestamp": at, "Dimensions": [{"Name": "D", "Value": "ä&b"}]}]})
    listed = call("ListMetrics", {"Namespace": namespace}, {"Namespace": namespace})
    assert ("<Value>ä&amp;b</Value>" if encoding == "query" else '"Value":"ä&b"') in listed
    wrong = call("ListMetrics", {"NextToken": "x"}, {"NextToken": "x"}, 400)
    assert wrong == "InvalidNextToken;Sender"


def test_what_is_wrong_is_told_as_aws_tells_it(cloudwatch, namespace):
    put = lambda **datum: refused(cloudwatch.put_metric_data, Namespace=namespace, MetricData=[{"MetricName": "m", **datum}])  # noqa: E731
    assert put(Value=float("nan")) == ("InvalidParameterValue", "The value NaN for parameter MetricData.member.1.Value is invalid.")
    assert put(Value=1, Values=[1.0])[0] == "InvalidParameterCombination"
    assert put()[0] == "MissingParameter"
    assert put(Value=1, Timestamp=minutes_ago(60 * 24 * 15))[1].endswith("no more than two weeks in the past.")
    assert put(Values=[1.0, 2.0], Counts=[1.0])[0] == "InvalidParameterValue"
    ask = {"Namespace": namespace, "MetricName": "m", "StartTime": minutes_ago(10), "EndTime": minutes_ago(0), "Period": 60}
    assert refused(cloudwatch.get_metric_statistics, **ask | {"Period": 61}, Statistics=["Sum"])[0] == "InvalidParameterValue"
    assert refused(cloudwatch.get_metric_statistics, **ask)[0] == "MissingParameter"
    assert refused(cloudwatch.get_metric_statistics, **ask | {"StartTime": minutes_ago(60 * 24 * 10)}, Statistics=["Sum"])[0] == "InvalidParameterCombination"
    code, message = refused(cloudwatch.get_metric_data, MetricDataQueries=[{"Id": "e1", "Expression": "m9 + 1"}], StartTime=ask["StartTime"], EndTime=ask["EndTime"])
    assert code == "ValidationError" and "m9 is not the id" in message
    assert refused(cloudwatch.get_metric_stream, Name="x")[0] == "UnknownOperationException"


def test_math_over_many_metrics(cloudwatch, namespace):
    at = minutes_ago(5)
    data = []
    for minute in range(4):
        time_ = at + datetime.timedelta(minutes=minute)
        for route, errors, requests in [("/a", minute, 10), ("/b", 1, 20)]:
            dimensions = [{"Name": "Route", "Value": route}]
            data += [{"MetricName": "Errors", "Dimensions": dimensions, "Value": errors, "Timestamp": time_},
                     {"MetricName": "Requests", "Dimensions": dimensions, "Value": requests, "Timestamp": time_}]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    def stat(id_, name, route, shown=False):
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": "Route", "Value": route}]}
        return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": shown}

    queries = [
        {"Id": "share", "Expression": "100 * errors / requests", "Label": "error share"},
        {"Id": "errors", "Expression": "SUM([e1, e2])", "ReturnData": False},
        {"Id": "requests", "Expression": "SUM([r1, r2])"},
        stat("e1", "Errors", "/a", True), stat("e2", "Errors", "/b"), stat("r1", "Requests", "/a"), stat("r2", "Requests", "/b"),
        {"Id": "found", "Expression": f"SEARCH('{{{namespace},Route}} MetricName=\"Errors\"', 'Sum', 60)"},
        {"Id": "gone", "Expression": "IF(e1 > 1, e1)"},
    ]
    ask = {"MetricDataQueries": queries, "StartTime": at, "EndTime": minutes_ago(0), "ScanBy": "TimestampAscending"}
    results = cloudwatch.get_metric_data(**ask)["MetricDataResults"]
    told = [(result["Id"], result["Label"], result["Values"]) for result in results]
    share = [pytest.approx(100 * (minute + 1) / 30) for minute in range(4)]
    assert told == [
        ("share", "error share", share), ("requests", "requests", [30] * 4), ("e1", "Errors", [0, 1, 2, 3]),
        ("found", "/a Errors", [0, 1, 2, 3]), ("found", "/b Errors", [1] * 4), ("gone", "gone", [2, 3]),
    ]
    assert results[0]["Timestamps"][0] == at and results[0]["StatusCode"] == "Complete"
    pages, token = [], {}
    while True:
        page = cloudwatch.get_metric_data(**ask, MaxDatapoints=7, **token)
        pages.append(page["MetricDataResults"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(pages) == 4 and sum(len(result["Values"]) for page in pages for result in page) == 22


def test_every_function_of_metric_math(cloudwatch, namespace):
    start = minutes_ago(5)
    at = lambda minute: start + datetime.timedelta(minutes=minute)  # noqa: E731
    data = [{"MetricName": "A", "Timestamp": at(minute), "Value": value} for minute, value in enumerate([4, 1, 9, 16])]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[*data, {"MetricName": "B", "Timestamp": at(1), "Value": -2.5}])
    sources = [{"Id": name.lower(), "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": name}, "Period": 60, "Stat": "Sum"}, "ReturnData": False} for name in "AB"]
    deviation = math.sqrt(sum((each - 7.5) ** 2 for each in (4, 1, 9, 16)) / 4)
    expected = {
        "ABS(b)": [2.5], "CEIL(b)": [-2], "FLOOR(b)": [-3], "LOG(a)": [math.log(each) for each in (4, 1, 9, 16)], "LOG10(a)": [math.log10(each) for each in (4, 1, 9, 16)],
        "a - AVG(a)": [-3.5, -6.5, 1.5, 8.5], "a / SUM(a)": [each / 30 for each in (4, 1, 9, 16)], "MAX([a, b])": [4, 1, 9, 16], "MIN([a, b])": [4, -2.5, 9, 16],
        "a * 0 + STDDEV(a)": [deviation] * 4,
        "a * 0 + DATAPOINT_COUNT(a)": [4] * 4, "DIFF(a)": [-3, 8, 7], "DIFF_TIME(a)": [60] * 3, "RATE(a)": [-0.05, 8 / 60, 7 / 60], "RUNNING_SUM(a)": [4, 5, 14, 30],
        "FILL(b, 0) + a": [4, -1.5, 9, 16], "FIRST([a, b])": [4, 1, 9, 16], "LAST([a, b])": [-2.5], "IF(a > 5, a, 0)": [0, 0, 9, 16], "SUM(METRICS())": [4, -1.5, 9, 16],
        "a * 0 + METRIC_COUNT([a, b])": [2] * 4, "a * 0 + PERIOD(a)": [60] * 4, "REMOVE_EMPTY([a])": [4, 1, 9, 16], "SLICE(SORT([a, b], MAX, ASC), 0, 1)": [-2.5],
        "EPOCH(a) - EPOCH(a)": [0] * 4, "MINUTE(a)": [at(minute).minute for minute in range(4)], "HOUR(a)": [at(minute).hour for minute in range(4)],
        "DAY(a)": [at(minute).isoweekday() for minute in range(4)], "DATE(a)": [at(minute).day for minute in range(4)], "MONTH(a)": [at(minute).month for minute in range(4)],
        "YEAR(a)": [at(minute).year for minute in range(4)], f"SEARCH('{{{namespace}}} MetricName=\"A\"', 'Sum', 60)": [4, 1, 9, 16],
        "a ^ 2 - a * a": [0] * 4, "(a > 3) AND (a < 10)": [1, 0, 1, 0], "(a == 4) OR (a == 16)": [1, 0, 0, 1], "-a": [-4, -1, -9, -16],
    }
    for expression, values in expected.items():
        ask = [*sources, {"Id": "x", "Expression": expression}]
        (told,) = cloudwatch.get_metric_data(MetricDataQueries=ask, StartTime=start, EndTime=minutes_ago(0), ScanBy="TimestampAscending")["MetricDataResults"]
        assert told["Values"] == pytest.approx(values), expression
    ask = [*sources, {"Id": "x", "Expression": "a * 0 + TIME_SERIES(3)"}]
    (told,) = cloudwatch.get_metric_data(MetricDataQueries=ask, StartTime=start, EndTime=minutes_ago(0))["MetricDataResults"]
    assert set(told["Values"]) == {3}
    code, message = refused(cloudwatch.get_metric_data, MetricDataQueries=[*sources, {"Id": "x", "Expression": "CUBE(a)"}], StartTime=start, EndTime=minutes_ago(0))
    assert code == "ValidationError" and "CUBE" in message


def test_alarms_call_somebody(server, cloudwatch, namespace, hook):
    url, seen = hook
    name = f"high-{uuid.uuid4().hex[:8]}"
    alarm = {
        "AlarmName": name, "Namespace": namespace, "MetricName": "Depth", "Statistic": "Maximum", "Period": 10, "EvaluationPeriods": 1,
        "Threshold": 10, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
        "AlarmActions": [url], "OKActions": [url, "arn:aws:sns:eu-west-1:000000000000:nobody"], "AlarmDescription": "too deep",
    }
    cloudwatch.put_metric_alarm(**alarm, Tags=[{"Key": "team", "Value": "a"}])
    (told,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert told["StateValue"] in ("INSUFFICIENT_DATA", "OK") and told["Threshold"] == 10
    assert told["AlarmArn"] == f"arn:aws:cloudwatch:eu-west-1:000000000000:alarm:{name}"
    assert cloudwatch.list_tags_for_resource(ResourceARN=told["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    parent = f"any-{name}"
    cloudwatch.put_composite_alarm(AlarmName=parent, AlarmRule=f"ALARM({name}) OR FALSE")

    def state(of=name):
        answer = cloudwatch.describe_alarms(AlarmNames=[of], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return (answer["MetricAlarms"] + answer["CompositeAlarms"])[0]["StateValue"]

    def is_in_alarm():
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "Depth", "Value": 50}])
        assert (state(), state(parent)) == ("ALARM", "ALARM")

    eventually(is_in_alarm, 60)
    messages = lambda: [json.loads(json.loads(body)["Message"]) for _, body in seen]  # noqa: E731

    def is_told(value):
        assert [message for message in messages() if message["NewStateValue"] == value]

    eventually(lambda: is_told("ALARM"))
    message = [message for message in messages() if message["NewStateValue"] == "ALARM"][0]
    assert (message["AlarmName"], message["AlarmDescription"], message["Trigger"]["MetricName"]) == (name, "too deep", "Depth")
    assert "was greater than the threshold (10.0)" in message["NewStateReason"]
    headers, body = seen[-1]
    assert headers["x-amz-sns-message-type"] == "Notification" and json.loads(body)["Subject"].startswith("ALARM: ")
    # Nothing more is measured, and what is missing does not breach: as before the first value, which was told as well.
    def is_over():
        assert (state(), messages()[-1]["NewStateValue"]) == ("OK", "OK")

    eventually(is_over, 60)
    assert len([message for message in messages() if message["NewStateValue"] == "ALARM"]) == 1
    history = cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    kinds = {item["HistoryItemType"] for item in history}
    assert kinds == {"ConfigurationUpdate", "StateUpdate", "Action"}
    assert any(item["HistorySummary"].startswith("Failed to execute action arn:aws:sns") for item in history)
    (mine,) = [each for each in server.api.get("/api/alarms")["alarms"] if each["name"] == name]
    assert mine["condition"] == f"Maximum of Depth ({namespace}) > 10 for 1 period of 10 s" and mine["state"] == "OK"
    assert server.api.get(f"/api/alarms/{name}/history")["history"][0]["summary"]
    deliveries = server.api.get("/api/alerting/deliveries", origin=f"cloudwatch.alarm:{name}")["deliveries"]
    assert {delivery["state"] for delivery in deliveries} == {"delivered"} and len(deliveries) == len(seen)

    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="trying it out")
    assert state() == "ALARM" and not cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["ActionsEnabled"]
    cloudwatch.enable_alarm_actions(AlarmNames=[name])
    found = cloudwatch.describe_alarms_for_metric(Namespace=namespace, MetricName="Depth")["MetricAlarms"]
    assert [each["AlarmName"] for each in found] == [name]
    cloudwatch.delete_alarms(AlarmNames=[name, parent])
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []
    assert refused(cloudwatch.delete_alarms, AlarmNames=[name])[0] == "ResourceNotFound"


def test_an_alarm_outlives_a_restart_and_tells_nothing_twice(tmp_path, namespace, hook):
    url, seen = hook
    server = Server(binary(), tmp_path)
    cloudwatch = client(server)
    cloudwatch.put_metric_alarm(
        AlarmName="kept", Namespace=namespace, MetricName="M", Statistic="Sum", Period=10, EvaluationPeriods=1, Threshold=0,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore", AlarmActions=[url],
    )

    def is_in_alarm():
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "M", "Value": 1}])
        assert cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]

    eventually(is_in_alarm, 60)
    eventually(lambda: seen[0])
    server.process.kill()
    server.process.wait()
    server = Server(binary(), tmp_path)
    cloudwatch = client(server)
    time.sleep(15)
    assert [alarm["StateValue"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]] == ["ALARM"]
    assert len(seen) == 1
    server.stop()


def test_the_aws_cli(server, namespace):
    aws(server, "cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-name", "Jobs", "--value", "3", "--dimensions", "Queue=a")
    (metric,) = aws(server, "cloudwatch", "list-metrics", "--namespace", namespace)["Metrics"]
    assert metric["Dimensions"] == [{"Name": "Queue", "Value": "a"}]
    times = ["--start-time", minutes_ago(5).isoformat(), "--end-time", minutes_ago(-5).isoformat()]
    answer = aws(server, "cloudwatch", "get-metric-statistics", "--namespace", namespace, "--metric-name", "Jobs", "--dimensions", "Name=Queue,Value=a", "--statistics", "Sum", "--period", "60", *times)
    assert [point["Sum"] for point in answer["Datapoints"]] == [3]
    aws(server, "cloudwatch", "put-metric-alarm", "--alarm-name", f"cli-{namespace[4:]}", "--namespace", namespace, "--metric-name", "Jobs", "--statistic", "Sum", "--period", "60", "--evaluation-periods", "1", "--threshold", "1", "--comparison-operator", "GreaterThanThreshold")
    assert aws(server, "cloudwatch", "describe-alarms", "--alarm-name-prefix", f"cli-{namespace[4:]}")["MetricAlarms"]
    aws(server, "cloudwatch", "delete-alarms", "--alarm-names", f"cli-{namespace[4:]}")


@pytest.fixture
def group(server):
    """A log group with one stream."""
    name, logs = f"/e2e/metrics-{uuid.uuid4().hex[:8]}", client(server, "logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    logs.delete_log_group(logGroupName=name)


def put(server, group, *messages, at=None):
    now = int(time.time() * 1000) if at is None else int(at.timestamp() * 1000)
    events = [{"timestamp": now, "message": each if isinstance(each, str) else json.dumps(each)} for each in messages]
    client(server, "logs").put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def statistics(cloudwatch, namespace, metric, dimensions=(), statistic="Sum"):
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=[{"Name": name, "Value": value} for name, value in dimensions],
        StartTime=minutes_ago(10), EndTime=minutes_ago(-1), Period=60, Statistics=["Sum", "SampleCount", "Maximum"],
    )["Datapoints"]
    return [point[statistic] for point in sorted(points, key=lambda point: point["Timestamp"])]


def test_metric_filters_make_metrics(server, cloudwatch, namespace, group):
    logs = client(server, "logs")
    make = lambda name, pattern, **what: logs.put_metric_filter(  # noqa: E731
        logGroupName=group, filterName=name, filterPattern=pattern, metricTransformations=[{"metricNamespace": namespace, "metricName": name, **what}])
    make("Errors", "ERROR", metricValue="1", unit="Count")
    make("Latency", "{ $.ms > 0 }", metricValue="$.ms", unit="Milliseconds", dimensions={"Route": "$.route"})
    make("Bytes", "[ip, method, path, status, bytes]", metricValue="$bytes")
    make("Quiet", "FATAL", metricValue="1", defaultValue=0)
    at = minutes_ago(3)
    put(server, group, "ERROR one", "fine", "ERROR two", {"ms": 20, "route": "/a"}, {"ms": 40, "route": "/a"}, {"ms": 7.5, "route": "/b"},
        {"ms": 3}, "10.0.0.1 GET /a 200 512", at=at)
    assert statistics(cloudwatch, namespace, "Errors") == [2]
    assert statistics(cloudwatch, namespace, "Latency", [("Route", "/a")]) == [60]
    assert statistics(cloudwatch, namespace, "Latency", [("Route", "/a")], "Maximum") == [40]
    assert statistics(cloudwatch, namespace, "Latency", [("Route", "/b")]) == [7.5]
    assert statistics(cloudwatch, namespace, "Latency") == []
    assert statistics(cloudwatch, namespace, "Bytes") == [512]
    listed = cloudwatch.list_metrics(Namespace=namespace, MetricName="Latency")["Metrics"]
    assert [metric["Dimensions"][0]["Value"] for metric in listed] == ["/a", "/b"]
    # A minute that is over and had no match has the default, once.
    eventually(lambda: statistics(cloudwatch, namespace, "Quiet", statistic="SampleCount")[0], 40)
    assert statistics(cloudwatch, namespace, "Quiet") == [0]
    # They are metrics of the log group's service, for the page as well.
    (mine,) = [metric for metric in server.api.get("/api/metrics", q=namespace)["metrics"] if metric["name"] == "Latency"]
    assert mine["services"] == [group] and mine["unit"] == "ms" and "Route" in mine["labels"] and mine["series"] == 2
    logs.delete_metric_filter(logGroupName=group, filterName="Errors")
    put(server, group, "ERROR three")
    assert statistics(cloudwatch, namespace, "Errors") == [2]


def test_embedded_metrics_are_metrics(server, cloudwatch, namespace, group):
    event = {"_aws": {"Timestamp": int(minutes_ago(2).timestamp() * 1000), "CloudWatchMetrics": [
        {"Namespace": namespace, "Dimensions": [["Service"], []], "Metrics": [{"Name": "Time", "Unit": "Milliseconds"}]}]}, "Service": "api", "Time": [1, 2, 3]}
    put(server, group, event)
    assert statistics(cloudwatch, namespace, "Time", [("Service", "api")]) == [6]
    assert statistics(cloudwatch, namespace, "Time", statistic="SampleCount") == [3]


def test_what_filters_made_outlives_a_kill(tmp_path, namespace):
    server = Server(binary(), tmp_path)
    logs = client(server, "logs")
    logs.create_log_group(logGroupName="/kept")
    logs.create_log_stream(logGroupName="/kept", logStreamName="s")
    logs.put_metric_filter(logGroupName="/kept", filterName="f", filterPattern="ERROR", metricTransformations=[{"metricNamespace": namespace, "metricName": "M", "metricValue": "1"}])
    put(server, "/kept", "ERROR", "ERROR", at=minutes_ago(2))
    # What is replayed is what was found, whatever the filters are by then.
    logs.delete_metric_filter(logGroupName="/kept", filterName="f")
    server.process.kill()
    server.process.wait()
    server = Server(binary(), tmp_path)
    assert statistics(client(server), namespace, "M") == [2]
    server.stop()


def test_from_a_line_to_a_call(server, cloudwatch, namespace, group, hook):
    """A log line, a metric filter, its metric, an alarm on it, and the address that is called."""
    url, seen = hook
    client(server, "logs").put_metric_filter(
        logGroupName=group, filterName="f", filterPattern="ERROR",
        metricTransformations=[{"metricNamespace": namespace, "metricName": "Errors", "metricValue": "1"}])
    name = f"errors-{uuid.uuid4().hex[:8]}"
    alarm = server.api.send("POST", "/api/alarms", {
        "name": name, "namespace": namespace, "metric": "Errors", "statistic": "Sum", "comparison": ">=", "threshold": 1,
        "period_seconds": 10, "treat_missing_data": "notBreaching", "actions": {"alarm": [url]}})
    assert alarm["condition"] == f"Sum of Errors ({namespace}) >= 1 for 1 period of 10 s" and alarm["comparison"] == ">="

    def is_told():
        put(server, group, "ERROR again")
        assert seen

    eventually(is_told, 60)
    message = json.loads(json.loads(seen[0][1])["Message"])
    assert (message["AlarmName"], message["NewStateValue"], message["Trigger"]["MetricName"]) == (name, "ALARM", "Errors")

    count = len(seen)
    tested = server.api.send("POST", f"/api/alarms/{name}/test", {})["deliveries"]
    assert [delivery["state"] for delivery in tested] == ["delivered"] and len(seen) == count + 1
    assert server.api.send("POST", f"/api/alarms/{name}/actions", {"enabled": False})["actions_enabled"] is False
    assert server.api.send("POST", f"/api/alarms/{name}/state", {"state": "INSUFFICIENT_DATA"})["state"] == "INSUFFICIENT_DATA"
    assert server.api.get(f"/api/alarms/{name}/history")["history"][0]["reason"] == "Set by hand"
    cloudwatch.delete_alarms(AlarmNames=[name])


def test_metrics_are_plotted(server, cloudwatch, namespace):
    at = minutes_ago(5)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": metric, "Dimensions": [{"Name": "Route", "Value": route}], "Value": value, "Timestamp": at}
        for metric, route, value in [("Errors", "/a", 1), ("Errors", "/b", 3), ("Requests", "/a", 10), ("Requests", "/b", 10)]])
    (found,) = [each for each in server.api.get("/api/metrics", q=f"{namespace} errors"[:len(namespace)])["metrics"] if each["name"] == "Errors"]
    assert found["namespace"] == namespace and found["series"] == 2 and found["aggregations"][0] == "avg"
    by_route = server.api.get("/api/metrics/query", metric="Errors", namespace=namespace, aggregation="sum", by="Route", step=60)
    assert [(series["label"], series["total"]) for series in by_route["series"]] == [("/b", 3), ("/a", 1)]
    plot = server.api.send("POST", "/api/metrics/series", {
        "step": 60,
        "queries": [{"id": "e", "metric": "Errors", "namespace": namespace, "aggregation": "sum"},
                    {"id": "r", "metric": "Requests", "namespace": namespace, "aggregation": "sum"},
                    {"id": "a", "metric": "Requests", "namespace": namespace, "aggregation": "sum", "where": {"Route": "/a"}}],
        "expressions": [{"id": "share", "expression": "100 * e / r", "label": "share of errors"}]})
    place = plot["times_unix_nano"].index(str(int(at.timestamp()) * 10**9))
    assert [(series["label"], series["values"][place]) for series in plot["series"]] == [
        ("Errors", 4), ("Requests", 20), ("Requests", 10), ("share of errors", 20)]
    with pytest.raises(urllib.error.HTTPError) as wrong:
        server.api.send("POST", "/api/metrics/series", {"queries": [{"id": "e", "metric": "Errors"}], "expressions": [{"id": "x", "expression": "e +"}]})
    assert wrong.value.code == 400


def test_subscriptions_are_delivered(server, group, hook):
    url, seen = hook
    logs = client(server, "logs")
    logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="ERROR", destinationArn=url)
    put(server, group, "ERROR one", "fine", "ERROR two")
    put(server, group, "fine")
    eventually(lambda: seen[0])
    time.sleep(0.5)
    ((headers, body),) = seen
    assert headers["content-type"] == "application/json"
    message = json.loads(gzip.decompress(base64.b64decode(json.loads(body)["awslogs"]["data"])))
    assert (message["messageType"], message["logGroup"], message["logStream"], message["subscriptionFilters"]) == ("DATA_MESSAGE", group, "s", ["errors"])
    assert [event["message"] for event in message["logEvents"]] == ["ERROR one", "ERROR two"]
    told = logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]
    assert [event["id"] for event in message["logEvents"]] == [event["eventId"] for event in told]
    # By way of a destination, with the names of a space-delimited pattern.
    name = f"d-{uuid.uuid4().hex[:8]}"
    logs.put_destination(destinationName=name, targetArn=url, roleArn="arn:aws:iam::000000000000:role/r")
    arn = logs.describe_destinations(DestinationNamePrefix=name)["destinations"][0]["arn"]
    logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="[level = WARN, what]", destinationArn=arn)
    put(server, group, "WARN disk", "ERROR three")
    eventually(lambda: seen[1])
    message = json.loads(gzip.decompress(base64.b64decode(json.loads(seen[1][1])["awslogs"]["data"])))
    assert [event["extractedFields"] for event in message["logEvents"]] == [{"level": "WARN", "what": "disk"}]


def asked_in_json(server, operation: str, body: bytes) -> tuple[int, dict]:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"GraniteServiceVersion20100801.{operation}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(server.http + "/", body, headers), timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else {}


def valid_inputs(namespace: str) -> dict[str, dict]:
    """Input for each operation that is answered, as it is on the wire; the order is that in which they are called."""
    now, name = int(time.time()), f"alarm-{namespace[4:]}"
    metric = {"Namespace": namespace, "MetricName": "M"}
    arn = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}"
    alarm = {"AlarmName": name, **metric, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    return {
        "PutMetricData": {"Namespace": namespace, "MetricData": [{"MetricName": "M", "Value": 1.0, "Timestamp": now - 60}]},
        "ListMetrics": {"Namespace": namespace},
        "GetMetricStatistics": {**metric, "StartTime": now - 600, "EndTime": now, "Period": 60, "Statistics": ["Sum"], "ExtendedStatistics": ["p95"]},
        "GetMetricData": {"StartTime": now - 600, "EndTime": now, "MetricDataQueries": [{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}]},
        "PutMetricAlarm": alarm,
        "PutCompositeAlarm": {"AlarmName": f"any-{name}", "AlarmRule": f"ALARM({name})"},
        "DescribeAlarms": {"AlarmNamePrefix": name},
        "DescribeAlarmsForMetric": metric,
        "SetAlarmState": {"AlarmName": name, "StateValue": "OK", "StateReason": "e2e"},
        "DescribeAlarmHistory": {"AlarmName": name},
        "DisableAlarmActions": {"AlarmNames": [name]},
        "EnableAlarmActions": {"AlarmNames": [name]},
        "TagResource": {"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "b"}]},
        "ListTagsForResource": {"ResourceARN": arn},
        "UntagResource": {"ResourceARN": arn, "TagKeys": ["a"]},
        "DeleteAlarms": {"AlarmNames": [name, f"any-{name}"]},
        "PutDashboard": {"DashboardName": name.replace("/", "-"), "DashboardBody": '{"widgets": []}'},
        "GetDashboard": {"DashboardName": name.replace("/", "-")},
        "ListDashboards": {"DashboardNamePrefix": name.replace("/", "-")},
        "DeleteDashboards": {"DashboardNames": [name.replace("/", "-")]},
    }


def test_answers_have_the_shapes_of_the_model(server, namespace):
    for operation, arguments in valid_inputs(namespace).items():
        status, answer = asked_in_json(server, operation, json.dumps(arguments).encode())
        assert status == 200, (operation, answer)
        shape = MODEL.operation_model(operation).output_shape
        assert not (found := faults(shape, answer) if shape else []), f"{operation}: " + "; ".join(found)
    for operation in set(MODEL.operation_names) - set(valid_inputs(namespace)):
        status, answer = asked_in_json(server, operation, b"{}")
        assert status == 400 and answer["__type"], (operation, status, answer)


# Entities are read as far as they can be.
LIBERAL = {("PutMetricData", "EntityMetricData has a wrong type"), ("PutMetricData", "StrictEntityValidation has a wrong type")}


def test_wrong_input_is_refused(server, namespace):
    taken, odd = [], []
    for operation, valid in valid_inputs(namespace).items():
        for what, arguments in wrong_inputs(MODEL.operation_model(operation).input_shape, valid):
            status, answer = asked_in_json(server, operation, json.dumps(arguments).encode())
            if status == 200:
                taken.append((operation, what))
            elif status >= 500 or "__type" not in answer:
                odd.append((operation, what, status, answer))
        for body in (b"[1", b"7", b'"text"'):
            status, answer = asked_in_json(server, operation, body)
            if status != 400:
                odd.append((operation, body, status, answer))
    assert not odd, odd
    assert set(taken) <= LIBERAL, taken
