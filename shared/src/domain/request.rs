//! A request to generate, checked against its model: everything that is wrong with it is said at once.
//!
//! What a model can't use is refused by name, never dropped: a person who has set something must not wonder why nothing
//! changed. Whether the media it names exist and fit (size, mask) is for the caller, who can look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::callback;
use super::fields::FieldErrors;
use super::model::{Model, Parameter, TextInput, ValueType};
use crate::id::{AssetId, CollectionId};

#[cfg(test)]
mod tests;

/// The path of the mask's field.
pub const MASK: &str = "inputs.mask";
/// The path of the first frame's field.
pub const START_FRAME: &str = "inputs.start_frame";
/// The path of the last frame's field.
pub const END_FRAME: &str = "inputs.end_frame";

/// The body of `POST /api/v1/generations`, as it came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "view", schema(example = json!({
    "model": "flux-schnell", "outputs": 1, "inputs": {"prompt": "a lighthouse at dusk"}, "parameters": {"aspect": "16:9", "seed": 42}
})))]
#[serde(deny_unknown_fields)]
pub struct NewGeneration {
    /// A model's id.
    #[cfg_attr(feature = "view", schema(min_length = 1, max_length = 100))]
    pub model: String,
    /// How many outputs; the model's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(minimum = 1, maximum = 8))]
    pub outputs: Option<u32>,
    /// What to work from.
    #[serde(default)]
    #[cfg_attr(feature = "view", schema(required = false))]
    pub inputs: NewInputs,
    /// Values of the model's parameters by their names.
    #[serde(default)]
    #[cfg_attr(feature = "view", schema(value_type = BTreeMap<String, Value>, required = false))]
    pub parameters: Map<String, Value>,
    /// A collection that the outputs go into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(pattern = "^[0-9a-f]{32}$"))]
    pub collection: Option<String>,
    /// An https address on port 443 and a public host that is told, by a signed webhook, when it is over: see `callback` in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(format = "uri", max_length = 2000))]
    pub callback_url: Option<String>,
}

/// What to work from, as it came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewInputs {
    /// What to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What to avoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Ids of uploads or assets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "view", schema(required = false, max_items = 16))]
    pub images: Vec<String>,
    /// The id of an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(pattern = "^[0-9a-f]{32}$"))]
    pub mask: Option<String>,
    /// The id of an upload or asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(pattern = "^[0-9a-f]{32}$"))]
    pub start_frame: Option<String>,
    /// The id of an upload or asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "view", schema(pattern = "^[0-9a-f]{32}$"))]
    pub end_frame: Option<String>,
}

/// A request that its model can take. Only [`validate`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidGeneration {
    /// The model's id.
    pub model: String,
    /// How many outputs.
    pub outputs: u32,
    /// Texts and the ids of media.
    pub inputs: ValidInputs,
    /// Every parameter that counts, defaults included. A seed is only here when it was asked for.
    pub parameters: BTreeMap<String, Value>,
    /// Where the outputs go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionId>,
    /// Whom to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// Texts without surrounding white space, and ids (of the right form; whether they exist is for the caller).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidInputs {
    /// What to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What to avoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Ids of uploads or assets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The id of an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// The id of an upload or asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_frame: Option<String>,
    /// The id of an upload or asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_frame: Option<String>,
}

impl ValidInputs {
    /// Every picture it names, with the path of its field.
    pub fn pictures(&self) -> impl Iterator<Item = (String, &str)> {
        let images = self.images.iter().enumerate().map(|(index, id)| (format!("inputs.images[{index}]"), id.as_str()));
        let others = [(MASK, &self.mask), (START_FRAME, &self.start_frame), (END_FRAME, &self.end_frame)];
        images.chain(others.into_iter().filter_map(|(field, id)| Some((field.to_owned(), id.as_deref()?))))
    }
}

impl ValidGeneration {
    /// The seed of output `index` (from 0) when one was asked for: each output its own, or they would all be the same picture.
    /// Wraps at the model's largest seed.
    pub fn seed(&self, model: &Model, index: u32) -> Option<u64> {
        let asked = self.parameters.get("seed")?.as_u64()?;
        let most = model.parameter("seed")?.max.as_ref().and_then(serde_json::Number::as_u64).unwrap_or(u64::MAX);
        Some(match asked.checked_add(u64::from(index)) {
            Some(seed) if seed <= most => seed,
            _ => u64::from(index).saturating_sub(most.saturating_sub(asked) + 1),
        })
    }
}

