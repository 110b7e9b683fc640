use serde_json::json;

use super::*;
use crate::domain::request::{NewGeneration, validate};

/// A model with a bit of everything.
pub(crate) fn sample() -> Model {
    serde_json::from_value(json!({
        "id": "sample", "name": "Sample", "endpoint": "owner/app/path", "kind": "image-to-image", "summary": "For tests.",
        "help": {"what": "w", "use_cases": ["u"], "tips": ["t"]}, "badges": ["Fast"],
        "inputs": {
            "prompt": {"required": true, "min_length": 3, "max_length": 20, "label": "Prompt"},
            "negative_prompt": {"required": false, "min_length": 0, "max_length": 10, "label": "Avoid"},
            "images": {"required": false, "min": 1, "max": 2, "label": "Images"}
        },
        "parameters": [
            {"name": "aspect", "label": "Shape", "control": "aspect", "type": "string", "default": "1:1",
             "options": [{"value": "1:1", "label": "Square"}, {"value": "16:9", "label": "Wide"}, {"value": "big", "label": "Big"}]},
            {"name": "guidance", "label": "Guidance", "control": "slider", "type": "number", "default": 2.5, "min": 0, "max": 20, "step": 0.1},
            {"name": "steps", "label": "Steps", "control": "slider", "type": "integer", "default": 28, "min": 4, "max": 50, "step": 1},
            {"name": "audio", "label": "Sound", "control": "toggle", "type": "boolean", "default": false},
            {"name": "voice", "label": "Voice", "control": "text", "type": "string", "default": "anna", "min": 2, "max": 8,
             "shown_when": {"parameter": "audio", "equals": true}},
            {"name": "seed", "label": "Seed", "control": "seed", "type": "integer", "min": 0, "max": 4294967295u64}
        ],
        "outputs": {"min": 1, "max": 4, "default": 1},
        "price": {"amount": "0.012", "per": "megapixel", "rates": [{"when": {"audio": true}, "amount": "0.02"}]},
        "units": 2, "limits": {"deadline_ms": 300000},
        "mapping": {
            "inputs": {"prompt": "prompt", "negative_prompt": "negative", "images": "image_urls"},
            "parameters": {
                "aspect": {"property": "image_size", "values": {"1:1": "square_hd", "16:9": "landscape_16_9", "big": {"width": 2048, "height": 1025}}},
                "guidance": {"property": "guidance_scale"}, "steps": {"property": "num_inference_steps"},
                "audio": {"property": "generate_audio"}, "voice": {"property": "voice"}, "seed": {"property": "seed"}
            },
            "fixed": {"enable_safety_checker": true}
        }
    }))
    .unwrap()
}

pub(crate) fn request(value: Value) -> NewGeneration {
    serde_json::from_value(value).unwrap()
}

#[test]
fn clients_see_everything_but_the_providers_words() {
    let view = serde_json::to_value(ModelView::from(&sample())).unwrap();
    assert_eq!(view["price"], json!({"amount": "0.0120", "currency": "USD", "per": "megapixel"}));
    assert_eq!(view["limits"], json!({"deadline_ms": 300_000}));
    assert_eq!(view["inputs"]["prompt"], json!({"required": true, "min_length": 3, "max_length": 20, "label": "Prompt"}));
    assert!(view["inputs"].get("mask").is_none(), "what isn't supported is absent");
    assert_eq!(view["parameters"][4]["shown_when"], json!({"parameter": "audio", "equals": true}));
    let text = view.to_string();
    for hidden in ["mapping", "endpoint", "owner/app", "guidance_scale", "enable_safety_checker"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[test]
fn a_price_follows_size_outputs_and_rates() {
    let model = sample();
    for (parameters, outputs, micros) in [
        (json!({}), 1, 12_000),
        (json!({"aspect": "16:9"}), 1, 12_000),
        (json!({"aspect": "big"}), 1, 36_000), // 2 megapixels and a row: three begun.
        (json!({"aspect": "big", "audio": true}), 2, 120_000),
    ] {
        let valid = validate(
            &model,
            request(json!({"model": "sample", "outputs": outputs, "inputs": {"prompt": "a cat"}, "parameters": parameters})),
        )
        .unwrap();
        assert_eq!(model.estimate(&valid), (Money::from_micros(micros), 2 * outputs), "{parameters}");
    }
}

#[test]
fn an_unknown_property_of_an_entry_is_an_error() {
    assert!(serde_json::from_value::<Inputs>(json!({"promt": {}})).is_err());
    assert!(serde_json::from_value::<Mapping>(json!({"fixd": {}})).is_err());
}
