//! Reading: conditions, ranges, response headers.

use super::Operations;
use super::body::FileBody;
use crate::store::{Algorithm, Checksums, ObjectMeta};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use s3s::dto::{
    self, ChecksumMode, ChecksumType, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    StreamingBlob, TimestampFormat,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::time::SystemTime;

/// The conditional headers of a GET or HEAD.
struct Conditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<dto::Timestamp>,
    if_unmodified_since: Option<dto::Timestamp>,
}

impl Conditions {
    /// In the order of RFC 9110, section 13.2.2.
    fn check(&self, meta: &ObjectMeta) -> S3Result<()> {
        let etag = etag(meta);
        let modified = timestamp(meta.last_modified);
        let held = match (&self.if_match, &self.if_unmodified_since) {
            (Some(ETagCondition::Any), _) | (None, None) => true,
            (Some(ETagCondition::ETag(wanted)), _) => wanted.strong_cmp(&etag),
            (None, Some(since)) => modified <= *since,
        };
        if !held {
            return Err(S3ErrorCode::PreconditionFailed.into());
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(ETagCondition::Any), _) => true,
            (Some(ETagCondition::ETag(known)), _) => known.weak_cmp(&etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        match unchanged {
            true => Err(not_modified(meta)),
            false => Ok(()),
        }
    }
}

/// 304, with the headers that a cache refreshes its copy by.
fn not_modified(meta: &ObjectMeta) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(header::ETAG, &format!("\"{}\"", meta.etag));
    if let Some(cache) = &meta.attributes.cache_control {
        add(header::CACHE_CONTROL, cache);
    }
    let mut date = Vec::new();
    if timestamp(meta.last_modified).format(TimestampFormat::HttpDate, &mut date).is_ok() {
        add(header::LAST_MODIFIED, &String::from_utf8_lossy(&date));
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}

/// The bytes to send, and `Content-Range` when they are not all.
fn range(meta: &ObjectMeta, range: Option<dto::Range>) -> S3Result<(std::ops::Range<u64>, Option<String>)> {
    let length = meta.body_bytes;
    let Some(range) = range else {
        return Ok((0..length, None));
    };
    match range.check(length) {
        Ok(part) if !part.is_empty() => {
            let header = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            Ok((part, Some(header)))
        }
        _ => {
            let mut error = S3Error::new(S3ErrorCode::InvalidRange);
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
                error.set_headers(HeaderMap::from_iter([(header::CONTENT_RANGE, value)]));
            }
            Err(error)
        }
    }
}

/// There is one version of an object, which S3 calls `null`.
fn check_version(version: Option<&str>, part: Option<i32>) -> S3Result<()> {
    if version.is_some_and(|version| version != "null") {
        return Err(S3ErrorCode::NoSuchVersion.into());
    }
    match part {
        Some(_) => Err(s3_error!(NotImplemented, "objects are not read by part numbers")),
        None => Ok(()),
    }
}

impl Operations {
    pub(super) async fn get(&self, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
        check_version(input.version_id.as_deref(), input.part_number)?;
        let (bucket, key) = (input.bucket, input.key);
        let object = self.blocking(move |store| store.open_object(&bucket, &key)).await?;
        let meta = object.meta;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&meta)?;
        let (part, content_range) = range(&meta, input.range)?;
        let content_length = i64::try_from(part.end - part.start).ok();
        let sums = shown_checksums(&meta, input.checksum_mode.as_ref(), content_range.is_some());
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::new(FileBody::new(object.file, part))),
            cache_control: meta.attributes.cache_control.clone(),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            content_disposition: meta.attributes.content_disposition.clone(),
            content_encoding: meta.attributes.content_encoding.clone(),
            content_language: meta.attributes.content_language.clone(),
            content_length,
            content_range,
            content_type: Some(content_type(&meta)),
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(meta.last_modified)),
            metadata: user_metadata(&meta),
            ..Default::default()
        }))
    }

    pub(super) async fn head(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        check_version(input.version_id.as_deref(), input.part_number)?;
        let (bucket, key) = (input.bucket, input.key);
        let meta = self.blocking(move |store| Ok(store.open_object(&bucket, &key)?.meta)).await?;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&meta)?;
        let (part, content_range) = range(&meta, input.range)?;
        let content_length = i64::try_from(part.end - part.start).ok();
        let sums = shown_checksums(&meta, input.checksum_mode.as_ref(), content_range.is_some());
        let status = content_range.as_ref().map(|_| http::StatusCode::PARTIAL_CONTENT);
        let attributes = meta.attributes.clone();
        let mut response = S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: input.response_cache_control.or(attributes.cache_control),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            content_disposition: input.response_content_disposition.or(attributes.content_disposition),
            content_encoding: input.response_content_encoding.or(attributes.content_encoding),
            content_language: input.response_content_language.or(attributes.content_language),
            content_length,
            content_range,
            content_type: Some(input.response_content_type.unwrap_or_else(|| content_type(&meta))),
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(meta.last_modified)),
            metadata: user_metadata(&meta),
            ..Default::default()
        });
        response.status = status;
        Ok(response)
    }
}

/// What S3 serves when no type was given.
fn content_type(meta: &ObjectMeta) -> String {
    let given = meta.attributes.content_type.clone();
    given.unwrap_or_else(|| "binary/octet-stream".to_owned())
}

fn user_metadata(meta: &ObjectMeta) -> Option<dto::Metadata> {
    let user = &meta.attributes.user;
    (!user.is_empty()).then(|| user.clone().into_iter().collect())
}

/// A part of a body has other checksums than the body.
fn shown_checksums(meta: &ObjectMeta, mode: Option<&ChecksumMode>, partial: bool) -> dto::Checksum {
    match mode {
        Some(mode) if mode.as_str() == ChecksumMode::ENABLED && !partial => dto_checksums(&meta.checksums),
        _ => dto::Checksum::default(),
    }
}

pub(super) fn dto_checksums(sums: &Checksums) -> dto::Checksum {
    let composite = sums.values().any(|value| value.contains('-'));
    let kind = match composite {
        true => ChecksumType::COMPOSITE,
        false => ChecksumType::FULL_OBJECT,
    };
    dto::Checksum {
        checksum_crc32: sums.get(&Algorithm::Crc32).cloned(),
        checksum_crc32c: sums.get(&Algorithm::Crc32c).cloned(),
        checksum_crc64nvme: sums.get(&Algorithm::Crc64nvme).cloned(),
        checksum_sha1: sums.get(&Algorithm::Sha1).cloned(),
        checksum_sha256: sums.get(&Algorithm::Sha256).cloned(),
        checksum_type: (!sums.is_empty()).then(|| ChecksumType::from_static(kind)),
    }
}

pub(super) fn etag(meta: &ObjectMeta) -> ETag {
    ETag::Strong(meta.etag.clone())
}

/// Whole seconds: all that an HTTP date says, so that a client's copy of it compares equal.
pub(super) fn timestamp(time: Timestamp) -> dto::Timestamp {
    let seconds = Timestamp::from_second(time.as_second()).unwrap_or(time);
    SystemTime::from(seconds).into()
}
