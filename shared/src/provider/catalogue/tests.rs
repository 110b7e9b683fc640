use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::model::{Control, Parameter, Per, ValueType};
use crate::domain::money::Money;
use crate::domain::request::{NewGeneration, ValidGeneration, validate};
use crate::provider::request::{InputUrls, build_body};

/// A property of the provider's published types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Property {
    /// JSON types the value may have.
    types: Vec<String>,
    #[serde(default)]
    required: bool,
    /// The literals of a type that isn't open.
    #[serde(default, rename = "enum")]
    literals: Vec<Value>,
    #[serde(default)]
    open: Vec<String>,
    items: Option<Box<Property>>,
    #[serde(default)]
    fields: BTreeMap<String, Property>,
}

type Types = BTreeMap<String, BTreeMap<String, Property>>;

fn types() -> Types {
    serde_json::from_str(include_str!("types.json")).unwrap()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_value(path: &str, property: &Property, value: &Value, problems: &mut Vec<String>) {
    let kind = type_of(value);
    if !property.types.iter().any(|allowed| allowed == kind || allowed == "any") {
        problems.push(format!("{path}: {kind} instead of {:?}", property.types));
        return;
    }
    let literals: Vec<&Value> = property.literals.iter().filter(|literal| type_of(literal) == kind).collect();
    if !literals.is_empty() && !property.open.iter().any(|open| open == kind) && !literals.contains(&value) {
        problems.push(format!("{path}: {value} isn't one of {literals:?}"));
    }
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                if let Some(items) = &property.items {
                    check_value(&format!("{path}[{index}]"), items, value, problems);
                }
            }
        }
        Value::Object(object) if !property.fields.is_empty() => check_object(path, &property.fields, object, problems),
        _ => {}
    }
}

fn check_object(path: &str, properties: &BTreeMap<String, Property>, object: &Map<String, Value>, problems: &mut Vec<String>) {
    for (name, property) in properties {
        if property.required && !object.contains_key(name) {
            problems.push(format!("{path}.{name}: required"));
        }
    }
    for (name, value) in object {
        match properties.get(name) {
            Some(property) => check_value(&format!("{path}.{name}"), property, value, problems),
            None => problems.push(format!("{path}.{name}: unknown")),
        }
    }
}

/// The values worth trying: every option, both ends of a range, on and off.
fn extremes(parameter: &Parameter) -> Vec<Value> {
    if !parameter.options.is_empty() {
        return parameter.options.iter().map(|option| option.value.clone()).collect();
    }
    match parameter.value {
        ValueType::Boolean => vec![json!(true), json!(false)],
        _ => [&parameter.min, &parameter.max].into_iter().flatten().cloned().map(Value::Number).collect(),
    }
}

/// A complete request: every input it takes, or only those it can't do without.
fn request(model: &Model, everything: bool, parameters: Map<String, Value>) -> NewGeneration {
    let id = "0190163d8694739baea5966c26f8ad91";
    let wanted = |required: bool| required || everything;
    let text = |input: &Option<crate::domain::model::TextInput>| {
        input.as_ref().filter(|input| wanted(input.required)).map(|input| "é".repeat(input.max_length as usize))
    };
    let file =
        |input: &Option<crate::domain::model::FileInput>| input.as_ref().filter(|input| wanted(input.required)).map(|_| id.to_owned());
    let mut new = NewGeneration { model: model.id.clone(), parameters, ..NewGeneration::default() };
    new.inputs.prompt = text(&model.inputs.prompt);
    new.inputs.negative_prompt = text(&model.inputs.negative_prompt);
    new.inputs.mask = file(&model.inputs.mask);
    new.inputs.start_frame = file(&model.inputs.start_frame);
    new.inputs.end_frame = file(&model.inputs.end_frame);
    if let Some(images) = &model.inputs.images {
        let count = if everything { images.max } else { images.min };
        new.inputs.images = vec![id.to_owned(); count as usize];
    }
    new
}

