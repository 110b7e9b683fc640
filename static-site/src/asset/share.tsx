import { useEffect, useState } from "preact/hooks";
import { get, query, send } from "../api/client";
import type { Asset, Link, NewLink, Page } from "../api/types";
import { copyText } from "../lib/copy";
import { LinkForm } from "../links/link-form";
import { LinkRow } from "../links/link-row";
import { note, noteFailure } from "../state/announce";
import { Icon } from "../ui/icons";
import { words } from "../words";

/** A page that anybody can open as often as they like: what one click makes. */
const isPlain = (link: Link) => link.opens === "page" && link.state === "live" && link.max_views === null && !link.has_password && !link.expires_at;

/** The short links of an asset: one click makes one, or copies the one that is there. */
export function Share({ asset }: { asset: Asset }) {
  const [links, setLinks] = useState<Link[] | null>(null);
  const [busy, setBusy] = useState(false);
  const [choosing, setChoosing] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    get<Page<Link>>(`/links${query({ limit: 100, asset_id: asset.id })}`, end.signal).then(
      (page) => setLinks(page.items.sort((a, b) => b.created_at.localeCompare(a.created_at))),
      // Without an answer nothing is known about links, so nothing is offered.
      () => undefined,
    );
    return () => end.abort();
  }, [asset.id]);
  if (links === null) return null;

  const copy = async (link: Link, fresh: boolean) => {
    const copied = await copyText(link.url);
    if (fresh) note(copied ? words.share.createdCopied : words.share.created);
    else note(copied ? words.common.copied : words.common.copyFailed);
  };
  const add = (link: Link) => {
    setLinks((before) => [link, ...(before ?? [])]);
    void copy(link, true);
  };
  const plain = links.find(isPlain);
  const share = async () => {
    if (busy) return;
    if (plain) return copy(plain, false);
    setBusy(true);
    try {
      add(await send<Link>("POST", "/links", { asset_id: asset.id, opens: "page" } satisfies NewLink));
    } catch (failure) {
      noteFailure(failure);
    } finally {
      setBusy(false);
    }
  };
  const end = (ended: Link) => {
    setLinks((before) => (before ?? []).filter((link) => link.key !== ended.key));
    // What had the focus is gone.
    document.getElementById("share-title")?.focus();
  };
  return (
    <section class="share" aria-labelledby="share-title">
      <h2 id="share-title" tabIndex={-1}>
        {words.share.title}
      </h2>
      <div class="actions-row">
        <button type="button" class="button" aria-disabled={busy} onClick={() => void share()}>
          <Icon name="link" />
          {plain ? words.share.copy : words.share.create}
        </button>
        <button type="button" class="button" onClick={() => setChoosing(true)}>
          <Icon name="sliders" />
          {words.links.more}
        </button>
      </div>
      <p class="hint">{words.share.lead}</p>
      {links.length > 0 && (
        <ul class="link-list">
          {links.map((link) => (
            <LinkRow
              key={link.key}
              link={link}
              onChange={(next) => setLinks((before) => (before ?? []).map((one) => (one.key === next.key ? next : one)))}
              onEnd={end}
            />
          ))}
        </ul>
      )}
      {links.length > 0 && (
        <a class="hint" href="/links">
          {words.links.all}
        </a>
      )}
      {choosing && (
        <LinkForm
          assetId={asset.id}
          onClose={() => setChoosing(false)}
          onDone={(link) => {
            setChoosing(false);
            add(link);
          }}
        />
      )}
    </section>
  );
}
