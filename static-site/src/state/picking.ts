// Pictures on their way into the form: checked here by the rules that the server
// has, made smaller when a photo is too large, sent, then put into their slot.

import { signal } from "@preact/signals";
import { Refused } from "../api/client";
import { uploadImage, uploadRules } from "../api/upload";
import type { Asset } from "../api/types";
import type { ImageSlot, PickedImage } from "../form/model-form";
import { words } from "../words";
import { announce, failureText, note } from "./announce";
import { chosenModel, setImages } from "./draft";

export interface Transfer {
  key: number;
  slot: ImageSlot;
  name: string;
  /** How much of it has been sent, 0 to 1. */
  share: number;
  problem: string | null;
  cancel: () => void;
  /** Sends the same file again, after a failure that may pass. */
  again: (() => void) | null;
}

export const transfers = signal<Transfer[]>([]);
export const uploading = signal(0);

let nextKey = 1;

function update(key: number, change: Partial<Transfer>): void {
  transfers.value = transfers.peek().map((t) => (t.key === key ? { ...t, ...change } : t));
}

export function dismiss(key: number): void {
  transfers.value = transfers.peek().filter((t) => t.key !== key);
}

const typeNames: Record<string, string> = {
  "image/png": "PNG",
  "image/jpeg": "JPEG",
  "image/webp": "WebP",
  "image/gif": "GIF",
  "image/avif": "AVIF",
};

export function typeList(types: readonly string[]): string {
  return types.map((t) => typeNames[t] ?? t).join(", ");
}

// The server keeps 2048 pixels of a side at most, so nothing is lost by this.
const reducedSide = 2048;
const reducedQuality = 0.92;
const previewSide = 160;

function drawn(bitmap: ImageBitmap, longestSide: number): HTMLCanvasElement {
  const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function encoded(canvas: HTMLCanvasElement, type: string): Promise<Blob | null> {
  return new Promise((resolve) => canvas.toBlob(resolve, type, reducedQuality));
}

interface Prepared {
  blob: Blob;
  preview: string;
}

/** The bytes to send, or words for why not. */
async function prepare(file: File, name: string, slot: ImageSlot): Promise<Prepared | string> {
  const types: readonly string[] = uploadRules.contentTypes;
  const limit = uploadRules.maxBytes;
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return types.includes(file.type) ? words.slots.unreadable(name) : words.slots.wrongType(name, typeList(types));
  }
  try {
    const minSide = chosenModel.peek()?.limits.min_side ?? 1;
    if (Math.min(bitmap.width, bitmap.height) < minSide) return words.slots.tooSmall(name, minSide);
    const preview = drawn(bitmap, previewSide).toDataURL("image/webp", 0.8);
    const { width, height } = bitmap;
    const fits = file.size <= limit && width * height <= uploadRules.maxPixels && Math.max(width, height) <= uploadRules.maxSide;
    if (fits && types.includes(file.type)) return { blob: file, preview };
    // JPEG would blur the edges of a mask and lose a picture's transparency.
    const target = slot === "mask" || file.type === "image/png" ? "image/png" : "image/jpeg";
    const blob = await encoded(drawn(bitmap, reducedSide), target);
    if (!blob || blob.size > limit) return words.slots.tooLarge(name, limit);
    return { blob, preview };
  } finally {
    bitmap.close();
  }
}

async function pickFile(file: File, slot: ImageSlot, replace: boolean): Promise<void> {
  const key = nextKey++;
  const end = new AbortController();
  const name = file.name || words.slots.pasted;
  const cancel = () => {
    end.abort(new DOMException("cancelled", "AbortError"));
    dismiss(key);
  };
  transfers.value = [...transfers.peek(), { key, slot, name, share: 0, problem: null, cancel, again: null }];
  uploading.value += 1;
  try {
    const prepared = await prepare(file, name, slot);
    if (typeof prepared === "string") {
      update(key, { problem: prepared });
      return;
    }
    const purpose = slot === "mask" ? "mask" : "image";
    const image = await uploadImage(prepared.blob, purpose, (share) => update(key, { share }), end.signal);
    const picked: PickedImage = {
      id: image.id,
      from: "upload",
      name,
      width: image.width,
      height: image.height,
      preview: prepared.preview,
      until: image.until,
    };
    setImages(slot, (before) => (replace ? [picked] : [...before, picked]));
    dismiss(key);
    announce(words.slots.uploaded(name));
  } catch (failure) {
    if (end.signal.aborted) return;
    const again = () => {
      dismiss(key);
      void pickFile(file, slot, replace);
    };
    // What is wrong with the file itself stays wrong.
    const passing = !(failure instanceof Refused) || failure.status >= 500;
    update(key, { problem: `${words.slots.failed(name)} ${failureText(failure)}`, again: passing ? again : null });
  } finally {
    uploading.value -= 1;
  }
}

/** Takes files into a slot, one after the other so that their order is kept. */
export async function pickFiles(files: File[], slot: ImageSlot, room: number, single: boolean): Promise<void> {
  const taken = files.slice(0, single ? 1 : Math.max(0, room));
  if (taken.length < files.length) note(words.slots.onlySome(taken.length));
  for (const file of taken) {
    await pickFile(file, slot, single);
  }
}

export function pickedFromAsset(asset: Asset): PickedImage {
  const [smallest] = [...asset.thumbnails].sort((a, b) => a.width - b.width);
  return {
    id: asset.id,
    from: "asset",
    name: asset.title ?? words.common.image,
    width: asset.media.width,
    height: asset.media.height,
    preview: smallest?.url ?? asset.media.url,
    until: null,
  };
}
