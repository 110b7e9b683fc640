//! Checking an identity token: pure, from the token, the issuer's keys and what is expected.

use jiff::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;

use crate::domain::user::Identity;

/// How far the issuer's clock may be from ours.
const LEEWAY_S: i64 = 60;
/// A token issued longer ago than this isn't the answer to a sign-in of ten minutes.
const OLDEST_S: i64 = 3_600;
/// Base64url characters of a modulus of 2,048 bits: smaller keys are refused.
const LEAST_MODULUS: usize = 342;

/// Why a token doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// None of the issuer's keys fits; it may have a new one.
    #[error("the identity token is signed with an unknown key")]
    UnknownKey,
    /// An algorithm that isn't accepted, or a header that asks for keys from elsewhere.
    #[error("the identity token's header is not acceptable")]
    Header,
    /// Signature, issuer or audience are wrong, or it isn't a token.
    #[error("the identity token doesn't verify")]
    Invalid,
    /// It is from another time.
    #[error("the identity token is expired or not yet valid")]
    Time,
    /// It belongs to another sign-in.
    #[error("the identity token belongs to another sign-in")]
    Nonce,
    /// Subject or address can't be ones.
    #[error("the identity token says too little")]
    Claims,
}

/// What must be in the token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Whom the issuer vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Who.
    pub identity: Identity,
    /// Whether the issuer has checked that the address is theirs.
    pub email_verified: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    #[serde(default)]
    email: String,
    email_verified: Option<serde_json::Value>,
    #[serde(default)]
    name: Option<String>,
    picture: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Checks `token`.
pub(super) fn verify(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<Vouched, TokenError> {
    let header = decode_header(token).map_err(|_| TokenError::Header)?;
    let key = find_key(&header, keys)?;
    let mut validation = Validation::new(header.alg);
    // Time is checked below, with our own clock.
    validation.validate_exp = false;
    validation.required_spec_claims = ["iss", "aud", "sub"].map(str::to_owned).into();
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client]);
    let claims = decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::Invalid)?.claims;

    // A token for several audiences must say that it was us who asked for it.
    let ours = match &claims.aud {
        Audience::One(one) => one == expected.client,
        Audience::Many(many) => many.iter().any(|one| one == expected.client) && (many.len() == 1 || claims.azp.is_some()),
    };
    if claims.iss != expected.issuer || !ours || claims.azp.as_deref().is_some_and(|party| party != expected.client) {
        return Err(TokenError::Invalid);
    }
    let now = expected.now.as_second();
    let current = now < claims.exp.saturating_add(LEEWAY_S) && claims.iat <= now + LEEWAY_S && claims.iat > now - OLDEST_S;
    if !current {
        return Err(TokenError::Time);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    let name = claims.name.unwrap_or_default();
    let identity = Identity::new(&claims.iss, &claims.sub, &claims.email, &name, claims.picture.as_deref()).ok_or(TokenError::Claims)?;
    // Some issuers write the word as a text.
    let email_verified = claims.email_verified.is_some_and(|value| value == true || value == "true");
    Ok(Vouched { identity, email_verified })
}

/// The key that the header names, if it can have made a signature of the header's kind.
fn find_key(header: &Header, keys: &[Jwk]) -> Result<DecodingKey, TokenError> {
    // Keys come from the issuer's own set, never from the token.
    let foreign = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some() || header.crit.is_some();
    if foreign || !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(TokenError::Header);
    }
    let mut fitting = keys.iter().filter(|key| fits(key, header));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => DecodingKey::from_jwk(key).map_err(|_| TokenError::UnknownKey),
        // None, or several of which none is named.
        _ => Err(TokenError::UnknownKey),
    }
}

fn fits(key: &Jwk, header: &Header) -> bool {
    let named = header.kid.is_none() || key.common.key_id == header.kid;
    let signs = key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let kind = match (&key.algorithm, header.alg) {
        (AlgorithmParameters::RSA(rsa), Algorithm::RS256) => {
            rsa.n.len() >= LEAST_MODULUS && matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::RS256))
        }
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            curve.curve == EllipticCurve::P256 && matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::ES256))
        }
        _ => false,
    };
    named && signs && kind
}
