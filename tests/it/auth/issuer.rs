//! An issuer that does as it is told: a correct one unless a code was handed out with a twist.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::clock::Clock;
use tokio::net::TcpListener;
use url::Url;

pub(super) const CLIENT: &str = "client-1";
pub(super) const SECRET: &str = "secret-canary";

/// What is wrong with the token that a code is redeemed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    None,
    Nonce,
    Issuer,
    Audience,
    Expired,
    Unsigned,
    StrangeKey,
    UnknownKey,
    Unverified,
    /// The code was bound to another verifier.
    Verifier,
}

struct Grant {
    claims: Value,
    challenge: String,
    redirect_uri: String,
    twist: Twist,
}

pub(super) struct Issuer {
    pub(super) url: String,
    /// How often the keys were asked for.
    pub(super) key_fetches: AtomicUsize,
    key: EncodingKey,
    jwk: Jwk,
    stranger: EncodingKey,
    clock: Clock,
    grants: Mutex<HashMap<String, Grant>>,
}

fn new_key() -> EncodingKey {
    let secret = p256::SecretKey::from_slice(&shared::id::random::<32>()).unwrap();
    EncodingKey::from_ec_pem(secret.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap()
}

impl Issuer {
    pub(super) async fn start(clock: Clock) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = new_key();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("1".to_owned());
        let issuer =
            Arc::new(Self { url, key_fetches: AtomicUsize::new(0), key, jwk, stranger: new_key(), clock, grants: Mutex::default() });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(Arc::clone(&issuer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    /// What the person does at the issuer: agrees. Checks the request as a real one does; the answer is where they are sent.
    pub(super) fn authorize(&self, location: &str, subject: &str, email: &str, twist: Twist) -> String {
        let url = Url::parse(location).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!((query["response_type"].as_str(), query["client_id"].as_str()), ("code", CLIENT));
        assert_eq!((query["scope"].as_str(), query["code_challenge_method"].as_str()), ("openid email profile", "S256"));
        for name in ["state", "nonce", "code_challenge"] {
            assert!(query[name].len() >= 43, "{name} has 256 bits");
        }
        let code = shared::id::random_base62(22);
        let now = self.clock.now().as_second();
        let claims = json!({
            "iss": if twist == Twist::Issuer { "https://evil.example" } else { &self.url },
            "aud": if twist == Twist::Audience { "client-2" } else { CLIENT },
            "exp": if twist == Twist::Expired { now - 61 } else { now + 3_600 },
            "nonce": if twist == Twist::Nonce { "other" } else { &query["nonce"] },
            "email_verified": twist != Twist::Unverified,
            "iat": now, "sub": subject, "email": email, "name": subject.to_uppercase(),
        });
        let challenge = if twist == Twist::Verifier { "other".to_owned() } else { query["code_challenge"].clone() };
        let redirect = Url::parse(&query["redirect_uri"]).unwrap();
        let grant = Grant { claims, challenge, redirect_uri: redirect.to_string(), twist };
        self.grants.lock().unwrap().insert(code.clone(), grant);
        let mut back = redirect;
        // Google adds parameters of its own.
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &query["state"]).append_pair("scope", "email");
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    /// Somebody has redeemed this code.
    pub(super) fn redeemed(&self, code: &str) {
        self.grants.lock().unwrap().remove(code).unwrap();
    }

    fn sign(&self, grant: &Grant) -> String {
        let header = |kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        match grant.twist {
            Twist::Unsigned => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({"alg": "none"})), part(&grant.claims))
            }
            Twist::StrangeKey => encode(&header("1"), &grant.claims, &self.stranger).unwrap(),
            Twist::UnknownKey => encode(&header(&shared::id::random_base62(8)), &grant.claims, &self.stranger).unwrap(),
            _ => encode(&header("1"), &grant.claims, &self.key).unwrap(),
        }
    }
}

async fn discovery(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize?tenant=1"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    issuer.key_fetches.fetch_add(1, Ordering::SeqCst);
    Json(json!({"keys": [{"kty": "unheard-of", "kid": "0"}, issuer.jwk]}))
}

async fn token(State(issuer): State<Arc<Issuer>>, body: String) -> (StatusCode, Json<Value>) {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let grant = issuer.grants.lock().unwrap().remove(&form["code"]);
    let verified = |grant: &Grant| grant.challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let client = form["client_id"] == CLIENT && form["client_secret"] == SECRET && form["grant_type"] == "authorization_code";
    match grant.filter(|grant| client && verified(grant) && grant.redirect_uri == form["redirect_uri"]) {
        Some(grant) => (StatusCode::OK, Json(json!({"id_token": issuer.sign(&grant), "access_token": "unused", "token_type": "Bearer"}))),
        None => (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))),
    }
}
