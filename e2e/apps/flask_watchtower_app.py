"""A Flask app whose X-Ray SDK patches boto3, and whose every log line goes to CloudWatch Logs by watchtower's handler."""

import json
import logging
import os
import sys
import time

import boto3
import watchtower
from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask

service = os.environ["E2E_SERVICE"]
xray_recorder.configure(service=service, sampling=False, context_missing="LOG_ERROR")
patch(["botocore"])
logs = boto3.client("logs")
if "E2E_ADVISED" in os.environ:
    # watchtower drops lines while it makes the stream, which it does when the first batch finds none.
    logs.create_log_group(logGroupName=service)
    logs.create_log_stream(logGroupName=service, logStreamName="web")
handler = watchtower.CloudWatchLogHandler(log_group_name=service, log_stream_name="web", boto3_client=logs, send_interval=1)
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
if "E2E_ADVISED" in os.environ:
    # What Connect advises.
    logging.getLogger("aws_xray_sdk").propagate = False
app = Flask(service)
XRayMiddleware(app, xray_recorder)


@app.get("/cart/<int:id>")
def cart(id: int):
    logging.getLogger("shop").info("cart %d", id)
    return {"id": id}


client = app.test_client()
began = time.monotonic()
answered = 0
slowest = 0.0
while time.monotonic() - began < float(sys.argv[1]):
    asked = time.monotonic()
    answered += client.get(f"/cart/{answered}").status_code == 200
    slowest = max(slowest, time.monotonic() - asked)
    time.sleep(0.25)
logging.shutdown()
print(json.dumps({"group": service, "answered": answered, "slowest": slowest}))
