import { useId } from "preact/hooks";
import type { Asset, Model } from "../api/types";
import { noteFailure } from "../state/announce";
import { modelFor, putIntoForm, referenceModel, remixAsset, type Remix } from "../state/recall";
import { type IconName, Icon } from "../ui/icons";
import { words } from "../words";
import { Share } from "./share";

interface ActionsProps {
  asset: Asset;
  onFavourite: () => void;
  onTrash: () => void;
}

/** What can be done with an asset. */
export function Actions({ asset, onFavourite, onTrash }: ActionsProps) {
  const deleted = asset.deleted_at !== null;
  return (
    <div class="actions">
      <div class="actions-row">
        <a class="button button-primary" href={`/api/v1/assets/${encodeURIComponent(asset.id)}/download`} download>
          <Icon name="download" />
          {words.asset.download}
        </a>
        {!deleted && (
          <>
            <button type="button" class="button button-icon" aria-pressed={asset.favourite} aria-label={words.asset.favourite} onClick={onFavourite}>
              <Icon name="heart" filled={asset.favourite} />
            </button>
            <RemixMenu asset={asset} />
            <button type="button" class="button button-icon actions-trash" aria-label={words.asset.delete} onClick={onTrash}>
              <Icon name="trash" />
            </button>
          </>
        )}
      </div>
      {!deleted && asset.kind === "image" && <Uses asset={asset} />}
      {!deleted && <Share asset={asset} />}
    </div>
  );
}

function RemixMenu({ asset }: { asset: Asset }) {
  const id = useId();
  const choices: { what: Remix; label: string }[] = [
    { what: "no-seed", label: words.asset.remixNoSeed },
    { what: "all", label: words.asset.remixAll },
    ...(asset.prompt ? [{ what: "prompt" as const, label: words.asset.remixPrompt }] : []),
  ];
  return (
    <span class="menu">
      <button type="button" class="button" popovertarget={id}>
        <Icon name="remix" />
        {words.asset.remix}
      </button>
      <div id={id} popover="auto" class="menu-list">
        {choices.map(({ what, label }) => (
          <button key={what} type="button" onClick={() => void remixAsset(asset, what).catch(noteFailure)}>
            {label}
          </button>
        ))}
      </div>
    </span>
  );
}

/** What other models can make of this image. Only models that exist are offered. */
function Uses({ asset }: { asset: Asset }) {
  const offers: { label: string; icon: IconName; model: Model | null }[] = [
    { label: words.asset.useReference, icon: "image", model: referenceModel() },
    { label: words.asset.makeVideo, icon: "film", model: modelFor("image-to-video") },
    { label: words.asset.inpaint, icon: "edit", model: modelFor("inpainting") },
    { label: words.asset.upscale, icon: "wand", model: modelFor("upscale") },
    { label: words.asset.removeBackground, icon: "frame", model: modelFor("background-removal") },
  ];
  const real = offers.flatMap((offer) => (offer.model ? [{ ...offer, model: offer.model }] : []));
  if (real.length === 0) return null;
  return (
    <div class="uses" role="group" aria-label={words.asset.use}>
      {real.map(({ label, icon, model }) => (
        <button key={label} type="button" class="button button-small" onClick={() => putIntoForm(asset, model)}>
          <Icon name={icon} />
          {label}
        </button>
      ))}
    </div>
  );
}
