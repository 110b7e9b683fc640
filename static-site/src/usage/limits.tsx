import { rateLimits } from "../api/client";
import { count, moment } from "../lib/format";
import { generations, isOver } from "../state/generations";
import { me } from "../state/session";
import { Section } from "../settings/section";
import { words } from "../words";

/** When the month of `2026-11` is over, in UTC. */
function endOf(month: string): number {
  const [year, number] = month.split("-").map(Number);
  return Date.UTC(year ?? 0, number ?? 1, 1);
}

/** Every limit with what is left of it and when it starts anew. */
export function Limits() {
  const profile = me.value;
  if (!profile) return null;
  const { limits, usage } = profile;
  const told = rateLimits.value;
  const under = generations.value.filter((g) => !isOver(g)).reduce((sum, g) => sum + Math.max(0, g.outputs - g.assets.length), 0);
  const counted = (name: "monthly" | "daily" | "hourly") => {
    const limit = told[name];
    const resetsAt = limit?.resetsAt ?? null;
    const now = Date.now();
    const resets = resetsAt !== null && resetsAt > now ? resetsAt : name === "monthly" ? endOf(usage.month) : null;
    return {
      name,
      left: limit?.remaining ?? (name === "monthly" ? usage.remaining : null),
      resets: resets === null ? null : moment(resets, now),
    };
  };
  const rows = [
    counted("monthly"),
    counted("daily"),
    counted("hourly"),
    { name: "concurrent" as const, left: Math.max(0, limits.concurrent - under), resets: words.usage.whenOneEnds },
    { name: "concurrent_videos" as const, left: null, resets: null },
  ];
  return (
    <Section title={words.usage.limits}>
      <table class="table">
        <thead>
          <tr>
            <td />
            <th scope="col" class="number">
              {words.usage.limit}
            </th>
            <th scope="col" class="number">
              {words.usage.left}
            </th>
            <th scope="col">{words.usage.resets}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, left, resets }) => (
            <tr key={name}>
              <th scope="row">{words.usage[name]}</th>
              <td class="number">{count(limits[name])}</td>
              <td class="number">{left === null ? "" : count(left)}</td>
              <td class="muted">{resets}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
