//! Personal tokens, for API clients.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use shared::auth::tokens::{NAME_CHARS, NewToken};
use shared::db::tokens::{MOST, NotMade, Token};
use shared::domain::fields::FieldErrors;
use shared::domain::user::{Role, Scope};
use shared::http::{ApiError, ApiJson, ApiList, ApiPath, ApiResult, CurrentUser, List, NoFilter, Page, Problem};
use shared::id::TokenId;
use shared::runtime::Platform;
use utoipa::ToSchema;

/// A personal token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenView {
    #[schema(value_type = String)]
    id: TokenId,
    name: String,
    scopes: Vec<Scope>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From then on it is refused; null when it doesn't expire.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// To within an hour; null when it was never used.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A new token, with its secret: shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    #[serde(flatten)]
    view: TokenView,
    /// To be sent as `Authorization: Bearer`.
    #[schema(example = "aig_...")]
    token: String,
}

/// What a new token is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateToken {
    /// 1 to 60 characters, for the list.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// At least one; `admin` only for admins.
    #[schema(min_items = 1, max_items = 4)]
    scopes: Vec<Scope>,
    /// In the future; without it the token doesn't expire.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl CreateToken {
    fn check(self, role: Role, now: Timestamp) -> Result<NewToken, FieldErrors> {
        let mut errors = FieldErrors::new();
        let name = self.name.trim();
        if name.is_empty() {
            errors.add("name", "required", "Give the token a name.");
        } else if name.chars().count() > NAME_CHARS {
            errors.add("name", "too-long", format!("A name has at most {NAME_CHARS} characters."));
        } else if name.chars().any(char::is_control) {
            errors.add("name", "invalid", "A name has no control characters.");
        }
        if self.scopes.is_empty() {
            errors.add("scopes", "required", "Choose at least one scope.");
        } else if self.scopes.len() > Scope::ALL.len() {
            errors.add("scopes", "too-many", "Name each scope once.");
        } else if self.scopes.contains(&Scope::Admin) && role != Role::Admin {
            errors.add("scopes", "forbidden", "Only administrators can make tokens with the scope admin.");
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            errors.add("expires_at", "past", "This time is already over.");
        }
        errors.finish(NewToken { name: name.to_owned(), scopes: self.scopes, expires_at: self.expires_at })
    }
}

/// List my tokens, newest first, expired ones included.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "account", params(Page), security(("cookie" = [])),
    responses((status = 200, body = List<TokenView>)))]
pub(crate) async fn list_tokens(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiList(page, NoFilter {}): ApiList<NoFilter>,
) -> ApiResult<Json<List<TokenView>>> {
    current.require_session()?;
    let tokens = platform.db.tokens(current.id()).await?.into_iter().map(TokenView::from).collect();
    Ok(Json(List::of_all(tokens, &page, "tokens", |view| view.id.to_string())?))
}

/// Make a token.
///
/// The answer holds the secret; it can't be shown again. At most 50 a person.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "account", request_body = CreateToken, security(("cookie" = [])),
    responses((status = 201, body = NewTokenView), (status = 409, description = "There are 50.", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn create_token(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiJson(request): ApiJson<CreateToken>,
) -> ApiResult<(StatusCode, Json<NewTokenView>)> {
    current.require_session()?;
    let new = request.check(current.user.role, platform.clock.now())?;
    let made = shared::auth::tokens::create_token(&platform.db, &platform.clock, current.id(), new).await;
    let (token, secret) = made.map_err(|error| match error {
        NotMade::TooMany => ApiError::conflict(format!("You have {MOST} tokens; revoke one first.")),
        NotMade::Failed(error) => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(NewTokenView { view: token.into(), token: secret.expose_secret().to_owned() })))
}

/// Revoke a token.
///
/// Its next request is answered with 401.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "account", params(("id" = String, Path)), security(("cookie" = [])),
    responses((status = 204, description = "Revoked."), (status = 404, description = "No such token of mine.", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn revoke_token(
    State(platform): State<Platform>,
    current: CurrentUser,
    ApiPath(id): ApiPath<TokenId>,
) -> ApiResult<StatusCode> {
    current.require_session()?;
    if platform.db.revoke_token(current.id(), id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn check(name: &str, scopes: &[Scope], expires_in_s: Option<i64>, role: Role) -> Result<NewToken, Vec<String>> {
        let expires_at = expires_in_s.map(|s| Timestamp::from_second(1_800_000_000 + s).unwrap());
        let request = CreateToken { name: name.to_owned(), scopes: scopes.to_vec(), expires_at };
        request.check(role, now()).map_err(|errors| errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect())
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        assert_eq!(check(" ", &[], Some(0), Role::User).unwrap_err(), ["name required", "scopes required", "expires_at past"]);
        assert_eq!(check(&"n".repeat(61), &[Scope::Admin], None, Role::User).unwrap_err(), ["name too-long", "scopes forbidden"]);
        assert_eq!(check("a\nb", &[Scope::Read; 5], Some(1), Role::User).unwrap_err(), ["name invalid", "scopes too-many"]);
    }

    #[test]
    fn an_admin_may_have_the_admin_scope() {
        let new = check(" cli ", &[Scope::Admin], Some(1), Role::Admin).unwrap();
        assert_eq!((new.name.as_str(), new.scopes), ("cli", vec![Scope::Admin]));
    }
}
