//! Checks the AWS Signature Version 4 of a request of an AWS JSON protocol: one payload, no query string, the signature in a
//! header. Public, because the other embedded services of that protocol are guarded in the same way.

use hmac::{Hmac, Mac as _};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A signature is good for so long before and after its date, as at AWS.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Why a request isn't ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no signature.
    Missing,
    /// There is something that isn't a signature of this kind.
    Malformed,
    /// It is signed with a key that isn't ours.
    UnknownKey,
    /// The signature is wrong.
    Mismatch,
    /// The signature is from another time.
    Expired,
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    key_id: &'a str,
    /// `date/region/service/aws4_request`.
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// Whether `parts` and `body` were signed with this key for `service`, such as `sqs`.
///
/// # Errors
/// [`Refusal`] when they weren't.
pub fn verify(parts: &Parts, body: &[u8], service: &str, key_id: &str, secret: &SecretString, now: Timestamp) -> Result<(), Refusal> {
    let header = parts.headers.get(http::header::AUTHORIZATION).ok_or(Refusal::Missing)?;
    let authorization = header.to_str().ok().and_then(parse).ok_or(Refusal::Malformed)?;
    if !bool::from(authorization.key_id.as_bytes().ct_eq(key_id.as_bytes())) {
        return Err(Refusal::UnknownKey);
    }
    let date = parts.headers.get("x-amz-date").and_then(|value| value.to_str().ok()).ok_or(Refusal::Malformed)?;
    let canonical = canonical_request(parts, body, authorization.signed_headers).ok_or(Refusal::Malformed)?;
    let expected = signature(secret, date, service, authorization.scope, &canonical).ok_or(Refusal::Malformed)?;
    if !bool::from(expected.as_bytes().ct_eq(authorization.signature.as_bytes())) {
        return Err(Refusal::Mismatch);
    }
    let signed =
        DateTime::strptime("%Y%m%dT%H%M%SZ", date).and_then(|date| date.to_zoned(TimeZone::UTC)).map_err(|_| Refusal::Malformed)?;
    if now.duration_since(signed.timestamp()).abs() > MAX_SKEW {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn parse(header: &str) -> Option<Authorization<'_>> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('=')));
    let (key_id, scope) = field("Credential")?.split_once('/')?;
    Some(Authorization { key_id, scope, signed_headers: field("SignedHeaders")?, signature: field("Signature")? })
}

/// The request in the form that is signed. `None` if a header that decides what is asked isn't signed, or with a query
/// string or an escaped path: no client of such a protocol sends them.
fn canonical_request(parts: &Parts, body: &[u8], signed_headers: &str) -> Option<String> {
    let names: Vec<&str> = signed_headers.split(';').collect();
    let covered = ["host", "x-amz-date", "x-amz-target"].iter().all(|name| names.contains(name));
    if !covered || parts.uri.query().is_some() || parts.uri.path().contains('%') {
        return None;
    }
    let mut text = format!("{}\n{}\n\n", parts.method, parts.uri.path());
    for name in names {
        let values = parts.headers.get_all(name).iter().map(|value| value.to_str().ok());
        let values: Vec<String> =
            values.map(|value| value.map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))).collect::<Option<_>>()?;
        text.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    Some(format!("{text}\n{signed_headers}\n{}", hex::encode(Sha256::digest(body))))
}

/// The signature in hexadecimal. `None` if the scope isn't one for `service` on the day of `date`.
fn signature(secret: &SecretString, date: &str, service: &str, scope: &str, canonical_request: &str) -> Option<String> {
    let steps: Vec<&str> = scope.split('/').collect();
    let [day, _region, for_service, "aws4_request"] = steps.as_slice() else {
        return None;
    };
    if *for_service != service || !date.starts_with(*day) {
        return None;
    }
    let hash = hex::encode(Sha256::digest(canonical_request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let mut key = format!("AWS4{}", secret.expose_secret()).into_bytes();
    for step in steps {
        key = mac(&key, step)?;
    }
    mac(&key, &to_sign).map(hex::encode)
}

fn mac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "20260102T030405Z";

    /// A request that is rightly signed for `DATE`.
    fn signed(body: &[u8], secret: &SecretString) -> Parts {
        let request = http::Request::post("http://localhost/")
            .header("host", "localhost")
            .header("x-amz-date", DATE)
            .header("x-amz-target", "AmazonSQS.ListQueues");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let (scope, headers) = ("20260102/us-east-1/sqs/aws4_request", "host;x-amz-date;x-amz-target");
        let canonical = canonical_request(&parts, body, headers).unwrap();
        let signature = signature(secret, DATE, "sqs", scope, &canonical).unwrap();
        let value = format!("AWS4-HMAC-SHA256 Credential=key/{scope}, SignedHeaders={headers}, Signature={signature}");
        parts.headers.insert("authorization", value.try_into().unwrap());
        parts
    }

    #[test]
    fn a_signature_is_good_for_fifteen_minutes_around_its_date() {
        let secret = SecretString::from("secret");
        let parts = signed(b"{}", &secret);
        let date: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (seconds, expected) in [(0, Ok(())), (900, Ok(())), (-900, Ok(())), (901, Err(Refusal::Expired)), (-901, Err(Refusal::Expired))]
        {
            let now = date + SignedDuration::from_secs(seconds);
            assert_eq!(verify(&parts, b"{}", "sqs", "key", &secret, now), expected, "{seconds}");
        }
    }

    #[test]
    fn a_signature_covers_body_path_and_call() {
        let secret = SecretString::from("secret");
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let parts = signed(b"{}", &secret);
        assert_eq!(verify(&parts, b"{ }", "sqs", "key", &secret, now), Err(Refusal::Mismatch));
        assert_eq!(verify(&parts, b"{}", "dynamodb", "key", &secret, now), Err(Refusal::Malformed));
        let mut elsewhere = parts.clone();
        elsewhere.uri = "/elsewhere".parse().unwrap();
        assert_eq!(verify(&elsewhere, b"{}", "sqs", "key", &secret, now), Err(Refusal::Mismatch));
        let mut queried = parts.clone();
        queried.uri = "/?a=b".parse().unwrap();
        assert_eq!(verify(&queried, b"{}", "sqs", "key", &secret, now), Err(Refusal::Malformed));
        let mut other = parts;
        other.headers.insert("x-amz-target", "AmazonSQS.PurgeQueue".parse().unwrap());
        assert_eq!(verify(&other, b"{}", "sqs", "key", &secret, now), Err(Refusal::Mismatch));
    }
}
