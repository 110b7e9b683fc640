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

/// A user's secret, and the one before it while the installation's key is exchanged.
#[derive(Debug)]
pub struct CallbackSecret(Vec<SecretSlice<u8>>);

impl CallbackSecret {
    /// The secret of `user`.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn of(secrets: &Secrets, user: UserId) -> Result<Self, SigningError> {
        let keys = secrets.accepted(SecretName::CallbackKey).await?;
        keys.iter().map(|key| derive(key.expose_secret(), user)).collect::<Result<_, _>>().map(Self)
    }

    /// As its user is shown it, and as verifying libraries take it: the one in use.
    pub fn text(&self) -> SecretString {
        let current = self.0.first().map(|secret| STANDARD.encode(secret.expose_secret()));
        format!("{PREFIX}{}", current.unwrap_or_default()).into()
    }

    /// The field `webhook-signature` for the message `id` with `body`, sent at `timestamp` (seconds): a signature with each secret, of
    /// which one that fits is enough.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, SigningError> {
        let signatures = self.0.iter().map(|secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret()).map_err(|_| SigningError::Key)?;
            let mac = mac.chain_update(format!("{id}.{timestamp}.")).chain_update(body);
            Ok::<_, SigningError>(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        Ok(signatures.collect::<Result<Vec<_>, _>>()?.join(" "))
    }
}

fn derive(key: &str, user: UserId) -> Result<SecretSlice<u8>, SigningError> {
    let key = hex::decode(key).map_err(|_| SigningError::Key)?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SigningError::Key)?;
    Ok(mac.chain_update(format!("callback\n{user}")).finalize().into_bytes().to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example() {
        let secret = CallbackSecret(vec![STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().into()]);
        assert_eq!(secret.text().expose_secret(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        // While the key is exchanged, both fit; the new one is shown.
        let both = CallbackSecret(vec![vec![7; 32].into(), secret.0[0].clone()]);
        let signatures = both.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert!(signatures.starts_with("v1,") && signatures.ends_with(&format!(" {signature}")), "{signatures}");
        assert_eq!(both.text().expose_secret(), format!("whsec_{}", STANDARD.encode([7; 32])));
    }

    #[test]
    fn each_user_has_another_one() {
        let (ada, bob) = (UserId::first_at(jiff::Timestamp::UNIX_EPOCH), UserId::new(jiff::Timestamp::UNIX_EPOCH));
        let text = |key: &str, user| CallbackSecret(vec![derive(&key.repeat(32), user).unwrap()]).text().expose_secret().to_owned();
        assert_eq!(text("0a", ada), text("0a", ada));
        assert_ne!(text("0a", ada), text("0a", bob));
        assert_ne!(text("0a", ada), text("0b", ada));
        assert_eq!(STANDARD.decode(text("0a", ada).strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
        assert!(derive("not a key", ada).is_err());
    }
}
