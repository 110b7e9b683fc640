import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { whileShown } from "../account/shortcuts";
import type { Asset } from "../api/types";
import { place } from "../router";
import { announce, failureText } from "../state/announce";
import {
  type AssetList,
  assetList,
  filterQuery,
  filtersFrom,
  loadMore,
  refreshIfStale,
  restoreAssets,
  toggleFavourite,
  trashAssets,
} from "../state/library";
import { Empty, Spinner } from "../ui/empty";
import { Icon } from "../ui/icons";
import { Tile } from "../ui/tile";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { FilterBar } from "./filter-bar";

/** Everything the person has made, page after page. */
export function LibraryPage() {
  useTitle(words.library.title);
  const filters = filtersFrom(place.value.query);
  const key = filterQuery(filters);
  const list = useMemo(() => assetList(filters), [key]);
  const [selection, setSelection] = useState<ReadonlySet<string> | null>(null);
  useEffect(() => {
    setSelection(null);
    if (list.cursor === undefined) void loadMore(list);
    else void refreshIfStale(list);
  }, [list]);
  useEffect(
    () => whileShown({ "/": () => document.querySelector<HTMLInputElement>(".filters input[type=search]")?.focus() }),
    [],
  );
  return (
    <div class="library">
      <header class="library-head">
        <h1 tabIndex={-1}>{filters.trash ? words.library.trash : words.library.title}</h1>
        <button
          type="button"
          class="button"
          aria-pressed={selection !== null}
          onClick={() => setSelection(selection === null ? new Set() : null)}
        >
          {selection === null ? words.library.select : words.library.selectDone}
        </button>
      </header>
      {filters.trash && <p class="muted library-lead">{words.library.trashLead}</p>}
      <FilterBar filters={filters} />
      <Grid list={list} selection={selection} onSelection={setSelection} />
      {selection !== null && <SelectionBar list={list} selection={selection} onDone={() => setSelection(null)} />}
    </div>
  );
}

interface GridProps {
  list: AssetList;
  selection: ReadonlySet<string> | null;
  onSelection: (next: ReadonlySet<string>) => void;
}

function Grid({ list, selection, onSelection }: GridProps) {
  const items = list.items.value;
  const load = list.load.value;
  const ended = list.ended.value;
  const last = useRef<number | null>(null);
  const select = (index: number, extend: boolean) => {
    const next = new Set(selection ?? []);
    const asset = items[index];
    if (!asset) return;
    if (extend && last.current !== null) {
      const [from, to] = [Math.min(last.current, index), Math.max(last.current, index)];
      for (const between of items.slice(from, to + 1)) next.add(between.id);
    } else if (!next.delete(asset.id)) next.add(asset.id);
    last.current = index;
    onSelection(next);
  };
  if (items.length === 0) {
    if (load === "failed") return <Failed list={list} />;
    if (ended) return <Nothing list={list} />;
    return (
      <ul class="grid" aria-busy="true" aria-label={words.common.loading}>
        {[1.5, 0.8, 1, 1.7, 1, 0.7, 1.3, 1].map((ratio, index) => (
          <li key={index} class="tile tile-empty" style={{ "--ratio": String(ratio) }} />
        ))}
      </ul>
    );
  }
  return (
    <>
      <ul class="grid">
        {items.map((asset, index) => (
          <Tile
            key={asset.id}
            asset={asset}
            sizes="(min-width: 700px) 380px, 50vw"
            selecting={selection !== null}
            selected={selection?.has(asset.id) ?? false}
            onSelect={(extend) => select(index, extend)}
          />
        ))}
      </ul>
      <End list={list} />
    </>
  );
}

/** Loads the next page shortly before its place comes into view. */
function End({ list }: { list: AssetList }) {
  const mark = useRef<HTMLDivElement>(null);
  const load = list.load.value;
  const ended = list.ended.value;
  const shown = list.items.value.length;
  useEffect(() => {
    const element = mark.current;
    if (!element || ended || load !== "idle") return;
    const ahead = "800px";
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((e) => e.isIntersecting)) {
          void loadMore(list).then(() => announce(words.library.loaded(list.items.peek().length)));
        }
      },
      { rootMargin: ahead },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [list, load, ended, shown]);
  return (
    <div ref={mark} class="grid-end">
      {load === "loading" && <Spinner label={words.common.loading} />}
      {load === "failed" && (
        <>
          <p class="hint hint-problem">
            {words.library.failedMore} {failureText(list.failure.value)}
          </p>
          <button type="button" class="button" onClick={() => void loadMore(list)}>
            {words.common.retry}
          </button>
        </>
      )}
      {ended && <p class="muted">{words.library.loadedAll(shown)}</p>}
    </div>
  );
}

function Failed({ list }: { list: AssetList }) {
  useEffect(() => {
    const again = () => void loadMore(list);
    window.addEventListener("online", again);
    return () => window.removeEventListener("online", again);
  }, [list]);
  const text = navigator.onLine ? failureText(list.failure.value) : words.library.offline;
  return (
    <Empty icon="alert" title={words.library.failed} text={text}>
      <button type="button" class="button button-primary" onClick={() => void loadMore(list)}>
        {words.common.retry}
      </button>
    </Empty>
  );
}

function Nothing({ list }: { list: AssetList }) {
  const { trash, kind, favourite, model, q } = list.filters;
  if (kind !== null || favourite || model !== null || q !== null) {
    return (
      <Empty icon="search" title={words.library.noMatch} text={words.library.noMatchLead}>
        <a class="button" href={trash ? "/library?trash=true" : "/library"}>
          {words.library.clearFilters}
        </a>
      </Empty>
    );
  }
  if (trash) return <Empty icon="trash" title={words.library.trashEmpty} />;
  return (
    <Empty icon="image" title={words.library.empty} text={words.library.emptyLead}>
      <a class="button button-primary" href="/studio">
        {words.library.emptyAction}
      </a>
    </Empty>
  );
}

interface SelectionBarProps {
  list: AssetList;
  selection: ReadonlySet<string>;
  onDone: () => void;
}

function SelectionBar({ list, selection, onDone }: SelectionBarProps) {
  const chosen: Asset[] = list.items.value.filter((a) => selection.has(a.id));
  const none = chosen.length === 0;
  const run = (action: () => Promise<unknown>) => {
    if (none) return;
    void action();
    onDone();
  };
  return (
    <div class="selection" role="toolbar" aria-label={words.library.selected(chosen.length)}>
      <span role="status">{words.library.selected(chosen.length)}</span>
      {list.filters.trash ? (
        <button type="button" class="button" aria-disabled={none} onClick={() => run(() => restoreAssets(chosen))}>
          <Icon name="restore" />
          {words.asset.restore}
        </button>
      ) : (
        <>
          <button
            type="button"
            class="button"
            aria-disabled={none}
            onClick={() => run(() => Promise.all(chosen.filter((a) => !a.favourite).map(toggleFavourite)))}
          >
            <Icon name="heart" />
            {words.asset.favourite}
          </button>
          <button type="button" class="button" aria-disabled={none} onClick={() => run(() => trashAssets(chosen))}>
            <Icon name="trash" />
            {words.asset.delete}
          </button>
        </>
      )}
      <button type="button" class="button button-quiet button-icon" aria-label={words.library.selectDone} onClick={onDone}>
        <Icon name="close" />
      </button>
    </div>
  );
}
