//! Private delivery: what the CDN lets through, signed by us.
//!
//! A browser gets cookies that open its user's folder for at most an hour, so that addresses stay stable and cacheable; a client with
//! a token gets a signed address for each medium. ECDSA over P-256 with SHA-256, in the CDN's own forms. The verifying side is what the
//! local edition's edge uses: strict, as nothing else stands before the bytes there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use serde::{Deserialize, Serialize};
use url::Url;

use super::keys::user_folder;
use crate::config::MediaKey;

#[cfg(test)]
mod tests;

/// Seconds that a signature may hold at most.
pub const MAX_LIFE: i64 = 3_600;
/// Bytes of a policy: ours take 150.
const MAX_POLICY: usize = 1_024;

const POLICY: &str = "CloudFront-Policy";
const SIGNATURE: &str = "CloudFront-Signature";
const KEY_PAIR: &str = "CloudFront-Key-Pair-Id";
const HASH: &str = "CloudFront-Hash-Algorithm";

/// The key can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the media signing key is no P-256 key in PKCS#8 PEM")]
pub struct InvalidKey;

/// Signs for one distribution.
#[derive(Clone)]
pub struct MediaSigner {
    key: SigningKey,
    key_pair: String,
    origin: String,
}

impl std::fmt::Debug for MediaSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSigner").field("key_pair", &self.key_pair).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A policy as the CDN reads it; the order of its properties is part of a canned one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(rename = "Statement")]
    statement: [Statement; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource")]
    resource: String,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(rename = "DateLessThan")]
    before: EpochTime,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochTime {
    #[serde(rename = "AWS:EpochTime")]
    seconds: i64,
}

/// Resources are written by us from the origin and random or hexadecimal parts: nothing in them needs an escape.
fn policy(resource: &str, until: i64) -> String {
    format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{until}}}}}}}]}}"#)
}

impl MediaSigner {
    /// Signs with `pem`, known to the CDN as `key_pair`, for media under `origin` (without a trailing slash).
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn new(pem: &str, key_pair: &str, origin: &str) -> Result<Self, InvalidKey> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| InvalidKey)?;
        Ok(Self { key, key_pair: key_pair.to_owned(), origin: origin.to_owned() })
    }

    /// Signs with `pem` under the name of whichever of `keys` is its other half; the first one's where none says that it is.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn of(pem: &str, keys: &[MediaKey], origin: &str) -> Result<Self, InvalidKey> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| InvalidKey)?;
        let own =
            |known: &&MediaKey| VerifyingKey::from_public_key_pem(&known.public_key).is_ok_and(|public| public == *key.verifying_key());
        let id = keys.iter().find(own).or(keys.first()).map(|known| known.id.clone()).unwrap_or_default();
        Ok(Self { key, key_pair: id, origin: origin.to_owned() })
    }

    /// The other half, for the edge.
    pub fn verifier(&self) -> MediaVerifier {
        MediaVerifier { key: *self.key.verifying_key(), key_pair: self.key_pair.clone() }
    }

    /// Values of `Set-Cookie` that open everything of the user with this media prefix for an hour from `now`.
    pub fn cookies(&self, prefix: &str, now: Timestamp) -> [String; 4] {
        let policy = policy(&format!("{}/{}*", self.origin, user_folder(prefix)), now.as_second() + MAX_LIFE);
        let cookie =
            |name: &str, value: &str| format!("{name}={value}; Path=/media/; Secure; HttpOnly; SameSite=Strict; Max-Age={MAX_LIFE}");
        [
            cookie(POLICY, &encode(policy.as_bytes())),
            cookie(SIGNATURE, &self.sign(&policy)),
            cookie(KEY_PAIR, &self.key_pair),
            cookie(HASH, "SHA256"),
        ]
    }

    /// Values of `Set-Cookie` that take the cookies away again.
    pub fn expired_cookies() -> [String; 4] {
        [POLICY, SIGNATURE, KEY_PAIR, HASH].map(|name| format!("{name}=; Path=/media/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))
    }

    /// The address of the object at `key`, open to everybody who has it for `life` seconds, at most an hour.
    pub fn url(&self, key: &str, now: Timestamp, life: i64) -> String {
        let resource = format!("{}/{key}", self.origin);
        let until = now.as_second() + life.clamp(1, MAX_LIFE);
        let signature = self.sign(&policy(&resource, until));
        format!("{resource}?Expires={until}&Signature={signature}&Key-Pair-Id={}&Hash-Algorithm=SHA256", self.key_pair)
    }

    fn sign(&self, text: &str) -> String {
        let signature: DerSignature = self.key.sign(text.as_bytes());
        encode(signature.as_bytes())
    }
}

/// Why the edge doesn't let a request through. People are told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing was presented.
    #[error("unsigned")]
    Unsigned,
    /// What was presented can't be read, or contradicts itself.
    #[error("malformed")]
    Malformed,
    /// Another key.
    #[error("unknown key")]
    Key,
    /// The signature isn't ours.
    #[error("bad signature")]
    Signature,
    /// It was ours.
    #[error("expired")]
    Expired,
    /// It is for something else.
    #[error("other resource")]
    Resource,
}

