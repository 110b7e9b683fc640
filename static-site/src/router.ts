// A small history router: one signal with the address, links handled where they
// bubble up, and the scroll position kept with each history entry.

import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export type Route =
  | { view: "front" }
  | { view: "studio" }
  | { view: "library" }
  | { view: "asset"; id: string }
  | { view: "links" }
  | { view: "usage" }
  | { view: "settings" }
  | { view: "generation"; id: string }
  | { view: "goodbye" }
  | { view: "not-found" };

export function routeFor(path: string): Route {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, "") : path;
  if (trimmed === "/" || trimmed === "") return { view: "front" };
  if (trimmed === "/studio") return { view: "studio" };
  if (trimmed === "/library") return { view: "library" };
  if (trimmed === "/links") return { view: "links" };
  if (trimmed === "/usage") return { view: "usage" };
  if (trimmed === "/settings") return { view: "settings" };
  if (trimmed === "/goodbye") return { view: "goodbye" };
  const one = /^\/(library|generations)\/([^/]+)$/.exec(trimmed);
  if (one?.[2]) {
    try {
      return { view: one[1] === "library" ? "asset" : "generation", id: decodeURIComponent(one[2]) };
    } catch {
      return { view: "not-found" };
    }
  }
  return { view: "not-found" };
}

// Answered by the server, not by this app.
const serversOwn = /^\/(api|auth|docs|media|uploads|downloads|hooks|s)(\/|$)/;

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export const place = signal<Place>({ path: "/", query: new URLSearchParams() });

/** Counts real moves, so that the app knows when to move the focus. */
export const moves = signal(0);

let pendingScroll: number | null = null;

/** Where the page was scrolled when its history entry was left; null for a new entry. */
export function takeScroll(): number {
  const y = pendingScroll ?? 0;
  pendingScroll = null;
  return y;
}

export function navigate(address: string, options: { replace?: boolean } = {}): void {
  const samePath = new URL(address, location.href).pathname === location.pathname;
  if (options.replace) history.replaceState({ y: samePath ? window.scrollY : 0 }, "", address);
  else {
    history.replaceState({ y: window.scrollY }, "");
    history.pushState({ y: 0 }, "", address);
  }
  pendingScroll = null;
  place.value = here();
  if (!samePath) moves.value += 1;
}

/** Changes the query of the present view, keeping its other entries. */
export function changeQuery(changes: Record<string, string | null>, options: { replace?: boolean } = {}): void {
  const params = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(key);
    else params.set(key, value);
  }
  const text = params.toString();
  navigate(location.pathname + (text === "" ? "" : `?${text}`), options);
}

/** Back to where the person came from inside the app, else to `fallback`. */
export function goBack(fallback: string): void {
  if (moves.value > 0) history.back();
  else navigate(fallback, { replace: true });
}

function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement)) return;
  if ((link.target && link.target !== "_self") || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || serversOwn.test(link.pathname)) return;
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}

function onPopState(event: PopStateEvent): void {
  const state = event.state as { y?: number } | null;
  pendingScroll = state?.y ?? 0;
  place.value = here();
  moves.value += 1;
}

const scrollSaveMs = 200;

export function startRouter(): void {
  history.scrollRestoration = "manual";
  place.value = here();
  document.addEventListener("click", onClick);
  window.addEventListener("popstate", onPopState);
  let timer: ReturnType<typeof setTimeout> | undefined;
  window.addEventListener(
    "scroll",
    () => {
      clearTimeout(timer);
      const address = location.href;
      timer = setTimeout(() => {
        // After a move the old position says nothing about the new entry.
        if (location.href === address) history.replaceState({ y: window.scrollY }, "");
      }, scrollSaveMs);
    },
    { passive: true },
  );
}
