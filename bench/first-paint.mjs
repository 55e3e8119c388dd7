// Prints the milliseconds from navigation to first contentful paint of a page, the median of five loads in Chromium.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";

// The end-to-end tests keep their packages in a folder named by their lock file; any of them has what is needed.
const cache = `${process.env.XDG_CACHE_HOME ?? `${process.env.HOME}/.cache`}/cupola/e2e`;
const folder = readdirSync(cache).find((name) => name.startsWith("node-"));
const require = createRequire(`${cache}/${folder}/`);
const { chromium } = require("playwright-core");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
const paints = [];
for (let run = 0; run < 5; run++) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(process.argv[2], { waitUntil: "load" });
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
  await context.close();
}
await browser.close();
paints.sort((a, b) => a - b);
console.log(paints[2]);
