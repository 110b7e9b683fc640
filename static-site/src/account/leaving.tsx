import { useState } from "preact/hooks";
import { send } from "../api/client";
import { dateTime } from "../lib/format";
import { navigate, place } from "../router";
import { note, noteFailure } from "../state/announce";
import { refreshMe, signOut } from "../state/session";
import { Empty } from "../ui/empty";
import { useTitle } from "../ui/title";
import { words } from "../words";

/** All that someone sees whose account is about to be deleted: the way back, or out. */
export function Deleting({ until }: { until: string | null }) {
  const [busy, setBusy] = useState(false);
  const title = words.deleting.title(until === null ? null : dateTime(until));
  useTitle(words.settings.delete);
  const keep = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await send("POST", "/me/restore");
      await refreshMe();
      navigate("/studio", { replace: true });
      note(words.deleting.kept);
    } catch (failure) {
      noteFailure(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="page-center">
      <Empty level={1} icon="restore" title={title} text={words.deleting.text}>
        <button type="button" class="button button-primary" aria-disabled={busy} onClick={() => void keep()}>
          {words.deleting.keep}
        </button>
        <button type="button" class="button" onClick={() => void signOut().catch(noteFailure)}>
          {words.account.signOut}
        </button>
      </Empty>
    </main>
  );
}

/** What stands there after the account was deleted and its owner signed out. */
export function Goodbye() {
  useTitle(words.settings.delete);
  const until = place.value.query.get("until") ?? "";
  const known = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(until) && !Number.isNaN(Date.parse(until));
  return (
    <main class="page-center">
      <Empty
        level={1}
        icon="check"
        title={words.deleting.goodbyeTitle}
        text={words.deleting.goodbyeText(known ? dateTime(until) : null)}
      >
        <a class="button button-primary" href="/auth/login?next=%2Fstudio">
          {words.deleting.goodbyeBack}
        </a>
        <a class="button" href="/">
          {words.front.home}
        </a>
      </Empty>
    </main>
  );
}
