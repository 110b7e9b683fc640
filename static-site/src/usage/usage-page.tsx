import { useEffect } from "preact/hooks";
import { UsageBar, isNearlyUsed } from "../account/usage-bar";
import type { UsageMonth } from "../api/types";
import { count, month } from "../lib/format";
import { useListing } from "../lib/load";
import { Section } from "../settings/section";
import { me, refreshMe } from "../state/session";
import { Icon } from "../ui/icons";
import { More } from "../ui/more";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { Ledger } from "./ledger";
import { Limits } from "./limits";
import { ModelPlot, MonthPlot } from "./plots";
import { monthsOf } from "./months";

/** What this month has cost, the months before, and every line of the ledger. */
export function UsagePage() {
  useTitle(words.usage.title);
  useEffect(() => {
    void refreshMe();
  }, []);
  if (!me.value) return null;
  return (
    <div class="usage">
      <h1 tabIndex={-1}>{words.usage.title}</h1>
      <ThisMonth />
      <Limits />
      <Months />
      <Ledger />
    </div>
  );
}

function ThisMonth() {
  const profile = me.value;
  if (!profile) return null;
  const { usage, limits } = profile;
  const taken = usage.used + usage.reserved;
  const figures = [
    { label: words.usage.used, value: usage.used },
    { label: words.usage.reserved, value: usage.reserved },
    { label: words.usage.remaining, value: usage.remaining },
  ];
  return (
    <Section title={month(usage.month)}>
      <dl class="figures">
        {figures.map((figure) => (
          <div key={figure.label}>
            <dt>{figure.label}</dt>
            <dd>{count(figure.value)}</dd>
          </div>
        ))}
      </dl>
      <UsageBar usage={usage} limit={limits.monthly} />
      {isNearlyUsed(usage, limits.monthly) && (
        <p class="hint hint-warn" role="status">
          <Icon name="alert" />
          {usage.remaining === 0 ? words.usage.exhausted : words.usage.nearly(Math.floor((taken / limits.monthly) * 100))}
        </p>
      )}
      <p class="muted">{words.usage.explanation}</p>
    </Section>
  );
}

const shownMonths = 12;

function Months() {
  const list = useListing<UsageMonth>("/usage", (entry) => entry.month, shownMonths);
  const months = monthsOf(list.items, me.value?.usage.month ?? "", shownMonths);
  return (
    <>
      <Section title={words.usage.history}>
        {months.length > 0 && <MonthPlot months={months} limit={me.value?.limits.monthly ?? 0} />}
        {!list.loading && !list.problem && months.length === 0 && <p class="muted">{words.usage.noHistory}</p>}
        <More list={{ ...list, more: false }} />
      </Section>
      {months.length > 0 && <ModelPlot months={months} />}
    </>
  );
}
