//! The endpoints that are offered and what each takes, in the provider's own names.
//!
//! Invariant: what a model of the provider would refuse by its published schema is refused here, with its kinds of
//! error. The schemas are the files in `fixtures/`.

use super::fault::Detail;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FILES: &[&str] = &[
    include_str!("../../fixtures/fal-ai/birefnet/v2.json"),
    include_str!("../../fixtures/fal-ai/bria/background/remove.json"),
    include_str!("../../fixtures/fal-ai/bria/eraser.json"),
    include_str!("../../fixtures/fal-ai/bytedance/seedance/v1.5/pro/text-to-video.json"),
    include_str!("../../fixtures/fal-ai/bytedance/seedream/v4.5/edit.json"),
    include_str!("../../fixtures/fal-ai/bytedance/seedream/v4.5/text-to-image.json"),
    include_str!("../../fixtures/fal-ai/clarity-upscaler.json"),
    include_str!("../../fixtures/fal-ai/esrgan.json"),
    include_str!("../../fixtures/fal-ai/flux-2-pro.json"),
    include_str!("../../fixtures/fal-ai/flux-2.json"),
    include_str!("../../fixtures/fal-ai/flux-2/edit.json"),
    include_str!("../../fixtures/fal-ai/flux-pro/kontext.json"),
    include_str!("../../fixtures/fal-ai/flux-pro/v1.1-ultra.json"),
    include_str!("../../fixtures/fal-ai/flux-pro/v1/fill.json"),
    include_str!("../../fixtures/fal-ai/flux/dev.json"),
    include_str!("../../fixtures/fal-ai/flux/dev/image-to-image.json"),
    include_str!("../../fixtures/fal-ai/flux/schnell.json"),
    include_str!("../../fixtures/fal-ai/ideogram/v3.json"),
    include_str!("../../fixtures/fal-ai/kling-video/v2.5-turbo/pro/image-to-video.json"),
    include_str!("../../fixtures/fal-ai/kling-video/v3/pro/image-to-video.json"),
    include_str!("../../fixtures/fal-ai/kling-video/v3/pro/text-to-video.json"),
    include_str!("../../fixtures/fal-ai/ltx-2.3/image-to-video.json"),
    include_str!("../../fixtures/fal-ai/ltx-2.3/text-to-video.json"),
    include_str!("../../fixtures/fal-ai/minimax/hailuo-2.3/standard/text-to-video.json"),
    include_str!("../../fixtures/fal-ai/nano-banana-2.json"),
    include_str!("../../fixtures/fal-ai/nano-banana-pro.json"),
    include_str!("../../fixtures/fal-ai/nano-banana.json"),
    include_str!("../../fixtures/fal-ai/nano-banana/edit.json"),
    include_str!("../../fixtures/fal-ai/qwen-image-2512.json"),
    include_str!("../../fixtures/fal-ai/qwen-image-edit-2511.json"),
    include_str!("../../fixtures/fal-ai/qwen-image-edit/inpaint.json"),
    include_str!("../../fixtures/fal-ai/recraft/v3/text-to-image.json"),
    include_str!("../../fixtures/fal-ai/recraft/v4/text-to-image.json"),
    include_str!("../../fixtures/fal-ai/seedvr/upscale/image.json"),
    include_str!("../../fixtures/fal-ai/veo3.1.json"),
    include_str!("../../fixtures/fal-ai/veo3.1/fast.json"),
    include_str!("../../fixtures/fal-ai/veo3.1/first-last-frame-to-video.json"),
    include_str!("../../fixtures/fal-ai/veo3.1/image-to-video.json"),
    include_str!("../../fixtures/fal-ai/wan/v2.7/image-to-video.json"),
    include_str!("../../fixtures/fal-ai/wan/v2.7/text-to-video.json"),
    include_str!("../../fixtures/fal-ai/z-image/turbo.json"),
    include_str!("../../fixtures/fal-ai/z-image/turbo/inpaint.json"),
    include_str!("../../fixtures/openai/gpt-image-2.json"),
    include_str!("../../fixtures/openai/gpt-image-2/edit.json"),
];

