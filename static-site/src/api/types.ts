// The shapes of the HTTP API as this app reads them, taken from the server's own
// description (`schema.d.ts`, made by `npm run types`). Where that description is
// looser than what the server does, the difference is written out here:
// - Answers carry every field, null where there is nothing. The description
//   calls such fields optional; `Complete` makes them present.
// - Some texts have a few known values, which the description lists in prose.
// - Values that depend on the model (inputs, parameters) are plain objects there.

import type { components } from "./schema";

type Schemas = components["schemas"];
// Names of their own, because an interface can extend nothing else.
type NewInputs = Schemas["NewInputs"];
type NewGeneration = Schemas["NewGeneration"];
type OwnersChange = Schemas["AssetChange"];

type Complete<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

/** `T` with some of its fields described more closely. */
type With<T, N extends { [K in keyof N]: K extends keyof T ? unknown : never }> = Omit<T, keyof N> & N;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A decimal amount as text, so that no cent is lost to floating point. */
export type Money = Schemas["Money"];

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type FieldProblem = Schemas["FieldError"];

/**
 * RFC 9457 problem details with this API's extensions. Also made by the app, of
 * answers that came from no server of ours and so name no request.
 */
export type Problem = With<Complete<Schemas["Problem"]>, { detail: string | null; request_id: string | null }>;

export type Me = Complete<Schemas["Me"]> & {
  /** In deletion there is nothing but the way back, until `deletes_at`. */
  status: "active" | "deleting";
  deletes_at: string | null;
};

export type Scope = Schemas["Scope"];

export type SignedInSession = Schemas["SessionView"];

export type Token = Complete<Schemas["TokenView"]>;

export type NewToken = Schemas["CreateToken"];

/** With its secret, which is answered this once. */
export type MadeToken = Complete<Schemas["NewTokenView"]>;

/** A zip with everything of one's own, in the making or made. */
export interface ExportJob {
  id: string;
  state: "queued" | "running" | "ready" | "failed";
  created_at: string;
  finished_at: string | null;
  expires_at: string | null;
  bytes: number | null;
  /** Signed, for an hour at most; null until it is ready. */
  url: string | null;
}

/** Units of one month, `month` as `2026-11`. */
export type Usage = Schemas["Usage"];

export type UsageMonth = Schemas["MonthUsage"];

export type LedgerLine = With<Schemas["LedgerLineView"], { kind: "reserved" | "charged" | "returned" }>;

export type ModelKind = Schemas["ModelKind"];

export type TextInput = Schemas["TextInput"];

export type ImageInput = Schemas["FileInput"];

export type ImagesInput = Schemas["ImagesInput"];

export type ModelInputs = Schemas["Inputs"];

export type ParameterValue = string | number | boolean;

export type Parameter = With<
  Schemas["Parameter"],
  {
    default?: ParameterValue | null;
    options?: With<Schemas["Choice"], { value: ParameterValue }>[];
    shown_when?: With<Schemas["ShownWhen"], { equals: ParameterValue }> | null;
  }
>;

export type Model = With<Schemas["ModelView"], { parameters: Parameter[] }>;

/** What a request works from; absent, never null, where there is nothing. */
export interface GenerationInputs extends NewInputs {
  prompt?: string;
  negative_prompt?: string;
  mask?: string;
  start_frame?: string;
  end_frame?: string;
}

/** The app always says everything, so that a changed default changes no request. */
export interface GenerationRequest extends NewGeneration {
  outputs: number;
  inputs: GenerationInputs;
  parameters: Record<string, ParameterValue>;
}

export type Estimate = Schemas["Estimate"];

export type GenerationState =
  | "queued"
  | "running"
  | "storing"
  | "complete"
  | "failed"
  | "cancelled"
  | "unknown";

export type Generation = With<
  Complete<Schemas["Generation"]>,
  {
    state: GenerationState;
    inputs: GenerationInputs;
    parameters: Record<string, ParameterValue>;
    assets: Asset[];
    // Described under the name that a model's price also has.
    price: { estimated: Money | null; actual: Money | null };
  }
>;

export type Thumbnail = Schemas["ThumbnailView"];

export type Asset = With<
  Complete<Schemas["Asset"]>,
  {
    kind: "image" | "video";
    media: Complete<Schemas["MediaView"]>;
    parameters: Record<string, ParameterValue>;
  }
>;

/** A mark is set or taken off; null means neither to the person. */
export interface AssetChange extends OwnersChange {
  favourite?: boolean;
}

export type Link = With<Complete<Schemas["Link"]>, { asset: Asset | null }>;

export type NewLink = Schemas["NewLink"];

export type LinkChange = Schemas["LinkChange"];

export type UploadTicket = Schemas["UploadTicket"];

export type UploadedPicture = Schemas["UploadedPicture"];
