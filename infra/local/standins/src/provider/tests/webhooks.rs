//! Webhooks: what they say, that they verify, and when they come again.

use super::*;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use base64::Engine;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// A receiver that answers what it is told, 200 when it is told nothing.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) answers: Arc<Mutex<VecDeque<u16>>>,
    calls: mpsc::UnboundedReceiver<Call>,
}

pub(super) struct Call {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Receiver {
    pub(super) async fn new() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let answers: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let scripted = Arc::clone(&answers);
        let handler = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let _ = sender.send(Call { path: uri.to_string(), headers, body });
            let status = scripted.lock().unwrap().pop_front().unwrap_or(200);
            (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")]).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?call=1&mac=a%2Bb", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        Self { url, answers, calls }
    }

    pub(super) async fn next(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("no webhook came").unwrap()
    }

    pub(super) fn idle(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

impl Call {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Checks the signature as a receiver does that knows only the published rules.
    pub(super) async fn verifies(&self, world: &World) -> bool {
        let keys = world.call_with("GET", "/.well-known/jwks.json", None, &[("authorization", "none")]).await.json();
        let digest: String = Sha256::digest(&self.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let message = [
            self.header("x-fal-webhook-request-id"),
            self.header("x-fal-webhook-user-id"),
            self.header("x-fal-webhook-timestamp"),
            &digest,
        ]
        .join("\n");
        let signature: [u8; 64] = hex::decode(self.header("x-fal-webhook-signature")).unwrap().try_into().unwrap();
        keys["keys"].as_array().unwrap().iter().any(|key| {
            assert_eq!((key["kty"].as_str(), key["crv"].as_str()), (Some("OKP"), Some("Ed25519")));
            let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
            let key = VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
            key.verify_strict(message.as_bytes(), &Signature::from_bytes(&signature)).is_ok()
        })
    }
}

impl World {
    /// Submits a request for a small picture with a webhook.
    pub(super) async fn hooked(&self, receiver: &Receiver, prompt: &str) -> Value {
        let url: String = url::form_urlencoded::byte_serialize(receiver.url.as_bytes()).collect();
        let body = json!({"prompt": prompt, "image_size": {"width": 64, "height": 64}});
        let answer = self.call("POST", &format!("/fal-ai/flux/schnell?fal_webhook={url}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.json()
    }

    /// Waits until no webhook is left to send.
    pub(super) async fn nothing_to_deliver(&self) {
        self.until(|inner| self::deliveries(inner) == 0).await;
    }
}

pub(super) fn deliveries(inner: &Inner) -> u32 {
    inner.store.call_now(|tx| tx.query_row("SELECT count(*) FROM deliveries", [], |row| row.get(0))).unwrap()
}

/// Waits until the one webhook that there is has been tried `attempts` times.
async fn tried(world: &World, attempts: u32) {
    world
        .until(|inner| {
            let sql = "SELECT count(*) FROM deliveries WHERE attempt = ?1";
            let count: u32 = inner.store.call_now(|tx| tx.query_row(sql, [attempts], |row| row.get(0))).unwrap();
            count == 1
        })
        .await;
}

#[tokio::test]
async fn a_good_result_is_delivered_and_signed() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    let submitted = world.hooked(&receiver, "a fox").await;
    let call = receiver.next().await;
    assert!(call.verifies(&world).await);
    assert_eq!(call.path, "/hook?call=1&mac=a%2Bb");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-fal-webhook-user-id"), USER);
    assert_eq!(call.header("x-fal-webhook-timestamp"), (START_MS / 1000).to_string());
    assert_eq!(call.header("x-fal-webhook-request-id"), submitted["request_id"].as_str().unwrap());
    let body = call.json();
    assert_eq!((body["status"].as_str(), &body["request_id"]), (Some("OK"), &submitted["request_id"]));
    assert_eq!(body["payload"], world.result(&submitted).await.json());
    world.nothing_to_deliver().await;
}

#[tokio::test]
async fn a_changed_body_or_header_no_longer_verifies() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    world.hooked(&receiver, "a fox").await;
    let call = receiver.next().await;
    for name in ["x-fal-webhook-request-id", "x-fal-webhook-user-id", "x-fal-webhook-timestamp"] {
        let mut headers = call.headers.clone();
        headers.insert(name, "1".parse().unwrap());
        assert!(!Call { path: String::new(), headers, body: call.body.clone() }.verifies(&world).await, "{name}");
    }
    let body = [&call.body[..], b" "].concat().into();
    assert!(!Call { path: String::new(), headers: call.headers.clone(), body }.verifies(&world).await);
}

#[tokio::test]
async fn a_bad_result_is_delivered_with_its_error() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    world.hooked(&receiver, "[[fail:content-policy]]").await;
    let call = receiver.next().await;
    assert!(call.verifies(&world).await);
    let body = call.json();
    assert_eq!((body["status"].as_str(), body["error"].as_str()), (Some("ERROR"), Some("Invalid status code: 422")));
    assert_eq!(body["payload"]["detail"][0]["type"], "content_policy_violation");
}

#[tokio::test]
async fn a_refused_webhook_comes_again_later_and_later() {
    let (world, mut receiver) = (World::new(Settings { webhook_backoff: SECOND, ..Settings::immediate() }).await, Receiver::new().await);
    receiver.answers.lock().unwrap().extend([500, 404, 503]);
    world.hooked(&receiver, "a fox").await;
    let first = receiver.next().await;
    for (attempts, wait) in [(1, 1), (2, 2), (3, 4)] {
        tried(&world, attempts).await;
        world.advance(wait * SECOND - Duration::from_millis(1));
        tried(&world, attempts).await;
        assert!(receiver.idle(), "not before its time");
        world.advance(Duration::from_millis(1));
        let again = receiver.next().await;
        assert_eq!(again.body, first.body);
        assert!(again.verifies(&world).await, "each attempt is signed with its own time");
    }
    world.nothing_to_deliver().await;
}

#[tokio::test]
async fn a_redirect_is_final() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    receiver.answers.lock().unwrap().push_back(307);
    world.hooked(&receiver, "a fox").await;
    receiver.next().await;
    world.nothing_to_deliver().await;
    assert!(receiver.idle());
}

#[tokio::test]
async fn a_crash_repeats_a_webhook_rather_than_losing_it() {
    let (world, mut receiver) = (World::immediate().await, Receiver::new().await);
    receiver.answers.lock().unwrap().push_back(500);
    world.hooked(&receiver, "a fox").await;
    receiver.next().await;
    tried(&world, 1).await;
    let world = world.restart().await;
    world.advance(Duration::from_secs(180));
    assert!(receiver.next().await.verifies(&world).await, "the key is kept as well");
    world.nothing_to_deliver().await;
}

#[tokio::test]
async fn an_unreachable_receiver_is_given_up_with_the_result() {
    let world = World::immediate().await;
    let body = json!({"prompt": "p", "image_size": "square"});
    let answer = world.call("POST", "/fal-ai/flux/schnell?fal_webhook=http%3A%2F%2F127.0.0.1%3A1%2F", Some(&body)).await;
    world.reached(&answer.json(), State::Completed).await;
    tried(&world, 1).await;
    world.advance(Duration::from_secs(3_599));
    world.nothing_to_deliver().await;
}
