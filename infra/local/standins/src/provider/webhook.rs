//! Webhooks: what is sent, how it is signed, and when it is tried again.
//!
//! A delivery is a row until its receiver has answered 2xx, its result has expired, or it has been redirected, which
//! the provider counts as refused for good.

use super::routes::later;
use super::sentinel::{Sentinel, Sentinels};
use super::store::{self, Delivery, Request, StoreError};
use super::{Inner, status};
use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// How often a webhook is tried at most.
const MAX_ATTEMPTS: u32 = 31;
/// How long a receiver may take after the first attempt.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(120);
/// When an attempt that was under way at a crash is made again: after any that could still be.
pub(super) const LEASE_MS: i64 = 150_000;

const PLAIN: &str = "plain";
const DUPLICATE: &str = "duplicate";
const FORGED: &str = "forged";
const UNSERIALISABLE: &str = "payload-error";

/// The key set that verifies every webhook of this account.
pub(super) async fn jwks(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let x = URL_SAFE_NO_PAD.encode(inner.signing_key.verifying_key().as_bytes());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA" }] }))
}

/// The webhooks of a request that ends at `now_ms`: kinds and times.
pub(super) fn plan(sentinels: &Sentinels, now_ms: i64, late: Duration) -> Vec<(&'static str, i64)> {
    use Sentinel::{WebhookDuplicate, WebhookForged, WebhookLate, WebhookLost, WebhookPayloadError};
    let due_ms = if sentinels.has(WebhookLate) { later(now_ms, late) } else { now_ms };
    match sentinels.first(&[WebhookLost, WebhookForged, WebhookDuplicate, WebhookPayloadError]) {
        Some(WebhookLost) => Vec::new(),
        Some(WebhookForged) => vec![(FORGED, due_ms)],
        Some(WebhookDuplicate) => vec![(DUPLICATE, due_ms), (DUPLICATE, due_ms)],
        Some(_) => vec![(UNSERIALISABLE, due_ms)],
        None => vec![(PLAIN, due_ms)],
    }
}

/// Makes one attempt and stores what comes next.
pub(super) async fn deliver(inner: &Inner, delivery: Delivery) -> Result<(), StoreError> {
    let id = delivery.request.clone();
    let request = inner.store.call(move |tx| store::find(tx, &id)).await?;
    let settings = inner.settings();
    let next = match &request {
        Some(request) => {
            let timeout = if delivery.attempt == 0 { settings.webhook_timeout } else { RETRY_TIMEOUT };
            let answered = send(inner, request, &delivery.kind, timeout).await;
            let over = matches!(answered, Answer::Accepted | Answer::Redirected) || delivery.kind == FORGED;
            let attempts = delivery.attempt + 1;
            let wait = settings.webhook_backoff.saturating_mul(1 << delivery.attempt.min(16)).min(MAX_BACKOFF);
            let due_ms = later(inner.clock.now_ms(), wait);
            let expired = request.expires_ms.is_some_and(|expires| expires <= due_ms);
            (!over && attempts < MAX_ATTEMPTS && !expired).then_some((attempts, due_ms))
        }
        None => None,
    };
    let seq = delivery.seq;
    inner
        .store
        .call(move |tx| match next {
            Some((attempts, due_ms)) => store::retry_delivery(tx, seq, attempts, due_ms),
            None => store::drop_delivery(tx, seq),
        })
        .await
}

enum Answer {
    Accepted,
    Redirected,
    Failed,
}

async fn send(inner: &Inner, request: &Request, kind: &str, timeout: Duration) -> Answer {
    let Some(url) = &request.webhook else {
        return Answer::Redirected;
    };
    let body = message(inner, request, kind).to_string();
    let timestamp = inner.clock.now().as_second().to_string();
    let stranger;
    let key = if kind == FORGED {
        // Somebody else's key, the same each time so that nothing here depends on chance.
        stranger = SigningKey::from_bytes(&Sha256::digest(inner.signing_key.as_bytes()).into());
        &stranger
    } else {
        &inner.signing_key
    };
    let signature = sign(key, &request.id, &inner.user_id, &timestamp, body.as_bytes());
    let sent = inner
        .deliver
        .post(url)
        .timeout(timeout)
        .header("content-type", "application/json")
        .header("x-fal-webhook-request-id", &request.id)
        .header("x-fal-webhook-user-id", &inner.user_id)
        .header("x-fal-webhook-timestamp", timestamp)
        .header("x-fal-webhook-signature", signature)
        .body(body)
        .send()
        .await;
    match sent.map(|response| response.status()) {
        Ok(status) if status.is_success() => Answer::Accepted,
        Ok(status) if status.is_redirection() => Answer::Redirected,
        Ok(_) | Err(_) => Answer::Failed,
    }
}

/// The body of a webhook.
fn message(inner: &Inner, request: &Request, kind: &str) -> Value {
    let payload = status::payload(inner, request.body.as_deref().unwrap_or("null"));
    let mut message = json!({ "request_id": request.id, "gateway_request_id": request.id });
    let code = request.status.unwrap_or(500);
    if kind == UNSERIALISABLE {
        message["status"] = json!("OK");
        message["payload"] = Value::Null;
        message["payload_error"] = json!(
            "Response payload is not JSON serializable. Either return a JSON serializable object or use the queue endpoint to retrieve the response."
        );
    } else if code == 200 {
        message["status"] = json!("OK");
        message["payload"] = payload;
    } else {
        message["status"] = json!("ERROR");
        message["error"] = json!(format!("Invalid status code: {code}"));
        message["payload"] = payload;
    }
    message
}

/// The signature in hexadecimal: Ed25519 over request, user, time and the body's digest, one a line, no line end after
/// the last.
fn sign(key: &SigningKey, request: &str, user: &str, timestamp: &str, body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    hex::encode(key.sign(format!("{request}\n{user}\n{timestamp}\n{digest}").as_bytes()).to_bytes())
}
