//! A short link: which asset it shows to everybody who has it, and until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AssetId, RecordId, UserId};

/// Characters of a key that we choose: 65 random bits.
pub const KEY_LENGTH: usize = 11;
/// Characters of an ending of one's own.
pub const SLUG_LENGTH: std::ops::RangeInclusive<usize> = 4..=40;
/// Endings that nobody gets: each could pass for a page of the site's own.
const RESERVED: [&str; 30] = [
    "about",
    "account",
    "admin",
    "assets",
    "auth",
    "contact",
    "docs",
    "help",
    "home",
    "index",
    "legal",
    "library",
    "link",
    "links",
    "login",
    "logout",
    "media",
    "null",
    "password",
    "player",
    "poster",
    "privacy",
    "security",
    "settings",
    "sign-in",
    "signin",
    "support",
    "terms",
    "undefined",
    "visit",
];

/// What a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub enum Opens {
    /// A page that shows the asset.
    Page,
    /// The file itself.
    File,
}

/// Whether a link opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub enum LinkState {
    /// Yes.
    Live,
    /// Its owner has switched it off.
    Off,
    /// Its time is over.
    Expired,
    /// It was opened as often as it may be.
    UsedUp,
    /// Its asset is in the trash, or gone.
    NoAsset,
    /// Its owner has ended it for good.
    Ended,
}

/// A link, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The end of its address: random, or chosen by its owner.
    pub key: String,
    /// Its place in its owner's list.
    pub made: RecordId,
    /// Whose.
    pub user: UserId,
    /// What it shows.
    pub asset: AssetId,
    /// As what.
    pub opens: Opens,
    /// Whether its owner has it switched on.
    pub enabled: bool,
    /// From then on it opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How often it may be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_views: Option<u32>,
    /// How often it was opened.
    pub views: u32,
    /// The hash of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// For its owner alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner ended it for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Link {
    /// Whether it opens anything at `now`, as far as it knows itself: its asset may be gone.
    pub fn state(&self, now: Timestamp) -> LinkState {
        if self.ended_at.is_some() {
            LinkState::Ended
        } else if !self.enabled {
            LinkState::Off
        } else if self.expires_at.is_some_and(|at| now >= at) {
            LinkState::Expired
        } else if self.max_views.is_some_and(|most| self.views >= most) {
            LinkState::UsedUp
        } else {
            LinkState::Live
        }
    }

    /// A page that anybody may open as often as they like: it may be cached, and counts its visits itself.
    pub fn is_plain(&self) -> bool {
        self.opens == Opens::Page && self.max_views.is_none() && self.password.is_none()
    }
}

/// Whether `text` can be the key of a link at all.
pub fn is_key(text: &str) -> bool {
    SLUG_LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether `text` has the form of an ending that an owner may choose.
pub fn is_slug(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    SLUG_LENGTH.contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether `slug` is one of those that nobody gets.
pub fn is_reserved(slug: &str) -> bool {
    RESERVED.contains(&slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn link() -> Link {
        Link {
            key: "0aZ".to_owned(),
            made: RecordId::new(at(1)),
            user: UserId::new(at(1)),
            asset: AssetId::new(at(1)),
            opens: Opens::Page,
            enabled: true,
            expires_at: Some(at(10)),
            max_views: Some(2),
            views: 0,
            password: None,
            note: None,
            created_at: at(1),
            ended_at: None,
        }
    }

    #[test]
    fn a_link_ends_with_the_second_in_which_it_expires_and_with_its_last_view() {
        assert_eq!(link().state(at(9)), LinkState::Live);
        assert_eq!(link().state(at(10)), LinkState::Expired);
        assert_eq!(Link { views: 1, ..link() }.state(at(9)), LinkState::Live);
        assert_eq!(Link { views: 2, ..link() }.state(at(9)), LinkState::UsedUp);
        assert_eq!(Link { enabled: false, ..link() }.state(at(10)), LinkState::Off);
        assert_eq!(Link { ended_at: Some(at(2)), enabled: false, ..link() }.state(at(9)), LinkState::Ended);
        assert_eq!(Link { expires_at: None, max_views: None, views: u32::MAX, ..link() }.state(Timestamp::MAX), LinkState::Live);
    }

    #[test]
    fn only_a_page_without_conditions_is_plain() {
        let plain = Link { max_views: None, ..link() };
        assert!(plain.is_plain());
        assert!(!link().is_plain());
        assert!(!Link { opens: Opens::File, ..plain.clone() }.is_plain());
        assert!(!Link { password: Some(String::new()), ..plain }.is_plain());
    }

    #[test]
    fn keys_and_endings_have_one_spelling() {
        for good in ["0aZ3-xY9bQ1", "summer-2026", "abcd", &"a".repeat(40)] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", "abc", &"a".repeat(41), "a/bcd", "a.bcd", "a_bcd", "äbcd", "ab cd", "abc\r\n", "//evil", "%2e%2e"] {
            assert!(!is_key(bad) && !is_slug(bad), "{bad}");
        }
        assert!(is_slug("summer-2026"));
        for bad in ["Summer", "-summer", "summer-", "SUMMER"] {
            assert!(!is_slug(bad), "{bad}");
        }
        assert!(RESERVED.iter().all(|word| is_slug(word) && is_reserved(word)));
    }
}
