import { useEffect, useState } from "preact/hooks";
import { Refused, get } from "../api/client";
import type { Generation } from "../api/types";
import { goBack } from "../router";
import { failureText } from "../state/announce";
import { generationStarted, generations, isOver } from "../state/generations";
import { Empty, Spinner } from "../ui/empty";
import { Icon } from "../ui/icons";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { GenerationCard } from "./generation-card";

/** One request by its address: what the ledger's lines lead to. */
export function GenerationPage({ id }: { id: string }) {
  useTitle(words.generation.page);
  const [own, setOwn] = useState<Generation | null>(null);
  const known = generations.value.find((g) => g.id === id) ?? own;
  const [problem, setProblem] = useState<{ gone: boolean; text: string } | null>(null);
  const read = async (signal?: AbortSignal) => {
    setProblem(null);
    try {
      const generation = await get<Generation>(`/generations/${encodeURIComponent(id)}`, signal);
      // What is under way is followed with the latest; an old one isn't one of them.
      if (isOver(generation)) setOwn(generation);
      else generationStarted(generation);
    } catch (failure) {
      if (signal?.aborted) return;
      const gone = failure instanceof Refused && (failure.status === 404 || failure.status === 400);
      setProblem({ gone, text: failureText(failure) });
    }
  };
  useEffect(() => {
    const end = new AbortController();
    void read(end.signal);
    return () => end.abort();
  }, [id]);
  if (!known && problem) {
    return (
      <Empty
        level={1}
        icon={problem.gone ? "search" : "alert"}
        title={problem.gone ? words.generation.gone : words.generation.loadFailed}
        text={problem.gone ? words.generation.goneText : problem.text}
      >
        {problem.gone ? (
          <a class="button button-primary" href="/library">
            {words.shell.toLibrary}
          </a>
        ) : (
          <button type="button" class="button button-primary" onClick={() => void read()}>
            {words.common.retry}
          </button>
        )}
      </Empty>
    );
  }
  return (
    <div class="one-generation">
      <header class="one-generation-head">
        <button type="button" class="button button-quiet button-icon" aria-label={words.common.back} onClick={() => goBack("/usage")}>
          <Icon name="back" />
        </button>
        <h1 tabIndex={-1}>{words.generation.page}</h1>
      </header>
      {known ? (
        <ol class="generations">
          <GenerationCard generation={known} />
        </ol>
      ) : (
        <div class="results-loading">
          <Spinner label={words.common.loading} />
        </div>
      )}
    </div>
  );
}
