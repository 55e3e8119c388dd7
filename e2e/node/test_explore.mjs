// A person asks a question in Explore: built clause by clause, drawn, a box dragged, what is different read and clicked, a
// trace opened from a row; then the question is saved to a board, and fields and SQL are looked at.
// Run by test_explore.py with the server's address and what the requests are known to have left.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.CUPOLA_E2E_NODE}/package.json`);
const { chromium } = require('playwright-core');
const { http, service, pictures } = JSON.parse(process.argv[2]);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(20_000);
const complaints = [];
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
});
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
page.on('response', (response) => {
  if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
});

const by = (id) => page.getByTestId(id);
const param = (name) => new URL(page.url()).searchParams.get(name);
const step = async (name, walk) => {
  try {
    await walk();
  } catch (error) {
    if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}.png` });
    throw new Error(`${name}: ${error.message}\nat ${page.url()}\n${complaints.join('\n')}`, { cause: error });
  }
};
/** Writes into a clause and takes what is offered first. */
const write = async (clause, text, offered) => {
  await by(`clause-${clause}`).click();
  await page.keyboard.type(text);
  await page.getByRole('option', { name: offered }).first().waitFor();
  await page.keyboard.press('Enter');
};

await step('the page opens with an answer', async () => {
  await page.goto(`${http}/explore?time=1h`);
  await by('summary-row').first().waitFor();
  assert.equal(await by('explore-chart').count(), 2);
  assert.match(await by('summary-total').innerText(), /TOTAL/);
});

await step('a question is built with completion', async () => {
  await write('calc', 'p9', 'P95(…)');
  await page.getByRole('option', { name: 'duration_ms' }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => (url.searchParams.get('calc') ?? '').includes('P95(duration_ms)'));
  await write('where', 'service.na', 'service.name');
  await page.keyboard.type('=');
  // Lists of services have options too; these are what is offered.
  await page.locator('[role=option]').filter({ hasText: service }).first().click();
  await page.waitForURL((url) => url.searchParams.get('where') === `service.name = "${service}"`);
  await write('by', 'http.rou', 'http.route');
  await page.waitForURL((url) => (url.searchParams.get('by') ?? '').includes('http.route'));
  await by('clause-having').click();
  await page.keyboard.type('COUNT > 0\n');
  await page.waitForURL((url) => url.searchParams.get('having') === 'COUNT > 0');
  await page.locator('[data-testid="explore-chart"][data-label="P95(duration_ms)"]').waitFor();
  await by('summary').getByText('/').first().waitFor();
});

await step('who writes on after a completion writes behind it', async () => {
  await page.goto(`${http}/explore?time=1h`);
  await by('summary-row').first().waitFor();
  // Frames come late on a slow machine; a caret that waits for one is put before what was written meanwhile.
  await page.evaluate(() => {
    const soon = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (then) => soon(() => setTimeout(() => then(performance.now()), 400));
  });
  await by('clause-where').click();
  await page.keyboard.type('service.name');
  await page.getByRole('option', { name: 'service.name' }).first().waitFor();
  await page.keyboard.type('\n=');
  await page.locator('[role=option]').filter({ hasText: service }).first().waitFor();
  // Late frames have passed.
  await page.waitForTimeout(600);
  await page.keyboard.type(`"${service}"`);
  assert.match(await by('clause-where').inputValue(), new RegExp(`^service\\.name ?= ?"${service}"$`));
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.searchParams.get('where') === `service.name = "${service}"`);
});

await step('what cannot be read is told where it is written', async () => {
  await by('clause-where').click();
  await page.keyboard.type('duration_ms ~ 5');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'no comparison' }).waitFor();
  await page.keyboard.press('Escape');
});

await step('the address holds the question', async () => {
  const chips = await by('clause-where-chip').count();
  await page.reload();
  await by('summary-row').first().waitFor();
  assert.equal(await by('clause-where-chip').count(), chips);
});

await step('a box on the heatmap runs BubbleUp', async () => {
  const plot = by('heatchart').locator('[role=img]');
  await plot.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await plot.boundingBox();
  await page.mouse.move(x + 2, y + 2);
  await page.mouse.down();
  await page.mouse.move(x + width - 2, y + height * 0.55, { steps: 6 });
  await page.mouse.up();
  await page.locator('[data-testid=bubble-up][data-whole=true]').waitFor();
  assert.equal(param('tab'), 'bubbleup');
  assert.match(param('selv') ?? '', /^duration_ms:/);
  assert.ok((await by('bubble-field').count()) > 0);
  assert.ok((await page.locator('[data-testid=bubble-field][data-source=resource]').count()) > 0);
});

await step('BubbleUp is read: most different first, shares of the selected and of the others', async () => {
  const fields = by('bubble-field').filter({ visible: true });
  const scores = (await fields.locator('header span[title*="would have to have"]').allInnerTexts()).map((text) => Number.parseFloat(text));
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a));
  assert.match(await fields.locator('li').first().innerText(), /%[\s\S]*%/);
  assert.match(await by('bubble-up').locator('..').innerText(), /selected[\s\S]*others/);
});

await step('a value of BubbleUp changes the question', async () => {
  const before = await by('clause-where-chip').count();
  await by('bubble-up').locator('li button').first().click();
  for (const id of ['value-filter', 'value-exclude', 'value-group', 'value-copy']) await by(id).waitFor();
  await by('value-filter').click();
  await page.waitForFunction((least) => document.querySelectorAll('[data-testid="clause-where-chip"]').length > least, before);
});

await step('zooming in makes the selection the question', async () => {
  await by('selection-zoom').click();
  await by('selection').waitFor({ state: 'detached' });
  assert.match(param('time') ?? '', /\.\./);
  assert.equal(param('sel'), null);
});

await step('a point of a chart offers its trace, and a closer look', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT,P95(duration_ms)`);
  await by('summary-row').first().waitFor();
  const plot = page.locator('[data-testid=explore-chart] .u-over').first();
  const { width, height } = await plot.boundingBox();
  await plot.click({ position: { x: width * 0.9, y: height * 0.5 } });
  for (const id of ['point-trace', 'point-bubbleup', 'point-rows']) await by(id).waitFor();
  await by('point-zoom').click();
  await page.waitForURL((url) => (url.searchParams.get('time') ?? '').includes('..'));
  await by('point-zoom').waitFor({ state: 'detached' });
});

