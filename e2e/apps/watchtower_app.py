"""Python's logging with watchtower's handler: two streams of one group, text and JSON."""

import json
import logging
import os

import boto3
import watchtower

group = os.environ["E2E_SERVICE"]
client = boto3.client("logs")
sent = {}
for stream in ("web", "worker"):
    handler = watchtower.CloudWatchLogHandler(
        log_group_name=group, log_stream_name=stream, boto3_client=client, send_interval=1, log_group_retention_days=7
    )
    log = logging.getLogger(stream)
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    sent[stream] = []
    for number in range(40):
        line = f"{stream} line {number}: café ☃"
        log.info(line)
        sent[stream].append(line)
    fields = {"message": f"{stream} as JSON", "user": {"id": 7}, "ok": True}
    log.warning(fields)
    sent[stream].append(json.dumps(fields))
    text = f"{stream} failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: {stream}"
    log.error(text)
    sent[stream].append(text)
logging.shutdown()
print(json.dumps({"group": group, "lines": sent}))
