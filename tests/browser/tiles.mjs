// What the tiles of the studio say while something is made, and what came of it.

import assert from "node:assert/strict";
import { makingMs } from "./browser.mjs";
import { look } from "./looks.mjs";

const glance = { glance: true };

const one = /\/api\/v1\/generations\/[^/?]+$/;

/** Leaves results, a refusal and a cancellation behind, for the ledger. */
export async function tiles(world) {
  const pia = await world.visitor({ reducedMotion: "reduce" });
  const { page } = pia;
  const form = page.getByRole("form", { name: "What to make" });
  const results = page.getByRole("region", { name: "Latest results" });
  const card = (prompt) => results.locator(".generation").filter({ hasText: prompt });
  const generate = async (prompt, outputs = 1) => {
    await form.getByLabel("Prompt", { exact: true }).fill(prompt);
    await form.getByRole("group", { name: "Outputs" }).getByRole("radio", { name: String(outputs) }).check();
    await form.getByRole("button", { name: /^Generate/ }).click();
    await card(prompt).waitFor();
    return card(prompt);
  };
  /** What the clocks of the waiting tiles say, in seconds. */
  const clocks = async (place) => {
    const texts = await place.locator(".waiting-clock > [aria-hidden]").allTextContents();
    return texts.map((text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
  };

  /** The ETags that the app has asked with, from a reload on. */
  const asked = [];
  await world.step("every output that waits says for how long, also after a reload", async () => {
    await pia.signIn("pia@example.com");
    await page.goto("/studio?model=flux-2");
    const waiting = await generate("A slow fox [[run:hang]]", 4);
    await waiting.locator(".waiting").nth(3).waitFor();
    await waiting.getByText(/^About \$/).waitFor();
    await world.until("the clocks go", async () => (await clocks(waiting)).every((seconds) => seconds >= 2));
    page.on("request", (request) => request.method() === "GET" && one.test(request.url()) && asked.push(request.headers()["if-none-match"] ?? null));
    await page.reload();
    await waiting.locator(".waiting").nth(3).waitFor();
    const after = await clocks(waiting);
    assert.equal(after.length, 4);
    assert.ok(after.every((seconds) => seconds >= 2), `${after}`);
  });

  await world.step("the wait is asked about by ETag, ever more slowly, hardly at all while nobody looks", async () => {
    await world.until("three questions", () => asked.length >= 3);
    assert.ok(asked.slice(-2).every((tag) => tag !== null), "with If-None-Match");
    const hide = (hidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (hidden ? "hidden" : "visible") });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await hide(true);
    await page.waitForTimeout(300);
    const before = asked.length;
    // Longer than the slowest pace of a page that is seen.
    await page.waitForTimeout(5200);
    assert.equal(asked.length, before, "quiet while hidden");
    await hide(false);
    await world.until("asked at once when seen again", () => asked.length > before);
  });
  await look(world, pia, "studio with outputs in the making", glance);

  await world.step("what waits and what runs is cancelled, and nothing is charged", async () => {
    const waiting = card("A slow fox");
    await waiting.getByRole("button", { name: "Cancel", exact: true }).focus();
    await page.keyboard.press("Enter");
    await waiting.getByText("Cancelled before it was made.").waitFor({ timeout: makingMs });
    await waiting.getByText("Not charged", { exact: true }).waitFor();
    await waiting.getByText("4 units given back").waitFor();
  });

  await world.step("a refused prompt says why, isn't charged, and can be tried again under a new key", async () => {
    const failed = await generate("Something dreadful [[fail:content-policy]]");
    await failed.getByText("Failed", { exact: true }).waitFor({ timeout: makingMs });
    await failed.getByText("Not charged", { exact: true }).waitFor();
    const [request] = await Promise.all([
      page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/api/v1/generations")),
      failed.getByRole("button", { name: "Try again" }).click(),
    ]);
    assert.match(request.headers()["idempotency-key"], /^[0-9a-f-]{36}$/);
    assert.equal(request.postDataJSON().inputs.prompt, "Something dreadful [[fail:content-policy]]");
    await world.until("there are two", async () => (await card("Something dreadful").count()) === 2);
    await world.until("both failed", async () => (await card("Something dreadful").getByText("Failed", { exact: true }).count()) === 2, makingMs);
  });

  const done = await world.step("what is made says what it cost", async () => {
    const made = await generate("A quick fox in the snow", 2);
    await made.getByText("Done", { exact: true }).waitFor({ timeout: makingMs });
    await made.getByText(/^2 units, \$\d/).waitFor();
    const id = new URL(await made.getByRole("link").first().evaluate((link) => link.href)).pathname.split("/").pop();
    const asset = await (await page.request.get(`/api/v1/assets/${id}`)).json();
    return (await page.request.get(`/api/v1/generations/${asset.generation_id}`)).json();
  });

  // What the stand-in can't be made to do in a moment is told by changed answers.
  const told = async (changes) => {
    const generation = { ...done, id: "told", ...changes };
    await page.route(/\/api\/v1\/generations\?/, (route) => route.fulfill({ json: { items: [generation], next_cursor: null } }));
    await page.goto("/studio");
    return card("A quick fox");
  };
  const warning = (output, code, message) => ({ output, code, message });

  await world.step("of a partial success the rest is kept, with what failed beside it", async () => {
    const [first] = done.assets;
    const partial = await told({ assets: [first], units: { reserved: 2, charged: 1 }, warnings: [warning(2, "provider-error", "The model stumbled.")] });
    await partial.getByText("1 of 2 made it. The rest isn't charged.").waitFor();
    await partial.getByRole("listitem").filter({ hasText: "The model stumbled." }).getByText("Not charged").waitFor();
    await partial.getByText("1 unit given back").waitFor();
    await partial.getByRole("button", { name: "Try again for the missing one" }).waitFor();
  });
  await look(world, pia, "studio with a partial success", glance);

  await world.step("without an answer the outcome is unknown and free, also when it comes late", async () => {
    const unheard = [1, 2].map((output) => warning(output, "unknown-outcome", "No answer came in time."));
    const none = { units: { reserved: 2, charged: 0 }, warnings: unheard };
    const unknown = await told({ ...none, state: "unknown", assets: [], error: { code: "unknown-outcome", message: "No answer came in time." } });
    await unknown.getByText(/^Unknown outcome – not charged/).waitFor();
    await unknown.getByRole("button", { name: "Try again" }).waitFor();
    await page.unrouteAll({ behavior: "wait" });
    const late = await told(none);
    await late.getByText("Free: it came late").waitFor();
    assert.equal(await late.getByRole("link").count(), 2);
    await page.unrouteAll({ behavior: "wait" });
  });

  await world.step("a refusal counts down to when it is taken again, and says what can be done", async () => {
    await page.goto("/studio?model=flux-2");
    const refuse = (status, code, detail, seconds) =>
      page.route("**/api/v1/generations", (route) =>
        route.fulfill({
          status,
          headers: { "content-type": "application/problem+json", "retry-after": String(seconds) },
          body: JSON.stringify({ type: `/problems/${code}`, title: "No", status, code, detail, request_id: "r" }),
        }),
      );
    await refuse(429, "rate-limited", "You may send 100 requests an hour.", 3);
    await form.getByLabel("Prompt", { exact: true }).fill("One more fox");
    await form.getByRole("button", { name: /^Generate/ }).click();
    await form.getByRole("alert").filter({ hasText: "You may send 100 requests an hour." }).waitFor();
    await form.getByText(/^You can send it again in 0:0[1-3]\.$/).waitFor();
    await form.getByRole("link", { name: "See usage" }).waitFor();
    await form.getByText("You can send it again now.").waitFor();
    await page.unrouteAll({ behavior: "wait" });
    await refuse(503, "provider-unavailable", "Making pictures is paused until the evening.", 4000);
    pia.forgive(/status of 503/);
    await form.getByRole("button", { name: /^Generate/ }).click();
    await form.getByRole("alert").filter({ hasText: "Making pictures is paused until the evening." }).waitFor();
    await form.getByText("You can send it again in 1 h 7 min.").waitFor();
    await form.getByText(/nothing was charged/).waitFor();
    assert.equal(await form.getByLabel("Prompt", { exact: true }).inputValue(), "One more fox");
  });
  await look(world, pia, "studio with a refusal", glance);
  await page.unrouteAll({ behavior: "wait" });
}
