import { useState } from "preact/hooks";
import { get } from "../api/client";
import { noteFailure } from "../state/announce";
import { Secret } from "../ui/secret";
import { words } from "../words";
import { Section } from "./section";

/** What our calls to the person's own addresses are signed with; fetched when it is asked for. */
export function WebhookSecret() {
  const [secret, setSecret] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const toggle = async () => {
    if (busy) return;
    if (secret !== null) {
      setSecret(null);
      return;
    }
    setBusy(true);
    try {
      setSecret((await get<{ secret: string }>("/me/webhook-secret")).secret);
    } catch (failure) {
      noteFailure(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Section
      title={words.settings.webhooks}
      lead={
        <>
          {words.settings.webhooksLead} <a href="/docs">{words.settings.webhooksDocs}</a>
        </>
      }
      action={
        <button type="button" class="button button-small" aria-expanded={secret !== null} aria-disabled={busy} onClick={() => void toggle()}>
          {secret === null ? words.settings.show : words.settings.hide}
          <span class="visually-hidden"> {words.settings.webhooks}</span>
        </button>
      }
    >
      {secret !== null && <Secret label={words.settings.webhooks} value={secret} />}
    </Section>
  );
}
