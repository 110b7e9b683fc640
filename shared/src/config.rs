//! Configuration: an injected map of variables in, a checked [`Config`] or the whole list of problems out.
//!
//! Every function gets the same variables (`Globals` of the template); what differs between functions is their rights.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::domain::breaker::BLOCK;
use crate::domain::limits::Limits;

const EXTENSION_PORT: &str = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";

/// The variables a function is configured by. Tests and the local edition pass their own; only `main` reads the process's.
#[derive(Clone, Debug, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process.
    pub fn process() -> Self {
        std::env::vars().collect()
    }

    /// The value of `name`; an empty value counts as absent, as templates can't leave a variable out.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Adds or replaces a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Every variable, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// Everything that is wrong with the configuration, each line naming its variable.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// Where the system runs. It changes what `health` says and how secrets are kept, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// An AWS account.
    Aws,
    /// One machine.
    Local,
}

/// Where secrets are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A JSON file, readable by its owner only.
    File(std::path::PathBuf),
    /// SSM parameters below this path, through the AWS Parameters and Secrets extension.
    Ssm(String),
}

/// The checked configuration of a function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOME_KIND`.
    pub home: Home,
    /// `TABLE_NAME`.
    pub table: String,
    /// `TABLE_TIMEOUT_MS`: how long one answer of the table is waited for; it is asked three times at most.
    pub table_timeout_ms: u32,
    /// `MEDIA_BUCKET`: what was generated.
    pub media_bucket: String,
    /// `UPLOADS_BUCKET`: what people bring, for a day.
    pub uploads_bucket: String,
    /// `RESULTS_QUEUE_URL`: calls whose result is ready to be stored.
    pub results_queue: String,
    /// `VIDEOS_QUEUE_URL`: stored videos that want a poster.
    pub videos_queue: String,
    /// `TASKS_QUEUE_URL`: what `worker` does besides its schedule.
    pub tasks_queue: String,
    /// `PUBLIC_ORIGIN`: scheme, host and port of the site and the API, without a trailing slash.
    pub origin: String,
    /// `ORIGIN_SECRETS_SHA256`: hashes of the header by which the distribution proves itself, one or, while it changes, two. None: every
    /// request is answered, and no viewer's address is believed.
    pub origin_secrets: Vec<[u8; 32]>,
    /// `SECRETS`: `file:/path` or `ssm:/prefix`.
    pub secrets: SecretSource,
    /// `PARAMETERS_SECRETS_EXTENSION_HTTP_PORT`, the extension's own variable: where it listens in the sandbox, 2773 by default.
    pub secrets_port: u16,
    /// `SECRETS_KEEP_SECONDS`: how long a secret is used that was read, 300 by default and at most.
    pub secrets_keep: Duration,
    /// `OIDC_ISSUER`, Google by default.
    pub oidc_issuer: String,
    /// `OIDC_CLIENT_ID`.
    pub oidc_client_id: String,
    /// `ALLOWED_EMAIL_DOMAINS`: comma-separated; empty lets everybody in.
    pub allowed_domains: Vec<String>,
    /// `FAL_QUEUE_URL`: the provider's queue, `https://queue.fal.run` by default.
    pub fal_queue: Url,
    /// `FAL_MEDIA_ORIGINS`: exact origins, or `https://*.host` for subdomains, from which results may be fetched.
    pub fal_media_origins: Vec<String>,
    /// `CALLBACK_ORIGINS`: exact origins that clients may have called besides public ones on https, whatever address they have.
    pub callback_origins: Vec<String>,
    /// Callbacks of the provider, if it can reach `PUBLIC_ORIGIN`; polling alone otherwise.
    pub webhooks: Option<Webhooks>,
    /// `MEDIA_KEY_PAIR_ID` and `MEDIA_PUBLIC_KEY`, and while the key is exchanged the same with `_SECOND`: by what names the CDN
    /// knows the public halves of keys that sign media. At least one.
    pub media_keys: Vec<MediaKey>,
    /// `LIMIT_*`: what a user may do unless an admin said otherwise.
    pub limits: Limits,
    /// What all users together may do.
    pub brakes: Brakes,
    /// `DEADLINE_SECONDS_*` and the poller's pace.
    pub deadlines: Deadlines,
}

/// What stops everybody: numbers that no normal day reaches.
#[derive(Clone, Copy, Debug)]
pub struct Brakes {
    /// `LIMIT_DAILY_SPEND_USD`: millionths of a dollar that all requests of a day (UTC) may reserve; `None` for any amount.
    pub daily_spend: Option<i64>,
    /// `LIMIT_OPEN_CALLS`: calls that may be open at once, over all users.
    pub open_calls: u32,
    /// `LIMIT_BREAKER_SUBMISSIONS`: of so many submissions half must fail before the provider is left alone for a while.
    pub breaker_block: u32,
}

