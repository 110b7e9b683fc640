import { useRef, useState } from "preact/hooks";
import { copyText } from "../lib/copy";
import { announce, note } from "../state/announce";
import { words } from "../words";
import { Icon } from "./icons";

/** A secret to take along: selected by a click, copied by a button. */
export function Secret({ label, value }: { label: string; value: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    field.current?.select();
    if (await copyText(value)) {
      setCopied(true);
      announce(words.settings.copied);
    } else note(words.common.copyFailed, { tone: "problem" });
  };
  return (
    <div class="secret">
      <input
        ref={field}
        type="text"
        class="entry"
        aria-label={label}
        readOnly
        autocomplete="off"
        spellcheck={false}
        value={value}
        onClick={(event) => event.currentTarget.select()}
      />
      <button type="button" class="button" onClick={() => void copy()}>
        <Icon name={copied ? "check" : "copy"} />
        {copied ? words.settings.copied : words.settings.copySecret}
      </button>
    </div>
  );
}
