//! Plays the distribution: one origin for the site, the API, the links and the media.
//!
//! Which path goes where, and which security headers its answers carry, is read from the template's distribution. Three things
//! have no counterpart there: `/uploads/*` and `/downloads/*`, which on AWS are the buckets' own addresses and here pass untouched
//! to the embedded store, so that a presigned address keeps its signature; and `/dev/issuer/*` and `/dev/fal/*`, the
//! stand-ins for sign-in and for the provider.
//!
//! Invariant: every answer carries the security headers, the ones that report an error too, and answers of the edge's own are
//! problem documents with a request id.
//!
//! Deliberately absent: caching and compression. There is one machine, and nothing to keep away from it.

mod listener;
mod media;
mod origin;
mod site;

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use shared::clock::Clock;
use shared::http::arrival;
use tower::ServiceExt as _;

use crate::gateway::Gateway;
use crate::problem::{problem, request_id};
use crate::template::{Behaviour, HeaderRule, Origin};
pub(crate) use listener::Listeners;
pub use media::MediaAccess;
use origin::Judgement;
pub use origin::{OriginError, PublicOrigin};
pub use site::{SiteError, StaticSite};

/// Where the stand-in for sign-in is mounted.
pub const ISSUER_PATH: &str = "/dev/issuer";
/// Where the provider stand-in is. Below the public origin, so that the addresses it gave out are good after a restart.
pub const PROVIDER_PATH: &str = "/dev/fal";
/// Local name of the uploads bucket, and so the first part of its addresses.
pub const UPLOADS_BUCKET: &str = "uploads";
/// Local name of the media bucket. Not `media`: its presigned addresses would be those of the signed delivery.
pub const MEDIA_BUCKET: &str = "downloads";
/// What the uploads bucket's host is called where the template needs one. Uploads are same-origin here, so it is taken out of the
/// content security policy again.
pub(crate) const UPLOADS_HOST: &str = "uploads.invalid";

/// Everything that answers.
#[derive(Debug)]
pub struct Edge {
    /// The address of the site.
    pub origin: PublicOrigin,
    /// From the template's distribution.
    pub behaviours: Vec<Behaviour>,
    /// The HTTP API.
    pub gateway: Gateway,
    /// The media bucket behind its signatures, and both buckets behind their presigned addresses.
    pub media: MediaAccess,
    /// The built web app; `None` when it isn't served, as in most tests.
    pub site: Option<StaticSite>,
    /// By which the functions know what came through here.
    pub secret: HeaderValue,
    /// For the ids of requests.
    pub clock: Clock,
    /// The stand-in for sign-in, when no real issuer is configured.
    pub issuer: Option<Router>,
    /// The stand-in for the provider, when there is no key of a real one.
    pub provider: Option<Router>,
}

impl Edge {
    /// Checks and completes the behaviours of a template for [`Edge::behaviours`].
    pub fn behaviours(mut behaviours: Vec<Behaviour>) -> Vec<Behaviour> {
        for rule in behaviours.iter_mut().flat_map(|behaviour| behaviour.headers.iter_mut()) {
            if rule.name == header::CONTENT_SECURITY_POLICY
                && let Ok(policy) = rule.value.to_str()
                && let Ok(value) = HeaderValue::try_from(policy.replace(&format!(" https://{UPLOADS_HOST}"), ""))
            {
                rule.value = value;
            }
        }
        behaviours
    }

