import type { FieldProblem, Problem } from "./types";

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function fieldProblems(value: unknown): FieldProblem[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null) return [];
    const { field, code, message } = item as Record<string, unknown>;
    return typeof field === "string" && typeof message === "string"
      ? [{ field, message, code: text(code) ?? "invalid" }]
      : [];
  });
}

/**
 * Reads the body of a refused request. A body that isn't a problem document
 * (a gateway's own error page) still becomes one, so that callers have one shape.
 */
export function parseProblem(status: number, body: string): Problem {
  let fields: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null) fields = parsed as Record<string, unknown>;
  } catch {
    // Not JSON: the defaults below say what is known.
  }
  return {
    type: text(fields["type"]) ?? "about:blank",
    title: text(fields["title"]) ?? "",
    status,
    code: text(fields["code"]) ?? codeForStatus(status),
    detail: text(fields["detail"]),
    request_id: text(fields["request_id"]),
    errors: fieldProblems(fields["errors"]),
  };
}

function codeForStatus(status: number): string {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 404) return "not-found";
  if (status === 429) return "rate-limited";
  if (status === 502 || status === 503 || status === 504) return "provider-unavailable";
  return status < 500 ? "validation" : "internal";
}

/** `Retry-After` in milliseconds; both forms of the header, never negative. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** The messages that belong to `field` or to anything below it. */
export function messagesFor(errors: FieldProblem[], field: string): string[] {
  return errors
    .filter((e) => e.field === field || e.field.startsWith(`${field}.`) || e.field.startsWith(`${field}[`))
    .map((e) => e.message);
}
