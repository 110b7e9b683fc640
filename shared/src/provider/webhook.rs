//! The provider's callbacks: that it was the provider who sent one, for our account, and just now.
//!
//! A signature speaks for the provider, not for us: any of its customers can have it call our address. That a callback is about
//! a call of ours is proved elsewhere, by the address (see `jobs::hook`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::Url;

use super::fetch::describe;

#[cfg(test)]
mod tests;

/// Bytes of a callback's body: addresses of media, never media.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Seconds between the signature and now, in either direction.
const SKEW_S: i64 = 300;
/// The provider asks for keys not to be kept longer.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Keys that don't fit a signature are fetched again at most this often.
const REFRESH_PACE: SignedDuration = SignedDuration::from_mins(1);
/// After a fetch that brought nothing, those who waited for it are told so, and not made to wait for one of their own.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Of the fetch: the provider waits 15 s for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a key set.
const MAX_KEYS: usize = 64 * 1024;

/// Why a callback isn't believed.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// A header is missing, doubled or malformed.
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    /// Signed too long ago, or in the future.
    #[error("the signature is not of the last five minutes")]
    Stale,
    /// Signed by the provider, for somebody else.
    #[error("the callback is for the account {0}, not for ours")]
    Account(String),
    /// None of the provider's keys has signed this.
    #[error("the signature does not hold")]
    Signature,
    /// The keys can't be had; it may be true.
    #[error("the provider's keys can't be read: {0}")]
    Keys(String),
}

/// Checks callbacks, keeping the provider's keys between them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    // Held while fetching, so that many callbacks at once cause one fetch.
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Option<Keys>,
    /// When, and why, the last fetch brought nothing.
    failed: Option<(Timestamp, String)>,
}

#[derive(Clone, Debug)]
struct Keys {
    all: Vec<VerifyingKey>,
    fetched_at: Timestamp,
}

/// Where the keys are, and which account is ours.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// For the fetch; must not follow redirects.
    pub http: &'a reqwest::Client,
    /// The provider's key set.
    pub keys: &'a Url,
    /// As callbacks for us name it.
    pub account: &'a str,
}

impl Verifier {
    /// The id of the request that the callback with these headers and this body, as it came, is about.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn verify(&self, trust: Trust<'_>, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<String, Unproven> {
        let request = header(headers, "x-fal-webhook-request-id")?;
        let account = header(headers, "x-fal-webhook-user-id")?;
        let timestamp = header(headers, "x-fal-webhook-timestamp")?;
        let signature = header(headers, "x-fal-webhook-signature")?;

        let malformed = Unproven::Header("x-fal-webhook-timestamp");
        let signed_at: i64 = timestamp.parse().map_err(|_| malformed)?;
        if now.as_second().abs_diff(signed_at) > SKEW_S.unsigned_abs() {
            return Err(Unproven::Stale);
        }
        let mut bytes = [0; 64];
        hex::decode_to_slice(signature, &mut bytes).map_err(|_| Unproven::Header("x-fal-webhook-signature"))?;
        let signature = Signature::from_bytes(&bytes);
        let message = format!("{request}\n{account}\n{timestamp}\n{}", hex::encode(Sha256::digest(body)));

        let keys = self.keys(trust, now, KEEP).await?;
        if !holds(&keys, &message, &signature) {
            // The provider may have begun to sign with a new key.
            let newer = self.keys(trust, now, REFRESH_PACE).await?;
            if !holds(&newer, &message, &signature) {
                return Err(Unproven::Signature);
            }
        }
        // Only now is it the provider's own word whose it is.
        if account != trust.account {
            return Err(Unproven::Account(account.chars().filter(|c| !c.is_control()).take(100).collect()));
        }
        Ok(request.to_owned())
    }

    /// The provider's keys, fetched at most `age` ago.
    async fn keys(&self, trust: Trust<'_>, now: Timestamp, age: SignedDuration) -> Result<Vec<VerifyingKey>, Unproven> {
        let mut kept = self.kept.lock().await;
        if let Some(keys) = kept.keys.as_ref().filter(|keys| now.duration_since(keys.fetched_at) < age) {
            return Ok(keys.all.clone());
        }
        if let Some((_, why)) = kept.failed.as_ref().filter(|(at, _)| now.duration_since(*at) < PAUSE) {
            return Err(Unproven::Keys(why.clone()));
        }
        match fetch(trust).await {
            Ok(all) => {
                *kept = Kept { keys: Some(Keys { all: all.clone(), fetched_at: now }), failed: None };
                Ok(all)
            }
            Err(why) => {
                kept.failed = Some((now, why.clone()));
                Err(Unproven::Keys(why))
            }
        }
    }
}

/// No key id travels with a callback, so each key is tried.
fn holds(keys: &[VerifyingKey], message: &str, signature: &Signature) -> bool {
    keys.iter().any(|key| key.verify_strict(message.as_bytes(), signature).is_ok())
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Unproven> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) if (1..=256).contains(&value.len()) => Ok(value),
        _ => Err(Unproven::Header(name)),
    }
}

async fn fetch(trust: Trust<'_>) -> Result<Vec<VerifyingKey>, String> {
    let failed = |error: reqwest::Error| describe(&error.without_url());
    let mut answer = trust.http.get(trust.keys.clone()).timeout(TIMEOUT).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > MAX_KEYS {
            return Err(format!("an answer of more than {MAX_KEYS} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    match parse(&bytes) {
        keys if keys.is_empty() => Err("no usable key in it".to_owned()),
        keys => Ok(keys),
    }
}

/// The usable keys of a set. A key of a kind we don't know must not hide the others.
fn parse(set: &[u8]) -> Vec<VerifyingKey> {
    #[derive(Default, Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let usable = |key: &serde_json::Value| {
        let named = |name: &str, wanted: &str| key.get(name).is_none_or(|value| value == wanted);
        let x = key.get("x")?.as_str().filter(|_| named("kty", "OKP") && named("crv", "Ed25519"))?;
        let bytes = URL_SAFE_NO_PAD.decode(x.trim_end_matches('=')).ok()?;
        VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()
    };
    serde_json::from_slice::<Set>(set).unwrap_or_default().keys.iter().filter_map(usable).collect()
}
