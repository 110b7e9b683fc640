import type { Usage } from "../api/types";
import { words } from "../words";

const warnAtShare = 0.8;

export function isNearlyUsed(usage: Usage, limit: number): boolean {
  return limit > 0 && (usage.used + usage.reserved) / limit >= warnAtShare;
}

/** Used and reserved units as shares of the month's limit. */
export function UsageBar({ usage, limit }: { usage: Usage; limit: number }) {
  const share = (units: number) => `${limit > 0 ? Math.min(100, (units / limit) * 100) : 0}%`;
  const taken = usage.used + usage.reserved;
  return (
    <span
      class={isNearlyUsed(usage, limit) ? "bar bar-warn" : "bar"}
      role="meter"
      aria-label={words.account.month}
      aria-valuemin={0}
      aria-valuemax={Math.max(limit, taken)}
      aria-valuenow={taken}
      aria-valuetext={words.account.usage(taken, limit)}
    >
      <span class="bar-used" style={{ width: share(usage.used) }} />
      <span class="bar-reserved" style={{ width: share(usage.reserved) }} />
    </span>
  );
}
