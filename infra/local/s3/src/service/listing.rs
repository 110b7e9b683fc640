//! Listings: pages, tokens, encoding.

use super::Operations;
use super::read::{etag, timestamp};
use crate::store::{ListQuery, Resume};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{ChecksumAlgorithm, CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass};
use s3s::{S3Response, S3Result, s3_error};
use url::form_urlencoded;

/// What S3 returns at most in one page.
const PAGE_MAX: usize = 1000;

/// The token of a page names where the next one starts: opaque to clients.
fn token(resume: &Resume) -> String {
    let (mark, place) = match resume {
        Resume::After(key) => ('k', key),
        Resume::Past(prefix) => ('p', prefix),
    };
    URL_SAFE_NO_PAD.encode(format!("{mark}{place}"))
}

fn from_token(token: &str) -> S3Result<Resume> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    match text.as_deref().and_then(|text| text.split_at_checked(1)) {
        Some(("k", key)) => Ok(Resume::After(key.to_owned())),
        Some(("p", prefix)) => Ok(Resume::Past(prefix.to_owned())),
        _ => Err(s3_error!(InvalidArgument, "the continuation token is not one of ours")),
    }
}

impl Operations {
    pub(super) async fn list(&self, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let max = input.max_keys.unwrap_or(PAGE_MAX as i32);
        let max = usize::try_from(max).map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))?.min(PAGE_MAX);
        let resume = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Some(from_token(token)?),
            (None, Some(key)) => Some(Resume::After(key.clone())),
            (None, None) => None,
        };
        let query = ListQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|one| !one.is_empty()),
            resume,
            max,
        };
        let bucket = input.bucket.clone();
        let listing = self.blocking(move |store| store.list(&bucket, &query)).await?;

        let encoded = match input.encoding_type.as_ref().map(EncodingType::as_str) {
            Some(EncodingType::URL) => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "the only encoding is url")),
            None => false,
        };
        let text = |text: String| match encoded {
            true => form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20").replace("%2F", "/"),
            false => text,
        };
        let count = listing.objects.len() + listing.common_prefixes.len();
        let contents = listing.objects.into_iter().map(|meta| Object {
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(meta.last_modified)),
            size: i64::try_from(meta.body_bytes).ok(),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            checksum_algorithm: Some(meta.checksums.keys().map(|one| ChecksumAlgorithm::from_static(one.name())).collect()),
            key: Some(text(meta.key)),
            ..Default::default()
        });
        let prefixes = listing.common_prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(text(prefix)) });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents.collect()),
            common_prefixes: Some(prefixes.collect()),
            key_count: i32::try_from(count).ok(),
            max_keys: i32::try_from(max).ok(),
            is_truncated: Some(listing.next.is_some()),
            next_continuation_token: listing.next.as_ref().map(token),
            continuation_token: input.continuation_token,
            delimiter: input.delimiter.map(text),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            prefix: Some(text(input.prefix.unwrap_or_default())),
            start_after: input.start_after.map(text),
            ..Default::default()
        }))
    }
}
