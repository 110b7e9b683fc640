import type { Model } from "../api/types";
import { Dialog } from "../ui/dialog";
import { words } from "../words";
import { ModelBadges, priceText } from "./model-card";

function limitsOf(model: Model): string[] {
  const { inputs, outputs, limits, units } = model;
  const lines: string[] = [];
  if (inputs.prompt) lines.push(words.models.promptRule(inputs.prompt.min_length, inputs.prompt.max_length));
  else lines.push(words.models.noPrompt);
  if (inputs.images) {
    const least = inputs.images.required ? inputs.images.min : 0;
    lines.push(words.models.imagesRule(least, inputs.images.max));
  }
  if (inputs.mask) lines.push(words.models.maskRule);
  if (inputs.start_frame) lines.push(words.models.startRule);
  if (inputs.end_frame) lines.push(words.models.endRule);
  lines.push(words.models.outputs(outputs.max), words.models.units(units));
  const minuteMs = 60_000;
  lines.push(words.models.deadline(Math.max(1, Math.round(limits.deadline_ms / minuteMs))));
  return lines;
}

interface ModelInfoProps {
  model: Model;
  onClose: () => void;
  onUse?: () => void;
}

/** What a model is, what it's good for, and what it takes. */
export function ModelInfo({ model, onClose, onUse }: ModelInfoProps) {
  return (
    <Dialog
      title={model.name}
      onClose={onClose}
      footer={
        onUse && (
          <button type="button" class="button button-primary" onClick={onUse}>
            {words.models.useThis}
          </button>
        )
      }
    >
      <div class="about">
        <p class="about-badges">
          <ModelBadges model={model} />
        </p>
        <section>
          <h3>{words.models.what}</h3>
          <p>{model.help.what}</p>
        </section>
        <InfoList title={words.models.useCases} lines={model.help.use_cases} />
        <InfoList title={words.models.tips} lines={model.help.tips} />
        <InfoList title={words.models.limits} lines={limitsOf(model)} />
        <section>
          <h3>{words.models.price}</h3>
          <p>{priceText(model)}</p>
        </section>
      </div>
    </Dialog>
  );
}

function InfoList({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}
