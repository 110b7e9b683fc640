//! Secrets: fetched when first needed, kept for five minutes, so that a rotation needs no deployment.
//!
//! No secret is in a variable, a template or a log. On AWS they are SSM parameters read through the AWS Parameters and Secrets
//! extension (a loopback HTTP service in the sandbox); on one machine they are a JSON file that only its owner can read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::config::{Config, SecretSource};

/// How long a fetched value is used: what a rotation may take to be seen everywhere.
const KEEP: Duration = Duration::from_secs(300);

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
    /// 32 bytes in hexadecimal from which each user's secret of our own webhooks follows.
    CallbackKey,
}

impl SecretName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::FalKey, Self::OidcClientSecret, Self::MediaSigningKey, Self::WebhookMacKey, Self::CallbackKey];

    /// The name in the file, and the last part of the parameter's path.
    pub const fn key(self) -> &'static str {
        match self {
            Self::FalKey => "fal_key",
            Self::OidcClientSecret => "oidc_client_secret",
            Self::MediaSigningKey => "media_signing_key",
            Self::WebhookMacKey => "webhook_mac_key",
            Self::CallbackKey => "callback_key",
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

/// The cached view of a [`SecretSource`].
#[derive(Clone)]
pub struct Secrets {
    source: SecretSource,
    /// The extension's, on loopback.
    port: u16,
    session_token: Option<SecretString>,
    http: reqwest::Client,
    cache: Arc<Mutex<BTreeMap<SecretName, (Instant, SecretString)>>>,
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
            port: config.secrets_port,
            session_token: session_token.map(SecretString::from),
            http,
            cache: Arc::default(),
        }
    }

    /// The value of `name`, at most five minutes old.
    ///
    /// # Errors
    /// [`SecretError`] when the source has no such secret or doesn't answer; an older cached value is used then if there is one.
    pub async fn get(&self, name: SecretName) -> Result<SecretString, SecretError> {
        let mut cache = self.cache.lock().await;
        if let Some((read_at, value)) = cache.get(&name)
            && read_at.elapsed() < KEEP
        {
            return Ok(value.clone());
        }
        match self.read(name).await {
            Ok(value) => {
                cache.insert(name, (Instant::now(), value.clone()));
                Ok(value)
            }
            Err(error) => match cache.get(&name) {
                Some((_, stale)) => {
                    tracing::warn!(secret = name.key(), %error, "using the cached secret");
                    Ok(stale.clone())
                }
                None => Err(error),
            },
        }
    }

    async fn read(&self, name: SecretName) -> Result<SecretString, SecretError> {
        let unreadable = |reason: String| SecretError::Unreadable { name: name.key(), reason };
        let value = match &self.source {
            SecretSource::File(path) => {
                let text = tokio::fs::read(path).await.map_err(|e| unreadable(e.to_string()))?;
                let mut all: BTreeMap<String, String> =
                    serde_json::from_slice(&text).map_err(|e| unreadable(format!("line {}: not a JSON object of texts", e.line())))?;
                all.remove(name.key())
            }
            SecretSource::Ssm(prefix) => {
                let token = self.session_token.as_ref().map(|t| t.expose_secret().to_owned()).unwrap_or_default();
                let answer = self
                    .http
                    .get(format!("http://localhost:{}/systemsmanager/parameters/get", self.port))
                    .query(&[("name", format!("{prefix}/{}", name.key())), ("withDecryption", "true".to_owned())])
                    .header("X-Aws-Parameters-Secrets-Token", token)
                    .timeout(Duration::from_secs(3))
                    .send()
                    .await
                    .and_then(reqwest::Response::error_for_status)
                    .map_err(|e| unreadable(e.without_url().to_string()))?;
                let body: serde_json::Value = answer.json().await.map_err(|e| unreadable(e.without_url().to_string()))?;
                body["Parameter"]["Value"].as_str().map(str::to_owned)
            }
        };
        value.filter(|v| !v.is_empty()).map(SecretString::from).ok_or(SecretError::Missing(name.key()))
    }
}
