// Opens a page and waits until each of its parts says what it should; tells what the page complained of.
// Run by `reads` of support.py, with the address and, by the name of a part, the texts expected in it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { url, expected } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
const complaints = [];
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
await page.goto(url);
for (const [part, texts] of Object.entries(expected)) {
  const place = part === 'page' ? page.locator('body') : page.getByTestId(part);
  for (const text of texts) await place.filter({ hasText: text }).first().waitFor({ timeout: 30_000 });
}
await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
