// Taking everything along, deleting the account, and changing one's mind.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { makingMs } from "./browser.mjs";
import { look } from "./looks.mjs";

const glance = { glance: true };

/** Needs the results that the tiles have left behind. */
export async function leaving(world) {
  const pia = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"], reducedMotion: "reduce" });
  const { page } = pia;
  const main = page.getByRole("main");
  const section = (name) => main.getByRole("region", { name });
  const exports = section("Take everything with you");
  const dialog = page.getByRole("dialog");

  await world.step("settings offer to take everything along", async () => {
    await pia.signIn("pia@example.com");
    await page.goto("/settings");
    await exports.getByRole("button", { name: "Prepare an export" }).waitFor();
  });

  await world.step("an export goes on through a reload and is a zip", async () => {
    await exports.getByRole("button", { name: "Prepare an export" }).click();
    await exports.getByText(/^(In line|Being packed|Ready)/).waitFor();
    await page.reload();
    await exports.getByText("Ready", { exact: true }).waitFor({ timeout: makingMs });
    const [download] = await Promise.all([page.waitForEvent("download"), exports.getByRole("button", { name: "Download" }).click()]);
    const bytes = await readFile(await download.path());
    assert.deepEqual([...bytes.subarray(0, 4)], [0x50, 0x4b, 0x03, 0x04], "the bytes of a zip");
    assert.match(download.suggestedFilename(), /\.zip$/);
  });
  await look(world, pia, "settings");

  await world.step("deleting the account needs its e-mail address, typed", async () => {
    await section("Delete my account").getByRole("button", { name: "Delete my account" }).click();
    await dialog.getByText(/After 24 hours/).waitFor();
    const now = dialog.getByRole("button", { name: "Delete account" });
    assert.equal(await now.getAttribute("aria-disabled"), "true");
    await dialog.getByLabel(/^Type pia@example.com/).fill("somebody@example.com");
    // A button that isn't ready can still be pressed; nothing may come of it.
    await now.dispatchEvent("click");
    await dialog.getByText(/After 24 hours/).waitFor();
    assert.equal((await page.request.get("/api/v1/me").then((answer) => answer.json())).status, "active");
  });
  await look(world, pia, "deleting an account", glance);

  await world.step("then everything is shut, and the page says until when there is a way back", async () => {
    await dialog.getByLabel(/^Type pia@example.com/).fill("Pia@example.com");
    await dialog.getByRole("button", { name: "Delete account" }).click();
    await page.getByRole("heading", { level: 1, name: "You're signed out, and your account is on its way out" }).waitFor();
    await page.getByText(/It will be deleted on \w+ \d+, \d{4}/).waitFor();
    assert.equal((await page.request.get("/api/v1/me")).status(), 401);
  });
  await look(world, pia, "signed out for good", glance);

  await world.step("who signs in again can only keep the account or leave", async () => {
    await page.getByRole("link", { name: "Sign in and keep it" }).click();
    await page.getByLabel("E-mail address").fill("pia@example.com");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: /^Your account will be deleted on / }).waitFor();
    await page.goto("/library");
    await page.getByRole("heading", { level: 1, name: /^Your account will be deleted on / }).waitFor();
    assert.equal((await page.request.get("/api/v1/assets")).status(), 403);
  });
  await look(world, pia, "an account that is about to go", glance);

  await world.step("kept, everything is as it was", async () => {
    await page.getByRole("button", { name: "Keep my account" }).click();
    await page.getByText("Your account stays. Welcome back.").waitFor();
    await page.getByRole("region", { name: "Latest results" }).getByText("A quick fox in the snow").waitFor();
    assert.equal((await page.request.get("/api/v1/me").then((answer) => answer.json())).status, "active");
  });

  await world.step("the webhook secret is hidden until it is asked for", async () => {
    await page.goto("/settings");
    const secrets = section("Webhook secret");
    await secrets.getByRole("button", { name: /^Show/ }).click();
    const secret = await secrets.getByLabel("Webhook secret", { exact: true }).inputValue();
    assert.match(secret, /^whsec_[A-Za-z0-9+/=]{20,}$/);
    await secrets.getByRole("button", { name: /^Hide/ }).click();
    assert.equal((await page.content()).includes(secret), false);
  });
}
