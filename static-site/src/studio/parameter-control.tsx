import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Parameter, ParameterValue } from "../api/types";
import { type ParameterField, largestSeed, randomSeed } from "../form/model-form";
import { ratioOf } from "../lib/aspect";
import { setValue } from "../state/draft";
import { Icon } from "../ui/icons";
import { parameterValue, words } from "../words";

interface ControlProps {
  field: ParameterField;
  id: string;
  describedBy: string | undefined;
}

/** The value of a number field: empty gives the model's default back. */
function setNumber(spec: Parameter, text: string): void {
  const value = Number(text);
  setValue(spec.name, text.trim() === "" || !Number.isFinite(value) ? null : value);
}

export function ParameterControl({ field, refused }: { field: ParameterField; refused: string | null }) {
  const id = useId();
  const { spec } = field;
  const said = field.issue === "out-of-range" ? rangeText(spec) : refused;
  const hints = [spec.help ? `${id}-help` : null, said ? `${id}-issue` : null, field.replaced !== null ? `${id}-was` : null];
  const describedBy = hints.filter(Boolean).join(" ") || undefined;
  const props = { field, id, describedBy };
  const after = (
    <>
      {spec.help && (
        <p id={`${id}-help`} class="hint">
          {spec.help}
        </p>
      )}
      {field.replaced !== null && (
        <p id={`${id}-was`} class="hint hint-warn">
          {words.form.replaced(parameterValue(field.replaced))}
        </p>
      )}
      {said && (
        <p id={`${id}-issue`} class="hint hint-problem">
          {said}
        </p>
      )}
    </>
  );
  switch (spec.control) {
    case "aspect":
      return <AspectPicker {...props}>{after}</AspectPicker>;
    case "toggle":
      return (
        <div class="field">
          <Toggle {...props} />
          {after}
        </div>
      );
    case "slider":
      return (
        <div class="field">
          <Slider {...props} />
          {after}
        </div>
      );
    case "seed":
      return (
        <div class="field">
          <Seed {...props} />
          {after}
        </div>
      );
    case "select":
      return (
        <div class="field">
          <label for={id}>{spec.label}</label>
          <Select {...props} />
          {after}
        </div>
      );
    case "number":
    case "text":
      return (
        <div class="field">
          <label for={id}>{spec.label}</label>
          <Entry {...props} />
          {after}
        </div>
      );
  }
}

function rangeText(spec: Parameter): string {
  return words.form.range(String(spec.min ?? "−∞"), String(spec.max ?? "∞"));
}

function AspectPicker({ field, id, describedBy, children }: ControlProps & { children: ComponentChildren }) {
  const { spec, value } = field;
  return (
    <fieldset class="field" aria-describedby={describedBy}>
      <legend>{spec.label}</legend>
      <div class="aspects">
        {(spec.options ?? []).map((option) => {
          const ratio = ratioOf(option.value);
          return (
            <label key={String(option.value)} class="aspect">
              <input
                type="radio"
                name={id}
                checked={option.value === value}
                onChange={() => setValue(spec.name, option.value)}
              />
              <span class="aspect-box">
                <span
                  class={ratio === null ? "aspect-shape aspect-open" : "aspect-shape"}
                  style={{ "--ratio": String(ratio ?? 1) }}
                  data-tall={ratio !== null && ratio < 1}
                />
              </span>
              <span class="aspect-label">{option.label}</span>
            </label>
          );
        })}
      </div>
      {children}
    </fieldset>
  );
}

function Toggle({ field, id, describedBy }: ControlProps) {
  return (
    <label class="switch-row" for={id}>
      <span>{field.spec.label}</span>
      <input
        id={id}
        type="checkbox"
        role="switch"
        class="switch"
        checked={field.value === true}
        aria-describedby={describedBy}
        onChange={(event) => setValue(field.spec.name, event.currentTarget.checked)}
      />
    </label>
  );
}

