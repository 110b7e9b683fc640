//! What owners send about their links, and what of it is refused.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shared::domain::fields::FieldErrors;
use shared::domain::link::{Opens, is_reserved, is_slug};
use utoipa::ToSchema;

use crate::assets::given;

/// Characters of a password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 4..=128;
/// Characters of a note.
const NOTE_CHARS: usize = 200;
/// The highest cap of views: whoever wants more wants none.
const MOST_VIEWS: u32 = 1_000_000;

/// What a new link is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// One of mine that isn't in the trash.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub(super) asset_id: String,
    pub(super) opens: Opens,
    /// In the future; without it the link doesn't expire.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) expires_at: Option<Timestamp>,
    /// How often it may be opened.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(super) max_views: Option<u32>,
    /// 4 to 128 characters that visitors have to know.
    #[schema(value_type = Option<String>, min_length = 4, max_length = 128)]
    pub(super) password: Option<SecretString>,
    /// The end of the address: 4 to 40 lower-case letters, digits and hyphens. Without it the end is random.
    #[schema(min_length = 4, max_length = 40, pattern = "^[a-z0-9][a-z0-9-]{2,38}[a-z0-9]$")]
    pub(super) slug: Option<String>,
    /// For me alone; at most 200 characters.
    #[schema(max_length = 200)]
    pub(super) note: Option<String>,
}

/// What may be changed; absent fields stay as they are, null removes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkChange {
    /// Switches it off and on again.
    pub(super) enabled: Option<bool>,
    /// In the future.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub(super) expires_at: Option<Option<Timestamp>>,
    /// More than it was opened already.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000, required = false)]
    pub(super) max_views: Option<Option<u32>>,
    /// 4 to 128 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 4, max_length = 128, required = false)]
    pub(super) password: Option<Option<SecretString>>,
    /// At most 200 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200, required = false)]
    pub(super) note: Option<Option<String>>,
}

pub(super) fn check_expiry(errors: &mut FieldErrors, at: Option<Timestamp>, now: Timestamp) {
    if at.is_some_and(|at| at <= now) {
        errors.add("expires_at", "past", "This time is already over.");
    }
}

pub(super) fn check_views(errors: &mut FieldErrors, most: Option<u32>, views: u32) {
    match most {
        Some(most) if !(1..=MOST_VIEWS).contains(&most) => {
            errors.add("max_views", "out-of-range", "max_views must be a whole number from 1 to 1000000.");
        }
        Some(most) if most <= views => {
            errors.add("max_views", "too-small", format!("It was opened {views} times already; choose more."));
        }
        _ => {}
    }
}

pub(super) fn check_password(errors: &mut FieldErrors, password: Option<&SecretString>) {
    if password.is_some_and(|text| !PASSWORD_CHARS.contains(&text.expose_secret().chars().count())) {
        errors.add("password", "length", "A password has 4 to 128 characters.");
    }
}

pub(super) fn check_note(errors: &mut FieldErrors, note: Option<String>) -> Option<String> {
    let note = note.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())?;
    if note.chars().count() > NOTE_CHARS {
        errors.add("note", "too-long", "A note has at most 200 characters.");
    }
    if note.chars().any(char::is_control) {
        errors.add("note", "not-allowed", "Control characters are not allowed.");
    }
    Some(note)
}

pub(super) fn check_slug(errors: &mut FieldErrors, slug: Option<&str>) {
    match slug {
        Some(slug) if !is_slug(slug) => {
            errors.add("slug", "invalid", "Use 4 to 40 lower-case letters, digits and hyphens, with no hyphen first or last.");
        }
        Some(slug) if is_reserved(slug) => errors.add("slug", "reserved", "This ending is reserved; choose another."),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(check: impl FnOnce(&mut FieldErrors)) -> Vec<String> {
        let mut errors = FieldErrors::new();
        check(&mut errors);
        errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect()
    }

    #[test]
    fn what_a_link_may_not_be_is_said_by_field() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(codes(|e| check_expiry(e, Some(now), now)), ["expires_at past"]);
        assert_eq!(codes(|e| check_views(e, Some(0), 0)), ["max_views out-of-range"]);
        assert_eq!(codes(|e| check_views(e, Some(MOST_VIEWS + 1), 0)), ["max_views out-of-range"]);
        assert_eq!(codes(|e| check_views(e, Some(3), 3)), ["max_views too-small"]);
        assert_eq!(codes(|e| check_password(e, Some(&SecretString::from("abc")))), ["password length"]);
        assert_eq!(codes(|e| check_password(e, Some(&SecretString::from("é".repeat(129))))), ["password length"]);
        assert_eq!(codes(|e| check_slug(e, Some("Summer!"))), ["slug invalid"]);
        assert_eq!(codes(|e| check_slug(e, Some("admin"))), ["slug reserved"]);
        let long = "n".repeat(201);
        assert_eq!(codes(|e| drop(check_note(e, Some(long)))), ["note too-long"]);
        assert_eq!(codes(|e| drop(check_note(e, Some("a\nb".to_owned())))), ["note not-allowed"]);
    }

    #[test]
    fn what_a_link_may_be_is_not_complained_about() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let fine = codes(|e| {
            check_expiry(e, Some(now + jiff::SignedDuration::from_secs(1)), now);
            check_views(e, Some(4), 3);
            check_password(e, Some(&SecretString::from("éééé")));
            check_slug(e, Some("summer-2026"));
            assert_eq!(check_note(e, Some("  for Ada ".to_owned())).as_deref(), Some("for Ada"));
            assert_eq!(check_note(e, Some("  ".to_owned())), None);
        });
        assert_eq!(fine, Vec::<String>::new());
    }
}
