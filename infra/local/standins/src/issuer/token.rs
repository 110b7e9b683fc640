//! The token endpoint: a code, shown once by the client that it was made for, becomes an identity token.

use super::authorize::random_token;
use super::codes::Grant;
use super::{Issuer, unavailable};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// How long a token is good for, in seconds.
const LIFETIME_S: i64 = 3_600;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    email: &'a str,
    email_verified: bool,
    name: &'a str,
    nonce: &'a str,
    iat: i64,
    exp: i64,
    at_hash: String,
}

/// Exchanges a code. Every answer is `no-store`, and errors are those of RFC 6749, section 5.2.
pub(super) async fn exchange(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = match grant(&issuer, &headers, &body) {
        Ok(grant) => issue(&issuer, &grant).await,
        Err(refused) => refused.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn grant(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Grant, Refused> {
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(error(StatusCode::BAD_REQUEST, "invalid_request", "a parameter is there twice"));
        }
    }
    authenticate(issuer, headers, &fields)?;
    let field = |name: &str| {
        let value = fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
        value.ok_or_else(|| error(StatusCode::BAD_REQUEST, "invalid_request", "a parameter is missing"))
    };
    if field("grant_type")? != "authorization_code" {
        return Err(error(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only authorization_code is served"));
    }
    let (code, redirect_uri, verifier) = (field("code")?, field("redirect_uri")?, field("code_verifier")?);

    let invalid = |description| error(StatusCode::BAD_REQUEST, "invalid_grant", description);
    let grant = issuer.codes.take(code, issuer.config.clock.now_ms());
    let grant = grant.ok_or_else(|| invalid("the code is unknown, used or expired"))?;
    if grant.redirect_uri != redirect_uri {
        return Err(invalid("redirect_uri differs from the authorization request"));
    }
    // RFC 7636, section 4.1: 43 to 128 characters.
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    if !(43..=128).contains(&verifier.len()) || grant.code_challenge != challenge {
        return Err(invalid("code_verifier doesn't match the challenge"));
    }
    Ok(grant)
}

/// Accepts the client's secret in the header or in the body, but not in both.
fn authenticate(issuer: &Issuer, headers: &HeaderMap, fields: &BTreeMap<String, String>) -> Result<(), Refused> {
    let in_body = fields.contains_key("client_secret");
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(_) if in_body => {
            return Err(error(StatusCode::BAD_REQUEST, "invalid_request", "the client authenticates in two ways"));
        }
        Some(value) => basic(value).ok_or_else(wrong_client)?,
        None => {
            let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
            (get("client_id"), get("client_secret"))
        }
    };
    let same_id = id.as_bytes().ct_eq(issuer.config.client_id.as_bytes());
    let same_secret = secret.as_bytes().ct_eq(issuer.config.client_secret.as_bytes());
    if (same_id & same_secret).into() { Ok(()) } else { Err(wrong_client()) }
}

/// The credentials of a Basic header, whose two parts are form-encoded first (RFC 6749, section 2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

fn form_decode(part: &str) -> String {
    url::form_urlencoded::parse(part.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

async fn issue(issuer: &Issuer, grant: &Grant) -> Response {
    let key = match issuer.key.get().await {
        Ok(key) => key,
        Err(error) => return unavailable(&error),
    };
    let Ok(access_token) = random_token() else {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "no randomness").into_response();
    };
    let iat = issuer.config.clock.now().as_second();
    let claims = Claims {
        iss: &issuer.config.issuer_url,
        aud: &issuer.config.client_id,
        sub: subject(&grant.email),
        email: &grant.email,
        email_verified: true,
        name: &grant.name,
        nonce: &grant.nonce,
        iat,
        exp: iat + LIFETIME_S,
        // OpenID Connect Core, section 3.1.3.6: the left half of the hash.
        at_hash: URL_SAFE_NO_PAD.encode(&Sha256::digest(&access_token)[..16]),
    };
    match key.sign(&claims) {
        Ok(id_token) => Json(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "scope": grant.scope,
            "id_token": id_token,
        }))
        .into_response(),
        Err(error) => unavailable(&error),
    }
}

/// The same person for the same address, and nothing that gives the address away.
pub(super) fn subject(email: &str) -> String {
    hex::encode(&Sha256::digest(format!("sign-in stand-in\n{email}"))[..16])
}

fn wrong_client() -> Refused {
    error(StatusCode::UNAUTHORIZED, "invalid_client", "the client's id or secret is wrong")
}

/// An error of RFC 6749, section 5.2.
struct Refused {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

fn error(status: StatusCode, error: &'static str, description: &'static str) -> Refused {
    Refused { status, error, description }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "error_description": self.description }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"issuer\""));
        }
        response
    }
}