await step('a point of a chart opens its trace', async () => {
  const filters = [{ column: 'service.name', op: '=', value: service }, { column: 'duration_ms', op: 'exists' }];
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: { time_range: 3600, filters }, columns: ['name'], limit: 1 }) };
  const newest = Number((await (await fetch(`${http}/api/explore/rows`, asked)).json()).rows[0][0]) / 1e6;
  await page.goto(`${http}/explore?time=1h&step=300&calc=MAX(duration_ms)&where=service.name%20=%20"${service}"`);
  await by('summary-row').first().waitFor();
  const plot = page.locator('[data-testid=explore-chart] .u-over').first();
  const { width, height } = await plot.boundingBox();
  const first = Math.floor((Date.now() - 3_600_000) / 300_000) * 300_000;
  const steps = Math.ceil((Date.now() - first) / 300_000);
  await plot.click({ position: { x: ((Math.floor((newest - first) / 300_000) + 0.5) / steps) * width, y: height * 0.5 } });
  await by('point-trace').click();
  await page.waitForURL('**/traces/*');
  await by('span-row').first().waitFor();
});

await step('a chart is read and selected in by keyboard alone', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT`);
  await by('summary-row').first().waitFor();
  const chart = page.locator('[data-testid=explore-chart] [role=img]').first();
  await chart.focus();
  for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowRight']) await page.keyboard.press(key);
  const told = page.locator('[data-testid=series-chart] [data-looked]').first();
  await told.waitFor();
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Enter');
  await by('selection').waitFor();
  const [start, end] = (param('sel') ?? '').split('..');
  assert.ok(start !== undefined && start < end);
  await by('selection-clear').click();
  await chart.focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await by('point-zoom').waitFor();
  await page.keyboard.press('Escape');
  await by('point-zoom').waitFor({ state: 'detached' });
});

await step('several figures in one chart', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT,P50(duration_ms),P95(duration_ms),MAX(duration_ms)`);
  await by('summary-row').first().waitFor();
  assert.equal(await by('explore-chart').count(), 4);
  await by('draw').selectOption('overlay');
  await page.locator('[data-testid=explore-chart][data-label="P50(duration_ms), P95(duration_ms), MAX(duration_ms)"]').waitFor();
  assert.equal(await by('explore-chart').count(), 2);
  const lines = page.locator('[data-testid=explore-chart]').nth(1).locator('[role=img]');
  assert.match(await lines.getAttribute('aria-label'), /P50\(duration_ms\) up to .*MAX\(duration_ms\) up to/);
  await lines.focus();
  await page.keyboard.press('ArrowLeft');
  await page.locator('[data-testid=explore-chart]').nth(1).locator('[data-looked]').nth(2).waitFor();
});

