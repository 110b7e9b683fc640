//! The flow as a client drives it, and the ways in which it may not be driven.

use super::*;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt;
use url::Url;

const CALLBACK: &str = "http://localhost:8080/auth/callback";
const ISSUER: &str = "http://localhost:8080/dev/issuer";
const SECRET: &str = "a secret: with, odd+characters";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const START_S: i64 = 1_800_000_000;

/// One key for all tests of this process: making one takes a while.
fn key_dir() -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned()
}

struct World {
    router: Router,
    now_s: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let now_s = Arc::new(AtomicI64::new(START_S));
        let source = Arc::clone(&now_s);
        let router = router(IssuerConfig {
            issuer_url: ISSUER.to_owned(),
            client_id: "the-client".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            key_dir: key_dir(),
            clock: Clock::from_fn(move || jiff::Timestamp::from_second(source.load(Ordering::SeqCst)).unwrap()),
        });
        Self { router, now_s }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], basic: Option<(&str, &str)>) -> (StatusCode, axum::http::HeaderMap, String) {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some((id, secret)) = basic {
            use base64::Engine;
            let encode = |s: &str| url::form_urlencoded::byte_serialize(s.as_bytes()).collect::<String>();
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        self.send(request.body(Body::from(encode(fields))).unwrap()).await
    }

    /// Signs in and returns the query of the address that the browser is sent to.
    async fn code(&self, email: &str) -> String {
        let mut fields = request_fields();
        fields.extend([("email", email), ("name", "Ada <Lovelace>")]);
        let (status, headers, _) = self.post("/authorize", &fields, None).await;
        assert_eq!(status, StatusCode::FOUND);
        let query = location(&headers);
        assert_eq!(query["state"], "the state");
        assert_eq!(query["iss"], ISSUER);
        query["code"].clone()
    }

    async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "the-client"),
            ("client_secret", SECRET),
        ];
        for change in changes {
            fields.retain(|(name, _)| name != &change.0);
            fields.push(*change);
        }
        let (status, headers, body) = self.post("/token", &fields, None).await;
        assert_eq!(headers["cache-control"], "no-store");
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn challenge() -> &'static str {
    static CHALLENGE: OnceLock<String> = OnceLock::new();
    CHALLENGE.get_or_init(|| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
    })
}

fn request_fields() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "the-client"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email profile"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", challenge()),
        ("code_challenge_method", "S256"),
    ]
}

