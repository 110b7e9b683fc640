// What the form of a model shows, derived from the model's entry and the draft.
// Pure: no network, no page. The draft keeps everything that was ever entered;
// this decides what of it the model takes, marks the rest, and builds the request.

import type {
  GenerationInputs,
  GenerationRequest,
  ImageInput,
  Model,
  Parameter,
  ParameterValue,
  TextInput,
} from "../api/types";
import { letters } from "../lib/format";

export interface PickedImage {
  /** The upload's or the asset's id. */
  id: string;
  from: "upload" | "asset";
  name: string;
  width: number;
  height: number;
  /** A small picture: a `data:` address for an upload, a thumbnail's for an asset. */
  preview: string | null;
  /** When an upload ends; null for an asset, and for an upload of which that isn't known. */
  until: string | null;
}

export type ImageSlot = "images" | "mask" | "start_frame" | "end_frame";

export const imageSlots: ImageSlot[] = ["images", "start_frame", "end_frame", "mask"];

export interface Draft {
  model: string | null;
  prompt: string;
  negative_prompt: string;
  images: Record<ImageSlot, PickedImage[]>;
  /** What the person set, by parameter name; a name is shared by all models that have it. */
  values: Record<string, ParameterValue>;
  outputs: number | null;
}

export function emptyDraft(): Draft {
  return {
    model: null,
    prompt: "",
    negative_prompt: "",
    images: { images: [], mask: [], start_frame: [], end_frame: [] },
    values: {},
    outputs: null,
  };
}

export type TextIssue = "missing" | "too-short" | "too-long";

export interface TextField {
  spec: TextInput;
  value: string;
  /** Letters as the server counts them: without space at the ends. */
  length: number;
  issue: TextIssue | null;
}

export type SlotIssue = "missing" | "too-few" | "too-many" | "size-differs";

export interface SlotField {
  slot: ImageSlot;
  spec: ImageInput;
  min: number;
  max: number;
  picked: PickedImage[];
  issue: SlotIssue | null;
}

export interface ParameterField {
  spec: Parameter;
  /** Null for a seed that is left to chance and for an empty optional field. */
  value: ParameterValue | null;
  /** The person's own value, when this model can't take it and another is used instead. */
  replaced: ParameterValue | null;
  issue: "missing" | "out-of-range" | null;
}

/** Something in the draft that this model has no use for. It stays in the draft. */
export type Unused = { what: "prompt" | "negative_prompt"; picked?: never } | { what: ImageSlot; picked: PickedImage[] };

export interface Form {
  model: Model;
  prompt: TextField | null;
  negativePrompt: TextField | null;
  slots: SlotField[];
  parameters: ParameterField[];
  outputs: { min: number; max: number; value: number };
  unused: Unused[];
  /** Whether the server can be expected to take it. */
  ready: boolean;
}

function textField(spec: TextInput | null | undefined, value: string): TextField | null {
  if (!spec) return null;
  const length = letters(value.trim());
  let issue: TextIssue | null = null;
  if (length === 0) issue = spec.required ? "missing" : null;
  else if (length < spec.min_length) issue = "too-short";
  else if (length > spec.max_length) issue = "too-long";
  return { spec, value, length, issue };
}

function slotBounds(model: Model, slot: ImageSlot): { spec: ImageInput; min: number; max: number } | null {
  if (slot === "images") {
    const spec = model.inputs.images;
    if (!spec) return null;
    // An optional input may be left empty whatever its least number is.
    return { spec, min: spec.required ? Math.max(1, spec.min) : 0, max: spec.max };
  }
  const spec = model.inputs[slot];
  return spec ? { spec, min: spec.required ? 1 : 0, max: 1 } : null;
}

function slotIssue(min: number, max: number, picked: PickedImage[], least: number): SlotIssue | null {
  if (picked.length > max) return "too-many";
  if (picked.length < min) return picked.length === 0 ? "missing" : "too-few";
  if (picked.length > 0 && picked.length < least) return "too-few";
  return null;
}

