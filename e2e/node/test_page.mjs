// A person's way through the page: the list of traces, one trace, a log line of it, its error, and back.
// Run by test_page.py with the server's address and what the requests are known to have left.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { http, service, failed, pictures } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(15_000);
const complaints = [];
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
});
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
page.on('response', (response) => {
  if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
});
page.on('request', (request) => {
  if (!request.url().startsWith(http) && !request.url().startsWith('data:') && !request.url().startsWith('blob:')) complaints.push(`left the house: ${request.url()}`);
});

const by = (id) => page.getByTestId(id);
const step = async (name, walk) => {
  try {
    await walk();
  } catch (error) {
    if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}.png` });
    throw new Error(`${name}: ${error.message}\nat ${page.url()}\n${complaints.join('\n')}`, { cause: error });
  }
};

await step('the list has the failed request', async () => {
  await page.goto(`${http}/traces?service=${service}`);
  await by('trace-list').waitFor();
  const row = page.locator(`[data-testid="trace-row"][data-trace-id="${failed.trace_id}"]`);
  await row.waitFor();
  assert.match(await row.innerText(), /500/);
  await row.getByRole('link').first().click();
});

await step('the trace has both tracers and their spans', async () => {
  await page.waitForURL(`**/traces/${failed.trace_id}*`);
  await by('span-row').first().waitFor();
  assert.equal(await by('span-row').count(), failed.otel_spans + failed.xray_spans);
  assert.equal(await page.locator('[data-testid="span-row"][data-receiver="xray"]').count(), failed.xray_spans);
  assert.match(await by('linked-trace').innerText(), /exact/);
});

await step('a span opens beside the waterfall', async () => {
  await by('span-row').first().click();
  await by('span-panel').waitFor();
  assert.match(await by('span-panel').innerText(), /http\.route/);
});

await step('its log line is there', async () => {
  await by('tab-logs').click();
  const line = by('log-row').filter({ hasText: failed.path });
  await line.first().waitFor();
  await line.first().locator('div').first().click();
  await by('log-detail').first().waitFor();
  assert.match(await by('log-detail').first().innerText(), new RegExp(failed.trace_id));
});

await step('its error is there, from Rollbar too', async () => {
  await by('tab-errors').click();
  await by('trace-error').first().waitFor();
  const told = await by('trace-error').allInnerTexts();
  assert.ok(told.some((text) => text.includes('KeyError') && text.includes(`activity of ${service}`)), told.join('\n---\n'));
  assert.ok(await by('trace-error').getByTestId('receiver-badge-rollbar').count(), 'no error by way of Rollbar');
  await by('trace-error').first().getByRole('link', { name: 'All occurrences' }).click();
});

await step('the error leads to its trace', async () => {
  await page.waitForURL('**/errors/*');
  await by('occurrence').waitFor();
  assert.match(await by('occurrence').innerText(), /activity of/);
  await by('occurrence-trace').waitFor();
});

await step('Back goes all the way to the list', async () => {
  for (let left = 12; left > 0 && new URL(page.url()).pathname !== '/traces'; left -= 1) await page.goBack();
  assert.equal(new URL(page.url()).pathname, '/traces');
  await page.locator(`[data-testid="trace-row"][data-trace-id="${failed.trace_id}"]`).waitFor();
});

await step('a search narrows the list, a wrong one says where', async () => {
  await page.goto(`${http}/traces?service=${service}&q=${encodeURIComponent('status >= 500')}`);
  await by('trace-row').first().waitFor();
  const ids = await by('trace-row').evaluateAll((rows) => rows.map((row) => row.dataset.traceId));
  assert.ok(ids.includes(failed.trace_id) && ids.length < 7, ids.join(' '));
});

await step('a filter expression finds it, a wrong one says where', async () => {
  await page.goto(`${http}/traces`);
  await by('search').fill(`service("${service}") { fault }`);
  assert.equal(await by('language').innerText(), 'Filter expression');
  await by('search').press('Enter');
  await page.locator(`[data-testid="trace-row"][data-trace-id="${failed.trace_id}"]`).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('filter'), `service("${service}") { fault }`);
  const before = complaints.length;
  await by('search').fill(`service("${service}") { fault`);
  await by('search').press('Enter');
  await by('failure').waitFor();
  assert.match(await by('failure').innerText(), /\^/);
  // The browser notes each refusal, which was wanted here.
  await page.waitForLoadState('networkidle');
  const refused = complaints.splice(before);
  assert.ok(refused.every((one) => one.includes('400')), refused.join('\n'));
});

await step('a box of the heatmap is a time and a range of durations', async () => {
  await page.goto(`${http}/traces?service=${service}`);
  await by('trace-row').first().waitFor();
  const plot = await by('heatmap').getByRole('img').boundingBox();
  await page.mouse.move(plot.x + 2, plot.y + plot.height * 0.3);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width - 2, plot.y + plot.height * 0.6, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL((url) => url.searchParams.has('time') && url.searchParams.has('min') && url.searchParams.has('max'));
  await by('applied').waitFor();
});

await step('a refiner keeps its traces', async () => {
  await page.goto(`${http}/traces?service=${service}`);
  const row = by('refiner-status').locator('[data-value="500"]');
  await row.click();
  await page.waitForURL((url) => /500/.test(url.searchParams.get('filter') ?? ''));
  await page.locator(`[data-testid="trace-row"][data-trace-id="${failed.trace_id}"]`).waitFor();
  await by('refiner-status').locator('[data-value="500"][aria-pressed="true"]').click();
  await page.waitForURL((url) => !url.searchParams.has('filter'));
});

await step('the map shows the service and leads to its traces', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.waitForURL('**/map*');
  await page.locator('[data-testid="map"][data-ready="true"]').waitFor();
  await by('map-find').fill(service);
  await page.locator(`[data-testid="map-row"][data-node="${service}"]`).first().click();
  await by('map-panel').waitFor();
  assert.match(await by('map-panel').innerText(), /faults/);
  const bars = await by('histogram').boundingBox();
  await page.mouse.move(bars.x + 1, bars.y + 20);
  await page.mouse.down();
  await page.mouse.move(bars.x + bars.width - 2, bars.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL((url) => url.searchParams.has('min') && url.searchParams.has('max'));
  await by('map-traces').click();
  await page.waitForURL((url) => url.pathname === '/traces' && url.searchParams.get('filter').includes(`service("${service}") { responsetime >=`));
  await by('trace-row').first().waitFor();
  await page.goBack();
  await by('map-panel').waitFor();
});

await step('a sampling rule is made, changed and deleted', async () => {
  await page.goto(`${http}/settings`);
  await by('rule-row').first().waitFor();
  await by('rule-new').click();
  await by('rule-name').fill('page-test');
  await by('rule-url_path').fill('/health*');
  await by('rule-reservoir').fill('0');
  await by('rule-rate').fill('0');
  assert.equal(await by('rule-sentence').innerText(), 'Keeps none of the requests to /health*.');
  await by('rule-save').click();
  const row = page.locator('[data-testid="rule-row"][data-rule="page-test"]');
  await row.waitFor();
  await by('rule-rate').fill('5');
  await by('rule-save').click();
  await row.getByText('Keeps 5% of requests to /health*.').waitFor();
  await by('rule-delete').click();
  await by('rule-delete').click();
  await row.waitFor({ state: 'detached' });
});

await step('a group limits the map and the traces', async () => {
  await by('tab-groups').click();
  await by('group-new').click();
  await by('group-name').fill('page-test');
  await by('group-filter').fill(`service("${service}")`);
  await by('group-save').click();
  const row = page.locator('[data-testid="group-row"][data-group="page-test"]');
  await row.waitFor();
  await row.getByRole('link', { name: 'Map' }).click();
  await page.waitForURL((url) => url.pathname === '/map' && url.searchParams.get('group') === 'page-test');
  await page.locator('[data-testid="map"][data-ready="true"]').waitFor();
  await page.locator(`[data-testid="map-row"][data-node="${service}"]`).first().waitFor();
  await page.goto(`${http}/settings?tab=groups&group=page-test`);
  await by('group-delete').click();
  await by('group-delete').click();
  await row.waitFor({ state: 'detached' });
});

// The trace page

const param = (name) => new URL(page.url()).searchParams.get(name);
const rows = () => by('span-row').count();
const trace = `${http}/traces/${failed.trace_id}`;

await step('keys walk the waterfall, fold it and open a span', async () => {
  await page.goto(trace);
  await by('span-row').first().waitFor();
  const all = await rows();
  await page.keyboard.press('j');
  await page.locator('[data-testid="span-row"][data-cursor]').waitFor();
  assert.equal(param('span'), null, 'a step opened the panel');
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction((before) => document.querySelectorAll('[data-testid="span-row"]').length < before, all);
  await page.waitForURL('**fold=*');
  const folded = await rows();
  await page.reload();
  await by('span-row').first().waitFor();
  assert.equal(await rows(), folded, 'what was folded is open after a reload');
  await page.keyboard.press('j');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((before) => document.querySelectorAll('[data-testid="span-row"]').length === before, all);
  await page.keyboard.press('Enter');
  await by('span-panel').waitFor();
  assert.ok(param('span'));
  await page.keyboard.press('Escape');
  await by('span-panel').waitFor({ state: 'detached' });
});

await step('a segment is told in the words of X-Ray', async () => {
  await page.locator('[data-testid="span-row"][data-receiver="xray"]').first().click();
  await by('span-panel').waitFor();
  const told = await by('span-panel').innerText();
  assert.match(told, /\bsegment\b/i);
  assert.match(told, /http\.request\.url|http\.response\.status/);
});

await step('a value is a handle', async () => {
  await by('span-panel').locator('dd button').first().click();
  for (const id of ['value-filter', 'value-exclude', 'value-group', 'value-copy']) await by(id).waitFor();
  await page.keyboard.press('Escape');
  await by('value-group').waitFor({ state: 'detached' });
  assert.ok(param('span'), 'closing the menu closed the panel');
});

await step('log lines stand below their spans', async () => {
  await by('inline-logs').click();
  await by('span-log-row').first().waitFor();
  await page.waitForURL('**logs=1*');
  await by('inline-logs').click();
});

await step('the critical path alone', async () => {
  const all = await rows();
  await by('only-critical').click();
  await page.waitForURL('**critical=1*');
  assert.ok((await rows()) <= all && (await rows()) > 0);
  await by('only-critical').click();
});

await step('gaps are listed and explained', async () => {
  if (await by('gaps').isDisabled()) return;
  await by('gaps').click();
  await by('gap-listed').first().click();
  await by('span-gap').first().waitFor();
  assert.match(await by('span-gap').first().innerText(), /(before|between|after) /);
});

await step('the flame view, by time and merged', async () => {
  await page.keyboard.press('Escape');
  await page.keyboard.press('f');
  await by('flame').waitFor();
  assert.equal(param('tab'), 'flame');
  const { x, y } = await by('flame').boundingBox();
  await page.mouse.click(x + 30, y + 10);
  await by('span-panel').waitFor();
  await page.getByRole('button', { name: 'Merged' }).click();
  await page.waitForURL('**flame=merged*');
  await page.keyboard.press('f');
  await by('waterfall').waitFor();
});

await step('the map of the trace has its services', async () => {
  await page.goto(`${trace}?tab=map`);
  await page.locator('[data-testid="trace-map"][data-ready="true"]').waitFor();
  assert.match(await by('map-nodes').innerText(), new RegExp(service));
});

await step('it is compared with others of its route', async () => {
  await page.goto(`${trace}?tab=compare`);
  await by('compare').or(by('empty')).first().waitFor();
});

await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
