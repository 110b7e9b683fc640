import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/client";
import type { Generation } from "../api/types";
import { expectedRatio } from "../lib/aspect";
import { ago, clock, money } from "../lib/format";
import { noteFailure } from "../state/announce";
import { cancelGeneration, cancelling, elapsedSeconds, isOver } from "../state/generations";
import { makesVideo, modelById, modelName } from "../state/models";
import { reuseGeneration } from "../state/recall";
import { submitAgain } from "../state/submit";
import { Icon } from "../ui/icons";
import { ratio } from "../ui/picture";
import { Tile } from "../ui/tile";
import { words } from "../words";
import { outcomeOf } from "./outcome";

/** The latest of `steps` whose second has come. */
export function messageAt(steps: [number, string][], seconds: number): string {
  let text = "";
  for (const [from, words] of steps) {
    if (seconds >= from) text = words;
  }
  return text;
}

/** What happens now, and what there is to say about the wait. */
function waitingTexts(generation: Generation, seconds: number): [string, string | null] {
  const { state, progress } = generation;
  if (state === "storing") return [words.generation.storing, null];
  const video = makesVideo(modelById.value.get(generation.model));
  const { waiting, waitingInLine, queuePosition } = words.generation;
  if (state === "queued") {
    const position = progress?.queue_position;
    const now = typeof position === "number" ? queuePosition(position) : (progress?.message ?? messageAt(waitingInLine, 0));
    const longer = messageAt(waitingInLine.slice(1), seconds);
    return [now, longer === "" ? null : longer];
  }
  return [messageAt(waiting[video ? "video" : "image"], seconds), null];
}

function useSeconds(active: boolean): void {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [active]);
}

/** One request of the person: what it's doing, or what came of it. */
export function GenerationCard({ generation }: { generation: Generation }) {
  const over = isOver(generation);
  useSeconds(!over);
  const prompt = generation.inputs.prompt;
  const state = words.generation.states[generation.state];
  return (
    <li class={`generation generation-${generation.state}`}>
      <header class="generation-head">
        <p class="generation-prompt">{prompt ?? words.asset.noPrompt}</p>
        <p class="generation-meta muted">
          <span class={over ? `state state-${generation.state}` : "state state-live"}>{state}</span>
          <span>{modelName(generation.model)}</span>
          <time dateTime={generation.created_at}>{ago(generation.created_at, serverNow())}</time>
          <Charge generation={generation} over={over} />
        </p>
        <button
          type="button"
          class="button button-quiet button-small generation-reuse"
          title={words.generation.reuseTitle}
          onClick={() => void reuseGeneration(generation, false).catch(noteFailure)}
        >
          <Icon name="remix" />
          {words.generation.reuse}
        </button>
      </header>
      <Outputs generation={generation} over={over} />
      <Foot generation={generation} over={over} />
    </li>
  );
}

/** What it costs: expected while it is made, then what was charged and what wasn't. */
function Charge({ generation, over }: { generation: Generation; over: boolean }) {
  const { units, price } = generation;
  if (!over) return price.estimated ? <span>{words.generation.expected(money(price.estimated))}</span> : null;
  const { late } = outcomeOf(generation, over);
  if (units.charged === 0) return <span>{late > 0 ? words.generation.free : words.generation.notCharged}</span>;
  const back = units.reserved - units.charged;
  return (
    <>
      <span>{words.generation.charged(units.charged, price.actual ? money(price.actual) : null)}</span>
      {back > 0 && <span>{words.generation.givenBack(back)}</span>}
      {late > 0 && <span>{words.generation.freeSome(late)}</span>}
    </>
  );
}

/** Outputs of one request have one shape: side by side, four broad ones in a square. */
function columnsFor(count: number, ratio: number): number {
  const square = count === 4 && ratio >= 1;
  return square ? 2 : Math.min(4, Math.max(1, count));
}

