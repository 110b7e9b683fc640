import { useState } from "preact/hooks";
import { send, serverNow } from "../api/client";
import type { SignedInSession } from "../api/types";
import { ago, date } from "../lib/format";
import { useListing } from "../lib/load";
import { withoutItem } from "../lib/pages";
import { note, noteFailure } from "../state/announce";
import { Confirm } from "../ui/confirm";
import { More } from "../ui/more";
import { words } from "../words";
import { Section } from "./section";

/** The browsers that are signed in, and the way to sign them out from here. */
export function Sessions() {
  const list = useListing<SignedInSession>("/sessions", (session) => session.id);
  const [asking, setAsking] = useState(false);
  const others = list.items.filter((session) => !session.current);
  const end = async (session: SignedInSession) => {
    try {
      await send("DELETE", `/sessions/${encodeURIComponent(session.id)}`);
      list.change((before) => withoutItem(before, session.id));
      note(words.settings.sessionEnded);
    } catch (failure) {
      noteFailure(failure);
    }
  };
  const endOthers = async () => {
    await send("DELETE", "/sessions");
    list.change((before) => before.filter((session) => session.current));
    note(words.settings.othersEnded);
    setAsking(false);
  };
  return (
    <Section
      title={words.settings.sessions}
      lead={words.settings.sessionsLead}
      action={
        others.length > 0 && (
          <button type="button" class="button button-small" onClick={() => setAsking(true)}>
            {words.settings.endOthers}
          </button>
        )
      }
    >
      {list.items.length > 0 && (
        <ul class="entries">
          {list.items.map((session) => (
            <li key={session.id} class="list-entry">
              <div class="list-entry-text">
                <strong>{session.agent}</strong>
                <span class="muted">
                  {words.settings.sessionFacts(ago(session.last_seen_at, serverNow()), date(session.created_at))}
                </span>
              </div>
              {session.current ? (
                <span class="badge">{words.settings.here}</span>
              ) : (
                <button
                  type="button"
                  class="button button-small"
                  aria-label={words.settings.endSessionOf(session.agent)}
                  onClick={() => void end(session)}
                >
                  {words.settings.endSession}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <More list={list} />
      {!list.loading && !list.problem && others.length === 0 && <p class="muted">{words.settings.noOthers}</p>}
      {asking && (
        <Confirm title={words.settings.endOthersTitle} action={words.settings.endOthers} onConfirm={endOthers} onClose={() => setAsking(false)}>
          <p>{words.settings.endOthersText(others.length)}</p>
        </Confirm>
      )}
    </Section>
  );
}
