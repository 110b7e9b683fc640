import { useState } from "preact/hooks";
import { send } from "../api/client";
import type { Link } from "../api/types";
import { copyText } from "../lib/copy";
import { dateTime } from "../lib/format";
import { note, noteFailure } from "../state/announce";
import { Confirm } from "../ui/confirm";
import { Icon } from "../ui/icons";
import { Picture } from "../ui/picture";
import { words } from "../words";
import { LinkForm } from "./link-form";

interface LinkRowProps {
  link: Link;
  /** With the picture that it shows. */
  pictured?: boolean;
  onChange: (link: Link) => void;
  onEnd: (link: Link) => void;
}

/** One link with its figures, and everything that its owner can do with it. */
export function LinkRow({ link, pictured = false, onChange, onEnd }: LinkRowProps) {
  const [asking, setAsking] = useState<"change" | "end" | null>(null);
  const close = () => setAsking(null);
  const place = `/links/${encodeURIComponent(link.key)}`;
  const toggle = async (enabled: boolean) => {
    try {
      onChange(await send<Link>("PATCH", place, { enabled }));
    } catch (failure) {
      noteFailure(failure);
      // The switch goes back to what is true.
      onChange({ ...link });
    }
  };
  const end = async () => {
    await send("DELETE", place);
    note(words.share.ended);
    onEnd(link);
    close();
  };
  const copy = async () => note((await copyText(link.url)) ? words.common.copied : words.common.copyFailed);
  const facts = [
    link.state === "live" ? null : words.links.states[link.state],
    words.links.opensNames[link.opens],
    link.max_views === null ? words.share.views(link.views) : words.links.viewsOf(link.views, link.max_views),
    link.expires_at ? words.share.expires(dateTime(link.expires_at)) : null,
    link.has_password ? words.links.password : null,
  ];
  return (
    <li class={link.state === "live" ? "link-row" : "link-row link-row-over"}>
      {pictured && <Thumb link={link} />}
      <div class="link-text">
        <a class="link-address" href={link.url} title={link.url} target="_blank" rel="noreferrer">
          {new URL(link.url).pathname}
        </a>
        <span class="muted">{facts.filter(Boolean).join(" · ")}</span>
        {link.note && <span class="link-note">{link.note}</span>}
      </div>
      <div class="link-does">
        <input
          type="checkbox"
          role="switch"
          class="switch"
          checked={link.enabled}
          aria-label={words.links.on(link.key)}
          onChange={(event) => void toggle(event.currentTarget.checked)}
        />
        <button type="button" class="button button-quiet button-icon" aria-label={`${words.share.copy} ${link.key}`} onClick={() => void copy()}>
          <Icon name="copy" />
        </button>
        <button type="button" class="button button-quiet button-icon" aria-label={`${words.links.change} ${link.key}`} onClick={() => setAsking("change")}>
          <Icon name="sliders" />
        </button>
        <button type="button" class="button button-quiet button-icon" aria-label={`${words.share.end} ${link.key}`} onClick={() => setAsking("end")}>
          <Icon name="trash" />
        </button>
      </div>
      {asking === "change" && (
        <LinkForm
          link={link}
          assetId={link.asset_id}
          onClose={close}
          onDone={(changed) => {
            onChange(changed);
            note(words.asset.saved);
            close();
          }}
        />
      )}
      {asking === "end" && (
        <Confirm title={words.links.endTitle} action={words.share.end} onConfirm={end} onClose={close}>
          <p>{words.links.endText}</p>
        </Confirm>
      )}
    </li>
  );
}

function Thumb({ link }: { link: Link }) {
  const { asset } = link;
  if (!asset) {
    return (
      <span class="link-thumb">
        <Icon name="image" />
      </span>
    );
  }
  return (
    <a class="link-thumb" href={`/library/${encodeURIComponent(asset.id)}`}>
      <Picture asset={asset} sizes="72px" />
    </a>
  );
}
