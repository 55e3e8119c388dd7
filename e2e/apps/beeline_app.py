"""The beeline for Python: traces of a request with two steps, one of which fails at times."""

import json
import os

import beeline

service = os.environ["E2E_SERVICE"]
beeline.init(writekey="hcaik_" + "0" * 58, service_name=service, api_host=os.environ["HONEYCOMB_API"])
traces, failed = {}, 0
for number in range(6):
    try:
        with beeline.tracer("request") as request:
            traces[request.trace_id] = 3
            beeline.add_trace_field("customer", f"c{number % 2}")
            with beeline.tracer("handler"):
                beeline.add_context({"http.route": "/buy", "items": number})
            with beeline.tracer("query"):
                beeline.add_context_field("db.rows", number * 10)
                if number % 3 == 0:
                    raise ValueError(f"no rows {number}")
    except ValueError:
        failed += 1
beeline.close()
print(json.dumps({"traces": traces, "failed": failed}))
