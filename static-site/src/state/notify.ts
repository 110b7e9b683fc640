// The browser's own notifications, for results that arrive while the person
// looks at something else. Off until they switch it on.

import { signal } from "@preact/signals";
import { navigate } from "../router";
import { words } from "../words";

const storageKey = "notify";

export const canNotify = typeof window !== "undefined" && "Notification" in window;

export const notifying = signal(read());

function read(): boolean {
  try {
    return canNotify && localStorage.getItem(storageKey) === "on" && Notification.permission === "granted";
  } catch {
    return false;
  }
}

function keep(on: boolean): void {
  notifying.value = on;
  try {
    localStorage.setItem(storageKey, on ? "on" : "off");
  } catch {
    // Storage is switched off: it holds for this page.
  }
}

/** Asks the browser's permission. Answers whether it was given. */
export async function askToNotify(): Promise<boolean> {
  const allowed = (await Notification.requestPermission()) === "granted";
  keep(allowed);
  return allowed;
}

export function stopNotifying(): void {
  keep(false);
}

/** Says it outside the page, if the person wants that and isn't looking. */
export function notifyAway(text: string): void {
  if (!notifying.peek() || document.visibilityState !== "hidden") return;
  try {
    const shown = new Notification(words.product, { body: text, icon: "/favicon.svg", tag: "results" });
    shown.onclick = () => {
      window.focus();
      navigate("/studio");
      shown.close();
    };
  } catch {
    // Some phones have no notifications of a page's own.
  }
}
