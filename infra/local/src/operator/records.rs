//! The commands that need the table or the queues: personal tokens, admins, dead letters, the books.

use secrecy::SecretString;
use shared::auth::operator::{self, NewToken, OperatorError};
use shared::config::{ConfigError, Env};
use shared::db::audit::{Actor, Change};
use shared::db::users::Directory;
use shared::domain::user::{Role, Scope, User};
use shared::jobs::{self, verify::Books};
use shared::queue::QueueName;
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

/// Sends the dead letters of `queue`, or of all queues, back; how many there were, nearly, in each.
///
/// # Errors
/// [`OperateError`].
pub async fn redrive(options: &Options, queue: Option<QueueName>) -> Result<Vec<(QueueName, u64)>, OperateError> {
    with_platform(options, async |platform| {
        let mut redriven = Vec::new();
        for queue in QueueName::ALL.into_iter().filter(|name| queue.is_none_or(|wanted| wanted == *name)) {
            let messages = platform.queues.dead_letters(queue).await?.messages;
            if messages > 0 {
                platform.db.note(&Actor::operator(), Change::redrive(queue.as_str(), messages), platform.clock.now()).await?;
                platform.queues.redrive(queue).await?;
            }
            redriven.push((queue, messages));
        }
        Ok(redriven)
    })
    .await
}

/// Whether usage, ledger and library agree: of the person with this address or id, or of everybody.
///
/// # Errors
/// [`OperateError`].
pub async fn verify(options: &Options, email_or_id: Option<&str>) -> Result<Vec<(User, Books)>, OperateError> {
    with_platform(options, async |platform| {
        let (db, now) = (&platform.db, platform.clock.now());
        let mut checked = Vec::new();
        if let Some(text) = email_or_id {
            let user = operator::find_user(db, text).await?;
            let books = jobs::verify::verify(db, user.id, now).await?;
            return Ok(vec![(user, books)]);
        }
        let mut after = None;
        loop {
            let page = db.users(Directory::Newest, after.as_deref(), 100).await?;
            for user in page.items {
                let books = jobs::verify::verify(db, user.id, now).await?;
                checked.push((user, books));
            }
            after = page.next;
            if after.is_none() {
                return Ok(checked);
            }
        }
    })
    .await
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
