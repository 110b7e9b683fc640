import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/client";
import type { Generation } from "../api/types";
import { expectedRatio } from "../lib/aspect";
import { ago, clock, money } from "../lib/format";
import { noteFailure } from "../state/announce";
import { cancelGeneration, cancelling, elapsedSeconds, isOver } from "../state/generations";
import { makesVideo, modelById, modelName } from "../state/models";
import { reuseGeneration } from "../state/recall";
import { submit } from "../state/submit";
import { Icon } from "../ui/icons";
import { ratio } from "../ui/picture";
import { Tile } from "../ui/tile";
import { words } from "../words";

/** The latest of `steps` whose second has come. */
export function messageAt(steps: [number, string][], seconds: number): string {
  let text = "";
  for (const [from, words] of steps) {
    if (seconds >= from) text = words;
  }
  return text;
}

function waitingText(generation: Generation, seconds: number): string {
  const { state, progress } = generation;
  if (state === "unknown") return words.generation.unknownText;
  if (state === "storing") return words.generation.storing;
  const video = makesVideo(modelById.value.get(generation.model));
  if (state === "queued") {
    const position = progress?.queue_position;
    return typeof position === "number" ? words.generation.queuePosition(position) : messageAt(words.generation.waitingInLine, seconds);
  }
  return progress?.message ?? messageAt(words.generation.waiting[video ? "video" : "image"], seconds);
}

function useSeconds(active: boolean): void {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [active]);
}

const again = (generation: Generation) => {
  const { model, inputs, parameters, outputs } = generation;
  return submit({ model, inputs, parameters, outputs });
};

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
          {over && <Charge generation={generation} />}
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
      <Warnings generation={generation} />
    </li>
  );
}

function Charge({ generation }: { generation: Generation }) {
  const { units, price } = generation;
  if (units.charged === 0) {
    return generation.assets.length === 0 ? <span>{words.generation.notCharged}</span> : null;
  }
  return <span>{words.generation.charged(units.charged, price.actual ? money(price.actual) : null)}</span>;
}

/** Outputs of one request have one shape: side by side, four broad ones in a square. */
function columnsFor(count: number, ratio: number): number {
  const square = count === 4 && ratio >= 1;
  return square ? 2 : Math.min(4, Math.max(1, count));
}

function Outputs({ generation, over }: { generation: Generation; over: boolean }) {
  const { assets, outputs } = generation;
  if (over && assets.length === 0 && generation.state !== "complete") return <Ended generation={generation} />;
  const [first] = assets;
  const shape = first ? ratio(first) : expectedRatio(generation.parameters);
  const waiting = over ? 0 : Math.max(1, outputs - assets.length);
  const columns = columnsFor(assets.length + waiting, shape);
  const sizes = `(min-width: 1000px) calc((100vw - 540px) / ${columns}), calc(100vw / ${Math.min(2, columns)})`;
  return (
    <ul class="outputs" style={{ "--columns": String(columns), "--narrow-columns": String(Math.min(2, columns)), "--ratio": shape.toFixed(4) }}>
      {assets.map((asset) => (
        <Tile key={asset.id} asset={asset} sizes={sizes} />
      ))}
      {Array.from({ length: waiting }, (_, index) => (
        <li key={`wait-${index}`} class="tile tile-waiting" style={{ "--ratio": shape.toFixed(4) }}>
          {index === 0 ? <Waiting generation={generation} /> : null}
        </li>
      ))}
    </ul>
  );
}

function Waiting({ generation }: { generation: Generation }) {
  const seconds = elapsedSeconds(generation);
  const deadlineMs = modelById.value.get(generation.model)?.limits.deadline_ms;
  const late = deadlineMs !== undefined && generation.state !== "queued" && seconds * 1000 > deadlineMs;
  const asked = cancelling.value.has(generation.id);
  return (
    <div class="waiting">
      <span class="waiting-pulse" aria-hidden="true" />
      <p class="waiting-text">{late ? words.generation.slow : waitingText(generation, seconds)}</p>
      <p class="waiting-clock" aria-label={words.generation.elapsed(clock(seconds))}>
        {clock(seconds)}
      </p>
      <div class="waiting-actions">
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
          <button type="button" class="button button-small" onClick={() => void again(generation)}>
            {words.generation.again}
          </button>
        )}
      </div>
    </div>
  );
}

/** What is said when nothing came of it. */
function Ended({ generation }: { generation: Generation }) {
  const cancelled = generation.state === "cancelled";
  const text = cancelled
    ? words.generation.cancelled
    : generation.state === "unknown"
      ? words.generation.unknownText
      : (generation.error?.message ?? words.generation.failedText);
  return (
    <div class={cancelled ? "ended" : "ended ended-failed"}>
      <Icon name={cancelled ? "close" : "alert"} />
      <p>{text}</p>
      <button type="button" class="button button-small" onClick={() => void again(generation)}>
        {words.generation.again}
      </button>
    </div>
  );
}

function Warnings({ generation }: { generation: Generation }) {
  if (generation.warnings.length === 0) return null;
  return (
    <div class="warnings">
      <Icon name="alert" />
      <div>
        {generation.assets.length > 0 && <p>{words.generation.partial(generation.assets.length, generation.outputs)}</p>}
        <ul>
          {generation.warnings.map((warning) => (
            <li key={`${warning.output}-${warning.code}`}>{warning.message}</li>
          ))}
        </ul>
      </div>
    </div>
  );
}