await step('what is different about a group, from its line of the table', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT&by=service.name`);
  await by('summary-group').first().click();
  await by('group-bubbleup').click();
  await page.locator('[data-testid=bubble-up][data-whole=true]').waitFor();
  assert.match(param('selw') ?? '', /^service\.name = /);
});

await step('a share of two counts is written and drawn', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT%20as%20all&by=service.name`);
  await by('summary-row').first().waitFor();
  await write('calc', 'COUNT where htt', /^http\./);
  await page.keyboard.type('exists as routed\n');
  await page.keyboard.type('share = $routed / $all\n');
  await page.waitForURL((url) => /COUNT where http\.\S+ exists as routed, share = \$routed \/ \$all$/.test(url.searchParams.get('calc') ?? ''));
  await page.locator('[data-testid="explore-chart"][data-label="share"]').waitFor();
  assert.equal(await by('explore-chart').count(), 1);
  await by('summary').getByRole('button', { name: 'share' }).click();
  await page.waitForURL((url) => url.searchParams.get('order') === 'share asc');
});

await step('the link of a kept result leads to its question over its time', async () => {
  const post = async (path, body) => {
    const headers = { 'content-type': 'application/json', 'x-honeycomb-team': 'any' };
    return (await fetch(`${http}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  };
  const kept = await post('/1/queries/__all__', { calculations: [{ op: 'COUNT' }], breakdowns: ['service.name'], time_range: 3600 });
  const { links } = await post('/1/query_results/__all__', { query_id: kept.id });
  for (const link of [links.query_url, links.graph_image_url]) {
    await page.goto(link);
    await page.waitForURL((url) => url.pathname === '/explore' && url.searchParams.get('by') === 'service.name');
    const [start, end] = (param('time') ?? '').split('..').map((time) => Date.parse(time));
    assert.ok(Math.abs(end - start - 3_600_000) <= 120_000, param('time'));
    await by('summary-row').first().waitFor();
  }
});

await step('compared, stacked, logarithmic', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT,P95(duration_ms)&by=service.name`);
  await by('tab-overview').click();
  await by('summary-row').first().waitFor();
  await by('compare').selectOption('3600');
  await page.waitForURL('**compare=3600*');
  await by('draw').selectOption('stack');
  await by('log-scale').click();
  await page.waitForURL((url) => url.searchParams.get('draw') === 'stack' && url.searchParams.get('scale') === 'log');
  await by('summary-row').first().waitFor();
});

await step('the same in SQL', async () => {
  await by('tab-sql').click();
  assert.match(await by('explore-sql').innerText(), /SELECT/i);
});

await step('a row tells everything and opens its trace', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT&where=service.name%20=%20"${service}"%20AND%20duration_ms%20exists&tab=rows`);
  await by('explore-row').first().click();
  await by('row-panel').waitFor();
  await by('row-panel').getByText('telemetry.sdk.language').first().waitFor();
  const opener = by('explore-row').first().getByTestId('open-trace');
  await opener.click();
  await page.waitForURL('**/traces/*');
  await by('span-row').first().waitFor();
  await page.goBack();
  await by('rows').waitFor();
});

await step('traces of the question, the slowest first', async () => {
  await by('tab-traces').click();
  await by('explore-traces').getByTestId('open-trace').first().waitFor();
});

await step('a question is saved to a board and answered there', async () => {
  await page.goto(`${http}/explore?time=1h&calc=COUNT&by=service.name`);
  await by('summary-row').first().waitFor();
  await by('save').click();
  await by('save-name').fill('Events by service');
  await by('save-board').fill('Seen by a person');
  await by('save-now').click();
  await by('saved').getByRole('link').click();
  await by('board-title').filter({ hasText: 'Seen by a person' }).waitFor();
  await by('query-panel').getByText('Events by service').waitFor();
  await by('query-panel').getByTestId('summary-row').first().waitFor();
});

await step('a board is narrowed as a whole', async () => {
  await by('board-where').click();
  await page.keyboard.type(`service.name = "${service}"`);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.waitForURL('**where=*');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="summary-row"]').length === 1);
});

await step('a board has notes', async () => {
  await by('board-edit').click();
  await page.getByRole('button', { name: 'Add a note' }).click();
  await page.getByRole('textbox', { name: 'Note' }).fill('# What to look at\n**Events**, then errors.');
  await by('board-edit').click();
  await page.getByRole('heading', { name: 'What to look at' }).waitFor();
});

await step('an objective is tried, kept, and tells what failed', async () => {
  await page.goto(`${http}/alerts/slos?time=1h&new=1`);
  await by('slo-name').fill('Nothing fails');
  await by('slo-dataset').selectOption({ label: service });
  await by('slo-expression').fill('IF(EXISTS($duration_ms), NOT(EXISTS($error)))');
  await by('slo-tried').waitFor();
  await by('slo-keep').click();
  await by('slo').getByRole('heading', { name: 'Nothing fails' }).waitFor();
  await by('burn-down').locator('canvas').waitFor();
  await by('slo-failures').getByTestId('bubble-up').waitFor();
  await page.goto(`${http}/alerts/slos`);
  await by('slo-row').getByText('Nothing fails').waitFor();
});

await step('fields are listed with what is known of them', async () => {
  await page.goto(`${http}/schema?time=1h&q=http.route`);
  await page.locator('[data-testid="schema-row"][data-field="http.route"]').click();
  await by('schema-panel').getByText('/').first().waitFor();
});

await step('a field is calculated and used', async () => {
  await page.goto(`${http}/schema?time=1h&tab=calculated`);
  await by('calculated-name').fill('speed');
  await by('calculated-expression').fill('IF(LT($duration_ms, 100000), "quick", "slow")');
  await by('calculated-tried').getByText('quick').waitFor();
  await page.getByRole('button', { name: 'Keep' }).click();
  await page.getByRole('link', { name: 'speed' }).click();
  await by('summary').getByText('quick').first().waitFor();
});

await step('SQL is completed and drawn', async () => {
  await page.goto(`${http}/sql`);
  await by('sql').fill('');
  await by('sql').pressSequentially('SELECT "service.name", count(*) AS n FROM spans WHERE http.rou');
  await page.getByRole('option', { name: 'http.route' }).first().waitFor();
  await page.keyboard.press('Enter');
  await by('sql').pressSequentially(' IS NOT NULL GROUP BY 1 ');
  await page.keyboard.press('Escape');
  await by('sql').focus();
  await page.keyboard.press('Control+Enter');
  await by('sql-rows').waitFor();
  await page.getByRole('button', { name: 'Chart' }).click();
  await by('sql-chart').waitFor();
});

await step('home tells what changed', async () => {
  await page.goto(`${http}/?time=1h`);
  await by('changes').waitFor();
});

await browser.close();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ passed: true }));
