// From the landing page to a library and out again.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { makingMs } from "./browser.mjs";

const prompt = "A lighthouse above a sea of clouds, first light";

const signatures = [
  ["PNG", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["JPEG", [0xff, 0xd8, 0xff]],
  ["WebP", [0x52, 0x49, 0x46, 0x46]],
];

function formatOf(bytes) {
  return signatures.find(([, signature]) => signature.every((byte, index) => bytes[index] === byte))?.[0] ?? null;
}

/** Waits until every picture of `scope` has been decoded, then answers their addresses. */
export async function decodedPictures(page, scope, count) {
  const pictures = scope.getByRole("img");
  await pictures.nth(count - 1).waitFor({ timeout: makingMs });
  const handles = await pictures.elementHandles();
  assert.equal(handles.length, count);
  const addresses = [];
  for (const picture of handles) {
    await page.waitForFunction((img) => img.complete && img.naturalWidth > 0, picture);
    addresses.push(await picture.evaluate((img) => img.currentSrc));
  }
  return addresses;
}

export async function journey(world) {
  const ada = await world.visitor();
  const { page } = ada;
  const form = page.getByRole("form", { name: "What to make" });
  const promptBox = form.getByLabel("Prompt", { exact: true });
  const results = page.getByRole("region", { name: "Latest results" });
  const main = page.getByRole("main");
  const tiles = main.getByRole("listitem").filter({ has: page.getByRole("img") });

  await world.step("signed out, the landing page says what this is", async () => {
    await page.goto("/");
    await page.getByRole("heading", { level: 1, name: "Pictures and films, from words." }).waitFor();
    await page.getByRole("link", { name: "Sign in" }).waitFor();
  });

  await world.step("a refused sign-in is explained", async () => {
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("alert").filter({ hasText: "The sign-in was cancelled." }).waitFor();
  });

  await world.step("signing in leads to the studio", () => ada.signIn("ada@example.com"));

  await world.step("an unknown path shows a friendly page", async () => {
    await page.goto("/no/such/page");
    await page.getByRole("heading", { level: 1, name: "There's nothing here" }).waitFor();
    await page.getByRole("link", { name: "To the studio", exact: true }).click();
    await form.waitFor();
  });

  await world.step("a prompt that is too short is refused by its field", async () => {
    await promptBox.fill("A");
    await form.getByRole("button", { name: /^Generate/ }).click();
    await form.getByText("At least 3 characters, please.", { exact: true }).waitFor();
    assert.equal(await promptBox.getAttribute("aria-invalid"), "true");
    const described = await promptBox.evaluate((box) =>
      (box.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent).join(" "),
    );
    assert.match(described, /At least 3 characters, please\./);
    await page.waitForFunction((box) => document.activeElement === box, await promptBox.elementHandle());
  });

  await world.step("the button says the price of this request", async () => {
    await promptBox.fill(prompt);
    await form.getByRole("group", { name: "Outputs" }).getByRole("radio", { name: "2" }).check();
    await form.getByRole("button", { name: /^Generate.*\d/ }).waitFor();
    await form.getByText(/^Takes 2 units of /).waitFor();
  });

  await world.step("a generation goes on through a reload", async () => {
    await form.getByRole("button", { name: /^Generate/ }).click();
    await results.getByRole("button", { name: "Cancel", exact: true }).waitFor();
    await page.reload();
    await results.getByText(prompt).waitFor();
  });

  const thumbnails = await world.step("both pictures appear and are decoded", async () => {
    await results.getByText("Done", { exact: true }).waitFor({ timeout: makingMs });
    const addresses = await decodedPictures(page, results, 2);
    for (const address of addresses) assert.match(new URL(address).pathname, /^\/media\/.+\/thumb-\d+\.webp$/);
    assert.equal(await results.getByRole("listitem").filter({ hasText: prompt }).count(), 1, "one generation, not two");
    return addresses;
  });

  await world.step("the draft is still in the form after the reload", async () => {
    assert.equal(await promptBox.inputValue(), prompt);
  });

  await world.step("the library shows two tiles", async () => {
    await page.getByRole("link", { name: "Library", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Library" }).waitFor();
    await decodedPictures(page, main, 2);
    assert.equal(await tiles.count(), 2);
  });

  const asset = await world.step("an asset's page shows the picture, its prompt and its parameters", async () => {
    const link = tiles.first().getByRole("link");
    const path = await link.getAttribute("href");
    await link.click();
    await page.waitForURL(`**${path}`);
    const [address] = await decodedPictures(page, main, 1);
    assert.match(new URL(address).pathname, /^\/media\//);
    assert.equal(await page.getByRole("region", { name: "Prompt" }).getByText(prompt).count(), 1);
    const parameters = page.getByRole("region", { name: "Parameters" });
    assert.equal(await parameters.getByText("Seed", { exact: true }).count(), 1);
    const answer = await page.request.get(`/api/v1/assets/${path.split("/").pop()}`);
    assert.equal(answer.status(), 200);
    return answer.json();
  });

  await world.step("the download is a picture", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    const bytes = await readFile(await download.path());
    assert.notEqual(formatOf(bytes), null, "the bytes of a picture");
    assert.equal(bytes.length, asset.media.bytes);
  });

  await world.step("the trash has a way back", async () => {
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Back in the library.", { exact: true }).first().waitFor();
    await page.getByRole("link", { name: "Library", exact: true }).click();
    await decodedPictures(page, main, 2);
    await main.getByRole("checkbox", { name: "Trash" }).check();
    await page.getByRole("heading", { name: "The trash is empty" }).waitFor();
  });

  const addresses = [asset.media.url, ...thumbnails].map((address) => new URL(address, world.origin).href);
  await world.step("the owner can read the files", async () => {
    for (const address of addresses) assert.equal((await page.request.get(address)).status(), 200);
  });

  await world.step("another person can neither read the files nor the asset", async () => {
    const grace = await world.visitor();
    await grace.signIn("grace@example.com");
    for (const address of addresses) assert.equal((await grace.page.request.get(address)).status(), 403);
    assert.equal((await grace.page.request.get(`/api/v1/assets/${asset.id}`)).status(), 404);
    assert.equal((await grace.page.request.get(`/api/v1/assets/${asset.id}/download`, { maxRedirects: 0 })).status(), 404);
    await grace.page.goto(`/library/${asset.id}`);
    await grace.page.getByRole("heading", { level: 1, name: "We don't have this" }).waitFor();
  });

  await world.step("the API's description is a styled page", async () => {
    await page.goto("/docs");
    await page.getByRole("heading", { level: 1, name: "API" }).waitFor();
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector("main")).maxWidth), "none");
    await page.goBack();
  });

  await world.step("signing out ends the session and leaves no draft behind", async () => {
    await page.getByRole("button", { name: /^Account:/ }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { level: 1, name: "Pictures and films, from words." }).waitFor();
    assert.equal((await page.request.get("/api/v1/me")).status(), 401);
    assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("lighthouse")), false);
  });

  await world.step("signed out, the files are closed", async () => {
    for (const address of addresses) assert.equal((await page.request.get(address)).status(), 403);
    const stranger = await world.visitor();
    for (const address of addresses) assert.equal((await stranger.page.request.get(address)).status(), 403);
  });

  await world.step("a page that needs a session comes back to itself after signing in", async () => {
    await page.goto(`/library/${asset.id}`);
    await page.getByRole("link", { name: "Sign in to continue" }).click();
    await page.getByLabel("E-mail address").fill("ada@example.com");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`**/library/${asset.id}`);
    await decodedPictures(page, main, 1);
  });
}
