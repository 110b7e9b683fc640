use serde_json::json;

use super::*;
use crate::provider::catalogue::find;

fn model() -> &'static Model {
    find("flux-2").unwrap()
}

fn urls(payload: Value) -> Vec<String> {
    match verdict_of_payload(&payload) {
        Verdict::Output(output) => output.media.into_iter().map(|medium| medium.unwrap().url).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn media_are_found_in_every_shape() {
    let file = json!({"url": "u"});
    for payload in [
        json!({"images": [file]}),
        json!({"images": file}),
        json!({"images": ["u"]}),
        json!({"image": file}),
        json!({"image": "u"}),
        json!({"image": file, "mask_image": {"url": "m"}}),
        json!({"video": file}),
        json!({"video": file, "frames_zip": {"url": "z"}}),
        json!({"videos": [file]}),
        json!({"video_url": "u"}),
        json!({"images": [], "image": file}),
        json!({"images": [null, 7, {"url": ""}, file]}),
    ] {
        assert_eq!(urls(payload.clone()), ["u"], "{payload}");
    }
    assert_eq!(urls(json!({"images": ["a", "b", "a"]})), ["a", "b", "a"]);
    assert_eq!(urls(json!({"images": ["data:image/png;base64,AA=="]})).len(), 1);
    assert_eq!(urls(Value::Array(vec![])), Vec::<String>::new());
}

#[test]
fn hints_and_seeds_survive() {
    let payload = json!({
        "video": {"url": "u", "content_type": "video/mp4", "width": 1280, "height": 720.5, "duration": 5.04, "fps": null},
        "seed": 18_446_744_073_709_551_615_u64
    });
    let Verdict::Output(output) = verdict_of_payload(&payload) else { panic!("an output") };
    assert_eq!(output.seed, Some(u64::MAX));
    let medium = output.media[0].as_ref().unwrap();
    assert_eq!((medium.width, medium.height, medium.duration_ms), (Some(1280), None, Some(5_040)));
    let stored = serde_json::to_string(&output).unwrap();
    assert_eq!(serde_json::from_str::<Output>(&stored).unwrap(), output);
}

#[test]
fn a_black_picture_is_a_refusal() {
    let both = json!({"images": ["a", "b"], "has_nsfw_concepts": [false, true]});
    let Verdict::Output(output) = verdict_of_payload(&both) else { panic!("one is left") };
    assert!(output.media[0].is_ok());
    assert_eq!(output.media[1].as_ref().unwrap_err().code, FailureCode::ContentPolicy);
    let all = json!({"images": ["a"], "has_nsfw_concepts": [true]});
    assert!(matches!(verdict_of_payload(&all), Verdict::Failed(failure) if failure.code == FailureCode::ContentPolicy));
    assert!(matches!(verdict_of_payload(&json!({"images": []})), Verdict::Failed(failure) if failure.code == FailureCode::NoOutput));
}

#[test]
fn the_results_status_is_the_verdict() {
    let verdict =
        |status: u16, body: &str| super::verdict(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), Some(model()));
    assert!(matches!(verdict(200, r#"{"images":["a"]}"#), Verdict::Output(_)));
    assert_eq!(verdict(400, r#"{"detail":"Request is still in progress"}"#), Verdict::NotYet);
    assert_eq!(verdict(202, r#"{"status":"IN_PROGRESS"}"#), Verdict::NotYet);
    assert!(matches!(verdict(422, r#"{"detail":[{"type":"content_policy_violation"}]}"#), Verdict::Failed(_)));
    assert!(matches!(verdict(500, "<html>"), Verdict::Failed(failure) if failure.code == FailureCode::ProviderError));
    let headers = HeaderMap::from_iter([("x-fal-billable-units".parse().unwrap(), "1.5".parse().unwrap())]);
    let Verdict::Output(output) = super::verdict(StatusCode::OK, &headers, br#"{"images":["a"]}"#, Some(model())) else {
        panic!("an output")
    };
    assert_eq!(output.billable_units, Some(1.5));
}

#[test]
fn callbacks_are_read_as_far_as_they_go() {
    let read = |body: Value| notice(body.to_string().as_bytes(), Some(model()));
    let ok = read(json!({"request_id": "r", "gateway_request_id": "g", "status": "OK", "payload": {"images": ["a"]}})).unwrap();
    assert_eq!((ok.request_id.as_str(), ok.gateway_request_id.as_deref()), ("r", Some("g")));
    assert!(matches!(ok.verdict, Some(Verdict::Output(_))));
    let without =
        read(json!({"request_id": "r", "gateway_request_id": null, "status": "OK", "payload": null, "payload_error": "too large"}))
            .unwrap();
    assert_eq!(without.verdict, None, "the result must be asked for");
    let failed = json!({"request_id": "r", "status": "ERROR", "error": "Invalid status code: 422", "payload": {"detail": [{"loc": ["body", "prompt"], "msg": "field required", "type": "value_error.missing"}]}});
    assert!(matches!(read(failed).unwrap().verdict, Some(Verdict::Failed(failure)) if failure.code == FailureCode::InvalidInput));
    let bare = read(json!({"request_id": "r", "status": "ERROR", "error": "broken"})).unwrap();
    assert!(matches!(bare.verdict, Some(Verdict::Failed(failure)) if failure.code == FailureCode::ProviderError));
    for body in [json!({}), json!({"request_id": ""}), json!({"request_id": "r"}), json!({"request_id": "r", "status": "MAYBE"}), json!([])]
    {
        assert!(read(body.clone()).is_err(), "{body}");
    }
    assert!(notice(b"\xff", Some(model())).is_err());
}
