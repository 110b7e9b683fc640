import type { ParameterValue } from "../api/types";

const named: Record<string, number> = { square: 1, landscape: 4 / 3, portrait: 3 / 4 };

/**
 * Width over height of an aspect's value (`16:9`, `1024x768`, `square_hd`,
 * `landscape_16_9`, `portrait_16_9`), or null for one that leaves it open (`auto`).
 */
export function ratioOf(value: ParameterValue | null | undefined): number | null {
  if (typeof value !== "string") return null;
  const numbers = /(\d+(?:\.\d+)?)\s*[:x_×]\s*(\d+(?:\.\d+)?)/.exec(value);
  const word = Object.keys(named).find((name) => value.startsWith(name));
  if (numbers) {
    const a = Number(numbers[1]);
    const b = Number(numbers[2]);
    if (!(a > 0) || !(b > 0)) return null;
    if (word === "portrait") return Math.min(a, b) / Math.max(a, b);
    if (word === "landscape") return Math.max(a, b) / Math.min(a, b);
    return a / b;
  }
  return word ? (named[word] ?? null) : null;
}

/** The shape that a generation's parameters ask for; square when they don't say. */
export function expectedRatio(parameters: Record<string, ParameterValue>): number {
  const { width, height } = parameters;
  if (typeof width === "number" && typeof height === "number" && width > 0 && height > 0) return width / height;
  for (const [name, value] of Object.entries(parameters)) {
    if (!/aspect|size|ratio/.test(name)) continue;
    const ratio = ratioOf(value);
    if (ratio !== null) return ratio;
  }
  return 1;
}
