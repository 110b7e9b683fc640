import { useState } from "preact/hooks";
import type { Model, ModelKind } from "../api/types";
import { changeQuery, place } from "../router";
import { changeDraft, chosenModel } from "../state/draft";
import { announce } from "../state/announce";
import { models } from "../state/models";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { words } from "../words";
import { ModelCard } from "./model-card";
import { ModelInfo } from "./model-info";

function matches(model: Model, text: string): boolean {
  const haystack = [model.name, model.summary, words.kinds[model.kind], ...model.badges].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}

/** All models as cards; kinds and a search narrow them. */
export function ModelPicker({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<ModelKind | null>(null);
  const [text, setText] = useState("");
  const [about, setAbout] = useState<Model | null>(null);
  const all = models.value.state === "ready" ? models.value.items : [];
  const kinds = (Object.keys(words.kinds) as ModelKind[]).filter((k) => all.some((m) => m.kind === k));
  const fitting = all.filter((m) => (kind === null || m.kind === kind) && matches(m, text.trim()));
  const use = (model: Model) => {
    changeDraft({ model: model.id });
    // An address that names a model would bring the old one back on reload.
    if (place.peek().query.has("model")) changeQuery({ model: null }, { replace: true });
    announce(`${model.name}: ${words.models.inUse}`);
    onClose();
  };
  return (
    <Dialog title={words.models.choose} size="large" onClose={onClose}>
      <div class="picker-tools">
        <label class="search">
          <Icon name="search" />
          <span class="visually-hidden">{words.models.search}</span>
          <input
            type="search"
            placeholder={words.models.search}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <fieldset class="chips">
          <legend class="visually-hidden">{words.asset.kind}</legend>
          {[null, ...kinds].map((k) => (
            <label key={k ?? "all"} class="chip">
              <input type="radio" name="kind" checked={kind === k} onChange={() => setKind(k)} />
              <span>{k === null ? words.models.all : words.kinds[k]}</span>
            </label>
          ))}
        </fieldset>
      </div>
      {fitting.length === 0 ? (
        <p class="muted picker-none">{words.models.none}</p>
      ) : (
        <ul class="models">
          {fitting.map((model) => (
            <ModelCard
              key={model.id}
              model={model}
              inUse={model.id === chosenModel.value?.id}
              onUse={() => use(model)}
              onAbout={() => setAbout(model)}
            />
          ))}
        </ul>
      )}
      {about && (
        <ModelInfo
          model={about}
          onClose={() => setAbout(null)}
          onUse={() => {
            setAbout(null);
            use(about);
          }}
        />
      )}
    </Dialog>
  );
}
