import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { messagesFor } from "../api/problem";
import type { Form, TextField } from "../form/model-form";
import { changeDraft } from "../state/draft";
import { submitProblem } from "../state/submit";
import { words } from "../words";

/** Prompt and negative prompt, with the model's rules and a live count. */
export function TextInputs({ form, tried }: { form: Form; tried: boolean }) {
  return (
    <>
      {form.prompt && (
        <TextBox
          field={form.prompt}
          name="inputs.prompt"
          rows={4}
          tried={tried}
          placeholder={words.form.promptPlaceholder}
          onInput={(prompt) => changeDraft({ prompt })}
        />
      )}
      {form.negativePrompt && (
        <TextBox
          field={form.negativePrompt}
          name="inputs.negative_prompt"
          rows={1}
          tried={tried}
          placeholder={words.form.negativePlaceholder}
          onInput={(negative_prompt) => changeDraft({ negative_prompt })}
        />
      )}
    </>
  );
}

function issueText(field: TextField): string | null {
  if (field.issue === "missing") return words.form.missing;
  if (field.issue === "too-short") return words.form.tooShort(field.spec.min_length);
  if (field.issue === "too-long") return words.form.tooLong(field.length - field.spec.max_length);
  return null;
}

interface TextBoxProps {
  field: TextField;
  name: string;
  rows: number;
  tried: boolean;
  placeholder: string;
  onInput: (text: string) => void;
}

function TextBox({ field, name, rows, tried, placeholder, onInput }: TextBoxProps) {
  const id = useId();
  const box = useRef<HTMLTextAreaElement>(null);
  const [left, setLeft] = useState(false);
  // Grows with its text, up to what the style allows.
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [field.value]);

  // Too long is said at once; too short or empty only when the person has
  // finished, not while they type.
  const own = field.issue === "too-long" || tried || (left && field.issue === "too-short") ? issueText(field) : null;
  const said = own ?? messagesFor(submitProblem.value?.errors ?? [], name)[0] ?? null;
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>
          {field.spec.label}
          {!field.spec.required && <span class="field-optional"> {words.common.optional}</span>}
        </label>
        <span class={field.issue === "too-long" ? "field-count field-count-over" : "field-count"} aria-hidden="true">
          {words.form.lengthNow(field.length, field.spec.max_length)}
        </span>
      </div>
      <textarea
        ref={box}
        id={id}
        rows={rows}
        value={field.value}
        placeholder={placeholder}
        required={field.spec.required}
        aria-invalid={said !== null}
        aria-describedby={`${id}-rule${said ? ` ${id}-issue` : ""}`}
        onInput={(event) => onInput(event.currentTarget.value)}
        onBlur={() => setLeft(true)}
      />
      <p id={`${id}-rule`} class="visually-hidden">
        {words.form.lengthRule(field.spec.min_length, field.spec.max_length)}
      </p>
      {said && (
        <p id={`${id}-issue`} class="hint hint-problem">
          {said}
        </p>
      )}
    </div>
  );
}
