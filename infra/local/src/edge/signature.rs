//! Checks signed cookies and signed addresses as CloudFront does, with the one public key of this installation.
//!
//! Written from the CDN's side of the protocol and sharing no code with what signs, so that each proves the other. Only SHA-256
//! signatures are accepted: SHA-1, which CloudFront takes when no algorithm is named, is not something we would ever sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use http::request::Parts;
use jiff::Timestamp;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use serde::Deserialize;

/// Longer policies are refused unread; ours have some 200 bytes.
const MAX_POLICY: usize = 4_096;

/// What makes a request acceptable.
#[derive(Clone, Debug)]
pub(super) struct Signatures {
    key: VerifyingKey,
    key_pair_id: String,
    origin: String,
}

/// Why a request is refused. Only for logs: whoever asks is told nothing but no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no signature")]
    Missing,
    #[error("the signature or its policy is malformed")]
    Malformed,
    #[error("the signature is made with another key")]
    UnknownKey,
    #[error("the signature is wrong")]
    Mismatch,
    #[error("the signature has expired or isn't valid yet")]
    Expired,
    #[error("the signature is for something else")]
    OtherResource,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Policy {
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    resource: String,
    condition: Condition,
}

/// A condition on the client's address is not understood, and so refused: nothing here signs one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Condition {
    date_less_than: Epoch,
    date_greater_than: Option<Epoch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    #[serde(rename = "AWS:EpochTime")]
    seconds: i64,
}

/// The three values and the algorithm, from wherever they came.
#[derive(Default)]
struct Presented {
    policy: Option<String>,
    expires: Option<String>,
    signature: Option<String>,
    key_pair_id: Option<String>,
    algorithm: Option<String>,
}

impl Signatures {
    pub(super) fn new(key: VerifyingKey, key_pair_id: String, origin: String) -> Self {
        Self { key, key_pair_id, origin }
    }

    /// Whether the request may be answered at `now`. An address that is signed is judged by its own signature alone.
    pub(super) fn check(&self, parts: &Parts, now: Timestamp) -> Result<(), Refusal> {
        let presented = match from_query(parts) {
            presented if presented.signature.is_some() => presented,
            _ => from_cookies(parts),
        };
        let url = format!("{}{}", self.origin, parts.uri.path());
        let signature = presented.signature.ok_or(Refusal::Missing)?;
        if presented.key_pair_id.as_deref() != Some(self.key_pair_id.as_str()) {
            return Err(Refusal::UnknownKey);
        }
        if presented.algorithm.as_deref() != Some("SHA256") {
            return Err(Refusal::Malformed);
        }
        let policy = match (presented.policy, presented.expires) {
            (Some(policy), _) if policy.len() <= MAX_POLICY => decode(&policy)?,
            // The canned policy isn't sent, because both sides can write it.
            (None, Some(expires)) if expires.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!(r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#).into_bytes()
            }
            _ => return Err(Refusal::Malformed),
        };
        let signature = DerSignature::from_bytes(&decode(&signature)?).map_err(|_| Refusal::Malformed)?;
        self.key.verify(&policy, &signature).map_err(|_| Refusal::Mismatch)?;
        // What follows was written by us.
        let Policy { statement: [statement] } = serde_json::from_slice(&policy).map_err(|_| Refusal::Malformed)?;
        let begins = statement.condition.date_greater_than.map_or(i64::MIN, |epoch| epoch.seconds);
        if now.as_second() >= statement.condition.date_less_than.seconds || now.as_second() < begins {
            return Err(Refusal::Expired);
        }
        if !matches(statement.resource.as_bytes(), url.as_bytes()) {
            return Err(Refusal::OtherResource);
        }
        Ok(())
    }
}

fn from_query(parts: &Parts) -> Presented {
    let mut presented = Presented::default();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        presented.take(&name, &value);
    }
    presented
}

fn from_cookies(parts: &Parts) -> Presented {
    let mut presented = Presented::default();
    let lines = parts.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    for (name, value) in lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')) {
        if let Some(name) = name.strip_prefix("CloudFront-") {
            presented.take(name, value);
        }
    }
    presented
}

impl Presented {
    /// Keeps the first of each: a second one, set for a longer path or by somebody else, replaces nothing.
    fn take(&mut self, name: &str, value: &str) {
        let field = match name {
            "Policy" => &mut self.policy,
            "Expires" => &mut self.expires,
            "Signature" => &mut self.signature,
            "Key-Pair-Id" => &mut self.key_pair_id,
            "Hash-Algorithm" => &mut self.algorithm,
            _ => return,
        };
        field.get_or_insert_with(|| value.to_owned());
    }
}

/// CloudFront's base64 that needs no escaping in addresses and cookies.
fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    let standard: String = text.chars().map(|c| match c { '-' => '+', '_' => '=', '~' => '/', other => other }).collect();
    STANDARD.decode(standard).map_err(|_| Refusal::Malformed)
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|&byte| byte == b'?' || byte == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
pub(super) mod tests {
    use http::Request;
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;

    use super::*;

