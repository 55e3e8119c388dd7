"""What CloudWatch Logs does on its own: scheduled queries and export tasks, with buckets that are folders."""

import datetime
import gzip
import hashlib
import json
import time
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from cloudwatch import refused
from conftest import binary
from support import Hook, Server, eventually

ROLE = "arn:aws:iam::000000000000:role/e2e"


@pytest.fixture(scope="module")
def buckets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "e2e-logs").mkdir()
    return folder


@pytest.fixture(scope="module")
def far():
    """A server with one bucket, far-away, and what was put there by those whom botocore's own signature proves."""
    objects = {}

    def put(request, body) -> int:
        _, bucket, key = request.path.split("/", 2)
        if request.headers["Authorization"].rsplit("Signature=", 1)[1] != signature(request) or hashlib.sha256(body).hexdigest() != request.headers["x-amz-content-sha256"]:
            return 403
        if bucket != "far-away":
            return 404
        objects[key] = body
        return 200

    with Hook(put) as hook:
        yield hook.http, objects


def signature(request) -> str:
    headers = {name: request.headers[name] for name in ("host", "x-amz-date", "x-amz-content-sha256")}
    region = request.headers["Authorization"].split("Credential=", 1)[1].split("/")[2]
    again = botocore.awsrequest.AWSRequest("PUT", f"http://{headers['host']}{request.path}", headers=headers)
    again.context["timestamp"] = headers["x-amz-date"]
    auth = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials("AKIAFAR", "far-secret"), "s3", region)
    return auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)


@pytest.fixture(scope="module")
def server(tmp_path_factory, buckets, far):
    server = Server(binary(), tmp_path_factory.mktemp("data"), "--buckets-dir", str(buckets),
                    "--s3-endpoint", far[0], "--s3-key", "AKIAFAR", "--s3-secret", "far-secret")
    yield server
    server.stop()


@pytest.fixture
def group(logs):
    name = f"/e2e/clock-{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name)
    now = int(time.time() * 1000)
    for stream, count in (("web/1", 3), ("web/2", 2), ("worker", 1)):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
        events = [{"timestamp": now - 5_000 + at, "message": json.dumps({"route": f"/{at}", "stream": stream})} for at in range(count)]
        logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)
    return name


def ended(logs, task: str) -> dict:
    def look():
        (found,) = logs.describe_export_tasks(taskId=task)["exportTasks"]
        assert found["status"]["code"] in ("COMPLETED", "FAILED", "CANCELLED")
        return found

    return eventually(look, 30)


def test_a_group_is_exported(logs, group, buckets):
    now = int(time.time() * 1000)
    ask = {"logGroupName": group, "fromTime": now - 60_000, "to": now + 60_000, "destination": "e2e-logs"}
    for wrong in ("nowhere", "../e2e-logs", "E2E"):
        code, message = refused(logs.create_export_task, **ask | {"destination": wrong})
        assert (code, message) == ("InvalidParameterException", "The given bucket does not exist. Please make sure the bucket is valid.")
    assert refused(logs.create_export_task, **ask | {"destinationPrefix": "../x"})[0] == "InvalidParameterException"
    task = logs.create_export_task(**ask, taskName="t", destinationPrefix="out", logStreamNamePrefix="web/")["taskId"]
    found = ended(logs, task)
    assert (found["status"], found["taskName"], found["destinationPrefix"]) == ({"code": "COMPLETED", "message": "Completed successfully"}, "t", "out")
    assert found["executionInfo"]["completionTime"] >= found["executionInfo"]["creationTime"]
    folder = buckets / "e2e-logs" / "out" / task
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.gz")) == ["web-1/000000.gz", "web-2/000000.gz"]
    lines = gzip.decompress((folder / "web-1" / "000000.gz").read_bytes()).decode().splitlines()
    times = [datetime.datetime.fromisoformat(line.split(" ", 1)[0]) for line in lines]
    assert [json.loads(line.split(" ", 1)[1])["route"] for line in lines] == ["/0", "/1", "/2"] and times == sorted(times)
    assert (buckets / "e2e-logs" / "out" / "aws-logs-write-test").exists()
    assert [each["taskId"] for each in logs.describe_export_tasks(statusCode="COMPLETED")["exportTasks"]] == [task]
    assert refused(logs.cancel_export_task, taskId=task)[0] == "InvalidOperationException"


def test_a_bucket_may_be_elsewhere(logs, group, far):
    now = int(time.time() * 1000)
    logs.create_log_stream(logGroupName=group, logStreamName="odd name ü/1")
    logs.put_log_events(logGroupName=group, logStreamName="odd name ü/1", logEvents=[{"timestamp": now, "message": "here"}])
    ask = {"logGroupName": group, "fromTime": now - 60_000, "to": now + 60_000}
    task = logs.create_export_task(**ask, destination="far-away", logStreamNamePrefix="odd")["taskId"]
    found = ended(logs, task)
    assert found["status"]["code"] == "COMPLETED", found
    assert set(far[1]) == {"exportedlogs/aws-logs-write-test", f"exportedlogs/{task}/odd%20name%20%C3%BC-1/000000.gz"}
    lines = gzip.decompress(far[1][f"exportedlogs/{task}/odd%20name%20%C3%BC-1/000000.gz"]).decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["here"]


