//! The commands that need the table: personal tokens and admins.

use secrecy::SecretString;
use shared::auth::operator::{self, NewToken, OperatorError};
use shared::config::{ConfigError, Env};
use shared::db::DbError;
use shared::domain::breaker::Way;
use shared::domain::money::{CURRENCY, Money};
use shared::domain::user::{Role, Scope, User};
use shared::jobs::StepError;
use shared::jobs::gate::Load;
use shared::runtime::Platform;

use crate::data_folder::{DataFolderError, running_endpoints};
use crate::edge::ISSUER_PATH;
use crate::edition::{Edition, Options, StartError};

/// Why a command can't be done.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// No edition runs, and the services can't be started without one.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An edition runs, but doesn't say where.
    #[error("an edition is using the data folder, but can't be reached yet; try again in a moment")]
    Unreachable(#[source] DataFolderError),
    /// The variables don't fit this release.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command itself.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

/// Makes a personal token of the person with this address or id, who is made if the sign-in stand-in is in use.
///
/// # Errors
/// [`OperateError`].
pub async fn make_token(options: &Options, email_or_id: &str, scopes: Vec<Scope>) -> Result<SecretString, OperateError> {
    with_platform(options, async |platform| {
        let user = person(platform, email_or_id).await?;
        let new = NewToken { name: "operator".to_owned(), scopes, expires_at: None };
        let (_, secret) = operator::create_token(&platform.db, &platform.clock, user.id, new).await?;
        Ok(secret)
    })
    .await
}

/// Gives a role to the person with this address or id.
///
/// # Errors
/// [`OperateError`].
pub async fn set_role(options: &Options, email_or_id: &str, role: Role) -> Result<User, OperateError> {
    with_platform(options, async |platform| {
        let user = match role {
            Role::Admin => person(platform, email_or_id).await?,
            Role::User => operator::find_user(&platform.db, email_or_id).await?,
        };
        operator::set_role(&platform.db, &platform.clock, user.id, role).await
    })
    .await
}

/// All admins.
///
/// # Errors
/// [`OperateError`].
pub async fn admins(options: &Options) -> Result<Vec<User>, OperateError> {
    with_platform(options, async |platform| Ok(operator::admins(&platform.db).await?)).await
}

/// Pauses generating, or lets it go on.
///
/// # Errors
/// [`OperateError`].
pub async fn pause_generation(options: &Options, paused: bool, reason: Option<String>) -> Result<(), OperateError> {
    with_platform(options, async |platform| Ok(operator::pause_generation(&platform.db, &platform.clock, paused, reason).await?)).await
}

/// How generating stands, a line for each thing.
///
/// # Errors
/// [`OperateError`].
pub async fn generation_status(options: &Options) -> Result<Vec<String>, OperateError> {
    with_platform(options, async |platform| {
        let load = Load::now(platform).await.map_err(|error| match error {
            StepError::Table(error) => error,
            other => DbError::Unavailable(other.into()),
        })?;
        Ok(describe(&load, platform))
    })
    .await
}

fn describe(load: &Load, platform: &Platform) -> Vec<String> {
    let (switch, breaker, brakes) = (&load.settings.kill_switch, &load.settings.breaker, platform.config.brakes);
    let reason = switch.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let limit = brakes.daily_spend.map_or("no limit".to_owned(), |limit| format!("of {}", Money::from_micros(limit)));
    let provider = match (breaker.way(platform.clock.now()), &breaker.account) {
        (Way::Free, _) => "works".to_owned(),
        (Way::Shut(seconds), None) => format!("fails; tried again in {seconds} s"),
        (Way::Shut(seconds), Some(account)) => format!("refuses our account ({account}); tried again in {seconds} s"),
        (Way::Ask | Way::Try, _) => "failed; the next request tries it".to_owned(),
    };
    vec![
        format!("generating {}{reason}", if switch.paused { "is paused" } else { "goes on" }),
        format!("spend on {}: {} {limit} {CURRENCY}", load.spend.date, Money::from_micros(load.spend.reserved())),
        format!("open calls: {} of {}", load.open_calls(), brakes.open_calls),
        format!("provider: {provider}"),
    ]
}

/// Whom the stand-in would sign in needs no signing in first: who they are follows from the address.
async fn person(platform: &Platform, email_or_id: &str) -> Result<User, OperatorError> {
    let nobody = match operator::find_user(&platform.db, email_or_id).await {
        Err(OperatorError::Nobody(text)) => OperatorError::Nobody(text),
        found => return found,
    };
    let issuer = &platform.config.oidc_issuer;
    match local_standins::issuer::person(email_or_id) {
        Some(person) if issuer.ends_with(ISSUER_PATH) => {
            operator::ensure_user(&platform.db, &platform.clock, issuer, &person.subject, &person.email, &person.name).await
        }
        Some(_) => Err(nobody),
        None => Err(OperatorError::NotAnAddress(email_or_id.to_owned())),
    }
}

/// Does `work` in the running edition's table, or in one that is opened for as long as it takes.
async fn with_platform<T>(options: &Options, work: impl AsyncFnOnce(&Platform) -> Result<T, OperatorError>) -> Result<T, OperateError> {
    let edition = match Edition::start_for_operator(options).await {
        Ok(edition) => edition,
        Err(StartError::DataFolder(DataFolderError::Locked(_))) => {
            let endpoints = running_endpoints(&options.data).map_err(OperateError::Unreachable)?;
            let platform = Platform::connect_at(&endpoints.environment.into_iter().collect(), options.clock.clone())?;
            return Ok(work(&platform).await?);
        }
        Err(error) => return Err(error.into()),
    };
    let environment = edition.any_environment().cloned().unwrap_or_else(Env::default);
    let done = match Platform::connect_at(&environment, options.clock.clone()) {
        Ok(platform) => work(&platform).await.map_err(OperateError::from),
        Err(error) => Err(error.into()),
    };
    edition.shutdown().await;
    done
}
