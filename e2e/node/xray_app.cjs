// The X-Ray SDK for Node with its Express middleware; every request sampled.
const AWSXRay = require('aws-xray-sdk');
const express = require('express');
const http = require('node:http');

AWSXRay.setLogger({ debug() {}, info() {}, warn: console.error, error: console.error });
AWSXRay.middleware.setSamplingRules({ version: 2, rules: [], default: { fixed_target: 1000, rate: 1 } });
AWSXRay.middleware.disableCentralizedSampling();

const traces = {};
const app = express();
app.use(AWSXRay.express.openSegment(process.env.E2E_SERVICE));
app.get('/buy/:item', (request, response) => {
  const segment = AWSXRay.getSegment();
  traces[segment.trace_id] = 2;
  AWSXRay.captureFunc('reserve', (subsegment) => {
    subsegment.addAnnotation('item', request.params.item);
  });
  response.json({});
});
app.get('/fail', (request, response) => {
  const segment = AWSXRay.getSegment();
  traces[segment.trace_id] = 1;
  segment.addError(new TypeError('out of stock'));
  response.status(500).end();
});
app.use(AWSXRay.express.closeSegment());

const get = (url) => new Promise((done, failed) => http.get(url, (answer) => answer.resume().on('end', () => done(answer.statusCode))).on('error', failed));

const server = app.listen(0, '127.0.0.1', async () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  for (let number = 0; number < 6; number += 1) await get(`${address}/buy/item-${number}`);
  await get(`${address}/fail`);
  server.close();
  // Datagrams leave from a queue of the event loop.
  setTimeout(() => {
    console.log(JSON.stringify({ traces }));
    process.exit(0);
  }, 500);
});
