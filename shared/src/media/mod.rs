//! Stored media: keys, streaming in, signed delivery, and (behind the `codec` feature) decoding and thumbnails.

use aws_sdk_s3::Client;
use aws_types::SdkConfig;

use crate::config::{Config, Env};

/// The buckets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Media {
    client: Client,
    bucket: String,
    uploads: String,
}

impl Media {
    /// The buckets of `config` through `sdk`.
    pub fn new(sdk: &SdkConfig, env: &Env, config: &Config) -> Self {
        let mut builder = aws_sdk_s3::config::Builder::from(sdk);
        if let Some(endpoint) = env.get("AWS_ENDPOINT_URL_S3").or_else(|| env.get("AWS_ENDPOINT_URL")) {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        Self { client: Client::from_conf(builder.build()), bucket: config.media_bucket.clone(), uploads: config.uploads_bucket.clone() }
    }
}
