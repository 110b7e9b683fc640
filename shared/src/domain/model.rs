//! A model as data: what it takes, what it costs, and how that is said in the provider's words.
//!
//! One entry drives the form, the validation, the provider's request and the price; adding a model is adding an entry. Canonical names
//! (`prompt`, `aspect`, `seed`, `guidance`, ...) are the same for every model, so that a request survives a change of model;
//! [`Mapping`] turns them into the provider's own names and forms and is never shown to clients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::money::Money;

mod price;
mod view;

pub use view::{ModelView, PriceView};

#[cfg(test)]
pub(crate) mod tests;

/// What a model makes of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// A prompt becomes images.
    TextToImage,
    /// Images and a prompt become images.
    ImageToImage,
    /// The masked part of an image is painted anew.
    Inpainting,
    /// An image becomes larger.
    Upscale,
    /// An image loses its background.
    BackgroundRemoval,
    /// A prompt becomes a video.
    TextToVideo,
    /// An image becomes a video.
    ImageToVideo,
}

impl ModelKind {
    /// Whether the outputs are videos.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::TextToVideo | Self::ImageToVideo)
    }
}

/// An entry of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Our stable name of it: in requests, assets and addresses.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The provider's endpoint, `owner/app[/path]`.
    pub endpoint: String,
    /// What it makes of what.
    pub kind: ModelKind,
    /// One sentence.
    pub summary: String,
    /// The information dialog.
    pub help: Help,
    /// One or two words each, for its card.
    #[serde(default)]
    pub badges: Vec<String>,
    /// What it takes besides parameters.
    pub inputs: Inputs,
    /// What can be set, in the order of the form.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// How many outputs one request may ask for.
    pub outputs: Outputs,
    /// What one output is expected to cost.
    pub price: Price,
    /// What one output takes from the monthly limit.
    pub units: u32,
    /// Bounds that aren't part of the form.
    pub limits: ModelLimits,
    /// The same in the provider's words.
    pub mapping: Mapping,
}

/// The information dialog.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Help {
    /// What it is.
    pub what: String,
    /// What it is good for.
    pub use_cases: Vec<String>,
    /// How to get the best out of it.
    pub tips: Vec<String>,
}

/// What a model takes; what it can't use is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// What to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<TextInput>,
    /// What to avoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<TextInput>,
    /// Images to work from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesInput>,
    /// Where to paint: grey, white is painted anew. As large as the first image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<FileInput>,
    /// The first frame of a video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_frame: Option<FileInput>,
    /// The last frame of a video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_frame: Option<FileInput>,
}

/// A text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TextInput {
    /// Whether the model can't do without.
    pub required: bool,
    /// Characters, not bytes, without surrounding white space. Zero for what may be left empty.
    pub min_length: u32,
    /// Characters.
    pub max_length: u32,
    /// The label of the field.
    pub label: String,
}

/// One or more images.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImagesInput {
    /// Whether the model can't do without.
    pub required: bool,
    /// At least so many when there are any.
    pub min: u32,
    /// At most so many.
    pub max: u32,
    /// The label of the field.
    pub label: String,
}

/// One image with a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FileInput {
    /// Whether the model can't do without.
    pub required: bool,
    /// The label of the field.
    pub label: String,
}

/// Something that can be set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The canonical name.
    pub name: String,
    /// The label of the field.
    pub label: String,
    /// A sentence below the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How the form asks for it.
    pub control: Control,
    /// What its values are.
    #[serde(rename = "type")]
    pub value: ValueType,
    /// What is used when it isn't given; absent when the model chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The smallest number, or the fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(value_type = Option<f64>))]
    pub min: Option<serde_json::Number>,
    /// The largest number, or the most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(value_type = Option<f64>))]
    pub max: Option<serde_json::Number>,
    /// The distance of allowed numbers, counted from `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(value_type = Option<f64>))]
    pub step: Option<serde_json::Number>,
    /// The allowed values, when they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "view", schema(required = false))]
    pub options: Vec<Choice>,
    /// It only counts while another parameter has a certain value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_when: Option<ShownWhen>,
}

