import { useEffect, useState } from "preact/hooks";
import { whileShown } from "../account/shortcuts";
import { Refused, get } from "../api/client";
import type { Asset } from "../api/types";
import { excerpt } from "../lib/format";
import { goBack, navigate } from "../router";
import { announce, failureText } from "../state/announce";
import { assetChanged, findAsset, neighbours, restoreAssets, toggleFavourite, trashAssets } from "../state/library";
import { usePoster } from "../state/posters";
import { Empty, Spinner } from "../ui/empty";
import { Icon } from "../ui/icons";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { Actions } from "./actions";
import { Details } from "./details";
import { Stage } from "./stage";

const pathOf = (id: string) => `/library/${encodeURIComponent(id)}`;

/** One asset at full size, with everything that is known and can be done. */
export function AssetPage({ id }: { id: string }) {
  const [read, setRead] = useState<Asset | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const end = new AbortController();
    setFailure(null);
    get<Asset>(`/assets/${encodeURIComponent(id)}`, end.signal).then(setRead, (problem: unknown) => {
      if (!end.signal.aborted) setFailure(problem);
    });
    return () => end.abort();
  }, [id, attempt]);
  // A change made here is in the lists at once; a reload has only what it reads.
  const [changed, setChanged] = useState<Asset | null>(null);
  const asset = changed ?? read ?? findAsset(id);
  const gone = failure instanceof Refused && (failure.status === 404 || failure.status === 410);
  useTitle(asset ? (asset.title ?? (asset.prompt ? excerpt(asset.prompt, 60) : words.library.untitled)) : words.asset.details);

  if (gone) {
    return (
      <Empty level={1} icon="search" title={words.asset.notFoundTitle} text={words.asset.notFound}>
        <a class="button button-primary" href="/library">
          {words.shell.toLibrary}
        </a>
      </Empty>
    );
  }
  if (!asset) {
    if (failure === null) {
      return (
        <div class="page-center">
          <Spinner label={words.common.loading} />
        </div>
      );
    }
    return (
      <Empty level={1} icon="alert" title={words.asset.failed} text={failureText(failure)}>
        <button type="button" class="button button-primary" onClick={() => setAttempt((n) => n + 1)}>
          {words.common.retry}
        </button>
      </Empty>
    );
  }
  return <Shown asset={asset} onChange={setChanged} />;
}

function Shown({ asset, onChange }: { asset: Asset; onChange: (asset: Asset) => void }) {
  const { previous, next } = neighbours(asset.id);
  const deleted = asset.deleted_at !== null;
  usePoster(asset, (next) => {
    assetChanged(next);
    onChange(next);
  });
  const favourite = () => {
    const flipped = !asset.favourite;
    onChange({ ...asset, favourite: flipped });
    announce(flipped ? words.asset.favouriteOn : words.asset.favouriteOff);
    void toggleFavourite(asset).then((kept) => onChange(kept));
  };
  const trash = () => {
    const to = next ?? previous;
    void trashAssets([asset]);
    if (to) navigate(pathOf(to.id), { replace: true });
    else goBack("/library");
  };
  const restore = () => {
    void restoreAssets([asset]).then((back) => back.length > 0 && onChange({ ...asset, deleted_at: null }));
  };
  useEffect(() =>
    whileShown({
      f: () => !deleted && favourite(),
      d: () => document.querySelector<HTMLAnchorElement>(".actions a[download]")?.click(),
      Delete: () => !deleted && trash(),
      ArrowLeft: () => previous && navigate(pathOf(previous.id), { replace: true }),
      ArrowRight: () => next && navigate(pathOf(next.id), { replace: true }),
      Escape: () => goBack("/library"),
    }),
  );
  const title = asset.title ?? (asset.prompt ? excerpt(asset.prompt, 90) : words.library.untitled);
  return (
    <article class="asset">
      <div class="asset-main">
        <nav class="asset-nav" aria-label={words.library.title}>
          <button type="button" class="button button-quiet" onClick={() => goBack("/library")}>
            <Icon name="back" />
            {words.common.back}
          </button>
          <span class="asset-neighbours">
            <Neighbour asset={previous} label={words.asset.previous} icon="previous" />
            <Neighbour asset={next} label={words.asset.next} icon="next" />
          </span>
        </nav>
        <Stage asset={asset} />
      </div>
      <div class="asset-side">
        <h1 tabIndex={-1} class={asset.title ? "asset-title" : "asset-title asset-title-prompt"}>
          {title}
        </h1>
        {deleted && (
          <div class="hint hint-warn asset-deleted">
            <span>{words.asset.inTrash}</span>
            <button type="button" class="button button-small" onClick={restore}>
              <Icon name="restore" />
              {words.asset.restore}
            </button>
          </div>
        )}
        <Actions asset={asset} onFavourite={favourite} onTrash={trash} />
        <Details asset={asset} onChange={onChange} />
      </div>
    </article>
  );
}

interface NeighbourProps {
  asset: Asset | null;
  label: string;
  icon: "previous" | "next";
}

function Neighbour({ asset, label, icon }: NeighbourProps) {
  return (
    <button
      type="button"
      class="button button-quiet button-icon"
      aria-label={label}
      disabled={asset === null}
      onClick={() => asset && navigate(pathOf(asset.id), { replace: true })}
    >
      <Icon name={icon} />
    </button>
  );
}
