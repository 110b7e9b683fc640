import { useEffect, useState } from "preact/hooks";
import type { Asset } from "../api/types";
import { renewMedia } from "../state/session";
import { Empty } from "../ui/empty";
import { Picture, ratio } from "../ui/picture";
import { words } from "../words";

/** The picture or film itself, as large as the window allows. */
export function Stage({ asset }: { asset: Asset }) {
  return (
    <div class={asset.kind === "video" ? "stage stage-of-film" : "stage"} style={{ "--ratio": ratio(asset).toFixed(4) }}>
      {asset.kind === "video" ? (
        <Film asset={asset} />
      ) : (
        <Picture asset={asset} sizes="(min-width: 1000px) 70vw, 100vw" original eager />
      )}
    </div>
  );
}

function Film({ asset }: { asset: Asset }) {
  const [attempt, setAttempt] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    setAttempt(0);
    setFailed(false);
  }, [asset.id]);
  if (failed) return <Empty icon="film" title={words.asset.mediaFailed} />;
  const poster = [...asset.thumbnails].sort((a, b) => b.width - a.width)[0];
  return (
    <video
      key={attempt}
      class="stage-film"
      src={asset.media.url}
      poster={poster?.url}
      width={asset.media.width}
      height={asset.media.height}
      controls
      loop
      playsInline
      preload="metadata"
      aria-label={asset.alt_text ?? asset.title ?? asset.prompt ?? words.common.video}
      onError={() => {
        // Most likely the cookies have run out; once renewed it is tried again.
        if (attempt > 0) setFailed(true);
        else void renewMedia().then((renewed) => (renewed ? setAttempt(1) : setFailed(true)));
      }}
    />
  );
}
