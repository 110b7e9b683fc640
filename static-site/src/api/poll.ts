// Follows one resource by conditional requests: soon after a change, more
// slowly while nothing happens, hardly at all while nobody looks, and at once
// when the person or the connection comes back.

import { Refused, Unreachable, request } from "./client";

export interface Pace {
  firstMs: number;
  lastMs: number;
}

export const jobPace: Pace = { firstMs: 1000, lastMs: 5000 };

const growth = 1.5;
// While the page is hidden: often enough for its title to say that something is ready.
const hiddenMs = 30_000;
const longestAfterFailureMs = 30_000;

/** The wait after one more answer without news. */
export function nextWait(currentMs: number, changed: boolean, pace: Pace): number {
  return changed ? pace.firstMs : Math.min(pace.lastMs, Math.round(currentMs * growth));
}

/** How long to wait as the page is now; null: until there is a connection again. */
export function pauseFor(ms: number, hidden: boolean, online: boolean): number | null {
  if (!online) return null;
  return hidden ? Math.max(ms, hiddenMs) : ms;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      document.removeEventListener("visibilitychange", onVisibility);
      window.removeEventListener("online", done);
      window.removeEventListener("offline", wait);
      resolve();
    };
    const wait = () => {
      clearTimeout(timer);
      const left = pauseFor(ms, document.visibilityState === "hidden", navigator.onLine);
      if (left !== null) timer = setTimeout(done, left);
    };
    const onVisibility = () => {
      if (document.visibilityState === "visible" && navigator.onLine) done();
      else wait();
    };
    signal.addEventListener("abort", done);
    document.addEventListener("visibilitychange", onVisibility);
    window.addEventListener("online", done);
    window.addEventListener("offline", wait);
    wait();
  });
}

/**
 * Calls `onValue` with each new version until it answers `false`, the resource
 * is gone (`onGone`) or `signal` ends it. Lost connections are waited out.
 */
export async function follow<T>(
  path: string,
  pace: Pace,
  onValue: (value: T) => boolean,
  onGone: () => void,
  signal: AbortSignal,
): Promise<void> {
  let etag: string | null = null;
  let wait = pace.firstMs;
  while (!signal.aborted) {
    await pause(wait, signal);
    if (signal.aborted) return;
    try {
      const headers: Record<string, string> = etag === null ? {} : { "if-none-match": etag };
      const answer = await request<T>("GET", path, { headers, signal });
      const changed = answer.status !== 304;
      if (changed) {
        etag = answer.etag;
        if (!onValue(answer.value)) return;
      }
      wait = nextWait(wait, changed, pace);
    } catch (failure) {
      if (signal.aborted) return;
      if (failure instanceof Refused) {
        if (failure.status === 401) return;
        if (failure.status === 404 || failure.status === 410) {
          onGone();
          return;
        }
        wait = Math.min(longestAfterFailureMs, Math.max(failure.retryAfterMs ?? 0, wait * 2));
      } else if (failure instanceof Unreachable) {
        wait = Math.min(longestAfterFailureMs, wait * 2);
      } else {
        throw failure;
      }
    }
  }
}
