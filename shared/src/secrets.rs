//! Secrets: fetched when first needed, kept for five minutes, so that a rotation needs no deployment.
//!
//! While one is exchanged it has two live values: the one in use, and, under its name with `_previous`, the one before it, so that
//! what was made with that is still accepted.
//!
//! No secret is in a variable, a template or a log. On AWS they are SSM parameters read through the AWS Parameters and Secrets
//! extension (a loopback HTTP service in the sandbox); on one machine they are a JSON file that only its owner can read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::config::{Config, SecretSource};

/// Values that were refused are read again at most this often, whoever may try out what isn't accepted.
const PACE: Duration = Duration::from_secs(60);
/// The same for a file, which costs nothing to read.
const FILE_PACE: Duration = Duration::from_secs(1);

/// The names of all secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// The provider's key, `<id>:<secret>`.
    FalKey,
    /// The sign-in client's secret.
    OidcClientSecret,
    /// EC P-256 private key in PKCS#8 PEM that signs media cookies and addresses.
    MediaSigningKey,
    /// 32 bytes in hexadecimal that authenticate the addresses the provider calls back.
    WebhookMacKey,
}

impl SecretName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FalKey, Self::OidcClientSecret, Self::MediaSigningKey, Self::WebhookMacKey];

    /// The name in the file, and the last part of the parameter's path.
    pub const fn key(self) -> &'static str {
        match self {
            Self::FalKey => "fal_key",
            Self::OidcClientSecret => "oidc_client_secret",
            Self::MediaSigningKey => "media_signing_key",
            Self::WebhookMacKey => "webhook_mac_key",
        }
    }
}

