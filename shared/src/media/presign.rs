//! Addresses that let others read or write one object for a while, without our credentials.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{Bucket, Media, MediaError};

#[cfg(test)]
mod tests;

/// What someone needs to do one thing with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigned {
    /// The HTTP method.
    pub method: &'static str,
    /// Where.
    pub url: String,
    /// Headers that must be sent exactly so: they are part of the signature.
    pub headers: BTreeMap<String, String>,
}

impl Media {
    /// An address to which exactly these bytes may be put: length, type and SHA-256 (32 bytes) are bound.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`] when it can't be signed.
    pub async fn presign_put(
        &self,
        key: &str,
        content_type: &str,
        bytes: u64,
        sha256: &[u8; 32],
        now: Timestamp,
        life: Duration,
    ) -> Result<Presigned, MediaError> {
        let length = i64::try_from(bytes).map_err(|e| MediaError::Unavailable(e.to_string()))?;
        let signed = self
            .public
            .put_object()
            .bucket(&self.uploads)
            .key(key)
            .content_type(content_type)
            .content_length(length)
            .checksum_sha256(STANDARD.encode(sha256))
            .presigned(presigning(now, life)?)
            .await
            .map_err(|e| MediaError::Unavailable(e.to_string()))?;
        // The length is the body's, which every client knows; a page's script isn't even allowed to say it.
        let headers = signed
            .headers()
            .filter(|(name, _)| *name != "content-length")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Presigned { method: "PUT", url: signed.uri().to_owned(), headers })
    }

    /// An address from which one object may be read. With `file_name` (which must be plain) it is saved rather than shown.
    ///
    /// # Errors
    /// [`MediaError::Unavailable`] when it can't be signed.
    pub async fn presign_get(
        &self,
        bucket: Bucket,
        key: &str,
        file_name: Option<&str>,
        now: Timestamp,
        life: Duration,
    ) -> Result<String, MediaError> {
        let attachment = file_name.map(|name| {
            let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect();
            format!("attachment; filename=\"{plain}\"")
        });
        let signed = self
            .public
            .get_object()
            .bucket(self.name(bucket))
            .key(key)
            .set_response_content_disposition(attachment)
            .presigned(presigning(now, life)?)
            .await
            .map_err(|e| MediaError::Unavailable(e.to_string()))?;
        Ok(signed.uri().to_owned())
    }
}

fn presigning(now: Timestamp, life: Duration) -> Result<PresigningConfig, MediaError> {
    PresigningConfig::builder()
        .start_time(SystemTime::from(now))
        .expires_in(life)
        .build()
        .map_err(|e| MediaError::Unavailable(e.to_string()))
}
