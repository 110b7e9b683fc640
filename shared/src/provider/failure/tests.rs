use serde_json::json;

use super::*;
use crate::provider::catalogue::find;

fn failure(status: u16, body: Value) -> Failure {
    Failure::from_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body, find("flux-fill"))
}

#[test]
fn three_shapes_of_error_become_one() {
    use FailureCode as C;
    let list = |kind: &str| json!({"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": kind, "input": "secret prompt"}]});
    let flat = |kind: &str| json!({"detail": "words", "error_type": kind});
    let bare = |words: &str| json!({"detail": words});
    for (status, body, code, whose, retryable) in [
        (422, list("content_policy_violation"), C::ContentPolicy, Whose::User, false),
        (422, list("no_media_generated"), C::NoOutput, Whose::User, false),
        (422, list("image_too_small"), C::UnreadableInput, Whose::User, false),
        (422, list("file_download_error"), C::UnreadableInput, Whose::User, false),
        (422, list("value_error.missing"), C::InvalidInput, Whose::User, false),
        (422, list("something new"), C::InvalidInput, Whose::User, false),
        (500, list("internal_server_error"), C::ProviderError, Whose::Provider, true),
        (400, list("downstream_service_error"), C::ProviderError, Whose::Provider, true),
        (504, list("generation_timeout"), C::Timeout, Whose::Provider, true),
        (504, flat("request_timeout"), C::Timeout, Whose::Provider, true),
        (503, flat("runner_disconnected"), C::ProviderError, Whose::Provider, true),
        (499, flat("client_cancelled"), C::Cancelled, Whose::User, false),
        (499, bare("Request cancelled by the client."), C::Cancelled, Whose::User, false),
        (429, flat("concurrent_requests_limit"), C::ProviderBusy, Whose::Provider, true),
        (401, bare("invalid key credentials"), C::AccountRefused, Whose::Operator, false),
        (403, bare("User is locked. Reason: Exhausted balance."), C::AccountLocked, Whose::Operator, false),
        (403, bare("no"), C::AccountRefused, Whose::Operator, false),
        (400, flat("bad_request"), C::InvalidInput, Whose::User, false),
        (400, Value::Null, C::ProviderError, Whose::Provider, true),
        (404, json!({"status": "NOT_FOUND"}), C::ProviderError, Whose::Provider, true),
        (502, Value::Null, C::ProviderError, Whose::Provider, true),
        (500, json!("text"), C::ProviderError, Whose::Provider, true),
    ] {
        let failure = failure(status, body.clone());
        assert_eq!((failure.code, failure.whose, failure.retryable), (code, whose, retryable), "{status} {body}");
        assert!(!failure.message.contains("secret"), "{body}");
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
}

#[test]
fn both_names_of_the_retry_header_count() {
    for (name, value, retryable) in [
        ("X-Fal-Needs-Retry", "0", false),
        ("X-Fal-Retryable", "FALSE", false),
        ("X-Fal-Retryable", "true", true),
        ("X-Fal-Needs-Retry", "perhaps", true),
    ] {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(
            Failure::from_answer(StatusCode::INTERNAL_SERVER_ERROR, &headers, &Value::Null, None).retryable,
            retryable,
            "{name}: {value}"
        );
        let policy = json!({"detail": [{"type": "content_policy_violation"}]});
        assert!(!Failure::from_answer(StatusCode::UNPROCESSABLE_ENTITY, &headers, &policy, None).retryable, "the user's to change");
    }
}

#[test]
fn a_complaint_names_our_field_and_no_address() {
    let entry = |property: &str, words: &str| json!({"detail": [{"loc": ["body", property], "msg": words, "type": "value_error"}]});
    assert_eq!(failure(422, entry("mask_url", "wrong size")).message, "The model refused the field \"mask\": wrong size");
    assert_eq!(failure(422, entry("output_format", "no")).message, "The model refused the field \"File format\": no");
    assert_eq!(failure(422, entry("whatever", "no")).message, "The model refused the request: no");
    let leaky = failure(422, entry("image_url", "can't open https://bucket/x?X-Amz-Signature=1"));
    assert!(!leaky.message.contains("X-Amz"), "{}", leaky.message);
    assert!(failure(422, entry("prompt", &"x".repeat(10_000))).message.len() < 400);
}
