//! Signing in, from the first redirect to the session.
//!
//! What the callback must match is stored under the hash of a cookie that only the browser which began has, and can be taken
//! once: a callback from elsewhere, or a second time, finds nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::oidc::{Challenge, Issuer, OidcError};
use super::{agent, next, secret};
use crate::db::DbError;
use crate::db::logins::{LIFETIME, Login};
use crate::db::sessions::Session;
use crate::domain::user::{Status, User};
use crate::id::{SessionId, random};
use crate::runtime::Platform;

/// For everything that is asked of the issuer in one request: below the request's own time-out, so that words can be shown.
const ISSUER_BUDGET: Duration = Duration::from_secs(6);

/// Why nobody was signed in. The site shows words for each [`SignInError::code`].
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No sign-in under way in this browser, or it has taken too long, or this callback came before.
    #[error("no such sign-in is under way")]
    Expired,
    /// Somebody changed their mind at the issuer.
    #[error("the sign-in was cancelled at the issuer")]
    Cancelled,
    /// The issuer's answer doesn't hold.
    #[error("the sign-in failed")]
    Failed(#[source] OidcError),
    /// The address isn't verified.
    #[error("the e-mail address is not verified")]
    Unverified,
    /// The address is in none of the allowed domains.
    #[error("the e-mail domain is not allowed")]
    Domain,
    /// An admin has suspended the account.
    #[error("the account is suspended")]
    Suspended,
    /// Issuer or table didn't answer.
    #[error("signing in is not possible right now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SignInError {
    /// Stable, in kebab case: what the site reads from `/?problem=`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired => "sign-in-expired",
            Self::Cancelled => "sign-in-cancelled",
            Self::Failed(_) => "sign-in-failed",
            Self::Unverified => "email-unverified",
            Self::Domain => "email-domain",
            Self::Suspended => "suspended",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl From<DbError> for SignInError {
    fn from(error: DbError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<OidcError> for SignInError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Unavailable(_) | OidcError::Secret(_) => Self::Unavailable(Box::new(error)),
            OidcError::Refused(_) | OidcError::Token(_) => Self::Failed(error),
        }
    }
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub location: String,
    /// The value of the pre-login cookie.
    pub cookie: SecretString,
}

/// A sign-in that has succeeded.
#[derive(Debug)]
pub struct Finished {
    /// Where the browser goes: a path of ours.
    pub next: String,
    /// The value of the session's cookie.
    pub cookie: SecretString,
    /// Who.
    pub user: User,
}

/// What the issuer sent the browser back with.
#[derive(Debug, Default, Deserialize)]
pub struct Callback {
    /// To be redeemed.
    pub code: Option<String>,
    /// Must be ours.
    pub state: Option<String>,
    /// Instead of a code.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
}

/// Begins to sign in; afterwards the browser is at `next`, if that is a path of ours.
///
/// # Errors
/// [`SignInError::Unavailable`].
pub async fn begin(platform: &Platform, issuer: &Issuer, next: &str) -> Result<Begun, SignInError> {
    let fresh = || URL_SAFE_NO_PAD.encode(random::<32>());
    let login = Login {
        state: fresh(),
        nonce: fresh(),
        verifier: fresh(),
        next: next::safe(next).to_owned(),
        expires_at: platform.clock.now() + LIFETIME,
    };
    let challenge = Challenge { state: &login.state, nonce: &login.nonce, verifier: &login.verifier };
    let location = in_time(issuer.authorization_url(platform, challenge)).await?.to_string();
    let cookie = secret::new_cookie();
    platform.db.begin_login(&secret::hash(cookie.expose_secret()), &login).await?;
    Ok(Begun { location, cookie })
}

/// Finishes signing in: takes the login, redeems the code, admits the person, begins a session with a new secret.
///
/// # Errors
/// [`SignInError`].
pub async fn finish(
    platform: &Platform,
    issuer: &Issuer,
    cookie: Option<&str>,
    callback: Callback,
    user_agent: &str,
) -> Result<Finished, SignInError> {
    let now = platform.clock.now();
    let (cookie, state) = cookie.zip(callback.state.as_deref()).ok_or(SignInError::Expired)?;
    let login = platform.db.take_login(&secret::hash(cookie), state, now).await?.ok_or(SignInError::Expired)?;
    if callback.iss.as_deref().is_some_and(|iss| iss != platform.config.oidc_issuer) {
        return Err(SignInError::Expired);
    }
    let code = match (callback.error.as_deref(), callback.code) {
        (None, Some(code)) => code,
        (Some("access_denied"), _) => return Err(SignInError::Cancelled),
        (Some(_), _) => return Err(SignInError::Failed(OidcError::Refused("at the authorization endpoint".to_owned()))),
        (None, None) => return Err(SignInError::Expired),
    };
    let vouched = in_time(issuer.redeem(platform, &code, &login.verifier, &login.nonce)).await?;
    if !vouched.email_verified {
        return Err(SignInError::Unverified);
    }
    if !vouched.identity.is_in(&platform.config.allowed_domains) {
        return Err(SignInError::Domain);
    }
    let user = platform.db.sign_in(&vouched.identity, now).await?;
    // Who is about to be deleted may come in to see that, and to come back.
    if user.status == Status::Suspended {
        return Err(SignInError::Suspended);
    }
    let cookie = begin_session(platform, &user, user_agent).await?;
    Ok(Finished { next: login.next, cookie, user })
}

/// A new session of `user`; the answer is its cookie's value.
async fn begin_session(platform: &Platform, user: &User, user_agent: &str) -> Result<SecretString, DbError> {
    let now = platform.clock.now();
    let session = Session {
        id: SessionId::new(now),
        user: user.id,
        epoch: user.epoch,
        created_at: now,
        last_seen_at: now,
        agent: agent::describe(user_agent),
    };
    let cookie = secret::new_cookie();
    platform.db.begin_session(&secret::hash(cookie.expose_secret()), &session).await?;
    Ok(cookie)
}

async fn in_time<T>(asked: impl Future<Output = Result<T, OidcError>>) -> Result<T, SignInError> {
    match tokio::time::timeout(ISSUER_BUDGET, asked).await {
        Ok(answer) => Ok(answer?),
        Err(elapsed) => Err(SignInError::Unavailable(Box::new(elapsed))),
    }
}
