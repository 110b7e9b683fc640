import { useId, useState } from "preact/hooks";
import type { LedgerLine } from "../api/types";
import { count, dateTime, money } from "../lib/format";
import { useListing } from "../lib/load";
import { Section } from "../settings/section";
import { More } from "../ui/more";
import { words } from "../words";

type Kind = LedgerLine["kind"];

const kinds: (Kind | null)[] = [null, "reserved", "charged", "returned"];

// The outputs of one request may settle in the same moment, each with a line of its own.
const keyOf = (line: LedgerLine) => `${line.at} ${line.generation_id} ${line.kind} ${line.reason}`;

/** Every line of the ledger, newest first. */
export function Ledger() {
  const id = useId();
  const [kind, setKind] = useState<Kind | null>(null);
  const list = useListing<LedgerLine>("/ledger", keyOf, 100);
  const shown = kind === null ? list.items : list.items.filter((line) => line.kind === kind);
  const empty = !list.loading && !list.problem && shown.length === 0;
  return (
    <Section title={words.usage.ledger} lead={words.usage.ledgerLead}>
      <fieldset class="chips chips-wrap">
        <legend class="visually-hidden">{words.usage.kindLabel}</legend>
        {kinds.map((choice) => (
          <label key={choice ?? "all"} class="chip">
            <input type="radio" name={id} checked={choice === kind} onChange={() => setKind(choice)} />
            <span>{choice === null ? words.usage.all : words.usage.kinds[choice]}</span>
          </label>
        ))}
      </fieldset>
      {shown.length > 0 && (
        <table class="table table-stacked">
          <thead>
            <tr>
              <th scope="col">{words.usage.when}</th>
              <th scope="col">{words.usage.what}</th>
              <th scope="col">{words.usage.why}</th>
              <th scope="col" class="number">
                {words.usage.units}
              </th>
              <th scope="col" class="number">
                {words.usage.price}
              </th>
              <td />
            </tr>
          </thead>
          <tbody>
            {shown.map((line) => (
              <Line key={keyOf(line)} line={line} />
            ))}
          </tbody>
        </table>
      )}
      {empty && <p class="muted">{kind === null ? words.usage.noLedger : words.usage.noMatch}</p>}
      <More list={list} />
    </Section>
  );
}

function Line({ line }: { line: LedgerLine }) {
  return (
    <tr>
      <td class="cell-when">
        <time dateTime={line.at}>{dateTime(line.at)}</time>
      </td>
      <td class="cell-what">
        <span class={`ledger ledger-${line.kind}`}>{words.usage.kinds[line.kind]}</span>
      </td>
      <td class="cell-why muted">{line.reason}</td>
      <td class="number cell-units">{count(line.units)}</td>
      <td class="number cell-price">{money(line.price)}</td>
      <td class="cell-open">
        <a href={`/generations/${encodeURIComponent(line.generation_id)}`} aria-label={words.usage.openLabel(dateTime(line.at))}>
          {words.usage.open}
        </a>
      </td>
    </tr>
  );
}
