//! The one start-up all functions share: configuration, clients, and the loop that takes events.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Env};
use crate::db::Db;
use crate::jobs::StepError;
use crate::jobs::gate::Tally;
use crate::media::Media;
use crate::media::signed::{InvalidKey, MediaSigner};
use crate::provider::Provider;
use crate::provider::fal::Fal;
use crate::queue::Queues;
use crate::secrets::{SecretError, SecretName, Secrets};
use secrecy::{ExposeSecret, SecretString};

/// What was made of a secret, and of which.
type Made<T> = Arc<Mutex<Option<(SecretString, Arc<T>)>>>;

/// What `made` holds if it was made of `secret`, or else what `make` makes of it.
async fn made_of<T: ?Sized, E>(
    made: &Made<T>,
    secret: SecretString,
    make: impl FnOnce(&SecretString) -> Result<Arc<T>, E>,
) -> Result<Arc<T>, E> {
    let mut made = made.lock().await;
    if let Some((of, thing)) = made.as_ref()
        && of.expose_secret() == secret.expose_secret()
    {
        return Ok(thing.clone());
    }
    let thing = make(&secret)?;
    *made = Some((secret, thing.clone()));
    Ok(thing)
}

/// Everything a function stands on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Platform {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Clock,
    /// Records.
    pub db: Db,
    /// Stored media and uploads.
    pub media: Media,
    /// Messages to other functions.
    pub queues: Queues,
    /// Secrets.
    pub secrets: Secrets,
    /// For everything outside AWS: no redirects, explicit time-outs at each call.
    pub http: reqwest::Client,
    /// What this process has seen of the provider.
    pub(crate) tally: Arc<Tally>,
    /// Built when first needed, as most functions never ask the provider, and again when its secret has changed.
    provider: Made<dyn Provider>,
    /// For tests: instead of one with our key.
    other_provider: Option<Arc<dyn Provider>>,
    signer: Made<MediaSigner>,
}

/// Media can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key can't be had.
    #[error("the signing key can't be read")]
    Secret(#[from] SecretError),
    /// It is no EC P-256 key.
    #[error("the signing key is unusable")]
    Key(#[from] InvalidKey),
}

impl Platform {
    /// Checks `env` and builds the clients. Nothing is connected, created or read here: a cold start pays for what it uses.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn connect(env: &Env) -> Result<Self, ConfigError> {
        Self::connect_at(env, Clock::system())
    }

    /// As [`Platform::connect`], with another source of time.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn connect_at(env: &Env, clock: Clock) -> Result<Self, ConfigError> {
        let config = Arc::new(Config::from_env(env)?);
        let http = http_client()?;
        let sdk = sdk_config(env)?;
        Ok(Self {
            db: Db::new(&sdk, env, &config.table, Duration::from_millis(config.table_timeout_ms.into())),
            media: Media::new(&sdk, env, &config),
            queues: Queues::new(&sdk, env, &config),
            secrets: Secrets::new(&config, env.get("AWS_SESSION_TOKEN"), http.clone()),
            http,
            tally: Arc::default(),
            provider: Arc::default(),
            other_provider: None,
            signer: Arc::default(),
            clock,
            config,
        })
    }

    /// The provider's client, with its key.
    ///
    /// # Errors
    /// When the key can't be read.
    pub async fn provider(&self) -> Result<Arc<dyn Provider>, StepError> {
        if let Some(other) = &self.other_provider {
            return Ok(other.clone());
        }
        let key = self.secrets.get(SecretName::FalKey).await?;
        let make = |key: &SecretString| {
            let fal = Fal::new(self.http.clone(), self.config.fal_queue.clone(), &self.config.fal_media_origins, key.clone())?;
            Ok::<_, StepError>(Arc::new(fal) as Arc<dyn Provider>)
        };
        made_of(&self.provider, key, make).await
    }

    /// What signs media cookies and addresses.
    ///
    /// # Errors
    /// When the key can't be read or is no key.
    pub async fn signer(&self) -> Result<Arc<MediaSigner>, SignerError> {
        let pem = self.secrets.get(SecretName::MediaSigningKey).await?;
        let make = |pem: &SecretString| Ok(Arc::new(MediaSigner::of(pem.expose_secret(), &self.config.media_keys, &self.config.origin)?));
        made_of(&self.signer, pem, make).await
    }

    /// The platform with another provider: for tests, and for whoever adds one.
    #[must_use]
    pub fn with_provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.other_provider = Some(provider);
        self
    }
}