/// A secret can't be had. The text names it and never shows it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The source has no such secret.
    #[error("secret {0} is not configured")]
    Missing(&'static str),
    /// The source didn't answer.
    #[error("secret {name} could not be read: {reason}")]
    Unreadable {
        /// Which one.
        name: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// Which of the two live values of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    /// The one in use.
    Current,
    /// The one before it, while a rotation lasts.
    Previous,
}

/// A value that was read, or the knowledge that there is none.
#[derive(Clone)]
struct Kept {
    /// `None` for one that shall be read again.
    read_at: Option<Instant>,
    value: Option<SecretString>,
}

/// The cached view of a [`SecretSource`].
#[derive(Clone)]
pub struct Secrets {
    source: SecretSource,
    /// How long a value is kept.
    keep: Duration,
    /// The extension's, on loopback.
    port: u16,
    session_token: Option<SecretString>,
    http: reqwest::Client,
    cache: Arc<Mutex<Cache>>,
}

#[derive(Default)]
struct Cache {
    kept: BTreeMap<(SecretName, Version), Kept>,
    /// When a secret was last to be read again because it was refused.
    forced: BTreeMap<SecretName, Instant>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Secrets from where `config` says; `session_token` is the sandbox's own, which the extension asks for.
    pub fn new(config: &Config, session_token: Option<&str>, http: reqwest::Client) -> Self {
        Self {
            source: config.secrets.clone(),
            keep: config.secrets_keep,
            port: config.secrets_port,
            session_token: session_token.map(SecretString::from),
            http,
            cache: Arc::default(),
        }
    }

    /// Secrets in a file, kept for `keep` once they are read.
    pub fn of_file(path: &Path, keep: Duration, http: reqwest::Client) -> Self {
        Self { source: SecretSource::File(path.to_owned()), keep, port: 0, session_token: None, http, cache: Arc::default() }
    }

    /// The value of `name` that is in use, at most five minutes old.
    ///
    /// # Errors
    /// [`SecretError`] when the source has no such secret or doesn't answer; an older cached value is used then if there is one.
    pub async fn get(&self, name: SecretName) -> Result<SecretString, SecretError> {
        self.version(name, Version::Current).await?.ok_or(SecretError::Missing(name.key()))
    }

    /// The values of `name` that are accepted: the one in use, then the one before it while a rotation lasts.
    ///
    /// # Errors
    /// As [`Secrets::get`]; that the previous one can't be read is only logged.
    pub async fn accepted(&self, name: SecretName) -> Result<Vec<SecretString>, SecretError> {
        let mut values = vec![self.get(name).await?];
        match self.version(name, Version::Previous).await {
            Ok(previous) => values.extend(previous),
            Err(error) => tracing::warn!(secret = name.key(), %error, "the previous secret is not known"),
        }
        Ok(values)
    }

    /// Somebody refused what was made with `name`, or it didn't fit: it is read again when it is next needed, unless that was
    /// wished for within the last minute (of a file: second).
    pub async fn distrust(&self, name: SecretName) {
        let mut cache = self.cache.lock().await;
        let pace = match self.source {
            SecretSource::File(_) => FILE_PACE,
            SecretSource::Ssm(_) => PACE,
        };
        if cache.forced.get(&name).is_some_and(|at| at.elapsed() < pace) {
            return;
        }
        cache.forced.insert(name, Instant::now());
        for version in [Version::Current, Version::Previous] {
            if let Some(kept) = cache.kept.get_mut(&(name, version)) {
                kept.read_at = None;
            }
        }
    }

    async fn version(&self, name: SecretName, version: Version) -> Result<Option<SecretString>, SecretError> {
        // Held while reading, so that many requests at once cause one read.
        let mut cache = self.cache.lock().await;
        if let Some(kept) = cache.kept.get(&(name, version))
            && kept.read_at.is_some_and(|at| at.elapsed() < self.keep)
        {
            return Ok(kept.value.clone());
        }
        match self.read(name, version).await {
            Ok(value) => {
                cache.kept.insert((name, version), Kept { read_at: Some(Instant::now()), value: value.clone() });
                Ok(value)
            }
            Err(error) => match cache.kept.get(&(name, version)) {
                Some(stale) => {
                    tracing::warn!(secret = name.key(), %error, "using the cached secret");
                    Ok(stale.value.clone())
                }
                None => Err(error),
            },
        }
    }

    async fn read(&self, name: SecretName, version: Version) -> Result<Option<SecretString>, SecretError> {
        let unreadable = |reason: String| SecretError::Unreadable { name: name.key(), reason };
        let key = match version {
            Version::Current => name.key().to_owned(),
            Version::Previous => format!("{}_previous", name.key()),
        };
        let value = match &self.source {
            SecretSource::File(path) => {
                private(path).map_err(|e| unreadable(e.to_string()))?;
                let text = tokio::fs::read(path).await.map_err(|e| unreadable(e.to_string()))?;
                let mut all: BTreeMap<String, String> =
                    serde_json::from_slice(&text).map_err(|e| unreadable(format!("line {}: not a JSON object of texts", e.line())))?;
                all.remove(&key)
            }
            SecretSource::Ssm(prefix) => {
                let token = self.session_token.as_ref().map(|t| t.expose_secret().to_owned()).unwrap_or_default();
                let answer = self
                    .http
                    .get(format!("http://localhost:{}/systemsmanager/parameters/get", self.port))
                    .query(&[("name", format!("{prefix}/{key}")), ("withDecryption", "true".to_owned())])
                    .header("X-Aws-Parameters-Secrets-Token", token)
                    .timeout(Duration::from_secs(3))
                    .send()
                    .await
                    .map_err(|e| unreadable(e.without_url().to_string()))?;
                // Outside of a rotation there is no previous one, which the extension says like everything that is wrong with a request.
                if version == Version::Previous && answer.status().is_client_error() {
                    return Ok(None);
                }
                let answer = answer.error_for_status().map_err(|e| unreadable(e.without_url().to_string()))?;
                let body: serde_json::Value = answer.json().await.map_err(|e| unreadable(e.without_url().to_string()))?;
                body["Parameter"]["Value"].as_str().map(str::to_owned)
            }
        };
        match value.filter(|v| !v.is_empty()) {
            None if version == Version::Current => Err(SecretError::Missing(name.key())),
            value => Ok(value.map(SecretString::from)),
        }
    }
}

/// Takes away what others may do with a file of secrets. They may have read it: that is said loudly.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        tracing::warn!(mode = format!("{:o}", mode & 0o777), "the file of secrets was open to others; its mode is 600 now");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
