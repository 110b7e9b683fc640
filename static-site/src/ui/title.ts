import { useEffect } from "preact/hooks";
import { readyUnseen } from "../state/generations";
import { words } from "../words";

/** The document's title, with what got ready while the page was hidden. */
export function useTitle(title: string) {
  const ready = readyUnseen.value;
  useEffect(() => {
    const base = title === words.product ? title : `${title} · ${words.product}`;
    document.title = ready > 0 ? `${words.generation.titleReady(ready)} ${base}` : base;
  }, [title, ready]);
}
