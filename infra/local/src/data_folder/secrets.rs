//! `secrets.json`: what functions read as their secrets, made up at the first start.
//!
//! Real keys come from the environment and replace the made-up ones for as long as they are given: which of the two a file holds
//! never depends on an earlier start.

use std::collections::BTreeMap;
use std::path::Path;

use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use p256::{PublicKey, SecretKey};

use super::{DataFolderError, write_atomically};

const FAL_KEY: &str = "fal_key";
const OIDC_CLIENT_SECRET: &str = "oidc_client_secret";
const MEDIA_SIGNING_KEY: &str = "media_signing_key";
const WEBHOOK_MAC_KEY: &str = "webhook_mac_key";
/// Kept beside the effective ones, so that stand-ins keep theirs when real keys come and go.
const STAND_IN_FAL_KEY: &str = "stand_in_fal_key";
const STAND_IN_CLIENT_SECRET: &str = "stand_in_client_secret";

/// Secrets from the environment. Absent ones mean that a stand-in plays the service.
#[derive(Clone, Default)]
pub struct ProvidedSecrets {
    /// The provider's key.
    pub fal_key: Option<String>,
    /// The secret of the client registered with the issuer.
    pub oidc_client_secret: Option<String>,
}

impl std::fmt::Debug for ProvidedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvidedSecrets")
            .field("fal_key", &self.fal_key.is_some())
            .field("oidc_client_secret", &self.oidc_client_secret.is_some())
            .finish()
    }
}

/// The secrets that the edition itself needs; functions read the file.
#[derive(Clone)]
pub struct LocalSecrets {
    /// What the provider stand-in is called with.
    pub fal_key: String,
    /// What the issuer stand-in knows its client by.
    pub oidc_client_secret: String,
    /// Signs media cookies and addresses; the edge checks with the other half.
    pub media_signing_key: String,
    media_public_key: PublicKey,
}

impl LocalSecrets {
    /// The public key as the template's parameter holds it.
    ///
    /// # Errors
    /// When the key can't be encoded, which a valid key always can.
    pub fn media_public_key_pem(&self) -> Result<String, p256::pkcs8::spki::Error> {
        self.media_public_key.to_public_key_pem(LineEnding::LF)
    }
}

impl std::fmt::Debug for LocalSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSecrets").finish_non_exhaustive()
    }
}

pub(super) fn load(path: &Path, provided: &ProvidedSecrets) -> Result<LocalSecrets, DataFolderError> {
    let damaged = |reason: String| DataFolderError::Damaged { path: path.to_owned(), reason };
    let stored: BTreeMap<String, String> = match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| damaged(format!("line {}: not an object of texts", e.line())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(source) => return Err(DataFolderError::Unusable { path: path.to_owned(), source }),
    };
    let mut secrets = stored.clone();
    for (name, id) in [(STAND_IN_FAL_KEY, "stand-in:"), (STAND_IN_CLIENT_SECRET, ""), (WEBHOOK_MAC_KEY, "")] {
        if !secrets.contains_key(name) {
            secrets.insert(name.to_owned(), format!("{id}{}", random_hex().map_err(|e| damaged(e.to_string()))?));
        }
    }
    let signing_key = match secrets.get(MEDIA_SIGNING_KEY) {
        Some(pem) => SecretKey::from_pkcs8_pem(pem).map_err(|_| damaged(format!("{MEDIA_SIGNING_KEY} is no P-256 key")))?,
        None => {
            let key = SecretKey::random(&mut OsRng);
            let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| damaged(e.to_string()))?;
            secrets.insert(MEDIA_SIGNING_KEY.to_owned(), pem.to_string());
            key
        }
    };
    let effective = |given: &Option<String>, stand_in: &str| given.clone().or_else(|| secrets.get(stand_in).cloned());
    let fal_key = effective(&provided.fal_key, STAND_IN_FAL_KEY).unwrap_or_default();
    let oidc_client_secret = effective(&provided.oidc_client_secret, STAND_IN_CLIENT_SECRET).unwrap_or_default();
    secrets.insert(FAL_KEY.to_owned(), fal_key.clone());
    secrets.insert(OIDC_CLIENT_SECRET.to_owned(), oidc_client_secret.clone());
    if secrets != stored {
        let text = serde_json::to_vec_pretty(&secrets).map_err(|e| damaged(e.to_string()))?;
        write_atomically(path, &text)?;
    }
    let media_signing_key = secrets.remove(MEDIA_SIGNING_KEY).unwrap_or_default();
    Ok(LocalSecrets { fal_key, oidc_client_secret, media_signing_key, media_public_key: signing_key.public_key() })
}

/// Keys that the edition makes itself, and can exchange.
pub(super) const OWN_KEYS: [&str; 2] = [MEDIA_SIGNING_KEY, WEBHOOK_MAC_KEY];

/// Makes a new key `name` (of [`OWN_KEYS`]); the one in use stays good under its name with `_previous`, and the one before it goes.
pub(super) fn exchange(path: &Path, name: &str) -> Result<(), DataFolderError> {
    let damaged = |reason: String| DataFolderError::Damaged { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|source| DataFolderError::Unusable { path: path.to_owned(), source })?;
    let mut secrets: BTreeMap<String, String> =
        serde_json::from_slice(&text).map_err(|e| damaged(format!("line {}: not an object of texts", e.line())))?;
    let new = match name {
        MEDIA_SIGNING_KEY => SecretKey::random(&mut OsRng).to_pkcs8_pem(LineEnding::LF).map_err(|e| damaged(e.to_string()))?.to_string(),
        _ => random_hex().map_err(|e| damaged(e.to_string()))?,
    };
    if let Some(old) = secrets.insert(name.to_owned(), new) {
        secrets.insert(format!("{name}_previous"), old);
    }
    let text = serde_json::to_vec_pretty(&secrets).map_err(|e| damaged(e.to_string()))?;
    write_atomically(path, &text)
}

/// 32 random bytes in hexadecimal.
pub(crate) fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}
