//! What the `main` of every HTTP function does.

use axum::Router;

use crate::config::{ConfigError, Env};
use crate::runtime::Platform;
use crate::telemetry;

/// Why a function didn't start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It is not configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The Lambda runtime's interface failed.
    #[error("the Lambda runtime's interface failed")]
    Runtime(#[source] lambda_http::Error),
}

/// Sets up logs and the platform from this process's variables, then answers events with `router` until the sandbox ends.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(router: impl FnOnce(&Platform) -> Router) -> Result<(), ServeError> {
    let env = Env::process();
    telemetry::init(&env);
    let platform = Platform::connect(&env)?;
    lambda_http::run(router(&platform)).await.map_err(ServeError::Runtime)
}
