//! The S3 protocol over the [`Store`].

mod access;
mod body;
mod errors;
mod listing;
mod objects;
mod read;
mod uploads;

use crate::store::{Store, StoreError};
use access::Access;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use s3s::auth::{SecretKey, SimpleAuth};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3ErrorCode, StdError};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// `DeleteObjects` names 1000 keys of 1 KiB, a completion 10,000 parts of some 200 bytes: both fit, with room.
const XML_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The only pair of credentials that the service accepts.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretString,
}

/// The service; clones share the store. Made by [`service()`].
#[derive(Clone)]
pub struct S3Service {
    inner: s3s::service::S3Service,
}

/// Implements the operations; see `objects`.
struct Operations {
    store: Store,
}

/// Answers S3 requests, path-style, in any region, signed with `credentials`: in the `Authorization` header or in the
/// query of a presigned URL.
#[must_use]
pub fn service(store: Store, credentials: &Credentials) -> S3Service {
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_MAX_BYTES;
    // POST forms are refused before they are read; these limits are a second bar.
    config.post_object_max_file_size = 0;
    config.form_max_fields_size = 0;
    config.form_max_parts = 0;

    let secret = SecretKey::from(credentials.secret_access_key.expose_secret());
    let mut builder = S3ServiceBuilder::new(Operations { store });
    builder.set_auth(SimpleAuth::from_single(credentials.access_key_id.as_str(), secret));
    builder.set_access(Access);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    S3Service { inner: builder.build() }
}

impl S3Service {
    /// Answers one request. The body may be axum's or hyper's; the answer's is [`Body`], which `axum::body::Body::new`
    /// takes. Both are streamed. Never fails: what goes wrong is an S3 error answer.
    ///
    /// The path and the `Host` header must be those that the client signed.
    pub async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        StdError: From<B::Error>,
    {
        let (mut parts, body) = request.into_parts();
        if is_form(&parts.method, &parts.headers) {
            // A form's file would be read into memory before its signature is looked at.
            return errors::answer(s3s::s3_error!(NotImplemented, "POST forms are not supported"));
        }
        headers_from_query(parts.uri.query(), &mut parts.headers);
        let is_head = parts.method == Method::HEAD;
        let request = Request::from_parts(parts, Body::http_body_unsync(body));
        let mut response = match self.inner.call(request).await {
            Ok(response) => response,
            Err(error) => {
                let error: StdError = error.into();
                tracing::error!(%error, "the object store could not answer");
                errors::answer(S3ErrorCode::InternalError.into())
            }
        };
        if is_head || response.status() == StatusCode::NOT_MODIFIED {
            // An error's text has no place here; the length that an object's HEAD names stays in the header.
            *response.body_mut() = Body::empty();
        }
        response
    }
}

fn is_form(method: &Method, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    *method == Method::POST
        && kind.is_some_and(|kind| kind.as_bytes().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/")))
}

/// Some clients move `x-amz-*` headers into the query of a URL that they presign, where the signature covers them: they
/// count as headers then, and win over a header of the same name, which may be anybody's.
fn headers_from_query(query: Option<&str>, headers: &mut HeaderMap) {
    for (name, value) in signed_query_headers(query) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

/// The `x-amz-checksum-*` and `x-amz-meta-*` of a presigned query, in lower case.
fn signed_query_headers(query: Option<&str>) -> Vec<(String, String)> {
    let Some(query) = query.filter(|query| query.contains("X-Amz-Signature=")) else {
        return Vec::new();
    };
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .filter(|(name, _)| ["x-amz-checksum-", "x-amz-meta-"].iter().any(|start| name.starts_with(start)))
        .collect()
}

impl Operations {
    /// Runs what blocks off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        body::blocking(move || work(&store)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_query_wins_over_headers_and_only_for_what_it_may_carry() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-asset", HeaderValue::from_static("forged"));
        let unsigned = "X-Amz-Meta-Asset=7";
        headers_from_query(Some(unsigned), &mut headers);
        assert_eq!(headers["x-amz-meta-asset"], "forged");

        let query = "X-Amz-Meta-Asset=7&x-amz-checksum-sha256=a%2Bb%3D&x-amz-acl=p&X-Amz-Signature=00";
        headers_from_query(Some(query), &mut headers);
        assert_eq!(headers["x-amz-meta-asset"], "7");
        assert_eq!(headers["x-amz-checksum-sha256"], "a+b=");
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn forms_are_recognised_whatever_their_case() {
        let mut headers = HeaderMap::new();
        assert!(!is_form(&Method::POST, &headers));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("Multipart/Form-Data; boundary=x"));
        assert!(is_form(&Method::POST, &headers));
        assert!(!is_form(&Method::PUT, &headers));
    }
}
