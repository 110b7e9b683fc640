// Hostile strings wherever a person can type, seen on every page that shows them.

import assert from "node:assert/strict";
import { strings, watch } from "./canary.mjs";
import { makingMs } from "./browser.mjs";
import { drawn } from "./uploads.mjs";

// With pictures of their own; the other prompts are refused by the model.
const painted = 4;
const refused = " [[fail:validation]]";

/** A call of the API as the app makes it: from its own page. */
async function call(page, method, path, body, headers = {}) {
  return page.evaluate(
    async ({ method, path, body, headers }) => {
      const answer = await fetch(`/api/v1${path}`, {
        method,
        headers: { ...headers, ...(method === "GET" ? {} : { "x-app": "1" }), ...(body ? { "content-type": "application/json" } : {}) },
        body: body ? JSON.stringify(body) : null,
      });
      const text = await answer.text();
      return { status: answer.status, value: text === "" ? null : JSON.parse(text) };
    },
    { method, path, body, headers },
  );
}

/** To another page of the app, without loading it anew. */
async function go(page, path) {
  await page.evaluate((to) => {
    history.pushState({}, "", to);
    dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  }, path);
}

const shows = (page, text) => page.waitForFunction((wanted) => document.body.textContent.includes(wanted) || document.body.innerText.includes(wanted), text);

async function made(page, status, where, ...body) {
  const answer = await call(page, ...body);
  assert.equal(answer.status, status, `${where}: ${JSON.stringify(answer.value)}`);
  return answer.value;
}

/** All the strings, as many in a name as it may be long. */
function asNames() {
  const names = [""];
  for (const text of strings) {
    if (names.at(-1).length + text.length > 100) names.push("");
    names[names.length - 1] += text;
  }
  return names;
}