function Slider({ field, id, describedBy }: ControlProps) {
  const { spec, value } = field;
  const min = spec.min ?? 0;
  const max = spec.max ?? 100;
  const step = spec.step ?? (spec.type === "integer" ? 1 : "any");
  const number = typeof value === "number" ? value : min;
  const share = max > min ? (Math.min(max, Math.max(min, number)) - min) / (max - min) : 0;
  return (
    <>
      <div class="field-head">
        <label for={id}>{spec.label}</label>
        <input
          type="number"
          class="slider-number"
          aria-label={spec.label}
          aria-invalid={field.issue !== null}
          min={min}
          max={max}
          step={step}
          value={String(number)}
          onChange={(event) => setNumber(spec, event.currentTarget.value)}
        />
      </div>
      <input
        id={id}
        type="range"
        class="slider"
        style={{ "--share": String(share) }}
        min={min}
        max={max}
        step={step}
        value={String(number)}
        aria-describedby={describedBy}
        onInput={(event) => setValue(spec.name, event.currentTarget.valueAsNumber)}
      />
    </>
  );
}

function Select({ field, id, describedBy }: ControlProps) {
  const { spec, value } = field;
  const options = spec.options ?? [];
  const pick = (index: number) => {
    const option: { value: ParameterValue } | undefined = options[index];
    if (option) setValue(spec.name, option.value);
  };
  return (
    <span class="select">
      <select
        id={id}
        aria-describedby={describedBy}
        value={String(options.findIndex((o) => o.value === value))}
        onChange={(event) => pick(Number(event.currentTarget.value))}
      >
        {options.map((option, index) => (
          <option key={String(option.value)} value={String(index)}>
            {option.label}
          </option>
        ))}
      </select>
      <Icon name="chevron" />
    </span>
  );
}

function Entry({ field, id, describedBy }: ControlProps) {
  const { spec, value } = field;
  const common = {
    id,
    class: "entry",
    value: value === null ? "" : String(value),
    "aria-invalid": field.issue !== null,
    "aria-describedby": describedBy,
  };
  if (spec.type === "integer" || spec.type === "number") {
    return (
      <input
        {...common}
        type="number"
        min={spec.min ?? undefined}
        max={spec.max ?? undefined}
        step={spec.step ?? (spec.type === "integer" ? 1 : "any")}
        onChange={(event) => setNumber(spec, event.currentTarget.value)}
      />
    );
  }
  return (
    <input
      {...common}
      type="text"
      maxLength={spec.max ?? undefined}
      onChange={(event) => setValue(spec.name, event.currentTarget.value || null)}
    />
  );
}

function Seed({ field, id, describedBy }: ControlProps) {
  const { spec, value } = field;
  const locked = typeof value === "number";
  const roll = () => setValue(spec.name, randomSeed(spec, Math.random));
  return (
    <>
      <label for={id}>{spec.label}</label>
      <div class="seed">
        <input
          id={id}
          type="number"
          class="entry"
          min={spec.min ?? 0}
          max={spec.max ?? largestSeed}
          step={1}
          value={locked ? String(value) : ""}
          placeholder={words.form.seedRandom}
          aria-invalid={field.issue !== null}
          aria-describedby={describedBy}
          onChange={(event) => setNumber(spec, event.currentTarget.value)}
        />
        <button
          type="button"
          class="button button-icon"
          aria-pressed={locked}
          aria-label={locked ? words.form.seedUnlock : words.form.seedLock}
          title={locked ? words.form.seedUnlock : words.form.seedLock}
          onClick={() => (locked ? setValue(spec.name, null) : roll())}
        >
          <Icon name={locked ? "lock" : "unlock"} />
        </button>
        <button type="button" class="button button-icon" aria-label={words.form.seedRoll} title={words.form.seedRoll} onClick={roll}>
          <Icon name="dice" />
        </button>
      </div>
    </>
  );
}
