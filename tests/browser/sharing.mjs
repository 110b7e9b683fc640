// One person shares a picture, and others open it who have never signed in.

import assert from "node:assert/strict";
import { decodedPictures } from "./journey.mjs";

/** Needs the library that the journey has left behind. Answers the addresses of a page, of one with a password, and of one that has ended. */
export async function sharing(world) {
  const ada = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = ada;
  const main = page.getByRole("main");
  const rows = main.getByRole("listitem");
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  const linkOf = (url) => page.request.get(`/api/v1/links/${url.split("/").pop()}`).then((answer) => answer.json());
  const create = async () => {
    await page.getByRole("dialog").getByRole("button", { name: "Create a link" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByText("Link created and copied.", { exact: true }).last().waitFor();
    return copied();
  };

  const open = await world.step("one click makes a link and copies it", async () => {
    await ada.signIn("ada@example.com");
    await page.goto("/library");
    await main.getByRole("link", { name: /lighthouse/ }).first().click();
    await main.getByRole("button", { name: "Create a link" }).click();
    await page.getByText("Link created and copied.", { exact: true }).last().waitFor();
    const url = await copied();
    assert.match(url, new RegExp(`^${world.origin}/s/[0-9A-Za-z]{11}$`));
    await main.getByRole("button", { name: "Copy link", exact: true }).waitFor();
    assert.equal(await main.getByRole("region", { name: "Share" }).getByRole("listitem").count(), 1);
    return url;
  });

  await world.step("a stranger sees the picture, and is counted once", async () => {
    const stranger = await world.visitor();
    const answer = await stranger.page.goto(open);
    assert.equal(answer.status(), 200);
    await decodedPictures(stranger.page, stranger.page.getByRole("main"), 1);
    assert.deepEqual(await stranger.context.cookies(), []);
    await world.until("the visit is counted", async () => (await linkOf(open)).views === 1);
    assert.equal((await stranger.page.content()).includes("sea of clouds"), false, "the prompt isn't shared");
  });

  const locked = await world.step("a link with a password, an ending of its own and a note", async () => {
    await main.getByRole("button", { name: "More choices" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("switch", { name: "Ask for a password" }).check();
    await dialog.getByLabel("Password", { exact: true }).fill("open sesame");
    await dialog.getByLabel("Ending of its address").fill("lighthouse-for-grace");
    await dialog.getByLabel("Note").fill("For Grace");
    const url = await create();
    assert.equal(url, `${world.origin}/s/lighthouse-for-grace`);
    await main.getByText("For Grace", { exact: true }).waitFor();
    return url;
  });

  await world.step("an ending that is taken is said at its field", async () => {
    await main.getByRole("button", { name: "More choices" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Ending of its address").fill("lighthouse-for-grace");
    await dialog.getByRole("button", { name: "Create a link" }).click();
    await dialog.getByRole("alert").filter({ hasText: "This ending is taken." }).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  await world.step("a stranger needs the password", async () => {
    const stranger = await world.visitor();
    await stranger.page.goto(locked);
    await stranger.page.getByLabel("Password").fill("guess");
    await stranger.page.getByRole("button", { name: "Open" }).click();
    await stranger.page.getByRole("alert").filter({ hasText: "That isn’t the password." }).waitFor();
    await stranger.page.getByLabel("Password").fill("open sesame");
    await stranger.page.getByRole("button", { name: "Open" }).click();
    await decodedPictures(stranger.page, stranger.page.getByRole("main"), 1);
  });

  await world.step("my links show what they lead to, and how often they were opened", async () => {
    await page.getByRole("button", { name: /^Account:/ }).click();
    await page.getByRole("link", { name: "My links", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "My links" }).waitFor();
    await decodedPictures(page, main, 2);
    assert.equal(await rows.count(), 2);
    await rows.filter({ hasText: "For Grace" }).getByText(/1 view .*Password/).waitFor();
  });

  const row = rows.filter({ hasText: new URL(open).pathname });
  await world.step("a link that is switched off says so kindly, and comes back", async () => {
    await row.getByRole("switch").uncheck();
    await row.getByText(/Switched off/).waitFor();
    const stranger = await world.visitor();
    assert.equal((await stranger.page.goto(open)).status(), 410);
    await stranger.page.getByRole("heading", { level: 1, name: "This link has ended" }).waitFor();
    await row.getByRole("switch").check();
    await row.getByText(/Switched off/).waitFor({ state: "detached" });
    await stranger.page.reload();
    await decodedPictures(stranger.page, stranger.page.getByRole("main"), 1);
  });

  await world.step("a changed link keeps what was chosen", async () => {
    await row.getByRole("button", { name: /^Change link/ }).click();
    await page.getByRole("dialog").getByLabel("Ends").selectOption({ label: "In 7 days" });
    await page.getByRole("dialog").getByLabel("Views at most").fill("9");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await row.getByText(/of 9 views .*Until/).waitFor();
    await row.getByRole("button", { name: /^Change link/ }).click();
    await page.getByRole("dialog").getByLabel("Ends").selectOption({ label: "Never, until I end it" });
    await page.getByRole("dialog").getByLabel("Views at most").fill("");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await row.getByText(/^A page · \d+ views?$/).waitFor();
  });

  const ended = await world.step("a link that is ended is off the list for good", async () => {
    await page.goBack();
    await main.getByRole("button", { name: "More choices" }).click();
    const url = await create();
    await main.getByRole("button", { name: `End link ${url.split("/").pop()}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End link" }).click();
    await page.getByText("The link has ended.", { exact: true }).last().waitFor();
    assert.equal(await main.getByText(new URL(url).pathname).count(), 0);
    const stranger = await world.visitor();
    assert.equal((await stranger.page.goto(url)).status(), 410);
    return url;
  });
  return { open, locked, ended };
}
