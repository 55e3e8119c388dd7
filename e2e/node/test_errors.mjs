// A person's way through errors: the list, choosing two, resolving with a way back, one error with its code, a comment.
// Run by test_errors_page.py with the server's address and the service whose items were sent.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { http, environment, pictures } = JSON.parse(process.argv[2]);

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
const list = `${http}/errors?time=1h&environment=${environment}`;
const row = (name) => by('error-row').filter({ hasText: name });

await step('the list has the items of the environment', async () => {
  await page.goto(list);
  await row('CartBroken').waitFor();
  assert.equal(await by('error-row').count(), 2);
  assert.match(await row('CartBroken').innerText(), /3/);
});

await step('two are resolved at once and taken back', async () => {
  await by('choose-all').check();
  await by('bulk').getByTestId('error-resolve').click();
  await by('done').waitFor();
  await by('empty').waitFor();
  await by('done').getByRole('button', { name: 'Undo' }).click();
  await row('CartBroken').waitFor();
});

await step('a key gives an item to somebody', async () => {
  await row('CartBroken').getByRole('link').focus();
  await page.keyboard.press('a');
  await by('assign-name').fill('ada');
  await page.keyboard.press('Enter');
  await row('CartBroken').filter({ hasText: 'ada' }).waitFor();
});

await step('an item opens with its code and what happened before', async () => {
  await row('CartBroken').getByRole('link').click();
  await page.waitForURL('**/errors/*');
  await by('frames').waitFor();
  assert.match(await by('frames').innerText(), /coupon\.rule\.discount/);
  assert.match(await by('frames').innerText(), /1 library frame/);
  assert.match(await by('telemetry').innerText(), /POST \/api\/coupons/);
  assert.match(await by('request').innerText(), /cart/);
  assert.match(await by('breakdowns').innerText(), /Firefox 121/);
});

await step('it is resolved in a version and says so', async () => {
  await page.keyboard.press('v');
  await page.getByLabel('Resolved in version').fill('9.9');
  await page.keyboard.press('Enter');
  await by('status').filter({ hasText: 'resolved in 9.9' }).waitFor();
});

await step('a comment is kept in its history', async () => {
  await by('tab-history').click();
  await by('comment').fill('it was the coupon');
  await by('comment-add').click();
  await by('history').getByText('it was the coupon').last().waitFor();
  assert.match(await by('history').innerText(), /Resolved in version 9\.9/);
});

await step('occurrences can be searched and one chosen', async () => {
  await by('tab-occurrences').click();
  await by('occurrence-row').first().waitFor();
  assert.equal(await by('occurrence-row').count(), 3);
  await by('occurrence-row').last().getByRole('button').first().click();
  await by('occurrence').waitFor();
  assert.ok(page.url().includes('occurrence='));
});

await step('two become one', async () => {
  await page.goto(`${list}&status=all`);
  await row('CartBroken').waitFor();
  await by('choose-all').check();
  await by('error-merge').click();
  await by('merge-confirm').click();
  await by('done').filter({ hasText: 'merged into' }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="error-row"]').length === 1);
});

await step('and are taken apart again', async () => {
  await by('error-row').getByRole('link').click();
  await page.waitForURL('**/errors/*');
  await by('member').first().waitFor();
  await by('unmerge').first().click();
  await by('done').filter({ hasText: 'taken out' }).waitFor();
});

await step('new occurrences are split by a value', async () => {
  await by('split').click();
  await by('split-path').fill('person.id');
  await by('split-do').click();
  await by('done').filter({ hasText: 'told apart by person.id' }).waitFor();
});

await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
