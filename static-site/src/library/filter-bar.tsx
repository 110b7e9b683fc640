import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../router";
import type { Filters } from "../state/library";
import { models } from "../state/models";
import { Icon } from "../ui/icons";
import { words } from "../words";

const typingMs = 350;

/** The filters of the library. They live in the address, so a view can be kept. */
export function FilterBar({ filters }: { filters: Filters }) {
  const kinds = [
    { value: null, label: words.library.all },
    { value: "image", label: words.library.images },
    { value: "video", label: words.library.videos },
  ] as const;
  return (
    <div class="filters" role="search" aria-label={words.library.filters}>
      <SearchBox q={filters.q} />
      <fieldset class="chips">
        <legend class="visually-hidden">{words.asset.kind}</legend>
        {kinds.map(({ value, label }) => (
          <label key={label} class="chip">
            <input type="radio" name="asset-kind" checked={filters.kind === value} onChange={() => changeQuery({ kind: value })} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <label class="chip">
        <input
          type="checkbox"
          checked={filters.favourite}
          onChange={(event) => changeQuery({ favourite: event.currentTarget.checked ? "true" : null })}
        />
        <span>
          <Icon name="heart" filled={filters.favourite} />
          {words.library.favourites}
        </span>
      </label>
      <label class="chip">
        <input
          type="checkbox"
          checked={filters.trash}
          onChange={(event) => changeQuery({ trash: event.currentTarget.checked ? "true" : null })}
        />
        <span>
          <Icon name="trash" />
          {words.library.trash}
        </span>
      </label>
      <span class="filters-selects">
        <ModelFilter model={filters.model} />
        <span class="select select-small">
          <select
            aria-label={words.library.sort}
            value={filters.sort}
            onChange={(event) => changeQuery({ sort: event.currentTarget.value === "oldest" ? "oldest" : null })}
          >
            <option value="newest">{words.library.newest}</option>
            <option value="oldest">{words.library.oldest}</option>
          </select>
          <Icon name="chevron" />
        </span>
      </span>
    </div>
  );
}

function ModelFilter({ model }: { model: string | null }) {
  const list = models.value;
  const items = list.state === "ready" ? list.items : [];
  // A model that isn't offered any more still has its pictures here.
  const gone = model !== null && !items.some((m) => m.id === model);
  return (
    <span class="select select-small">
      <select
        aria-label={words.library.model}
        value={model ?? ""}
        onChange={(event) => changeQuery({ model: event.currentTarget.value || null })}
      >
        <option value="">{words.library.anyModel}</option>
        {gone && <option value={model}>{model}</option>}
        {items.map((m) => (
          <option key={m.id} value={m.id}>
            {m.name}
          </option>
        ))}
      </select>
      <Icon name="chevron" />
    </span>
  );
}

function SearchBox({ q }: { q: string | null }) {
  const [text, setText] = useState(q ?? "");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  // Going back in the history changes the words from outside.
  useEffect(() => {
    setText(q ?? "");
    return () => clearTimeout(timer.current);
  }, [q]);
  const search = (next: string) => {
    clearTimeout(timer.current);
    const words = next.trim();
    // One history entry for a search, not one for each letter.
    if (words !== (q ?? "")) changeQuery({ q: words }, { replace: q !== null });
  };
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        search(text);
      }}
    >
      <Icon name="search" />
      <input
        type="search"
        aria-label={words.library.search}
        placeholder={words.library.search}
        value={text}
        maxLength={200}
        onInput={(event) => {
          const next = event.currentTarget.value;
          setText(next);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => search(next), typingMs);
        }}
      />
    </form>
  );
}
