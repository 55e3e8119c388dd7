// A person's way through logs: a search with its marks, a line and those around it, patterns, a group's streams, a query in
// Logs Insights' language that is wrong, mended, drawn and saved, an export, and a tail.
// Run by test_logs_page.py with the server's address and the log group whose lines were sent.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { http, group, stream, lines, pictures } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(30_000);
const complaints = [];
page.on('console', (message) => {
  // A query that cannot be read is answered with 400, which the browser tells too.
  if (['error', 'warning'].includes(message.type()) && !/status of 400/.test(message.text())) complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
});
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));

const by = (id) => page.getByTestId(id);
const step = async (name, walk) => {
  try {
    await walk();
  } catch (error) {
    if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}.png` });
    throw new Error(`${name}: ${error.message}\nat ${page.url()}\n${complaints.join('\n')}`, { cause: error });
  }
};
const address = (more) => `${http}/logs?time=1h&${new URLSearchParams({ group, ...more })}`;

await step('a search marks what it found', async () => {
  await page.goto(address({ q: 'refused' }));
  await by('log-row').first().waitFor();
  assert.equal(await by('log-row').count(), 1);
  assert.match(await by('log-list').locator('mark').first().innerText(), /refused/i);
});

await step('a line opens with those around it', async () => {
  await by('log-row').first().click();
  await by('log-detail').waitFor();
  await by('log-around').click();
  await by('log-detail').getByText('order 7039 took').first().waitFor();
});

await step('fields are counted', async () => {
  await page.goto(address({}));
  await by('field-list').getByText('aws.log.group.name').waitFor();
});

await step('patterns put alike lines together', async () => {
  await page.goto(address({ view: 'patterns' }));
  await by('pattern-row').first().waitFor();
  assert.match(await by('pattern-row').first().innerText(), /order .* took .* ms/);
  await by('pattern-row').first().getByRole('button').first().click();
  await by('pattern-lines').click();
  await by('log-row').first().waitFor();
});

await step('a group leads to its streams and they to their lines', async () => {
  await page.goto(`${http}/logs?time=1h&view=groups&find=${encodeURIComponent(group)}`);
  await by('group-row').click();
  await by('stream-row').filter({ hasText: stream }).click();
  await by('log-row').first().waitFor();
  assert.ok(page.url().includes(`stream=${stream}`));
});

const write = async (text) => {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
};

await step('the editor completes, and a query that is wrong is told at its place', async () => {
  await page.goto(`${http}/logs?time=1h&view=insights&groups=${encodeURIComponent(group)}`);
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('sta');
  await page.locator('.cm-tooltip-autocomplete').getByText('stats').first().waitFor();
  await page.keyboard.press('Escape');
  await write('stats count( by bin(1m)');
  await by('insights-run').click();
  await by('insights-fault').waitFor();
  await page.locator('.cm-lintRange-error').waitFor();
});

await step('a query of counts is answered and drawn', async () => {
  await write('stats count(*) as lines by bin(10s)');
  await page.keyboard.press('Control+Enter');
  await by('insights-row').first().waitFor();
  await by('chart').locator('canvas').waitFor();
});

await step('a query is saved and comes back', async () => {
  await by('insights-saved').click();
  const name = `e2e ${Date.now()}`;
  await by('insights-name').fill(name);
  await by('insights-save').click();
  await page.getByRole('button', { name: new RegExp(name) }).first().waitFor();
  await page.keyboard.press('Escape');
  await page.reload();
  await by('insights-saved').click();
  await page.getByRole('button', { name: new RegExp(name) }).first().waitFor();
  await page.keyboard.press('Escape');
});

await step('lines are exported', async () => {
  await page.goto(address({}));
  await by('log-row').first().waitFor();
  await by('export').click();
  const [file] = await Promise.all([page.waitForEvent('download'), by('export-json').click()]);
  const text = readFileSync(await file.path(), 'utf8').trim().split('\n');
  assert.equal(text.length, lines);
  assert.ok(text.every((line) => JSON.parse(line)));
});

await step('a tail follows what arrives', async () => {
  await page.goto(address({ live: '1' }));
  await by('tail').waitFor();
  await page.waitForTimeout(500);
  const event = { timestamp: Date.now(), message: 'the newest of all' };
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'Logs_20140328.PutLogEvents', authorization: 'AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=x' };
  await fetch(http, { method: 'POST', headers, body: JSON.stringify({ logGroupName: group, logStreamName: stream, logEvents: [event] }) });
  await by('log-row').filter({ hasText: 'the newest of all' }).waitFor();
});

await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
