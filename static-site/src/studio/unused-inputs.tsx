import type { Form, Unused } from "../form/model-form";
import { changeDraft, setImages } from "../state/draft";
import { Icon } from "../ui/icons";
import { words } from "../words";

function drop(unused: Unused): void {
  if (!unused.picked) {
    changeDraft(unused.what === "prompt" ? { prompt: "" } : { negative_prompt: "" });
  } else {
    const ids = new Set(unused.picked.map((p) => p.id));
    setImages(unused.what, (picked) => picked.filter((p) => !ids.has(p.id)));
  }
}

/** What was entered for another model. It waits here until a model takes it. */
export function UnusedInputs({ form }: { form: Form }) {
  if (form.unused.length === 0) return null;
  return (
    <section class="unused" aria-label={words.form.unusedTitle}>
      <p class="unused-title">
        <Icon name="info" />
        {words.form.unusedTitle}
      </p>
      <ul>
        {form.unused.map((unused) => {
          const name = words.form.unusedNames[unused.what];
          return (
            <li key={unused.what}>
              <span>{name}</span>
              {unused.picked?.map((p) => p.preview && <img key={p.id} src={p.preview} alt={p.name} width={32} height={32} />)}
              <button
                type="button"
                class="button button-quiet button-icon button-small"
                aria-label={words.slots.remove(name)}
                onClick={() => drop(unused)}
              >
                <Icon name="close" />
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
