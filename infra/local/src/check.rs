//! What is configured, and whether it works: each outside service is asked one harmless question.

use std::fmt;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::Value;
use shared::domain::generation::ProviderRequest;
use shared::provider::fal::{Fal, request_at};
use shared::provider::{AskError, Provider as _};
use url::Url;

use crate::data_folder::{DataFolder, DataFolderError};
use crate::edge::PublicOrigin;
use crate::edition::{Options, SignInClient};

/// Of each question.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the real services are.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The sign-in issuer.
    pub issuer: String,
    /// The provider's queue.
    pub queue: Url,
    /// The provider's public keys.
    pub keys: Url,
}

impl Outside {
    /// Google and fal.ai.
    ///
    /// # Errors
    /// When an address can't be read, which would be a mistake of the build.
    pub fn real() -> Result<Self, url::ParseError> {
        Ok(Self {
            issuer: "https://accounts.google.com".to_owned(),
            queue: Url::parse("https://queue.fal.run")?,
            keys: Url::parse("https://rest.fal.ai/.well-known/jwks.json")?,
        })
    }
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Configured, and it works.
    Works,
    /// Not configured: a stand-in or a default takes its place.
    Absent,
    /// It must be mended.
    Fails,
}

/// One line of the answer.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it stands.
    pub mark: Mark,
    /// For people: what is there, and what to do about it.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Works => "ok",
            Mark::Absent => "-",
            Mark::Fails => "FAILS",
        };
        write!(f, "{mark:<6} {:<12} {}", self.subject, self.text)
    }
}

fn finding(subject: &'static str, mark: Mark, text: impl Into<String>) -> Finding {
    Finding { subject, mark, text: text.into() }
}

/// Looks at everything that `options` name. Nothing is changed, nothing is bought.
pub async fn check(options: &Options, outside: &Outside) -> Vec<Finding> {
    let http = match shared::runtime::http_client() {
        Ok(http) => http,
        Err(error) => return vec![finding("network", Mark::Fails, error.to_string())],
    };
    let own = format!("http://localhost:{}", options.port);
    let local = options.origin.as_ref().is_none_or(PublicOrigin::is_local);
    let origin = options.origin.as_ref().map_or(own.as_str(), PublicOrigin::as_str);
    vec![
        data_folder(options),
        address(&http, origin, local).await,
        sign_in(&http, options.sign_in.as_ref(), outside, local).await,
        provider(&http, options, outside, local).await,
        callbacks(&http, options, outside, local).await,
    ]
}

fn data_folder(options: &Options) -> Finding {
    let path = options.data.display();
    match DataFolder::open_existing(&options.data) {
        Ok(_) => finding("data", Mark::Works, format!("{path} can be used; no edition runs on it")),
        Err(DataFolderError::Locked(_)) => finding("data", Mark::Works, format!("{path} is in use by a running edition")),
        Err(DataFolderError::Absent(_)) => finding("data", Mark::Absent, format!("{path} isn't there yet; the first start makes it")),
        Err(error) => finding("data", Mark::Fails, format!("{error:#}")),
    }
}

/// Whether users find us where they are told to look.
async fn address(http: &reqwest::Client, origin: &str, local: bool) -> Finding {
    let health = async {
        let answer = http.get(format!("{origin}/api/v1/health")).timeout(TIMEOUT).send().await.ok()?;
        let body: Value = answer.json().await.ok()?;
        (body["status"] == "ok").then(|| body["version"].as_str().unwrap_or_default().to_owned())
    };
    match health.await {
        Some(version) => finding("address", Mark::Works, format!("{origin} answers, version {version}")),
        None if local => finding("address", Mark::Absent, format!("{origin}; nothing answers there now")),
        None => finding("address", Mark::Fails, format!("{origin} doesn't lead here; is the edition running, and the proxy?")),
    }
}

async fn sign_in(http: &reqwest::Client, client: Option<&SignInClient>, outside: &Outside, local: bool) -> Finding {
    let Some(client) = client else {
        let text = "a stand-in asks which address to sign in as; for Google set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET";
        return finding("sign-in", if local { Mark::Absent } else { Mark::Fails }, text);
    };
    match client_is_known(http, client, &outside.issuer).await {
        Ok(()) => finding("sign-in", Mark::Works, format!("{} knows the client {}", outside.issuer, client.id)),
        Err(what) => finding("sign-in", Mark::Fails, what),
    }
}

