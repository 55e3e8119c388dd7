"""Requests by the X-Ray SDK, and how many of them its rules keep: one answer for each line on standard input."""

import json
import os
import sys

from aws_xray_sdk.core import xray_recorder

xray_recorder.configure(service=os.environ["E2E_SERVICE"], sampling=True, context_missing="LOG_ERROR")


def requests(count: int) -> int:
    kept = 0
    for _ in range(count):
        segment = xray_recorder.begin_segment(os.environ["E2E_SERVICE"])
        kept += bool(segment.sampled)
        xray_recorder.end_segment()
    return kept


for line in sys.stdin:
    print(json.dumps({"kept": requests(int(line))}), flush=True)
