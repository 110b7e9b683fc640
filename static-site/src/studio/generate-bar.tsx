import { useEffect, useState } from "preact/hooks";
import { Refused, request } from "../api/client";
import type { Estimate, GenerationRequest } from "../api/types";
import { type Form, requestFor } from "../form/model-form";
import { duration, money } from "../lib/format";
import { uploading } from "../state/picking";
import { me } from "../state/session";
import { type SubmitProblem, sending, submitProblem } from "../state/submit";
import { Icon } from "../ui/icons";
import { words } from "../words";

const settleMs = 400;

/** The price of exactly this request; null until the server has said it. */
function useEstimate(body: GenerationRequest | null): Estimate | null {
  const [answer, setAnswer] = useState<{ key: string; estimate: Estimate } | null>(null);
  const key = body === null ? "" : JSON.stringify(body);
  useEffect(() => {
    if (key === "") return;
    const end = new AbortController();
    const timer = setTimeout(() => {
      request<Estimate>("POST", "/generations/estimate", { body: JSON.parse(key), signal: end.signal }).then(
        ({ value }) => setAnswer({ key, estimate: value }),
        (failure: unknown) => {
          // Without a price the button still works; the server has the last word.
          if (failure instanceof Refused) setAnswer(null);
        },
      );
    }, settleMs);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [key]);
  return answer !== null && answer.key === key ? answer.estimate : null;
}

/** Why it wasn't taken, until when, and what can be done. */
function Refusal({ problem }: { problem: SubmitProblem }) {
  const { code, retryAt } = problem;
  const left = useCountdown(retryAt);
  const help = code === null ? undefined : words.errors.help[code];
  const aboutLimits = code === "quota-exhausted" || code === "rate-limited";
  return (
    <div class="hint hint-problem generate-problem">
      <div role="alert">
        <p>{problem.text}</p>
        {problem.errors.length > 0 && (
          <ul>
            {problem.errors.map((e) => (
              <li key={`${e.field}-${e.code}`}>{e.message}</li>
            ))}
          </ul>
        )}
        {help && <p>{help}</p>}
      </div>
      {retryAt !== null && <p class="generate-countdown">{left > 0 ? words.errors.againIn(duration(left)) : words.errors.againNow}</p>}
      {aboutLimits && <a href="/usage">{words.errors.seeUsage}</a>}
      {problem.requestId && <p class="reference">{words.errors.reference(problem.requestId)}</p>}
    </div>
  );
}

/** Whole seconds until `at`, counted down. */
function useCountdown(at: number | null): number {
  const left = () => (at === null ? 0 : Math.max(0, Math.ceil((at - Date.now()) / 1000)));
  const [, tick] = useState(0);
  useEffect(() => {
    if (left() === 0) return;
    const timer = setInterval(() => {
      tick((n) => n + 1);
      if (left() === 0) clearInterval(timer);
    }, 1000);
    return () => clearInterval(timer);
  }, [at]);
  return left();
}

/** The button that says what it costs, and whatever stands in its way. */
export function GenerateBar({ form, tried }: { form: Form; tried: boolean }) {
  const body = form.ready ? requestFor(form) : null;
  const estimate = useEstimate(body);
  const state = sending.value;
  const problem = submitProblem.value;
  const remaining = me.value?.usage.remaining;
  const busy = state !== "idle" || uploading.value > 0;
  const label = state !== "idle" ? words.form.sending : words.form.generate;
  return (
    <div class="generate">
      {problem && <Refusal problem={problem} />}
      {tried && !form.ready && (
        <p class="hint hint-problem" role="alert">
          {words.form.fix}
        </p>
      )}
      {state === "retrying" && (
        <p class="hint" role="status">
          {words.form.retrying}
        </p>
      )}
      <button type="submit" class="button button-primary button-large generate-button" aria-disabled={busy} title={words.form.shortcut}>
        {state === "idle" ? <Icon name="spark" /> : <span class="spinner spinner-small" aria-hidden="true" />}
        <span>{label}</span>
        {state === "idle" && estimate && <span class="generate-price">{money(estimate.price)}</span>}
      </button>
      <p class="hint generate-units">
        {estimate && remaining !== undefined ? words.form.unitsOf(estimate.units, remaining) : "\u00a0"}
      </p>
    </div>
  );
}
