import type { Model } from "../api/types";
import { money } from "../lib/format";
import { Icon } from "../ui/icons";
import { words } from "../words";

export function priceText(model: Model): string {
  return words.models.perPrice(money(model.price), model.price.per.replaceAll("_", " "));
}

export function ModelBadges({ model }: { model: Model }) {
  return (
    <>
      <span class={`badge badge-${model.kind}`}>{words.kinds[model.kind]}</span>
      {model.badges.map((badge) => (
        <span key={badge} class="badge badge-plain">
          {badge}
        </span>
      ))}
    </>
  );
}

interface ModelCardProps {
  model: Model;
  inUse: boolean;
  onUse: () => void;
  onAbout: () => void;
}

export function ModelCard({ model, inUse, onUse, onAbout }: ModelCardProps) {
  return (
    <li class={inUse ? "model model-in-use" : "model"}>
      <button type="button" class="model-use" onClick={onUse} aria-pressed={inUse}>
        <span class="model-name">
          {model.name}
          {inUse && <Icon name="check" />}
        </span>
        <span class="model-badges">
          <ModelBadges model={model} />
        </span>
        <span class="model-summary">{model.summary}</span>
        <span class="model-price">{priceText(model)}</span>
      </button>
      <button
        type="button"
        class="button button-quiet button-icon model-about"
        aria-label={words.models.about(model.name)}
        onClick={onAbout}
      >
        <Icon name="info" />
      </button>
    </li>
  );
}
