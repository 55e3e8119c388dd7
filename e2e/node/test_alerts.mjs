// A person looks at a metric by one of its labels, adds a recipient and tries it, makes a trigger, tests, changes and deletes it,
// and decides about errors: a grouping rule, a notification, what is scrubbed.
// Run by test_alerts_page.py with the server's address, a metric that was sent and an address that listens.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { http, metric, service, hook, pictures } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(30_000);
const complaints = [];
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
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

await step('a metric is found and told apart by a label', async () => {
  await page.goto(`${http}/metrics?time=1h`);
  await by('metric-find').fill(metric);
  await by('metric-row').filter({ hasText: metric }).click();
  await by('series-chart').locator('canvas').waitFor();
  assert.equal(await by('metric-series-row').count(), 1);
  await by('metric-by').selectOption('queue');
  await by('metric-series-row').filter({ hasText: 'mail' }).waitFor();
  assert.equal(await by('metric-series-row').count(), 2);
});

await step('a condition narrows it', async () => {
  await by('metric-where').fill('queue = mail');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="metric-series-row"]').length === 1);
});

await step('a recipient is added and tried', async () => {
  await page.goto(`${http}/alerts?tab=recipients`);
  await by('recipient-target').fill(hook);
  await by('recipient-add').click();
  const row = by('recipient-row').filter({ hasText: new URL(hook).host });
  await row.getByTestId('recipient-test').click();
  await row.getByTestId('recipient-said').filter({ hasText: 'delivered' }).waitFor();
});

const name = `no traffic of ${service}`;

await step('a trigger is made, its figure seen before', async () => {
  await page.goto(`${http}/alerts`);
  await by('trigger-new').click();
  await by('trigger-name').fill(name);
  await by('trigger-value').fill('1');
  await by('trigger-form').getByRole('button', { name: '<', exact: true }).click();
  await by('trigger-every').selectOption('60');
  await by('trigger-form').getByRole('checkbox', { name: new RegExp(new URL(hook).host) }).check();
  await by('trigger-save').click();
  await by('trigger-panel').waitFor();
  assert.match(await by('trigger-panel').innerText(), /COUNT < 1/);
});

await step('it is asked at once and tells', async () => {
  await by('trigger-test').click();
  await by('trigger-tried').filter({ hasText: '1 test message' }).waitFor();
});

await step('it is changed, disabled and deleted', async () => {
  await by('trigger-edit').click();
  await by('trigger-value').fill('2');
  await by('trigger-save').click();
  await by('trigger-panel').filter({ hasText: 'COUNT < 2' }).waitFor();
  await by('trigger-toggle').click();
  await page.locator('[data-testid="alert-row"][data-state="off"]').filter({ hasText: name }).waitFor();
  await by('trigger-edit').click();
  await by('trigger-delete').click();
  await by('trigger-delete').click();
  await page.waitForFunction((gone) => ![...document.querySelectorAll('[data-testid="alert-row"]')].some((row) => row.textContent.includes(gone)), name);
});

await step('what was sent is listed', async () => {
  await by('tab-deliveries').click();
  await by('delivery-row').first().waitFor();
});

await step('a grouping rule is written, tried and put in force', async () => {
  await page.goto(`${http}/settings?tab=grouping`);
  await by('grouping-new').click();
  await by('leaf-path').fill('custom.tenant');
  await by('leaf-value').fill(service);
  await by('rule-fingerprint').fill('{{default_fingerprint}} {{custom.tenant}}');
  await by('grouping-put').click();
  await by('grouping-save').click();
  await page.getByText('In force since').waitFor();
  await by('grouping-try').click();
  await by('grouping-tried').waitFor();
});

await step('a notification is written and tried', async () => {
  await page.goto(`${http}/settings?tab=notifications`);
  const channel = by('channel-webhook');
  await channel.getByTestId('channel-address').fill(hook);
  await channel.getByTestId('channel-save').click();
  await page.waitForFunction(() => !document.querySelector('[data-testid="channel-webhook"] [data-testid="rule-add"]')?.disabled);
  await channel.getByTestId('rule-add').click();
  await channel.getByTestId('rule-save').click();
  await channel.getByTestId('rule-row').first().waitFor();
  await channel.getByTestId('rule-test').first().click();
  await channel.getByTestId('rule-said').filter({ hasText: 'delivered' }).waitFor();
  await channel.getByTestId('rule-delete').first().click();
  await channel.getByTestId('rule-delete').first().click();
});

await step('what is scrubbed is changed', async () => {
  await page.goto(`${http}/settings?tab=scrubbing`);
  const keys = by('scrub-keys');
  await keys.waitFor();
  const before = await keys.inputValue();
  await keys.fill(`${before}\nmother_of_${service}`);
  await by('scrub-save').click();
  await page.waitForFunction(() => document.querySelector('[data-testid="scrub-save"]')?.disabled);
  await page.reload();
  assert.ok((await by('scrub-keys').inputValue()).includes(`mother_of_${service}`));
});

await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
