//! Telling a client's own address that a generation is over: what is known about it, and when it is tried again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::id::{GenerationId, UserId};

/// Characters of an address that we call.
pub const MAX_ADDRESS: usize = 2_000;

/// Seconds after each failed attempt until the next one: 23.7 hours altogether, so that a receiver may be down for a day's work.
const PAUSES: [i64; 11] = [30, 120, 600, 1_800, 3_600, 7_200, 14_400, 14_400, 14_400, 14_400, 14_400];

/// The first attempt and one after each pause; those that ended with their process count too.
pub const MOST_ATTEMPTS: u32 = 12;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CallbackState {
    /// The generation isn't over, or the address hasn't taken it yet.
    Pending,
    /// The address has taken it.
    Delivered,
    /// The address refused it for good, or for a day.
    Failed,
}

impl CallbackState {
    /// The spelling in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A callback, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Callback {
    /// About which generation: also the name of the message, the same at every attempt.
    pub generation: GenerationId,
    /// Whose.
    pub user: UserId,
    /// Which address.
    pub url: String,
    /// See [`CallbackState`].
    pub state: CallbackState,
    /// How often it was tried, the attempt under way included.
    #[serde(default)]
    pub attempts: u32,
    /// What the address answered last; nothing when it didn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// When the last attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
    /// Nobody tries before this: while an attempt is under way, the end of its lease.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub next_at: Timestamp,
    /// With the generation.
    pub created_at: Timestamp,
}

/// What an attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// Taken.
    Delivered,
    /// It won't be tried again.
    Failed,
    /// It will, after this long.
    Again(SignedDuration),
}

/// What attempt number `attempts` (from 1) means that was answered with `status`, if at all. `jitter` spreads those that failed
/// together by up to a tenth, towards earlier.
pub fn attempted(status: Option<u16>, attempts: u32, jitter: u8) -> Attempted {
    match status {
        Some(200..=299) => Attempted::Delivered,
        // Gone: the receiver's own word that it never wants to hear of us again.
        Some(410) => Attempted::Failed,
        _ => {
            let pause = usize::try_from(attempts).ok().and_then(|attempts| PAUSES.get(attempts.saturating_sub(1)));
            pause.map_or(Attempted::Failed, |seconds| {
                Attempted::Again(SignedDuration::from_millis(seconds * 1_000 - seconds * 100 * i64::from(jitter) / 255))
            })
        }
    }
}

/// Whether `text` can be an address that we call, as far as its form goes: complete, of at most [`MAX_ADDRESS`] characters, without a
/// user name, a password or a fragment. Where it leads is for the caller.
pub fn is_address(text: &str) -> bool {
    text.len() <= MAX_ADDRESS
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_failed_is_followed_by_others_for_a_day() {
        let mut waited = SignedDuration::ZERO;
        let mut attempts = 1;
        while let Attempted::Again(pause) = attempted(Some(503), attempts, 0) {
            waited += pause;
            attempts += 1;
        }
        assert_eq!(attempts, MOST_ATTEMPTS);
        assert!(waited > SignedDuration::from_hours(23) && waited < SignedDuration::from_hours(24), "{waited:?}");
        assert_eq!(attempted(None, 1, 255), Attempted::Again(SignedDuration::from_secs(27)));
        assert_eq!(attempted(Some(302), 2, 0), Attempted::Again(SignedDuration::from_mins(2)));
        assert_eq!(attempted(Some(204), 12, 0), Attempted::Delivered);
        assert_eq!(attempted(Some(410), 1, 0), Attempted::Failed);
    }

    #[test]
    fn an_address_is_complete_and_names_nobody() {
        assert!(is_address("https://hooks.example.org/a?b=c") && is_address("http://127.0.0.1:9/"));
        let long = format!("https://hooks.example.org/{}", "x".repeat(MAX_ADDRESS));
        for bad in [
            "",
            "/a",
            "//a.example/",
            "https://",
            "ftp://a.example/",
            "https://a@b.example/",
            "https://:a@b.example/",
            "https://a.example/#b",
            &long,
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
