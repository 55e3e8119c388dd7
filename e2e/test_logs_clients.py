"""CloudWatch Logs as people use it: awslogs, both AWS CLIs, the log agent and boto3 on a day of a shop's logs."""

import json
import os
import re
import subprocess
import threading
import time

import pytest
from cloudwatch import REGION, aws, client, protection
from conftest import binary
from support import Server, aws_program, eventually, node_app, run



@pytest.fixture
def group(logs, service):
    name = f"/day/{service}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="web")
    return name


def put(logs, group: str, events: list[tuple[float, str]]):
    """Events by how many seconds ago they were."""
    now = time.time()
    told = sorted((int((now - ago) * 1000), message) for ago, message in events)
    for start in range(0, len(told), 5_000):
        page = [{"timestamp": at, "message": message} for at, message in told[start:start + 5_000]]
        assert "rejectedLogEventsInfo" not in logs.put_log_events(logGroupName=group, logStreamName="web", logEvents=page)


def query(logs, text: str, group: str | None = None, seconds: int = 3_600) -> tuple[list[dict], dict]:
    now = int(time.time())
    named = {"logGroupName": group} if group else {}
    id = logs.start_query(queryString=text, startTime=now - seconds, endTime=now + 60, **named)["queryId"]

    def answer():
        told = logs.get_query_results(queryId=id)
        assert told["status"] == "Complete"
        return told

    told = eventually(answer)
    return [{cell["field"]: cell["value"] for cell in row} for row in told["results"]], told["statistics"]


def awslogs(server, *arguments: str) -> list[str]:
    return [aws_program("awslogs"), *arguments, "--aws-endpoint-url", server.http, "--aws-region", REGION]


