//! An `OpenID` Connect issuer for signing in without an account anywhere: authorization code with PKCE, RS256 identity
//! tokens, a key set. Its one page asks which e-mail address to sign in as.
//!
//! Invariant: whatever a real issuer checks is checked here too, so a client that gets through here is a correct
//! client. Deliberately absent: passwords, sessions, refresh tokens and user info. Anyone who can reach it can be
//! anyone, so it must be mounted on loopback only.

mod authorize;
mod codes;
mod key;
mod page;
mod token;

#[cfg(test)]
mod tests;

use crate::Clock;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use codes::Codes;
use key::SigningKey;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// What the issuer is told when it is mounted.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// The issuer's identifier and the address it is mounted at, without a slash at its end, such as
    /// `http://localhost:8080/dev/issuer`.
    pub issuer_url: String,
    /// The one client that may use it.
    pub client_id: String,
    /// That client's secret.
    pub client_secret: String,
    /// The addresses that a browser may be sent back to, compared byte by byte.
    pub redirect_uris: Vec<String>,
    /// The folder that keeps `issuer-key.pem` (mode 0600). It must exist.
    pub key_dir: PathBuf,
    /// Where the time comes from.
    pub clock: Clock,
}

struct Issuer {
    config: IssuerConfig,
    codes: Codes,
    key: SigningKey,
}

/// Somebody as identity tokens describe them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The issuer's name for them, which follows from the address.
    pub subject: String,
    /// The address in the spelling of identity tokens.
    pub email: String,
    /// What they are called when they sign in without giving a name.
    pub name: String,
}

/// Who signs in with this address, for an operator who prepares an account; `None` if it isn't one.
#[must_use]
pub fn person(typed_email: &str) -> Option<Person> {
    let email = authorize::normalise_email(typed_email.trim())?;
    Some(Person { subject: token::subject(&email), name: authorize::default_name(&email), email })
}

/// The issuer's routes, relative to the address it is mounted at.
///
/// The signing key is read or made when it is first needed (opening the sign-in page starts that), because making an
/// RSA key takes up to seconds.
pub fn router(config: IssuerConfig) -> Router {
    let issuer = Arc::new(Issuer { key: SigningKey::new(config.key_dir.join("issuer-key.pem")), codes: Codes::default(), config });
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/authorize", get(authorize::show).post(authorize::submit))
        .route("/token", post(token::exchange))
        .route("/jwks", get(jwks))
        .route("/style.css", get(page::stylesheet))
        .with_state(issuer)
}

async fn discovery(State(issuer): State<Arc<Issuer>>) -> Response {
    let url = &issuer.config.issuer_url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "claims_supported": ["iss", "aud", "sub", "email", "email_verified", "name", "nonce", "iat", "exp", "at_hash"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Response {
    match issuer.key.get().await {
        Ok(key) => ([(header::CACHE_CONTROL, "public, max-age=3600")], Json(json!({ "keys": [key.jwk] }))).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// The answer when the signing key can neither be read nor made.
fn unavailable(error: &key::KeyError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "The issuer has no signing key.");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "server_error" }))).into_response()
}
