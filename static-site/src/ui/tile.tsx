import { useRef, useState } from "preact/hooks";
import type { Asset } from "../api/types";
import { clock } from "../lib/format";
import { assetChanged } from "../state/library";
import { usePoster } from "../state/posters";
import { words } from "../words";
import { Icon } from "./icons";
import { Picture, altFor, ratio } from "./picture";

interface TileProps {
  asset: Asset;
  sizes: string;
  selecting?: boolean;
  selected?: boolean;
  onSelect?: (extend: boolean) => void;
  /** Instead of opening the asset's page. */
  onPick?: () => void;
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** One asset in a grid. A film plays without sound while the pointer rests on it. */
export function Tile({ asset, sizes, selecting = false, selected = false, onSelect, onPick }: TileProps) {
  const [playing, setPlaying] = useState(false);
  usePoster(asset, assetChanged);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const restMs = 120;
  const enter = () => {
    if (asset.kind !== "video" || calm()) return;
    timer.current = setTimeout(() => setPlaying(true), restMs);
  };
  const leave = () => {
    clearTimeout(timer.current);
    setPlaying(false);
  };
  const content = (
    <>
      <Picture asset={asset} sizes={sizes} />
      {playing && (
        <video class="picture picture-arrived tile-video" src={asset.media.url} muted loop autoplay playsInline aria-hidden="true" />
      )}
      {asset.kind === "video" && (
        <span class="tile-mark">
          <Icon name="play" filled />
          <span class="visually-hidden">{words.library.play}</span>
          {asset.media.duration_ms !== null && <span>{clock(asset.media.duration_ms / 1000)}</span>}
        </span>
      )}
      {asset.favourite && (
        <span class="tile-heart">
          <Icon name="heart" filled />
          <span class="visually-hidden">{words.asset.favourited}</span>
        </span>
      )}
    </>
  );
  const shape = { "--ratio": ratio(asset).toFixed(4) };
  const handlers = { onPointerEnter: enter, onPointerLeave: leave, onFocusIn: enter, onFocusOut: leave };
  if (selecting) {
    return (
      <li class={selected ? "tile tile-selected" : "tile"} style={shape}>
        <label class="tile-link" {...handlers}>
          {content}
          <input
            type="checkbox"
            class="tile-check"
            checked={selected}
            aria-label={words.library.selectOne(altFor(asset))}
            onClick={(event) => onSelect?.(event.shiftKey)}
          />
        </label>
      </li>
    );
  }
  if (onPick) {
    return (
      <li class="tile" style={shape}>
        <button type="button" class="tile-link" onClick={onPick} {...handlers}>
          {content}
        </button>
      </li>
    );
  }
  return (
    <li class="tile" style={shape}>
      <a class="tile-link" href={`/library/${encodeURIComponent(asset.id)}`} {...handlers}>
        {content}
      </a>
    </li>
  );
}
