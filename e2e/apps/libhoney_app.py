"""libhoney: events with a trace id and a duration are spans, the others are log records."""

import json
import os
import uuid

import libhoney

dataset = os.environ["E2E_SERVICE"]
libhoney.init(writekey="hcaik_" + "0" * 58, dataset=dataset, api_host=os.environ["HONEYCOMB_API"])
traces = {}
for _ in range(5):
    trace_id = uuid.uuid4().hex
    parent = None
    for name in ("request", "handler", "query"):
        event = libhoney.new_event()
        span_id = uuid.uuid4().hex[:16]
        event.add({
            "trace.trace_id": trace_id, "trace.span_id": span_id, "name": name, "service.name": dataset, "duration_ms": 12.5,
            "http.route": "/buy", "http.status_code": 200, "cached": False,
        })
        if parent:
            event.add_field("trace.parent_id", parent)
        event.send()
        parent = span_id
        traces[trace_id] = traces.get(trace_id, 0) + 1
for number in range(4):
    event = libhoney.new_event()
    event.add({"message": f"plain {number}", "service.name": dataset, "number": number})
    event.send()
event = libhoney.new_event()
event.sample_rate = 10
event.add({"message": "one of ten", "service.name": dataset})
event.send_presampled()

responses = libhoney.responses()
libhoney.close()
answers = []
while True:
    answer = responses.get(timeout=30)
    if answer is None:
        break
    answers.append(answer["status_code"])
print(json.dumps({"dataset": dataset, "traces": traces, "logs": 5, "answers": answers}))
