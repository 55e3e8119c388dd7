// An Express app that calls itself, for `node --require @opentelemetry/auto-instrumentations-node/register`.
// The console exporter beside OTLP tells what the SDK has recorded; the test reads it from standard output.
const express = require('express');
const http = require('node:http');
const { trace, SpanStatusCode } = require('@opentelemetry/api');

const app = express();
app.get('/buy/:item', (request, response) => {
  trace.getTracer('shop', '1.2.3').startActiveSpan('reserve', { attributes: { item: request.params.item, count: 3, price: 9.5, gift: true } }, (span) => {
    span.end();
    response.json({ item: request.params.item });
  });
});
app.get('/fail', (request, response) => {
  const span = trace.getActiveSpan();
  span.recordException(new TypeError('out of stock'));
  span.setStatus({ code: SpanStatusCode.ERROR });
  response.status(500).end();
});

const get = (url) => new Promise((done, failed) => http.get(url, (answer) => answer.resume().on('end', () => done(answer.statusCode))).on('error', failed));

const server = app.listen(0, '127.0.0.1', async () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  for (let number = 0; number < 6; number += 1) await get(`${address}/buy/item-${number}`);
  await get(`${address}/fail`);
  server.close();
  // The SDK flushes when it is asked to end, as a service manager asks; it does not end the process itself.
  process.once('SIGTERM', () => setTimeout(() => process.exit(0), 2000));
  process.kill(process.pid, 'SIGTERM');
});
