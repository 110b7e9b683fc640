//! The Lambda function `ingest`; see its library for what it does.

use shared::runtime::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let platform = runtime::start()?;
    runtime::serve_events(move |event| {
        let platform = platform.clone();
        async move { ingest::handle(&platform, event).await }
    })
    .await
}
