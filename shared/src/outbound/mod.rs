//! Connections to addresses that somebody else named: where results lie, and where we are to call when a request is over.
//!
//! The one guard for both. An address is checked as text when it comes in, and every name again at the moment of connecting: what the
//! resolver here returns is what is connected to, so a name that changes its address in between gains nothing. No redirects, no proxy,
//! no credentials.

mod origins;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

#[cfg(test)]
pub(crate) use origins::tests::HOSTILE;
pub use origins::{Origins, Refusal, is_public};

/// How long a name is looked up before it counts as unknown; a resolver answers in well under a second.
const LOOKUP: Duration = Duration::from_secs(2);

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until connected.
    pub connect: Duration,
    /// Between two reads.
    pub idle: Duration,
    /// Altogether.
    pub total: Duration,
}

impl Default for Patience {
    /// For a medium: a video of 500 MiB at 2 MiB/s takes 250 s.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60), total: Duration::from_secs(300) }
    }
}

/// Looks names up.
pub(crate) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// No TLS client can be built.
#[derive(Debug, thiserror::Error)]
#[error("no client can be built")]
pub struct ClientError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Decides where may be connected to, and connects nowhere else. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    origins: Arc<Origins>,
    lookup: Lookup,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl Guard {
    /// To `origins` only.
    pub fn new(origins: Origins) -> Self {
        let lookup: Lookup = Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }));
        Self::with_lookup(origins, lookup)
    }

    pub(crate) fn with_lookup(origins: Origins, lookup: Lookup) -> Self {
        Self { origins: Arc::new(origins), lookup }
    }

    /// The address in `text`, if it may be connected to as far as its text tells.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, text: &str) -> Result<Url, Refusal> {
        self.origins.check(text)
    }

    /// Looks up the name in `url`, which must lead to public addresses alone unless its origin was listed exactly. For people who
    /// should hear of it at once; it is looked at again when it is connected to.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] and [`Refusal::Private`].
    pub async fn find(&self, url: &Url) -> Result<(), Refusal> {
        let name = url.domain().unwrap_or_default();
        if self.origins.lists(url) {
            return Ok(());
        }
        match tokio::time::timeout(LOOKUP, (self.lookup)(name.to_owned())).await {
            Ok(Ok(found)) if found.is_empty() => Err(Refusal::Unknown),
            Ok(Ok(found)) if found.iter().all(|address| is_public(address.ip())) => Ok(()),
            Ok(Ok(_)) => Err(Refusal::Private),
            Ok(Err(_)) | Err(_) => Err(Refusal::Unknown),
        }
    }

    /// A client that connects to what the guard lets through; give it only addresses that were [checked](Self::check).
    ///
    /// # Errors
    /// When no TLS client can be built, which would be a mistake of the build.
    pub fn client(&self, patience: Patience) -> Result<reqwest::Client, ClientError> {
        let tls = crate::tls::client_config().map_err(|e| ClientError(Box::new(e)))?;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(patience.connect)
            .read_timeout(patience.idle)
            .timeout(patience.total)
            .dns_resolver(PublicOnly(self.clone()))
            .build()
            .map_err(|e| ClientError(Box::new(e)))
    }
}

/// Only public addresses of a name, unless its origin was listed exactly.
struct PublicOnly(Guard);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.0.origins.trusts(name.as_str());
        let found = (self.0.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let allowed: Vec<SocketAddr> = found.await?.into_iter().filter(|address| trusted || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok::<Addrs, _>(Box::new(allowed.into_iter()))
        })
    }
}

/// The innermost cause of `error`: it says what happened, and not where.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(found: &'static [&'static str]) -> Guard {
        let lookup: Lookup =
            Arc::new(move |_| Box::pin(async move { Ok(found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()) }));
        Guard::with_lookup(Origins::any_public(&["http://inside.example:8080".to_owned()]), lookup)
    }

    #[tokio::test]
    async fn a_name_has_public_addresses_alone() {
        let url = Url::parse("https://hooks.example.org/").unwrap();
        assert_eq!(guard(&["8.8.8.8", "2606:4700::1111"]).find(&url).await, Ok(()));
        assert_eq!(guard(&["8.8.8.8", "10.0.0.1"]).find(&url).await, Err(Refusal::Private));
        assert_eq!(guard(&["::1"]).find(&url).await, Err(Refusal::Private));
        assert_eq!(guard(&[]).find(&url).await, Err(Refusal::Unknown));
        assert_eq!(guard(&["10.0.0.1"]).find(&Url::parse("http://inside.example:8080/").unwrap()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_later_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let patience = Patience { connect: Duration::from_secs(2), idle: Duration::from_secs(2), total: Duration::from_secs(5) };
        // As after the check of its text: only the port leads to somebody who would see it.
        let url = format!("https://hooks.example.org:{}/", listener.local_addr().unwrap().port());
        let error = guard(&["127.0.0.1"]).client(patience).unwrap().post(url).send().await.unwrap_err();
        assert_eq!(describe(&error), "the name has no public address");
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err());
    }
}