/// Checks `request` against `model`.
///
/// # Errors
/// Every problem, with the path of its field.
pub fn validate(model: &Model, request: NewGeneration) -> Result<ValidGeneration, FieldErrors> {
    let mut errors = FieldErrors::default();
    let outputs = request.outputs.unwrap_or(model.outputs.default);
    if !(model.outputs.min..=model.outputs.max).contains(&outputs) {
        let message = format!("{} makes {} to {} outputs at a time.", model.name, model.outputs.min, model.outputs.max);
        errors.add("outputs", "out-of-range", message);
    }
    let inputs = check_inputs(model, request.inputs, &mut errors);
    let parameters = check_parameters(model, request.parameters, &mut errors);
    let collection = request.collection.and_then(|id| match id.parse() {
        Ok(id) => Some(id),
        Err(_) => {
            errors.add("collection", "wrong-type", "This is no collection's id.");
            None
        }
    });
    let callback_url = request.callback_url.filter(|url| check_callback(url, &mut errors));
    errors.finish(ValidGeneration { model: model.id.clone(), outputs, inputs, parameters, collection, callback_url })
}

fn check_inputs(model: &Model, given: NewInputs, errors: &mut FieldErrors) -> ValidInputs {
    let wanted = &model.inputs;
    let mut files = |field: &'static str, given: Option<String>, wanted: Option<bool>| check_file(model, field, given, wanted, errors);
    let mask = files(MASK, given.mask, wanted.mask.as_ref().map(|file| file.required));
    let start_frame = files(START_FRAME, given.start_frame, wanted.start_frame.as_ref().map(|file| file.required));
    let end_frame = files(END_FRAME, given.end_frame, wanted.end_frame.as_ref().map(|file| file.required));
    ValidInputs {
        prompt: check_text(model, "inputs.prompt", given.prompt, wanted.prompt.as_ref(), errors),
        negative_prompt: check_text(model, "inputs.negative_prompt", given.negative_prompt, wanted.negative_prompt.as_ref(), errors),
        images: check_images(model, given.images, errors),
        mask,
        start_frame,
        end_frame,
    }
}

fn check_text(model: &Model, field: &str, given: Option<String>, wanted: Option<&TextInput>, errors: &mut FieldErrors) -> Option<String> {
    let text = given.map(|text| text.trim().replace("\r\n", "\n")).filter(|text| !text.is_empty());
    let Some(wanted) = wanted else {
        if text.is_some() {
            errors.add(field, "not-supported", format!("{} can't use this.", model.name));
        }
        return None;
    };
    let Some(text) = text else {
        if wanted.required {
            errors.add(field, "required", format!("{} is missing.", wanted.label));
        }
        return None;
    };
    let length = text.chars().count();
    if length < wanted.min_length as usize {
        errors.add(field, "too-short", format!("At least {} characters.", wanted.min_length));
    }
    if length > wanted.max_length as usize {
        errors.add(field, "too-long", format!("At most {} characters; these are {length}.", wanted.max_length));
    }
    if has_control_characters(&text) {
        errors.add(field, "control-characters", "Only text, without control characters.");
    }
    Some(text)
}

fn check_images(model: &Model, given: Vec<String>, errors: &mut FieldErrors) -> Vec<String> {
    let Some(wanted) = &model.inputs.images else {
        if !given.is_empty() {
            errors.add("inputs.images", "not-supported", format!("{} can't use images.", model.name));
        }
        return Vec::new();
    };
    if given.is_empty() {
        if wanted.required {
            errors.add("inputs.images", "required", format!("{} is missing.", wanted.label));
        }
        return given;
    }
    if given.len() < wanted.min as usize || given.len() > wanted.max as usize {
        let message =
            if wanted.min == wanted.max { format!("Exactly {}.", wanted.max) } else { format!("{} to {} images.", wanted.min, wanted.max) };
        errors.add("inputs.images", "out-of-range", message);
    }
    for (index, id) in given.iter().enumerate().take(wanted.max as usize) {
        if !is_id(id) {
            errors.add(format!("inputs.images[{index}]"), "wrong-type", "This is no id of an upload or asset.");
        }
    }
    given
}

fn check_file(model: &Model, field: &'static str, given: Option<String>, wanted: Option<bool>, errors: &mut FieldErrors) -> Option<String> {
    match (&given, wanted) {
        (Some(_), None) => errors.add(field, "not-supported", format!("{} can't use this.", model.name)),
        (None, Some(true)) => errors.add(field, "required", format!("{} can't do without.", model.name)),
        (Some(id), _) if !is_id(id) => errors.add(field, "wrong-type", "This is no id of an upload or asset."),
        _ => {}
    }
    given
}

