// What a first visit of each page has to fetch, gzipped: the entry, the page, and whatever they import before they can run.
// What is imported later (charts, the map's layout engine) is not waited for and counted apart. Fails past the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET_KB = 300;
const folder = new URL('../dist/assets/', import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'));
const texts = new Map(scripts.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
const kb = new Map(scripts.map((name) => [name, gzipSync(texts.get(name)).length / 1000]));

/** A script and all that it imports at once, and what those do. */
function closure(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, imported] of texts.get(name).matchAll(/(?:\bfrom|\bimport)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) if (texts.has(imported)) closure(imported, found);
  return found;
}

const entry = scripts.find((name) => /^index-/.test(name));
const pages = scripts.filter((name) => /Page-/.test(name));
const sum = (names) => [...names].reduce((total, name) => total + kb.get(name), 0);
const sizes = pages.map((name) => ({ name, kb: sum(new Set([...closure(entry), ...closure(name)])) })).sort((a, b) => b.kb - a.kb);
for (const page of sizes) console.log(`${page.kb.toFixed(1).padStart(7)} kB  ${page.name}`);
const waited = new Set([entry, ...pages].flatMap((name) => [...closure(name)]));
for (const name of scripts.filter((one) => !waited.has(one))) console.log(`${kb.get(name).toFixed(1).padStart(7)} kB  later: ${name}`);
const largest = sizes[0]?.kb ?? 0;
console.log(`${largest.toFixed(1).padStart(7)} kB  the largest page; budget ${BUDGET_KB} kB`);
if (sizes.length === 0 || largest > BUDGET_KB) process.exit(1);
