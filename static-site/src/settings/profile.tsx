import { useState } from "preact/hooks";
import { date, dateTime } from "../lib/format";
import { note } from "../state/announce";
import { askToNotify, canNotify, notifying, stopNotifying } from "../state/notify";
import { me } from "../state/session";
import { words } from "../words";
import { Section } from "./section";

/** Who this is, as far as the sign-in provider says, and what this browser may do. */
export function Profile() {
  const profile = me.value;
  if (!profile) return null;
  const { settings } = words;
  const rows = [
    [settings.name, profile.name],
    [settings.email, profile.email],
    [settings.role, settings.roles[profile.role]],
    [settings.since, date(profile.created_at)],
    [settings.lastSignIn, dateTime(profile.last_sign_in_at)],
  ];
  return (
    <Section title={settings.profile} lead={settings.profileLead}>
      <dl class="rows">
        {rows.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {canNotify && <Notify />}
    </Section>
  );
}

function Notify() {
  const [asking, setAsking] = useState(false);
  const change = async (on: boolean) => {
    if (!on) {
      stopNotifying();
      return;
    }
    setAsking(true);
    const allowed = await askToNotify();
    setAsking(false);
    if (!allowed) note(words.settings.notifyRefused, { tone: "problem" });
  };
  return (
    <label class="switch-row">
      <span>{words.settings.notify}</span>
      <input
        type="checkbox"
        role="switch"
        class="switch"
        checked={notifying.value || asking}
        onChange={(event) => void change(event.currentTarget.checked)}
      />
    </label>
  );
}
