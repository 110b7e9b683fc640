import { useEffect, useRef, useState } from "preact/hooks";
import { Unreachable, get, query } from "../api/client";
import type { Page } from "../api/types";
import { failureText } from "../state/announce";
import { appendKeyed } from "./pages";

export interface Listing<T> {
  items: T[];
  /** Nothing has been answered yet. */
  loading: boolean;
  problem: string | null;
  /** There is a next page. */
  more: boolean;
  /** Reads the next page, or once more what failed. */
  next: () => void;
  change: (items: (before: T[]) => T[]) => void;
}

interface Pages<T> {
  items: T[];
  cursor: string | null | undefined;
  problem: string | null;
}

const nothing = { items: [], cursor: undefined, problem: null };

/**
 * A list of the API, page by page, read anew when `path` changes. One that
 * couldn't be read for want of a connection is read as soon as there is one.
 */
export function useListing<T>(path: string, keyOf: (item: T) => string, limit = 50): Listing<T> {
  const [pages, setPages] = useState<Pages<T>>(nothing);
  // An answer that belongs to a list which is no longer shown is dropped.
  const turn = useRef(0);
  const read = (from: string | null) => {
    turn.current += 1;
    const mine = turn.current;
    setPages((before) => ({ ...before, problem: null }));
    get<Page<T>>(path + query({ limit, cursor: from })).then(
      (page) => {
        if (mine !== turn.current) return;
        setPages((before) => ({
          items: from === null ? page.items : appendKeyed(before.items, page.items, keyOf),
          cursor: page.next_cursor,
          problem: null,
        }));
      },
      (failure: unknown) => {
        if (mine !== turn.current) return;
        setPages((before) => ({ ...before, problem: failureText(failure) }));
        if (failure instanceof Unreachable) window.addEventListener("online", () => mine === turn.current && read(from), { once: true });
      },
    );
  };
  useEffect(() => {
    setPages(nothing);
    read(null);
    return () => {
      turn.current += 1;
    };
  }, [path]);
  const { items, cursor, problem } = pages;
  return {
    items,
    loading: cursor === undefined && problem === null,
    problem,
    more: typeof cursor === "string",
    next: () => read(cursor ?? null),
    change: (items) => setPages((before) => ({ ...before, items: items(before.items) })),
  };
}
