"""Beside the exporters: counts what OpenTelemetry's SDK has recorded, by trace."""

from collections import Counter

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor


class CountingSpans(SpanProcessor):
    def __init__(self):
        self.spans = Counter()
        self.exceptions = Counter()
        self.names = Counter()

    def on_end(self, span):
        trace_id = format(span.context.trace_id, "032x")
        self.spans[trace_id] += 1
        self.names[span.name] += 1
        self.exceptions[trace_id] += sum(event.name == "exception" for event in span.events)


class CountingLogs(LogRecordProcessor):
    def __init__(self):
        self.logs = Counter()
        self.exceptions = Counter()

    def on_emit(self, log_record):
        record = log_record.log_record
        trace_id = format(record.trace_id or 0, "032x")
        self.logs[trace_id] += 1
        self.exceptions[trace_id] += "exception.type" in (record.attributes or {})

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True
