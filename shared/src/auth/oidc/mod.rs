//! The sign-in issuer: OpenID Connect with the authorization code flow and PKCE, as a confidential client.
//!
//! Everything starts from the configured issuer: its discovery document must name it, and keys come from nowhere else. Fetched
//! documents are kept for as long as the issuer says, a day at most; an unknown key causes at most one fetch a minute.
//! Absent by design: user info and refresh tokens. What is needed to know who somebody is stands in the identity token.

mod fetch;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::Url;

use crate::outbound::is_public;
use crate::runtime::Platform;
use crate::secrets::{SecretError, SecretName};
use fetch::Fetched;
use token::Expected;
pub use token::{TokenError, Vouched};

/// An unknown key is looked for at most this often.
const REFRESH_PACE: SignedDuration = SignedDuration::from_mins(1);
/// The longest time a fetched document is kept, whatever the issuer says.
const LONGEST_KEEP_S: i64 = 86_400;
/// The shortest: whatever the issuer says, many sign-ins must not become as many fetches.
const SHORTEST_KEEP_S: i64 = 60;
/// How long it is kept when the issuer doesn't say.
const USUAL_KEEP_S: i64 = 3_600;

/// The issuer didn't help.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// No answer, or one that can't be used: trying again later may help.
    #[error("the sign-in issuer can't be used: {0}")]
    Unavailable(String),
    /// It refused the code.
    #[error("the sign-in issuer refused the code: {0}")]
    Refused(String),
    /// The identity token doesn't hold.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Our own secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// What the discovery document says, as far as it is used.
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// A checked [`Document`].
#[derive(Clone, Debug)]
struct Discovery {
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    /// The secret may go in the body of the request for a token.
    secret_in_body: bool,
}

impl Document {
    /// The document must be the configured issuer's, and no address less protected than the issuer's own.
    fn check(self, issuer: &str) -> Result<Discovery, OidcError> {
        let unusable = |what: &str| OidcError::Unavailable(format!("its discovery document {what}"));
        if self.issuer != issuer {
            return Err(unusable("names another issuer"));
        }
        let own = Url::parse(issuer).map_err(|_| unusable("names no address"))?;
        let address = |text: &str| {
            Url::parse(text)
                .ok()
                .filter(|url| url.origin() == own.origin() || (url.scheme() == "https" && is_elsewhere(url)))
                .ok_or_else(|| unusable("has an address without https, or within this machine's network"))
        };
        Ok(Discovery {
            authorization_endpoint: address(&self.authorization_endpoint)?,
            token_endpoint: address(&self.token_endpoint)?,
            jwks_uri: address(&self.jwks_uri)?,
            secret_in_body: self.token_endpoint_auth_methods_supported.iter().any(|method| method == "client_secret_post"),
        })
    }
}

/// Whether an address, as far as it says, isn't of our own network. A name that leads there has no certificate for it.
fn is_elsewhere(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => is_public(address.into()),
        Some(url::Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    }
}

#[derive(Debug, Default)]
struct Cache {
    discovery: Option<(Discovery, Timestamp)>,
    keys: Option<Keys>,
}

#[derive(Debug)]
struct Keys {
    all: Vec<Jwk>,
    fetched_at: Timestamp,
    until: Timestamp,
}

/// What is known of the issuer. Cheap to clone; clones share what was fetched.
#[derive(Clone, Debug, Default)]
pub struct Issuer {
    // Held while fetching, so that many sign-ins at once cause one fetch.
    cache: Arc<Mutex<Cache>>,
}

/// What goes to the issuer with the browser.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// Comes back in the callback.
    pub state: &'a str,
    /// Comes back in the identity token.
    pub nonce: &'a str,
    /// Its hash goes along; it goes with the code, later.
    pub verifier: &'a str,
}

