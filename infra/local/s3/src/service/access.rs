//! Which correctly signed requests are let through.

use super::signed_query_headers;
use s3s::access::{S3Access, S3AccessContext};
use s3s::{S3Result, s3_error};

/// Asks for a signature of version 4 that covers every `x-amz-*` header, as S3 does: otherwise whoever holds a presigned
/// URL could add metadata or checksums of their own.
pub(super) struct Access;

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "a signature is required"));
        }
        let query = cx.uri().query();
        let presigned = query.and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "X-Amz-SignedHeaders")
                .map(|(_, value)| value.into_owned())
        });
        let authorization = cx.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let signed = match (&presigned, authorization) {
            (Some(signed), _) => signed.as_str(),
            (None, Some(value)) if value.starts_with("AWS4-HMAC-SHA256") => {
                value.split_once("SignedHeaders=").map_or("", |(_, rest)| rest.split([',', ' ']).next().unwrap_or(""))
            }
            _ => {
                return Err(s3_error!(AccessDenied, "only signature version 4 is supported"));
            }
        };
        let signed: Vec<_> = signed.split(';').collect();
        let from_query = signed_query_headers(query);
        for name in cx.headers().keys() {
            let name = name.as_str();
            // The hash of the body is checked against the body; no more can be done with it.
            let exempt = presigned.is_some() && name == "x-amz-content-sha256";
            if name.starts_with("x-amz-") && !exempt && !signed.contains(&name) && !from_query.iter().any(|(from, _)| from == name) {
                return Err(s3_error!(AccessDenied, "there were headers present in the request which were not signed"));
            }
        }
        Ok(())
    }
}