/// Hands in a code that nobody gave out: an issuer looks at the client first, and says so.
async fn client_is_known(http: &reqwest::Client, client: &SignInClient, issuer: &str) -> Result<(), String> {
    let silent = |error: reqwest::Error| format!("{issuer} can't be reached: {}", error.without_url());
    let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let discovery: Value = http.get(discovery).timeout(TIMEOUT).send().await.map_err(silent)?.json().await.map_err(silent)?;
    let endpoint = discovery["token_endpoint"].as_str().ok_or_else(|| format!("{issuer} names no token endpoint"))?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", "none"),
        ("redirect_uri", "http://localhost/none"),
        ("client_id", &client.id),
        ("client_secret", client.secret.expose_secret()),
    ];
    let answer: Value = http.post(endpoint).form(&form).timeout(TIMEOUT).send().await.map_err(silent)?.json().await.map_err(silent)?;
    match answer["error"].as_str() {
        Some("invalid_grant" | "redirect_uri_mismatch" | "invalid_request") => Ok(()),
        Some("invalid_client" | "unauthorized_client") => Err(format!(
            "{issuer} refuses the client's id or secret (GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, or OIDC_...); copy both again from its console"
        )),
        other => Err(format!("{issuer} answered something unexpected: {}", other.unwrap_or("no error code"))),
    }
}

async fn provider(http: &reqwest::Client, options: &Options, outside: &Outside, local: bool) -> Finding {
    let Some(key) = &options.fal_key else {
        let text = "a stand-in draws samples; for fal.ai set FAL_KEY";
        return finding("provider", if local { Mark::Absent } else { Mark::Fails }, text);
    };
    let Some(nobodys) = nobodys_request(&outside.queue) else {
        return finding("provider", Mark::Fails, "the queue's address can't be used");
    };
    let status = match Fal::new(http.clone(), outside.queue.clone(), &[], key.clone()) {
        Ok(fal) => fal.status(&nobodys).await.map(drop),
        Err(error) => return finding("provider", Mark::Fails, error.to_string()),
    };
    match status {
        // Who is told that there is no such request has a good key. Whether there is money left, only a request would tell.
        Err(AskError::Unknown) | Ok(()) => finding("provider", Mark::Works, format!("{} takes the key", outside.queue)),
        Err(AskError::Refused(_)) => {
            finding("provider", Mark::Fails, "fal.ai refuses FAL_KEY, or the account is locked; see its dashboard")
        }
        Err(AskError::Unavailable(what)) => finding("provider", Mark::Fails, format!("{} gives no usable answer: {what}", outside.queue)),
    }
}

fn nobodys_request(queue: &Url) -> Option<ProviderRequest> {
    request_at(queue, "fal-ai/flux", &uuid::Builder::from_random_bytes(shared::id::random()).into_uuid().to_string())
}

async fn callbacks(http: &reqwest::Client, options: &Options, outside: &Outside, local: bool) -> Finding {
    if options.fal_key.is_none() {
        return finding("callbacks", Mark::Absent, "from the stand-in");
    }
    if local {
        return finding("callbacks", Mark::Absent, "off, as fal.ai can't reach this address; results are polled for");
    }
    if !options.variables.contains_key("FAL_ACCOUNT_ID") {
        return finding("callbacks", Mark::Absent, "off; results are polled for. Set FAL_ACCOUNT_ID to have them at once");
    }
    let keys = async {
        let answer = http.get(outside.keys.clone()).timeout(TIMEOUT).send().await.ok()?;
        let set: Value = answer.json().await.ok()?;
        set["keys"].as_array().map(Vec::len).filter(|keys| *keys > 0)
    };
    match keys.await {
        Some(keys) => finding("callbacks", Mark::Works, format!("on, checked with {keys} key(s) of {}", outside.keys)),
        None => {
            finding("callbacks", Mark::Fails, format!("{} gives no keys, so none can be believed; results are polled for", outside.keys))
        }
    }
}
