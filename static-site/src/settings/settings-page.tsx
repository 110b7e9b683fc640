import { useEffect } from "preact/hooks";
import { refreshMe } from "../state/session";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { DeleteAccount } from "./delete-account";
import { Exports } from "./exports";
import { Profile } from "./profile";
import { Sessions } from "./sessions";
import { Tokens } from "./tokens";
import { WebhookSecret } from "./webhook-secret";

/** Everything about the account itself. */
export function SettingsPage() {
  useTitle(words.settings.title);
  useEffect(() => {
    void refreshMe();
  }, []);
  return (
    <div class="prefs">
      <h1 tabIndex={-1}>{words.settings.title}</h1>
      <Profile />
      <Sessions />
      <Tokens />
      <WebhookSecret />
      <Exports />
      <DeleteAccount />
    </div>
  );
}
