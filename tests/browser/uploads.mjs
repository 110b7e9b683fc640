// Pictures from one's own disk: chosen, dropped and pasted, refused in words,
// and worked from.

import assert from "node:assert/strict";
import { makingMs } from "./browser.mjs";
import { decodedPictures } from "./journey.mjs";
import { look } from "./looks.mjs";

/** A PNG that the page draws: a sky over a beach, or a mask whose left half is white. */
export async function drawn(page, kind, width, height) {
  const url = await page.evaluate(
    ({ kind, width, height }) => {
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      const parts = kind === "mask" ? ["white", "black"] : ["#8ecae6", "#f4d58d"];
      const across = kind === "mask";
      for (const [index, colour] of parts.entries()) {
        context.fillStyle = colour;
        context.fillRect(across ? (index * width) / 2 : 0, across ? 0 : (index * height) / 2, width, height);
      }
      return canvas.toDataURL("image/png");
    },
    { kind, width, height },
  );
  return Buffer.from(url.split(",")[1], "base64");
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(kind, ...numbers) {
  const bytes = Buffer.alloc(12 + 4 * numbers.length);
  bytes.writeUInt32BE(4 * numbers.length, 0);
  bytes.write(kind, 4, "latin1");
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 8 + 4 * index);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

/** The same as an animation of one frame. */
function animated(bytes) {
  const behindHeader = 33;
  const size = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  // Behind its numbers a frame control has two bytes more, both zero here.
  const control = chunk("fcTL", 0, ...size, 0, 0, 0x00010001, 0).subarray(0, 8 + 26);
  control.writeUInt32BE(26, 0);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(control.subarray(4)), 0);
  return Buffer.concat([bytes.subarray(0, behindHeader), chunk("acTL", 1, 0), control, sum, bytes.subarray(behindHeader)]);
}

/** Lets go of a file over `place`, or pastes it, as the browser would tell of it. */
async function hand(place, event, name, bytes) {
  await place.evaluate(
    (element, { event, name, bytes }) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
      const happens =
        event === "paste"
          ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
          : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true });
      element.dispatchEvent(happens);
    },
    { event, name, bytes: bytes.toString("base64") },
  );
}

export async function uploads(world) {
  const mary = await world.visitor({ reducedMotion: "reduce" });
  const { page } = mary;
  await mary.signIn("mary@example.com");
  const form = page.getByRole("form", { name: "What to make" });
  const promptBox = form.getByLabel("Prompt", { exact: true });
  const results = page.getByRole("region", { name: "Latest results" });
  const slot = (name) => form.getByRole("group", { name });
  const choose = (name, file) => slot(name).locator("input[type=file]").setInputFiles(file);
  const png = (name, buffer) => ({ name, mimeType: "image/png", buffer });
  const generate = () => form.getByRole("button", { name: /^Generate/ }).click();
  const done = (prompt) => results.getByRole("listitem").filter({ hasText: prompt }).getByText("Done", { exact: true });

  await world.step("a model that films a picture asks for the first frame", async () => {
    await page.goto("/studio?model=kling-2.5-turbo-i2v");
    await slot("First frame").getByText("PNG, JPEG, WebP, up to 10 MB").waitFor();
    await promptBox.fill("waves roll in");
    await generate();
    await slot("First frame").getByText("An image is needed here.").waitFor();
  });

  await world.step("a file that is no picture is refused in words", async () => {
    await choose("First frame", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("not a picture") });
    await slot("First frame").getByRole("alert").filter({ hasText: "notes.txt isn't one of PNG, JPEG, WebP." }).waitFor();
    await slot("First frame").getByRole("button", { name: "Close" }).click();
    // An animation is a picture to the browser; the server looks closer.
    const moving = png("moving.png", animated(await drawn(page, "beach", 480, 320)));
    await choose("First frame", moving);
    await slot("First frame").getByRole("alert").filter({ hasText: "moving.png couldn't be uploaded. This is an animation" }).waitFor();
    await slot("First frame").getByRole("button", { name: "Close" }).click();
  });

  await world.step("a picture from the disk becomes the first frame", async () => {
    await choose("First frame", png("beach.png", await drawn(page, "beach", 960, 540)));
    const picked = slot("First frame").getByRole("img", { name: "beach.png" });
    await picked.waitFor();
    await page.waitForFunction((img) => img.complete && img.naturalWidth > 0, await picked.elementHandle());
    await form.getByRole("button", { name: /^Generate.*\d/ }).waitFor();
  });
  await look(world, mary, "studio with a first frame");

  await world.step("and a film is made from it", async () => {
    await generate();
    await done("waves roll in").waitFor({ timeout: makingMs });
    await results.getByRole("listitem").filter({ hasText: "waves roll in" }).getByRole("link").first().click();
    const film = page.locator("main video");
    await film.waitFor();
    await page.waitForFunction((video) => video.videoWidth > 0, await film.elementHandle());
    assert.deepEqual(await film.evaluate((video) => [video.videoWidth, video.videoHeight]), [1280, 720]);
    await page.goBack();
  });

  await world.step("a picture can be dropped and pasted, and is still there after a reload", async () => {
    await page.goto("/studio?model=flux-fill");
    const image = await drawn(page, "beach", 640, 480);
    await hand(slot("Image"), "drop", "dropped.png", image);
    await slot("Image").getByRole("img", { name: "dropped.png" }).waitFor();
    // The first place is taken, so it goes to the mask.
    await hand(promptBox, "paste", "pasted.png", await drawn(page, "mask", 300, 300));
    await slot("Mask").getByRole("img", { name: "pasted.png" }).waitFor();
    await slot("Mask").getByText("The mask needs the same shape as the image.").waitFor();
    await page.reload();
    await slot("Image").getByRole("img", { name: "dropped.png" }).waitFor();
  });

  await world.step("what is masked is painted anew", async () => {
    await slot("Mask").getByRole("button", { name: "Remove pasted.png" }).click();
    await choose("Mask", png("mask.png", await drawn(page, "mask", 320, 240)));
    await slot("Mask").getByRole("img", { name: "mask.png" }).waitFor();
    await promptBox.fill("a boat on the left");
    await generate();
    await done("a boat on the left").waitFor({ timeout: makingMs });
    await decodedPictures(page, results.getByRole("listitem").filter({ hasText: "a boat on the left" }), 1);
  });
  await look(world, mary, "studio with a mask");
}
