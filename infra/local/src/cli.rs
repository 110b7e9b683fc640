//! The command line.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use local_standins::provider::Settings;
use secrecy::{ExposeSecret as _, SecretString};
use shared::domain::user::{Role, Scope};
use tracing_subscriber::EnvFilter;

use crate::edge::PublicOrigin;
use crate::operator::Place;
use crate::{Edition, GoogleClient, Options, check, data_folder, functions, operator, site};

/// AI Image Generator on one machine: the web app, the API and everything behind them in one process.
///
/// Without further settings it runs for trying: whoever opens the page signs in with any address, and pictures and films are drawn
/// as marked samples. With the provider's key and a Google client it is the real product.
///
/// All data is in one folder, which survives a crash; `backup` and `restore` copy it.
#[derive(Debug, Parser)]
#[command(name = "local", version, after_help = ENVIRONMENT)]
pub struct Cli {
    /// The data folder; it is made when it is missing, readable by its owner only.
    #[arg(long, global = true, default_value = "./data", value_name = "FOLDER")]
    data: PathBuf,
    /// For token, admin and user: a table on AWS instead of a data folder, reached with `AWS_REGION` and the credentials in
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    #[arg(long, global = true, conflicts_with = "data", value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

const ENVIRONMENT: &str = "\
Environment:
  FAL_KEY               key of the provider fal.ai; without it, a stand-in draws samples
  FAL_ACCOUNT_ID        the key's account at fal.ai, as its callbacks name it: results then arrive at once; without it, and without
                        a PUBLIC_ORIGIN that fal.ai can reach, they are polled for
  GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET
                        sign-in with Google; without it, a stand-in asks which address to sign in as
  PUBLIC_ORIGIN         where users find the site, for example https://images.example.com, when a proxy with TLS is in front;
                        needs all of the above, because the stand-ins only run on http://localhost
  ALLOWED_EMAIL_DOMAINS domains that may sign in, separated by commas; empty lets everybody in
  LIMIT_MONTHLY_UNITS, LIMIT_DAILY_OUTPUTS, LIMIT_HOURLY_REQUESTS, LIMIT_RUNNING_CALLS, LIMIT_RUNNING_VIDEOS
                        what a user may do, unless an admin has set something else
  LIMIT_DAILY_SPEND_USD, LIMIT_OPEN_CALLS
                        what all users together may set aside in a day (100, 0 for any amount) and have open at once (2000)
  STAND_IN_DELAY_MS     how long the provider stand-in lets a request wait, and then run, in milliseconds each
  RUST_LOG              what is logged to standard error: warn (default), info (a line per request), debug

Safari doesn't keep the secure cookies of http://localhost; use Chrome, Chromium or Edge for trying.";

const DEFAULT_PORT: u16 = 8080;
/// Variables of the functions that may be set from outside.
const PASSED_ON: [&str; 4] = ["ALLOWED_EMAIL_DOMAINS", "FAL_ACCOUNT_ID", "LIMIT_", "DEADLINE_SECONDS_"];

#[derive(Debug, Args)]
struct Serve {
    /// Port on localhost; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// A folder with the built web app, instead of building the one in this repository.
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
    /// How long the provider stand-in lets a request wait, and then run, in milliseconds each; about a second when absent.
    #[arg(long, env = "STAND_IN_DELAY_MS", value_name = "MS")]
    stand_in_delay_ms: Option<u64>,
}

impl Serve {
    fn stand_in(&self) -> Settings {
        let usual = Settings::default();
        let Some(delay) = self.stand_in_delay_ms.map(Duration::from_millis) else { return usual };
        Settings { queue_delay: delay, image_delay: delay, video_delay: delay, ..usual }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until interrupted (the default). Prints the address when ready.
    Serve(Serve),
    /// Print a new personal token for the API. With the sign-in stand-in, the person is made if need be.
    Token {
        /// E-mail address or id of the person.
        person: String,
        /// What it may be used for: read, generate, share, admin.
        #[arg(long, value_delimiter = ',', default_value = "read,generate,share", value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// Say who is an admin.
    #[command(subcommand)]
    Admin(Admin),
    /// Look at somebody, suspend or delete them, or let them in again.
    #[command(subcommand)]
    User(User),
    /// Pause generating, let it go on, or say how it stands.
    #[command(subcommand)]
    Generation(Generation),
    /// Say what is configured, and ask each service whether it works. Changes nothing; fails when something must be mended.
    Check,
    /// Exchange a key that the edition has made itself, while it runs or not. The new one is used within five minutes; what was made
    /// with the old one is accepted until the next exchange.
    Rotate {
        /// Which key.
        #[arg(value_parser = data_folder::OWN_KEYS)]
        key: String,
    },
    /// Write the data folder to one file, while the edition runs or not.
    Backup {
        /// The new file. It holds keys and everything that users have made: keep it safe.
        file: PathBuf,
    },
    /// Make the data folder, which must be missing or empty, out of a backup.
    Restore {
        /// The backup.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make somebody an admin. It holds from their next request.
    Add {
        /// E-mail address or id of the person.
        person: String,
    },
    /// Make somebody an ordinary user again.
    Remove {
        /// E-mail address or id of the person.
        person: String,
    },
    /// List the admins.
    List,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Say who somebody is.
    Show {
        /// E-mail address or id of the person.
        person: String,
    },
    /// Keep somebody out: their sessions end, their tokens are refused, their links are gone. It holds from their next request.
    Suspend {
        /// E-mail address or id of the person.
        person: String,
    },
    /// Let somebody in again who was suspended, or is about to be deleted.
    Restore {
        /// E-mail address or id of the person.
        person: String,
    },
    /// Delete somebody with everything that is theirs. They are out at once; prints when the deletion begins, a day later, until
    /// which they can be restored.
    Delete {
        /// E-mail address or id of the person.
        person: String,
    },
}

#[derive(Debug, Subcommand)]
enum Generation {
    /// Accept nothing new and start nothing that waits. What the provider has already is delivered.
    Pause {
        /// Why, in a sentence that users read.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on.
    Resume {
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say whether it is paused, what is set aside today, how much is open, and how the provider is doing.
    Status,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// One message that says what is in the way and, where it can, what to do about it.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(Command::Token { person, scopes }) => {
                let secret = in_runtime(place(self.data, self.table)?.make_token(&person, scopes))?;
                print(secret.expose_secret())
            }
            Some(Command::Admin(command)) => admin(&place(self.data, self.table)?, command),
            Some(Command::User(command)) => user(&place(self.data, self.table)?, command),
            Some(Command::Generation(command)) => generation(&place(self.data, self.table)?, command),
            _ if self.table.is_some() => anyhow::bail!("--table is for token, admin, user and generation"),
            None => serve(self.data, self.serve),
            Some(Command::Serve(arguments)) => serve(self.data, arguments),
            Some(Command::Check) => probe(&operator_options(self.data)?),
            Some(Command::Rotate { key }) => Ok(data_folder::exchange_key(&self.data, &key)?),
            Some(Command::Backup { file }) => Ok(operator::backup(&self.data, &file)?),
            Some(Command::Restore { file }) => Ok(operator::restore(&file, &self.data)?),
        }
    }
}

/// What an operator's command needs to know of the edition, whose port may be told in the same way.
fn operator_options(data: PathBuf) -> anyhow::Result<Options> {
    let port = variable("PORT").map(|port| port.parse().context("PORT is not a port")).transpose()?;
    let origin = variable("PUBLIC_ORIGIN").map(|origin| PublicOrigin::parse(&origin)).transpose()?;
    Ok(Options {
        port: port.unwrap_or(DEFAULT_PORT),
        variables: variables(origin.as_ref()),
        origin,
        google: google()?,
        fal_key: fal_key(),
        ..Options::new(data)
    })
}

/// Where the records are.
fn place(data: PathBuf, table: Option<String>) -> anyhow::Result<Place> {
    Ok(match table {
        Some(name) => Place::Table { name, variables: std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect() },
        None => operator_options(data)?.into(),
    })
}

fn admin(place: &Place, command: Admin) -> anyhow::Result<()> {
    match command {
        Admin::Add { person } => in_runtime(place.set_role(&person, Role::Admin)).map(drop),
        Admin::Remove { person } => in_runtime(place.set_role(&person, Role::User)).map(drop),
        Admin::List => in_runtime(place.admins())?.iter().try_for_each(|user| print(&format!("{} {}", user.id, user.email))),
    }
}

fn user(place: &Place, command: User) -> anyhow::Result<()> {
    match command {
        User::Show { person } => print(&operator::describe(&in_runtime(place.user(&person))?)),
        User::Suspend { person } => in_runtime(place.suspend(&person)).map(drop),
        User::Restore { person } => in_runtime(place.restore(&person)).map(drop),
        User::Delete { person } => print(&in_runtime(place.delete(&person))?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    }
}

fn generation(place: &Place, command: Generation) -> anyhow::Result<()> {
    match command {
        Generation::Pause { reason } => in_runtime(place.pause_generation(true, reason))?,
        Generation::Resume { reason } => in_runtime(place.pause_generation(false, reason))?,
        Generation::Status => {}
    }
    in_runtime(place.generation_status())?.iter().try_for_each(|line| print(line))
}

fn probe(options: &Options) -> anyhow::Result<()> {
    let findings = in_runtime(async { anyhow::Ok(check::check(options, &check::Outside::real()?).await) })?;
    findings.iter().try_for_each(|finding| print(&finding.to_string()))?;
    match findings.iter().filter(|finding| finding.mark == check::Mark::Fails).count() {
        0 => Ok(()),
        some => anyhow::bail!("{some} of {} must be mended", findings.len()),
    }
}

fn in_runtime<T, E: Into<anyhow::Error>>(work: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime can't be started")?;
    runtime.block_on(work).map_err(Into::into)
}

/// One line on standard output, which is for nothing else than answers.
fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output can't be written")
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("the scopes are {}", known.join(", "))
    })
}

/// Lines on standard error: quiet unless `RUST_LOG` asks for more.
pub fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,s3s=off"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).json().flatten_event(true);
    let _already_set = subscriber.with_current_span(false).with_span_list(false).try_init();
    shared::telemetry::log_panics();
}

