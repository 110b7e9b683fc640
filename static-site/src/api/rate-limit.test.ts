import { expect, test } from "vitest";
import { parseRateLimits } from "./rate-limit";

test("names, what is left and when it starts anew", () => {
  const field = '"hourly";r=97;t=1800, "daily";r=0;t=60,"monthly"; r=12';
  expect(parseRateLimits(field, 1000)).toEqual({
    hourly: { remaining: 97, resetsAt: 1_801_000 },
    daily: { remaining: 0, resetsAt: 61_000 },
    monthly: { remaining: 12, resetsAt: null },
  });
});

test.each([null, "", "hourly;r=1", '"hourly"', '"hourly";r=x', '"hourly";r=-1', '"<b>";r=1'])("%s says nothing", (field) => {
  expect(parseRateLimits(field, 0)).toEqual({});
});
