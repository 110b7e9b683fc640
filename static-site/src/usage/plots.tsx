// Plots as SVG, drawn with attributes only. Each says what it shows in a
// sentence, and has its numbers in a table below it.

import { useId, useState } from "preact/hooks";
import type { UsageMonth } from "../api/types";
import { count, money, month, shortMonth } from "../lib/format";
import { Section } from "../settings/section";
import { modelName } from "../state/models";
import { Icon } from "../ui/icons";
import { words } from "../words";
import { roundAbove } from "./months";

const width = 640;
const height = 220;
const edge = { left: 44, right: 8, top: 14, bottom: 26 };
const broadestBar = 56;

/** Units charged a month, with the month's limit as a line where it is in sight. */
export function MonthPlot({ months, limit }: { months: UsageMonth[]; limit: number }) {
  const most = months.reduce((best, entry) => (entry.units > best.units ? entry : best));
  // A limit far above everything would press the bars flat.
  const limitInSight = limit > 0 && limit <= most.units * 4;
  const end = roundAbove(Math.max(most.units, limitInSight ? limit : 0));
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  const y = (units: number) => edge.top + inner.height * (1 - units / end);
  const step = inner.width / months.length;
  const bar = Math.min(broadestBar, step * 0.64);
  const ticks = end >= 2 && Number.isInteger(end / 2) ? [0, end / 2, end] : [0, end];
  const first = months[0];
  const last = months[months.length - 1];
  const title = first && last ? words.usage.historyPlot(month(first.month), month(last.month), most.units, month(most.month)) : "";
  return (
    <>
      <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={title}>
        {ticks.map((tick) => (
          <g key={tick}>
            <line class="chart-grid" x1={edge.left} x2={width - edge.right} y1={y(tick)} y2={y(tick)} />
            <text class="chart-text" x={edge.left - 8} y={y(tick) + 4} text-anchor="end">
              {count(tick)}
            </text>
          </g>
        ))}
        {months.map((entry, index) => {
          const x = edge.left + step * (index + 0.5);
          return (
            <g key={entry.month}>
              <title>{words.usage.modelUnits(month(entry.month), entry.units)}</title>
              <rect class="chart-bar" x={x - bar / 2} y={y(entry.units)} width={bar} height={y(0) - y(entry.units)} rx={Math.min(4, bar / 4)} />
              {entry.units > 0 && (
                <text class="chart-text chart-value" x={x} y={y(entry.units) - 4} text-anchor="middle">
                  {count(entry.units)}
                </text>
              )}
              <text class="chart-text" x={x} y={height - 8} text-anchor="middle">
                {shortMonth(entry.month)}
              </text>
            </g>
          );
        })}
        {limitInSight && (
          <g>
            <line class="chart-limit" x1={edge.left} x2={width - edge.right} y1={y(limit)} y2={y(limit)} />
            <text class="chart-text chart-limit-text" x={width - edge.right} y={y(limit) - 4} text-anchor="end">
              {words.usage.limitLine(limit)}
            </text>
          </g>
        )}
      </svg>
      <details class="numbers">
        <summary>{words.usage.asTable}</summary>
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
            </tr>
          </thead>
          <tbody>
            {[...months].reverse().map((entry) => (
              <tr key={entry.month}>
                <th scope="row">{month(entry.month)}</th>
                <td class="number">{count(entry.units)}</td>
                <td class="number">{money(entry.spend)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

const row = 34;
const track = { x: 0, width: 640 };

/** Units charged by model in one month, the most first. */
export function ModelPlot({ months }: { months: UsageMonth[] }) {
  const id = useId();
  const offered = [...months].reverse().filter((entry) => entry.units > 0);
  const [wanted, setWanted] = useState<string | null>(null);
  const shown = offered.find((entry) => entry.month === wanted) ?? offered[0];
  if (!shown) return null;
  const models = shown.models.filter((model) => model.units > 0);
  const most = Math.max(1, ...models.map((model) => model.units));
  const list = models.map((model) => words.usage.modelUnits(modelName(model.model), model.units)).join(", ");
  return (
    <Section
      title={words.usage.byModel}
      action={
        <span class="select select-small">
          <select id={id} aria-label={words.usage.month} value={shown.month} onChange={(event) => setWanted(event.currentTarget.value)}>
            {offered.map((entry) => (
              <option key={entry.month} value={entry.month}>
                {month(entry.month)}
              </option>
            ))}
          </select>
          <Icon name="chevron" />
        </span>
      }
    >
      <svg class="chart" viewBox={`0 0 ${width} ${models.length * row}`} role="img" aria-label={words.usage.byModelPlot(month(shown.month), list)}>
        {models.map((model, index) => (
          <g key={model.model}>
            <text class="chart-text chart-name" x={track.x} y={index * row + 13}>
              {modelName(model.model)}
            </text>
            <text class="chart-text chart-value" x={track.width} y={index * row + 13} text-anchor="end">
              {count(model.units)}
            </text>
            <rect class="chart-track" x={track.x} y={index * row + 19} width={track.width} height={7} rx={3.5} />
            <rect class="chart-bar" x={track.x} y={index * row + 19} width={Math.max(7, (model.units / most) * track.width)} height={7} rx={3.5} />
          </g>
        ))}
      </svg>
      <p class="muted">{words.usage.spendTotal(money(shown.spend), shown.units)}</p>
      <details class="numbers">
        <summary>{words.usage.asTable}</summary>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">{words.usage.model}</th>
              <th scope="col" class="number">
                {words.usage.units}
              </th>
              <th scope="col" class="number">
                {words.usage.spend}
              </th>
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <tr key={model.model}>
                <th scope="row">{modelName(model.model)}</th>
                <td class="number">{count(model.units)}</td>
                <td class="number">{money(model.spend)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </Section>
  );
}