fn urls(request: &ValidGeneration) -> InputUrls {
    let url = || "https://example.org/in.png".to_owned();
    InputUrls {
        images: request.inputs.images.iter().map(|_| url()).collect(),
        mask: request.inputs.mask.as_ref().map(|_| url()),
        start_frame: request.inputs.start_frame.as_ref().map(|_| url()),
        end_frame: request.inputs.end_frame.as_ref().map(|_| url()),
    }
}

#[test]
fn every_file_is_listed_once_and_called_like_its_model() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/catalogue");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".json").map(str::to_owned))
        .filter(|name| name != "types")
        .collect();
    let listed: BTreeSet<String> = ENTRIES.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), ENTRIES.len());
    for ((id, _), model) in ENTRIES.iter().zip(models()) {
        assert_eq!(*id, model.id);
    }
    assert!(find("flux-2").is_some());
    assert!(find("flux-3").is_none());
}

#[test]
fn every_kind_of_work_is_on_offer() {
    let kinds: BTreeSet<_> = models().iter().map(|model| model.kind).collect();
    assert_eq!(kinds.len(), 7);
    let endpoints: BTreeSet<_> = models().iter().map(|model| model.endpoint.as_str()).collect();
    assert_eq!(endpoints.len(), models().len(), "one entry an endpoint");
}