impl Issuer {
    /// The address at which the browser asks for a code.
    ///
    /// # Errors
    /// [`OidcError::Unavailable`] when the discovery document can't be had.
    pub async fn authorization_url(&self, platform: &Platform, challenge: Challenge<'_>) -> Result<Url, OidcError> {
        let mut url = self.discovery(platform).await?.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &platform.config.oidc_client_id)
            .append_pair("redirect_uri", &redirect_uri(platform))
            .append_pair("scope", "openid email profile")
            .append_pair("state", challenge.state)
            .append_pair("nonce", challenge.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(challenge.verifier)))
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Redeems `code` and checks the identity token that comes for it.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn redeem(&self, platform: &Platform, code: &str, verifier: &str, nonce: &str) -> Result<Vouched, OidcError> {
        let discovery = self.discovery(platform).await?;
        let token = match self.token(platform, &discovery, code, verifier).await {
            // The client's secret may have been exchanged since it was read; the code is still good.
            Err(OidcError::Refused(error)) if error == "invalid_client" => {
                platform.secrets.distrust(SecretName::OidcClientSecret).await;
                self.token(platform, &discovery, code, verifier).await?
            }
            answer => answer?,
        };
        let client = platform.config.oidc_client_id.as_str();
        let now = platform.clock.now();
        let expected = Expected { issuer: &platform.config.oidc_issuer, client, nonce, now };
        match token::verify(&token, &self.keys(platform, &discovery.jwks_uri, None).await?, expected) {
            // The issuer may have begun to sign with a new key.
            Err(TokenError::UnknownKey) => {
                let keys = self.keys(platform, &discovery.jwks_uri, Some(REFRESH_PACE)).await?;
                Ok(token::verify(&token, &keys, expected)?)
            }
            verdict => Ok(verdict?),
        }
    }

    /// The identity token for `code`.
    async fn token(&self, platform: &Platform, discovery: &Discovery, code: &str, verifier: &str) -> Result<String, OidcError> {
        let secret = platform.secrets.get(SecretName::OidcClientSecret).await?;
        let client = platform.config.oidc_client_id.as_str();
        let redirect_uri = redirect_uri(platform);
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect_uri), ("code_verifier", verifier)];
        // Issuers disagree on how the header's parts are encoded, so the body is preferred where it is allowed.
        let request = platform.http.post(discovery.token_endpoint.clone());
        let request = if discovery.secret_in_body {
            form.extend([("client_id", client), ("client_secret", secret.expose_secret())]);
            request
        } else {
            request.basic_auth(form_encoded(client), Some(form_encoded(secret.expose_secret())))
        };
        fetch::id_token(request.form(&form)).await
    }

    async fn discovery(&self, platform: &Platform) -> Result<Discovery, OidcError> {
        let mut cache = self.cache.lock().await;
        let now = platform.clock.now();
        if let Some((discovery, until)) = &cache.discovery
            && now < *until
        {
            return Ok(discovery.clone());
        }
        let issuer = &platform.config.oidc_issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let fetched: Fetched<Document> = fetch::json(platform.http.get(url)).await?;
        let discovery = fetched.value.check(issuer)?;
        cache.discovery = Some((discovery.clone(), keep_until(now, fetched.max_age_s)));
        Ok(discovery)
    }

    /// The issuer's keys; with `at_least`, fetched again unless that was done so recently.
    async fn keys(&self, platform: &Platform, url: &Url, at_least: Option<SignedDuration>) -> Result<Vec<Jwk>, OidcError> {
        let mut cache = self.cache.lock().await;
        let now = platform.clock.now();
        if let Some(keys) = &cache.keys
            && now < keys.until
            && at_least.is_none_or(|pace| now.duration_since(keys.fetched_at) < pace)
        {
            return Ok(keys.all.clone());
        }
        let fetched: Fetched<KeySet> = fetch::json(platform.http.get(url.clone())).await?;
        // A key of a kind we don't know must not hide the others.
        let all: Vec<Jwk> = fetched.value.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        cache.keys = Some(Keys { all: all.clone(), fetched_at: now, until: keep_until(now, fetched.max_age_s) });
        Ok(all)
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

fn keep_until(now: Timestamp, max_age_s: Option<i64>) -> Timestamp {
    let seconds = max_age_s.unwrap_or(USUAL_KEEP_S).clamp(SHORTEST_KEEP_S, LONGEST_KEEP_S);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

/// Where the issuer sends the browser back to.
pub fn redirect_uri(platform: &Platform) -> String {
    format!("{}/auth/callback", platform.config.origin)
}

/// RFC 6749, section 2.3.1: both parts of the header are form-encoded first.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