export async function xss(world) {
  const mallory = await world.visitor({ reducedMotion: "reduce" });
  const { page } = mallory;
  const seen = await watch(mallory.context);
  const nothing = () => assert.deepEqual(seen, []);
  const main = page.getByRole("main");

  await world.step("the canary sings when something runs, and the policy stops what is written into a page", async () => {
    const cage = await world.browser.newContext({ baseURL: world.origin });
    const heard = await watch(cage);
    const inside = await cage.newPage();
    await inside.goto("/");
    await inside.evaluate(() => globalThis.xss());
    await inside.evaluate(() => document.body.insertAdjacentHTML("beforeend", "<img src=/nowhere.png onerror=xss()>"));
    await world.until("both were heard", () => heard.length >= 2);
    assert.deepEqual(heard.map((what) => what.split(" ")[0]).sort(), ["ran", "script-src-attr"]);
    await cage.close();
  });

  await world.step("50 hostile display names sign in", async () => {
    const names = asNames();
    await mallory.signIn("mallory@example.com", names[0]);
    await go(page, "/settings");
    await shows(page, names[0]);
    nothing();
    for (const [index, name] of names.slice(1).entries()) {
      const other = await world.visitor();
      const heard = await watch(other.context);
      await other.signIn(`mallory-${index}@example.com`, name);
      await go(other.page, "/settings");
      await shows(other.page, name);
      assert.deepEqual(heard, []);
      await other.context.close();
    }
  });

  await world.step("50 hostile prompts and negative prompts, in the studio and on their own pages", async () => {
    await go(page, "/studio");
    const requests = [];
    for (const [index, text] of strings.entries()) {
      const prompt = text + (index < painted ? "" : refused);
      const negative_prompt = strings[(index + 1) % strings.length];
      const body = { model: "qwen-image", outputs: 1, inputs: { prompt, negative_prompt }, parameters: {} };
      requests.push(await made(page, 202, text, "POST", "/generations", body, { "idempotency-key": crypto.randomUUID() }));
    }
    await page.reload();
    await shows(page, strings.at(-1));
    for (const [index, { id }] of requests.entries()) {
      await go(page, `/generations/${id}`);
      await shows(page, strings[index]);
    }
    // The last one lands in the form, with its negative prompt.
    await page.getByRole("button", { name: "Reuse" }).click();
    const boxes = page.getByRole("form", { name: "What to make" }).locator("textarea");
    await page.waitForFunction((wanted) => [...document.querySelectorAll(".maker textarea")].some((box) => box.value === wanted), strings[0]);
    assert.equal(await boxes.first().inputValue(), strings.at(-1) + refused);
    nothing();
  });

  const assets = await world.step("hostile titles and alt texts in the library, and on the pages of pictures", async () => {
    const list = () => made(page, 200, "assets", "GET", "/assets?limit=100");
    await world.until("the pictures are there", async () => (await list()).items.length === painted, makingMs);
    const { items } = await list();
    for (const [index, title] of strings.entries()) {
      const { id } = items[index % painted];
      const alt_text = strings[(index + 7) % strings.length];
      await made(page, 200, title, "PATCH", `/assets/${id}`, { title, alt_text });
      await go(page, `/library/${id}`);
      await shows(page, title);
      await page.waitForFunction((alt) => document.querySelector("main img")?.alt === alt, alt_text);
    }
    await go(page, "/library");
    await main.getByRole("img").nth(painted - 1).waitFor();
    await main.getByRole("searchbox").fill(strings[7]);
    await page.waitForFunction(() => location.search.includes("q="));
    nothing();
    return items;
  });

  await world.step("50 hostile names of tokens", async () => {
    await go(page, "/studio");
    for (const text of strings) await made(page, 201, text, "POST", "/tokens", { name: text, scopes: ["read"] });
    await go(page, "/settings");
    for (const text of strings) await main.getByText(text, { exact: true }).first().waitFor();
    await main.getByRole("button", { name: `Revoke ${strings[1]}`, exact: true }).click();
    await page.getByRole("dialog").getByText(strings[1]).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    nothing();
  });

  await world.step("50 hostile notes of links, and their pages as a stranger sees them", async () => {
    const links = [];
    for (const [index, note] of strings.entries()) {
      links.push(await made(page, 201, note, "POST", "/links", { asset_id: assets[index % painted].id, opens: "page", note }));
    }
    await go(page, "/links");
    for (const text of strings) await main.getByText(text, { exact: true }).first().waitFor();
    nothing();
    const stranger = await world.visitor();
    const strangers = await watch(stranger.context);
    for (const [index, { url }] of links.slice(0, painted).entries()) {
      for (const title of strings.filter((_, n) => n % painted === index)) {
        await made(page, 200, title, "PATCH", `/assets/${assets[index].id}`, { title, alt_text: title });
        await stranger.page.goto(`${url}?${encodeURIComponent(title)}`, { waitUntil: "domcontentloaded" });
      }
    }
    await stranger.page.waitForLoadState();
    assert.deepEqual(strangers, []);
  });

  await world.step("50 hostile names of files", async () => {
    await page.goto("/studio?model=kling-2.5-turbo-i2v");
    const form = page.getByRole("form", { name: "What to make" });
    const slot = form.getByRole("group", { name: "First frame" });
    const choose = (name, mimeType, buffer) => slot.locator("input[type=file]").setInputFiles({ name, mimeType, buffer });
    for (const text of strings) {
      await choose(`${text}.txt`, "text/plain", Buffer.from("no picture"));
      await shows(page, `${text}.txt`);
    }
    const picture = await drawn(page, "beach", 320, 320);
    for (const text of strings) {
      await choose(`${text}.png`, "image/png", picture);
      await page.waitForFunction((name) => [...document.querySelectorAll("form img")].some((img) => img.alt === name), `${text}.png`);
      await slot.getByRole("button", { name: "Remove" }).last().click();
    }
    nothing();
  });

  await world.step("the ledger and the API's description show nothing but text either", async () => {
    await page.goto("/usage");
    await page.getByRole("region", { name: "Ledger" }).getByText("Given back").last().waitFor();
    await page.goto(`/no/such/${encodeURIComponent(strings[7])}?problem=${encodeURIComponent(strings[0])}`);
    await page.getByRole("heading", { name: "There's nothing here" }).waitFor();
    await page.goto(`/?problem=${encodeURIComponent(strings[0])}`);
    await page.goto("/docs");
    await page.getByRole("heading", { level: 1, name: "API" }).waitFor();
    nothing();
  });
}
