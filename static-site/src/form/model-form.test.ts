import { describe, expect, test } from "vitest";
import type { Model, Parameter } from "../api/types";
import {
  type Draft,
  type PickedImage,
  accepts,
  emptyDraft,
  formFor,
  parseDraft,
  randomSeed,
  recall,
  requestFor,
} from "./model-form";

const aspect: Parameter = {
  name: "aspect",
  label: "Aspect",
  control: "aspect",
  type: "string",
  default: "1:1",
  options: [
    { value: "1:1", label: "1:1" },
    { value: "16:9", label: "16:9" },
  ],
};
const seed: Parameter = { name: "seed", label: "Seed", control: "seed", type: "integer", min: 0, max: 9 };
const expand: Parameter = { name: "expand", label: "Expand", control: "toggle", type: "boolean", default: false };
const style: Parameter = {
  name: "style",
  label: "Style",
  control: "text",
  type: "string",
  default: "calm",
  shown_when: { parameter: "expand", equals: true },
};

function model(change: Partial<Model> = {}): Model {
  return {
    id: "m",
    name: "M",
    kind: "text-to-image",
    summary: "",
    help: { what: "", use_cases: [], tips: [] },
    badges: [],
    inputs: { prompt: { required: true, min_length: 3, max_length: 10, label: "Prompt" } },
    parameters: [aspect, seed, expand, style],
    outputs: { min: 1, max: 4, default: 2 },
    price: { amount: "0.01", currency: "USD", per: "image" },
    units: 1,
    limits: { deadline_ms: 1000 },
    ...change,
  };
}

function draft(change: Partial<Draft> = {}): Draft {
  return { ...emptyDraft(), prompt: "a boat", ...change };
}

function image(id: string, width = 100, height = 50): PickedImage {
  return { id, from: "upload", name: id, width, height, preview: null, until: null };
}

describe("prompt rules", () => {
  test.each([
    ["", "missing"],
    ["  ", "missing"],
    ["ab", "too-short"],
    [" abc ", null],
    ["abcdefghij", null],
    ["abcdefghijk", "too-long"],
    // Ten letters, twenty UTF-16 units.
    ["🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢", null],
  ])("%j is %s", (prompt, issue) => {
    const form = formFor(model(), draft({ prompt }));
    expect(form.prompt?.issue).toBe(issue);
    expect(form.ready).toBe(issue === null);
  });

  test("an optional prompt may be empty", () => {
    const inputs = { prompt: { required: false, min_length: 3, max_length: 10, label: "Prompt" } };
    const form = formFor(model({ inputs }), draft({ prompt: "" }));
    expect(form.ready).toBe(true);
    expect(requestFor(form).inputs).toEqual({});
  });
});

describe("a change of model", () => {
  test("marks what the new model can't use and sends none of it", () => {
    const mine = draft({
      negative_prompt: "fog",
      images: { ...emptyDraft().images, images: [image("a")], start_frame: [image("b")] },
    });
    const form = formFor(model(), mine);
    expect(form.unused.map((u) => u.what)).toEqual(["negative_prompt", "images", "start_frame"]);
    expect(requestFor(form).inputs).toEqual({ prompt: "a boat" });
    expect(form.ready).toBe(true);
  });

  test("images beyond the most that the model takes are marked", () => {
    const inputs = { images: { required: true, min: 1, max: 1, label: "Images" } };
    const mine = draft({ images: { ...emptyDraft().images, images: [image("a"), image("b")] } });
    const form = formFor(model({ inputs }), mine);
    expect(requestFor(form).inputs.images).toEqual(["a"]);
    expect(form.unused).toContainEqual({ what: "images", picked: [image("b")] });
  });

  test("a choice that isn't offered falls back to the default and is said", () => {
    const form = formFor(model(), draft({ values: { aspect: "21:9" } }));
    const field = form.parameters.find((p) => p.spec.name === "aspect");
    expect(field).toMatchObject({ value: "1:1", replaced: "21:9" });
  });

  test("the number of outputs stays within what the model makes", () => {
    expect(formFor(model(), draft({ outputs: 9 })).outputs.value).toBe(4);
    expect(formFor(model(), draft()).outputs.value).toBe(2);
  });
});

