"""sentry-sdk: an error twice within transactions, a message, a log and a check-in."""

import json
import os
import time

import sentry_sdk
from sentry_sdk.crons import capture_checkin

marker = os.environ["MARKER"]
sentry_sdk.init(
    release="shop@1.2.3",
    environment="e2e-sentry",
    traces_sample_rate=1.0,
    enable_logs=True,
    server_name="web-1",
)
sentry_sdk.set_user({"id": "u1", "email": "ann@example.com"})
sentry_sdk.set_tag("run", marker)


def charge(amount):
    raise ValueError(f"cannot charge {amount}")


for amount in (1, 2):
    with sentry_sdk.start_transaction(op="http.server", name="GET /cart"):
        with sentry_sdk.start_span(op="db", name="SELECT 1"):
            time.sleep(0.01)
        try:
            charge(amount)
        except ValueError:
            sentry_sdk.capture_exception()
sentry_sdk.capture_message(f"message of {marker}", level="warning")
sentry_sdk.logger.warning(f"log of {marker}")
capture_checkin(monitor_slug=f"nightly-{marker}", status="ok")
sentry_sdk.flush(10)
print(json.dumps({"marker": marker}))
