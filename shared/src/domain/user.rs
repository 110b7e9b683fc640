//! A person: who they are to us and what they may do.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::{optional as optional_millis, required as millis};
use serde::{Deserialize, Serialize};

use crate::domain::limits::Limits;
use crate::id::UserId;

/// What somebody may do beyond their own things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Role {
    /// Their own things.
    #[default]
    User,
    /// Everything an admin's pages offer. Made by an operator's command, never by signing in.
    Admin,
}

impl Role {
    /// The stored and shown spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// Whether somebody may use the system at all. Checked on every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Status {
    /// Yes.
    #[default]
    Active,
    /// An admin said no.
    Suspended,
    /// They are about to be deleted, and may still come back. See [`User::deletes_at`].
    Deleting,
}

impl Status {
    /// The stored and shown spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
        }
    }
}

/// What a personal token may be used for. None contains another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Look at everything of one's own.
    Read,
    /// Upload, generate, and change what is in the library.
    Generate,
    /// Make, change and end links.
    Share,
    /// What an admin may do, while its owner is one.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Generate, Self::Share, Self::Admin];

    /// The spelling in requests, answers and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Generate => "generate",
            Self::Share => "share",
            Self::Admin => "admin",
        }
    }

    /// The scope with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A person's record. Identity is (`issuer`, `subject`); the address and the name are what the issuer last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Ours.
    pub id: UserId,
    /// Who vouches for them.
    pub issuer: String,
    /// What the issuer calls them.
    pub subject: String,
    /// Verified by the issuer. Not unique and not an identity.
    pub email: String,
    /// For greeting.
    pub name: String,
    /// An https address at the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Beyond their own things.
    pub role: Role,
    /// Whether at all.
    pub status: Status,
    /// Sessions begun under another number are over.
    pub epoch: u32,
    /// The random part of every address of their media; never derived from the id.
    pub media_prefix: String,
    /// What an admin granted instead of the configured limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// While they are about to be deleted: when that begins.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub deletes_at: Option<Timestamp>,
    /// First seen.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// Last signed in.
    #[serde(with = "millis")]
    pub last_sign_in_at: Timestamp,
}

impl User {
    /// What they may do: granted by an admin, or else as `configured`.
    pub fn limits(&self, configured: Limits) -> Limits {
        self.limits.unwrap_or(configured)
    }
}

/// What an issuer vouched for, or what an operator said about somebody who hasn't signed in yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who vouches.
    pub issuer: String,
    /// What the issuer calls them; with the issuer, who they are.
    pub subject: String,
    /// Verified.
    pub email: String,
    /// For greeting.
    pub name: String,
    /// An https address.
    pub picture: Option<String>,
}

/// Longest address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const EMAIL_BYTES: usize = 254;
/// Longest name we keep, in characters.
const NAME_CHARS: usize = 200;
/// Longest address of a picture we keep.
const PICTURE_BYTES: usize = 2_048;

impl Identity {
    /// An identity with its attributes tidied: the address trimmed, the name without control characters and never empty (the
    /// address's first part stands in), the picture only if it is an https address. `None` when subject or address can't be ones.
    pub fn new(issuer: &str, subject: &str, email: &str, name: &str, picture: Option<&str>) -> Option<Self> {
        let email = email.trim();
        let (local, domain) = email.rsplit_once('@')?;
        let plain =
            !local.is_empty() && !domain.is_empty() && email.len() <= EMAIL_BYTES && !email.chars().any(|c| c.is_control() || c == ' ');
        if !plain || subject.is_empty() || subject.len() > 255 {
            return None;
        }
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        let name = if name.trim().is_empty() { local.to_owned() } else { name.trim().to_owned() };
        let picture = picture.filter(|url| url.starts_with("https://") && url.len() <= PICTURE_BYTES && !url.chars().any(char::is_control));
        Some(Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            email: email.to_owned(),
            name,
            picture: picture.map(str::to_owned),
        })
    }

    /// Whether the address is in one of `domains`; an empty list lets everybody in.
    pub fn is_in(&self, domains: &[String]) -> bool {
        let domain = self.email.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
        domains.is_empty() || domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(email: &str, name: &str, picture: Option<&str>) -> Option<Identity> {
        Identity::new("https://issuer.example", "1", email, name, picture)
    }

    #[test]
    fn attributes_are_tidied() {
        let tidy = identity(" ada@example.org ", "\u{7}  ", Some("javascript:alert(1)")).unwrap();
        assert_eq!((tidy.email.as_str(), tidy.name.as_str(), tidy.picture), ("ada@example.org", "ada", None));
        for bad in ["", "ada", "@example.org", "ada@", "a b@example.org", "a\n@example.org", &format!("{}@x.y", "a".repeat(252))] {
            assert_eq!(identity(bad, "Ada", None), None, "{bad:?}");
        }
        assert_eq!(Identity::new("https://issuer.example", "", "a@b.c", "", None), None);
    }

    #[test]
    fn the_domain_is_the_whole_part_after_the_last_at() {
        let allowed = ["example.org".to_owned()];
        assert!(identity("ada@Example.ORG", "", None).unwrap().is_in(&allowed));
        for other in ["ada@sub.example.org", "ada@example.org.evil.example", "ada@notexample.org"] {
            assert!(!identity(other, "", None).unwrap().is_in(&allowed), "{other}");
            assert!(identity(other, "", None).unwrap().is_in(&[]));
        }
    }
}
