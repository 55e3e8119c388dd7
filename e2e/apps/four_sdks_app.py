"""One Flask app with four vendors' SDKs, as people have them: each is set up by its own settings.

OpenTelemetry comes from outside (`opentelemetry-instrument`). Serves until its standard input is closed, then says what each
SDK has recorded, by request.
"""

import json
import logging
import os
import sys
import threading
from collections import defaultdict

import boto3
import rollbar
import rollbar.contrib.flask
import watchtower
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from counting import CountingSpans
from flask import Flask, got_request_exception, request
from opentelemetry import trace
from werkzeug.serving import make_server

service = os.environ["E2E_SERVICE"]
otel = CountingSpans()
trace.get_tracer_provider().add_span_processor(otel)
truth = defaultdict(lambda: {"xray_trace_id": None, "path": None, "lines": 0, "rollbar": []})
xray_documents = []


class Remembering(UDPEmitter):
    def send_entity(self, entity):
        xray_documents.append(json.loads(entity.serialize()))
        super().send_entity(entity)


app = Flask(__name__)
xray_recorder.configure(service=service, emitter=Remembering(), sampling=False)
XRayMiddleware(app, xray_recorder)

log = logging.getLogger("four_sdks")
log.setLevel(logging.INFO)
log.propagate = False
handler = watchtower.CloudWatchLogHandler(
    log_group_name=service, log_stream_name="backend", boto3_client=boto3.client("logs"), send_interval=1
)
handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s trace_id=%(otelTraceID)s span_id=%(otelSpanID)s"))
log.addHandler(handler)

rollbar.init("0" * 32, environment="e2e", endpoint=os.environ["ROLLBAR_ENDPOINT"])


def current_trace() -> str:
    return format(trace.get_current_span().get_span_context().trace_id, "032x")


@app.before_request
def remember():
    told = truth[current_trace()]
    told["xray_trace_id"] = xray_recorder.current_segment().trace_id
    told["path"] = request.full_path.rstrip("?")


@app.after_request
def access_line(response):
    log.info("%s %s %s", request.method, request.full_path, response.status_code)
    truth[current_trace()]["lines"] += 1
    return response


def report(sender, exception, **_):
    uuid = rollbar.report_exc_info(sys.exc_info(), request)
    truth[current_trace()]["rollbar"].append(uuid)


got_request_exception.connect(report, app)


@app.route("/api/home")
def home():
    with trace.get_tracer("four").start_as_current_span("home-data", attributes={"app.result_length": 3}):
        with xray_recorder.in_subsegment("mock-data") as subsegment:
            subsegment.put_annotation("results", 3)
            return {"activities": [1, 2, 3]}


@app.route("/api/search")
def search():
    log.warning("searching for %s", request.args["term"])
    truth[current_trace()]["lines"] += 1
    return {"found": []}


@app.route("/api/fail/<activity>")
def fail(activity):
    with xray_recorder.in_subsegment("activities_show"):
        raise KeyError(f"activity of {service}")


@app.route("/api/report")
def report_message():
    uuid = rollbar.report_message(f"looked odd in {service}", "warning", request)
    truth[current_trace()]["rollbar"].append(uuid)
    return {}


server = make_server("127.0.0.1", 0, app, threaded=True)
thread = threading.Thread(target=server.serve_forever)
thread.start()
print(json.dumps({"address": f"http://127.0.0.1:{server.port}"}))
sys.stdin.read()
server.shutdown()
thread.join()
rollbar.wait()
logging.shutdown()


def spans_of(document) -> int:
    return 1 + sum(spans_of(subsegment) for subsegment in document.get("subsegments", []))


for trace_id, told in truth.items():
    told["trace_id"] = trace_id
    told["otel_spans"] = otel.spans[trace_id]
    told["otel_exceptions"] = otel.exceptions[trace_id]
    told["xray_spans"] = sum(spans_of(each) for each in xray_documents if each["trace_id"] == told["xray_trace_id"])
print(json.dumps({"requests": list(truth.values()), "otel_spans": otel.spans.total(), "xray_documents": len(xray_documents)}))
