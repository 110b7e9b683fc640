import { computed, signal } from "@preact/signals";
import { get, query } from "../api/client";
import type { Model, ModelKind, Page } from "../api/types";

export type Models = { state: "idle" | "loading" } | { state: "failed"; failure: unknown } | { state: "ready"; items: Model[] };

export const models = signal<Models>({ state: "idle" });

export const modelById = computed(() => {
  const list = models.value;
  return new Map(list.state === "ready" ? list.items.map((m) => [m.id, m] as const) : []);
});

const largestPage = 100;
// A catalogue has dozens of entries; this only bounds a server that never ends.
const mostPages = 10;

export async function loadModels(): Promise<void> {
  if (models.value.state === "loading" || models.value.state === "ready") return;
  models.value = { state: "loading" };
  try {
    const items: Model[] = [];
    let cursor: string | null = null;
    for (let n = 0; n < mostPages; n += 1) {
      const page: Page<Model> = await get(`/models${query({ limit: largestPage, cursor })}`);
      items.push(...page.items);
      cursor = page.next_cursor;
      if (cursor === null) break;
    }
    models.value = { state: "ready", items };
  } catch (failure) {
    models.value = { state: "failed", failure };
  }
}

export function modelName(id: string): string {
  return modelById.value.get(id)?.name ?? id;
}

export function modelsOfKind(kind: ModelKind): Model[] {
  const list = models.value;
  return list.state === "ready" ? list.items.filter((m) => m.kind === kind) : [];
}

export function makesVideo(model: Model | undefined): boolean {
  return model?.kind === "text-to-video" || model?.kind === "image-to-video";
}
