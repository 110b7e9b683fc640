import { useState } from "preact/hooks";
import type { Model } from "../api/types";
import { words } from "../words";
import { Icon } from "../ui/icons";
import { ModelBadges, priceText } from "./model-card";
import { ModelInfo } from "./model-info";

/** The model in use, at the top of the form. */
export function ChosenModel({ model, onChange }: { model: Model; onChange: () => void }) {
  const [about, setAbout] = useState(false);
  return (
    <div class="chosen">
      <button type="button" class="chosen-main" onClick={onChange}>
        <span class="chosen-label muted">{words.library.model}</span>
        <span class="chosen-name">{model.name}</span>
        <span class="chosen-meta">
          <ModelBadges model={model} />
          <span class="muted">{priceText(model)}</span>
        </span>
        <span class="chosen-change">
          {words.models.change}
          <Icon name="chevron" />
        </span>
      </button>
      <button
        type="button"
        class="button button-quiet button-icon chosen-about"
        aria-label={words.models.about(model.name)}
        onClick={() => setAbout(true)}
      >
        <Icon name="info" />
      </button>
      {about && <ModelInfo model={model} onClose={() => setAbout(false)} />}
    </div>
  );
}
