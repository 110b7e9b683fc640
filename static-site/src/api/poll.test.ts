import { expect, test } from "vitest";
import { jobPace, nextWait, pauseFor } from "./poll";

test("waits grow from one second to five and start over with news", () => {
  const waits = [jobPace.firstMs];
  for (let n = 0; n < 6; n += 1) waits.push(nextWait(waits.at(-1) ?? 0, false, jobPace));
  expect(waits).toEqual([1000, 1500, 2250, 3375, 5000, 5000, 5000]);
  expect(nextWait(5000, true, jobPace)).toBe(1000);
});

test("a hidden page asks rarely, one without a connection not at all", () => {
  expect(pauseFor(1000, false, true)).toBe(1000);
  expect(pauseFor(1000, true, true)).toBe(30_000);
  expect(pauseFor(60_000, true, true)).toBe(60_000);
  expect(pauseFor(1000, false, false)).toBeNull();
});
