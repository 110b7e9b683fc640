import { expect, test } from "vitest";
import type { Asset, Generation } from "../api/types";
import { outcomeOf } from "./outcome";

const asset = {} as Asset;
const warning = (output: number, code: string) => ({ output, code, message: code });
const generation = (outputs: number, assets: number, ...warnings: Generation["warnings"]) =>
  ({ outputs, assets: Array.from({ length: assets }, () => asset), warnings }) as Generation;

test("under way, what hasn't arrived or failed is waited for", () => {
  expect(outcomeOf(generation(4, 1, warning(3, "content-policy")), false)).toEqual({
    lost: [warning(3, "content-policy")],
    late: 0,
    waiting: 2,
  });
});

test("over, nothing is waited for, also when results went to the trash", () => {
  expect(outcomeOf(generation(4, 2), true)).toEqual({ lost: [], late: 0, waiting: 0 });
});

test("an output without a word is lost until it comes", () => {
  const unheard = warning(2, "unknown-outcome");
  expect(outcomeOf(generation(2, 1, unheard), true)).toEqual({ lost: [unheard], late: 0, waiting: 0 });
  expect(outcomeOf(generation(2, 2, unheard), true)).toEqual({ lost: [], late: 1, waiting: 0 });
});

test("a failure beside a late result stays a failure", () => {
  const failed = warning(1, "provider-error");
  expect(outcomeOf(generation(3, 2, failed, warning(2, "unknown-outcome")), true)).toEqual({ lost: [failed], late: 1, waiting: 0 });
});