/// Verifies what a [`MediaSigner`] made.
#[derive(Clone, Debug)]
pub struct MediaVerifier {
    key: VerifyingKey,
    key_pair: String,
}

impl MediaVerifier {
    /// Whether `cookies` (name and value, as sent) open `resource`, the complete address asked for.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn verify_cookies<'a>(
        &self,
        resource: &str,
        cookies: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let mut found = [None; 4];
        for (name, value) in cookies {
            if let Some(place) = [POLICY, SIGNATURE, KEY_PAIR, HASH].iter().position(|known| *known == name)
                && found[place].replace(value).is_some()
            {
                // Two of a kind: which one counts would be the sender's choice.
                return Err(Denied::Malformed);
            }
        }
        match found {
            [None, None, None, _] => Err(Denied::Unsigned),
            [Some(policy), Some(signature), Some(key_pair), Some("SHA256")] => {
                let policy = decode(policy).filter(|policy| policy.len() <= MAX_POLICY).ok_or(Denied::Malformed)?;
                self.verify(resource, &policy, signature, key_pair, now)
            }
            _ => Err(Denied::Malformed),
        }
    }

    /// Whether `url`, the complete address asked for, carries its own permission.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn verify_url(&self, url: &str, now: Timestamp) -> Result<(), Denied> {
        let (resource, query) = url.split_once('?').ok_or(Denied::Unsigned)?;
        let mut found = [None; 4];
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Nothing else may ride along: the signature covers the address without its query.
            let place = ["Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"].iter().position(|known| *known == name);
            if place.ok_or(Denied::Unsigned).map(|place| found[place].replace(value))?.is_some() {
                return Err(Denied::Malformed);
            }
        }
        let [Some(until), Some(signature), Some(key_pair), Some("SHA256")] = found else { return Err(Denied::Malformed) };
        let until: i64 = until.parse().map_err(|_| Denied::Malformed)?;
        if resource.contains(['*', '"', '\\']) {
            return Err(Denied::Malformed);
        }
        self.verify(resource, policy(resource, until).as_bytes(), signature, key_pair, now)
    }

    fn verify(&self, resource: &str, policy: &[u8], signature: &str, key_pair: &str, now: Timestamp) -> Result<(), Denied> {
        if key_pair != self.key_pair {
            return Err(Denied::Key);
        }
        let signature = decode(signature).ok_or(Denied::Malformed)?;
        let signature = DerSignature::try_from(signature.as_slice()).map_err(|_| Denied::Malformed)?;
        self.key.verify(policy, &signature).map_err(|_| Denied::Signature)?;
        let policy: Policy = serde_json::from_slice(policy).map_err(|_| Denied::Malformed)?;
        let [statement] = policy.statement;
        if now.as_second() >= statement.condition.before.seconds {
            return Err(Denied::Expired);
        }
        let plain = is_plain(resource) && matches(&statement.resource, resource);
        if plain { Ok(()) } else { Err(Denied::Resource) }
    }
}

/// An address that can only mean what it says: no step upwards, in no spelling. A wildcard must not reach out of its folder.
fn is_plain(resource: &str) -> bool {
    let path = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    let lower = path.to_ascii_lowercase();
    !["/..", "/./", "//", "\\", "%2e", "%2f", "%5c", "%00"].iter().any(|trick| lower.contains(trick))
        && Url::parse(resource).is_ok_and(|url| url.as_str() == resource)
}

/// `*` is any number of characters, at the end of a policy's resource only: ours have no other.
fn matches(pattern: &str, resource: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(folder) => {
            !folder.contains('*') && folder.ends_with('/') && resource.strip_prefix(folder).is_some_and(|rest| !rest.is_empty())
        }
        None => !pattern.contains('*') && pattern == resource,
    }
}

/// Base64 with the three characters that an address or cookie can't carry replaced, as the CDN wants them.
fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2 * MAX_POLICY || text.contains(['+', '=', '/']) {
        return None;
    }
    STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).ok()
}
