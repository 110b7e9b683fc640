import { useEffect } from "preact/hooks";
import { generations, generationsLoad, loadGenerations } from "../state/generations";
import { Empty, Spinner } from "../ui/empty";
import { words } from "../words";
import { GenerationCard } from "./generation-card";

/** What runs and what came of it, newest first. */
export function Results() {
  const list = generations.value;
  const load = generationsLoad.value;
  useEffect(() => {
    if (load === "failed") void loadGenerations();
  }, []);
  return (
    <section class="results" aria-labelledby="results-title">
      <header class="results-head">
        <h2 id="results-title">{words.generation.latest}</h2>
        {list.length > 0 && (
          <a class="button button-text" href="/library">
            {words.generation.all}
          </a>
        )}
      </header>
      {list.length === 0 && load === "loading" && (
        <div class="results-loading">
          <Spinner label={words.common.loading} />
        </div>
      )}
      {list.length === 0 && load === "failed" && (
        <Empty icon="alert" title={words.generation.loadFailed}>
          <button type="button" class="button" onClick={() => void loadGenerations()}>
            {words.common.retry}
          </button>
        </Empty>
      )}
      {list.length === 0 && load === "ready" && (
        <Empty icon="image" title={words.generation.none} text={words.generation.noneLead} />
      )}
      <ol class="generations">
        {list.map((generation) => (
          <GenerationCard key={generation.id} generation={generation} />
        ))}
      </ol>
    </section>
  );
}
