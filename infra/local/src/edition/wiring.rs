//! Who is given what: the template, the services and the functions put together.

use std::collections::BTreeMap;

use local_standins::issuer::IssuerConfig;
use local_standins::provider::{OpenError, Provider, ProviderConfig, Settings};
use shared::clock::Clock;
use shared::config::Env;
use shared::secrets::Secrets;

use super::{Options, StartError};
use crate::data_folder::{DataFolder, LocalSecrets};
use crate::edge::{ISSUER_PATH, MediaAccess, PROVIDER_PATH, PublicOrigin};
use crate::functions::Functions;
use crate::gateway::{Gateway, HttpFunction};
use crate::pollers::Poller;
use crate::schedule::Ticker;
use crate::services::{KEY_PAIR_ID, REGION, Services};
use crate::template::{Mapping, Schedule, Template, TemplateError};

/// The stand-in's one client.
const STAND_IN_CLIENT: &str = "local";
/// Our account at the provider stand-in.
const STAND_IN_USER: &str = "local-account";

/// The template's parameters. What isn't named here keeps its default.
pub(super) fn parameters(origin: &PublicOrigin, options: &Options, secrets: &LocalSecrets) -> Result<BTreeMap<String, String>, StartError> {
    let public_key = secrets.media_public_key_pem().map_err(|error| StartError::MediaKey(error.to_string()))?;
    let mut parameters =
        BTreeMap::from([("PublicOrigin".to_owned(), origin.as_str().to_owned()), ("MediaPublicKey".to_owned(), public_key)]);
    match &options.google {
        Some(google) => {
            parameters.insert("OidcClientId".to_owned(), google.id.clone());
        }
        None => {
            parameters.insert("OidcClientId".to_owned(), STAND_IN_CLIENT.to_owned());
            parameters.insert("OidcIssuer".to_owned(), issuer_url(origin));
        }
    }
    Ok(parameters)
}

/// The variables of every function: the template's, then what differs in this home.
pub(super) fn environments(
    template: &Template,
    services: &Services,
    folder: &DataFolder,
    origin: &PublicOrigin,
    options: &Options,
) -> Result<BTreeMap<String, Env>, TemplateError> {
    let mut home = vec![
        ("HOME_KIND", "local".to_owned()),
        ("SECRETS", format!("file:{}", folder.secrets_file().display())),
        ("S3_PUBLIC_ENDPOINT", origin.as_str().to_owned()),
        // One disk does everything here, and may be busy; a request has 8 s.
        ("TABLE_TIMEOUT_MS", "2500".to_owned()),
    ];
    if options.fal_key.is_none() {
        home.push(("FAL_QUEUE_URL", provider_url(origin)));
        home.push(("FAL_MEDIA_ORIGINS", origin.as_str().to_owned()));
        home.push(("FAL_JWKS_URL", format!("{}/.well-known/jwks.json", provider_url(origin))));
        home.push(("FAL_ACCOUNT_ID", STAND_IN_USER.to_owned()));
    }
    let home: Vec<(String, String)> = home.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let build = |name: &String| {
        let mut variables = template.environment(name, &services.values)?;
        variables.extend(home.iter().cloned());
        variables.extend(services.sdk.clone());
        variables.extend(options.variables.clone());
        Ok((name.clone(), variables.into_iter().collect()))
    };
    template.functions.keys().map(build).collect()
}

pub(super) fn as_map(env: &Env) -> BTreeMap<String, String> {
    env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn gateway(template: &Template, functions: &Functions, clock: &Clock) -> Gateway {
    let http = functions.iter().filter_map(|(name, code)| {
        let function = HttpFunction { router: code.http.clone()?, timeout: template.functions.get(name)?.timeout };
        Some((name.clone(), function))
    });
    Gateway::new(template.routes.clone(), http.collect(), clock.clone())
}

pub(super) fn pollers(template: &Template, functions: &Functions, services: &Services) -> Vec<Poller> {
    let poller = |mapping: &Mapping| {
        let queue = template.queues.iter().find(|queue| queue.logical_id == mapping.queue)?;
        Some(Poller {
            queues: services.queues.clone(),
            queue: queue.name.clone(),
            function: mapping.function.clone(),
            handler: functions.get(&mapping.function)?.queue.clone()?,
            timeout: template.functions.get(&mapping.function)?.timeout,
            batch_size: mapping.batch_size,
            maximum_concurrency: mapping.maximum_concurrency,
        })
    };
    template.mappings.iter().filter_map(poller).collect()
}

pub(super) fn tickers(template: &Template, functions: &Functions, clock: &Clock) -> Vec<Ticker> {
    let ticker = |schedule: &Schedule| {
        Some(Ticker {
            rule: schedule.name.clone(),
            every: schedule.every,
            timeout: template.functions.get(&schedule.function)?.timeout,
            handler: functions.get(&schedule.function)?.schedule.clone()?,
            clock: clock.clone(),
        })
    };
    template.schedules.iter().filter_map(ticker).collect()
}

/// The edge's own way to the buckets. Its requests never leave the process, so the endpoint only has to be an address.
pub(super) fn media(services: &Services, secrets: Secrets, origin: &PublicOrigin, clock: &Clock) -> MediaAccess {
    let variable = |name: &str| services.sdk.get(name).cloned().unwrap_or_default();
    let credentials =
        aws_sdk_s3::config::Credentials::new(variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), None, None, "this start");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_s3::config::Region::new(REGION))
        .credentials_provider(credentials)
        .endpoint_url(variable("AWS_ENDPOINT_URL_S3"))
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    MediaAccess::new(services.s3.clone(), client, secrets, KEY_PAIR_ID.to_owned(), origin.as_str().to_owned(), clock.clone())
}

pub(super) fn issuer_url(origin: &PublicOrigin) -> String {
    format!("{}{ISSUER_PATH}", origin.as_str())
}

pub(super) fn provider_url(origin: &PublicOrigin) -> String {
    format!("{}{PROVIDER_PATH}", origin.as_str())
}

pub(super) fn provider(
    origin: &PublicOrigin,
    secrets: &LocalSecrets,
    folder: &DataFolder,
    settings: Settings,
) -> Result<Provider, OpenError> {
    Provider::open(ProviderConfig {
        dir: folder.provider(),
        base_url: provider_url(origin),
        key: secrets.fal_key.clone(),
        user_id: STAND_IN_USER.to_owned(),
        settings,
        clock: local_standins::Clock::system(),
    })
}

pub(super) fn issuer(origin: &PublicOrigin, secrets: &LocalSecrets, folder: &DataFolder, clock: &Clock) -> axum::Router {
    // Its tokens are judged by the product's time.
    let clock = clock.clone();
    local_standins::issuer::router(IssuerConfig {
        issuer_url: issuer_url(origin),
        client_id: STAND_IN_CLIENT.to_owned(),
        client_secret: secrets.oidc_client_secret.clone(),
        redirect_uris: vec![format!("{}/auth/callback", origin.as_str())],
        key_dir: folder.root().to_owned(),
        clock: local_standins::Clock::from_fn(move || clock.now()),
    })
}
