use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use serde_json::{Value, json};

use super::fetch::max_age;
use super::token::{Expected, TokenError, verify};
use super::{Document, keep_until};

const ISSUER: &str = "https://issuer.example";
const CLIENT: &str = "client-1";
const NOW: i64 = 1_800_000_000;

struct Signer {
    key: EncodingKey,
    jwk: Jwk,
}

fn signer(kid: &str) -> Signer {
    let secret = p256::SecretKey::from_slice(&crate::id::random::<32>()).unwrap();
    let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    Signer { key, jwk }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "1234", "aud": CLIENT, "exp": NOW + 3_600, "iat": NOW, "nonce": "n",
        "email": "ada@example.org", "email_verified": true, "name": "Ada",
    })
}

fn header(kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::ES256) }
}

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, client: CLIENT, nonce: "n", now: Timestamp::from_second(NOW).unwrap() }
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

#[test]
fn a_token_of_the_issuer_names_somebody() {
    let ours = signer("a");
    let other = signer("b");
    let keys = [other.jwk, ours.jwk.clone()];
    let vouched = verify(&encode(&header(Some("a")), &claims(), &ours.key).unwrap(), &keys, expected()).unwrap();
    assert!(vouched.email_verified);
    assert_eq!((vouched.identity.subject.as_str(), vouched.identity.name.as_str()), ("1234", "Ada"));
    // Without a name for the key there must be only one.
    let unnamed = encode(&header(None), &claims(), &ours.key).unwrap();
    assert!(verify(&unnamed, &keys[1..], expected()).is_ok());
    assert_eq!(verify(&unnamed, &keys, expected()).unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn altered_claims_are_refused() {
    let ours = signer("a");
    let keys = [ours.jwk.clone()];
    for (name, value, error) in [
        ("iss", json!("https://issuer.example/"), TokenError::Invalid),
        ("iss", json!([ISSUER]), TokenError::Invalid),
        ("aud", json!("client-2"), TokenError::Invalid),
        ("aud", json!([CLIENT, "client-2"]), TokenError::Invalid),
        ("aud", Value::Null, TokenError::Invalid),
        ("azp", json!("client-2"), TokenError::Invalid),
        ("sub", Value::Null, TokenError::Invalid),
        ("sub", json!(""), TokenError::Claims),
        ("exp", Value::Null, TokenError::Invalid),
        ("exp", json!(NOW - 60), TokenError::Time),
        ("iat", json!(NOW + 61), TokenError::Time),
        ("iat", json!(NOW - 3_600), TokenError::Time),
        ("nonce", json!("m"), TokenError::Nonce),
        ("nonce", Value::Null, TokenError::Nonce),
        ("email", json!("nobody"), TokenError::Claims),
    ] {
        let token = encode(&header(Some("a")), &with(name, value.clone()), &ours.key).unwrap();
        assert_eq!(verify(&token, &keys, expected()).unwrap_err(), error, "{name}: {value}");
    }
    for (value, verified) in [(json!(true), true), (json!("true"), true), (json!(false), false), (json!(1), false), (Value::Null, false)] {
        let token = encode(&header(Some("a")), &with("email_verified", value), &ours.key).unwrap();
        assert_eq!(verify(&token, &keys, expected()).unwrap().email_verified, verified);
    }
    let edge = encode(&header(Some("a")), &with("exp", json!(NOW - 59)), &ours.key).unwrap();
    assert!(verify(&edge, &keys, expected()).is_ok());
}

#[test]
fn a_header_cannot_choose_the_key_or_the_algorithm() {
    let ours = signer("a");
    let thief = signer("a");
    let keys = [ours.jwk.clone()];
    let forged = encode(&header(Some("a")), &claims(), &thief.key).unwrap();
    assert_eq!(verify(&forged, &keys, expected()).unwrap_err(), TokenError::Invalid);
    let unknown = encode(&header(Some("z")), &claims(), &thief.key).unwrap();
    assert_eq!(verify(&unknown, &keys, expected()).unwrap_err(), TokenError::UnknownKey);
    for brought in [
        Header { jwk: Some(thief.jwk.clone()), ..header(Some("a")) },
        Header { jku: Some("https://evil.example/keys".to_owned()), ..header(Some("a")) },
        Header { x5u: Some("https://evil.example/chain".to_owned()), ..header(Some("a")) },
    ] {
        let token = encode(&brought, &claims(), &thief.key).unwrap();
        assert_eq!(verify(&token, &keys, expected()).unwrap_err(), TokenError::Header);
    }
    // HS256 with the public key as its secret, and no signature at all.
    let confused =
        encode(&Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) }, &claims(), &EncodingKey::from_secret(b"x"));
    assert_eq!(verify(&confused.unwrap(), &keys, expected()).unwrap_err(), TokenError::Header);
    let none = "eyJhbGciOiJub25lIn0.e30.";
    assert_eq!(verify(none, &keys, expected()).unwrap_err(), TokenError::Header);
    for garbage in ["", "a", "a.b", "a.b.c", "....", "\u{0}"] {
        assert_eq!(verify(garbage, &keys, expected()).unwrap_err(), TokenError::Header);
    }
}

#[test]
fn the_discovery_document_must_be_the_issuers() {
    let document = |issuer: &str, base: &str| -> Document {
        serde_json::from_value(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/jwks"),
        }))
        .unwrap()
    };
    assert!(document(ISSUER, "https://elsewhere.example").check(ISSUER).is_ok());
    assert!(document("http://localhost:1/issuer", "http://localhost:1").check("http://localhost:1/issuer").is_ok());
    for (issuer, base) in [("https://evil.example", ISSUER), (ISSUER, "http://issuer.example")] {
        assert!(document(issuer, base).check(ISSUER).is_err());
    }
    for base in ["https://127.0.0.1", "https://169.254.169.254", "https://[::1]", "https://localhost", "https://2130706433", "file:///etc"]
    {
        assert!(document(ISSUER, base).check(ISSUER).is_err(), "{base}");
    }
    assert!(document("http://localhost:1", "http://localhost:2").check("http://localhost:1").is_err());
}

#[test]
fn documents_are_kept_as_long_as_their_issuer_says_within_a_minute_and_a_day() {
    let now = Timestamp::from_second(NOW).unwrap();
    for (header, seconds) in [
        ("public, max-age=600", 600),
        ("max-age=9999999, must-revalidate", 86_400),
        ("no-store", 60),
        ("private", 3_600),
        ("max-age=-5", 60),
    ] {
        assert_eq!(keep_until(now, max_age(header)).as_second() - NOW, seconds, "{header}");
    }
}
