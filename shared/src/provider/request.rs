//! Requests in the provider's words.

use serde_json::{Map, Value};

use crate::domain::model::Model;
use crate::domain::request::ValidGeneration;

/// Where the provider finds the inputs: addresses it can read without a key, valid until the request has started.
#[derive(Clone, Debug, Default)]
pub struct InputUrls {
    /// In the order of the request.
    pub images: Vec<String>,
    /// Grey, white is painted anew.
    pub mask: Option<String>,
    /// The first frame.
    pub start_frame: Option<String>,
    /// The last frame.
    pub end_frame: Option<String>,
}

/// The body of one request to the provider, for one output.
///
/// Only properties of the model's mapping appear. A mapped value of `null` leaves the property out, which is the provider's way of
/// saying "as the model sees fit". `seed` is used when the model takes one; without it the provider picks its own.
pub fn build_body(model: &Model, request: &ValidGeneration, urls: &InputUrls, seed: Option<u64>) -> Value {
    let mut body: Map<String, Value> = model.mapping.fixed.clone().into_iter().collect();
    let names = &model.mapping.inputs;
    let mut put = |name: &Option<String>, value: Option<Value>| {
        if let (Some(name), Some(value)) = (name, value) {
            body.insert(name.clone(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    put(&names.prompt, text(&request.inputs.prompt));
    put(&names.negative_prompt, text(&request.inputs.negative_prompt));
    put(&names.image, urls.images.first().cloned().map(Value::from));
    put(&names.images, Some(urls.images.clone()).filter(|images| !images.is_empty()).map(Value::from));
    put(&names.mask, text(&urls.mask));
    put(&names.start_frame, text(&urls.start_frame));
    put(&names.end_frame, text(&urls.end_frame));
    for (name, mapped) in &model.mapping.parameters {
        let value = match (name.as_str(), seed) {
            ("seed", Some(seed)) => Some(Value::from(seed)),
            _ => request.parameters.get(name).and_then(|value| mapped.value(value)),
        };
        if let Some(value) = value.filter(|value| !value.is_null()) {
            body.insert(mapped.property.clone(), value);
        }
    }
    Value::Object(body)
}

/// Our path of the provider's property, for its complaints: `inputs.mask` for `mask_url`.
pub fn field_of(model: &Model, property: &str) -> Option<String> {
    let names = &model.mapping.inputs;
    [
        (&names.prompt, "prompt"),
        (&names.negative_prompt, "negative_prompt"),
        (&names.image, "images"),
        (&names.images, "images"),
        (&names.mask, "mask"),
        (&names.start_frame, "start_frame"),
        (&names.end_frame, "end_frame"),
    ]
    .into_iter()
    .find(|(name, _)| name.as_deref() == Some(property))
    .map(|(_, ours)| format!("inputs.{ours}"))
    .or_else(|| {
        let (ours, _) = model.mapping.parameters.iter().find(|(_, mapped)| mapped.property == property)?;
        Some(format!("parameters.{ours}"))
    })
}