def test_awslogs_gets_and_watches(server, logs, group):
    put(logs, group, [(60, "GET /cart 200"), (50, "GET /pay 500"), (40, "GET /cart 304")])
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ} | server.environment("awslogs")
    run = {"env": environment, "text": True, "capture_output": True, "timeout": 60}
    assert group in subprocess.run(awslogs(server, "groups"), **run).stdout.split()
    assert subprocess.run(awslogs(server, "streams", group), **run).stdout.split() == ["web"]
    got = subprocess.run(awslogs(server, "get", group, "ALL", "--start=5m ago", "--no-color"), **run)
    assert got.returncode == 0, got.stderr
    assert [line.split(None, 2)[2] for line in got.stdout.splitlines()] == ["GET /cart 200", "GET /pay 500", "GET /cart 304"]
    filtered = subprocess.run(awslogs(server, "get", group, "ALL", "--start=5m ago", "--filter-pattern=500", "--no-group", "--no-stream"), **run)
    assert filtered.stdout.splitlines() == ["GET /pay 500"]
    watching = subprocess.Popen(
        awslogs(server, "get", group, "ALL", "--start=5m ago", "--watch", "--watch-interval=1", "--no-color"),
        env=environment | {"PYTHONUNBUFFERED": "1"}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(iter(watching.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        eventually(lambda: seen[2])
        put(logs, group, [(0, "GET /late 200")])
        eventually(lambda: seen[3])
        assert seen[3].strip().endswith("GET /late 200")
    finally:
        watching.terminate()
        watching.wait(10)


def test_the_cli_writes_reads_and_asks(server, service):
    group = f"/cli/{service}"
    aws(server, "logs", "create-log-group", "--log-group-name", group)
    aws(server, "logs", "create-log-stream", "--log-group-name", group, "--log-stream-name", "s")
    now = int(time.time())
    events = [{"timestamp": (now - 30 + at) * 1000, "message": f"user {at} paid {at * 7} EUR"} for at in range(6)]
    aws(server, "logs", "put-log-events", "--log-group-name", group, "--log-stream-name", "s", "--log-events", json.dumps(events))
    aws(server, "logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "30")
    (described,) = aws(server, "logs", "describe-log-groups", "--log-group-name-prefix", group)["logGroups"]
    assert described["retentionInDays"] == 30
    read = aws(server, "logs", "get-log-events", "--log-group-name", group, "--log-stream-name", "s", "--start-from-head")
    assert [each["message"] for each in read["events"]] == [each["message"] for each in events]
    found = aws(server, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "[w, id, verb, amount > 20, unit]")
    assert [each["message"] for each in found["events"]] == [each["message"] for each in events[3:]]
    times = ["--start-time", str(now - 60), "--end-time", str(now + 60)]
    text = f"SOURCE '{group}' | parse @message 'paid * EUR' as amount | stats sum(amount) as total"
    id = aws(server, "logs", "start-query", "--query-string", text, *times)["queryId"]
    answer = eventually(lambda: next(told for told in [aws(server, "logs", "get-query-results", "--query-id", id)] if told["status"] == "Complete"))
    assert answer["results"] == [[{"field": "total", "value": "105"}]]
    assert (answer["statistics"]["recordsMatched"], answer["statistics"]["recordsScanned"]) == (6.0, 6.0)
    assert answer["statistics"]["bytesScanned"] > 0
    aws(server, "logs", "put-data-protection-policy", "--log-group-identifier", group, "--policy-document", protection("EmailAddress"))
    assert "EmailAddress" in aws(server, "logs", "get-data-protection-policy", "--log-group-identifier", group)["policyDocument"]
    aws(server, "logs", "delete-log-group", "--log-group-name", group)


PATTERN_LINES = [
    "ERROR code 500 in /pay", "WARN code 404 in /cart", "ERROR slow: retry", "ok",
    '10.0.0.1 - ann [21/Nov/2026:10:00:00] "GET /cart 1" 200 512', '10.0.0.2 - bob [21/Nov/2026:10:00:01] "POST /pay" 503 7',
    '{"level": "error", "ms": 250, "user": {"id": "ann"}, "tags": ["a", "b"], "retried": true, "cause": null, "http.status": 500}',
    '{"level": "info", "ms": 1.5e3, "user": {"id": "bob"}, "tags": ["c"], "retried": false}',
]


@pytest.mark.parametrize(("pattern", "lines"), [
    ("", [0, 1, 2, 3, 4, 5, 6, 7]), ("ERROR", [0, 2]), ("ERROR code", [0]), ('"code 500"', [0]), ("ERROR -slow", [0]), ("?WARN ?slow", [1, 2]), ("-ERROR code", [1]),
    ("%code [45]0\\d%", [0, 1]), ("%^ok$%", [3]), ("ERROR %/p[a-z]+%", [0]),
    ("[ip = 10.*, dash, user, time, request, status, bytes]", [4, 5]), ("[ip, dash, user = ann, ...]", [4]), ("[..., status = 5*, bytes]", [5]),
    ("[ip = 10.*, dash, user != ann, time, request, status, bytes]", [5]), ("[..., status, bytes > 100]", [4]), ("[..., status >= 200 && status < 300, bytes]", [4]),
    ("[..., status = 200 || status = 503, bytes <= 7]", [5]), ('[..., request = "POST *", status, bytes]', [5]), ("[ip = %10\\.0\\.0\\.[12]%, ...]", [4, 5]),
    ('{ $.level = "error" }', [6]), ('{ $.level != "error" }', [7]), ('{ $.level = "e*" }', [6]), ("{ $.ms = 250 }", [6]), ("{ $.ms != 250 }", [7]), ("{ $.ms < 300 }", [6]),
    ("{ $.ms <= 250 }", [6]), ("{ $.ms > 1e3 }", [7]), ("{ $.ms >= 1500 }", [7]), ("{ $.retried IS TRUE }", [6]), ("{ $.retried IS FALSE }", [7]), ("{ $.cause IS NULL }", [6]),
    ("{ $.cause EXISTS }", [6]), ("{ $.cause NOT EXISTS }", [7]), ('{ $.user.id = "ann" && $.ms = 250 }', [6]), ('{ $.user.id = "ann" || $.ms > 1000 }', [6, 7]),
    ('{ ($.level = "info" || $.level = "error") && $.retried IS FALSE }', [7]), ('{ $.tags[1] = "b" }', [6]), ('{ $.tags[*] = "c" }', [7]), ("{ $.level = %^e% }", [6]),
    ("{ $.['http.status'] = 500 }", [6]), ("{ $.user = * }", []), ("{ $.ms = * }", [6, 7]),
])
def test_every_operator_of_patterns(logs, shared_lines, pattern, lines):
    expected = [PATTERN_LINES[at] for at in lines]
    assert [event["message"] for event in logs.filter_log_events(logGroupName=shared_lines, filterPattern=pattern)["events"]] == expected
    tried = logs.test_metric_filter(filterPattern=pattern, logEventMessages=PATTERN_LINES)["matches"]
    assert [match["eventMessage"] for match in tried] == expected


@pytest.fixture(scope="session")
def shared_lines(server):
    logs, group = client(server, "logs"), f"/patterns/{time.time_ns()}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="web")
    put(logs, group, [(60 - at, line) for at, line in enumerate(PATTERN_LINES)])
    return group


def test_a_live_tail_tells_what_matches_and_masks_it(logs, group):
    logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument=protection("EmailAddress"))
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    tail = logs.start_live_tail(logGroupIdentifiers=[described["logGroupArn"]], logEventFilterPattern="signup")["responseStream"]
    told = iter(tail)
    assert "sessionStart" in next(told)
    put(logs, group, [(0, "signup of ann@example.com"), (0, "heartbeat")])
    found: list[dict] = []
    for _ in range(6):
        found += next(told)["sessionUpdate"]["sessionResults"]
        if found:
            break
    assert [each["message"] for each in found] == ["signup of ***************"]
    tail.close()


def test_a_live_tail_samples_what_is_too_much(logs, group):
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    tail = logs.start_live_tail(logGroupIdentifiers=[described["logGroupArn"]])["responseStream"]
    told = iter(tail)
    assert "sessionStart" in next(told)
    put(logs, group, [(0, f"order {at}") for at in range(4_000)])
    updates = []
    while not updates or updates[-1]["sessionResults"]:
        update = next(told)["sessionUpdate"]
        updates += [update] if update["sessionResults"] or updates else []
    numbers = [int(each["message"].split()[1]) for update in updates for each in update["sessionResults"]]
    assert all(len(update["sessionResults"]) <= 500 for update in updates)
    assert updates[0]["sessionMetadata"]["sampled"] and len(set(numbers)) == len(numbers)
    # Evenly over what came, not its beginning.
    assert min(numbers) < 100 and max(numbers) > 3_900
    tail.close()


def test_patterns_are_told_and_compared(logs, api, group):
    steady = [(at * 20 + 5, f"user {at} of {['ann', 'bob', 'cid', 'dan'][at % 4]} paid {at * 3} EUR") for at in range(120)]
    rare = [(at * 300 + 9, f"[ERROR] payment {at} refused: card expired") for at in range(4)]
    put(logs, group, steady + rare)
    told = api.get("/api/logs/patterns", log_group=group)
    first, second = told["patterns"]
    assert (first["pattern"], first["count"]) == ("user <Number-1> of <Token-2> paid <Number-3> EUR", 120)
    assert (second["pattern"], second["count"], second["severity_number"]) == ("[ERROR] payment <Number-1> refused: card expired", 4, 17)
    assert told["lines"] == 124 and sum(first["trend"]) == 120 and abs(first["share"] - 120 / 124) < 1e-9
    assert {each["value"]: each["count"] for each in first["tokens"][1]["values"]} == {"ann": 30, "bob": 30, "cid": 30, "dan": 30}
    assert re.search(first["expression"], first["sample"])
    assert [each["pattern"] for each in api.get("/api/logs/patterns", log_group=group, q="refused")["patterns"]] == [second["pattern"]]
    rows, statistics = query(logs, "pattern @message", group)
    assert [(row["@pattern"], row["@sampleCount"], row["@severityLabel"]) for row in rows] == [
        (first["pattern"], "120", "None"), (second["pattern"], "4", "Error")]
    assert statistics["recordsMatched"] == 124
    rows, _ = query(logs, "pattern @message | diff | display @pattern, @differenceDescription", group)
    assert {row["@differenceDescription"] for row in rows} == {"new"}


def test_a_detector_finds_what_is_new_and_what_is_sudden(logs, group):
    usual = [(at * 60 + 1, f"tick {at}") for at in range(300)]
    sudden = [(at * 1_200 + 30, f"retry {at} of upstream") for at in range(14)] + [(2_000 + at / 10, f"retry {at} of upstream") for at in range(60)]
    put(logs, group, usual + sudden + [(1_500, "[ERROR] certificate of api-7 expired")])
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    detector = logs.create_log_anomaly_detector(logGroupArnList=[described["logGroupArn"]], detectorName="day")["anomalyDetectorArn"]
    found = logs.list_anomalies(anomalyDetectorArn=detector)["anomalies"]
    by_pattern = {each["patternString"]: each for each in found}
    assert set(by_pattern) == {"[ERROR] certificate of api-<Number-1> expired", "retry <Number-1> of upstream"}
    new = by_pattern["[ERROR] certificate of api-<Number-1> expired"]
    assert (new["priority"], new["state"], new["logGroupArnList"]) == ("HIGH", "Active", [described["logGroupArn"]])
    assert new["logSamples"][0]["message"] == "[ERROR] certificate of api-7 expired"
    assert [token["tokenString"] for token in new["patternTokens"] if token["isDynamic"]] == ["<Number-1>"]
    assert re.search(new["patternRegex"], new["logSamples"][0]["message"])
    logs.update_anomaly(anomalyDetectorArn=detector, anomalyId=new["anomalyId"], suppressionType="INFINITE")
    (suppressed,) = logs.list_anomalies(anomalyDetectorArn=detector, suppressionState="SUPPRESSED")["anomalies"]
    assert (suppressed["anomalyId"], suppressed["state"]) == (new["anomalyId"], "Suppressed")
    assert len(logs.list_anomalies(anomalyDetectorArn=detector, suppressionState="UNSUPPRESSED")["anomalies"]) == 1
    logs.delete_log_anomaly_detector(anomalyDetectorArn=detector)
    assert all(each["anomalyDetectorArn"] != detector for each in logs.list_anomalies()["anomalies"])


def test_what_is_protected_is_masked_wherever_it_is_read(logs, group):
    put(logs, group, [(30, "signup of ann@example.com from 10.0.0.7"), (20, '{"mail":"bob@example.com","n":1}')])
    logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument=protection("EmailAddress", "IpAddress"))
    masked = ["signup of *************** from ********", '{"mail":"***************","n":1}']
    plain = ["signup of ann@example.com from 10.0.0.7", '{"mail":"bob@example.com","n":1}']
    read = {"logGroupName": group, "logStreamName": "web", "startFromHead": True}
    assert [each["message"] for each in logs.get_log_events(**read)["events"]] == masked
    assert [each["message"] for each in logs.get_log_events(**read, unmask=True)["events"]] == plain
    assert [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]] == masked
    assert [each["message"] for each in logs.filter_log_events(logGroupName=group, unmask=True)["events"]] == plain
    assert logs.filter_log_events(logGroupName=group, filterPattern='"bob@"')["events"] == []
    assert len(logs.filter_log_events(logGroupName=group, filterPattern='"bob@"', unmask=True)["events"]) == 1
    rows, _ = query(logs, "fields @message | sort @timestamp asc", group)
    assert [row["@message"] for row in rows] == masked
    assert logs.get_log_record(logRecordPointer=rows[1]["@ptr"])["logRecord"]["mail"] == "***************"
    rows, _ = query(logs, "filter ispresent(mail) | unmask mail | display mail", group)
    assert rows == [{"mail": "bob@example.com", "@ptr": rows[0]["@ptr"]}]
    with pytest.raises(logs.exceptions.InvalidParameterException, match="not known here"):
        logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument=protection("Name"))
    logs.delete_data_protection_policy(logGroupIdentifier=group)
    assert [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]] == plain


