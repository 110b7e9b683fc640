import { messagesFor } from "../api/problem";
import type { Form } from "../form/model-form";
import { note } from "../state/announce";
import { changeDraft, draft } from "../state/draft";
import { submitProblem } from "../state/submit";
import { Icon } from "../ui/icons";
import { words } from "../words";
import { ParameterControl } from "./parameter-control";

/** Every parameter of the model's entry, and the number of outputs. */
export function Parameters({ form }: { form: Form }) {
  const touched = form.parameters.some((p) => draft.value.values[p.spec.name] !== undefined);
  const reset = () => {
    const values = { ...draft.peek().values };
    for (const { name } of form.model.parameters) delete values[name];
    changeDraft({ values, outputs: null });
    note(words.form.resetDone);
  };
  const errors = submitProblem.value?.errors ?? [];
  const { min, max, value } = form.outputs;
  return (
    <section class="settings" aria-label={words.form.settings}>
      <div class="field-head">
        <h2>{words.form.settings}</h2>
        {(touched || draft.value.outputs !== null) && (
          <button type="button" class="button button-text button-small" onClick={reset}>
            <Icon name="reset" />
            {words.form.reset}
          </button>
        )}
      </div>
      {max > 1 && (
        <fieldset class="field">
          <legend>{words.form.outputs}</legend>
          <div class="steps">
            {Array.from({ length: max - min + 1 }, (_, i) => min + i).map((n) => (
              <label key={n} class="step">
                <input type="radio" name="outputs" checked={value === n} onChange={() => changeDraft({ outputs: n })} />
                <span>{n}</span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
      {form.parameters.map((field) => (
        <ParameterControl
          key={field.spec.name}
          field={field}
          refused={messagesFor(errors, `parameters.${field.spec.name}`)[0] ?? null}
        />
      ))}
    </section>
  );
}
