//! What our own webhooks are signed with: Standard Webhooks, with a secret for each user.
//!
//! Nothing is stored about it: a user's secret follows from the installation's key and the user's id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use crate::id::UserId;
use crate::secrets::{SecretError, SecretName, Secrets};

/// What the text form begins with.
const PREFIX: &str = "whsec_";

/// A webhook can't be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The installation's key can't be had.
    #[error("the key of callbacks to clients can't be read")]
    Secret(#[from] SecretError),
    /// It is no key.
    #[error("the key of callbacks to clients is unusable")]
    Key,
}

/// A user's secret.
#[derive(Debug)]
pub struct CallbackSecret(SecretSlice<u8>);

impl CallbackSecret {
    /// The secret of `user`.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn of(secrets: &Secrets, user: UserId) -> Result<Self, SigningError> {
        let key = secrets.get(SecretName::CallbackKey).await?;
        Self::derive(key.expose_secret(), user)
    }

    fn derive(key: &str, user: UserId) -> Result<Self, SigningError> {
        let key = hex::decode(key).map_err(|_| SigningError::Key)?;
        let mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SigningError::Key)?;
        Ok(Self(mac.chain_update(format!("callback\n{user}")).finalize().into_bytes().to_vec().into()))
    }

    /// As its user is shown it, and as verifying libraries take it.
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// The field `webhook-signature` for the message `id` with `body`, sent at `timestamp` (seconds).
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, SigningError> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).map_err(|_| SigningError::Key)?;
        let mac = mac.chain_update(format!("{id}.{timestamp}.")).chain_update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example() {
        let secret = CallbackSecret(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().into());
        assert_eq!(secret.text().expose_secret(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_user_has_another_one() {
        let (ada, bob) = (UserId::first_at(jiff::Timestamp::UNIX_EPOCH), UserId::new(jiff::Timestamp::UNIX_EPOCH));
        let text = |key: &str, user| CallbackSecret::derive(&key.repeat(32), user).unwrap().text().expose_secret().to_owned();
        assert_eq!(text("0a", ada), text("0a", ada));
        assert_ne!(text("0a", ada), text("0a", bob));
        assert_ne!(text("0a", ada), text("0b", ada));
        assert_eq!(STANDARD.decode(text("0a", ada).strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
        assert!(CallbackSecret::derive("not a key", ada).is_err());
    }
}