function Outputs({ generation, over }: { generation: Generation; over: boolean }) {
  const { assets } = generation;
  if (over && assets.length === 0 && generation.state !== "complete") return <Ended generation={generation} />;
  const [first] = assets;
  const shape = first ? ratio(first) : expectedRatio(generation.parameters);
  const { lost, waiting } = outcomeOf(generation, over);
  const columns = columnsFor(assets.length + lost.length + waiting, shape);
  const sizes = `(min-width: 1000px) calc((100vw - 540px) / ${columns}), calc(100vw / ${Math.min(2, columns)})`;
  const own = { "--ratio": shape.toFixed(4) };
  return (
    <ul class="outputs" style={{ "--columns": String(columns), "--narrow-columns": String(Math.min(2, columns)), ...own }}>
      {assets.map((asset) => (
        <Tile key={asset.id} asset={asset} sizes={sizes} />
      ))}
      {lost.map((warning, index) => (
        <li key={`${warning.output}-${warning.code}-${index}`} class="tile tile-lost" style={own}>
          <Icon name="alert" />
          <p class="tile-lost-text">{warning.message}</p>
          <p class="muted">{words.generation.notCharged}</p>
        </li>
      ))}
      {Array.from({ length: waiting }, (_, index) => (
        <li key={`wait-${index}`} class="tile tile-waiting" style={own}>
          <Waiting generation={generation} />
        </li>
      ))}
    </ul>
  );
}

/** After its deadline the provider owes an answer. */
function isLate(generation: Generation, seconds: number): boolean {
  const deadlineMs = modelById.value.get(generation.model)?.limits.deadline_ms;
  return deadlineMs !== undefined && generation.state !== "queued" && seconds * 1000 > deadlineMs;
}

function Waiting({ generation }: { generation: Generation }) {
  const seconds = elapsedSeconds(generation);
  const [now, longer] = waitingTexts(generation, seconds);
  return (
    <div class="waiting">
      <span class="waiting-pulse" aria-hidden="true" />
      <p class="waiting-text">{now}</p>
      {longer && <p class="waiting-longer muted">{longer}</p>}
      <p class="waiting-clock">
        <span aria-hidden="true">{clock(seconds)}</span>
        <span class="visually-hidden">{words.generation.elapsed(clock(seconds))}</span>
      </p>
    </div>
  );
}

/** What the person can do about it, and what is to be said about all outputs together. */
function Foot({ generation, over }: { generation: Generation; over: boolean }) {
  const asked = cancelling.value.has(generation.id);
  const { lost } = outcomeOf(generation, over);
  const kept = generation.assets.length;
  if (over) {
    if (kept === 0 || lost.length === 0) return null;
    return (
      <div class="generation-foot">
        <p>{words.generation.partial(kept, generation.outputs)}</p>
        <button type="button" class="button button-small" onClick={() => void submitAgain(generation, lost.length)}>
          {words.generation.againMissing(lost.length)}
        </button>
      </div>
    );
  }
  const late = isLate(generation, elapsedSeconds(generation));
  return (
    <div class="generation-foot">
      {late && <p>{words.generation.slow}</p>}
      <button
        type="button"
        class="button button-small"
        aria-disabled={asked}
        onClick={() => {
          if (!asked) void cancelGeneration(generation.id);
        }}
      >
        {asked ? words.generation.cancelling : words.generation.cancel}
      </button>
      {late && (
        <button type="button" class="button button-small" onClick={() => void submitAgain(generation)}>
          {words.generation.again}
        </button>
      )}
    </div>
  );
}

/** What is said when nothing came of it: why, and that it costs nothing. */
function Ended({ generation }: { generation: Generation }) {
  const { state, units, warnings, error } = generation;
  const failed = state === "failed" || state === "unknown";
  const reasons = [...new Set(warnings.map((warning) => warning.message))];
  const text =
    state === "cancelled" ? words.generation.cancelled : state === "unknown" ? words.generation.unknownText : (error?.message ?? words.generation.failedText);
  return (
    <div class={failed ? "ended ended-failed" : "ended"}>
      <Icon name={failed ? "alert" : "close"} />
      <div class="ended-text">
        {state === "failed" && reasons.length > 1 ? reasons.map((reason) => <p key={reason}>{reason}</p>) : <p>{text}</p>}
        {units.reserved > 0 && <p class="muted">{words.generation.givenBack(units.reserved)}</p>}
      </div>
      <button type="button" class="button button-small" onClick={() => void submitAgain(generation)}>
        {words.generation.again}
      </button>
    </div>
  );
}
