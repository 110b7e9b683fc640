//! The buckets as the browser reaches them: media behind signed cookies or addresses, and both buckets behind presigned ones.
//!
//! Media are read from the embedded store in-process, by a presigned request of our own: the store is asked in the same way by
//! everyone and has no back door.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use local_s3::S3Service;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use shared::clock::Clock;
use shared::media::signed::{Denied, MediaSigner};
use shared::secrets::{SecretName, Secrets};

use super::{MEDIA_BUCKET, method_not_allowed};
use crate::problem::problem;

/// A request to ourselves is answered at once.
const LIFETIME: Duration = Duration::from_secs(60);
/// What a client may say about what it has and wants.
const FORWARDED: [HeaderName; 6] =
    [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];
/// What a client is told about an object.
const ANSWERED: [HeaderName; 9] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// The way to the buckets.
#[derive(Clone)]
pub struct MediaAccess {
    service: S3Service,
    client: Client,
    secrets: Secrets,
    /// The CDN's name of the key, which all keys share here.
    key_pair: String,
    origin: String,
    clock: Clock,
}

impl std::fmt::Debug for MediaAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaAccess").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl MediaAccess {
    /// Objects of `service`, which `client` may presign requests to; `secrets` has the keys with which the installation at
    /// `origin` signs as `key_pair`: one, or two while it is exchanged.
    pub fn new(service: S3Service, client: Client, secrets: Secrets, key_pair: String, origin: String, clock: Clock) -> Self {
        Self { service, client, secrets, key_pair, origin, clock }
    }

    /// Answers a request whose own signature the store checks.
    pub(super) async fn presigned(&self, request: Request<Body>, request_id: &str) -> Response<Body> {
        if ![Method::GET, Method::HEAD, Method::PUT].contains(request.method()) {
            return method_not_allowed("GET, HEAD, PUT", request_id);
        }
        self.service.call(request).await.map(Body::new)
    }

    /// Answers a request for an object whose path is its key, if a signed cookie or address allows it.
    pub(super) async fn signed(&self, request: Request<Body>, request_id: &str) -> Response<Body> {
        let (parts, _) = request.into_parts();
        if ![Method::GET, Method::HEAD].contains(&parts.method) {
            return method_not_allowed("GET, HEAD", request_id);
        }
        if let Err(reason) = self.check(&parts).await {
            tracing::debug!(%reason, request_id, "media refused");
            return problem(StatusCode::FORBIDDEN, "forbidden", "This needs a valid signature", request_id);
        }
        let answer = match self.request(&parts).await {
            Some(request) => self.service.call(request).await.map(Body::new),
            None => return problem(StatusCode::NOT_FOUND, "not-found", "There is nothing here", request_id),
        };
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => trimmed(answer),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let range = answer.headers().get(header::CONTENT_RANGE).cloned();
                let mut problem = problem(answer.status(), "range-not-satisfiable", "There is less than that", request_id);
                range.map(|range| problem.headers_mut().insert(header::CONTENT_RANGE, range));
                problem
            }
            StatusCode::PRECONDITION_FAILED => problem(answer.status(), "conflict", "This has changed", request_id),
            StatusCode::NOT_FOUND => problem(StatusCode::NOT_FOUND, "not-found", "There is nothing here", request_id),
            status => {
                tracing::error!(%status, request_id, "the embedded store refused a request of ours");
                problem(StatusCode::BAD_GATEWAY, "internal", "Something went wrong on our side", request_id)
            }
        }
    }

    /// Whether the request carries a permission. An address that is signed is judged by its own signature alone.
    async fn check(&self, parts: &http::request::Parts) -> Result<(), Denied> {
        match self.check_once(parts).await {
            // The key may have been exchanged since it was read here.
            Err(Denied::Signature) => {
                self.secrets.distrust(SecretName::MediaSigningKey).await;
                self.check_once(parts).await
            }
            judged => judged,
        }
    }

    async fn check_once(&self, parts: &http::request::Parts) -> Result<(), Denied> {
        let now = self.clock.now();
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let resource = format!("{}{}", self.origin, parts.uri.path());
        let mut judged = Err(Denied::Key);
        for pem in self.secrets.accepted(SecretName::MediaSigningKey).await.unwrap_or_default() {
            let Ok(signer) = MediaSigner::new(pem.expose_secret(), &self.key_pair, &self.origin) else { continue };
            let verifier = signer.verifier();
            judged = match verifier.verify_url(&format!("{}{target}", self.origin), now) {
                Err(Denied::Unsigned) => {
                    let lines = parts.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
                    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
                    verifier.verify_cookies(&resource, cookies, now)
                }
                judged => judged,
            };
            if judged != Err(Denied::Signature) {
                break;
            }
        }
        judged
    }

    /// The store's request for what `parts` ask for; `None` when the path is no key.
    async fn request(&self, parts: &http::request::Parts) -> Option<Request<Body>> {
        let key = percent_decode_str(parts.uri.path().strip_prefix('/')?).decode_utf8().ok()?;
        let config = PresigningConfig::expires_in(LIFETIME).ok()?;
        let presigned: PresignedRequest = if parts.method == Method::HEAD {
            self.client.head_object().bucket(MEDIA_BUCKET).key(key).presigned(config).await.ok()?
        } else {
            self.client.get_object().bucket(MEDIA_BUCKET).key(key).presigned(config).await.ok()?
        };
        let mut request = Request::builder().method(presigned.method()).uri(presigned.uri()).body(Body::empty()).ok()?;
        let host = request.uri().authority()?.to_string();
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host).ok()?);
        for name in FORWARDED {
            if let Some(value) = parts.headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        Some(request)
    }
}

/// `answer` without the store's own headers.
fn trimmed(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let kept = ANSWERED.into_iter().filter_map(|name| parts.headers.remove(&name).map(|value| (name, value))).collect();
    parts.headers = kept;
    Response::from_parts(parts, body)
}
