import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface SectionProps {
  title: string;
  lead?: ComponentChildren;
  /** The control beside the heading. */
  action?: ComponentChildren;
  danger?: boolean;
  children?: ComponentChildren;
}

/** One subject of a page, with its heading. */
export function Section({ title, lead, action, danger = false, children }: SectionProps) {
  const id = useId();
  return (
    <section class={danger ? "panel panel-danger" : "panel"} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {action}
      </div>
      {lead && <p class="muted">{lead}</p>}
      {children}
    </section>
  );
}
