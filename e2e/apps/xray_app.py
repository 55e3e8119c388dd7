"""A Flask app with the X-Ray SDK's middleware and the sampling rules that the daemon's address answers with."""

import json
import threading
import time
import urllib.error
import urllib.request
import os

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask
from werkzeug.serving import make_server


class Remembering(UDPEmitter):
    """The SDK's own emitter; what it sends is also kept."""

    documents = []

    def send_entity(self, entity):
        self.documents.append(json.loads(entity.serialize()))
        super().send_entity(entity)


app = Flask(__name__)
xray_recorder.configure(service=os.environ["E2E_SERVICE"], emitter=Remembering(), sampling=True, streaming_threshold=8)
XRayMiddleware(app, xray_recorder)


@app.route("/buy/<item>")
def buy(item):
    with xray_recorder.in_subsegment("reserve") as subsegment:
        subsegment.put_annotation("item", item)
        subsegment.put_annotation("count", 3)
        subsegment.put_metadata("basket", {"items": [1, 2, "drei"]}, "shop")
        with xray_recorder.in_subsegment("db.example", namespace="remote"):
            time.sleep(0.002)
    return {"item": item}


@app.route("/fail")
def fail():
    with xray_recorder.in_subsegment("pay"):
        raise RuntimeError("card refused")


@app.route("/many")
def many():
    for step in range(12):
        with xray_recorder.in_subsegment(f"step-{step}"):
            pass
    return "done"


# Without the rules, the SDK keeps one request a second and five in a hundred of the others.
xray_recorder.sampler.start()
deadline = time.monotonic() + 15
while not xray_recorder.sampler._cache.rules and time.monotonic() < deadline:
    time.sleep(0.05)
rules = len(xray_recorder.sampler._cache.rules)

server = make_server("127.0.0.1", 0, app, threaded=True)
thread = threading.Thread(target=server.serve_forever)
thread.start()
address = f"http://127.0.0.1:{server.port}"
paths = [f"/buy/{number}" for number in range(10)] + ["/fail", "/fail", "/many", "/nothing"]
for path in paths:
    try:
        urllib.request.urlopen(address + path, timeout=10).read()
    except urllib.error.HTTPError as error:
        error.read()
server.shutdown()
thread.join()
print(json.dumps({"rules": rules, "requests": len(paths), "documents": Remembering.documents}))