/// The named sizes of `image_size`, in pixels.
const PRESETS: &[(&str, (u32, u32))] = &[
    ("square_hd", (1024, 1024)),
    ("square", (512, 512)),
    ("portrait_4_3", (768, 1024)),
    ("portrait_16_9", (576, 1024)),
    ("landscape_4_3", (1024, 768)),
    ("landscape_16_9", (1024, 576)),
    ("auto_1K", (1024, 1024)),
    ("auto_2K", (2048, 2048)),
    ("auto_3K", (3072, 3072)),
    ("auto_4K", (4096, 4096)),
];

static ENDPOINTS: LazyLock<BTreeMap<String, Endpoint>> = LazyLock::new(|| {
    FILES
        .iter()
        .filter_map(|file| serde_json::from_str::<Endpoint>(file).ok())
        .map(|endpoint| (endpoint.endpoint.clone(), endpoint))
        .collect()
});

/// The endpoint called `id`.
pub(super) fn endpoint(id: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.get(id)
}

/// One endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    /// Its full id.
    pub(super) endpoint: String,
    pub(super) task: Task,
    /// The result's properties.
    pub(super) output: BTreeMap<String, Shape>,
    pub(super) unit: Unit,
    /// The file format of a model that doesn't let choose, where it isn't PNG.
    pub(super) format: Option<String>,
    input: BTreeMap<String, Spec>,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    TextToImage,
    ImageToImage,
    Inpainting,
    Upscaling,
    BackgroundRemoval,
    TextToVideo,
    ImageToVideo,
}

impl Task {
    /// Whether the result is a film.
    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::TextToVideo | Self::ImageToVideo)
    }
}

/// What describes a file in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Shape {
    /// With width and height.
    Image,
    /// A plain file.
    File,
    /// With width, height, rate, length and frames.
    VideoFile,
    /// No file.
    #[serde(rename = "value")]
    Value,
}

/// What is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Megapixels,
    Images,
    Units,
    Seconds,
    #[serde(rename = "compute seconds")]
    ComputeSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    ImageSize,
}

/// What one property may hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    required: bool,
    /// The address of a file.
    #[serde(default)]
    file: bool,
    #[serde(rename = "enum")]
    choices: Option<Vec<Value>>,
    minimum: Option<Value>,
    maximum: Option<Value>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    /// Longest text, in characters.
    max_length: Option<usize>,
    default: Option<Value>,
    items: Option<Box<Self>>,
    fields: Option<BTreeMap<String, Self>>,
    /// The names that `image_size` takes.
    presets: Option<Vec<String>>,
    /// Least and greatest side in pixels.
    side: Option<(u32, u32)>,
    /// What both sides must be a multiple of.
    multiple_of: Option<u32>,
    /// Least and greatest area in pixels.
    area: Option<(u64, u64)>,
    /// Greatest ratio of the longer to the shorter side.
    ratio: Option<u32>,
}

