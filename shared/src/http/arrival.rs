//! How a request came: through the distribution, or beside it; and by which address, as a hash.
//!
//! The distribution adds a secret header to what it passes on, and the viewer's address in another, over whatever the viewer sent. With the
//! secret the address can be believed, and without it nothing is answered but the provider's callbacks, which bring their own proof. Only
//! hashes of the secret are configured: it has 256 random bits, so they tell nothing, and two of them allow to change it.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::{ApiError, Code};
use crate::db::Db;
use crate::db::budgets::Budget;

/// The secret's header.
pub const SECRET: &str = "x-origin-secret";
/// The address's header.
pub const VIEWER: &str = "x-viewer-address";
/// What is answered to anyone who knows its address: the provider's callbacks.
const OPEN: &str = "/hooks/";

/// Beginning to sign in: an office behind one address does it all at once on a Monday.
pub const SIGN_INS: Budget = Budget { what: "sign-in", most: 100, window: SignedDuration::from_mins(10) };
/// Coming back from the issuer.
pub const CALLBACKS: Budget = Budget { what: "callback", most: 100, window: SignedDuration::from_mins(10) };
/// Short links that lead nowhere: mistyped now and then, guessed otherwise.
pub const WRONG_LINKS: Budget = Budget { what: "wrong-link", most: 100, window: SignedDuration::from_mins(10) };
/// Wrong passwords, on all links together.
pub const WRONG_PASSWORDS: Budget = Budget { what: "wrong-password", most: 30, window: SignedDuration::from_mins(10) };

/// Who asks, as far as counting goes: a keyed hash of the address, or nobody when none can be believed.
#[derive(Clone, Debug, Default)]
pub struct Visitor(Option<String>);

/// Judges where a request to `path` comes from. `secrets` are the hashes of those that the distribution may have; none means that
/// everything is answered and no address is believed.
///
/// # Errors
/// `forbidden` for what didn't come through the distribution.
pub(super) fn judge(secrets: &[[u8; 32]], path: &str, headers: &HeaderMap) -> Result<Visitor, ApiError> {
    if secrets.is_empty() || path.starts_with(OPEN) {
        return Ok(Visitor::default());
    }
    let given = headers.get(SECRET).map(|value| value.as_bytes()).unwrap_or_default();
    let digest = Sha256::digest(given);
    // All of them, always: how long it takes says nothing.
    let known = secrets.iter().fold(subtle::Choice::from(0), |known, secret| known | secret[..].ct_eq(&digest[..]));
    if !bool::from(known) {
        return Err(ApiError::forbidden("This is answered at the site's own address only."));
    }
    let address = headers.get(VIEWER).and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
    Ok(Visitor(address.and_then(|address| hashed(given, address))))
}

/// Keyed with the secret, so that a table that leaks has no addresses in it.
fn hashed(key: &[u8], address: IpAddr) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"visitor ");
    match address.to_canonical() {
        IpAddr::V4(address) => mac.update(&address.octets()),
        // One line has 2^64 addresses.
        IpAddr::V6(address) => mac.update(&network(address)),
    }
    Some(hex::encode(&mac.finalize().into_bytes()[..16]))
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let mut network = [0; 8];
    network.copy_from_slice(&address.octets()[..8]);
    network
}

impl Visitor {
    /// Takes one of `budget`. When the table can't say, it is allowed: what is behind this has its own answer to that.
    ///
    /// # Errors
    /// `rate-limited`.
    pub async fn take(&self, db: &Db, budget: Budget, now: Timestamp) -> Result<(), ApiError> {
        let Some(hash) = &self.0 else { return Ok(()) };
        match db.take_budget(budget, hash, now).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(too_many(budget, now)),
            Err(error) => {
                tracing::warn!(%error, budget = budget.what, "a budget could not be counted");
                Ok(())
            }
        }
    }

    /// Refuses when nothing is left of `budget`; allowed when the table can't say.
    ///
    /// # Errors
    /// `rate-limited`.
    pub async fn check(&self, db: &Db, budget: Budget, now: Timestamp) -> Result<(), ApiError> {
        let Some(hash) = &self.0 else { return Ok(()) };
        match db.is_budget_spent(budget, hash, now).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(too_many(budget, now)),
            Err(error) => {
                tracing::warn!(%error, budget = budget.what, "a budget could not be read");
                Ok(())
            }
        }
    }
}

fn too_many(budget: Budget, now: Timestamp) -> ApiError {
    ApiError::new(Code::RateLimited, "There was too much of this from your network; try again later.").retry_after(budget.seconds_left(now))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(secret: &str) -> [u8; 32] {
        Sha256::digest(secret).into()
    }

    fn headers(secret: &str, address: &str) -> HeaderMap {
        HeaderMap::from_iter([(SECRET.parse().unwrap(), secret.parse().unwrap()), (VIEWER.parse().unwrap(), address.parse().unwrap())])
    }

    #[test]
    fn only_the_distribution_is_answered_and_believed() {
        let secrets = [digest("old"), digest("new")];
        for secret in ["old", "new"] {
            assert!(judge(&secrets, "/api/v1/me", &headers(secret, "192.0.2.7")).unwrap().0.is_some());
        }
        for secret in ["", "other", "old "] {
            let refused = judge(&secrets, "/api/v1/me", &headers(secret, "192.0.2.7")).unwrap_err();
            assert_eq!(refused.code(), Code::Forbidden);
        }
        assert!(judge(&secrets, "/api/v1/me", &HeaderMap::new()).is_err());
        assert!(judge(&secrets, "/hooks/fal/a/1/b", &HeaderMap::new()).unwrap().0.is_none(), "callbacks come from elsewhere");
        assert!(judge(&[], "/api/v1/me", &headers("x", "192.0.2.7")).unwrap().0.is_none(), "nothing is believed without a secret");
    }

    #[test]
    fn an_address_is_counted_by_its_line_and_never_shown() {
        let secrets = [digest("s")];
        let of = |address: &str| judge(&secrets, "/", &headers("s", address)).unwrap().0;
        let one = of("192.0.2.7").unwrap();
        assert_eq!((one.len(), one.contains("192")), (32, false));
        assert_eq!(of("::ffff:192.0.2.7").unwrap(), one);
        assert_ne!(of("192.0.2.8").unwrap(), one);
        assert_eq!(of("2001:db8:1:2:3::1"), of("2001:db8:1:2:ffff::9"), "a line is a /64");
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("nonsense"), None);
    }
}
