//! The running edition: everything started in order, and stopped in the opposite one.

#[cfg(test)]
mod tests;
mod wiring;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use local_standins::provider::{OpenError, Provider, Settings};
use secrecy::{ExposeSecret as _, SecretString};
use shared::clock::Clock;
use shared::config::{ConfigError, Env};
use shared::id::random_base62;
use shared::runtime::Platform;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::data_folder::{DataFolder, DataFolderError, Endpoints, LocalSecrets, ProvidedSecrets};
use crate::edge::{Edge, Listeners, OriginError, PublicOrigin, SiteError, StaticSite};
use crate::functions::{self, Connect, Disagreement};
use crate::services::{ServiceError, Services};
use crate::stop::until;
use crate::template::{Template, TemplateError};
use wiring::{as_map, environments, gateway, issuer, media, parameters, pollers, provider, tickers};

/// The template that is deployed, as it was when this program was built.
pub const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));
/// How long the end may take in all; what isn't done by then is cut off, and safe.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// The issuer that people sign in with.
pub const GOOGLE: &str = "https://accounts.google.com";

/// A client registered with a real issuer.
#[derive(Clone, Debug)]
pub struct SignInClient {
    /// With which one.
    pub issuer: String,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder; made when it is missing.
    pub data: PathBuf,
    /// Port on loopback; 0 takes a free one.
    pub port: u16,
    /// Where users find the site; `http://localhost` and the port when absent.
    pub origin: Option<PublicOrigin>,
    /// The built web app; nothing but the API is served when absent.
    pub site: Option<PathBuf>,
    /// The provider's key; a stand-in draws when absent.
    pub fal_key: Option<SecretString>,
    /// The sign-in client; a stand-in asks for an address when absent.
    pub sign_in: Option<SignInClient>,
    /// Variables that replace those of the template, for every function: limits, deadlines, allowed domains.
    pub variables: BTreeMap<String, String>,
    /// The times and limits of the provider stand-in.
    pub provider: Settings,
    /// The product's time; a test may hold it still. The services keep the system's, by which the SDK signs.
    pub clock: Clock,
}

impl Options {
    /// Everything on a free port, with stand-ins and without a site: what tests start from.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            origin: None,
            site: None,
            fal_key: None,
            sign_in: None,
            variables: BTreeMap::new(),
            provider: Settings::default(),
            clock: Clock::system(),
        }
    }
}

/// Why the edition can't start. Nothing is left running then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error("port {0} is in use; choose another one with --port, or stop what listens there")]
    PortInUse(u16),
    /// The port can't be had for another reason.
    #[error("port {port} on loopback can't be used")]
    Port {
        /// Which one.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The public origin, or what it forbids.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The data folder.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Template and code.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The services.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The variables of the functions.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The built web app.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The provider stand-in.
    #[error("the provider stand-in can't use its folder: {0}")]
    Provider(#[from] OpenError),
    /// The media key can't be written as text.
    #[error("the media key in the data folder can't be used: {0}")]
    MediaKey(String),
}

/// A running edition. Dropping it leaves the tasks to the runtime; [`Edition::shutdown`] ends them in order.
#[derive(Debug)]
pub struct Edition {
    origin: PublicOrigin,
    environments: BTreeMap<String, Env>,
    folder: DataFolder,
    services: Services,
    provider: Option<StandIn>,
    /// What the edge shows the functions. Of this start, like the credentials.
    edge_secret: String,
    stop_front: watch::Sender<bool>,
    stop_services: watch::Sender<bool>,
    front: JoinSet<()>,
    back: JoinSet<()>,
}

/// So that the edition can be shown: the stand-in can't.
#[derive(Clone)]
struct StandIn(Provider);

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandIn")
    }
}

