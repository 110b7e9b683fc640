// The shapes of the HTTP API as this app reads them. Everything that imports a
// shape imports it from here: once `schema.d.ts` is generated from the OpenAPI
// document (`npm run types`), these become aliases of its components.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A decimal amount as text, so that no cent is lost to floating point. */
export interface Money {
  amount: string;
  currency: string;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface FieldProblem {
  field: string;
  code: string;
  message: string;
}

/** RFC 9457 problem details with this API's extensions. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string | null;
  request_id: string | null;
  errors: FieldProblem[];
}

export interface Me {
  id: string;
  email: string;
  name: string | null;
  picture: string | null;
  role: "user" | "admin";
  limits: { monthly: number; daily: number; hourly: number; concurrent: number };
  usage: Usage;
}

/** Units of one month, `month` as `2026-11`. */
export interface Usage {
  month: string;
  used: number;
  reserved: number;
  remaining: number;
}

export interface UsageMonth {
  month: string;
  units: number;
  spend: Money;
  models: { model: string; units: number; spend: Money }[];
}

export interface LedgerLine {
  at: string;
  generation_id: string;
  kind: "reserved" | "charged" | "returned";
  units: number;
  price: Money | null;
  reason: string | null;
}

export type ModelKind =
  | "text-to-image"
  | "image-to-image"
  | "inpainting"
  | "upscale"
  | "background-removal"
  | "text-to-video"
  | "image-to-video";

export interface TextInput {
  required: boolean;
  min_length: number;
  max_length: number;
  label: string;
  help?: string | null;
}

/** What the model takes for an image input; absent limits are the upload's own. */
export interface ImageInput {
  required: boolean;
  label?: string | null;
  help?: string | null;
  content_types?: string[] | null;
  max_bytes?: number | null;
  min_width?: number | null;
  min_height?: number | null;
}

export interface ImagesInput extends ImageInput {
  min: number;
  max: number;
}

export interface ModelInputs {
  prompt?: TextInput | null;
  negative_prompt?: TextInput | null;
  images?: ImagesInput | null;
  mask?: ImageInput | null;
  start_frame?: ImageInput | null;
  end_frame?: ImageInput | null;
}

export type ParameterValue = string | number | boolean;

export interface Parameter {
  name: string;
  label: string;
  help?: string | null;
  control: "aspect" | "slider" | "select" | "number" | "text" | "toggle" | "seed";
  type: "string" | "integer" | "number" | "boolean";
  default?: ParameterValue | null;
  min?: number | null;
  max?: number | null;
  step?: number | null;
  options?: { value: ParameterValue; label: string }[] | null;
  shown_when?: { parameter: string; equals: ParameterValue } | null;
}

export interface Model {
  id: string;
  name: string;
  kind: ModelKind;
  summary: string;
  help: { what: string; use_cases: string[]; tips: string[] };
  badges: string[];
  inputs: ModelInputs;
  parameters: Parameter[];
  outputs: { min: number; max: number; default: number };
  price: Money & { per: string };
  units: number;
  limits: { deadline_ms: number };
}

export interface GenerationInputs {
  prompt?: string;
  negative_prompt?: string;
  images?: string[];
  mask?: string;
  start_frame?: string;
  end_frame?: string;
}

export interface GenerationRequest {
  model: string;
  outputs: number;
  inputs: GenerationInputs;
  parameters: Record<string, ParameterValue>;
}

export interface Estimate {
  price: Money;
  units: number;
}

export type GenerationState =
  | "queued"
  | "running"
  | "storing"
  | "complete"
  | "failed"
  | "cancelled"
  | "unknown";

export interface Generation {
  id: string;
  state: GenerationState;
  model: string;
  outputs: number;
  progress: { queue_position?: number | null; message?: string | null } | null;
  inputs: GenerationInputs;
  parameters: Record<string, ParameterValue>;
  assets: Asset[];
  warnings: { output: number; code: string; message: string }[];
  error: { code: string; message: string } | null;
  units: { reserved: number; charged: number };
  price: { estimated: Money | null; actual: Money | null };
  created_at: string;
  finished_at: string | null;
}

export interface Thumbnail {
  url: string;
  width: number;
  height: number;
  content_type: string;
}

export interface Asset {
  id: string;
  kind: "image" | "video";
  media: {
    url: string;
    content_type: string;
    width: number;
    height: number;
    bytes: number;
    duration_ms: number | null;
    sha256: string;
  };
  thumbnails: Thumbnail[];
  /** A base64 thumbhash. */
  placeholder: string | null;
  model: string;
  prompt: string | null;
  parameters: Record<string, ParameterValue>;
  generation_id: string | null;
  parent_id: string | null;
  title: string | null;
  alt_text: string | null;
  favourite: boolean;
  collections: string[];
  created_at: string;
  deleted_at: string | null;
}

export interface AssetChange {
  title?: string | null;
  alt_text?: string | null;
  favourite?: boolean;
}

export interface UploadTicket {
  id: string;
  upload: { method: string; url: string; headers: Record<string, string> };
  expires_at: string;
}

export interface UploadedImage {
  id: string;
  content_type: string;
  width: number;
  height: number;
  bytes: number;
}

export interface Link {
  key: string;
  url: string;
  asset_id: string;
  opens: "page" | "file";
  enabled?: boolean;
  views?: number;
  expires_at?: string | null;
  created_at?: string;
}