/// How the form asks for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// A picker of width to height.
    Aspect,
    /// A slider.
    Slider,
    /// A list.
    Select,
    /// A number.
    Number,
    /// A line of text.
    Text,
    /// On or off.
    Toggle,
    /// A number with lock and random.
    Seed,
}

/// The JSON type of a parameter's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// One allowed value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What is sent.
    pub value: Value,
    /// What people read.
    pub label: String,
}

/// A condition on another parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ShownWhen {
    /// The other parameter's name; it stands earlier in the form.
    pub parameter: String,
    /// The value it must have.
    pub equals: Value,
}

/// How many outputs one request may ask for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// At least one.
    pub min: u32,
    /// At most so many.
    pub max: u32,
    /// When nothing is said.
    pub default: u32,
}

/// What one output is expected to cost. What it did cost is said by the provider afterwards.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// In US dollars, for one of `per`.
    #[serde(deserialize_with = "amount")]
    pub amount: Money,
    /// What is counted.
    pub per: Per,
    /// Other amounts under conditions; the first that holds counts.
    #[serde(default)]
    pub rates: Vec<Rate>,
    /// Megapixels of an output whose size isn't asked for; 1 when absent.
    #[serde(default)]
    pub megapixels: Option<u32>,
    /// The parameter by which an upscaler multiplies each side.
    #[serde(default)]
    pub scale: Option<String>,
}

/// What a price counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each image.
    Image,
    /// Each begun megapixel (1,024 × 1,024) of an output.
    Megapixel,
    /// Each second of an output.
    Second,
    /// Each video.
    Video,
}

/// Another amount under conditions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Parameters and the values they must have, all of them.
    pub when: BTreeMap<String, Value>,
    /// The amount that then counts.
    #[serde(deserialize_with = "amount")]
    pub amount: Money,
}

/// Bounds that aren't part of the form.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelLimits {
    /// Milliseconds from submission to result, the provider's queue included; then a call is given up.
    pub deadline_ms: u64,
    /// Pixels: images with a shorter side are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_side: Option<u32>,
    /// Pixels: larger images are made smaller before they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side: Option<u32>,
}

/// Canonical names and forms in the provider's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Properties of the inputs. Each supported input has one.
    #[serde(default)]
    pub inputs: MappedInputs,
    /// Properties of the parameters. Each parameter has one.
    #[serde(default)]
    pub parameters: BTreeMap<String, MappedParameter>,
    /// Sent with every request.
    #[serde(default)]
    pub fixed: BTreeMap<String, Value>,
}

/// The provider's names of the inputs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedInputs {
    /// A text.
    #[serde(default)]
    pub prompt: Option<String>,
    /// A text.
    #[serde(default)]
    pub negative_prompt: Option<String>,
    /// One address.
    #[serde(default)]
    pub image: Option<String>,
    /// A list of addresses. Either this or `image`.
    #[serde(default)]
    pub images: Option<String>,
    /// One address.
    #[serde(default)]
    pub mask: Option<String>,
    /// One address.
    #[serde(default)]
    pub start_frame: Option<String>,
    /// One address.
    #[serde(default)]
    pub end_frame: Option<String>,
}

/// The provider's name of a parameter, and its values where they have another form.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedParameter {
    /// The property.
    pub property: String,
    /// Our value (as text) to theirs; absent when they are the same.
    #[serde(default)]
    pub values: Option<BTreeMap<String, Value>>,
}

impl MappedParameter {
    /// The provider's form of `value`; `None` for a value that the entry forgot.
    pub fn value(&self, value: &Value) -> Option<Value> {
        match &self.values {
            None => Some(value.clone()),
            Some(values) => values.get(&text_of(value)).cloned(),
        }
    }
}

impl Model {
    /// The parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// `value` as a key of [`MappedParameter::values`].
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn amount<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