    /// Answers one request of a connection from `peer`.
    pub async fn answer(&self, request: Request<Body>, peer: IpAddr) -> Response<Body> {
        let (request_id, begun, method) = (request_id(&self.clock), Instant::now(), request.method().clone());
        let (route, response) = self.route(request, peer, &request_id).await;
        // Paths hold link keys and callback codes: only the kind of path is logged.
        tracing::info!(
            http.method = %method, http.route = route, http.status = response.status().as_u16(),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), request.id = request_id, "at the edge"
        );
        response
    }

    async fn route(&self, request: Request<Body>, peer: IpAddr, request_id: &str) -> (&'static str, Response<Body>) {
        let (parts, body) = request.into_parts();
        match self.origin.judge(&parts) {
            Judgement::Answer => {}
            Judgement::Redirect(target) => return ("other-host", self.dressed(redirect(&target, request_id), "/api/")),
            Judgement::Refuse => {
                let status = StatusCode::MISDIRECTED_REQUEST;
                let answer = problem(status, "misdirected", "This host is not served here", request_id);
                return ("other-host", self.dressed(answer, "/api/"));
            }
        }
        let path = parts.uri.path().to_owned();
        let request = Request::from_parts(parts, body);
        if [UPLOADS_BUCKET, MEDIA_BUCKET].iter().any(|bucket| below(&path, bucket)) {
            return ("bucket", self.dressed_as_media(self.media.presigned(request, request_id).await));
        }
        for (name, prefix, stand_in) in [("issuer", ISSUER_PATH, &self.issuer), ("provider", PROVIDER_PATH, &self.provider)] {
            if let Some(stand_in) = stand_in
                && let Some(rest) = path.strip_prefix(prefix)
                && rest.starts_with('/')
            {
                return (name, answer_of_stand_in(stand_in, request, rest, request_id).await);
            }
        }
        let Some(behaviour) = Behaviour::choose(&self.behaviours, &path) else {
            return ("none", problem(StatusCode::NOT_FOUND, "not-found", "There is nothing here", request_id));
        };
        let (route, mut response) = match behaviour.origin {
            Origin::Api => ("api", {
                let client = self.client(peer, &request);
                let mut request = request;
                // Over whatever the viewer has sent under these names.
                request.headers_mut().insert(arrival::SECRET, self.secret.clone());
                if let Ok(client) = HeaderValue::try_from(client.to_string()) {
                    request.headers_mut().insert(arrival::VIEWER, client);
                }
                self.gateway.call(request, client, request_id).await
            }),
            Origin::Media => ("media", self.media.signed(request, request_id).await),
            Origin::Site => ("site", self.site(&request, request_id)),
        };
        apply(&behaviour.headers, response.headers_mut());
        (route, response)
    }

    fn site(&self, request: &Request<Body>, request_id: &str) -> Response<Body> {
        let missing = || problem(StatusCode::NOT_FOUND, "not-found", "There is nothing here", request_id);
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return method_not_allowed("GET, HEAD", request_id);
        }
        let found = self.site.as_ref().and_then(|site| site.answer(request.method(), request.uri().path(), request.headers()));
        found.unwrap_or_else(missing)
    }

    /// The address of who asks. Behind a proxy, which is on this machine too, it is what the proxy says last.
    fn client(&self, peer: IpAddr, request: &Request<Body>) -> IpAddr {
        if self.origin.is_local() {
            return peer;
        }
        let last = request.headers().get_all("x-forwarded-for").iter().next_back();
        last.and_then(|line| line.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
    }

    /// `response` with the headers that answers to `path` carry.
    fn dressed(&self, mut response: Response<Body>, path: &str) -> Response<Body> {
        if let Some(behaviour) = Behaviour::choose(&self.behaviours, path) {
            apply(&behaviour.headers, response.headers_mut());
        }
        response
    }

    /// As media, but for the caching, of which a presigned address' own answer knows more.
    fn dressed_as_media(&self, mut response: Response<Body>) -> Response<Body> {
        let media = self.behaviours.iter().find(|behaviour| behaviour.origin == Origin::Media);
        for rule in media.into_iter().flat_map(|behaviour| &behaviour.headers).filter(|rule| rule.name != header::CACHE_CONTROL) {
            response.headers_mut().insert(&rule.name, rule.value.clone());
        }
        response
    }
}

/// A stand-in is another site in all but address, and keeps its own headers.
async fn answer_of_stand_in(stand_in: &Router, request: Request<Body>, rest: &str, request_id: &str) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let target = match parts.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let Ok(target) = PathAndQuery::try_from(target) else {
        return problem(StatusCode::BAD_REQUEST, "validation", "The address is malformed", request_id);
    };
    parts.uri = Uri::from(target);
    let answer = stand_in.clone().oneshot(Request::from_parts(parts, body)).await;
    let mut response = answer.unwrap_or_else(|never| match never {});
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Applies a response headers policy. An error says whether and how it may be kept, whatever the policy says of media.
fn apply(rules: &[HeaderRule], headers: &mut HeaderMap) {
    let no_store = headers.get(header::CACHE_CONTROL).is_some_and(|value| value == "no-store");
    for rule in rules {
        let keeps = (rule.name == header::CACHE_CONTROL && no_store) || (!rule.overrides && headers.contains_key(&rule.name));
        if !keeps {
            headers.insert(&rule.name, rule.value.clone());
        }
    }
}

fn below(path: &str, bucket: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(bucket)).is_some_and(|rest| rest.starts_with('/'))
}

fn redirect(target: &str, request_id: &str) -> Response<Body> {
    let mut response = problem(StatusCode::TEMPORARY_REDIRECT, "other-host", "The site has another address", request_id);
    if let Ok(target) = HeaderValue::try_from(target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

pub(super) fn method_not_allowed(allowed: &'static str, request_id: &str) -> Response<Body> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = problem(status, "method-not-allowed", "This address can't be asked for that", request_id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