fn check_parameters(model: &Model, mut given: Map<String, Value>, errors: &mut FieldErrors) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for parameter in &model.parameters {
        let field = format!("parameters.{}", parameter.name);
        // A form sends null for a field that was emptied.
        let value = given.remove(&parameter.name).filter(|value| !value.is_null());
        if let Some(when) = &parameter.shown_when
            && values.get(&when.parameter) != Some(&when.equals)
        {
            if value.is_some() {
                let other = model.parameter(&when.parameter).map_or(when.parameter.as_str(), |other| other.label.as_str());
                errors.add(field, "not-supported", format!("{} has no effect with this choice of {other}.", parameter.label));
            }
            continue;
        }
        match value {
            Some(value) => {
                if let Err((code, message)) = check_value(parameter, &value) {
                    errors.add(field, code, message);
                } else {
                    values.insert(parameter.name.clone(), value);
                }
            }
            None => {
                if let Some(default) = &parameter.default {
                    values.insert(parameter.name.clone(), default.clone());
                }
            }
        }
    }
    for name in given.keys().take(20) {
        let known: String = name.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        errors.add(format!("parameters.{known}"), "not-supported", format!("{} has no such parameter.", model.name));
    }
    values
}

fn check_value(parameter: &Parameter, value: &Value) -> Result<(), (&'static str, String)> {
    let fits = match parameter.value {
        ValueType::String => value.is_string(),
        ValueType::Boolean => value.is_boolean(),
        ValueType::Number => value.is_number(),
        ValueType::Integer => value.is_u64() || value.is_i64(),
    };
    if !fits {
        let wanted = match parameter.value {
            ValueType::String => "a text",
            ValueType::Boolean => "true or false",
            ValueType::Number => "a number",
            ValueType::Integer => "a whole number",
        };
        return Err(("wrong-type", format!("{} is {wanted}.", parameter.label)));
    }
    if !parameter.options.is_empty() {
        let listed = parameter.options.iter().any(|option| &option.value == value);
        return if listed { Ok(()) } else { Err(("not-an-option", format!("{} isn't one of the choices.", parameter.label))) };
    }
    match value {
        Value::Number(number) => check_number(parameter, number),
        Value::String(text) => check_line(parameter, text),
        _ => Ok(()),
    }
}

fn check_number(parameter: &Parameter, number: &serde_json::Number) -> Result<(), (&'static str, String)> {
    let as_float = |number: &serde_json::Number| number.as_f64().unwrap_or(f64::NAN);
    // Seeds need all 64 bits, which a float hasn't.
    let below = |a: &serde_json::Number, b: &serde_json::Number| match (a.as_u64(), b.as_u64()) {
        (Some(a), Some(b)) => a < b,
        _ => as_float(a) < as_float(b),
    };
    let too_small = parameter.min.as_ref().is_some_and(|min| below(number, min));
    let too_large = parameter.max.as_ref().is_some_and(|max| below(max, number));
    if too_small || too_large {
        let message = match (&parameter.min, &parameter.max) {
            (Some(min), Some(max)) => format!("{} is between {min} and {max}.", parameter.label),
            (Some(min), None) => format!("{} is at least {min}.", parameter.label),
            (None, Some(max)) => format!("{} is at most {max}.", parameter.label),
            (None, None) => String::new(),
        };
        return Err(("out-of-range", message));
    }
    if let Some(step) = &parameter.step {
        let steps = (as_float(number) - parameter.min.as_ref().map_or(0.0, as_float)) / as_float(step);
        // 0.1 isn't a float: a thousandth of a step is the same step.
        if (steps - steps.round()).abs() > 1e-3 {
            return Err(("out-of-range", format!("{} goes in steps of {step}.", parameter.label)));
        }
    }
    Ok(())
}

fn check_line(parameter: &Parameter, text: &str) -> Result<(), (&'static str, String)> {
    let length = text.chars().count() as u64;
    let bound = |number: &Option<serde_json::Number>| number.as_ref().and_then(serde_json::Number::as_u64);
    if let Some(min) = bound(&parameter.min).filter(|min| length < *min) {
        return Err(("too-short", format!("At least {min} characters.")));
    }
    if let Some(max) = bound(&parameter.max).filter(|max| length > *max) {
        return Err(("too-long", format!("At most {max} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(("control-characters", "Only text, without control characters.".to_owned()));
    }
    Ok(())
}

fn check_callback(url: &str, errors: &mut FieldErrors) -> bool {
    if url.len() > callback::MAX_ADDRESS {
        errors.add("callback_url", "too-long", format!("At most {} characters.", callback::MAX_ADDRESS));
        return false;
    }
    let usable = callback::is_address(url);
    if !usable {
        errors.add("callback_url", "wrong-type", "A complete https address, without a user name and without a fragment.");
    }
    usable
}

/// Line breaks and tabs are text that people type; everything else below a space isn't.
fn has_control_characters(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

/// Uploads and assets share the form of their ids.
fn is_id(text: &str) -> bool {
    text.parse::<AssetId>().is_ok()
}