fn serve(data: PathBuf, arguments: Serve) -> anyhow::Result<()> {
    let origin = variable("PUBLIC_ORIGIN").map(|origin| PublicOrigin::parse(&origin)).transpose()?;
    let options = Options {
        port: arguments.port,
        variables: variables(origin.as_ref()),
        origin,
        fal_key: fal_key(),
        google: google()?,
        provider: arguments.stand_in(),
        ..Options::new(data)
    };
    // Before anything is started: it may take minutes, and it may fail.
    let site = match arguments.site {
        Some(folder) => folder,
        None => site::ensure_built(&repository().join("static-site"), "npm".as_ref())?,
    };
    let options = Options { site: Some(site), ..options };
    in_runtime(async {
        let mut signals = Signals::new()?;
        let edition = Edition::start(options, functions::connect).await?;
        // The only line on standard output, for whoever waits for it.
        print(edition.origin())?;
        signals.recv().await;
        edition.shutdown().await;
        anyhow::Ok(())
    })
}

/// The two ways of asking a process to end.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("signals can't be received");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn fal_key() -> Option<SecretString> {
    variable("FAL_KEY").map(SecretString::from)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn google() -> anyhow::Result<Option<GoogleClient>> {
    match (variable("GOOGLE_CLIENT_ID"), variable("GOOGLE_CLIENT_SECRET")) {
        (Some(id), Some(secret)) => Ok(Some(GoogleClient { id, secret: secret.into() })),
        (None, None) => Ok(None),
        _ => anyhow::bail!("GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET belong together: set both or neither"),
    }
}

