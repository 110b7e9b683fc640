import { signal } from "@preact/signals";
import { navigate } from "../router";
import { Dialog } from "../ui/dialog";
import { words } from "../words";

const open = signal(false);
// Single keys can get in the way of speech input: they can be switched off.
const storageKey = "single-keys";
const enabled = signal(readEnabled());

function readEnabled(): boolean {
  try {
    return localStorage.getItem(storageKey) !== "off";
  } catch {
    return true;
  }
}

function setEnabled(on: boolean): void {
  enabled.value = on;
  try {
    localStorage.setItem(storageKey, on ? "on" : "off");
  } catch {
    // Storage is switched off: it holds for this page.
  }
}

export function openShortcuts(): void {
  open.value = true;
}

const views = new Map<string, () => void>();

/** Registers what a key does while a view is shown; answers how to end that. */
export function whileShown(keys: Record<string, () => void>): () => void {
  for (const [key, run] of Object.entries(keys)) views.set(key, run);
  return () => {
    for (const [key, run] of Object.entries(keys)) {
      if (views.get(key) === run) views.delete(key);
    }
  };
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT|VIDEO)$/.test(target.tagName))
  );
}

const secondKeyMs = 1200;

export function startShortcuts(): () => void {
  let afterG = 0;
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      event.preventDefault();
      openShortcuts();
      return;
    }
    if (!enabled.value) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (Date.now() - afterG < secondKeyMs) {
      afterG = 0;
      const to = { s: "/studio", l: "/library", k: "/links", u: "/usage", p: "/settings" }[key];
      if (to) {
        event.preventDefault();
        navigate(to);
        return;
      }
    }
    if (key === "g") {
      afterG = Date.now();
      return;
    }
    const run = views.get(key);
    if (run) {
      event.preventDefault();
      run();
    }
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/** The list of keys, opened with Shift and ?. */
export function Shortcuts() {
  if (!open.value) return null;
  return (
    <Dialog title={words.shortcuts.title} onClose={() => (open.value = false)}>
      <label class="switch-row">
        <span>{words.shortcuts.enabled}</span>
        <input
          type="checkbox"
          role="switch"
          class="switch"
          checked={enabled.value}
          onChange={(event) => setEnabled(event.currentTarget.checked)}
        />
      </label>
      <div class="shortcuts">
        {words.shortcuts.groups.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map((entry) => (
                <div key={entry.text}>
                  <dt>{entry.text}</dt>
                  <dd>
                    {entry.keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
