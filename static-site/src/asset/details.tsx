import { useState } from "preact/hooks";
import type { Asset, AssetChange } from "../api/types";
import { copyText } from "../lib/copy";
import { bytes, dateTime, language } from "../lib/format";
import { note } from "../state/announce";
import { changeAsset } from "../state/library";
import { modelById, modelName } from "../state/models";
import { FormDialog, useForm } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { parameterValue, words } from "../words";

interface DetailsProps {
  asset: Asset;
  onChange: (asset: Asset) => void;
}

/** Everything that is known about how an asset was made. */
export function Details({ asset, onChange }: DetailsProps) {
  const [editing, setEditing] = useState(false);
  const { media } = asset;
  const seconds = media.duration_ms === null ? null : new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(media.duration_ms / 1000);
  const facts: [string, string][] = [
    [words.asset.kind, asset.kind === "video" ? words.common.video : words.common.image],
    [words.asset.created, dateTime(asset.created_at)],
    [words.asset.model, modelName(asset.model)],
    [words.asset.size, `${media.width} × ${media.height}`],
    ...(seconds ? ([[words.asset.duration, words.asset.seconds(seconds)]] as [string, string][]) : []),
    [words.asset.file, `${(media.content_type.split("/")[1] ?? "").replace("+xml", "").toUpperCase()}, ${bytes(media.bytes)}`],
  ];
  return (
    <div class="details">
      <section class="details-prompt" aria-labelledby="details-prompt">
        <div class="field-head">
          <h2 id="details-prompt">{words.asset.prompt}</h2>
          {asset.prompt && (
            <button
              type="button"
              class="button button-text button-small"
              onClick={async () => note((await copyText(asset.prompt ?? "")) ? words.common.copied : words.common.copyFailed)}
            >
              <Icon name="copy" />
              {words.asset.copyPrompt}
            </button>
          )}
        </div>
        <p class={asset.prompt ? "prompt-text" : "muted"}>{asset.prompt ?? words.asset.noPrompt}</p>
      </section>
      <section aria-labelledby="details-facts">
        <div class="field-head">
          <h2 id="details-facts">{words.asset.details}</h2>
          {asset.deleted_at === null && (
            <button type="button" class="button button-text button-small" onClick={() => setEditing(true)}>
              <Icon name="edit" />
              {words.asset.edit}
            </button>
          )}
        </div>
        <dl class="rows">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
          {asset.alt_text && (
            <div>
              <dt>{words.asset.altText}</dt>
              <dd>{asset.alt_text}</dd>
            </div>
          )}
        </dl>
        {asset.parent_id && (
          <p>
            <a href={`/library/${encodeURIComponent(asset.parent_id)}`}>{words.asset.from}</a>
          </p>
        )}
      </section>
      <ParameterList asset={asset} />
      {editing && <Editor asset={asset} onChange={onChange} onClose={() => setEditing(false)} />}
    </div>
  );
}

function ParameterList({ asset }: DetailsProps | { asset: Asset }) {
  const entries = Object.entries(asset.parameters);
  if (entries.length === 0) return null;
  const specs = modelById.value.get(asset.model)?.parameters ?? [];
  return (
    <section aria-labelledby="details-parameters">
      <h2 id="details-parameters">{words.asset.parameters}</h2>
      <dl class="rows">
        {entries.map(([name, value]) => {
          const spec = specs.find((p) => p.name === name);
          const option = spec?.options?.find((o) => o.value === value);
          return (
            <div key={name}>
              <dt>{spec?.label ?? name}</dt>
              <dd>{option?.label ?? parameterValue(value)}</dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

function Editor({ asset, onChange, onClose }: DetailsProps & { onClose: () => void }) {
  const [title, setTitle] = useState(asset.title ?? "");
  const [alt, setAlt] = useState(asset.alt_text ?? "");
  const form = useForm(["title", "alt_text"], async () => {
    const change: AssetChange = { title: title.trim() || null, alt_text: alt.trim() || null };
    onChange(await changeAsset(asset, change));
    note(words.asset.saved);
    onClose();
  });
  const { id, fields } = form;
  return (
    <FormDialog title={words.asset.edit} action={words.common.save} form={form} onClose={onClose}>
        <div class="field">
          <label for={`${id}-title`}>{words.asset.title}</label>
          <input
            id={`${id}-title`}
            type="text"
            class="entry"
            maxLength={200}
            placeholder={words.asset.titlePlaceholder}
            value={title}
            {...fields.title.attributes}
            onInput={(event) => setTitle(event.currentTarget.value)}
          />
          {fields.title.problem}
        </div>
        <div class="field">
          <label for={`${id}-alt`}>{words.asset.altText}</label>
          <textarea
            id={`${id}-alt`}
            rows={4}
            maxLength={1000}
            aria-describedby={`${id}-help`}
            placeholder={asset.prompt ?? ""}
            value={alt}
            {...fields.alt_text.attributes}
            onInput={(event) => setAlt(event.currentTarget.value)}
          />
          {fields.alt_text.problem ?? (
            <p id={`${id}-help`} class="hint">
              {words.asset.altHelp}
            </p>
          )}
        </div>
    </FormDialog>
  );
}
