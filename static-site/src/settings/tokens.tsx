import { useState } from "preact/hooks";
import { send, serverNow } from "../api/client";
import type { Token } from "../api/types";
import { ago, date } from "../lib/format";
import { useListing } from "../lib/load";
import { withoutItem } from "../lib/pages";
import { note } from "../state/announce";
import { Confirm } from "../ui/confirm";
import { More } from "../ui/more";
import { words } from "../words";
import { Section } from "./section";
import { TokenForm } from "./token-form";

/** The keys of programs that act in one's name. */
export function Tokens() {
  const list = useListing<Token>("/tokens", (token) => token.id);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const revoke = async (token: Token) => {
    await send("DELETE", `/tokens/${encodeURIComponent(token.id)}`);
    list.change((before) => withoutItem(before, token.id));
    note(words.settings.revoked);
    setRevoking(null);
  };
  return (
    <Section
      title={words.settings.tokens}
      lead={
        <>
          {words.settings.tokensLead} <a href="/docs">{words.settings.apiDocs}</a>
        </>
      }
      action={
        <button type="button" class="button button-small" onClick={() => setMaking(true)}>
          {words.settings.makeToken}
        </button>
      }
    >
      {list.items.length > 0 && (
        <ul class="entries">
          {list.items.map((token) => (
            <TokenRow key={token.id} token={token} onRevoke={() => setRevoking(token)} />
          ))}
        </ul>
      )}
      <More list={list} />
      {!list.loading && !list.problem && list.items.length === 0 && <p class="muted">{words.settings.noTokens}</p>}
      {making && <TokenForm onMade={(token) => list.change((before) => [token, ...before])} onClose={() => setMaking(false)} />}
      {revoking && (
        <Confirm
          title={words.settings.revokeTitle}
          action={words.settings.revoke}
          danger
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(null)}
        >
          <p class="wrap">{words.settings.revokeText(revoking.name)}</p>
        </Confirm>
      )}
    </Section>
  );
}

function TokenRow({ token, onRevoke }: { token: Token; onRevoke: () => void }) {
  const { settings } = words;
  const { expires_at: expires, last_used_at: used } = token;
  const expired = expires !== null && Date.parse(expires) <= serverNow();
  const facts = [
    expired ? settings.tokenExpired(date(expires)) : settings.tokenExpires(expires === null ? null : date(expires)),
    settings.tokenUsed(used === null ? null : ago(used, serverNow())),
    settings.tokenCreated(date(token.created_at)),
  ];
  return (
    <li class="list-entry">
      <div class="list-entry-text">
        <strong>{token.name}</strong>
        <span class="badges">
          {token.scopes.map((scope) => (
            <span key={scope} class="badge badge-plain" title={settings.scopeNames[scope]}>
              {scope}
            </span>
          ))}
        </span>
        <span class={expired ? "hint-problem" : "muted"}>{facts.join(" · ")}</span>
      </div>
      <button type="button" class="button button-small" aria-label={settings.revokeNamed(token.name)} onClick={onRevoke}>
        {settings.revoke}
      </button>
    </li>
  );
}
