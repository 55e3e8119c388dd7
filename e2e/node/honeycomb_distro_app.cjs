// Honeycomb's distribution of OpenTelemetry for Node: traces of which it keeps one of so many.
const { HoneycombSDK } = require("@honeycombio/opentelemetry-node");
const { trace, SpanKind } = require("@opentelemetry/api");

const sdk = new HoneycombSDK({ skipOptionsValidation: false });
sdk.start();
const tracer = trace.getTracer("e2e");
const traces = {};
for (let number = 0; number < 60; number += 1) {
  tracer.startActiveSpan("request", { kind: SpanKind.SERVER, attributes: { "http.route": "/buy" } }, (request) => {
    tracer.startActiveSpan("query", (query) => {
      query.setAttribute("db.rows", number);
      query.end();
    });
    request.end();
    const context = request.spanContext();
    if (context.traceFlags & 1) traces[context.traceId] = 2;
  });
}
sdk.shutdown().then(() => console.log(JSON.stringify({ traces })));