fn location(headers: &axum::http::HeaderMap) -> std::collections::HashMap<String, String> {
    let url = Url::parse(headers["location"].to_str().unwrap()).unwrap();
    assert!(url.as_str().starts_with(&format!("{CALLBACK}?")));
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_client_gets_a_token_that_the_key_set_verifies() {
    let world = World::new();
    let (_, _, discovery) = world.get("/.well-known/openid-configuration").await;
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["issuer"], ISSUER);
    assert_eq!(discovery["token_endpoint"], format!("{ISSUER}/token"));

    let code = world.code("Ada@Example.com").await;
    let (status, tokens) = world.exchange(&code, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens["token_type"], "Bearer");

    let (_, _, keys) = world.get("/jwks").await;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys).unwrap();
    let token = tokens["id_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["the-client"]);
    validation.set_issuer(&[ISSUER]);
    let claims = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
    assert_eq!(claims["email"], "ada@example.com");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["name"], "Ada <Lovelace>");
    assert_eq!(claims["nonce"], "the nonce");
    assert_eq!(claims["iat"], START_S);
    assert_eq!(claims["exp"], START_S + 3600);
    assert!(claims.get("picture").is_none());

    let code = world.code("ada@example.com").await;
    let (_, again) = world.exchange(&code, &[]).await;
    let again =
        jsonwebtoken::decode::<Value>(again["id_token"].as_str().unwrap(), &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    assert_eq!(again.claims["sub"], claims["sub"]);
    let prepared = person(" Ada@Example.com ").unwrap();
    assert_eq!((claims["sub"].as_str(), claims["email"].as_str()), (Some(prepared.subject.as_str()), Some(prepared.email.as_str())));
    assert_eq!((prepared.name.as_str(), person("nobody")), ("ada", None));
    let code = world.code("grace@example.com").await;
    let (_, other) = world.exchange(&code, &[]).await;
    let other =
        jsonwebtoken::decode::<Value>(other["id_token"].as_str().unwrap(), &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    assert_ne!(other.claims["sub"], claims["sub"]);
}

#[tokio::test]
async fn the_secret_may_travel_in_the_header() {
    let world = World::new();
    let code = world.code("ada@example.com").await;
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let (status, headers, _) = world.post("/token", &fields, Some(("the-client", "wrong"))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key("www-authenticate"));
    let (status, _, _) = world.post("/token", &fields, Some(("the-client", SECRET))).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_altered_exchange_is_refused_and_burns_the_code() {
    let world = World::new();
    for (field, value) in [
        ("code_verifier", "another-verifier-of-at-least-forty-three-characters"),
        ("code_verifier", "short"),
        ("redirect_uri", "http://localhost:8080/auth/callback/"),
        ("code", "another code"),
    ] {
        let code = world.code("ada@example.com").await;
        let (status, body) = world.exchange(&code, &[(field, value)]).await;
        assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")), "{field}={value}");
        let (status, _) = world.exchange(&code, &[]).await;
        let burnt = field != "code";
        assert_eq!(status == StatusCode::BAD_REQUEST, burnt, "{field}={value}");
    }
}

#[tokio::test]
async fn a_code_works_once_and_for_a_minute() {
    let world = World::new();
    let code = world.code("ada@example.com").await;
    assert_eq!(world.exchange(&code, &[]).await.0, StatusCode::OK);
    assert_eq!(world.exchange(&code, &[]).await.0, StatusCode::BAD_REQUEST);

    let code = world.code("ada@example.com").await;
    world.now_s.fetch_add(60, Ordering::SeqCst);
    assert_eq!(world.exchange(&code, &[]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_wrong_client_is_refused_without_burning_the_code() {
    let world = World::new();
    let code = world.code("ada@example.com").await;
    for (field, value) in [("client_secret", "wrong"), ("client_id", "another")] {
        let (status, body) = world.exchange(&code, &[(field, value)]).await;
        assert_eq!((status, body["error"].as_str()), (StatusCode::UNAUTHORIZED, Some("invalid_client")));
    }
    let (status, body) = world.exchange(&code, &[("grant_type", "password")]).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some("unsupported_grant_type")));
    assert_eq!(world.exchange(&code, &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_altered_request_never_reaches_the_form() {
    let world = World::new();
    // (parameter, value or absent, error that the client is told, or none when the browser stays here)
    let cases = [
        ("client_id", Some("another"), None),
        ("client_id", None, None),
        ("redirect_uri", Some("http://localhost:8080/auth/callback?x=1"), None),
        ("redirect_uri", Some("http://evil.example/auth/callback"), None),
        ("redirect_uri", None, None),
        ("response_type", Some("token"), Some("unsupported_response_type")),
        ("scope", Some("email"), Some("invalid_scope")),
        ("state", None, Some("invalid_request")),
        ("nonce", None, Some("invalid_request")),
        ("code_challenge", None, Some("invalid_request")),
        ("code_challenge", Some("short"), Some("invalid_request")),
        ("code_challenge_method", Some("plain"), Some("invalid_request")),
        ("code_challenge_method", None, Some("invalid_request")),
    ];
    for (name, value, error) in cases {
        let mut fields = request_fields();
        fields.retain(|field| field.0 != name);
        fields.extend(value.map(|value| (name, value)));
        let asked = world.get(&format!("/authorize?{}", encode(&fields))).await;
        fields.extend([("email", "ada@example.com")]);
        let posted = world.post("/authorize", &fields, None).await;
        for (status, headers, _) in [asked, posted] {
            match error {
                None => assert_eq!(status, StatusCode::BAD_REQUEST, "{name}={value:?}"),
                Some(error) => {
                    assert_eq!(status, StatusCode::FOUND, "{name}={value:?}");
                    let query = location(&headers);
                    assert_eq!(query["error"], error);
                    assert!(!query.contains_key("code"));
                }
            }
        }
    }
    let twice = format!("{}&nonce=again", encode(&request_fields()));
    assert_eq!(world.get(&format!("/authorize?{twice}")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_page_escapes_and_forbids() {
    let world = World::new();
    let mut fields = request_fields();
    fields.push(("login_hint", "\"><script>@example.com"));
    let (status, headers, page) = world.get(&format!("/authorize?{}", encode(&fields))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;@example.com\""));
    assert!(!page.contains("<script") && !page.contains("<style") && !page.contains("style="));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self' http://localhost:8080;"));
    let (status, headers, _) = world.get("/style.css").await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "text/css; charset=utf-8"));

    let mut fields = request_fields();
    fields.push(("email", "not an address"));
    let (status, _, page) = world.post("/authorize", &fields, None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("value=\"not an address\"") && page.contains("role=\"alert\""));
}

#[tokio::test]
async fn cancelling_tells_the_client() {
    let world = World::new();
    let mut fields = request_fields();
    fields.push(("action", "cancel"));
    let (_, headers, _) = world.post("/authorize", &fields, None).await;
    assert_eq!(location(&headers)["error"], "access_denied");
}

#[tokio::test]
async fn the_key_is_kept_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let first = World::new().get("/jwks").await.2;
    let second = World::new().get("/jwks").await.2;
    assert_eq!(first, second);
    let mode = std::fs::metadata(key_dir().join("issuer-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(key_dir()).unwrap().count(), 1, "no draft is left behind");
}
