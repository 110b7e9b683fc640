import { useEffect, useState } from "preact/hooks";
import { get, query, send } from "../api/client";
import type { Asset, Link, Page } from "../api/types";
import { date } from "../lib/format";
import { copyText } from "../lib/copy";
import { note, noteFailure } from "../state/announce";
import { Icon } from "../ui/icons";
import { words } from "../words";

/** The short links of an asset. Shown where the server offers links at all. */
export function Share({ asset }: { asset: Asset }) {
  const [links, setLinks] = useState<Link[] | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    get<Page<Link>>(`/links${query({ limit: 100 })}`, end.signal).then(
      (page) => setLinks(page.items.filter((link) => link.asset_id === asset.id)),
      // Without an answer nothing is known about links, so nothing is offered.
      () => undefined,
    );
    return () => end.abort();
  }, [asset.id]);
  if (links === null) return null;

  const create = async () => {
    if (busy) return;
    setBusy(true);
    try {
      const link = await send<Link>("POST", "/links", { asset_id: asset.id, opens: "page" });
      setLinks((before) => [link, ...(before ?? [])]);
      note((await copyText(link.url)) ? words.share.createdCopied : words.share.created);
    } catch (failure) {
      noteFailure(failure);
    } finally {
      setBusy(false);
    }
  };
  const end = async (link: Link) => {
    try {
      await send("DELETE", `/links/${encodeURIComponent(link.key)}`);
      setLinks((before) => (before ?? []).filter((l) => l.key !== link.key));
      note(words.share.ended);
    } catch (failure) {
      noteFailure(failure);
    }
  };
  return (
    <section class="share" aria-labelledby="share-title">
      <div class="field-head">
        <h2 id="share-title">{words.share.title}</h2>
        <button type="button" class="button button-small" aria-disabled={busy} onClick={() => void create()}>
          <Icon name="link" />
          {words.share.create}
        </button>
      </div>
      <p class="hint">{words.share.lead}</p>
      {links.length > 0 && (
        <ul class="share-links">
          {links.map((link) => (
            <li key={link.key}>
              <a href={link.url} target="_blank" rel="noreferrer">
                {link.url.replace(/^https?:\/\//, "")}
              </a>
              <span class="muted">
                {[
                  link.enabled === false ? words.share.off : null,
                  link.views === undefined ? null : words.share.views(link.views),
                  link.expires_at ? words.share.expires(date(link.expires_at)) : null,
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
              <button
                type="button"
                class="button button-quiet button-icon button-small"
                aria-label={`${words.share.copy} ${link.key}`}
                onClick={async () => note((await copyText(link.url)) ? words.common.copied : words.common.copyFailed)}
              >
                <Icon name="copy" />
              </button>
              <button
                type="button"
                class="button button-quiet button-icon button-small"
                aria-label={`${words.share.end} ${link.key}`}
                onClick={() => void end(link)}
              >
                <Icon name="trash" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