/** Whether `value` is one that the parameter takes. */
export function accepts(spec: Parameter, value: ParameterValue): boolean {
  if (spec.options && spec.options.length > 0) return spec.options.some((o) => o.value === value);
  switch (spec.type) {
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "integer":
    case "number":
      if (typeof value !== "number" || !Number.isFinite(value)) return false;
      if (spec.type === "integer" && !Number.isInteger(value)) return false;
      return value >= (spec.min ?? -Infinity) && value <= (spec.max ?? Infinity);
  }
}

function resolveParameter(spec: Parameter, own: ParameterValue | undefined): ParameterField {
  const fallback = spec.default ?? null;
  if (own === undefined) return { spec, value: fallback, replaced: null, issue: null };
  if (accepts(spec, own)) return { spec, value: own, replaced: null, issue: null };
  // A number outside its range was most likely typed just now: it's said at the
  // field. A choice that isn't offered comes from another model: it's replaced.
  if (typeof own === "number" && (spec.type === "integer" || spec.type === "number") && !spec.options?.length) {
    return { spec, value: own, replaced: null, issue: "out-of-range" };
  }
  return { spec, value: fallback, replaced: own, issue: null };
}

function shown(fields: ParameterField[]): ParameterField[] {
  const byName = new Map(fields.map((f) => [f.spec.name, f]));
  const visible = (field: ParameterField, depth: number): boolean => {
    const condition = field.spec.shown_when;
    if (!condition) return true;
    const other = byName.get(condition.parameter);
    // The depth bounds a circle of conditions, which no entry should have.
    return other !== undefined && other.value === condition.equals && depth < fields.length && visible(other, depth + 1);
  };
  return fields.filter((field) => visible(field, 0));
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

export function formFor(model: Model, draft: Draft): Form {
  const prompt = textField(model.inputs.prompt, draft.prompt);
  const negativePrompt = textField(model.inputs.negative_prompt, draft.negative_prompt);
  const unused: Unused[] = [];
  if (!prompt && draft.prompt.trim() !== "") unused.push({ what: "prompt" });
  if (!negativePrompt && draft.negative_prompt.trim() !== "") unused.push({ what: "negative_prompt" });

  const slots: SlotField[] = [];
  for (const slot of imageSlots) {
    const picked = draft.images[slot];
    const bounds = slotBounds(model, slot);
    if (!bounds) {
      if (picked.length > 0) unused.push({ what: slot, picked });
      continue;
    }
    const taken = picked.slice(0, bounds.max);
    if (picked.length > bounds.max) unused.push({ what: slot, picked: picked.slice(bounds.max) });
    const least = slot === "images" ? (model.inputs.images?.min ?? 1) : 1;
    slots.push({ slot, ...bounds, picked: taken, issue: slotIssue(bounds.min, bounds.max, taken, least) });
  }
  const mask = slots.find((s) => s.slot === "mask");
  const image = slots.find((s) => s.slot === "images")?.picked[0];
  const maskImage = mask?.picked[0];
  if (mask && image && maskImage && !sameShape(image, maskImage)) mask.issue = "size-differs";

  const parameters = shown(model.parameters.map((spec) => resolveParameter(spec, draft.values[spec.name])));
  const outputs = {
    min: model.outputs.min,
    max: model.outputs.max,
    value: clamp(draft.outputs ?? model.outputs.default, model.outputs.min, model.outputs.max),
  };
  const ready =
    !prompt?.issue &&
    !negativePrompt?.issue &&
    slots.every((s) => !s.issue) &&
    parameters.every((p) => !p.issue);
  return { model, prompt, negativePrompt, slots, parameters, outputs, unused, ready };
}

/** A mask is resized to its image, so only its shape has to agree, but for a pixel of rounding. The server's own rule. */
function sameShape(a: PickedImage, b: PickedImage): boolean {
  // The size of a recalled upload isn't known here.
  if (a.width * a.height * b.width * b.height === 0) return true;
  return Math.abs(a.width * b.height - b.width * a.height) <= Math.max(a.width, a.height, b.width, b.height);
}

export function requestFor(form: Form): GenerationRequest {
  const inputs: GenerationInputs = {};
  if (form.prompt && form.prompt.length > 0) inputs.prompt = form.prompt.value.trim();
  if (form.negativePrompt && form.negativePrompt.length > 0) inputs.negative_prompt = form.negativePrompt.value.trim();
  for (const { slot, picked } of form.slots) {
    const [first] = picked;
    if (!first) continue;
    if (slot === "images") inputs.images = picked.map((p) => p.id);
    else inputs[slot] = first.id;
  }
  const parameters: Record<string, ParameterValue> = {};
  for (const { spec, value } of form.parameters) {
    if (value !== null) parameters[spec.name] = value;
  }
  return { model: form.model.id, outputs: form.outputs.value, inputs, parameters };
}

/** What is recalled from an earlier result. */
export interface Recalled {
  model?: string;
  prompt?: string | null;
  negative_prompt?: string | null;
  images?: Partial<Record<ImageSlot, PickedImage[]>>;
  parameters?: Record<string, ParameterValue>;
  outputs?: number;
}

export function recall(draft: Draft, from: Recalled): Draft {
  return {
    model: from.model ?? draft.model,
    prompt: from.prompt ?? draft.prompt,
    negative_prompt: from.negative_prompt ?? draft.negative_prompt,
    images: from.images ? { ...emptyDraft().images, ...from.images } : draft.images,
    values: from.parameters ? { ...from.parameters } : draft.values,
    outputs: from.outputs ?? draft.outputs,
  };
}

export const largestSeed = 2_147_483_647;

/** A seed within what the parameter takes. `random` answers from 0 up to 1. */
export function randomSeed(spec: Parameter, random: () => number): number {
  const min = Math.max(0, spec.min ?? 0);
  const max = Math.min(largestSeed, spec.max ?? largestSeed);
  return min + Math.floor(random() * (max - min + 1));
}

/** Reads what was saved, dropping whatever doesn't have the expected shape, and uploads that have ended by `now`. */
export function parseDraft(text: string | null, now: number): Draft {
  const draft = emptyDraft();
  if (text === null) return draft;
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    return draft;
  }
  if (typeof saved !== "object" || saved === null) return draft;
  const from = saved as Record<string, unknown>;
  if (typeof from["model"] === "string") draft.model = from["model"];
  if (typeof from["prompt"] === "string") draft.prompt = from["prompt"];
  if (typeof from["negative_prompt"] === "string") draft.negative_prompt = from["negative_prompt"];
  if (typeof from["outputs"] === "number" && Number.isInteger(from["outputs"])) draft.outputs = from["outputs"];
  if (typeof from["values"] === "object" && from["values"] !== null) {
    for (const [name, value] of Object.entries(from["values"])) {
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
        draft.values[name] = value;
      }
    }
  }
  if (typeof from["images"] === "object" && from["images"] !== null) {
    const images = from["images"] as Record<string, unknown>;
    for (const slot of imageSlots) {
      const list = images[slot];
      if (Array.isArray(list)) draft.images[slot] = list.filter(isPicked).filter((p) => p.until === null || Date.parse(p.until) > now);
    }
  }
  return draft;
}

function isPicked(value: unknown): value is PickedImage {
  if (typeof value !== "object" || value === null) return false;
  const image = value as Record<string, unknown>;
  return (
    typeof image["id"] === "string" &&
    (image["from"] === "upload" || image["from"] === "asset") &&
    typeof image["name"] === "string" &&
    typeof image["width"] === "number" &&
    typeof image["height"] === "number" &&
    (image["preview"] === null || typeof image["preview"] === "string") &&
    (image["until"] === null || typeof image["until"] === "string")
  );
}
