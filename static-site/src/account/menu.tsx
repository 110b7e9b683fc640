import { useId } from "preact/hooks";
import { noteFailure } from "../state/announce";
import { me, signOut } from "../state/session";
import { words } from "../words";
import { openShortcuts } from "./shortcuts";
import { UsageBar } from "./usage-bar";

function initialOf(name: string): string {
  return (Array.from(name.trim())[0] ?? "?").toLocaleUpperCase();
}

/** The avatar in the corner and what opens under it. */
export function AccountMenu() {
  const id = useId();
  const profile = me.value;
  if (!profile) return null;
  const name = profile.name ?? profile.email;
  // Only pictures of our own origin may be shown; others would tell a third
  // party who is looking.
  const picture = profile.picture?.startsWith("/") ? profile.picture : null;
  const close = () => document.getElementById(id)?.hidePopover();
  return (
    <div class="account">
      <button type="button" class="avatar" popovertarget={id} aria-label={words.account.menu(name)} aria-haspopup="dialog">
        {picture ? <img src={picture} alt="" width={36} height={36} /> : <span aria-hidden="true">{initialOf(name)}</span>}
      </button>
      <div id={id} popover="auto" class="account-menu" role="dialog" aria-label={words.account.menu(name)}>
        <div class="account-who">
          <strong>{name}</strong>
          {profile.name && <span class="muted">{profile.email}</span>}
        </div>
        <a class="account-usage" href="/usage" onClick={close}>
          <span class="account-usage-line">
            <span>{words.account.month}</span>
            <span>{words.account.usage(profile.usage.used + profile.usage.reserved, profile.limits.monthly)}</span>
          </span>
          <UsageBar usage={profile.usage} limit={profile.limits.monthly} />
        </a>
        <ul class="account-list">
          <li>
            <a href="/links" onClick={close}>
              {words.nav.links}
            </a>
          </li>
          <li>
            <a href="/usage" onClick={close}>
              {words.nav.usage}
            </a>
          </li>
          <li>
            <a href="/settings" onClick={close}>
              {words.nav.settings}
            </a>
          </li>
          <li>
            <button
              type="button"
              onClick={() => {
                close();
                openShortcuts();
              }}
            >
              {words.account.shortcuts}
            </button>
          </li>
          <li>
            <a href="/docs">{words.account.api}</a>
          </li>
          <li>
            <button type="button" onClick={() => void signOut().catch(noteFailure)}>
              {words.account.signOut}
            </button>
          </li>
        </ul>
      </div>
    </div>
  );
}
