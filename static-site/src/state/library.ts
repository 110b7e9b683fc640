// Lists of assets, one per set of filters, read page by page. They outlive the
// view, so that going back from one asset shows the list as it was.

import { signal, type Signal } from "@preact/signals";
import { get, query, send } from "../api/client";
import type { Asset, AssetChange, Page } from "../api/types";
import { appendPage, insertAt, refreshFront, replaceItem } from "../lib/pages";
import { words } from "../words";
import { note, noteFailure } from "./announce";
import { generations } from "./generations";

export interface Filters {
  kind: "image" | "video" | null;
  favourite: boolean;
  model: string | null;
  q: string | null;
  sort: "newest" | "oldest";
  trash: boolean;
}

export const noFilters: Filters = { kind: null, favourite: false, model: null, q: null, sort: "newest", trash: false };

export function filtersFrom(params: URLSearchParams): Filters {
  const kind = params.get("kind");
  return {
    kind: kind === "image" || kind === "video" ? kind : null,
    favourite: params.get("favourite") === "true",
    model: params.get("model"),
    q: params.get("q"),
    sort: params.get("sort") === "oldest" ? "oldest" : "newest",
    trash: params.get("trash") === "true",
  };
}

export function filterQuery(filters: Filters): string {
  return query({
    kind: filters.kind,
    favourite: filters.favourite || null,
    model: filters.model,
    q: filters.q,
    sort: filters.sort === "newest" ? null : filters.sort,
    trash: filters.trash || null,
  });
}

export interface AssetList {
  filters: Filters;
  items: Signal<Asset[]>;
  load: Signal<"idle" | "loading" | "failed">;
  failure: Signal<unknown>;
  /** Null when the end has been reached; undefined before the first page. */
  cursor: string | null | undefined;
  ended: Signal<boolean>;
  /** Something new exists that the list hasn't read. */
  stale: boolean;
}

const lists = new Map<string, AssetList>();
// A person goes back and forth between a few; older ones are read again.
const mostLists = 6;
const pageSize = 48;

export function assetList(filters: Filters): AssetList {
  const key = filterQuery(filters);
  const known = lists.get(key);
  if (known) {
    lists.delete(key);
    lists.set(key, known);
    return known;
  }
  const list: AssetList = {
    filters,
    items: signal<Asset[]>([]),
    load: signal<"idle" | "loading" | "failed">("idle"),
    failure: signal<unknown>(null),
    cursor: undefined,
    ended: signal(false),
    stale: false,
  };
  lists.set(key, list);
  for (const oldest of lists.keys()) {
    if (lists.size <= mostLists) break;
    lists.delete(oldest);
  }
  return list;
}

async function readPage(list: AssetList, cursor: string | null): Promise<Page<Asset>> {
  const { sort, ...rest } = list.filters;
  return get(
    `/assets${query({
      ...rest,
      favourite: rest.favourite || null,
      trash: rest.trash || null,
      sort,
      limit: pageSize,
      cursor,
    })}`,
  );
}

export async function loadMore(list: AssetList): Promise<void> {
  if (list.load.peek() === "loading" || list.cursor === null) return;
  list.load.value = "loading";
  try {
    const page = await readPage(list, list.cursor ?? null);
    list.items.value = appendPage(list.items.peek(), page.items);
    list.cursor = page.next_cursor;
    list.ended.value = page.next_cursor === null;
    list.load.value = "idle";
  } catch (failure) {
    list.failure.value = failure;
    list.load.value = "failed";
  }
}

/** Puts what is new in front, when something new is known to exist. */
export async function refreshIfStale(list: AssetList): Promise<void> {
  if (!list.stale || list.cursor === undefined || list.load.peek() === "loading") return;
  list.stale = false;
  if (list.filters.sort === "oldest") return;
  try {
    const page = await readPage(list, null);
    list.items.value = refreshFront(list.items.peek(), page.items);
  } catch {
    list.stale = true;
  }
}

/** A generation has put something into the library. */
export function assetsArrived(): void {
  for (const list of lists.values()) list.stale = true;
}

function everywhere(change: (items: Asset[], list: AssetList | null) => Asset[]): void {
  for (const list of lists.values()) list.items.value = change(list.items.peek(), list);
  generations.value = generations.peek().map((g) =>
    g.assets.length === 0 ? g : { ...g, assets: change(g.assets, null) },
  );
}

export function assetChanged(asset: Asset): void {
  everywhere((items) => replaceItem(items, asset));
}

export async function changeAsset(asset: Asset, change: AssetChange): Promise<Asset> {
  const next = await send<Asset>("PATCH", `/assets/${encodeURIComponent(asset.id)}`, change);
  assetChanged(next);
  return next;
}

