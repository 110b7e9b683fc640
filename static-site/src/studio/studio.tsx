import { useEffect, useState } from "preact/hooks";
import { whileShown } from "../account/shortcuts";
import { place } from "../router";
import { changeDraft, chosenModel, draft, form } from "../state/draft";
import { failureText } from "../state/announce";
import { loadModels, modelById, models } from "../state/models";
import { uploading } from "../state/picking";
import { submit } from "../state/submit";
import { requestFor } from "../form/model-form";
import { Empty, Spinner } from "../ui/empty";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { ChosenModel } from "./chosen-model";
import { GenerateBar } from "./generate-bar";
import { ImageInputs } from "./image-inputs";
import { ModelPicker } from "./model-picker";
import { Parameters } from "./parameters";
import { TextInputs } from "./text-inputs";
import { Results } from "./results";
import { UnusedInputs } from "./unused-inputs";

/** The place where things are made: the form on one side, results on the other. */
export function Studio() {
  useTitle(words.nav.studio);
  const [picking, setPicking] = useState(false);
  const wanted = place.value.query.get("model");
  useEffect(() => {
    if (wanted !== null) changeDraft({ model: wanted });
  }, [wanted]);
  useEffect(
    () =>
      whileShown({
        m: () => setPicking(true),
        "/": () => document.querySelector<HTMLElement>(".maker textarea")?.focus(),
      }),
    [],
  );
  return (
    <div class="studio">
      <h1 class="visually-hidden" tabIndex={-1}>
        {words.nav.studio}
      </h1>
      <Maker onPick={() => setPicking(true)} />
      <Results />
      {picking && models.value.state === "ready" && <ModelPicker onClose={() => setPicking(false)} />}
    </div>
  );
}

function Maker({ onPick }: { onPick: () => void }) {
  const list = models.value;
  const [tried, setTried] = useState(false);
  if (list.state === "failed") {
    return (
      <section class="maker">
        <Empty icon="alert" title={words.models.loadFailed} text={failureText(list.failure)}>
          <button type="button" class="button button-primary" onClick={() => void loadModels()}>
            {words.common.retry}
          </button>
        </Empty>
      </section>
    );
  }
  if (list.state !== "ready") {
    return (
      <section class="maker maker-loading">
        <Spinner label={words.common.loading} />
      </section>
    );
  }
  const model = chosenModel.value;
  const current = form.value;
  if (!model || !current) {
    const lost = draft.value.model !== null && !modelById.value.has(draft.value.model);
    return (
      <section class="maker">
        <Empty icon="spark" title={words.models.choose} text={lost ? words.models.gone : null}>
          <button type="button" class="button button-primary" onClick={onPick}>
            {words.models.choose}
          </button>
        </Empty>
      </section>
    );
  }
  const send = async () => {
    // What is still on its way would be missing.
    if (uploading.peek() > 0) return;
    setTried(true);
    if (!current.ready) {
      // The first field that says no gets the focus, when it has been marked.
      requestAnimationFrame(() => document.querySelector<HTMLElement>(".maker [aria-invalid='true']")?.focus());
      return;
    }
    if (!(await submit(requestFor(current)))) return;
    setTried(false);
    // On a narrow screen the results are below the form, out of sight.
    const results = document.querySelector(".results");
    if (results && results.getBoundingClientRect().top > window.innerHeight * 0.7) results.scrollIntoView({ behavior: "smooth" });
  };
  return (
    <form
      class="maker"
      aria-label={words.form.label}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          void send();
        }
      }}
    >
      <ChosenModel model={model} onChange={onPick} />
      <TextInputs form={current} tried={tried} />
      <ImageInputs form={current} tried={tried} />
      <UnusedInputs form={current} />
      <Parameters form={current} />
      <GenerateBar form={current} tried={tried} />
    </form>
  );
}
