//! Stored media: keys, streaming in, signed delivery, and (behind the `codec` feature) decoding and thumbnails.
//!
//! What lies under a media key never changes and never has another type than its bytes: keys carry random parts, writes are
//! conditional, and the content type comes from the bytes.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use crate::config::{Config, Env};

pub mod keys;
pub mod parts;
pub mod presign;
pub mod read;
pub mod signed;
pub mod store;
pub mod video;
pub mod zip;

pub use codec::{self, MediaType};
pub use store::{StoreError, Stored};
pub use video::{NoPicture, VideoError};

/// The buckets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Media {
    client: Client,
    /// Signs addresses for others, against the endpoint that they can reach.
    public: Client,
    bucket: String,
    uploads: String,
}

/// One of the two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// What was generated, and exports.
    Media,
    /// What people bring, for a day.
    Uploads,
}

/// Why a bucket didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// It is larger than the caller can take.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// S3 failed after its own retries: try again later.
    #[error("s3: {0}")]
    Unavailable(String),
}

impl Media {
    /// The buckets of `config` through `sdk`.
    ///
    /// `S3_PUBLIC_ENDPOINT` is the address under which others reach the buckets (path-style) when it isn't S3's own.
    pub fn new(sdk: &SdkConfig, env: &Env, config: &Config) -> Self {
        // Media are larger than records: 8 MiB must fit through a slow minute, and the whole of it into a function's time.
        let patience = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_secs(90))
            .build();
        let client = |endpoint: Option<&str>| {
            let mut builder = aws_sdk_s3::config::Builder::from(sdk).timeout_config(patience.clone());
            if let Some(endpoint) = endpoint {
                builder = builder.endpoint_url(endpoint).force_path_style(true);
            }
            Client::from_conf(builder.build())
        };
        let own = env.get("AWS_ENDPOINT_URL_S3").or_else(|| env.get("AWS_ENDPOINT_URL"));
        Self {
            client: client(own),
            public: client(env.get("S3_PUBLIC_ENDPOINT").or(own)),
            bucket: config.media_bucket.clone(),
            uploads: config.uploads_bucket.clone(),
        }
    }

    fn name(&self, bucket: Bucket) -> &str {
        match bucket {
            Bucket::Media => &self.bucket,
            Bucket::Uploads => &self.uploads,
        }
    }
}
