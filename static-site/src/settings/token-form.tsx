import { useState } from "preact/hooks";
import { send, serverNow } from "../api/client";
import type { MadeToken, NewToken, Scope, Token } from "../api/types";
import { me } from "../state/session";
import { Dialog } from "../ui/dialog";
import { FormDialog, useForm } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { Secret } from "../ui/secret";
import { words } from "../words";

interface TokenFormProps {
  onMade: (token: Token) => void;
  onClose: () => void;
}

const lifeDays = [7, 30, 90, 365];
const usualDays = 90;
const dayMs = 86_400_000;

/** Makes a token, then shows its secret once. */
export function TokenForm({ onMade, onClose }: TokenFormProps) {
  const [made, setMade] = useState<MadeToken | null>(null);
  if (made) {
    return (
      <Dialog
        title={words.settings.madeTitle}
        size="small"
        steady
        onClose={onClose}
        footer={
          <button type="button" class="button button-primary" onClick={onClose}>
            {words.settings.done}
          </button>
        }
      >
        <div class="editor">
          <p class="hint hint-warn">
            <Icon name="alert" /> {words.settings.madeWarning}
          </p>
          <Secret label={words.settings.secret} value={made.token} />
        </div>
      </Dialog>
    );
  }
  return (
    <Choices
      onClose={onClose}
      onMade={(answer) => {
        const { token: _secret, ...listed } = answer;
        onMade(listed);
        setMade(answer);
      }}
    />
  );
}

function Choices({ onMade, onClose }: { onMade: (made: MadeToken) => void; onClose: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set(["read"]));
  const [days, setDays] = useState<number | null>(usualDays);
  const offered = (Object.keys(words.settings.scopeNames) as Scope[]).filter((scope) => scope !== "admin" || me.value?.role === "admin");
  const form = useForm(["name", "scopes", "expires_at"], async () => {
    const body: NewToken = { name: name.trim(), scopes: offered.filter((scope) => scopes.has(scope)) };
    if (days !== null) body.expires_at = new Date(serverNow() + days * dayMs).toISOString();
    onMade(await send<MadeToken>("POST", "/tokens", body));
  });
  const { id, fields } = form;
  return (
    <FormDialog title={words.settings.makeToken} action={words.settings.make} form={form} unchecked onClose={onClose}>
        <div class="field">
          <label for={`${id}-name`}>{words.settings.tokenName}</label>
          <input
            id={`${id}-name`}
            type="text"
            class="entry"
            maxLength={60}
            autocomplete="off"
            placeholder={words.settings.tokenNamePlaceholder}
            value={name}
            {...fields.name.attributes}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          {fields.name.problem}
        </div>
        <fieldset class="field" aria-describedby={fields.scopes.attributes["aria-describedby"]}>
          <legend>{words.settings.scopes}</legend>
          {offered.map((scope) => (
            <div key={scope} class="check-row">
              <input
                id={`${id}-${scope}`}
                type="checkbox"
                class="check"
                checked={scopes.has(scope)}
                onChange={(event) => {
                  const next = new Set(scopes);
                  if (event.currentTarget.checked) next.add(scope);
                  else next.delete(scope);
                  setScopes(next);
                }}
              />
              <label for={`${id}-${scope}`} class="check-label">
                {words.settings.scopeNames[scope]}
              </label>
            </div>
          ))}
          {fields.scopes.problem}
        </fieldset>
        <div class="field">
          <label for={`${id}-expires`}>{words.settings.expires}</label>
          <span class="select">
            <select
              id={`${id}-expires`}
              value={days === null ? "never" : String(days)}
              {...fields.expires_at.attributes}
              onChange={(event) => setDays(event.currentTarget.value === "never" ? null : Number(event.currentTarget.value))}
            >
              {lifeDays.map((n) => (
                <option key={n} value={n}>
                  {words.settings.afterDays(n)}
                </option>
              ))}
              <option value="never">{words.settings.never}</option>
            </select>
            <Icon name="chevron" />
          </span>
          {fields.expires_at.problem}
        </div>
    </FormDialog>
  );
}
