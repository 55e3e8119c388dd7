// What a first visit of each page has to fetch, gzipped. Fails when the entry and the largest page pass the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET_KB = 300;
const folder = new URL('../dist/assets/', import.meta.url);
const sizes = readdirSync(folder).map((name) => ({ name, kb: gzipSync(readFileSync(new URL(name, folder))).length / 1000 }));
// What is fetched only when it is looked at, while the page is there already: the engine that lays out the map, a worker of
// its own, and the code of charts and of the editor.
const apart = (name) => /^(elk-worker|ChartPlot|EditorCode)/.test(name);
const scripts = sizes.filter((file) => file.name.endsWith('.js') && !apart(file.name));
const total = scripts.reduce((sum, file) => sum + file.kb, 0);
for (const file of sizes.sort((a, b) => b.kb - a.kb)) console.log(`${file.kb.toFixed(1).padStart(7)} kB  ${file.name}`);
console.log(`${total.toFixed(1).padStart(7)} kB  all scripts but the map's layout engine, charts and the editor; budget ${BUDGET_KB} kB`);
if (total > BUDGET_KB) process.exit(1);