#[test]
fn every_request_that_can_be_built_fits_the_providers_types() {
    let types = types();
    let mut problems = Vec::new();
    for model in models() {
        let properties = &types[&model.endpoint];
        let mut check = |everything: bool, parameters: Map<String, Value>, seed: Option<u64>| {
            let shown = format!("{} with {}", model.id, Value::Object(parameters.clone()));
            let valid = match validate(model, request(model, everything, parameters)) {
                Ok(valid) => valid,
                Err(errors) => return problems.push(format!("{shown}: {errors:?}")),
            };
            let body = build_body(model, &valid, &urls(&valid), seed);
            let object = body.as_object().unwrap();
            check_object(&shown, properties, object, &mut problems);
            for name in ["enable_safety_checker", "generate_audio", "num_images"] {
                if properties.contains_key(name) && !object.contains_key(name) {
                    problems.push(format!("{shown}: {name} is left to chance"));
                }
            }
            if object.contains_key("sync_mode") || object.get("enable_safety_checker") == Some(&json!(false)) {
                problems.push(format!("{shown}: asks for what it mustn't"));
            }
            let (price, units) = model.estimate(&valid);
            if price <= Money::ZERO || price > Money::from_micros(20_000_000) || units == 0 {
                problems.push(format!("{shown}: costs {price} and {units} units"));
            }
        };
        check(false, Map::new(), None);
        check(true, Map::new(), Some(u64::from(u32::MAX / 2)));
        for parameter in &model.parameters {
            for value in extremes(parameter) {
                check(false, Map::from_iter([(parameter.name.clone(), value)]), None);
            }
        }
        for end in [0, usize::MAX] {
            let all = model.parameters.iter().filter_map(|parameter| {
                let values = extremes(parameter);
                Some((parameter.name.clone(), values.get(end.min(values.len().checked_sub(1)?))?.clone()))
            });
            check(true, all.collect(), None);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_entry_keeps_the_rules_of_the_form() {
    const CANONICAL: [&str; 19] = [
        "aspect",
        "seed",
        "guidance",
        "steps",
        "strength",
        "style",
        "quality",
        "resolution",
        "duration",
        "audio",
        "format",
        "scale",
        "creativity",
        "resemblance",
        "speed",
        "expand",
        "raw",
        "variant",
        "still",
    ];
    for model in models() {
        let id = &model.id;
        assert!(!model.help.what.is_empty() && !model.help.use_cases.is_empty() && !model.help.tips.is_empty(), "{id}: help");
        assert!(model.units > 0 && model.limits.deadline_ms >= 60_000, "{id}");
        assert!(model.outputs.min == 1 && model.outputs.default == 1 && (1..=4).contains(&model.outputs.max), "{id}: outputs");
        assert_eq!(model.price.per == Per::Second, model.kind.is_video() && model.price.per != Per::Video, "{id}: a second of an image?");
        let names: BTreeSet<_> = model.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names.len(), model.parameters.len(), "{id}: a parameter twice");
        assert_eq!(names, model.mapping.parameters.keys().map(String::as_str).collect(), "{id}: parameters and their mapping");
        let mapped = &model.mapping.inputs;
        assert_eq!(mapped.prompt.is_some(), model.inputs.prompt.is_some(), "{id}: prompt");
        assert_eq!(mapped.negative_prompt.is_some(), model.inputs.negative_prompt.is_some(), "{id}: negative prompt");
        assert_eq!(mapped.image.is_some() ^ mapped.images.is_some(), model.inputs.images.is_some(), "{id}: images");
        assert_eq!(mapped.mask.is_some(), model.inputs.mask.is_some(), "{id}: mask");
        assert_eq!(mapped.start_frame.is_some(), model.inputs.start_frame.is_some(), "{id}: first frame");
        assert_eq!(mapped.end_frame.is_some(), model.inputs.end_frame.is_some(), "{id}: last frame");
        if let (Some(_), Some(images)) = (&mapped.image, &model.inputs.images) {
            assert_eq!(images.max, 1, "{id}: takes one image");
        }
        for rate in &model.price.rates {
            assert!(rate.when.keys().all(|name| names.contains(name.as_str())), "{id}: a rate for what can't be set");
        }
        for parameter in &model.parameters {
            let name = format!("{id}: {}", parameter.name);
            let known = CANONICAL.contains(&parameter.name.as_str()) || ["face", "refine"].contains(&parameter.name.as_str());
            assert!(known, "{name} has no canonical name");
            assert_eq!(parameter.default.is_none(), parameter.control == Control::Seed, "{name}: only a seed has no default");
            assert_eq!(parameter.options.is_empty(), !matches!(parameter.control, Control::Aspect | Control::Select), "{name}: choices");
            if parameter.control == Control::Slider {
                assert!(parameter.min.is_some() && parameter.max.is_some() && parameter.step.is_some(), "{name}: range");
            }
            if let Some(when) = &parameter.shown_when {
                let earlier =
                    model.parameters.iter().take_while(|other| other.name != parameter.name).any(|other| other.name == when.parameter);
                assert!(earlier, "{name}: depends on a parameter that comes later");
            }
        }
    }
}

#[test]
fn canonical_words_become_the_providers() {
    let body = |id: &str, parameters: Value| {
        let model = find(id).unwrap();
        let valid = validate(model, request(model, true, parameters.as_object().unwrap().clone())).unwrap();
        build_body(model, &valid, &urls(&valid), valid.seed(model, 1))
    };
    let flux = body("flux-2", json!({"aspect": "16:9", "seed": 42, "guidance": 3.5}));
    assert_eq!((&flux["image_size"], &flux["seed"], &flux["guidance_scale"]), (&json!("landscape_16_9"), &json!(43), &json!(3.5)));
    let veo = body("veo-3.1", json!({"duration": 6, "audio": true}));
    assert_eq!((&veo["duration"], &veo["generate_audio"]), (&json!("6s"), &json!(true)));
    let kling = body("kling-v3-pro-i2v", json!({"duration": 7}));
    assert_eq!((&kling["duration"], &kling["generate_audio"]), (&json!("7"), &json!(false)));
    assert!(kling["start_image_url"].is_string() && kling["end_image_url"].is_string() && kling.get("seed").is_none());
    assert_eq!(body("ltx-2.3", json!({}))["duration"], json!(6));
    let kontext = body("flux-kontext-pro", json!({}));
    assert!(kontext.get("aspect_ratio").is_none() && kontext["image_url"].is_string(), "as the image: left out");
    assert_eq!(body("flux-2-edit", json!({}))["image_urls"].as_array().unwrap().len(), 4);
    assert_eq!(body("gpt-image-2", json!({"aspect": "16:9"}))["image_size"], json!({"width": 1536, "height": 864}));
}
