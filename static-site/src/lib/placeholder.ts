import { thumbHashToRGBA } from "thumbhash";

export interface Pixels {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

// The format's smallest header; anything shorter can't be decoded.
const shortestHash = 5;
// 25 bytes is the longest thumbhash there is.
const longestHash = 25;

/** The blurred picture in a base64 thumbhash, or null when it isn't one. */
export function decodePlaceholder(hash: string): Pixels | null {
  let binary: string;
  try {
    binary = atob(hash.replace(/-/g, "+").replace(/_/g, "/"));
  } catch {
    return null;
  }
  const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
  if (bytes.length < shortestHash || bytes.length > longestHash) return null;
  const { w, h, rgba } = thumbHashToRGBA(bytes);
  if (!(w > 0) || !(h > 0)) return null;
  return { width: w, height: h, rgba: new Uint8ClampedArray(rgba) };
}