/// Who may call back.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// `FAL_ACCOUNT_ID`: our account, as the provider's callbacks name it. Set, it switches callbacks on.
    pub account: String,
    /// `FAL_JWKS_URL`: the provider's public keys.
    pub keys: Url,
}

/// A key that signs media, as the CDN knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaKey {
    /// The CDN's name of it.
    pub id: String,
    /// In PEM; empty where it isn't said.
    pub public_key: String,
}

/// Seconds for which a deleted account can be restored, unless configured: a day to think again.
pub const DELETION_SECONDS: u32 = 86_400;
/// `DEADLINE_SECONDS_TRASH` unless it is set: thirty days.
pub const TRASH_SECONDS: u32 = 30 * 86_400;

/// How long the job machine waits for what. Seconds; all configurable, tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A submission whose answer never came is given up after this long on top of the model's own deadline: the provider
    /// repeats a webhook for at most two hours.
    pub lost_answer: i64,
    /// How long the provider may leave a request in its queue before it gives it back (`X-Fal-Request-Timeout`).
    pub provider_start: i64,
    /// How long a request may run, whatever its model allows.
    pub run: i64,
    /// A result that nobody has imported is queued again after this long.
    pub result: i64,
    /// A waiting call is looked at again after this long, in case its `start` task was lost.
    pub waiting: i64,
    /// A stored video without a poster is queued again after this long.
    pub poster: i64,
    /// A client's callback whose task was lost is queued again after this long.
    pub callback: i64,
    /// What was thrown away is deleted for good after this long.
    pub trash: i64,
    /// An account whose owner deletes it can be restored for this long.
    pub deletion: i64,
}

