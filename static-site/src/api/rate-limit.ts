// What is left of the limits, as the `RateLimit` header field tells (IETF draft
// ratelimit-headers): a list of quoted policy names with numbers behind them.

export interface RateLimit {
  remaining: number;
  /** When it starts anew, epoch milliseconds; null when that wasn't said. */
  resetsAt: number | null;
}

export type RateLimits = Readonly<Record<string, RateLimit>>;

/** Reads the field. What doesn't look like a policy is left out. */
export function parseRateLimits(field: string | null, now: number): RateLimits {
  const limits: Record<string, RateLimit> = {};
  for (const item of (field ?? "").split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim());
    const quoted = /^"([a-z][a-z-]*)"$/.exec(name ?? "");
    if (!quoted?.[1]) continue;
    const number = (key: string) => {
      const found = parameters.find((parameter) => parameter.startsWith(`${key}=`))?.slice(key.length + 1);
      return found !== undefined && /^\d+$/.test(found) ? Number(found) : null;
    };
    const remaining = number("r");
    const seconds = number("t");
    if (remaining !== null) limits[quoted[1]] = { remaining, resetsAt: seconds === null ? null : now + seconds * 1000 };
  }
  return limits;
}