/// The functions' variables that are set from outside.
fn variables(origin: Option<&PublicOrigin>) -> BTreeMap<String, String> {
    let mut variables = passed_on(std::env::vars());
    // Callbacks of the provider itself, and only where it can reach us; the stand-in has an account of its own.
    if fal_key().is_none() || origin.is_none_or(PublicOrigin::is_local) {
        variables.remove("FAL_ACCOUNT_ID");
    }
    variables
}

fn passed_on(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    variables.filter(|(name, _)| PASSED_ON.iter().any(|start| name.starts_with(start))).collect()
}

/// Where this program was built; an installed one is started with `--site`.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_data_is_common() {
        let cli = Cli::try_parse_from(["local", "--port", "9000", "--data", "/d"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!((cli.serve.port, cli.data), (9000, PathBuf::from("/d")));
        let cli = Cli::try_parse_from(["local", "backup", "b.tar", "--data", "/d"]).unwrap();
        assert_eq!(cli.data, PathBuf::from("/d"));
        let cli = Cli::try_parse_from(["local", "serve", "--port", "0"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Serve(Serve { port: 0, .. }))));
        let cli = Cli::try_parse_from(["local", "user", "suspend", "a@b.c", "--table", "t"]).unwrap();
        assert_eq!(cli.table.as_deref(), Some("t"));
        Cli::try_parse_from(["local", "admin", "list", "--table", "t", "--data", "/d"]).unwrap_err();
        let error = Cli::try_parse_from(["local", "--table", "t", "check"]).unwrap().run().unwrap_err();
        assert!(error.to_string().contains("--table is for"), "{error}");
        Cli::try_parse_from(["local", "--port", "99999"]).unwrap_err();
        Cli::try_parse_from(["local", "nonsense"]).unwrap_err();
    }

    #[test]
    fn only_the_products_own_settings_are_passed_on() {
        let all = [("LIMIT_RUNNING_CALLS", "2"), ("ALLOWED_EMAIL_DOMAINS", "a"), ("TABLE_NAME", "x"), ("AWS_REGION", "y")];
        let passed = passed_on(all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(passed.keys().collect::<Vec<_>>(), ["ALLOWED_EMAIL_DOMAINS", "LIMIT_RUNNING_CALLS"]);
    }
}
