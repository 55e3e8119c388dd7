"""Honeycomb's distribution of OpenTelemetry for Python: traces, of which it keeps one of so many, and a metric."""

import json

from honeycomb.opentelemetry import configure_opentelemetry
from opentelemetry import metrics, trace

configure_opentelemetry()
tracer = trace.get_tracer("e2e")
kept = {}
for number in range(60):
    with tracer.start_as_current_span("request", kind=trace.SpanKind.SERVER) as request:
        request.set_attribute("http.route", "/buy")
        with tracer.start_as_current_span("query") as query:
            query.set_attribute("db.rows", number)
        context = request.get_span_context()
        if context.trace_flags.sampled:
            kept[f"{context.trace_id:032x}"] = 2
counter = metrics.get_meter("e2e").create_counter("orders")
for number in range(5):
    counter.add(2, {"paid": number % 2 == 0})
trace.get_tracer_provider().shutdown()
if hasattr(metrics.get_meter_provider(), "shutdown"):
    metrics.get_meter_provider().shutdown()
print(json.dumps({"traces": kept}))
