// Plots as SVG, drawn with attributes only, in the pixels that there are. The
// months say in a sentence what they show and have their numbers in a table; the
// models' bars stand below names and numbers in plain text.

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { UsageMonth } from "../api/types";
import { count, money, month, shortMonth } from "../lib/format";
import { Section } from "../settings/section";
import { modelName } from "../state/models";
import { Icon } from "../ui/icons";
import { words } from "../words";
import { roundAbove } from "./months";

const height = 220;
const edge = { left: 40, right: 4, top: 20, bottom: 24 };
const broadestBar = 56;
const room = { label: 34, year: 48 };

/** The width of an element, also after it has changed. */
function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  useLayoutEffect(() => {
    const watched = element.current;
    if (!watched) return;
    setWidth(watched.clientWidth);
    const observer = new ResizeObserver(() => setWidth(watched.clientWidth));
    observer.observe(watched);
    return () => observer.disconnect();
  }, []);
  return { element, width };
}

/** Units charged a month, with the month's limit as a line where it is in sight. */
export function MonthPlot({ months, limit }: { months: UsageMonth[]; limit: number }) {
  const { element, width } = useWidth();
  const most = months.reduce((best, entry) => (entry.units > best.units ? entry : best));
  // A limit far above everything would press the bars flat.
  const limitInSight = limit > 0 && limit <= most.units * 4;
  const end = roundAbove(Math.max(most.units, limitInSight ? limit : 0));
  const inner = { width: Math.max(1, width - edge.left - edge.right), height: height - edge.top - edge.bottom };
  const y = (units: number) => edge.top + inner.height * (1 - units / end);
  const step = inner.width / months.length;
  const bar = Math.min(broadestBar, step * 0.64);
  const ticks = end >= 2 && Number.isInteger(end / 2) ? [0, end / 2, end] : [0, end];
  const labels = step < room.label ? "narrow" : step < room.year ? "short" : "year";
  const first = months[0];
  const last = months[months.length - 1];
  const title = first && last ? words.usage.historyPlot(month(first.month), month(last.month), most.units, month(most.month)) : "";
  return (
    <>
      <div ref={element}>
        <svg class="chart" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={title}>
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
                  <text class="chart-text chart-value" x={x} y={y(entry.units) - 5} text-anchor="middle">
                    {count(entry.units)}
                  </text>
                )}
                <text class="chart-text" x={x} y={height - 6} text-anchor="middle">
                  {shortMonth(entry.month, labels)}
                </text>
              </g>
            );
          })}
          {limitInSight && (
            <g>
              <line class="chart-limit" x1={edge.left} x2={width - edge.right} y1={y(limit)} y2={y(limit)} />
              <text class="chart-text chart-limit-text" x={edge.left + 4} y={y(limit) - 6}>
                {words.usage.limitLine(limit)}
              </text>
            </g>
          )}
        </svg>
      </div>
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

/** Units charged by model in one month, the most first. */
export function ModelPlot({ months }: { months: UsageMonth[] }) {
  const id = useId();
  const offered = [...months].reverse().filter((entry) => entry.units > 0);
  const [wanted, setWanted] = useState<string | null>(null);
  const shown = offered.find((entry) => entry.month === wanted) ?? offered[0];
  if (!shown) return null;
  const models = shown.models.filter((model) => model.units > 0);
  const most = Math.max(1, ...models.map((model) => model.units));
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
      <ul class="model-bars">
        {models.map((model) => (
          <li key={model.model}>
            <span class="model-bars-name">{modelName(model.model)}</span>
            <span class="muted">{money(model.spend)}</span>
            <span class="model-bars-units">{words.usage.unitsOf(model.units)}</span>
            <svg class="model-bars-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect class="chart-track" width={100} height={1} />
              <rect class="chart-bar" width={Math.max(1, (model.units / most) * 100)} height={1} />
            </svg>
          </li>
        ))}
      </ul>
      <p class="muted">{words.usage.spendTotal(money(shown.spend), shown.units)}</p>
    </Section>
  );
}
