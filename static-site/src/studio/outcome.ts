// What became of each output of a request, as far as its view tells.

import type { Generation } from "../api/types";

type Warning = Generation["warnings"][number];

export interface Outcome {
  /** Ended without a result: refused, failed, or with no word from the provider. */
  lost: Warning[];
  /** Of the results, how many came after they had been given up; those are free. */
  late: number;
  /** Still in line or in the making. */
  waiting: number;
}

const noWord = "unknown-outcome";

/**
 * Outputs that were given up keep their warning when they arrive after all, so
 * there are more results and warnings than outputs then.
 */
export function outcomeOf(generation: Generation, over: boolean): Outcome {
  const { assets, outputs, warnings } = generation;
  const unheard = warnings.filter((warning) => warning.code === noWord);
  const failed = warnings.filter((warning) => warning.code !== noWord);
  const excess = Math.max(0, assets.length + warnings.length - outputs);
  const late = Math.min(excess, unheard.length);
  const lost = [...failed, ...unheard.slice(late)].sort((a, b) => a.output - b.output);
  return { lost, late, waiting: over ? 0 : Math.max(lost.length === outputs ? 0 : 1, outputs - assets.length - lost.length) };
}
