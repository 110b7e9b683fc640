/** Anything a list shows once. */
export interface Identified {
  id: string;
}

/**
 * Appends a page. An entry that moved between two requests arrives twice: it
 * keeps its first place and takes the newer content.
 */
export function appendPage<T extends Identified>(items: readonly T[], page: readonly T[]): T[] {
  return appendKeyed(items, page, (item) => item.id);
}

/** The same for entries that are told apart by something else than an id. */
export function appendKeyed<T>(items: readonly T[], page: readonly T[], keyOf: (item: T) => string): T[] {
  const fresh = new Map(page.map((item) => [keyOf(item), item]));
  const merged = items.map((item) => {
    const newer = fresh.get(keyOf(item));
    fresh.delete(keyOf(item));
    return newer ?? item;
  });
  return [...merged, ...fresh.values()];
}

/** Puts a newly read first page in front of what was already known. */
export function refreshFront<T extends Identified>(items: readonly T[], page: readonly T[]): T[] {
  const known = new Set(page.map((item) => item.id));
  return [...page, ...items.filter((item) => !known.has(item.id))];
}

export function replaceItem<T extends Identified>(items: readonly T[], next: T): T[] {
  return items.map((item) => (item.id === next.id ? next : item));
}

export function withoutItem<T extends Identified>(items: readonly T[], id: string): T[] {
  return items.filter((item) => item.id !== id);
}

/** Puts an entry back where it was, as far as the list still reaches there. */
export function insertAt<T extends Identified>(items: readonly T[], item: T, index: number): T[] {
  const rest = withoutItem(items, item.id);
  return [...rest.slice(0, index), item, ...rest.slice(index)];
}
