// Settings: where one is signed in, tokens, and taking everything or leaving.

import assert from "node:assert/strict";
import { look } from "./looks.mjs";

const glance = { glance: true };

export async function account(world) {
  const joan = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"], reducedMotion: "reduce" });
  const { page } = joan;
  const main = page.getByRole("main");
  const section = (name) => main.getByRole("region", { name });
  const dialog = page.getByRole("dialog");
  const sessions = section("Where I'm signed in");
  const tokens = section("Personal tokens");

  await world.step("settings are in the account's menu", async () => {
    await joan.signIn("joan@example.com", "Joan of the Settings");
    await page.getByRole("button", { name: /^Account:/ }).click();
    await page.getByRole("link", { name: "Settings", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
    await section("Profile").getByText("Joan of the Settings").waitFor();
    await section("Profile").getByText("joan@example.com").waitFor();
    await sessions.getByText("You're signed in nowhere else.").waitFor();
    await tokens.getByText("You have no tokens.").waitFor();
  });
  await look(world, joan, "settings without anything", glance);

  await world.step("another browser shows up, and is signed out from here", async () => {
    const others = await Promise.all([world.visitor(), world.visitor()]);
    for (const other of others) await other.signIn("joan@example.com");
    await page.reload();
    await sessions.getByRole("button", { name: /^End the session/ }).nth(1).waitFor();
    assert.equal(await sessions.getByRole("listitem").count(), 3);
    assert.equal(await sessions.getByText("This browser").count(), 1);
    await sessions.getByRole("button", { name: /^End the session/ }).first().click();
    await page.getByText("The session has ended.", { exact: true }).last().waitFor();
    assert.equal(await sessions.getByRole("listitem").count(), 2);
    const known = async () => Promise.all(others.map(async (other) => (await other.page.request.get("/api/v1/me")).status()));
    assert.deepEqual((await known()).sort(), [200, 401]);
    await sessions.getByRole("button", { name: "End all others" }).click();
    await dialog.getByText("1 other browser has to sign in again.", { exact: false }).waitFor();
    await dialog.getByRole("button", { name: "End all others" }).click();
    await sessions.getByText("You're signed in nowhere else.").waitFor();
    assert.deepEqual(await known(), [401, 401]);
    await others[0].page.reload();
    await others[0].page.getByRole("link", { name: "Sign in" }).waitFor();
  });

  await world.step("a token without a name is refused at its field", async () => {
    await tokens.getByRole("button", { name: "Make a token" }).click();
    await dialog.getByRole("button", { name: "Make token" }).click();
    await dialog.getByRole("alert").filter({ hasText: "Give the token a name." }).waitFor();
    assert.equal(await dialog.getByLabel("Name", { exact: true }).getAttribute("aria-invalid"), "true");
  });
  await look(world, joan, "a new token", glance);

  await world.step("a token is shown once, by keyboard alone, and works", async () => {
    await dialog.getByLabel("Name", { exact: true }).focus();
    await page.keyboard.type("Backup script");
    await page.keyboard.press("Enter");
    const secret = await dialog.getByLabel("Token", { exact: true }).inputValue();
    assert.match(secret, /^aig_/);
    await dialog.getByText(/can't be shown again/).waitFor();
    // A slip of the pointer must not lose it.
    await page.mouse.click(4, 300);
    await dialog.getByRole("button", { name: "Copy" }).click();
    await dialog.getByText("Copied", { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
    const asked = () => fetch(`${world.origin}/api/v1/me`, { headers: { authorization: `Bearer ${secret}` } }).then((answer) => answer.status);
    assert.equal(await asked(), 200);
    await look(world, joan, "a token's secret", glance);
    await dialog.getByRole("button", { name: "Done" }).click();
    assert.equal((await page.content()).includes(secret), false);
    await page.reload();
    const row = tokens.getByRole("listitem").filter({ hasText: "Backup script" });
    await row.getByText(/Last used/).waitFor();
    await row.getByText(/^Expires /).waitFor();
    assert.equal(await row.getByText("read", { exact: true }).count(), 1);
    await row.getByRole("button", { name: "Revoke Backup script" }).click();
    await dialog.getByRole("button", { name: "Revoke" }).click();
    await tokens.getByText("You have no tokens.").waitFor();
    assert.equal(await asked(), 401);
  });

  await world.step("what can't be read says so, and is read again", async () => {
    await page.route("**/api/v1/tokens*", (route) => route.abort());
    await page.route("**/api/v1/sessions*", (route) => route.fulfill({ status: 503, contentType: "text/html", body: "<h1>busy</h1>" }));
    joan.forgive(/ERR_FAILED|status of 503/);
    await page.reload();
    await tokens.getByRole("alert").filter({ hasText: "We couldn't reach the service." }).waitFor();
    await sessions.getByRole("alert").waitFor();
    await look(world, joan, "settings that couldn't be read", glance);
    await page.unrouteAll({ behavior: "wait" });
    await tokens.getByRole("button", { name: "Try again" }).click();
    await tokens.getByText("You have no tokens.").waitFor();
    await sessions.getByRole("button", { name: "Try again" }).click();
    await sessions.getByText("This browser").waitFor();
  });
}
