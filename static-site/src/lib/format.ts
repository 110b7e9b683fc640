// Numbers, money and times as the page shows them, in one language.

import type { Money } from "../api/types";

export const language = "en";

export function money({ amount, currency }: Money): string {
  const value = Number(amount);
  return new Intl.NumberFormat(language, {
    style: "currency",
    currency,
    minimumFractionDigits: 2,
    // A fraction of a cent is a usual price for one picture.
    maximumFractionDigits: value !== 0 && Math.abs(value) < 0.1 ? 4 : 2,
  }).format(value);
}

export function count(value: number): string {
  return new Intl.NumberFormat(language).format(value);
}

/** `1 unit`, `2 units`. */
export function plural(n: number, one: string, many: string): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(value: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0,
  }).format(size);
}

export function dateTime(iso: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function date(iso: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(iso));
}

/** `2026-11` as `November 2026`. */
export function month(yearMonth: string): string {
  return new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" }).format(
    new Date(`${yearMonth}-01T00:00:00Z`),
  );
}

/** `2026-11` as `N`, as `Nov`, or as that with the year in January. */
export function shortMonth(yearMonth: string, form: "narrow" | "short" | "year"): string {
  const at = new Date(`${yearMonth}-01T00:00:00Z`);
  const options: Intl.DateTimeFormatOptions = { month: form === "narrow" ? "narrow" : "short", timeZone: "UTC" };
  if (form === "year" && at.getUTCMonth() === 0) options.year = "2-digit";
  return new Intl.DateTimeFormat(language, options).format(at);
}

/** A moment to come: the time alone if that is today. */
export function moment(at: number, now: number): string {
  const day = (ms: number) => new Date(ms).toDateString();
  const options: Intl.DateTimeFormatOptions = day(at) === day(now) ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(language, options).format(new Date(at));
}

export function ago(iso: string, now: number): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "second"],
    [60, "minute"],
    [24, "hour"],
    [7, "day"],
  ];
  let value = seconds;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (Math.abs(seconds) < 10) return relative.format(0, "second");
  for (const [size, unit] of steps) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return date(iso);
}

/** `75` as `1:15`. */
export function clock(totalSeconds: number): string {
  const seconds = Math.max(0, Math.floor(totalSeconds));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A wait in words that fit its length: `0:42`, `3 h 5 min`, `6 days`. */
export function duration(seconds: number): string {
  if (seconds < 3600) return clock(seconds);
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return plural(Math.ceil(minutes / (24 * 60)), "day", "days");
}

/** Cuts at a word, for places where a whole prompt has no room. */
export function excerpt(text: string, length: number): string {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= length) return flat;
  const cut = flat.slice(0, length);
  const space = cut.lastIndexOf(" ");
  return `${cut.slice(0, space > length / 2 ? space : length).trimEnd()}…`;
}

/** Letters as a person counts them, which is also how the server counts: code points. */
export function letters(text: string): number {
  return Array.from(text).length;
}
