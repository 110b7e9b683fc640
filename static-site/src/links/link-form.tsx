import { useState } from "preact/hooks";
import { send, serverNow } from "../api/client";
import type { Link, LinkChange, NewLink } from "../api/types";
import { dateTime } from "../lib/format";
import { FormDialog, useForm } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { words } from "../words";

interface LinkFormProps {
  /** The link to change; a new one without it. */
  link?: Link;
  /** What a new link shows. */
  assetId: string;
  onDone: (link: Link) => void;
  onClose: () => void;
}

/** How long a link lives from now, in hours. */
const lives = [1, 24, 24 * 7, 24 * 30];

type Expiry = "keep" | "never" | number;

/** Every choice about a link. */
export function LinkForm({ link, assetId, onDone, onClose }: LinkFormProps) {
  const [opens, setOpens] = useState<Link["opens"]>("page");
  const [expiry, setExpiry] = useState<Expiry>(link?.expires_at ? "keep" : "never");
  const [views, setViews] = useState(link?.max_views ? String(link.max_views) : "");
  const [locked, setLocked] = useState(link?.has_password ?? false);
  const [password, setPassword] = useState("");
  const [slug, setSlug] = useState("");
  const [text, setText] = useState(link?.note ?? "");

  const expiresAt = typeof expiry === "number" ? new Date(serverNow() + expiry * 3_600_000).toISOString() : null;
  const form = useForm(["expires_at", "max_views", "password", "slug", "note"], async () => {
    if (link) {
      const change: LinkChange = { max_views: views === "" ? null : Number(views), note: text };
      if (expiry !== "keep") change.expires_at = expiresAt;
      if (!locked) change.password = null;
      else if (password !== "" || !link.has_password) change.password = password;
      onDone(await send<Link>("PATCH", `/links/${encodeURIComponent(link.key)}`, change));
    } else {
      const request: NewLink = { asset_id: assetId, opens };
      if (expiresAt) request.expires_at = expiresAt;
      if (views !== "") request.max_views = Number(views);
      if (locked) request.password = password;
      if (slug.trim() !== "") request.slug = slug.trim();
      if (text.trim() !== "") request.note = text.trim();
      onDone(await send<Link>("POST", "/links", request));
    }
  });
  const { id, fields } = form;
  return (
    <FormDialog
      title={link ? words.links.change : words.links.make}
      action={link ? words.common.save : words.share.create}
      form={form}
      onClose={onClose}
    >
        {!link && (
          <fieldset class="field">
            <legend>{words.links.opens}</legend>
            <div class="steps">
              {(["page", "file"] as const).map((choice) => (
                <label key={choice} class="step">
                  <input type="radio" name={`${id}-opens`} checked={opens === choice} onChange={() => setOpens(choice)} />
                  <span>{words.links.opensNames[choice]}</span>
                </label>
              ))}
            </div>
          </fieldset>
        )}
        <div class="field">
          <label for={`${id}-expires`}>{words.links.expires}</label>
          <span class="select">
            <select
              id={`${id}-expires`}
              value={String(expiry)}
              {...fields.expires_at.attributes}
              onChange={(event) => {
                const { value } = event.currentTarget;
                setExpiry(value === "keep" || value === "never" ? value : Number(value));
              }}
            >
              {link?.expires_at && <option value="keep">{words.share.expires(dateTime(link.expires_at))}</option>}
              <option value="never">{words.links.never}</option>
              {lives.map((hours) => (
                <option key={hours} value={hours}>
                  {words.links.after(hours)}
                </option>
              ))}
            </select>
            <Icon name="chevron" />
          </span>
          {fields.expires_at.problem}
        </div>
        <div class="field">
          <label for={`${id}-views`}>{words.links.maxViews}</label>
          <input
            id={`${id}-views`}
            type="number"
            class="entry"
            min={1}
            max={1_000_000}
            step={1}
            inputMode="numeric"
            placeholder={words.links.noMaxViews}
            value={views}
            {...fields.max_views.attributes}
            onInput={(event) => setViews(event.currentTarget.value)}
          />
          {fields.max_views.problem}
        </div>
        <div class="field">
          <label class="switch-row">
            <span>{words.links.askPassword}</span>
            <input type="checkbox" role="switch" class="switch" checked={locked} onChange={(event) => setLocked(event.currentTarget.checked)} />
          </label>
          {locked && (
            <input
              type="password"
              class="entry"
              aria-label={words.links.password}
              placeholder={link?.has_password ? words.links.keepPassword : words.links.password}
              autocomplete="new-password"
              required={!link?.has_password}
              minLength={4}
              maxLength={128}
              value={password}
              {...fields.password.attributes}
              onInput={(event) => setPassword(event.currentTarget.value)}
            />
          )}
          {fields.password.problem}
        </div>
        {!link && (
          <div class="field">
            <label for={`${id}-slug`}>
              {words.links.slug} <span class="field-optional">{words.common.optional}</span>
            </label>
            <input
              id={`${id}-slug`}
              type="text"
              class="entry"
              minLength={4}
              maxLength={40}
              pattern="[a-z0-9][a-z0-9\-]{2,38}[a-z0-9]"
              title={words.links.slugRule}
              placeholder={words.links.slugPlaceholder}
              autocapitalize="none"
              spellcheck={false}
              value={slug}
              {...fields.slug.attributes}
              onInput={(event) => setSlug(event.currentTarget.value)}
            />
            {fields.slug.problem ?? <p class="hint">{words.links.slugRule}</p>}
          </div>
        )}
        <div class="field">
          <label for={`${id}-note`}>
            {words.links.note} <span class="field-optional">{words.links.noteOnly}</span>
          </label>
          <input
            id={`${id}-note`}
            type="text"
            class="entry"
            maxLength={200}
            value={text}
            {...fields.note.attributes}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          {fields.note.problem}
        </div>
    </FormDialog>
  );
}