impl Endpoint {
    /// The body with this endpoint's defaults, or everything that is wrong with it.
    ///
    /// # Errors
    /// One entry for each problem, never none.
    pub(super) fn check(&self, body: &Value) -> Result<Map<String, Value>, Vec<Detail>> {
        let Value::Object(given) = body else {
            return Err(vec![Detail::new(&[], "dict_type", "Input should be a valid dictionary").input(body)]);
        };
        let mut problems = Vec::new();
        check_fields(&self.input, given, &mut Vec::new(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut input = given.clone();
        for (name, spec) in &self.input {
            if let (Some(default), false) = (&spec.default, input.contains_key(name)) {
                input.insert(name.clone(), default.clone());
            }
        }
        Ok(input)
    }

    /// Whether the endpoint knows a property.
    pub(super) fn has(&self, name: &str) -> bool {
        self.input.contains_key(name)
    }
}

/// The pixels of a checked `image_size`, none when it leaves them to the model.
pub(super) fn image_size(value: Option<&Value>) -> Option<(u32, u32)> {
    match value? {
        Value::String(name) => PRESETS.iter().find(|(preset, _)| preset == name).map(|(_, size)| *size),
        Value::Object(size) => {
            let side = |name: &str| size.get(name).and_then(Value::as_u64).and_then(|side| u32::try_from(side).ok());
            Some((side("width")?, side("height")?))
        }
        _ => None,
    }
}

fn check_fields(specs: &BTreeMap<String, Spec>, given: &Map<String, Value>, path: &mut Vec<Value>, problems: &mut Vec<Detail>) {
    for (name, spec) in specs {
        path.push(json!(name));
        match given.get(name) {
            Some(value) => check_value(spec, value, path, problems),
            None if spec.required => problems.push(Detail::new(path, "missing", "Field required").input(&json!(given))),
            None => {}
        }
        path.pop();
    }
    for (name, value) in given.iter().filter(|(name, _)| !specs.contains_key(*name)) {
        path.push(json!(name));
        problems.push(Detail::new(path, "extra_forbidden", "Extra inputs are not permitted").input(value));
        path.pop();
    }
}

fn check_value(spec: &Spec, value: &Value, path: &mut Vec<Value>, problems: &mut Vec<Detail>) {
    let refused = match spec.kind {
        Kind::String if !value.is_string() => Some(("string_type", "Input should be a valid string")),
        Kind::Integer if !(value.is_i64() || value.is_u64()) => Some(("int_type", "Input should be a valid integer")),
        Kind::Number if !value.is_number() => Some(("float_type", "Input should be a valid number")),
        Kind::Boolean if !value.is_boolean() => Some(("bool_type", "Input should be a valid boolean")),
        Kind::Array if !value.is_array() => Some(("list_type", "Input should be a valid list")),
        Kind::Object if !value.is_object() => Some(("dict_type", "Input should be a valid dictionary")),
        _ => None,
    };
    if let Some((kind, msg)) = refused {
        problems.push(Detail::new(path, kind, msg).input(value));
        return;
    }
    if let Some(choices) = &spec.choices
        && !choices.contains(value)
    {
        let expected = choices.iter().map(|choice| choice.to_string().replace('"', "'")).collect::<Vec<_>>().join(", ");
        let msg = format!("Input should be one of {expected}");
        problems.push(Detail::new(path, "literal_error", msg).ctx(json!({ "expected": expected })).input(value));
    }
    if let (Some(most), Value::String(text)) = (spec.max_length, value)
        && text.chars().count() > most
    {
        let msg = format!("String should have at most {most} characters");
        problems.push(Detail::new(path, "string_too_long", msg).ctx(json!({ "max_length": most })));
    }
    check_range(spec, value, path, problems);
    match (spec.kind, value) {
        (Kind::ImageSize, value) => check_size(spec, value, path, problems),
        (Kind::Array, Value::Array(items)) => {
            if spec.min_items.is_some_and(|least| items.len() < least) {
                let detail = Detail::new(path, "sequence_too_short", "Sequence is too short");
                problems.push(detail.ctx(json!({ "min_length": spec.min_items, "actual_length": items.len() })));
            }
            if spec.max_items.is_some_and(|most| items.len() > most) {
                let detail = Detail::new(path, "sequence_too_long", "Sequence is too long");
                problems.push(detail.ctx(json!({ "max_length": spec.max_items, "actual_length": items.len() })));
            }
            for (i, item) in items.iter().enumerate() {
                path.push(json!(i));
                if let Some(spec) = &spec.items {
                    check_value(spec, item, path, problems);
                }
                path.pop();
            }
        }
        (Kind::Object, Value::Object(object)) => {
            if let Some(fields) = &spec.fields {
                check_fields(fields, object, path, problems);
            }
        }
        (Kind::String, Value::String(text)) if spec.file => {
            let scheme = text.split(':').next().unwrap_or_default();
            if !["http", "https", "data"].contains(&scheme) {
                problems.push(Detail::new(path, "file_download_error", "Failed to download the file").input(value));
            }
        }
        _ => {}
    }
}

fn check_range(spec: &Spec, value: &Value, path: &[Value], problems: &mut Vec<Detail>) {
    if let Some(least) = &spec.minimum
        && below(value, least)
    {
        let msg = format!("Input should be greater than or equal to {least}");
        problems.push(Detail::new(path, "greater_than_equal", msg).ctx(json!({ "ge": least })).input(value));
    }
    if let Some(most) = &spec.maximum
        && below(most, value)
    {
        let msg = format!("Input should be less than or equal to {most}");
        problems.push(Detail::new(path, "less_than_equal", msg).ctx(json!({ "le": most })).input(value));
    }
}

/// Compares numbers, whole ones exactly.
fn below(a: &Value, b: &Value) -> bool {
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a < b,
        _ => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a < b),
    }
}