def test_only_some_may_see_what_is_protected(tmp_path):
    server = Server(binary(), tmp_path / "data", "--aws-unmask-keys", "AKIAOFFICER0000000")
    clerk = client(server, "logs")
    officer = client(server, "logs", {"aws_access_key_id": "AKIAOFFICER0000000", "aws_secret_access_key": "x"})
    group = "/secret"
    clerk.create_log_group(logGroupName=group)
    clerk.create_log_stream(logGroupName=group, logStreamName="web")
    put(clerk, group, [(5, "mail of ann@example.com")])
    clerk.put_data_protection_policy(logGroupIdentifier=group, policyDocument=protection("EmailAddress"))
    (event,) = officer.filter_log_events(logGroupName=group, unmask=True)["events"]
    assert event["message"] == "mail of ann@example.com"
    with pytest.raises(clerk.exceptions.ClientError, match="AccessDenied"):
        clerk.filter_log_events(logGroupName=group, unmask=True)
    for who, expected in [(clerk, "mail of ***************"), (officer, "mail of ann@example.com")]:
        rows, _ = query(who, "fields @timestamp | unmask @message", group)
        assert rows[0]["@message"] == expected
    server.stop()


def written(process) -> list[str]:
    """The lines that a program prints, as they come."""
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True).start()
    return lines


