import { useId, useState } from "preact/hooks";
import { send } from "../api/client";
import { leaveForGood, me } from "../state/session";
import { Confirm } from "../ui/confirm";
import { words } from "../words";
import { Section } from "./section";

/** The end of an account, with what goes and when, and its owner's e-mail as the second thought. */
export function DeleteAccount() {
  const id = useId();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const email = me.value?.email ?? "";
  const close = () => {
    setAsking(false);
    setTyped("");
  };
  const confirmed = email !== "" && typed.trim().toLowerCase() === email.toLowerCase();
  const remove = async () => {
    const { deletes_at: until } = await send<{ deletes_at: string }>("DELETE", "/me");
    await leaveForGood(`/goodbye?until=${encodeURIComponent(until)}`);
  };
  return (
    <Section title={words.settings.delete} lead={words.settings.deleteLead} danger>
      <div>
        <button type="button" class="button button-danger" onClick={() => setAsking(true)}>
          {words.settings.delete}
        </button>
      </div>
      {asking && (
        <Confirm
          title={words.settings.deleteTitle}
          action={words.settings.deleteNow}
          danger
          disabled={!confirmed}
          onConfirm={remove}
          onClose={close}
        >
          <div class="editor">
            <ul class="points">
              {words.settings.deleteGoes.map((point) => (
                <li key={point}>{point}</li>
              ))}
            </ul>
            <p class="muted">{words.settings.deleteExportFirst}</p>
            <div class="field">
              <label for={id} class="wrap">
                {words.settings.deleteConfirm(email)}
              </label>
              <input
                id={id}
                type="text"
                inputMode="email"
                class="entry"
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
                value={typed}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            </div>
          </div>
        </Confirm>
      )}
    </Section>
  );
}