fn check_size(spec: &Spec, value: &Value, path: &mut Vec<Value>, problems: &mut Vec<Detail>) {
    if let Value::String(name) = value {
        let presets = spec.presets.as_deref().unwrap_or_default();
        if !presets.contains(name) {
            let expected = presets.iter().map(|preset| format!("'{preset}'")).collect::<Vec<_>>().join(", ");
            let msg = format!("Input should be one of {expected}");
            problems.push(Detail::new(path, "literal_error", msg).ctx(json!({ "expected": expected })).input(value));
        }
        return;
    }
    let Value::Object(object) = value else {
        problems.push(Detail::new(path, "value_error", "Input should be a size or the name of one").input(value));
        return;
    };
    let before = problems.len();
    for (name, side) in object {
        path.push(json!(name));
        if name == "width" || name == "height" {
            check_side(spec, side, path, problems);
        } else {
            problems.push(Detail::new(path, "extra_forbidden", "Extra inputs are not permitted").input(side));
        }
        path.pop();
    }
    for name in ["width", "height"].into_iter().filter(|name| !object.contains_key(*name)) {
        path.push(json!(name));
        problems.push(Detail::new(path, "missing", "Field required").input(value));
        path.pop();
    }
    let Some((width, height)) = image_size(Some(value)).filter(|_| problems.len() == before) else {
        return;
    };
    let area = u64::from(width) * u64::from(height);
    if spec.area.is_some_and(|(least, most)| area < least || area > most) {
        let detail = Detail::new(path, "value_error", "The area of the image is out of range");
        problems.push(detail.ctx(json!({ "area": spec.area })).input(value));
    }
    if spec.ratio.is_some_and(|most| width.max(height) > width.min(height) * most) {
        let detail = Detail::new(path, "value_error", "The image is too long for its width");
        problems.push(detail.ctx(json!({ "max_ratio": spec.ratio })).input(value));
    }
}

fn check_side(spec: &Spec, side: &Value, path: &[Value], problems: &mut Vec<Detail>) {
    let Some(pixels) = side.as_u64() else {
        problems.push(Detail::new(path, "int_type", "Input should be a valid integer").input(side));
        return;
    };
    let (least, most) = spec.side.unwrap_or((1, 14_142));
    if pixels < u64::from(least) {
        let msg = format!("Input should be greater than or equal to {least}");
        problems.push(Detail::new(path, "greater_than_equal", msg).ctx(json!({ "ge": least })).input(side));
    } else if pixels > u64::from(most) {
        let msg = format!("Input should be less than or equal to {most}");
        problems.push(Detail::new(path, "less_than_equal", msg).ctx(json!({ "le": most })).input(side));
    } else if let Some(step) = spec.multiple_of
        && !pixels.is_multiple_of(u64::from(step))
    {
        let msg = format!("Input should be a multiple of {step}");
        problems.push(Detail::new(path, "multiple_of", msg).ctx(json!({ "multiple_of": step })).input(side));
    }
}

#[cfg(test)]
mod tests;