impl Edition {
    /// Starts everything and returns when it answers. `connect` builds the functions.
    ///
    /// # Errors
    /// [`StartError`], naming what is in the way.
    pub async fn start(options: Options, connect: Connect) -> Result<Self, StartError> {
        let template = Template::parse(TEMPLATE)?;
        // The cheapest question first: nothing is made for an edition that can't be reached.
        let listeners = Listeners::bind(options.port).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse(options.port),
            _ => StartError::Port { port: options.port, source },
        })?;
        let port = listeners.port().map_err(|source| StartError::Port { port: options.port, source })?;
        let origin = options.origin.clone().unwrap_or_else(|| PublicOrigin::local(port));
        refuse_stand_ins(&origin, &options)?;
        let folder = DataFolder::open(&options.data)?;
        let site = match options.site.clone() {
            Some(path) => Some(load_site(path).await?),
            None => None,
        };
        let (mut edition, secrets) = Self::start_services(&template, &options, origin, folder).await?;
        match edition.open(&template, &options, &secrets, site, connect, listeners) {
            Ok(()) => Ok(edition),
            Err(error) => {
                edition.shutdown().await;
                Err(error)
            }
        }
    }

    /// Table, buckets and queues with nothing in front: what an operator's command needs while no edition runs.
    ///
    /// # Errors
    /// [`StartError`]; [`DataFolderError::Locked`] when an edition does run.
    pub(crate) async fn start_for_operator(options: &Options) -> Result<Self, StartError> {
        let template = Template::parse(TEMPLATE)?;
        let folder = DataFolder::open_existing(&options.data)?;
        let origin = match (&options.origin, folder.last_origin()?) {
            (Some(origin), _) => origin.clone(),
            (None, Some(last)) => PublicOrigin::parse(&last)?,
            (None, None) => PublicOrigin::local(options.port),
        };
        Ok(Self::start_services(&template, options, origin, folder).await?.0)
    }

    async fn start_services(
        template: &Template,
        options: &Options,
        origin: PublicOrigin,
        folder: DataFolder,
    ) -> Result<(Self, LocalSecrets), StartError> {
        let secrets = folder.secrets(&provided(options))?;
        let parameters = parameters(&origin, options, &secrets)?;
        let (stop_services, stopping) = watch::channel(false);
        let mut back = JoinSet::new();
        let mut services = Services::start(&folder, template, &mut back, &stopping).await?;
        services.values.parameters = parameters;
        let edge_secret = random_base62(43);
        let built = environments(template, &services, &folder, &origin, &edge_secret, options);
        let (stop_front, front) = (watch::channel(false).0, JoinSet::new());
        let mut edition = Self {
            origin,
            environments: BTreeMap::new(),
            folder,
            services,
            provider: None,
            edge_secret,
            stop_front,
            stop_services,
            front,
            back,
        };
        match built {
            Ok(environments) => edition.environments = environments,
            Err(error) => {
                // The services end before the folder is free for another try.
                edition.shutdown().await;
                return Err(error.into());
            }
        }
        Ok((edition, secrets))
    }

    /// Everything in front of the services.
    fn open(
        &mut self,
        template: &Template,
        options: &Options,
        secrets: &LocalSecrets,
        site: Option<StaticSite>,
        connect: Connect,
        listeners: Listeners,
    ) -> Result<(), StartError> {
        let functions = connect(&self.environments, &options.clock)?;
        functions::check(template, &functions)?;
        if options.fal_key.is_none() {
            let provider = provider(&self.origin, secrets, &self.folder, options.provider.clone())?;
            self.provider = Some(StandIn(provider.clone()));
            let stop = until(&self.stop_services.subscribe());
            self.back.spawn(async move { provider.run(stop).await });
        }
        let environment = self.any_environment().cloned().unwrap_or_default();
        // As the functions read them, so that the edge knows a key that was exchanged as soon as they do.
        let keys = Platform::connect_at(&environment, options.clock.clone())?.secrets;
        let edge = Edge {
            behaviours: Edge::behaviours(template.behaviours(&self.services.values)?),
            gateway: gateway(template, &functions, &options.clock),
            media: media(&self.services, keys, &self.origin, &options.clock),
            site,
            issuer: options.sign_in.is_none().then(|| issuer(&self.origin, secrets, &self.folder, &options.clock)),
            provider: self.provider.as_ref().map(|stand_in| stand_in.0.router()),
            origin: self.origin.clone(),
            secret: HeaderValue::try_from(&self.edge_secret).unwrap_or(HeaderValue::from_static("")),
            clock: options.clock.clone(),
        };
        let operators = self.any_environment().map(as_map).unwrap_or_default();
        self.folder.publish(&Endpoints { origin: self.origin.as_str().to_owned(), environment: operators })?;
        let stop = self.stop_front.subscribe();
        for poller in pollers(template, &functions, &self.services) {
            self.front.spawn(poller.run(stop.clone()));
        }
        for ticker in tickers(template, &functions, &options.clock) {
            self.front.spawn(ticker.run(stop.clone()));
        }
        self.front.spawn(listeners.serve(Arc::new(edge), stop));
        Ok(())
    }

    /// The site's address, without a slash at the end.
    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// The variables that the function `name` was built from: how a test reaches table, buckets and queues.
    pub fn environment(&self, name: &str) -> Option<&Env> {
        self.environments.get(name)
    }

    /// The provider stand-in, for changing its times.
    pub fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref().map(|stand_in| &stand_in.0)
    }

    /// The variables of one of the functions: what an operator's command works with.
    pub(crate) fn any_environment(&self) -> Option<&Env> {
        self.environments.values().next()
    }

    /// The queues, for looking into them.
    pub fn queues(&self) -> &local_sqs::Queues {
        &self.services.queues
    }

    /// Lets what runs end, for at most 20 seconds: first what takes requests, messages and ticks, then what they stand on.
    pub async fn shutdown(mut self) {
        let orderly = async {
            self.stop_front.send_replace(true);
            while self.front.join_next().await.is_some() {}
            self.folder.withdraw();
            self.stop_services.send_replace(true);
            while self.back.join_next().await.is_some() {}
        };
        if tokio::time::timeout(SHUTDOWN, orderly).await.is_err() {
            tracing::warn!("the shutdown took too long and was cut short; nothing that was answered is lost");
        }
    }
}

fn refuse_stand_ins(origin: &PublicOrigin, options: &Options) -> Result<(), OriginError> {
    if origin.is_local() {
        return Ok(());
    }
    let refuse = |stand_in, remedy| Err(OriginError::StandIn { stand_in, origin: origin.as_str().to_owned(), remedy });
    match &options.sign_in {
        None => return refuse("the sign-in stand-in, where anyone can be anyone,", "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET"),
        Some(client) if !client.issuer.starts_with("https://") => {
            return refuse("an issuer without https", "OIDC_ISSUER to an https address");
        }
        Some(_) => {}
    }
    if options.fal_key.is_none() {
        return refuse("the provider stand-in, which only draws samples,", "FAL_KEY");
    }
    Ok(())
}

fn provided(options: &Options) -> ProvidedSecrets {
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    ProvidedSecrets {
        fal_key: options.fal_key.as_ref().map(text),
        oidc_client_secret: options.sign_in.as_ref().map(|client| text(&client.secret)),
    }
}

async fn load_site(path: PathBuf) -> Result<StaticSite, SiteError> {
    let failed = SiteError::NoIndex(path.clone());
    tokio::task::spawn_blocking(move || StaticSite::load(&path)).await.unwrap_or(Err(failed))
}
