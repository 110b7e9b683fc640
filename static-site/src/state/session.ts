// Who is signed in. Reading the profile also renews the cookies that open the
// media, so it is repeated before they run out.

import { computed, signal } from "@preact/signals";
import { Refused, get, onTurnedAway, request } from "../api/client";
import type { Me } from "../api/types";

export type Session =
  | { state: "loading" }
  | { state: "signed-out" }
  | { state: "suspended" }
  | { state: "unreachable" }
  | { state: "deleting"; until: string | null }
  | { state: "signed-in"; me: Me };

export const session = signal<Session>({ state: "loading" });

export const me = computed(() => (session.value.state === "signed-in" ? session.value.me : null));

// The cookies live for an hour.
const renewAfterMs = 45 * 60_000;
let renewedAt = 0;
let renewing: Promise<void> | null = null;

async function load(): Promise<void> {
  try {
    const profile = await get<Me>("/me");
    renewedAt = Date.now();
    session.value =
      profile.status === "deleting" ? { state: "deleting", until: profile.deletes_at } : { state: "signed-in", me: profile };
  } catch (failure) {
    if (failure instanceof Refused && failure.status === 401) {
      session.value = { state: "signed-out" };
    } else if (failure instanceof Refused && failure.code === "suspended") {
      session.value = { state: "suspended" };
    } else if (session.value.state !== "signed-in") {
      // Someone who is already at work keeps what they see.
      session.value = { state: "unreachable" };
    }
  }
}

/** Reads the profile, its usage figures and new media cookies. */
export function refreshMe(): Promise<void> {
  renewing ??= load().finally(() => {
    renewing = null;
  });
  return renewing;
}

function renewWhenDue(): void {
  if (session.value.state === "signed-in" && document.visibilityState === "visible" && Date.now() - renewedAt >= renewAfterMs) {
    void refreshMe();
  }
}

export function startSession(): void {
  onTurnedAway((why) => {
    if (isLeaving()) return;
    if (why === "signed-out") session.value = { state: "signed-out" };
    else void refreshMe();
  });
  void refreshMe();
  const everyMinute = 60_000;
  setInterval(renewWhenDue, everyMinute);
  document.addEventListener("visibilitychange", renewWhenDue);
  window.addEventListener("online", () => {
    if (session.value.state === "unreachable") void refreshMe();
  });
}

// A picture that fails to load may only lack a fresh cookie; one renewal serves
// all that fail together.
const leastBetweenRenewalsMs = 30_000;

/** Renews the media cookies unless that has just been done. */
export async function renewMedia(): Promise<boolean> {
  if (Date.now() - renewedAt < leastBetweenRenewalsMs) return false;
  await refreshMe();
  return true;
}

let leaving = false;

/** Whether this page belongs to nobody any more, and must not keep anything. */
export function isLeaving(): boolean {
  return leaving;
}

export async function signOut(): Promise<void> {
  await request("POST", "/auth/logout", { absolute: true });
  leave("/");
}

/** After the account was deleted: out, whatever is left of the session. */
export async function leaveForGood(address: string): Promise<void> {
  leaving = true;
  await request("POST", "/auth/logout", { absolute: true }).catch(() => undefined);
  leave(address);
}

function leave(address: string): void {
  leaving = true;
  const id = me.peek()?.id;
  if (id) {
    // On a shared computer the next person must not find the prompt.
    for (const key of Object.keys(localStorage)) {
      if (key.endsWith(`:${id}`)) localStorage.removeItem(key);
    }
  }
  // A fresh page forgets everything that was in memory.
  location.assign(address);
}
