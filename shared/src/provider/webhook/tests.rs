use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use ed25519_dalek::{Signer as _, SigningKey};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const BODY: &[u8] = br#"{"request_id":"r-1","status":"OK"}"#;

/// A provider that shows its keys and counts who asks.
struct Provider {
    url: Url,
    set: Arc<StdMutex<Value>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
        let (set, asked) = (Arc::new(StdMutex::new(set(keys))), Arc::new(AtomicUsize::new(0)));
        let (shown, count) = (Arc::clone(&set), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let body = shown.lock().unwrap().to_string();
                let status = if body == "null" { "503 Down" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, set, asked }
    }

    async fn check(&self, verifier: &Verifier, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<String, Unproven> {
        let trust = Trust { http: &reqwest::Client::new(), keys: &self.url, account: "ours" };
        verifier.verify(trust, headers, body, now).await
    }
}

fn set(keys: &[&SigningKey]) -> Value {
    // As the provider pads it.
    let x = |key: &&SigningKey| format!("{}=", URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()));
    let strange = [json!({"kty": "RSA", "n": "AQAB"}), json!({"kty": "OKP", "crv": "Ed25519", "x": "short"}), json!(7)];
    let ours = keys.iter().map(|key| json!({"kty": "OKP", "crv": "Ed25519", "x": x(key)}));
    json!({"keys": strange.into_iter().chain(ours).collect::<Vec<_>>()})
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

fn signed(key: &SigningKey, account: &str, at: Timestamp, body: &[u8]) -> HeaderMap {
    let timestamp = at.as_second().to_string();
    let message = format!("r-1\n{account}\n{timestamp}\n{}", hex::encode(Sha256::digest(body)));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-fal-webhook-request-id", "r-1"),
        ("x-fal-webhook-user-id", account),
        ("x-fal-webhook-timestamp", &timestamp),
        ("x-fal-webhook-signature", &hex::encode(key.sign(message.as_bytes()).to_bytes())),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[tokio::test]
async fn the_providers_word_is_believed_and_its_keys_are_kept() {
    let provider = Provider::start(&[&key(2), &key(1)]).await;
    let verifier = Verifier::default();
    for hours in [0, 1, 23] {
        let at = now() + SignedDuration::from_hours(hours);
        let request = provider.check(&verifier, &signed(&key(1), "ours", at, BODY), BODY, at).await;
        assert_eq!(request.unwrap(), "r-1");
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
    let at = now() + SignedDuration::from_hours(24);
    provider.check(&verifier, &signed(&key(1), "ours", at, BODY), BODY, at).await.unwrap();
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2, "a day is the longest");
}

#[tokio::test]
async fn what_is_altered_old_or_not_for_us_is_refused() {
    let provider = Provider::start(&[&key(1)]).await;
    let verifier = Verifier::default();
    let good = signed(&key(1), "ours", now(), BODY);
    let expect = async |what: &str, headers: &HeaderMap, body: &[u8], at: Timestamp, wanted: fn(&Unproven) -> bool| {
        let refused = provider.check(&verifier, headers, body, at).await.unwrap_err();
        assert!(wanted(&refused), "{what}: {refused}");
    };
    for name in ["x-fal-webhook-request-id", "x-fal-webhook-user-id", "x-fal-webhook-timestamp", "x-fal-webhook-signature"] {
        let mut headers = good.clone();
        headers.remove(name);
        expect(name, &headers, BODY, now(), |refused| matches!(refused, Unproven::Header(_))).await;
        let mut headers = good.clone();
        headers.append(name, good[name].clone());
        expect(name, &headers, BODY, now(), |refused| matches!(refused, Unproven::Header(_))).await;
    }
    let edge = |seconds: i64| now() + SignedDuration::from_secs(seconds);
    expect("old", &good, BODY, edge(301), |refused| matches!(refused, Unproven::Stale)).await;
    expect("early", &good, BODY, edge(-301), |refused| matches!(refused, Unproven::Stale)).await;
    for seconds in [300, -300] {
        provider.check(&verifier, &good, BODY, edge(seconds)).await.unwrap();
    }
    expect("altered", &good, br#"{"request_id":"r-2","status":"OK"}"#, now(), |refused| matches!(refused, Unproven::Signature)).await;
    expect("written anew", &good, br#"{"request_id": "r-1", "status": "OK"}"#, now(), |refused| matches!(refused, Unproven::Signature))
        .await;
    let strange = signed(&key(9), "ours", now(), BODY);
    expect("another key", &strange, BODY, now(), |refused| matches!(refused, Unproven::Signature)).await;
    let other = signed(&key(1), "theirs", now(), BODY);
    expect("another account", &other, BODY, now(), |refused| matches!(refused, Unproven::Account(_))).await;
    let mut swapped = good.clone();
    swapped.insert("x-fal-webhook-request-id", HeaderValue::from_static("r-2"));
    expect("another request", &swapped, BODY, now(), |refused| matches!(refused, Unproven::Signature)).await;
}

#[tokio::test]
async fn a_new_key_is_found_once_a_minute_and_no_key_is_no_yes() {
    let provider = Provider::start(&[&key(1)]).await;
    let verifier = Verifier::default();
    provider.check(&verifier, &signed(&key(1), "ours", now(), BODY), BODY, now()).await.unwrap();

    let later = now() + SignedDuration::from_secs(61);
    *provider.set.lock().unwrap() = set(&[&key(2)]);
    provider.check(&verifier, &signed(&key(2), "ours", later, BODY), BODY, later).await.unwrap();
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2);
    for _ in 0..20 {
        let refused = provider.check(&verifier, &signed(&key(9), "ours", later, BODY), BODY, later).await.unwrap_err();
        assert!(matches!(refused, Unproven::Signature));
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2, "strangers can't make us ask");

    *provider.set.lock().unwrap() = Value::Null;
    let much_later = later + SignedDuration::from_hours(25);
    let refused = provider.check(&verifier, &signed(&key(2), "ours", much_later, BODY), BODY, much_later).await.unwrap_err();
    assert!(matches!(refused, Unproven::Keys(_)), "{refused}");
}
