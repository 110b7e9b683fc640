//! The Lambda function `auth`; see its library for what it does.

use shared::runtime::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let platform = runtime::start()?;
    runtime::serve_http(auth::router(&platform)).await
}
