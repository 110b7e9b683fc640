//! TLS towards the world outside AWS: pinned public roots, one cryptography provider.

use std::sync::Arc;

/// The client's side of TLS, trusting the public roots that are compiled in.
///
/// # Errors
/// When the cryptography provider lacks the default protocol versions, which would be a mistake of the build.
pub fn client_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Ok(rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
