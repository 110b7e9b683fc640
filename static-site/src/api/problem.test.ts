import { describe, expect, test } from "vitest";
import { messagesFor, parseProblem, retryAfterMs } from "./problem";

describe("parseProblem", () => {
  test("reads every part of a problem document", () => {
    const body = {
      type: "/problems/validation",
      title: "Not valid",
      status: 400,
      code: "validation",
      detail: "Two fields",
      request_id: "r-1",
      errors: [{ field: "inputs.prompt", code: "too-long", message: "Too long." }],
    };
    expect(parseProblem(400, JSON.stringify(body))).toEqual(body);
  });

  test.each([
    [401, "unauthenticated"],
    [404, "not-found"],
    [429, "rate-limited"],
    [502, "provider-unavailable"],
    [500, "internal"],
    [418, "validation"],
  ])("a %i without a document is %s", (status, code) => {
    expect(parseProblem(status, "<html>no</html>")).toMatchObject({ status, code, detail: null, errors: [] });
  });

  test("drops field errors without their parts", () => {
    const errors = [null, 5, { field: "a" }, { field: "a", message: "m" }];
    expect(parseProblem(400, JSON.stringify({ errors })).errors).toEqual([{ field: "a", code: "invalid", message: "m" }]);
  });
});

test("a field's messages include those of its parts, not those of its namesakes", () => {
  const errors = ["inputs.images", "inputs.images[1]", "inputs.images.0", "inputs.images_more"].map((field) => ({
    field,
    code: "x",
    message: field,
  }));
  expect(messagesFor(errors, "inputs.images")).toEqual(["inputs.images", "inputs.images[1]", "inputs.images.0"]);
});

test("Retry-After in both forms", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfterMs("7", now)).toBe(7000);
  expect(retryAfterMs("Thu, 01 Jan 2026 00:00:05 GMT", now)).toBe(5000);
  expect(retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  expect(retryAfterMs("soon", now)).toBeNull();
  expect(retryAfterMs(null, now)).toBeNull();
});
