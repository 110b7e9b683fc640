import { describe, expect, test } from "vitest";
import type { UsageMonth } from "../api/types";
import { monthBefore, monthsOf, roundAbove } from "./months";

const of = (month: string, units: number): UsageMonth => ({ month, units, reserved: 0, spend: { amount: "0", currency: "USD" }, models: [], days: [] });

describe("months", () => {
  test("a year ends in December", () => {
    expect(monthBefore("2026-01")).toBe("2025-12");
    expect(monthBefore("2026-11")).toBe("2026-10");
  });

  test("months without a charge between others are empty, not missing", () => {
    const months = monthsOf([of("2026-02", 3), of("2025-11", 5)], "2026-03", { least: 1, most: 12 });
    expect(months.map((entry) => [entry.month, entry.units])).toEqual([
      ["2025-11", 5],
      ["2025-12", 0],
      ["2026-01", 0],
      ["2026-02", 3],
      ["2026-03", 0],
    ]);
  });

  test("no more than fit, the newest", () => {
    expect(monthsOf([of("2020-01", 1)], "2026-03", { least: 1, most: 2 }).map((entry) => entry.month)).toEqual(["2026-02", "2026-03"]);
  });

  test("no fewer than there should be", () => {
    expect(monthsOf([of("2026-01", 1)], "2026-01", { least: 3, most: 12 }).map((entry) => entry.month)).toEqual(["2025-11", "2025-12", "2026-01"]);
  });

  test("nothing charged, nothing drawn", () => {
    expect(monthsOf([of("2026-03", 0)], "2026-03", { least: 6, most: 12 })).toEqual([]);
  });

  test.each([
    [0, 1],
    [1, 1],
    [3, 5],
    [7, 10],
    [21, 25],
    [120, 200],
    [500, 500],
    [501, 1000],
  ])("an axis for %i ends at %i", (most, end) => {
    expect(roundAbove(most)).toBe(end);
  });
});
