// Two ways of telling: a line for screen readers only, and a note that is shown.

import { signal } from "@preact/signals";
import { Refused } from "../api/client";
import { problemText, words } from "../words";

export const announcement = signal("");

/** Says `text` to screen readers without moving the focus. */
export function announce(text: string): void {
  // The same text twice would not be a change, and not be read.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}

export interface Note {
  id: number;
  text: string;
  tone: "plain" | "problem";
  action?: { label: string; run: () => void };
}

export const notes = signal<Note[]>([]);

const mostNotes = 3;
const plainMs = 5000;
const withActionMs = 10_000;
let nextId = 1;

/** Shows a note for a while; longer when there is something to press. */
export function note(text: string, options: { tone?: Note["tone"]; action?: Note["action"] } = {}): void {
  const entry: Note = { id: nextId++, text, tone: options.tone ?? "plain" };
  if (options.action) entry.action = options.action;
  notes.value = [...notes.value.slice(1 - mostNotes), entry];
  setTimeout(() => dropNote(entry.id), options.action ? withActionMs : plainMs);
}

export function dropNote(id: number): void {
  notes.value = notes.value.filter((n) => n.id !== id);
}

/** The words for any failure of a request. */
export function failureText(failure: unknown): string {
  if (failure instanceof Refused) {
    const text = problemText(failure.problem);
    const wait = failure.retryAfterMs;
    return wait === null ? text : `${text} ${words.errors.retryIn(Math.max(1, Math.ceil(wait / 1000)))}`;
  }
  return words.errors.unreachable;
}

export function noteFailure(failure: unknown): void {
  if (failure instanceof Refused && failure.status === 401) return;
  note(failureText(failure), { tone: "problem" });
}
