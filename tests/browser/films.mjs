// A film from words: its tile, its poster and its player.

import assert from "node:assert/strict";
import { desktop, makingMs } from "./browser.mjs";
import { look } from "./looks.mjs";

const prompt = "Slow waves under a violet evening sky";

/** The poster of the only tile of `scope`, once it is shown as a picture. */
async function poster(page, scope) {
  const picture = scope.getByRole("listitem").locator("img.picture");
  await picture.waitFor({ timeout: makingMs });
  await page.waitForFunction((img) => img.complete && img.naturalWidth > 0, await picture.elementHandle());
  return picture.evaluate((img) => ({ path: new URL(img.currentSrc).pathname, ratio: img.naturalWidth / img.naturalHeight }));
}

export async function films(world) {
  const nora = await world.visitor();
  const { page } = nora;
  const form = page.getByRole("form", { name: "What to make" });
  const results = page.getByRole("region", { name: "Latest results" });
  const main = page.getByRole("main");
  await nora.signIn("nora@example.com");

  await world.step("a film appears with a poster of its own, without a reload", async () => {
    await page.goto("/studio?model=wan-2.7");
    await form.getByLabel("Prompt", { exact: true }).fill(prompt);
    await form.getByLabel("Resolution").selectOption({ label: "720p" });
    await form.getByLabel("Length").selectOption({ label: "3 seconds" });
    await form.getByRole("button", { name: /^Generate/ }).click();
    await results.getByText("Done", { exact: true }).waitFor({ timeout: makingMs });
    const shown = await poster(page, results);
    assert.match(shown.path, /^\/media\/.+\/poster-\d+\.webp$/);
    assert.ok(Math.abs(shown.ratio - 16 / 9) < 0.01, `${shown.ratio}`);
    await results.getByText("0:03", { exact: true }).waitFor();
  });

  await world.step("in the library it plays without sound while the pointer rests on it", async () => {
    await page.goto("/library");
    await poster(page, main);
    assert.equal(await main.locator("video").count(), 0);
    await main.getByRole("listitem").getByRole("link").hover();
    const film = await main.locator("video").elementHandle();
    await page.waitForFunction((video) => video.muted && !video.paused && video.currentTime > 0, film);
    await page.mouse.move(0, 0);
    await main.locator("video").waitFor({ state: "detached" });
  });

  await world.step("it stays still for people who want calm", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await main.getByRole("listitem").getByRole("link").hover();
    await page.waitForTimeout(500);
    assert.equal(await main.locator("video").count(), 0);
    await page.mouse.move(0, 0);
  });
  await look(world, nora, "library with a film");

  await world.step("its page has a player that knows how large and how long it is", async () => {
    await page.setViewportSize(desktop);
    await main.getByRole("listitem").getByRole("link").click();
    await page.getByRole("region", { name: "Prompt" }).waitFor();
    const film = await main.locator("video").elementHandle();
    assert.match(new URL(await film.evaluate((video) => video.poster)).pathname, /\/poster-1280\.webp$/);
    assert.ok(await film.evaluate((video) => video.controls && video.paused));
    await film.evaluate((video) => video.play());
    await page.waitForFunction((video) => video.readyState >= 2 && video.currentTime > 0, film);
    const known = await film.evaluate((video) => [video.videoWidth, video.videoHeight, Math.round(video.duration)]);
    assert.deepEqual(known, [1280, 720, 3]);
    await film.evaluate((video) => video.pause());
  });
  await look(world, nora, "a film's page");
}