impl Config {
    /// Checks `env`.
    ///
    /// # Errors
    /// Every missing or malformed variable at once.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut required = |name: &str| {
            env.get(name).map(str::to_owned).unwrap_or_else(|| {
                problems.push(format!("{name} is not set"));
                String::new()
            })
        };
        let table = required("TABLE_NAME");
        let media_bucket = required("MEDIA_BUCKET");
        let uploads_bucket = required("UPLOADS_BUCKET");
        let results_queue = required("RESULTS_QUEUE_URL");
        let videos_queue = required("VIDEOS_QUEUE_URL");
        let tasks_queue = required("TASKS_QUEUE_URL");
        let oidc_client_id = required("OIDC_CLIENT_ID");
        let media_key = required("MEDIA_KEY_PAIR_ID");
        let origin = required("PUBLIC_ORIGIN");
        let secrets = required("SECRETS");

        let public_key = |name: &str| env.get(name).unwrap_or_default().to_owned();
        let mut media_keys = vec![MediaKey { id: media_key, public_key: public_key("MEDIA_PUBLIC_KEY") }];
        if let Some(id) = env.get("MEDIA_KEY_PAIR_ID_SECOND") {
            media_keys.push(MediaKey { id: id.to_owned(), public_key: public_key("MEDIA_PUBLIC_KEY_SECOND") });
        }

        let home = match env.get("HOME_KIND").unwrap_or("aws") {
            "aws" => Home::Aws,
            "local" => Home::Local,
            other => {
                problems.push(format!("HOME_KIND is {other:?}, allowed are aws and local"));
                Home::Aws
            }
        };
        let secrets = match secrets.split_once(':') {
            Some(("file", path)) => SecretSource::File(path.into()),
            Some(("ssm", prefix)) => SecretSource::Ssm(prefix.trim_end_matches('/').to_owned()),
            _ if secrets.is_empty() => SecretSource::Ssm(String::new()),
            _ => {
                problems.push("SECRETS must be file:/path or ssm:/prefix".to_owned());
                SecretSource::Ssm(String::new())
            }
        };
        let mut origin_secrets = Vec::new();
        for text in list(env.get("ORIGIN_SECRETS_SHA256")) {
            let mut hash = [0; 32];
            match hex::decode_to_slice(&text, &mut hash) {
                Ok(()) => origin_secrets.push(hash),
                Err(_) => problems.push("ORIGIN_SECRETS_SHA256 must be SHA-256 in hexadecimal, separated by commas".to_owned()),
            }
        }
        let mut url = |name: &str, value: &str| match Url::parse(value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                problems.push(format!("{name} must be an http or https address"));
                None
            }
        };
        let origin = if origin.is_empty() {
            origin
        } else {
            url("PUBLIC_ORIGIN", &origin).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
        };
        let fal_queue = url("FAL_QUEUE_URL", env.get("FAL_QUEUE_URL").unwrap_or("https://queue.fal.run"));
        let keys = url("FAL_JWKS_URL", env.get("FAL_JWKS_URL").unwrap_or("https://rest.fal.ai/.well-known/jwks.json"));
        let account = env.get("FAL_ACCOUNT_ID").map(str::to_owned);
        let webhooks = account.zip(keys).map(|(account, keys)| Webhooks { account, keys });
        let oidc_issuer = env.get("OIDC_ISSUER").unwrap_or("https://accounts.google.com").to_owned();
        if !is_issuer(&oidc_issuer) {
            problems.push("OIDC_ISSUER must be an https address; without https only on this machine".to_owned());
        }
        let mut number = |name: &str, default: u32| match env.get(name).map(str::parse::<u32>) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                problems.push(format!("{name} must be a whole number"));
                default
            }
        };
        let limits = Limits {
            monthly: number("LIMIT_MONTHLY_UNITS", Limits::DEFAULT.monthly),
            daily: number("LIMIT_DAILY_OUTPUTS", Limits::DEFAULT.daily),
            hourly: number("LIMIT_HOURLY_REQUESTS", Limits::DEFAULT.hourly),
            concurrent: number("LIMIT_RUNNING_CALLS", Limits::DEFAULT.concurrent),
            concurrent_videos: number("LIMIT_RUNNING_VIDEOS", Limits::DEFAULT.concurrent_videos),
        };
        let brakes = Brakes {
            daily_spend: Some(number("LIMIT_DAILY_SPEND_USD", 100)).filter(|usd| *usd > 0).map(|usd| i64::from(usd) * 1_000_000),
            open_calls: number("LIMIT_OPEN_CALLS", 2_000),
            breaker_block: number("LIMIT_BREAKER_SUBMISSIONS", BLOCK),
        };
        let deadlines = Deadlines {
            lost_answer: number("DEADLINE_SECONDS_LOST_ANSWER", 7_200).into(),
            provider_start: number("DEADLINE_SECONDS_PROVIDER_START", 300).into(),
            run: number("DEADLINE_SECONDS_RUN", 3_600).into(),
            result: number("DEADLINE_SECONDS_RESULT", 60).into(),
            waiting: number("DEADLINE_SECONDS_WAITING", 60).into(),
            poster: number("DEADLINE_SECONDS_POSTER", 120).into(),
            callback: number("DEADLINE_SECONDS_CALLBACK", 60).into(),
            trash: number("DEADLINE_SECONDS_TRASH", TRASH_SECONDS).into(),
            deletion: number("DEADLINE_SECONDS_DELETION", DELETION_SECONDS).into(),
        };
        let table_timeout_ms = number("TABLE_TIMEOUT_MS", 1_000);
        // What a rotation may take to be seen everywhere.
        let secrets_keep = Duration::from_secs(number("SECRETS_KEEP_SECONDS", 300).min(300).into());
        let secrets_port = u16::try_from(number(EXTENSION_PORT, 2773)).unwrap_or_else(|_| {
            problems.push(format!("{EXTENSION_PORT} must be a port"));
            0
        });
        match fal_queue {
            Some(fal_queue) if problems.is_empty() => Ok(Self {
                home,
                table,
                table_timeout_ms,
                media_bucket,
                uploads_bucket,
                results_queue,
                videos_queue,
                tasks_queue,
                origin,
                origin_secrets,
                secrets,
                secrets_port,
                secrets_keep,
                oidc_issuer,
                oidc_client_id,
                allowed_domains: list(env.get("ALLOWED_EMAIL_DOMAINS")),
                fal_queue,
                fal_media_origins: list(Some(env.get("FAL_MEDIA_ORIGINS").unwrap_or("https://*.fal.media"))),
                callback_origins: list(env.get("CALLBACK_ORIGINS")),
                webhooks,
                media_keys,
                limits,
                brakes,
                deadlines,
            }),
            _ => Err(ConfigError(problems)),
        }
    }
}

/// Whoever answers at this address says who people are, so nobody may be able to stand in between. Only what doesn't leave the machine
/// needs no TLS.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let on_this_machine = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    plain && url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && on_this_machine))
}

fn list(value: Option<&str>) -> Vec<String> {
    value.unwrap_or_default().split(',').map(|part| part.trim().to_ascii_lowercase()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_issuer_on_this_machine_needs_no_tls() {
        for (issuer, good) in [
            ("https://accounts.google.com", true),
            ("https://sso.example.com:8443/realms/one", true),
            ("http://localhost:8080/dev/issuer", true),
            ("http://127.0.0.1:9400", true),
            ("http://[::1]:9400", true),
            ("http://sso.example.com", false),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
            ("https://user@sso.example.com", false),
            ("https://sso.example.com?x", false),
            ("ftp://localhost", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_issuer(issuer), good, "{issuer}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut env = Env::default();
        env.set("HOME_KIND", "moon");
        env.set("LIMIT_MONTHLY_UNITS", "many");
        env.set("SECRETS", "vault");
        env.set(EXTENSION_PORT, "70000");
        let ConfigError(problems) = Config::from_env(&env).unwrap_err();
        let text = problems.join("\n");
        for name in ["TABLE_NAME", "TASKS_QUEUE_URL", "PUBLIC_ORIGIN", "HOME_KIND", "LIMIT_MONTHLY_UNITS", "SECRETS", EXTENSION_PORT] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}
