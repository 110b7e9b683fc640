// Ways from a result back into the form.

import { get } from "../api/client";
import type { Asset, Generation, Model, ModelKind, ParameterValue } from "../api/types";
import { type ImageSlot, type PickedImage, type Recalled, emptyDraft, imageSlots, recall } from "../form/model-form";
import { navigate } from "../router";
import { words } from "../words";
import { findAsset } from "./library";
import { draft } from "./draft";
import { modelById, modelsOfKind } from "./models";
import { pickedFromAsset } from "./picking";

function apply(from: Recalled): void {
  draft.value = recall(draft.peek(), from);
  navigate("/studio");
}

function withoutSeed(model: string, parameters: Record<string, ParameterValue>): Record<string, ParameterValue> {
  const seeds = new Set(
    (modelById.peek().get(model)?.parameters ?? []).filter((p) => p.control === "seed").map((p) => p.name),
  );
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => name !== "seed" && !seeds.has(name)));
}

async function pictured(id: string): Promise<PickedImage> {
  const known = findAsset(id);
  if (known) return pickedFromAsset(known);
  try {
    return pickedFromAsset(await get<Asset>(`/assets/${encodeURIComponent(id)}`));
  } catch {
    // An upload: there is no picture of it to show, but for a day its id is still good.
    return { id, from: "upload", name: words.common.image, width: 0, height: 0, preview: null, until: null };
  }
}

async function imagesOf(generation: Generation): Promise<Record<ImageSlot, PickedImage[]>> {
  const images = emptyDraft().images;
  for (const slot of imageSlots) {
    const given = generation.inputs[slot];
    const ids = given === undefined ? [] : typeof given === "string" ? [given] : given;
    images[slot] = await Promise.all(ids.map(pictured));
  }
  return images;
}

/** The whole request of a generation, with a new seed or the same. */
export async function reuseGeneration(generation: Generation, keepSeed: boolean): Promise<void> {
  const { model, inputs, parameters, outputs } = generation;
  apply({
    model,
    prompt: inputs.prompt ?? "",
    negative_prompt: inputs.negative_prompt ?? "",
    images: await imagesOf(generation),
    parameters: keepSeed ? parameters : withoutSeed(model, parameters),
    outputs,
  });
}

export type Remix = "prompt" | "no-seed" | "all";

export async function remixAsset(asset: Asset, what: Remix): Promise<void> {
  if (what === "prompt") {
    apply({ prompt: asset.prompt ?? "" });
    return;
  }
  const generation = asset.generation_id === null ? null : await generationOf(asset.generation_id);
  const parameters = what === "all" ? asset.parameters : withoutSeed(asset.model, asset.parameters);
  apply({
    model: asset.model,
    prompt: asset.prompt ?? "",
    negative_prompt: generation?.inputs.negative_prompt ?? "",
    ...(generation ? { images: await imagesOf(generation) } : {}),
    parameters,
  });
}

async function generationOf(id: string): Promise<Generation | null> {
  try {
    return await get<Generation>(`/generations/${encodeURIComponent(id)}`);
  } catch {
    // The record of how it was made is gone; the asset itself still tells most.
    return null;
  }
}

function slotFor(model: Model): ImageSlot | null {
  if (model.inputs.start_frame) return "start_frame";
  if (model.inputs.images) return "images";
  return null;
}

/** A model of `kind` that takes an image, preferring the one in use. */
export function modelFor(kind: ModelKind): Model | null {
  const candidates = modelsOfKind(kind).filter((m) => slotFor(m) !== null);
  return candidates.find((m) => m.id === draft.value.model) ?? candidates[0] ?? null;
}

/** The model that takes an image as a reference: the one in use if it can. */
export function referenceModel(): Model | null {
  const current = draft.value.model === null ? undefined : modelById.value.get(draft.value.model);
  if (current?.inputs.images && current.kind === "image-to-image") return current;
  return modelFor("image-to-image");
}

/** Puts `asset` into the form of `model`, and goes there. */
export function putIntoForm(asset: Asset, model: Model): void {
  const slot = slotFor(model);
  if (slot === null) return;
  apply({
    model: model.id,
    images: { ...draft.peek().images, [slot]: [pickedFromAsset(asset)] },
  });
}
