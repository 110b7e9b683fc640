// A stored picture or film at the size of its place: blurred first, sharp as
// soon as it has arrived, drawn when there is nothing to show yet.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Asset } from "../api/types";
import { excerpt } from "../lib/format";
import { decodePlaceholder } from "../lib/placeholder";
import { renewMedia } from "../state/session";
import { words } from "../words";
import { Icon } from "./icons";

export function ratio(asset: Asset): number {
  const { width, height } = asset.media;
  return width > 0 && height > 0 ? width / height : 1;
}

/** What stands for the picture in words. */
export function altFor(asset: Asset): string {
  const kind = asset.kind === "video" ? words.common.video : words.common.image;
  return asset.alt_text ?? asset.title ?? (asset.prompt ? excerpt(asset.prompt, 160) : words.asset.altFallback(kind));
}

export function Blur({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pixels = decodePlaceholder(hash);
    const element = canvas.current;
    if (!pixels || !element) return;
    element.width = pixels.width;
    element.height = pixels.height;
    element.getContext("2d")?.putImageData(new ImageData(pixels.rgba, pixels.width, pixels.height), 0, 0);
  }, [hash]);
  return <canvas ref={canvas} class="picture-blur" aria-hidden="true" />;
}

/** Stands in for a film whose poster isn't made yet. */
function Drawn({ asset }: { asset: Asset }) {
  // A hue from the id, so that neighbours can be told apart.
  let hue = 0;
  for (const c of asset.id) hue = (hue * 31 + c.charCodeAt(0)) % 360;
  return (
    <span class="picture-drawn" style={{ "--hue": String(hue) }} role="img" aria-label={altFor(asset)}>
      <Icon name={asset.kind === "video" ? "film" : "image"} />
    </span>
  );
}

interface PictureProps {
  asset: Asset;
  /** The `sizes` attribute: how wide the place is. */
  sizes: string;
  /** Use the original when no thumbnail is large enough for `sizes`. */
  original?: boolean;
  eager?: boolean;
}

export function Picture({ asset, sizes, original = false, eager = false }: PictureProps) {
  const [arrived, setArrived] = useState(false);
  const [settled, setSettled] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [failed, setFailed] = useState(false);
  // The blur stays beneath until the picture has faded in, then makes way for
  // what shines through a transparent one.
  useEffect(() => {
    if (!arrived) return;
    const fadeMs = 400;
    const timer = setTimeout(() => setSettled(true), fadeMs);
    return () => clearTimeout(timer);
  }, [arrived]);
  const thumbnails = [...asset.thumbnails].sort((a, b) => a.width - b.width);
  const withOriginal = asset.kind === "image" && (original || thumbnails.length === 0);
  const sources = [
    ...thumbnails.map(({ url, width }) => ({ url, width })),
    ...(withOriginal ? [{ url: asset.media.url, width: asset.media.width }] : []),
  ];
  const [smallest] = sources;
  if (!smallest || failed) return <Drawn asset={asset} />;
  return (
    <>
      {asset.placeholder && !settled && <Blur hash={asset.placeholder} />}
      <img
        key={attempt}
        class={arrived ? "picture picture-arrived" : "picture"}
        src={smallest.url}
        srcset={sources.map((s) => `${s.url} ${s.width}w`).join(", ")}
        sizes={sizes}
        width={asset.media.width}
        height={asset.media.height}
        alt={altFor(asset)}
        loading={eager ? "eager" : "lazy"}
        decoding="async"
        draggable={false}
        onLoad={() => setArrived(true)}
        onError={() => {
          if (attempt > 0) setFailed(true);
          else {
            void renewMedia().then((renewed) => {
              if (renewed) setAttempt(1);
              else setFailed(true);
            });
          }
        }}
      />
    </>
  );
}