describe("parameters", () => {
  test("a hidden one is neither shown nor sent", () => {
    const hidden = formFor(model(), draft());
    expect(hidden.parameters.map((p) => p.spec.name)).toEqual(["aspect", "seed", "expand"]);
    expect(requestFor(hidden).parameters).toEqual({ aspect: "1:1", expand: false });
    const shown = formFor(model(), draft({ values: { expand: true } }));
    expect(requestFor(shown).parameters).toEqual({ aspect: "1:1", expand: true, style: "calm" });
  });

  test("conditions in a circle hide instead of hanging", () => {
    const a: Parameter = { ...expand, name: "a", default: true, shown_when: { parameter: "b", equals: true } };
    const b: Parameter = { ...expand, name: "b", default: true, shown_when: { parameter: "a", equals: true } };
    expect(formFor(model({ parameters: [a, b] }), draft()).parameters).toEqual([]);
  });

  test("a number out of its range is said and stops the request", () => {
    const form = formFor(model(), draft({ values: { seed: 10 } }));
    expect(form.parameters.find((p) => p.spec.name === "seed")?.issue).toBe("out-of-range");
    expect(form.ready).toBe(false);
  });

  test("an unlocked seed isn't sent", () => {
    expect(requestFor(formFor(model(), draft())).parameters).not.toHaveProperty("seed");
  });

  test("integers take no fractions, booleans no words", () => {
    expect(accepts(seed, 1.5)).toBe(false);
    expect(accepts(seed, 5)).toBe(true);
    expect(accepts(expand, "true")).toBe(false);
  });

  test("a rolled seed reaches both ends of its range", () => {
    expect(randomSeed(seed, () => 0)).toBe(0);
    expect(randomSeed(seed, () => 0.999999)).toBe(9);
  });
});

describe("image inputs", () => {
  const inputs = { images: { required: true, min: 1, max: 4, label: "Images" }, mask: { required: true, label: "Mask" } };

  test("a missing one stops the request", () => {
    const form = formFor(model({ inputs }), draft());
    expect(form.slots.map((s) => s.issue)).toEqual(["missing", "missing"]);
    expect(form.ready).toBe(false);
  });

  test("a mask of another shape is refused, of another size isn't", () => {
    const withMask = (mask: PickedImage) =>
      formFor(model({ inputs }), draft({ images: { ...emptyDraft().images, images: [image("a")], mask: [mask] } }));
    expect(withMask(image("m", 50, 50)).slots[1]?.issue).toBe("size-differs");
    expect(withMask(image("m", 200, 104)).slots[1]?.issue).toBe("size-differs");
    expect(withMask(image("m", 0, 0)).ready).toBe(true);
    expect(withMask(image("m", 33, 17)).ready).toBe(true);
    const good = withMask(image("m", 200, 100));
    expect(good.ready).toBe(true);
    expect(requestFor(good).inputs).toEqual({ images: ["a"], mask: "m" });
  });
});

describe("the saved draft", () => {
  test("comes back as it was", () => {
    const mine = draft({ model: "m", values: { seed: 4 }, outputs: 3, images: { ...emptyDraft().images, mask: [image("a")] } });
    expect(parseDraft(JSON.stringify(mine), 0)).toEqual(mine);
  });

  test("comes back without uploads that have ended", () => {
    const ending = { ...image("a"), until: "2026-11-24T05:00:00Z" };
    const mine = draft({ images: { ...emptyDraft().images, images: [ending, image("b")] } });
    const ids = (now: string) => parseDraft(JSON.stringify(mine), Date.parse(now)).images.images.map((p) => p.id);
    expect(ids("2026-11-24T04:59:59Z")).toEqual(["a", "b"]);
    expect(ids("2026-11-24T05:00:00Z")).toEqual(["b"]);
  });

  test.each([null, "", "{", "[]", "7", '{"prompt":5,"images":{"mask":[{"id":1}]},"values":{"a":{}}}'])(
    "%j gives an empty draft",
    (text) => {
      expect(parseDraft(text, 0)).toEqual(emptyDraft());
    },
  );
});

test("recalling a result replaces the parameters but keeps what it doesn't name", () => {
  const before = draft({ values: { seed: 1, expand: true }, negative_prompt: "fog" });
  const after = recall(before, { model: "x", prompt: "a ship", parameters: { aspect: "16:9" } });
  expect(after).toMatchObject({ model: "x", prompt: "a ship", negative_prompt: "fog", values: { aspect: "16:9" } });
});
