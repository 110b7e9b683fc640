import { useId, useState } from "preact/hooks";
import { Refused, send, serverNow } from "../api/client";
import { messagesFor } from "../api/problem";
import type { FieldProblem, MadeToken, NewToken, Scope, Token } from "../api/types";
import { noteFailure } from "../state/announce";
import { me } from "../state/session";
import { Dialog } from "../ui/dialog";
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
  const id = useId();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set(["read"]));
  const [days, setDays] = useState<number | null>(usualDays);
  const [errors, setErrors] = useState<FieldProblem[]>([]);
  const [busy, setBusy] = useState(false);
  const offered = (Object.keys(words.settings.scopeNames) as Scope[]).filter((scope) => scope !== "admin" || me.value?.role === "admin");
  const make = async () => {
    if (busy) return;
    setBusy(true);
    try {
      const body: NewToken = { name: name.trim(), scopes: offered.filter((scope) => scopes.has(scope)) };
      if (days !== null) body.expires_at = new Date(serverNow() + days * dayMs).toISOString();
      onMade(await send<MadeToken>("POST", "/tokens", body));
    } catch (failure) {
      setBusy(false);
      if (failure instanceof Refused && failure.problem.errors.length > 0) setErrors(failure.problem.errors);
      else noteFailure(failure);
    }
  };
  const complaint = (field: string) => messagesFor(errors, field)[0];
  const problem = (field: string) =>
    complaint(field) && (
      <p id={`${id}-${field}-problem`} class="hint hint-problem" role="alert">
        {complaint(field)}
      </p>
    );
  const marked = (field: string) => (complaint(field) ? { "aria-invalid": true, "aria-describedby": `${id}-${field}-problem` } : {});
  return (
    <Dialog
      title={words.settings.makeToken}
      size="small"
      onClose={onClose}
      footer={
        <>
          <button type="button" class="button" onClick={onClose}>
            {words.common.cancel}
          </button>
          <button type="submit" form={`${id}-form`} class="button button-primary" aria-disabled={busy}>
            {words.settings.make}
          </button>
        </>
      }
    >
      <form
        id={`${id}-form`}
        class="editor"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
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
            {...marked("name")}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          {problem("name")}
        </div>
        <fieldset class="field" aria-describedby={complaint("scopes") ? `${id}-scopes-problem` : undefined}>
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
          {problem("scopes")}
        </fieldset>
        <div class="field">
          <label for={`${id}-expires`}>{words.settings.expires}</label>
          <span class="select">
            <select
              id={`${id}-expires`}
              value={days === null ? "never" : String(days)}
              {...marked("expires_at")}
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
          {problem("expires_at")}
        </div>
      </form>
    </Dialog>
  );
}
