//! The issuer's RSA key: made once, kept in a file, read at first use.

use crate::secret_file;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, rand_core};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// The size that RS256 asks for at least (RFC 7518, section 3.3).
const BITS: usize = 2048;

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the key file can't be read or written")]
    File(#[source] io::Error),
    #[error("the key file holds no RSA key in PKCS#8 form")]
    Malformed(#[source] rsa::pkcs8::Error),
    #[error("no key could be made")]
    Generate(#[source] rsa::Error),
    #[error("the key can't be used for signing")]
    Unusable(#[source] jsonwebtoken::errors::Error),
    #[error("the task that made the key was stopped")]
    Stopped(#[source] tokio::task::JoinError),
}

/// A key ready to sign, with its public half.
pub(super) struct Key {
    encoding: EncodingKey,
    kid: String,
    /// The public key as a member of a JSON Web Key set.
    pub(super) jwk: Value,
}

impl Key {
    /// Signs `claims` as a compact RS256 token that names this key.
    ///
    /// # Errors
    /// Whatever the signing library says; with a sound key it never does.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(KeyError::Unusable)
    }
}

/// The file's key, loaded or made when first asked for.
pub(super) struct SigningKey {
    path: PathBuf,
    cell: OnceCell<Key>,
}

impl SigningKey {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, cell: OnceCell::new() }
    }

    /// The key. The first caller does the work, callers at the same time wait for it, and a failure is tried again.
    pub(super) async fn get(&self) -> Result<&Key, KeyError> {
        self.cell
            .get_or_try_init(|| async {
                let path = self.path.clone();
                tokio::task::spawn_blocking(move || load_or_create(&path)).await.map_err(KeyError::Stopped)?
            })
            .await
    }
}

fn load_or_create(path: &Path) -> Result<Key, KeyError> {
    match std::fs::read_to_string(path) {
        Ok(pem) => from_pem(&pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let private = RsaPrivateKey::new(&mut rand_core::OsRng, BITS).map_err(KeyError::Generate)?;
            let pem = private.to_pkcs8_pem(LineEnding::LF).map_err(KeyError::Malformed)?;
            secret_file::create(path, pem.as_bytes()).map_err(KeyError::File)?;
            // Read back: if another process was first, its key counts.
            from_pem(&std::fs::read_to_string(path).map_err(KeyError::File)?)
        }
        Err(error) => Err(KeyError::File(error)),
    }
}

fn from_pem(pem: &str) -> Result<Key, KeyError> {
    let private = RsaPrivateKey::from_pkcs8_pem(pem).map_err(KeyError::Malformed)?;
    let n = URL_SAFE_NO_PAD.encode(private.n().to_bytes_be());
    let e = URL_SAFE_NO_PAD.encode(private.e().to_bytes_be());
    // The thumbprint of RFC 7638: members in this order, no white space.
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)));
    let jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e });
    let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(KeyError::Unusable)?;
    Ok(Key { encoding, kid, jwk })
}
