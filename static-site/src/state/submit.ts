// Sends a generation request exactly once as far as the server is concerned:
// one idempotency key per press of the button, kept until there is an answer.

import { signal } from "@preact/signals";
import { Refused, Unreachable, request } from "../api/client";
import type { FieldProblem, Generation, GenerationRequest } from "../api/types";
import { problemText, words } from "../words";
import { announce, note } from "./announce";
import { generationStarted } from "./generations";
import { me, refreshMe } from "./session";

interface Pending {
  key: string;
  body: GenerationRequest;
  at: number;
}

export type Sending = "idle" | "sending" | "retrying";

export const sending = signal<Sending>("idle");
export interface SubmitProblem {
  code: string | null;
  text: string;
  requestId: string | null;
  errors: FieldProblem[];
  /** When the server takes it again, epoch milliseconds of this clock. */
  retryAt: number | null;
}

export const submitProblem = signal<SubmitProblem | null>(null);

const waitsMs = [1000, 2000, 4000];
// After this a person has moved on; sending it then would surprise them.
const resendWithinMs = 10 * 60_000;

let pending: Pending | null = null;

function storageKey(): string | null {
  const id = me.peek()?.id;
  return id === undefined ? null : `pending:${id}`;
}

function keep(next: Pending | null): void {
  pending = next;
  const key = storageKey();
  if (key === null) return;
  try {
    if (next === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(next));
  } catch {
    // Storage is switched off: a reload forgets the key, nothing else.
  }
}

function isTransient(failure: unknown): boolean {
  return failure instanceof Unreachable || (failure instanceof Refused && (failure.status === 502 || failure.status === 504));
}

async function sendPending(entry: Pending): Promise<Generation> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { value } = await request<Generation>("POST", "/generations", {
        body: entry.body,
        headers: { "idempotency-key": entry.key },
      });
      return value;
    } catch (failure) {
      const wait = waitsMs[attempt];
      if (wait === undefined || !isTransient(failure)) throw failure;
      sending.value = "retrying";
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Starts a generation. Answers whether the server has taken it. */
export async function submit(body: GenerationRequest): Promise<boolean> {
  if (sending.peek() !== "idle") return false;
  // The same request after a lost answer is the same press of the button.
  const same = pending !== null && JSON.stringify(pending.body) === JSON.stringify(body);
  const entry: Pending = same && pending ? pending : { key: crypto.randomUUID(), body, at: Date.now() };
  keep(entry);
  sending.value = "sending";
  submitProblem.value = null;
  try {
    const generation = await sendPending(entry);
    keep(null);
    generationStarted(generation);
    announce(words.generation.announceStarted);
    void refreshMe();
    return true;
  } catch (failure) {
    if (failure instanceof Refused && !isTransient(failure)) {
      // A refusal is an answer; a fault of the server's leaves open what it did.
      if (failure.status < 500) keep(null);
      submitProblem.value = {
        code: failure.code,
        text: problemText(failure.problem),
        requestId: failure.problem.request_id,
        errors: failure.problem.errors,
        retryAt: failure.retryAfterMs === null ? null : Date.now() + failure.retryAfterMs,
      };
    } else {
      submitProblem.value = { code: null, text: words.form.sendFailed, requestId: null, errors: [], retryAt: null };
    }
    return false;
  } finally {
    sending.value = "idle";
  }
}

/** The same request once more, under a new key. Its form may be out of sight, so a refusal is said in a note too. */
export async function submitAgain(generation: Generation, outputs = generation.outputs): Promise<void> {
  const { model, inputs, parameters } = generation;
  if (await submit({ model, inputs, parameters, outputs })) return;
  const problem = submitProblem.peek();
  if (problem) note(problem.text, { tone: "problem" });
}

/** After a reload in the middle of sending: the same request, under the same key. */
export async function resumePending(): Promise<void> {
  const key = storageKey();
  if (key === null) return;
  try {
    const saved = JSON.parse(localStorage.getItem(key) ?? "null") as Pending | null;
    if (saved === null) return;
    if (Date.now() - saved.at > resendWithinMs) {
      keep(null);
      return;
    }
    pending = saved;
    await submit(saved.body);
  } catch {
    keep(null);
  }
}
