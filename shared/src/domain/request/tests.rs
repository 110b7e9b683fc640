use serde_json::json;

use super::*;
use crate::domain::model::tests::{request, sample};

fn errors(value: Value) -> Vec<(String, &'static str)> {
    validate(&sample(), request(value)).unwrap_err().into_vec().into_iter().map(|error| (error.field, error.code)).collect()
}

#[test]
fn defaults_are_filled_in_and_a_seed_is_not() {
    let valid = validate(&sample(), request(json!({"model": "sample", "inputs": {"prompt": "  a cat\r\non a mat "}}))).unwrap();
    assert_eq!(valid.inputs.prompt.as_deref(), Some("a cat\non a mat"));
    assert_eq!(valid.outputs, 1);
    let expected = json!({"aspect": "1:1", "guidance": 2.5, "steps": 28, "audio": false});
    assert_eq!(serde_json::to_value(&valid.parameters).unwrap(), expected);
}

#[test]
fn every_problem_is_said_at_once() {
    let found = errors(json!({
        "model": "sample", "outputs": 5,
        "inputs": {"prompt": "ab", "negative_prompt": "01234567890", "images": ["x", "y", "z"], "mask": "x", "end_frame": "x"},
        "parameters": {"aspect": "5:4", "guidance": 21, "steps": 4.5, "audio": "yes", "voice": "x", "style": "oil"},
        "collection": "c", "callback_url": "ftp://example.org/"
    }));
    for expected in [
        ("outputs", "out-of-range"),
        ("inputs.prompt", "too-short"),
        ("inputs.negative_prompt", "too-long"),
        ("inputs.images", "out-of-range"),
        ("inputs.images[0]", "wrong-type"),
        ("inputs.images[1]", "wrong-type"),
        ("inputs.mask", "not-supported"),
        ("inputs.end_frame", "not-supported"),
        ("parameters.aspect", "not-an-option"),
        ("parameters.guidance", "out-of-range"),
        ("parameters.steps", "wrong-type"),
        ("parameters.audio", "wrong-type"),
        ("parameters.voice", "not-supported"),
        ("parameters.style", "not-supported"),
        ("collection", "wrong-type"),
        ("callback_url", "wrong-type"),
    ] {
        assert!(found.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} in {found:?}");
    }
    assert_eq!(found.len(), 16);
}

#[test]
fn lengths_are_characters_and_bounds_are_inclusive() {
    let prompt = |text: &str| validate(&sample(), request(json!({"model": "sample", "inputs": {"prompt": text}})));
    assert!(prompt(&"é".repeat(20)).is_ok());
    assert!(prompt(&"é".repeat(21)).is_err());
    assert!(prompt("日本語").is_ok());
    assert_eq!(prompt("a\u{0}cat").unwrap_err().into_vec()[0].code, "control-characters");
    assert_eq!(prompt("   ").unwrap_err().into_vec()[0].code, "required");
}

#[test]
fn numbers_keep_their_range_and_step() {
    let with = |name: &str, value: Value| {
        validate(&sample(), request(json!({"model": "sample", "inputs": {"prompt": "a cat"}, "parameters": {name: value}})))
            .map(|valid| valid.parameters[name].clone())
            .map_err(|errors| errors.into_vec()[0].code)
    };
    assert_eq!(with("guidance", json!(0.3)), Ok(json!(0.3)));
    assert_eq!(with("guidance", json!(20)), Ok(json!(20)));
    assert_eq!(with("guidance", json!(0.35)), Err("out-of-range"));
    assert_eq!(with("guidance", json!(-0.1)), Err("out-of-range"));
    assert_eq!(with("steps", json!(51)), Err("out-of-range"));
    assert_eq!(with("seed", json!(4_294_967_295_u64)), Ok(json!(4_294_967_295_u64)));
    assert_eq!(with("seed", json!(4_294_967_296_u64)), Err("out-of-range"));
    assert_eq!(with("seed", json!(-1)), Err("out-of-range"));
    assert_eq!(with("steps", json!(null)), Ok(json!(28)), "an emptied field is no value");
}

#[test]
fn a_parameter_that_is_not_shown_counts_neither_way() {
    let with = |parameters: Value| {
        validate(&sample(), request(json!({"model": "sample", "inputs": {"prompt": "a cat"}, "parameters": parameters})))
    };
    assert_eq!(with(json!({"audio": true})).unwrap().parameters["voice"], "anna");
    assert_eq!(with(json!({"audio": true, "voice": "bert"})).unwrap().parameters["voice"], "bert");
    assert_eq!(with(json!({"audio": true, "voice": "b"})).unwrap_err().into_vec()[0].code, "too-short");
    assert!(!with(json!({})).unwrap().parameters.contains_key("voice"));
}

#[test]
fn each_output_has_its_own_seed() {
    let model = sample();
    let with = |seed: u64| {
        validate(&model, request(json!({"model": "sample", "outputs": 3, "inputs": {"prompt": "a cat"}, "parameters": {"seed": seed}})))
            .unwrap()
    };
    assert_eq!((0..3).map(|i| with(7).seed(&model, i).unwrap()).collect::<Vec<_>>(), [7, 8, 9]);
    let most = 4_294_967_295;
    assert_eq!((0..3).map(|i| with(most).seed(&model, i).unwrap()).collect::<Vec<_>>(), [most, 0, 1], "wraps");
    let unseeded = validate(&model, request(json!({"model": "sample", "inputs": {"prompt": "a cat"}}))).unwrap();
    assert_eq!(unseeded.seed(&model, 0), None);
}

#[test]
fn unknown_fields_are_refused_by_name() {
    for (body, name) in [(json!({"model": "m", "prompt": "x"}), "prompt"), (json!({"model": "m", "inputs": {"image": "x"}}), "image")] {
        let error = serde_json::from_value::<NewGeneration>(body).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
