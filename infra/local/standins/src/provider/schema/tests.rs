//! Every schema accepts what its model takes and refuses what it doesn't.

use super::*;

const URL: &str = "https://example.com/a.png";

fn kinds(endpoint: &Endpoint, body: &Value) -> Vec<String> {
    let Err(details) = endpoint.check(body) else {
        return Vec::new();
    };
    let fault = super::super::fault::Fault::Model {
        status: 422,
        details,
    };
    let body = fault.body();
    body["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", entry["loc"], entry["type"].as_str().unwrap()))
        .collect()
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
    let cases = [
        (
            "fal-ai/flux/schnell",
            json!({"prompt": "p", "image_size": "square", "num_inference_steps": 12, "seed": 18_446_744_073_709_551_615_u64}),
            json!({"prompt": "p", "num_inference_steps": 13}),
            r#"["body","num_inference_steps"] less_than_equal"#,
        ),
        (
            "fal-ai/flux/dev",
            json!({"prompt": "p", "image_size": {"width": 640, "height": 480}, "guidance_scale": 3.5}),
            json!({"prompt": "p", "output_format": "webp"}),
            r#"["body","output_format"] literal_error"#,
        ),
        (
            "fal-ai/flux-2",
            json!({"prompt": "p", "image_size": {"width": 512, "height": 2048}, "output_format": "webp"}),
            json!({"prompt": "p", "image_size": {"width": 511, "height": 2048}}),
            r#"["body","image_size","width"] greater_than_equal"#,
        ),
        (
            "openai/gpt-image-2",
            json!({"prompt": "p", "image_size": {"width": 1536, "height": 1024}, "quality": "low"}),
            json!({"prompt": "p", "seed": 1}),
            r#"["body","seed"] extra_forbidden"#,
        ),
        (
            "fal-ai/recraft/v3/text-to-image",
            json!({"prompt": "p", "style": "any", "colors": [{"r": 1, "g": 2, "b": 255}]}),
            json!({"prompt": "p", "colors": [{"r": 256}]}),
            r#"["body","colors",0,"r"] less_than_equal"#,
        ),
        (
            "fal-ai/flux-pro/v1/fill",
            json!({"prompt": "p", "image_url": URL, "mask_url": URL, "safety_tolerance": "6"}),
            json!({"prompt": "p", "image_url": URL}),
            r#"["body","mask_url"] missing"#,
        ),
        (
            "fal-ai/flux/dev/image-to-image",
            json!({"prompt": "p", "image_url": URL, "strength": 0.5}),
            json!({"prompt": "p", "image_url": "ftp://example.com/a"}),
            r#"["body","image_url"] file_download_error"#,
        ),
        (
            "fal-ai/flux-2/edit",
            json!({"prompt": "p", "image_urls": [URL, URL]}),
            json!({"prompt": "p", "image_urls": []}),
            r#"["body","image_urls"] sequence_too_short"#,
        ),
        (
            "fal-ai/birefnet/v2",
            json!({"image_url": URL, "model": "Portrait", "mask_only": true}),
            json!({"image_url": URL, "prompt": "p"}),
            r#"["body","prompt"] extra_forbidden"#,
        ),
        (
            "fal-ai/clarity-upscaler",
            json!({"image_url": URL, "upscale_factor": 4}),
            json!({"image_url": URL, "upscale_factor": 4.5}),
            r#"["body","upscale_factor"] less_than_equal"#,
        ),
        (
            "fal-ai/ltx-2.3/text-to-video",
            json!({"prompt": "p", "duration": 8, "fps": 50}),
            json!({"prompt": "p", "duration": "8"}),
            r#"["body","duration"] int_type"#,
        ),
        (
            "fal-ai/ltx-2.3/image-to-video",
            json!({"prompt": "p", "image_url": URL, "aspect_ratio": "auto"}),
            json!({"prompt": "p", "image_url": URL, "resolution": "720p"}),
            r#"["body","resolution"] literal_error"#,
        ),
        (
            "fal-ai/kling-video/v3/pro/image-to-video",
            json!({"start_image_url": URL, "duration": "15", "multi_prompt": [{"prompt": "p", "duration": "5"}]}),
            json!({"prompt": "p", "image_url": URL, "start_image_url": URL}),
            r#"["body","image_url"] extra_forbidden"#,
        ),
        (
            "fal-ai/veo3.1",
            json!({"prompt": "p", "duration": "4s", "generate_audio": false}),
            json!({"prompt": "p", "duration": 4}),
            r#"["body","duration"] string_type"#,
        ),
    ];
    assert_eq!(cases.len(), FILES.len());
    for (id, good, bad, expected) in cases {
        let endpoint = endpoint(id).unwrap();
        assert_eq!(kinds(endpoint, &good), Vec::<String>::new(), "{id}");
        assert_eq!(kinds(endpoint, &bad), [expected], "{id}");
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
    let kind = |width: u32, height: u32| {
        kinds(
            endpoint,
            &json!({"prompt": "p", "image_size": {"width": width, "height": height}}),
        )
        .join(" ")
    };
    assert_eq!(kind(1024, 1024), "");
    assert!(kind(1025, 1024).ends_with("multiple_of"));
    assert!(kind(800, 800).ends_with("value_error"), "too small an area");
    assert!(kind(3840, 640).ends_with("value_error"), "too long");
    assert!(kind(4096, 1024).ends_with("less_than_equal"));
    assert_eq!(
        kinds(
            endpoint,
            &json!({"prompt": "p", "image_size": {"width": 1024}})
        ),
        [r#"["body","image_size","height"] missing"#]
    );
}

#[test]
fn defaults_are_filled_in() {
    let input = endpoint("fal-ai/flux/schnell")
        .unwrap()
        .check(&json!({"prompt": "p"}))
        .unwrap();
    assert_eq!(
        (
            input["num_images"].as_u64(),
            input["output_format"].as_str()
        ),
        (Some(1), Some("jpeg"))
    );
    assert_eq!(image_size(input.get("image_size")), Some((1024, 768)));
}