/** Flips the mark; answers the asset as it is then. */
export async function toggleFavourite(asset: Asset): Promise<Asset> {
  const favourite = !asset.favourite;
  // Shown at once; taken back if the server says no.
  assetChanged({ ...asset, favourite });
  try {
    return await changeAsset(asset, { favourite });
  } catch (failure) {
    assetChanged(asset);
    noteFailure(failure);
    return asset;
  }
}

const atOnce = 4;

async function forEach(assets: Asset[], run: (asset: Asset) => Promise<void>): Promise<{ done: Asset[]; failure: unknown }> {
  const queue = [...assets];
  const done: Asset[] = [];
  let failure: unknown = null;
  const worker = async () => {
    for (let asset = queue.shift(); asset; asset = queue.shift()) {
      try {
        await run(asset);
        done.push(asset);
      } catch (problem) {
        failure = problem;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { done, failure };
}

/** Moves assets to the trash, with a way back in the note that says so. */
export async function trashAssets(assets: Asset[]): Promise<void> {
  const places = new Map<string, { list: AssetList; index: number }[]>();
  for (const asset of assets) {
    places.set(
      asset.id,
      [...lists.values()].flatMap((list) => {
        const index = list.items.peek().findIndex((a) => a.id === asset.id);
        return index < 0 ? [] : [{ list, index }];
      }),
    );
  }
  const ids = new Set(assets.map((a) => a.id));
  const inGenerations = generations.peek();
  everywhere((items, list) => (list?.filters.trash ? items : items.filter((a) => !ids.has(a.id))));

  const putBack = (back: Asset[]) => {
    // In the order of their places, so that each index is right when it's used.
    for (const asset of [...back].sort((a, b) => (places.get(a.id)?.[0]?.index ?? 0) - (places.get(b.id)?.[0]?.index ?? 0))) {
      for (const { list, index } of places.get(asset.id) ?? []) {
        if (!list.filters.trash) list.items.value = insertAt(list.items.peek(), asset, index);
      }
    }
    const backIds = new Set(back.map((a) => a.id));
    generations.value = generations.peek().map((g) => {
      const before = inGenerations.find((old) => old.id === g.id);
      if (!before?.assets.some((a) => backIds.has(a.id))) return g;
      const kept = new Set([...g.assets.map((a) => a.id), ...backIds]);
      return { ...g, assets: before.assets.filter((a) => kept.has(a.id)) };
    });
  };

  const { done, failure } = await forEach(assets, async (asset) => {
    await send("DELETE", `/assets/${encodeURIComponent(asset.id)}`);
  });
  forgetTrash(true);
  if (failure !== null) {
    const doneIds = new Set(done.map((a) => a.id));
    putBack(assets.filter((a) => !doneIds.has(a.id)));
    noteFailure(failure);
  }
  if (done.length === 0) return;
  note(words.asset.deleted(done.length), {
    action: {
      label: words.common.undo,
      run: () => {
        void restoreAssets(done, putBack);
      },
    },
  });
}

/** Takes assets out of the trash; answers those that are back. */
export async function restoreAssets(assets: Asset[], putBack?: (back: Asset[]) => void): Promise<Asset[]> {
  const { done, failure } = await forEach(assets, async (asset) => {
    await send("POST", `/assets/${encodeURIComponent(asset.id)}/restore`);
  });
  if (failure !== null) noteFailure(failure);
  if (done.length === 0) return done;
  const doneIds = new Set(done.map((a) => a.id));
  for (const list of lists.values()) {
    if (list.filters.trash) list.items.value = list.items.peek().filter((a) => !doneIds.has(a.id));
  }
  if (putBack) putBack(done.map((a) => ({ ...a, deleted_at: null })));
  else forgetTrash(false);
  note(words.asset.restored(done.length));
  return done;
}

/** Drops the lists that a move in or out of the trash has made wrong. */
function forgetTrash(trash: boolean): void {
  for (const [key, list] of lists) {
    if (list.filters.trash === trash) lists.delete(key);
  }
}

export function findAsset(id: string): Asset | null {
  for (const list of lists.values()) {
    const found = list.items.peek().find((a) => a.id === id);
    if (found) return found;
  }
  for (const generation of generations.peek()) {
    const found = generation.assets.find((a) => a.id === id);
    if (found) return found;
  }
  return null;
}

/** The entries before and after, in the list that the person came from. */
export function neighbours(id: string): { previous: Asset | null; next: Asset | null } {
  for (const list of [...lists.values()].reverse()) {
    const items = list.items.peek();
    const index = items.findIndex((a) => a.id === id);
    if (index >= 0) return { previous: items[index - 1] ?? null, next: items[index + 1] ?? null };
  }
  return { previous: null, next: null };
}
