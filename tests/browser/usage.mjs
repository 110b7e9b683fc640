// What was used, what is left, and the ledger that says why.

import assert from "node:assert/strict";
import { look } from "./looks.mjs";

const glance = { glance: true };

/** Needs what the tiles have left behind: results, a refusal, a cancellation. */
export async function usage(world) {
  const rosa = await world.visitor({ reducedMotion: "reduce" });
  const { page } = rosa;
  const main = page.getByRole("main");
  const section = (name) => main.getByRole("region", { name, exact: true });
  const ledger = section("Ledger");

  await world.step("nothing used: every part says so", async () => {
    await rosa.signIn("newcomer@example.com");
    await page.goto("/usage");
    await section("By month").getByText(/^Nothing was charged yet/).waitFor();
    await ledger.getByText(/^No lines yet/).waitFor();
    await section("Your limits").getByRole("row", { name: /^Units a month 500 500/ }).waitFor();
  });
  await look(world, rosa, "usage without anything", glance);

  const pia = await world.visitor({ reducedMotion: "reduce" });
  await world.step("the month's units are drawn, and told in a sentence and a table", async () => {
    const { page } = pia;
    await pia.signIn("pia@example.com");
    await page.goto("/usage");
    const months = page.getByRole("region", { name: "By month" });
    await months.getByRole("img", { name: /^\d+ units? charged in \w+ \d{4}\.$/ }).waitFor();
    await months.getByText("As a table").click();
    await months.getByRole("row", { name: /^\w+ \d{4} \d+ \$\d/ }).waitFor();
    const models = page.getByRole("region", { name: "By model" });
    assert.ok((await models.getByRole("listitem").count()) >= 1);
    await models.getByText(/^\$\d+\.\d+ for \d+ units?$/).waitFor();
    const broken = await page.evaluate(() => document.querySelectorAll(".usage svg [style], .usage svg script").length);
    assert.equal(broken, 0, "plots are drawn with attributes only");
  });

  await world.step("each line says what, why and how much, and leads to its request", async () => {
    const { page } = pia;
    const ledger = page.getByRole("region", { name: "Ledger" });
    await ledger.getByRole("row").nth(1).waitFor();
    const all = await ledger.getByRole("row").count();
    for (const kind of ["Reserved", "Charged", "Given back"]) {
      await ledger.getByRole("radio", { name: kind }).check();
      const rows = ledger.getByRole("row").filter({ has: page.getByRole("cell", { name: kind, exact: true }) });
      assert.ok((await rows.count()) >= 1, kind);
      assert.equal(await rows.count(), (await ledger.getByRole("row").count()) - 1, `only ${kind}`);
    }
    const refused = ledger.getByRole("row").filter({ hasText: /content/i }).first();
    await refused.getByRole("link").click();
    await page.getByRole("heading", { level: 1, name: "Request" }).waitFor();
    await page.getByText("Not charged", { exact: true }).first().waitFor();
    await page.getByRole("button", { name: "Back" }).click();
    await ledger.getByRole("radio", { name: "All" }).check();
    await ledger.getByRole("row").nth(all - 1).waitFor();
  });
  await look(world, pia, "usage");

  await world.step("a warning from 80 % on", async () => {
    const { page } = pia;
    await page.route("**/api/v1/me", async (route) => {
      const answer = await route.fetch();
      const me = await answer.json();
      await route.fulfill({ response: answer, json: { ...me, usage: { ...me.usage, used: 410, reserved: 0, remaining: 90 } } });
    });
    await page.goto("/usage");
    await page.getByText("You've used 82 % of this month's units.").waitFor();
    await page.unrouteAll({ behavior: "wait" });
  });

  await world.step("what can't be read says so, and is read when the connection is back", async () => {
    const { page } = pia;
    pia.forgive(/ERR_FAILED|ERR_INTERNET_DISCONNECTED/);
    await page.route("**/api/v1/ledger*", (route) => route.abort());
    await page.reload();
    const ledger = page.getByRole("region", { name: "Ledger" });
    await ledger.getByRole("alert").filter({ hasText: "We couldn't reach the service." }).waitFor();
    await look(world, pia, "usage that couldn't be read", glance);
    await page.unrouteAll({ behavior: "wait" });
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    await ledger.getByRole("row").nth(1).waitFor();
  });
}
