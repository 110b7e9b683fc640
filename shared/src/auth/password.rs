//! Passwords that people choose, for links. Unlike our own secrets they can be guessed, so their hash is slow and salted.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::id::random;

/// Argon2id with OWASP's smallest recommended setting: 19 MiB and two passes fit into the smallest function twice, and take 20 ms
/// of a whole core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at once in a process: a flood of guesses on one machine must not take its memory.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// A password can't be hashed or compared: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be worked on: {0}")]
pub struct PasswordError(String);

fn broken(error: impl std::fmt::Display) -> PasswordError {
    PasswordError(error.to_string())
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(broken)?))
}

/// What is stored of `password`: a PHC string with its parameters and a random salt.
///
/// # Errors
/// [`PasswordError`].
pub async fn hash(password: SecretString) -> Result<String, PasswordError> {
    slowly(move || {
        let salt = SaltString::encode_b64(&random::<16>()).map_err(broken)?;
        let hash = argon2()?.hash_password(password.expose_secret().as_bytes(), &salt).map_err(broken)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether `password` is the one that `stored` was made from. Compared in constant time.
///
/// # Errors
/// [`PasswordError`] when `stored` can't be read.
pub async fn verify(password: SecretString, stored: String) -> Result<bool, PasswordError> {
    slowly(move || {
        let hash = PasswordHash::new(&stored).map_err(broken)?;
        match argon2()?.verify_password(password.expose_secret().as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::Password) => Ok(false),
            Err(error) => Err(broken(error)),
        }
    })
    .await
}

/// Away from the threads that answer others.
async fn slowly<T: Send + 'static>(work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static) -> Result<T, PasswordError> {
    let _turn = AT_ONCE.acquire().await.map_err(broken)?;
    tokio::task::spawn_blocking(work).await.map_err(broken)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_fits_and_no_two_hashes_are_the_same() {
        let password = || SecretString::from("correct horse");
        let (first, second) = (hash(password()).await.unwrap(), hash(password()).await.unwrap());
        assert_ne!(first, second);
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert!(verify(password(), first.clone()).await.unwrap());
        for wrong in ["", "correct horse ", "Correct horse"] {
            assert!(!verify(SecretString::from(wrong), first.clone()).await.unwrap(), "{wrong:?}");
        }
        assert!(verify(password(), "plain".to_owned()).await.is_err());
    }
}
