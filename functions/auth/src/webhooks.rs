//! What clients verify our webhooks with.

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use shared::auth::callback::CallbackSecret;
use shared::http::{ApiError, ApiResult, CurrentUser};
use shared::runtime::Platform;
use utoipa::ToSchema;

/// What verifies webhooks.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecret {
    /// As libraries for Standard Webhooks take it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// Show the secret that my webhooks are signed with.
///
/// A request to generate that names a `callback_url` has it told of the end by `POST`, signed as Standard Webhooks say
/// (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Body: `type` (`generation.complete`, `.failed`, `.cancelled` or
/// `.unknown`), `timestamp`, and `data`, the generation as the API shows it, with paths of media that aren't signed: ask for the
/// generation to get addresses that are. Answer 2xx within 10 seconds; anything else is tried again for a day, but 410 is taken as
/// a wish to hear no more. The same message may come twice, under the same `webhook-id`; there is one for each generation, so what
/// comes after all of one that was `unknown` is seen in the API alone.
#[utoipa::path(get, path = "/api/v1/me/webhook-secret", tag = "account", security(("cookie" = [])), responses((status = 200, body = WebhookSecret)))]
pub(crate) async fn get_webhook_secret(State(platform): State<Platform>, current: CurrentUser) -> ApiResult<Json<WebhookSecret>> {
    current.require_session()?;
    let secret = CallbackSecret::of(&platform.secrets, current.id()).await.map_err(ApiError::internal)?;
    Ok(Json(WebhookSecret { secret: secret.text().expose_secret().to_owned() }))
}
