// Sends one picture: ask for a place, put the bytes there, have them checked.

import { Unreachable, send } from "./client";
import type { UploadTicket, UploadedPicture } from "./types";

/** What the server takes: it refuses anything else, so the form says so first. */
export const uploadRules = {
  contentTypes: ["image/png", "image/jpeg", "image/webp"],
  maxBytes: 10 * 1024 * 1024,
  maxPixels: 16 * 1024 * 1024,
  maxSide: 16_384,
} as const;

// Set by the browser itself; setting them again is refused by it.
const browsersOwn = new Set(["host", "content-length", "connection", "origin"]);
const putTimeoutMs = 5 * 60_000;

export function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");
}

// XMLHttpRequest, because fetch doesn't tell how much of a body has been sent.
function put(
  ticket: UploadTicket["upload"],
  blob: Blob,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open(ticket.method, ticket.url);
    xhr.timeout = putTimeoutMs;
    for (const [name, value] of Object.entries(ticket.headers)) {
      if (!browsersOwn.has(name.toLowerCase())) xhr.setRequestHeader(name, value);
    }
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    xhr.onload = () => {
      signal.removeEventListener("abort", abort);
      if (xhr.status >= 200 && xhr.status < 300) resolve();
      else reject(new Unreachable(`storage answered ${xhr.status}`));
    };
    xhr.onerror = () => reject(new Unreachable("the upload was interrupted"));
    xhr.ontimeout = () => reject(new Unreachable("the upload took too long"));
    xhr.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    xhr.send(blob);
  });
}

/** Sends `blob`; answers what was made of it, and until when it can be used. */
export async function uploadImage(
  blob: Blob,
  purpose: "image" | "mask",
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<UploadedPicture & { until: string }> {
  const sha256 = hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const ticket = await send<UploadTicket>("POST", "/uploads", {
    purpose,
    content_type: blob.type,
    bytes: blob.size,
    sha256,
  });
  await put(ticket.upload, blob, onProgress, signal);
  signal.throwIfAborted();
  const picture = await send<UploadedPicture>("POST", `/uploads/${encodeURIComponent(ticket.id)}/complete`);
  signal.throwIfAborted();
  return { ...picture, until: ticket.expires_at };
}
