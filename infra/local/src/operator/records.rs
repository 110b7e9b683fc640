//! The commands that need the table: personal tokens, admins, people.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use shared::auth::operator::{self, NewToken, OperatorError};
use shared::clock::Clock;
use shared::config::{Brakes, ConfigError, DELETION_SECONDS, Env};
use shared::db::Db;
use shared::domain::user::{Role, Scope, User};
use shared::runtime::{self, Platform};

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

/// Where the records are that a command works on.
#[derive(Debug)]
pub enum Place {
    /// In a data folder, whether its edition runs or not.
    Folder(Box<Options>),
    /// In a table in an account of AWS, reached as these variables say (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...).
    Table {
        /// The table's name.
        name: String,
        /// Region and credentials.
        variables: Env,
    },
}

/// What a command is given to work with.
pub(super) struct Records<'a> {
    pub(super) db: &'a Db,
    pub(super) clock: &'a Clock,
    /// The limits of all users together, where they are known: an account of AWS keeps them to itself.
    pub(super) brakes: Option<Brakes>,
    /// The sign-in stand-in, where it is in use: whoever it would sign in needs no signing in first.
    stand_in: Option<&'a str>,
    /// How long somebody who is to be deleted may still be restored, in seconds.
    grace: i64,
}

impl From<Options> for Place {
    fn from(options: Options) -> Self {
        Self::Folder(Box::new(options))
    }
}

impl Place {
    /// Makes a personal token of the person with this address or id, who is made if the sign-in stand-in is in use.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn make_token(&self, email_or_id: &str, scopes: Vec<Scope>) -> Result<SecretString, OperateError> {
        self.with_records(async |records| {
            let user = records.person(email_or_id).await?;
            let new = NewToken { name: "operator".to_owned(), scopes, expires_at: None };
            let (_, secret) = operator::create_token(records.db, records.clock, user.id, new).await?;
            Ok(secret)
        })
        .await
    }

    /// Gives a role to the person with this address or id.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn set_role(&self, email_or_id: &str, role: Role) -> Result<User, OperateError> {
        self.with_records(async |records| {
            let user = match role {
                Role::Admin => records.person(email_or_id).await?,
                Role::User => operator::find_user(records.db, email_or_id).await?,
            };
            operator::set_role(records.db, records.clock, user.id, role).await
        })
        .await
    }

    /// All admins.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn admins(&self) -> Result<Vec<User>, OperateError> {
        self.with_records(async |records| Ok(operator::admins(records.db).await?)).await
    }

    /// The person with this address or id.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn user(&self, email_or_id: &str) -> Result<User, OperateError> {
        self.with_records(async |records| operator::find_user(records.db, email_or_id).await).await
    }

    /// Suspends the person with this address or id.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn suspend(&self, email_or_id: &str) -> Result<User, OperateError> {
        self.with_records(async |records| {
            let user = operator::find_user(records.db, email_or_id).await?;
            operator::suspend(records.db, records.clock, user.id).await
        })
        .await
    }

    /// Lets the person with this address or id in again, who was suspended or is about to be deleted.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn restore(&self, email_or_id: &str) -> Result<User, OperateError> {
        self.with_records(async |records| {
            let user = operator::find_user(records.db, email_or_id).await?;
            operator::restore(records.db, records.clock, user.id).await
        })
        .await
    }

    /// Begins to delete the person with this address or id; the answer is when it happens.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn delete(&self, email_or_id: &str) -> Result<Timestamp, OperateError> {
        self.with_records(async |records| {
            let user = operator::find_user(records.db, email_or_id).await?;
            operator::delete(records.db, records.clock, user.id, SignedDuration::from_secs(records.grace)).await
        })
        .await
    }

    /// Does `work` in the table, or in the running edition's, or in one that is opened for as long as it takes.
    pub(super) async fn with_records<T>(
        &self,
        work: impl AsyncFnOnce(&Records<'_>) -> Result<T, OperatorError>,
    ) -> Result<T, OperateError> {
        let options = match self {
            Self::Folder(options) => options,
            Self::Table { name, variables } => {
                let db = runtime::table(variables, name)?;
                return Ok(work(&Records {
                    db: &db,
                    clock: &Clock::system(),
                    brakes: None,
                    stand_in: None,
                    grace: DELETION_SECONDS.into(),
                })
                .await?);
            }
        };
        let connect = |environment: &Env| Platform::connect_at(environment, options.clock.clone());
        let edition = match Edition::start_for_operator(options).await {
            Ok(edition) => edition,
            Err(StartError::DataFolder(DataFolderError::Locked(_))) => {
                let endpoints = running_endpoints(&options.data).map_err(OperateError::Unreachable)?;
                return Ok(work(&Records::of(&connect(&endpoints.environment.into_iter().collect())?)).await?);
            }
            Err(error) => return Err(error.into()),
        };
        let environment = edition.any_environment().cloned().unwrap_or_else(Env::default);
        let done = match connect(&environment) {
            Ok(platform) => work(&Records::of(&platform)).await.map_err(OperateError::from),
            Err(error) => Err(error.into()),
        };
        edition.shutdown().await;
        done
    }
}

impl<'a> Records<'a> {
    fn of(platform: &'a Platform) -> Self {
        let issuer = Some(platform.config.oidc_issuer.as_str());
        Self {
            db: &platform.db,
            clock: &platform.clock,
            brakes: Some(platform.config.brakes),
            stand_in: issuer.filter(|issuer| issuer.ends_with(ISSUER_PATH)),
            grace: platform.config.deadlines.deletion,
        }
    }

    /// Whom the stand-in would sign in needs no signing in first: who they are follows from the address. Elsewhere nobody can know
    /// what the issuer will call somebody, so they sign in first.
    async fn person(&self, email_or_id: &str) -> Result<User, OperatorError> {
        let nobody = match operator::find_user(self.db, email_or_id).await {
            Err(OperatorError::Nobody(text)) => OperatorError::Nobody(text),
            found => return found,
        };
        match (local_standins::issuer::person(email_or_id), self.stand_in) {
            (Some(person), Some(issuer)) => {
                operator::ensure_user(self.db, self.clock, issuer, &person.subject, &person.email, &person.name).await
            }
            (Some(_), None) => Err(nobody),
            (None, _) => Err(OperatorError::NotAnAddress(email_or_id.to_owned())),
        }
    }
}

/// What an operator is shown of somebody, a line for each thing.
pub fn describe(user: &User) -> String {
    let at = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let limits = match user.limits {
        None => "as configured".to_owned(),
        Some(limits) => format!(
            "{} units a month, {} outputs a day, {} requests an hour, {} running calls, {} running videos",
            limits.monthly, limits.daily, limits.hourly, limits.concurrent, limits.concurrent_videos
        ),
    };
    let lines = [
        ("id", user.id.to_string()),
        ("email", user.email.clone()),
        ("name", user.name.clone()),
        ("role", user.role.as_str().to_owned()),
        ("status", user.status.as_str().to_owned()),
        ("limits", limits),
        ("first seen", at(user.created_at)),
        ("last sign-in", at(user.last_sign_in_at)),
    ];
    lines.map(|(name, value)| format!("{name}: {value}")).join("\n")
}
