// The one place that talks HTTP. Adds the header that proves a state change
// comes from this app, turns refusals into `Refused` and lost connections into
// `Unreachable`, and reports a missing session once.

import { signal } from "@preact/signals";
import { parseProblem, retryAfterMs } from "./problem";
import { type RateLimits, parseRateLimits } from "./rate-limit";
import type { Problem } from "./types";

const base = "/api/v1";
const requestTimeoutMs = 30_000;

/** The server answered, and the answer is no. */
export class Refused extends Error {
  readonly problem: Problem;
  readonly retryAfterMs: number | null;

  constructor(problem: Problem, retryAfter: number | null) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
    this.retryAfterMs = retryAfter;
  }

  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** No answer: offline, a broken connection, or the time limit. */
export class Unreachable extends Error {}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** The path is outside `/api/v1`. */
  absolute?: boolean;
  /** The page is going away: let the request finish without it. */
  keepalive?: boolean;
}

export interface Answer<T> {
  status: number;
  value: T;
  etag: string | null;
}

/** What is left of the limits, by the names of their policies, as the last answer said that told. */
export const rateLimits = signal<RateLimits>({});

/** `signed-out`: the session is over. `barred`: the account is suspended or about to be deleted. */
export type TurnedAway = "signed-out" | "barred";

let whenTurnedAway: (why: TurnedAway) => void = () => undefined;

/** Registers what happens when the server doesn't let the session do anything any more. */
export function onTurnedAway(action: (why: TurnedAway) => void): void {
  whenTurnedAway = action;
}

let clockOffsetMs = 0;

/** The server's time as far as its `Date` header tells, in epoch milliseconds. */
export function serverNow(): number {
  return Date.now() + clockOffsetMs;
}

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  if (method !== "GET") headers["x-app"] = "1";
  if (options.body !== undefined) headers["content-type"] = "application/json";

  const limit = AbortSignal.timeout(requestTimeoutMs);
  let response: Response;
  let body: string;
  try {
    response = await fetch(options.absolute ? path : base + path, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      // Conditional requests carry their own ETag; the browser's cache would
      // answer 304s with 200s and hide that nothing changed.
      cache: "no-store",
      credentials: "same-origin",
      keepalive: options.keepalive ?? false,
      signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
    });
    body = response.status === 304 || response.status === 204 ? "" : await response.text();
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new Unreachable("no answer", { cause });
  }

  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) {
    const offset = date - Date.now();
    // The header has whole seconds; smaller differences are its rounding.
    clockOffsetMs = Math.abs(offset) > 2000 ? offset : 0;
  }

  const told = response.headers.get("ratelimit");
  if (told !== null) rateLimits.value = parseRateLimits(told, Date.now());

  if (!response.ok && response.status !== 304) {
    const refused = new Refused(
      parseProblem(response.status, body),
      retryAfterMs(response.headers.get("retry-after"), Date.now()),
    );
    if (refused.status === 401) whenTurnedAway("signed-out");
    if (refused.code === "deleting" || refused.code === "suspended") whenTurnedAway("barred");
    throw refused;
  }
  let value: unknown;
  if (body !== "") {
    try {
      value = JSON.parse(body);
    } catch (cause) {
      // A proxy's page in place of the API: as good as no answer.
      throw new Unreachable("not the API", { cause });
    }
  }
  return { status: response.status, value: value as T, etag: response.headers.get("etag") };
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request<T>("GET", path, signal ? { signal } : {})).value;
}

export async function send<T>(method: "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  return (await request<T>(method, path, body === undefined ? {} : { body })).value;
}

/** Builds a query string from the entries that are set. */
export function query(entries: Record<string, string | number | boolean | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(entries)) {
    if (value !== null && value !== undefined && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
