//! Authorization codes on their way from the sign-in page to the token endpoint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long a code can be exchanged, in milliseconds.
pub(super) const LIFETIME_MS: i64 = 60_000;
/// How many codes are held; the one closest to its end makes room for the next.
pub(super) const CAPACITY: usize = 1_000;

/// What a code stands for.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: String,
    pub(super) scope: String,
    pub(super) email: String,
    pub(super) name: String,
}

/// At most [`CAPACITY`] codes, in memory only: one that a restart forgets is one click lost.
#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<String, (i64, Grant)>>);

impl Codes {
    /// Keeps `grant` under `code` until [`LIFETIME_MS`] after `now_ms`.
    pub(super) fn put(&self, code: String, grant: Grant, now_ms: i64) {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, (expires, _)| *expires > now_ms);
        if codes.len() >= CAPACITY
            && let Some(oldest) = codes.iter().min_by_key(|(_, (expires, _))| *expires).map(|(code, _)| code.clone())
        {
            codes.remove(&oldest);
        }
        codes.insert(code, (now_ms + LIFETIME_MS, grant));
    }

    /// Removes the code, whatever becomes of it then: it can be shown once.
    pub(super) fn take(&self, code: &str, now_ms: i64) -> Option<Grant> {
        let (expires, grant) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        (expires > now_ms).then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            redirect_uri: String::new(),
            code_challenge: String::new(),
            nonce: String::new(),
            scope: String::new(),
            email: String::new(),
            name: String::new(),
        }
    }

    #[test]
    fn the_oldest_code_makes_room() {
        let codes = Codes::default();
        for i in 0..=CAPACITY {
            codes.put(i.to_string(), grant(), i64::try_from(i).unwrap());
        }
        let now = i64::try_from(CAPACITY).unwrap();
        assert!(codes.take("0", now).is_none());
        assert!(codes.take("1", now).is_some());
        assert!(codes.take(&CAPACITY.to_string(), now).is_some());
    }

    #[test]
    fn a_code_lives_a_minute() {
        let codes = Codes::default();
        codes.put("a".to_owned(), grant(), 0);
        codes.put("b".to_owned(), grant(), 0);
        assert!(codes.take("a", LIFETIME_MS - 1).is_some());
        assert!(codes.take("b", LIFETIME_MS).is_none());
    }
}
