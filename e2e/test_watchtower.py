"""watchtower: CloudWatch Logs as a Python logging handler. Every line arrives once, in its stream, in order."""

from support import eventually, python_app, run


def test_every_line_of_every_stream(server, api, service):
    sent = run(python_app("watchtower_app.py"), server.environment(service))

    def everything_is_there():
        for stream, lines in sent["lines"].items():
            answer = api.get("/api/logs", log_group=sent["group"], log_stream=stream, order="oldest", limit=1000)
            assert sorted(log["body"] for log in answer["logs"]) == sorted(lines)
            assert {log["receiver"] for log in answer["logs"]} == {"cloudwatch"}

    eventually(everything_is_there)
    total = sum(len(lines) for lines in sent["lines"].values())
    counted = api.value(f"SELECT count(*) FROM logs WHERE receiver = 'cloudwatch' AND aws.log.group.name = '{sent['group']}'")
    assert counted == total
    worker = api.get("/api/logs", log_group=sent["group"], q='"worker line 7:"')["logs"]
    assert [log["body"] for log in worker] == ["worker line 7: café ☃"]
    histogram = api.get("/api/logs/histogram", log_group=sent["group"])["buckets"]
    assert sum(sum(bucket.values()) for bucket in histogram) == total


def test_a_patched_boto3_that_feeds_back_is_told_of(server, api, service):
    """The SDK complains of the calls that ship its complaints: the app's lines arrive all the same, and Connect names the loop.

    What is queued when the app ends is lost: logging then waits for the handler, holding the lock that a complaint needs, until
    watchtower gives up.
    """
    sent = run([*python_app("flask_watchtower_app.py"), "6"], server.environment(service))
    assert sent["answered"] >= 10 and sent["slowest"] < 1

    def told():
        logs = api.get("/api/logs", log_group=sent["group"], limit=1000)["logs"]
        arrived = sum(log["body"].startswith("cart ") for log in logs)
        # Four requests a second; the handler sends each second.
        assert sent["answered"] - 8 <= arrived <= sent["answered"]
        return [log["body"] for log in logs if "segment" in log["body"]]

    complaints = eventually(told)
    # A complaint or two a call, not one for each complaint.
    assert 3 <= len(complaints) <= 60
    (cloudwatch,) = [each for each in api.get("/api/receivers")["receivers"] if each["name"] == "cloudwatch"]
    (loop,) = [each for each in cloudwatch["feedback_loops"] if each["place"] == f"{sent['group']}, web"]
    assert loop["requests"] >= 3 and loop["lines"] <= len(complaints) and "X-Ray" in loop["cause"] and "aws_xray_sdk" in loop["advice"]
    assert loop["sample"] in complaints


def test_what_connect_advises_ends_the_loop(server, api, service):
    sent = run([*python_app("flask_watchtower_app.py"), "6"], server.environment(service) | {"E2E_ADVISED": "1"})

    def told():
        logs = api.get("/api/logs", log_group=sent["group"], limit=1000)["logs"]
        assert sorted(log["body"] for log in logs if log["body"].startswith("cart ")) == sorted(f"cart {at}" for at in range(sent["answered"]))
        assert not [log["body"] for log in logs if "segment" in log["body"]]

    eventually(told)
    (cloudwatch,) = [each for each in api.get("/api/receivers")["receivers"] if each["name"] == "cloudwatch"]
    assert f"{sent['group']}, web" not in {each["place"] for each in cloudwatch["feedback_loops"]}
