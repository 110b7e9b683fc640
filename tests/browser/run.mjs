// The journey of a person through the local edition, in a real browser.
//
//   node run.mjs PATH-OF-LOCAL
//
// Ends at the first failure, with a picture of the page in `output/`.

import { mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { account } from "./account.mjs";
import { Visitor, launch, waitMs } from "./browser.mjs";
import { Edition } from "./edition.mjs";
import { films } from "./films.mjs";
import { journey } from "./journey.mjs";
import { looks } from "./looks.mjs";
import { sharing } from "./sharing.mjs";
import { tiles } from "./tiles.mjs";
import { uploads } from "./uploads.mjs";
import { usage } from "./usage.mjs";
import { xss } from "./xss.mjs";

const [program] = process.argv.slice(2);
if (!program) {
  console.error("Usage: node run.mjs PATH-OF-LOCAL");
  process.exit(2);
}
const output = fileURLToPath(new URL("output/", import.meta.url));
await rm(output, { recursive: true, force: true });

const visitors = [];
let passed = 0;
let failed = 0;
let browser;
let edition;
/** What a line of journeys works with; each line has its own people. */
function world() {
  return {
    current: "starting",
    async visitor(options) {
      const visitor = await Visitor.enter(browser, edition.origin, options);
      visitors.push(visitor);
      return visitor;
    },
    /** Looks until something is so that becomes so by itself. */
    async until(what, isSo, limitMs = waitMs) {
      for (const end = Date.now() + limitMs; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
        if (await isSo()) return;
      }
      throw new Error(`not in time: ${what}`);
    },
    token: (email) => edition.token(email),
    get browser() {
      return browser;
    },
    get origin() {
      return edition.origin;
    },
    /** One expectation with its name; faults of any open page fail it too. */
    async step(name, run) {
      this.current = name;
      const value = await run();
      for (const visitor of visitors) visitor.checkFaults();
      passed += 1;
      console.log(`ok: ${name}`);
      return value;
    },
  };
}

/** Journeys that need each other's results, in their order. */
async function line(...journeys) {
  const own = world();
  try {
    let before;
    for (const walk of journeys) before = (await walk(own, before)) ?? before;
  } catch (failure) {
    throw new Error(own.current, { cause: failure });
  }
}

async function picture() {
  await mkdir(output, { recursive: true });
  for (const [index, { page }] of visitors.entries()) {
    if (page.isClosed() || page.url() === "about:blank") continue;
    const path = `${output}failure-${index + 1}.png`;
    await page.screenshot({ path });
    console.error(`${page.url()} looked like ${path}`);
  }
}

try {
  edition = await Edition.start(program);
  browser = await launch();
  // Two at once, for two processors; those of one line share people or the clipboard.
  await Promise.all([line(journey, uploads, sharing, films, account, looks), line(tiles, usage, xss)]);
} catch (failure) {
  failed = 1;
  console.error(`failed: ${failure.message}: ${failure.cause?.stack ?? failure.stack}`);
  await picture().catch((problem) => console.error(`no picture: ${problem}`));
} finally {
  await browser?.close();
  await edition?.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed);
