// What people with other eyes, screens and devices meet: WCAG 2 A and AA on
// each page, in light and dark, on a phone and a desktop, without sideways scrolling.

import assert from "node:assert/strict";
import { accessibilityProblems, desktop, phone } from "./browser.mjs";
import { decodedPictures } from "./journey.mjs";

const screens = [
  ["phone", phone],
  ["desktop", desktop],
];

/** One page as it is now, in both themes and on both screens; a glance is one screen in each theme. */
export async function look(world, visitor, name, { glance = false } = {}) {
  const { page } = visitor;
  for (const [index, colorScheme] of ["light", "dark"].entries()) {
    for (const [screen, size] of glance ? [screens[index]] : screens) {
      await world.step(`${name}, ${colorScheme}, ${screen}: no accessibility violation`, async () => {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize(size);
        // Colours change in a frame, which on a busy machine takes its time.
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        assert.deepEqual(await accessibilityProblems(page), []);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(sideways <= 0, `the page scrolls sideways by ${sideways} pixels`);
      });
    }
  }
}

/** Needs the library that the journey has left behind, and the addresses of its links. */
export async function looks(world, links) {
  const calm = { reducedMotion: "reduce" };
  const stranger = await world.visitor(calm);
  await stranger.page.goto("/");
  await stranger.page.getByRole("link", { name: "Sign in" }).waitFor();
  await look(world, stranger, "landing");

  const newcomer = await world.visitor(calm);
  await newcomer.signIn("newcomer@example.com");
  await newcomer.page.getByRole("heading", { name: "Your results appear here" }).waitFor();
  await look(world, newcomer, "studio without results");
  await newcomer.page.goto("/library");
  await newcomer.page.getByRole("heading", { name: "Your library is empty" }).waitFor();
  await look(world, newcomer, "library without anything");

  const ada = await world.visitor(calm);
  const main = ada.page.getByRole("main");
  await ada.signIn("ada@example.com");
  await decodedPictures(ada.page, ada.page.getByRole("region", { name: "Latest results" }), 2);
  await look(world, ada, "studio");
  await ada.page.goto("/library");
  await decodedPictures(ada.page, main, 2);
  await look(world, ada, "library");
  await main.getByRole("link", { name: /lighthouse/ }).first().click();
  await ada.page.getByRole("region", { name: "Prompt" }).waitFor();
  await decodedPictures(ada.page, main, 1);
  await look(world, ada, "asset");
  await main.getByRole("button", { name: "More choices" }).click();
  await look(world, ada, "choices of a link");
  await ada.page.goto("/links");
  await decodedPictures(ada.page, main, 2);
  await look(world, ada, "links");

  await stranger.page.goto(links.open);
  await decodedPictures(stranger.page, stranger.page.getByRole("main"), 1);
  await look(world, stranger, "a link's page");
  await stranger.page.goto(links.locked);
  await stranger.page.getByLabel("Password").fill("guess");
  await stranger.page.getByRole("button", { name: "Open" }).click();
  await stranger.page.getByRole("alert").waitFor();
  await look(world, stranger, "a link's password");
  await stranger.page.goto(links.ended);
  await look(world, stranger, "a link that has ended");
}
