import { useEffect, useState } from "preact/hooks";
import { Refused, get, query } from "../api/client";
import type { LedgerLine, Page, UsageMonth } from "../api/types";
import { count, dateTime, money, month } from "../lib/format";
import { failureText } from "../state/announce";
import { modelName } from "../state/models";
import { me, refreshMe } from "../state/session";
import { Icon } from "../ui/icons";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { UsageBar, isNearlyUsed } from "./usage-bar";

/** What this month has cost, the months before, and every line of the ledger. */
export function UsagePage() {
  useTitle(words.usage.title);
  useEffect(() => {
    void refreshMe();
  }, []);
  const profile = me.value;
  if (!profile) return null;
  const { usage, limits } = profile;
  const figures = [
    { label: words.usage.used, value: usage.used },
    { label: words.usage.reserved, value: usage.reserved },
    { label: words.usage.remaining, value: usage.remaining },
  ];
  return (
    <div class="usage">
      <h1 tabIndex={-1}>{words.usage.title}</h1>
      <section class="panel" aria-labelledby="usage-month">
        <h2 id="usage-month">{month(usage.month)}</h2>
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
          <p class="hint hint-warn">
            <Icon name="alert" /> {words.usage.over80}
          </p>
        )}
        <p class="muted">{words.usage.explanation}</p>
      </section>
      <section class="panel" aria-labelledby="usage-limits">
        <h2 id="usage-limits">{words.usage.limits}</h2>
        <dl class="rows">
          {(["monthly", "daily", "hourly", "concurrent", "concurrent_videos"] as const).map((name) => (
            <div key={name}>
              <dt>{words.usage[name]}</dt>
              <dd>{count(limits[name])}</dd>
            </div>
          ))}
        </dl>
      </section>
      <Months />
      <Ledger />
    </div>
  );
}

function Months() {
  const [months, setMonths] = useState<UsageMonth[]>([]);
  useEffect(() => {
    const end = new AbortController();
    // A history that can't be read is left out: the figures above are complete.
    get<Page<UsageMonth>>("/usage", end.signal).then(
      (page) => setMonths(page.items),
      () => undefined,
    );
    return () => end.abort();
  }, []);
  if (months.length === 0) return null;
  const most = Math.max(...months.map((m) => m.units), 1);
  return (
    <section class="panel" aria-labelledby="usage-history">
      <h2 id="usage-history">{words.usage.history}</h2>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{words.usage.month}</th>
            <th scope="col" class="number">
              {words.usage.units}
            </th>
            <th scope="col" class="number">
              {words.usage.spend}
            </th>
            <th scope="col">{words.usage.byModel}</th>
          </tr>
        </thead>
        <tbody>
          {months.map((entry) => (
            <tr key={entry.month}>
              <th scope="row">
                {month(entry.month)}
                <span class="plot" style={{ "--share": String(entry.units / most) }} aria-hidden="true" />
              </th>
              <td class="number">{count(entry.units)}</td>
              <td class="number">{money(entry.spend)}</td>
              <td class="muted">
                {entry.models.map((m) => `${modelName(m.model)} ${count(m.units)}`).join(", ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Ledger() {
  const [lines, setLines] = useState<LedgerLine[]>([]);
  const [cursor, setCursor] = useState<string | null | undefined>(undefined);
  const [problem, setProblem] = useState<string | null>(null);
  const [missing, setMissing] = useState(false);
  const read = async (from: string | null) => {
    setProblem(null);
    try {
      const page = await get<Page<LedgerLine>>(`/ledger${query({ limit: 50, cursor: from })}`);
      setLines((before) => (from === null ? page.items : [...before, ...page.items]));
      setCursor(page.next_cursor);
    } catch (failure) {
      if (failure instanceof Refused && failure.status === 404) setMissing(true);
      else setProblem(failureText(failure));
    }
  };
  useEffect(() => {
    void read(null);
  }, []);
  if (missing) return null;
  return (
    <section class="panel" aria-labelledby="usage-ledger">
      <h2 id="usage-ledger">{words.usage.ledger}</h2>
      <p class="muted">{cursor === null && lines.length === 0 ? words.usage.noLedger : words.usage.ledgerLead}</p>
      {lines.length > 0 && (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">{words.usage.when}</th>
              <th scope="col">{words.usage.what}</th>
              <th scope="col" class="number">
                {words.usage.units}
              </th>
              <th scope="col" class="number">
                {words.usage.price}
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line, index) => (
              <tr key={`${line.generation_id}-${line.kind}-${index}`}>
                <td>
                  <time dateTime={line.at}>{dateTime(line.at)}</time>
                </td>
                <td>
                  <span class={`ledger ledger-${line.kind}`}>{words.usage.kinds[line.kind]}</span>
                  {line.reason && <span class="muted"> {line.reason}</span>}
                </td>
                <td class="number">{count(line.units)}</td>
                <td class="number">{money(line.price)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {problem && (
        <p class="hint hint-problem" role="alert">
          {problem}
        </p>
      )}
      {(typeof cursor === "string" || problem) && (
        <button type="button" class="button" onClick={() => void read(cursor ?? null)}>
          {problem ? words.common.retry : words.common.more}
        </button>
      )}
    </section>
  );
}
