import { expect, test } from "vitest";
import { parseProblem } from "./api/problem";
import { problemText, words } from "./words";

test("the server's own words come first, then ours for its code", () => {
  expect(problemText(parseProblem(429, '{"code":"quota-exhausted","title":"T","detail":"D"}'))).toBe("D");
  expect(problemText(parseProblem(429, '{"code":"quota-exhausted","title":"T"}'))).toBe("T");
  expect(problemText(parseProblem(429, '{"code":"quota-exhausted"}'))).toBe(words.errors.byCode["quota-exhausted"]);
  expect(problemText(parseProblem(500, '{"code":"brand-new"}'))).toBe(words.errors.byCode["internal"]);
});