def running(server, *command, **environment):
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    kept |= server.environment("cli") | {"PYTHONUNBUFFERED": "1", "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "AWS_PAGER": ""}
    return subprocess.Popen(command, env=kept | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_cli_tails_live(server, logs, group):
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    endpoint = ["--endpoint-url", server.http, "--region", REGION]
    tail = running(server, aws_program("aws"), *endpoint, "logs", "start-live-tail", "--log-group-identifiers", described["logGroupArn"])
    lines = written(tail)
    try:
        def told():
            put(logs, group, [(0, "seen live")])
            time.sleep(0.5)
            assert any("seen live" in line for line in lines)

        eventually(told, 30)
    finally:
        tail.terminate()
        tail.wait(10)


@pytest.mark.skipif(not os.path.exists("/usr/bin/aws"), reason="the second version of the AWS CLI is no package of Python's")
def test_the_second_cli_tails_and_follows(server, logs, group):
    put(logs, group, [(30, "before"), (20, "just before")])
    endpoint = ["--endpoint-url", server.http, "--region", REGION]
    follow = running(server, "/usr/bin/aws", *endpoint, "logs", "tail", group, "--follow", "--format", "short")
    lines = written(follow)
    try:
        eventually(lambda: lines[1], 30)
        put(logs, group, [(0, "after")])
        eventually(lambda: lines[2], 30)
        assert [line.split(" ", 1)[1].strip() for line in lines] == ["before", "just before", "after"]
    finally:
        follow.terminate()
        follow.wait(10)


@pytest.mark.parametrize("logger", ["winston", "pino"])
def test_loggers_of_node_ship_in_batches(server, logs, service, logger):
    """Senders that behave as agents do: they make group and stream when they are missing, queue, batch by time, and flush at the end."""
    sent = run(node_app(f"{logger}_cloudwatch_app.cjs"), server.environment(service))

    def arrived():
        events = [event for page in logs.get_paginator("filter_log_events").paginate(logGroupName=sent["group"]) for event in page["events"]]
        assert sorted(json.loads(event["message"])["number"] for event in events) == list(range(sent["lines"]))
        assert {event["logStreamName"] for event in events} == {sent["stream"]}

    eventually(arrived)
    (rows, _) = query(logs, "filter number >= 240 | stats count(*) as n, max(number) as last", sent["group"])
    assert rows == [{"n": "10", "last": "249"}]


def test_the_agent_pushes_a_file(server, logs, service, tmp_path):
    """CloudWatch's own agent for log files: it makes group and stream when they are missing, and sends gzip."""
    group, file = f"/agent/{service}", tmp_path / "app.log"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    file.write_text("".join(f"{stamp} line {at} of the app\n" for at in range(5)))
    (tmp_path / "aws").write_text("[plugins]\ncwlogs = cwlogs\n")
    (tmp_path / "agent").write_text(
        f"[general]\nstate_file = {tmp_path}/state\n[app]\nfile = {file}\nlog_group_name = {group}\nlog_stream_name = host-1\n"
        "datetime_format = %Y-%m-%d %H:%M:%S\ntime_zone = UTC\ninitial_position = start_of_file\nbuffer_duration = 5000\n")
    endpoint = ["--endpoint-url", server.http, "--region", REGION]
    agent = running(server, aws_program("aws"), *endpoint, "logs", "push", "--config-file", tmp_path / "agent", AWS_CONFIG_FILE=str(tmp_path / "aws"))
    written(agent)
    threading.Thread(target=agent.stderr.read, daemon=True).start()

    def arrived(count: int):
        try:
            events = logs.filter_log_events(logGroupName=group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            events = []
        assert [event["message"] for event in events] == [f"{stamp} line {at} of the app" for at in range(count)]

    try:
        eventually(lambda: arrived(5), 40)
        with file.open("a") as more:
            more.write(f"{stamp} line 5 of the app\n")
        eventually(lambda: arrived(6), 40)
    finally:
        agent.terminate()
        agent.wait(20)
