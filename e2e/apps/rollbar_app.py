"""pyrollbar, pointed elsewhere by its own argument: two occurrences of an error, a chained one, messages."""

import json
import logging
import os

import rollbar
from rollbar.logger import RollbarHandler

run = os.environ["E2E_SERVICE"]
rollbar.init("0" * 32, environment="e2e", endpoint=os.environ["ROLLBAR_ENDPOINT"], handler="blocking", code_version="1.2.3")
uuids = {"repeated": [], "chained": [], "messages": []}


def charge(amount):
    raise ValueError(f"cannot charge {amount} in {run}")


for amount in (5, 70):
    try:
        charge(amount)
    except ValueError:
        uuids["repeated"].append(rollbar.report_exc_info(extra_data={"amount": amount}, payload_data={"person": {"id": "u1"}}))
try:
    try:
        {}["missing"]
    except KeyError as error:
        raise LookupError(f"no such key in {run}") from error
except LookupError:
    uuids["chained"].append(rollbar.report_exc_info())
for level in ("debug", "info", "warning", "error", "critical"):
    uuids["messages"].append(rollbar.report_message(f"a {level} message of {run}", level))
log = logging.getLogger("app")
log.addHandler(RollbarHandler(access_token="0" * 32))
log.error("by way of logging in %s", run)
rollbar.wait()
print(json.dumps({"run": run, "uuids": uuids, "items": 9}))