def test_a_query_runs_on_schedule(server, logs, group, buckets, hook):
    url, seen = hook
    arn = logs.create_scheduled_query(
        name="counts", queryLanguage="CWLI", queryString="stats count(*) as n by stream | sort n desc", logGroupIdentifiers=[group],
        scheduleExpression="rate(1 minute)", startTimeOffset=3600, endTimeOffset=0, executionRoleArn=url,
        destinationConfiguration={"s3Configuration": {"destinationIdentifier": "s3://e2e-logs/queries", "roleArn": ROLE}},
    )["scheduledQueryArn"]
    wrong = logs.create_scheduled_query(
        name="wrong", queryLanguage="CWLI", queryString="stats nonsense(", logGroupIdentifiers=[group],
        scheduleExpression="rate(1 minute)", executionRoleArn=ROLE)["scheduledQueryArn"]
    assert refused(logs.create_scheduled_query, name="never", queryLanguage="CWLI", queryString="fields @message",
                   scheduleExpression="rate(x)", executionRoleArn=ROLE)[0] == "ValidationException"
    bounds = {"startTime": int(time.time()) - 600, "endTime": int(time.time()) + 600}

    def ran(identifier):
        return logs.get_scheduled_query_history(identifier=identifier, **bounds)["triggerHistory"][0]

    run = eventually(lambda: ran(arn), 90)
    assert run["executionStatus"] == "Complete" and run["queryId"] and run["triggeredTimestamp"] % 60_000 == 0
    (destination,) = run["destinations"]
    assert (destination["destinationType"], destination["status"]) == ("S3", "COMPLETE")
    written = json.loads((buckets / destination["processedIdentifier"].removeprefix("s3://")).read_text())
    assert written == [{"stream": "web/1", "n": "3"}, {"stream": "web/2", "n": "2"}, {"stream": "worker", "n": "1"}]
    told = eventually(lambda: json.loads(seen[0][1]))
    assert told["results"] == written and told["name"] == "counts" and told["triggeredTimestamp"] == run["triggeredTimestamp"]
    assert logs.get_scheduled_query(identifier=arn)["lastExecutionStatus"] == "Complete"
    wrong_run = eventually(lambda: ran(wrong), 30)
    assert wrong_run["executionStatus"] == "InvalidQuery" and wrong_run["errorMessage"]
    assert logs.get_scheduled_query_history(identifier=arn, executionStatuses=["Failed"], **bounds)["triggerHistory"] == []
    logs.delete_scheduled_query(identifier=arn)
    logs.delete_scheduled_query(identifier=wrong)


def test_an_alarm_watches_what_a_query_finds(server, logs, cloudwatch, group, hook):
    url, seen = hook
    name = f"errors-{uuid.uuid4().hex[:8]}"
    alarm = {
        "AlarmName": name, "AlarmDescription": "somebody cannot pay", "Threshold": 2, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "QueryResultsToEvaluate": 1, "QueryResultsToAlarm": 1, "TreatMissingData": "notBreaching", "AlarmActions": [url],
        "ScheduledQueryConfiguration": {
            "QueryString": "filter event = 'refused'", "AggregationExpression": "count(*) as refusals by user", "LogGroupIdentifiers": [group],
            "ScheduledQueryRoleARN": ROLE, "ScheduleConfiguration": {"ScheduleExpression": "rate(1 minute)", "StartTimeOffset": 600, "EndTimeOffset": 0},
        },
    }
    cloudwatch.put_log_alarm(**alarm)
    broken = json.loads(json.dumps(alarm))
    broken["ScheduledQueryConfiguration"]["QueryString"] = "filter ("
    code, message = refused(cloudwatch.put_log_alarm, **broken)
    assert code == "ValidationError" and "QueryString" in message

    def told() -> dict:
        (found,) = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["LogAlarm"])["LogAlarms"]
        return found

    assert told()["AlarmArn"].endswith(f":alarm:{name}") and told()["ScheduledQueryConfiguration"]["LogGroupIdentifiers"] == [group]
    now = int(time.time() * 1000)
    refusals = [{"timestamp": now + at, "message": json.dumps({"event": "refused", "user": user})} for at, user in enumerate(["ann", "bob", "ann"])]
    logs.put_log_events(logGroupName=group, logStreamName="worker", logEvents=refusals)

    def fires():
        assert told()["StateValue"] == "ALARM"

    eventually(fires, 100)
    assert "threshold (2.0)" in told()["StateReason"]
    eventually(lambda: seen[0])
    message = json.loads(json.loads(seen[0][1])["Message"])
    assert (message["AlarmName"], message["NewStateValue"], message["AlarmDescription"]) == (name, "ALARM", "somebody cannot pay")
    kinds = {item["HistoryItemType"] for item in cloudwatch.describe_alarm_history(AlarmName=name, AlarmTypes=["LogAlarm"])["AlarmHistoryItems"]}
    assert kinds == {"ConfigurationUpdate", "StateUpdate", "Action"}
    (mine,) = [each for each in server.api.get("/api/alarms")["alarms"] if each["name"] == name]
    assert mine["state"] == "ALARM"
    cloudwatch.delete_alarms(AlarmNames=[name])
    assert cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["LogAlarm"])["LogAlarms"] == []
