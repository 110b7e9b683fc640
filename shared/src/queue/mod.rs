//! SQS: message types, the publisher, and the partial-batch driver.

use aws_sdk_sqs::Client;
use aws_types::SdkConfig;

use crate::config::{Config, Env};

/// The queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
    results: String,
    videos: String,
    tasks: String,
}

impl Queues {
    /// The queues of `config` through `sdk`.
    pub fn new(sdk: &SdkConfig, env: &Env, config: &Config) -> Self {
        let mut builder = aws_sdk_sqs::config::Builder::from(sdk);
        if let Some(endpoint) = env.get("AWS_ENDPOINT_URL_SQS").or_else(|| env.get("AWS_ENDPOINT_URL")) {
            builder = builder.endpoint_url(endpoint);
        }
        Self {
            client: Client::from_conf(builder.build()),
            results: config.results_queue.clone(),
            videos: config.videos_queue.clone(),
            tasks: config.tasks_queue.clone(),
        }
    }
}
