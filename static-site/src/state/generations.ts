// The generations of this person as the server knows them. Those that run are
// followed; nothing about them is kept in the browser.

import { signal } from "@preact/signals";
import { Refused, get, query, request, serverNow } from "../api/client";
import { follow, jobPace } from "../api/poll";
import type { Generation, Page } from "../api/types";
import { refreshFront } from "../lib/pages";
import { words } from "../words";
import { announce, note, noteFailure } from "./announce";
import { assetsArrived } from "./library";
import { notifyAway } from "./notify";
import { refreshMe } from "./session";

export type Load = "idle" | "loading" | "failed" | "ready";

export const generations = signal<Generation[]>([]);
export const generationsLoad = signal<Load>("idle");
/** Ids for which a cancellation has been asked. */
export const cancelling = signal<ReadonlySet<string>>(new Set());

const listed = 24;
const refreshMs = 30_000;
const following = new Map<string, AbortController>();

export function isOver(generation: Generation): boolean {
  return generation.finished_at !== null || ["complete", "failed", "cancelled"].includes(generation.state);
}

/** The last good asset list of a generation never shrinks while it's polled. */
function store(next: Generation): void {
  const known = generations.peek();
  generations.value = known.some((g) => g.id === next.id)
    ? known.map((g) => (g.id === next.id ? next : g))
    : [next, ...known];
}

function tellChange(before: Generation | undefined, after: Generation): void {
  if (!isOver(after)) return;
  if (before && isOver(before)) {
    // Given up, and delivered after all.
    const late = after.assets.length - before.assets.length;
    if (before.warnings.some((warning) => warning.code === "unknown-outcome") && late > 0) {
      assetsArrived();
      note(words.generation.announceLate(late));
    }
    return;
  }
  if (after.assets.length > 0) {
    assetsArrived();
    announce(words.generation.announceDone(after.assets.length));
    readyWhileAway(after.assets.length);
  } else if (after.state === "failed") {
    announce(words.generation.announceFailed(after.error?.message ?? words.generation.failedText));
  } else if (after.state === "cancelled") {
    announce(words.generation.announceCancelled);
  }
  void refreshMe();
}

/** Results that arrived while the page was hidden, for its title. */
export const readyUnseen = signal(0);

function readyWhileAway(n: number): void {
  if (document.visibilityState !== "hidden") return;
  readyUnseen.value += n;
  notifyAway(words.generation.announceDone(n));
}

function watch(generation: Generation): void {
  if (isOver(generation) || following.has(generation.id)) return;
  const end = new AbortController();
  following.set(generation.id, end);
  void follow<Generation>(
    `/generations/${encodeURIComponent(generation.id)}`,
    jobPace,
    (next) => {
      const before = generations.peek().find((g) => g.id === next.id);
      store(next);
      tellChange(before, next);
      return !isOver(next);
    },
    () => {
      generations.value = generations.peek().filter((g) => g.id !== generation.id);
    },
    end.signal,
  ).finally(() => following.delete(generation.id));
}

/** Reads the newest generations; what was started on another device appears. */
export async function loadGenerations(): Promise<void> {
  if (generationsLoad.peek() === "loading") return;
  if (generationsLoad.peek() !== "ready") generationsLoad.value = "loading";
  try {
    const page = await get<Page<Generation>>(`/generations${query({ limit: listed })}`);
    const before = new Map(generations.peek().map((g) => [g.id, g]));
    generations.value = refreshFront(generations.peek(), page.items);
    generationsLoad.value = "ready";
    for (const item of page.items) {
      const known = before.get(item.id);
      if (known) tellChange(known, item);
      watch(item);
    }
  } catch {
    if (generationsLoad.peek() !== "ready") generationsLoad.value = "failed";
  }
}

export function generationStarted(generation: Generation): void {
  store(generation);
  watch(generation);
}

export async function cancelGeneration(id: string): Promise<void> {
  cancelling.value = new Set([...cancelling.peek(), id]);
  try {
    const answer = await request<Generation | undefined>("POST", `/generations/${encodeURIComponent(id)}/cancel`);
    if (answer.value?.id === id) store(answer.value);
  } catch (failure) {
    if (failure instanceof Refused && failure.status === 409) note(words.generation.cancelLate);
    else noteFailure(failure);
    cancelling.value = new Set([...cancelling.peek()].filter((other) => other !== id));
  }
}

export function elapsedSeconds(generation: Generation): number {
  const end = generation.finished_at === null ? serverNow() : Date.parse(generation.finished_at);
  return Math.max(0, (end - Date.parse(generation.created_at)) / 1000);
}

let started = false;

/** Begins to follow; called once somebody is signed in. */
export function startGenerations(): void {
  if (started) return;
  started = true;
  void loadGenerations();
  setInterval(() => {
    if (document.visibilityState === "visible") void loadGenerations();
  }, refreshMs);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    readyUnseen.value = 0;
    void loadGenerations();
  });
}
