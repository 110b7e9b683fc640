// A real Chromium, and pages that report what must never happen on them.

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

export const waitMs = 15_000;
// Making pictures takes the stand-in a few seconds on a busy machine.
export const makingMs = 60_000;

export const desktop = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

/** Chromium with an empty profile, which goes when the browser is closed. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
}

// A refused request is an answer that the app deals with, not a fault of the page.
const answered = /^Failed to load resource: the server responded with a status of 4\d\d/;

/** A person's browser: nothing in it is shared with another one's. */
export class Visitor {
  faults = [];
  #forgiven = [];

  static async enter(browser, origin, options = {}) {
    const visitor = new Visitor();
    visitor.context = await browser.newContext({ baseURL: origin, viewport: desktop, locale: "en-GB", colorScheme: "light", ...options });
    visitor.context.setDefaultTimeout(waitMs);
    visitor.page = await visitor.context.newPage();
    visitor.page.on("pageerror", (error) => visitor.faults.push(`page error: ${error.stack ?? error}`));
    visitor.page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && ![answered, ...visitor.#forgiven].some((known) => known.test(text))) visitor.faults.push(`console: ${message.text()}`);
    });
    return visitor;
  }

  /** Through the page that stands in for a sign-in service. */
  async signIn(email, name = "") {
    const { page } = this;
    await page.goto("/");
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("E-mail address").fill(email);
    if (name !== "") await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/studio");
    await page.getByRole("form", { name: "What to make" }).waitFor();
  }

  /** A failure that a step brings about itself. */
  forgive(text) {
    this.#forgiven.push(text);
  }

  /** Throws when a page has failed or broken its content security policy. */
  checkFaults() {
    if (this.faults.length > 0) throw new Error(this.faults.join("\n"));
  }
}

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The violations of WCAG 2 A and AA on the page as it is now, one line each. */
export async function accessibilityProblems(page) {
  // Evaluated through the debugger, which the page's policy doesn't bind.
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const answer = await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa"], resultTypes: ["violations"] });
    return answer.violations;
  });
  return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary}`));
}
