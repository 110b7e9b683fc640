// The months of the usage plots: those that the API lists, and the empty ones between them.

import type { UsageMonth } from "../api/types";

/** The month before `2026-01` is `2025-12`. */
export function monthBefore(month: string): string {
  const [year, number] = month.split("-").map(Number);
  if (!year || !number) return month;
  return number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, "0")}`;
}

/** How many months a plot shows, so that one bar isn't all there is to see. */
export interface Span {
  least: number;
  most: number;
}

/**
 * Months without gaps, oldest first, from the first that is listed to `present`.
 * Nothing when nothing was ever charged.
 */
export function monthsOf(listed: readonly UsageMonth[], present: string, { least, most }: Span): UsageMonth[] {
  const charged = listed.filter((entry) => entry.units > 0);
  const first = charged.map((entry) => entry.month).sort()[0];
  if (first === undefined) return [];
  const known = new Map(listed.map((entry) => [entry.month, entry]));
  const months: UsageMonth[] = [];
  const goesOn = (month: string) => months.length < least || (month >= first && months.length < most);
  for (let month = present < first ? first : present; goesOn(month); month = monthBefore(month)) {
    const empty: UsageMonth = { month, units: 0, reserved: 0, spend: { amount: "0.00", currency: "USD" }, models: [], days: [] };
    months.unshift(known.get(month) ?? empty);
  }
  return months;
}

/** The end of a plot's axis: a round number that isn't below `most`. */
export function roundAbove(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= most && Number.isInteger(factor * power));
  return (step ?? 10) * power;
}
