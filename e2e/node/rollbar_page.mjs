// rollbar.js in a real Chromium: a page whose minified script throws what nobody catches.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { endpoint, version, marker } = JSON.parse(process.argv[2]);

const script = readFileSync(`${process.env.CUPOLA_E2E_NODE}/node_modules/rollbar/dist/rollbar.min.js`);
const config = { accessToken: '0'.repeat(32), endpoint, captureUncaught: true, captureIp: true, environment: 'e2e',
  payload: { client: { javascript: { code_version: version, source_map_enabled: true } }, custom: { marker } } };
const files = {
  '/': ['text/html', `<!doctype html><title>Shop</title><script>var _rollbarConfig = ${JSON.stringify(config)};</script>
    <script src="/rollbar.min.js"></script><button id="buy">Buy</button><script src="/js/app.min.js"></script>`],
  '/rollbar.min.js': ['text/javascript', script],
  '/js/app.min.js': ['text/javascript', process.env.APP],
};
const server = createServer((request, answer) => {
  const file = files[request.url];
  answer.writeHead(file ? 200 : 404, { 'Content-Type': file?.[0] ?? 'text/plain' }).end(file?.[1] ?? '');
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const sent = page.waitForResponse((response) => response.url() === endpoint && response.request().method() === 'POST');
  await page.goto(origin);
  await page.click('#buy');
  const answer = await sent;
  console.log(JSON.stringify({ origin, status: answer.status(), answer: await answer.json() }));
} finally {
  await browser.close();
  server.close();
}
