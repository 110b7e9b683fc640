//! Every schema accepts what its model takes and refuses what it doesn't.

use super::*;

fn kinds(endpoint: &Endpoint, body: &Value) -> Vec<String> {
    let Err(details) = endpoint.check(body) else {
        return Vec::new();
    };
    let fault = super::super::fault::Fault::Model { status: 422, details };
    let body = fault.body();
    body["detail"].as_array().unwrap().iter().map(|entry| format!("{} {}", entry["loc"], entry["type"].as_str().unwrap())).collect()
}

#[test]
fn every_file_is_an_endpoint() {
    assert_eq!(ENDPOINTS.len(), FILES.len());
    for file in FILES {
        serde_json::from_str::<Endpoint>(file).unwrap();
    }
}

#[test]
fn each_schema_accepts_the_good_and_refuses_the_bad() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert_eq!(cases.len(), FILES.len());
    for case in cases {
        let id = case["endpoint"].as_str().unwrap();
        let endpoint = endpoint(id).unwrap();
        assert_eq!(kinds(endpoint, &case["good"]), Vec::<String>::new(), "{id}");
        assert_eq!(kinds(endpoint, &case["bad"]), [case["error"].as_str().unwrap()], "{id}");
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let endpoint = endpoint("fal-ai/flux/schnell").unwrap();
    let body = json!({"image_size": "huge", "num_images": 1.5, "seed": -1, "style": "x", "sync_mode": null});
    let mut kinds = kinds(endpoint, &body);
    kinds.sort();
    assert_eq!(
        kinds,
        [
            r#"["body","image_size"] literal_error"#,
            r#"["body","num_images"] int_type"#,
            r#"["body","prompt"] missing"#,
            r#"["body","seed"] greater_than_equal"#,
            r#"["body","style"] extra_forbidden"#,
            r#"["body","sync_mode"] bool_type"#,
        ]
    );
    assert!(endpoint.check(&json!("prompt")).is_err());
}

#[test]
fn sizes_have_their_own_rules() {
    let endpoint = endpoint("openai/gpt-image-2").unwrap();
    let kind =
        |width: u32, height: u32| kinds(endpoint, &json!({"prompt": "p", "image_size": {"width": width, "height": height}})).join(" ");
    assert_eq!(kind(1024, 1024), "");
    assert!(kind(1025, 1024).ends_with("multiple_of"));
    assert!(kind(800, 800).ends_with("value_error"), "too small an area");
    assert!(kind(3840, 640).ends_with("value_error"), "too long");
    assert!(kind(4096, 1024).ends_with("less_than_equal"));
    assert_eq!(kinds(endpoint, &json!({"prompt": "p", "image_size": {"width": 1024}})), [r#"["body","image_size","height"] missing"#]);
}

#[test]
fn defaults_are_filled_in() {
    let input = endpoint("fal-ai/flux/schnell").unwrap().check(&json!({"prompt": "p"})).unwrap();
    assert_eq!((input["num_images"].as_u64(), input["output_format"].as_str()), (Some(1), Some("jpeg")));
    assert_eq!(image_size(input.get("image_size")), Some((1024, 768)));
}
