//! The sign-in page and what its form does: check the client's request, then send the browser back with a code.

use super::codes::Grant;
use super::{Issuer, page};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// Longest value of any parameter, in bytes.
const MAX_VALUE_BYTES: usize = 2_048;
/// Longest e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL_BYTES: usize = 254;
/// Longest name, in characters.
const MAX_NAME_CHARS: usize = 100;

/// An authorization request that has passed every check.
pub(super) struct Request {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) code_challenge: String,
    pub(super) scope: String,
    pub(super) login_hint: String,
}

enum Refusal {
    /// The client or its address is wrong: the browser must not be sent anywhere.
    Page(&'static str),
    /// Anything else goes back to the client (RFC 6749, section 4.1.2.1).
    Redirect { to: String, state: Option<String>, error: &'static str, description: &'static str },
}

/// Shows the page.
pub(super) async fn show(State(issuer): State<Arc<Issuer>>, RawQuery(query): RawQuery) -> Response {
    match parse(query.unwrap_or_default().as_bytes()).and_then(|fields| check(&issuer, &fields)) {
        Ok(request) => {
            // The key is needed a few seconds from now: making one meanwhile hides its time behind the typing.
            let warm = Arc::clone(&issuer);
            tokio::spawn(async move { drop(warm.key.get().await) });
            let hint = request.login_hint.clone();
            page::sign_in(StatusCode::OK, &request, &hint, "", None)
        }
        Err(refusal) => refuse(&issuer, refusal),
    }
}

/// Takes the form: a code for the client, or the page again with what is wrong.
pub(super) async fn submit(State(issuer): State<Arc<Issuer>>, body: Bytes) -> Response {
    let fields = match parse(&body) {
        Ok(fields) => fields,
        Err(refusal) => return refuse(&issuer, refusal),
    };
    let request = match check(&issuer, &fields) {
        Ok(request) => request,
        Err(refusal) => return refuse(&issuer, refusal),
    };
    if fields.get("action").is_some_and(|action| action == "cancel") {
        return refuse(
            &issuer,
            Refusal::Redirect {
                to: request.redirect_uri,
                state: Some(request.state),
                error: "access_denied",
                description: "the person chose not to sign in",
            },
        );
    }
    let typed_email = fields.get("email").map_or("", |value| value.trim());
    let typed_name = fields.get("name").map_or("", |value| value.trim());
    let Some(email) = normalise_email(typed_email) else {
        let problem = "Enter an e-mail address, such as ada@example.com.";
        return page::sign_in(StatusCode::UNPROCESSABLE_ENTITY, &request, typed_email, typed_name, Some(problem));
    };
    let name = match typed_name {
        "" => default_name(&email),
        name => name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
    };
    let Ok(code) = random_token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    issuer.codes.put(
        code.clone(),
        Grant {
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            nonce: request.nonce,
            scope: request.scope,
            email,
            name,
        },
        issuer.config.clock.now_ms(),
    );
    redirect(&issuer, &request.redirect_uri, &[("code", &code), ("state", &request.state)])
}

/// The parameters, each at most once.
fn parse(encoded: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(encoded) {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Refusal::Page("A parameter of the request is too long."));
        }
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Refusal::Page("A parameter of the request is there twice."));
        }
    }
    Ok(fields)
}

fn check(issuer: &Issuer, fields: &BTreeMap<String, String>) -> Result<Request, Refusal> {
    let get = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    let client_id = get("client_id").filter(|id| *id == issuer.config.client_id);
    let client_id = client_id.ok_or(Refusal::Page("This application is not known here (client_id)."))?;
    let redirect_uri = get("redirect_uri").filter(|uri| issuer.config.redirect_uris.contains(uri));
    let redirect_uri = redirect_uri.ok_or(Refusal::Page("The address to go back to is not registered (redirect_uri)."))?;

    let state = get("state");
    let wrong = |error, description| Refusal::Redirect { to: redirect_uri.clone(), state: state.clone(), error, description };
    if get("response_type").as_deref() != Some("code") {
        return Err(wrong("unsupported_response_type", "response_type must be code"));
    }
    if get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(wrong("invalid_request", "response_mode must be query"));
    }
    let scope = get("scope").ok_or_else(|| wrong("invalid_scope", "scope is missing"))?;
    if !scope.split(' ').any(|part| part == "openid") {
        return Err(wrong("invalid_scope", "scope must contain openid"));
    }
    if get("code_challenge_method").as_deref() != Some("S256") {
        return Err(wrong("invalid_request", "code_challenge_method must be S256"));
    }
    let challenge = get("code_challenge").filter(|value| URL_SAFE_NO_PAD.decode(value).is_ok_and(|digest| digest.len() == 32));
    let code_challenge = challenge.ok_or_else(|| wrong("invalid_request", "code_challenge must be the base64url of a SHA-256"))?;
    let Some(state) = state.clone() else {
        return Err(wrong("invalid_request", "state is missing"));
    };
    let nonce = get("nonce").ok_or_else(|| wrong("invalid_request", "nonce is missing"))?;
    if get("prompt").as_deref() == Some("none") {
        return Err(wrong("login_required", "nobody is signed in here between requests"));
    }
    Ok(Request { client_id, redirect_uri, state, nonce, code_challenge, scope, login_hint: get("login_hint").unwrap_or_default() })
}

fn refuse(issuer: &Issuer, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Page(problem) => page::refusal(problem),
        Refusal::Redirect { to, state, error, description } => {
            let mut parameters = vec![("error", error), ("error_description", description)];
            if let Some(state) = &state {
                parameters.push(("state", state));
            }
            redirect(issuer, &to, &parameters)
        }
    }
}

/// Sends the browser back to the client. `iss` tells it which issuer answers (RFC 9207).
fn redirect(issuer: &Issuer, to: &str, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(to) else {
        return page::refusal("The registered address to go back to is not a URL.");
    };
    url.query_pairs_mut().extend_pairs(parameters).append_pair("iss", &issuer.config.issuer_url);
    let Ok(location) = HeaderValue::from_str(url.as_str()) else {
        return page::refusal("The registered address to go back to is not a URL.");
    };
    (
        StatusCode::FOUND,
        [
            (header::LOCATION, location),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ],
    )
        .into_response()
}

/// The address in lower case, if it looks like one.
pub(super) fn normalise_email(typed: &str) -> Option<String> {
    let (local, domain) = typed.rsplit_once('@')?;
    let sound = !local.is_empty()
        && !domain.is_empty()
        && typed.len() <= MAX_EMAIL_BYTES
        && !typed.chars().any(|c| c.is_whitespace() || c.is_control());
    sound.then(|| typed.to_lowercase())
}

/// What somebody is called who gives no name.
pub(super) fn default_name(email: &str) -> String {
    email.split('@').next().unwrap_or_default().to_owned()
}

/// 256 random bits in base64url.
pub(super) fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
