// The form's content. It belongs to the person, not to a model: it survives a
// change of model, a reload and a crash of the browser.

import { computed, effect, signal } from "@preact/signals";
import type { ParameterValue } from "../api/types";
import { type Draft, type ImageSlot, type PickedImage, emptyDraft, formFor, parseDraft } from "../form/model-form";
import { modelById, models } from "./models";
import { isLeaving, me } from "./session";

export const draft = signal<Draft>(emptyDraft());

export const chosenModel = computed(() => {
  const list = models.value;
  if (list.state !== "ready") return null;
  const id = draft.value.model;
  if (id !== null) return modelById.value.get(id) ?? null;
  return list.items[0] ?? null;
});

export const form = computed(() => (chosenModel.value ? formFor(chosenModel.value, draft.value) : null));

export function changeDraft(change: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...change };
}

export function setValue(name: string, value: ParameterValue | null): void {
  const values = { ...draft.peek().values };
  if (value === null) delete values[name];
  else values[name] = value;
  changeDraft({ values });
}

export function setImages(slot: ImageSlot, change: (picked: PickedImage[]) => PickedImage[]): void {
  const images = draft.peek().images;
  changeDraft({ images: { ...images, [slot]: change(images[slot]) } });
}

const saveAfterMs = 300;

function save(key: string, value: Draft): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full: the previews are the large part, and can be done without.
    const bare = (list: PickedImage[]) => list.map((p) => ({ ...p, preview: p.from === "upload" ? null : p.preview }));
    const { images, mask, start_frame, end_frame } = value.images;
    try {
      localStorage.setItem(
        key,
        JSON.stringify({ ...value, images: { images: bare(images), mask: bare(mask), start_frame: bare(start_frame), end_frame: bare(end_frame) } }),
      );
    } catch {
      // Storage is switched off: the draft lives as long as the page.
    }
  }
}

/** Reads the saved draft once it's known whose it is, and saves each change. */
export function startDraft(): void {
  let key: string | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unsaved = false;
  const saveNow = () => {
    clearTimeout(timer);
    if (unsaved && key !== null && !isLeaving()) save(key, draft.peek());
    unsaved = false;
  };
  effect(() => {
    const id = me.value?.id;
    if (id === undefined || key !== null) return;
    key = `draft:${id}`;
    let saved: string | null = null;
    try {
      saved = localStorage.getItem(key);
    } catch {
      // Storage is switched off.
    }
    draft.value = parseDraft(saved, Date.now());
  });
  effect(() => {
    draft.value;
    if (key === null) return;
    unsaved = true;
    clearTimeout(timer);
    timer = setTimeout(saveNow, saveAfterMs);
  });
  window.addEventListener("pagehide", saveNow);
}
