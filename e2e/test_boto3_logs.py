"""boto3 against CloudWatch Logs: what is written is found again by AWS's own read calls."""

import time

import pytest
from support import eventually


def pages(client, call, member, **arguments):
    return [each for page in client.get_paginator(call).paginate(**arguments) for each in page[member]]


def test_write_and_read_back(logs, api, service):
    group, stream = f"/e2e/{service}", "web/1"
    logs.create_log_group(logGroupName=group, tags={"team": "shop"})
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    event = {"timestamp": int(time.time() * 1000), "message": "too early"}
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_retention_policy(logGroupName=group, retentionInDays=14)
    (described,) = pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=group)
    assert (described["logGroupName"], described["retentionInDays"]) == (group, 14)

    now = int(time.time() * 1000)
    sent = [{"timestamp": now - 1000 + number, "message": f"request {number} {'failed' if number % 10 == 0 else 'ok'}"} for number in range(300)]
    for start in range(0, len(sent), 100):
        answer = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=sent[start:start + 100])
        assert answer["nextSequenceToken"] and "rejectedLogEventsInfo" not in answer

    def everything_is_there():
        read, token = [], None
        while True:
            more = {"nextToken": token} if token else {}
            answer = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=77, **more)
            read += answer["events"]
            if answer["nextForwardToken"] == token:
                break
            token = answer["nextForwardToken"]
        assert [(each["timestamp"], each["message"]) for each in read] == [(each["timestamp"], each["message"]) for each in sent]

    eventually(everything_is_there)
    middle = sent[100:200]
    times = {"startTime": middle[0]["timestamp"], "endTime": middle[-1]["timestamp"]}
    filtered = pages(logs, "filter_log_events", "events", logGroupName=group, logStreamNames=[stream], limit=30, **times)
    assert [each["message"] for each in filtered] == [each["message"] for each in middle]
    assert {each["logStreamName"] for each in filtered} == {stream}
    (described,) = pages(logs, "describe_log_streams", "logStreams", logGroupName=group)
    assert described["logStreamName"] == stream
    assert described["firstEventTimestamp"] == sent[0]["timestamp"] and described["lastEventTimestamp"] == sent[-1]["timestamp"]

    assert api.value(f"SELECT count(*) FROM logs WHERE aws.log.group.name = '{group}'") == len(sent)
    newest = api.get("/api/logs", log_group=group, limit=5)["logs"]
    assert [log["body"] for log in newest] == [each["message"] for each in reversed(sent[-5:])]