/// The table `name` alone, as the variables of `env` reach it: for an operator's command, which has no other configuration.
///
/// # Errors
/// [`ConfigError`] when region or credentials are missing.
pub fn table(env: &Env, name: &str) -> Result<Db, ConfigError> {
    Ok(Db::new(&sdk_config(env)?, env, name, Duration::from_secs(3)))
}

/// Credentials come from the sandbox's variables and live as long as it does: no provider chain, no metadata service.
fn sdk_config(env: &Env) -> Result<SdkConfig, ConfigError> {
    let missing: Vec<String> = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .into_iter()
        .filter(|name| env.get(name).is_none())
        .map(|name| format!("{name} is not set"))
        .collect();
    if !missing.is_empty() {
        return Err(ConfigError(missing));
    }
    let text = |name: &str| env.get(name).unwrap_or_default().to_owned();
    let credentials = Credentials::new(
        text("AWS_ACCESS_KEY_ID"),
        text("AWS_SECRET_ACCESS_KEY"),
        env.get("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    );
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    Ok(SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(Region::new(text("AWS_REGION")))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .sleep_impl(aws_smithy_async_sleep())
        .timeout_config(
            // Each attempt and the whole operation end well inside the time of a request (8 s), which has other things to do too. The
            // table and the buckets have patience of their own.
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_millis(1_500))
                .operation_timeout(Duration::from_millis(3_500))
                .build(),
        )
        .build())
}

fn aws_smithy_async_sleep() -> aws_sdk_dynamodb::config::SharedAsyncSleep {
    #[derive(Debug)]
    struct Sleep;
    impl aws_sdk_dynamodb::config::AsyncSleep for Sleep {
        fn sleep(&self, duration: Duration) -> aws_sdk_dynamodb::config::Sleep {
            aws_sdk_dynamodb::config::Sleep::new(tokio::time::sleep(duration))
        }
    }
    aws_sdk_dynamodb::config::SharedAsyncSleep::new(Sleep)
}

/// The client for the provider and the sign-in issuer: pinned public roots, no redirects, no proxy from the environment.
///
/// # Errors
/// When no TLS client can be built, which would be a mistake of the build.
pub fn http_client() -> Result<reqwest::Client, ConfigError> {
    let tls = crate::tls::client_config().map_err(|e| ConfigError(vec![format!("TLS: {e}")]))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .build()
        .map_err(|e| ConfigError(vec![format!("HTTP client: {e}")]))
}

/// What ends a function: the runtime logs it and Lambda starts a new sandbox.
pub type Error = lambda_runtime::Error;

/// The variables and the platform of this process, with logging set up: the first line of every `main`.
///
/// # Errors
/// [`ConfigError`] with every problem found.
pub fn start() -> Result<Platform, ConfigError> {
    let env = Env::process();
    crate::telemetry::init(&env);
    Platform::connect(&env)
}

/// Answers API Gateway events with `router` until the sandbox ends.
///
/// # Errors
/// Only when Lambda's runtime interface is lost.
#[cfg(feature = "http")]
pub async fn serve_http(router: axum::Router) -> Result<(), Error> {
    lambda_http::run(router).await
}

/// Answers events of type `E` with `handle` until the sandbox ends.
///
/// # Errors
/// Only when Lambda's runtime interface is lost.
pub async fn serve_events<E, A, F, Fut>(handle: F) -> Result<(), Error>
where
    E: serde::de::DeserializeOwned + Send + 'static,
    A: serde::Serialize + Send + 'static,
    F: Fn(E) -> Fut + Clone + Send + Sync + 'static,
    Fut: std::future::Future<Output = A> + Send,
{
    let handle = lambda_runtime::service_fn(move |event: lambda_runtime::LambdaEvent<E>| {
        let handle = handle.clone();
        // Boxed: the future of a whole function is too deep for the compiler to lay out inline.
        async move { Ok::<A, Error>(Box::pin(handle(event.payload)).await) }
    });
    lambda_runtime::run(handle).await
}
