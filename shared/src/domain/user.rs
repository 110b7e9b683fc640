//! A person: who they are to us and what they may do.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
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
    /// They asked to be deleted; the work is under way.
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