    const ORIGIN: &str = "http://localhost:8080";
    const NOW: i64 = 1_800_000_000;

    fn encode(bytes: &[u8]) -> String {
        STANDARD.encode(bytes).chars().map(|c| match c { '+' => '-', '=' => '_', '/' => '~', other => other }).collect()
    }

    pub(in crate::edge) fn key() -> SigningKey {
        SigningKey::from_slice(&[7; 32]).unwrap()
    }

    pub(in crate::edge) fn policy(resource: &str, until: i64) -> String {
        format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{until}}}}}}}]}}"#)
    }

    /// The cookies that a policy is presented in.
    pub(in crate::edge) fn cookies(policy: &str) -> String {
        let signature: DerSignature = key().sign(policy.as_bytes());
        format!(
            "other=1; CloudFront-Policy={}; CloudFront-Signature={}; CloudFront-Key-Pair-Id=local; CloudFront-Hash-Algorithm=SHA256",
            encode(policy.as_bytes()),
            encode(signature.as_bytes())
        )
    }

    fn check(target: &str, cookie: &str, now: i64) -> Result<(), Refusal> {
        let signatures = Signatures::new(*key().verifying_key(), "local".to_owned(), ORIGIN.to_owned());
        let request = Request::get(target).header(header::COOKIE, cookie).body(()).unwrap();
        signatures.check(&request.into_parts().0, Timestamp::from_second(now).unwrap())
    }

    #[test]
    fn cookies_open_their_prefix_until_their_time() {
        let cookie = cookies(&policy("http://localhost:8080/media/p1/*", NOW + 60));
        assert_eq!(check("/media/p1/asset/original.png", &cookie, NOW), Ok(()));
        assert_eq!(check("/media/p1/asset/original.png", &cookie, NOW + 59), Ok(()));
        assert_eq!(check("/media/p1/asset/original.png", &cookie, NOW + 60), Err(Refusal::Expired));
        assert_eq!(check("/media/p2/asset/original.png", &cookie, NOW), Err(Refusal::OtherResource));
        assert_eq!(check("/media/p1/x", "", NOW), Err(Refusal::Missing));
        let any_scheme = cookies(&policy("http*://localhost:8080/media/p1/*", NOW + 60));
        assert_eq!(check("/media/p1/x", &any_scheme, NOW), Ok(()));
        let other_site = cookies(&policy("https://images.example.com/media/p1/*", NOW + 60));
        assert_eq!(check("/media/p1/x", &other_site, NOW), Err(Refusal::OtherResource));
    }

    #[test]
    fn what_was_altered_is_refused() {
        let cookie = cookies(&policy("http://localhost:8080/media/p1/*", NOW + 60));
        let longer = encode(policy("http://localhost:8080/media/p1/*", NOW + 9_999).as_bytes());
        let start = cookie.find("Policy=").unwrap() + 7;
        let end = start + cookie[start..].find(';').unwrap();
        let altered = format!("{}{longer}{}", &cookie[..start], &cookie[end..]);
        assert_eq!(check("/media/p1/x", &altered, NOW), Err(Refusal::Mismatch));
        assert_eq!(check("/media/p1/x", &cookie.replace("Id=local", "Id=other"), NOW), Err(Refusal::UnknownKey));
        assert_eq!(check("/media/p1/x", &cookie.replace("SHA256", "SHA1"), NOW), Err(Refusal::Malformed));
        let later = r#"{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1900000000},"DateGreaterThan":{"AWS:EpochTime":1850000000}}}]}"#;
        assert_eq!(check("/media/p1/x", &cookies(later), NOW), Err(Refusal::Expired));
    }

    #[test]
    fn addresses_are_signed_with_either_kind_of_policy() {
        let canned = policy("http://localhost:8080/media/p1/a.png", NOW + 60);
        let signature: DerSignature = key().sign(canned.as_bytes());
        let query = format!("Expires={}&Signature={}&Key-Pair-Id=local&Hash-Algorithm=SHA256", NOW + 60, encode(signature.as_bytes()));
        assert_eq!(check(&format!("/media/p1/a.png?{query}"), "", NOW), Ok(()));
        assert_eq!(check(&format!("/media/p1/b.png?{query}"), "", NOW), Err(Refusal::Mismatch));
        let custom = policy("http://localhost:8080/media/p1/a.*", NOW + 60);
        let signature: DerSignature = key().sign(custom.as_bytes());
        let (policy, signature) = (encode(custom.as_bytes()), encode(signature.as_bytes()));
        let target = format!("/media/p1/a.png?Policy={policy}&Signature={signature}&Key-Pair-Id=local&Hash-Algorithm=SHA256");
        assert_eq!(check(&target, "", NOW), Ok(()));
        // Good cookies don't make up for a bad address.
        let cookie = cookies(&super::tests::policy("http://localhost:8080/media/p1/*", NOW + 60));
        assert_eq!(check(&format!("/media/p1/b.png?{query}"), &cookie, NOW), Err(Refusal::Mismatch));
    }

    #[test]
    fn wildcards_stand_for_what_they_should() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*/media/*/x", "h/media/a/b/x", true),
            ("a**", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
