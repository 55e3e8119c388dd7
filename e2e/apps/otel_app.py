"""A Flask app that calls itself, for `opentelemetry-instrument`: traces, logs and metrics by the usual settings."""

import json
import logging
import threading
import time

import requests
from counting import CountingLogs, CountingSpans
from flask import Flask
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider
from werkzeug.serving import make_server

spans, logs = CountingSpans(), CountingLogs()
trace.get_tracer_provider().add_span_processor(spans)
get_logger_provider().add_log_record_processor(logs)

app = Flask(__name__)
logging.getLogger().setLevel(logging.INFO)
log = logging.getLogger("shop")
tracer = trace.get_tracer("shop", "1.2.3")
meter = metrics.get_meter("shop", "1.2.3")
served = meter.create_counter("shop.served", unit="{request}", description="Requests served")
waited = meter.create_histogram("shop.wait", unit="s")


@app.route("/buy/<item>")
def buy(item):
    with tracer.start_as_current_span("reserve", attributes={"item": item, "count": 3, "price": 9.5, "gift": True}) as span:
        span.add_event("reserved", {"shelf": "b"})
        time.sleep(0.002)
    log.info("bought %s", item)
    served.add(1, {"route": "/buy"})
    waited.record(0.002)
    return {"item": item}


@app.route("/fail")
def fail():
    log.error("about to fail")
    served.add(1, {"route": "/fail"})
    raise RuntimeError("out of stock")


server = make_server("127.0.0.1", 0, app, threaded=True)
thread = threading.Thread(target=server.serve_forever)
thread.start()
address = f"http://127.0.0.1:{server.port}"
for number in range(6):
    assert requests.get(f"{address}/buy/item-{number}?n={number}", timeout=10).status_code == 200
for _ in range(2):
    assert requests.get(f"{address}/fail", timeout=10).status_code == 500
server.shutdown()
thread.join()

print(json.dumps({
    "spans": spans.spans,
    "exceptions": spans.exceptions,
    "names": spans.names,
    "logs": logs.logs,
    "logged_exceptions": logs.exceptions,
    "served": 8,
    "waits": 6,
}))
