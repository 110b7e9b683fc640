//! Who somebody is, and what they may do.
//!
//! A request carries either a session's cookie or a personal token; both are looked up by hash, strongly consistent, on every
//! request, together with the person's record, so that signing out, suspending and revoking are true for the next request.
//! Nothing is cached here.

mod agent;
pub mod cookie;
pub mod csrf;
pub mod next;
pub mod oidc;
pub mod operator;
pub mod password;
pub mod secret;
pub mod sign_in;
pub mod tokens;

use ::http::{HeaderMap, Method, header};

use crate::db::DbError;
pub use crate::domain::user::Scope;
use crate::domain::user::{Role, Status, User};
use crate::id::{SessionId, TokenId, UserId};
use crate::runtime::Platform;

/// By which credential somebody is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A browser.
    Session(SessionId),
    /// An API client.
    Token {
        /// Which token.
        id: TokenId,
        /// What it may be used for.
        scopes: Vec<Scope>,
    },
}

/// Why somebody was turned away.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No credential, or none that counts (any more).
    #[error("nobody is signed in")]
    SignedOut,
    /// The account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The account is about to be deleted.
    #[error("the account is being deleted")]
    Deleting,
    /// A session's request that our own pages wouldn't send.
    #[error("cross-site request: {0}")]
    CrossSite(&'static str),
    /// Signed in, but not for this.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] DbError),
}

/// Somebody who is signed in and not suspended; nor, unless somebody asked for that, about to be deleted.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// Their record, as it is now.
    pub user: User,
    /// How they are here.
    pub via: Via,
}

impl CurrentUser {
    /// Their id.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// Whether media addresses must carry their own signature: an API client has no media cookies.
    pub fn is_token(&self) -> bool {
        matches!(self.via, Via::Token { .. })
    }

    /// A session may do everything its person may; a token only what it was made for.
    ///
    /// # Errors
    /// [`Denied::NotAllowed`].
    pub fn require(&self, scope: Scope) -> Result<(), Denied> {
        match &self.via {
            Via::Session(_) => Ok(()),
            Via::Token { scopes, .. } if scopes.contains(&scope) => Ok(()),
            Via::Token { .. } => Err(Denied::NotAllowed(match scope {
                Scope::Read => "This token lacks the scope read.",
                Scope::Generate => "This token lacks the scope generate.",
                Scope::Share => "This token lacks the scope share.",
                Scope::Admin => "This token lacks the scope admin.",
            })),
        }
    }

    /// The session's id; tokens can't manage sessions, tokens or the account.
    ///
    /// # Errors
    /// [`Denied::NotAllowed`].
    pub fn require_session(&self) -> Result<SessionId, Denied> {
        match self.via {
            Via::Session(id) => Ok(id),
            Via::Token { .. } => Err(Denied::NotAllowed("This needs a signed-in browser; tokens can't do it.")),
        }
    }

    /// An admin, and by token only with the scope `admin`.
    ///
    /// # Errors
    /// [`Denied::NotAllowed`].
    pub fn require_admin(&self) -> Result<(), Denied> {
        if self.user.role != Role::Admin {
            return Err(Denied::NotAllowed("This is for administrators."));
        }
        self.require(Scope::Admin)
    }
}

/// Finds out who sent a request with this method and these headers.
///
/// A token is an explicit credential; a cookie is ambient, so a session's request must also pass the cross-site check.
/// A request that carries a token is judged by the token alone.
///
/// # Errors
/// [`Denied`].
pub async fn authenticate(platform: &Platform, method: &Method, headers: &HeaderMap) -> Result<CurrentUser, Denied> {
    let current = authenticate_leaving(platform, method, headers).await?;
    if current.user.status == Status::Deleting { Err(Denied::Deleting) } else { Ok(current) }
}

/// As [`authenticate`], and also lets in a browser of somebody who is about to be deleted: for the few routes by which they see
/// that, and come back. Their tokens stay outside.
///
/// # Errors
/// [`Denied`].
pub async fn authenticate_leaving(platform: &Platform, method: &Method, headers: &HeaderMap) -> Result<CurrentUser, Denied> {
    if headers.contains_key(header::AUTHORIZATION) {
        return by_token(platform, headers).await;
    }
    let cookie = cookie::read(headers, cookie::SESSION).ok_or(Denied::SignedOut)?;
    csrf::check(method, headers, &platform.config.origin)?;
    by_session(platform, cookie).await
}

async fn by_session(platform: &Platform, cookie: &str) -> Result<CurrentUser, Denied> {
    let now = platform.clock.now();
    let hash = secret::hash(cookie);
    let session = platform.db.session(&hash).await?.ok_or(Denied::SignedOut)?;
    let user = platform.db.user(session.user).await?.ok_or(Denied::SignedOut)?;
    if session.epoch != user.epoch || session.is_over(user.role, now) {
        return Err(Denied::SignedOut);
    }
    if user.status == Status::Suspended {
        return Err(Denied::Suspended);
    }
    if session.wants_touch(now) {
        platform.db.touch_session(&hash, now).await;
    }
    Ok(CurrentUser { user, via: Via::Session(session.id) })
}

async fn by_token(platform: &Platform, headers: &HeaderMap) -> Result<CurrentUser, Denied> {
    let now = platform.clock.now();
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Denied::SignedOut) };
    let text = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| secret::is_token(token))
        .ok_or(Denied::SignedOut)?;
    let hash = secret::hash(text);
    let token = platform.db.token(&hash).await?.ok_or(Denied::SignedOut)?;
    if token.is_over(now) {
        return Err(Denied::SignedOut);
    }
    let user = platform.db.user(token.user).await?.ok_or(Denied::SignedOut)?;
    match user.status {
        Status::Active => {}
        Status::Suspended => return Err(Denied::Suspended),
        Status::Deleting => return Err(Denied::Deleting),
    }
    if token.wants_touch(now) {
        platform.db.touch_token(&hash, now).await;
    }
    Ok(CurrentUser { user, via: Via::Token { id: token.id, scopes: token.scopes } })
}
