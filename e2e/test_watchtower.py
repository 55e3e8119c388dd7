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
