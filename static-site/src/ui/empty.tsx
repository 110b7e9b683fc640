import type { ComponentChildren } from "preact";
import { type IconName, Icon } from "./icons";

interface EmptyProps {
  icon: IconName;
  title: string;
  text?: string | null;
  children?: ComponentChildren;
  /** The heading's level, so that the page's outline stays whole. */
  level?: 1 | 2;
}

/** What stands where nothing else does: empty lists, failures, lost pages. */
export function Empty({ icon, title, text, children, level = 2 }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} />
      </span>
      {level === 1 ? (
        <h1 tabIndex={-1}>{title}</h1>
      ) : (
        <h2>{title}</h2>
      )}
      {text && <p>{text}</p>}
      {children && <div class="empty-actions">{children}</div>}
    </div>
  );
}

export function Spinner({ label }: { label: string }) {
  return (
    <span class="spinner" role="status">
      <span class="visually-hidden">{label}</span>
    </span>
  );
}
