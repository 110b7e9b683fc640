// A film's poster is made a moment after the film has come into the library.
// Until then its tile is drawn, and asked about again: soon, then more slowly.

import { useEffect } from "preact/hooks";
import { serverNow } from "../api/client";
import { type Pace, follow } from "../api/poll";
import type { Asset } from "../api/types";

const posterPace: Pace = { firstMs: 1000, lastMs: 20_000 };
/** Whoever looks at an older film without a poster sees the drawn tile, and nothing is asked. */
const worthMs = 10 * 60_000;

export function awaitsPoster(asset: Asset, nowMs: number): boolean {
  return asset.kind === "video" && asset.thumbnails.length === 0 && nowMs - Date.parse(asset.created_at) < worthMs;
}

/** Calls `onArrived` with the asset once its poster is there. */
export function usePoster(asset: Asset, onArrived: (asset: Asset) => void): void {
  const waits = awaitsPoster(asset, serverNow());
  useEffect(() => {
    if (!waits) return;
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), worthMs);
    const arrived = (next: Asset) => {
      if (next.thumbnails.length > 0) onArrived(next);
      return next.thumbnails.length === 0;
    };
    void follow<Asset>(`/assets/${encodeURIComponent(asset.id)}`, posterPace, arrived, () => {}, end.signal);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [asset.id, waits]);
}
