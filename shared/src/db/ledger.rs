//! The readable ledger: every reservation, charge and return, a line each, written in the transaction that moves the units.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cond, Db, DbError, Page, Range, Write, decode, encode, keys};
use crate::id::{GenerationId, UserId};

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerKind {
    /// Set aside when the request was accepted.
    Reserved,
    /// Used by what reached the library.
    Charged,
    /// Given back.
    Returned,
}

impl LedgerKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Charged => "charged",
            Self::Returned => "returned",
        }
    }
}

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerLine {
    /// When.
    pub at: Timestamp,
    /// What it was for.
    pub generation: GenerationId,
    /// What happened.
    pub kind: LedgerKind,
    /// How many.
    pub units: u32,
    /// Millionths of a dollar.
    pub price: i64,
    /// In words.
    pub reason: String,
    /// The month the units belong to.
    pub month: String,
}

impl Db {
    /// The lines of `user`, newest first, each with the key to continue after.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn ledger(&self, user: UserId, after: Option<&str>, limit: i32) -> Result<Page<(String, LedgerLine)>, DbError> {
        let range = Range { pk: keys::user_partition(user), prefix: keys::LEDGER, after, descending: true, limit };
        let page = self.query_items(range).await?;
        let lines = page.items.into_iter().map(|item| {
            let key = keys::Key::of_item(&item).map(|key| key.sk).unwrap_or_default();
            decode(item).map(|line| (key, line))
        });
        Ok(Page { items: lines.collect::<Result<_, _>>()?, next: page.next })
    }
}

/// Adds a line about `about` (a generation or a call). Its key is made of time, subject and kind, so it exists once.
pub(super) fn write_line(user: UserId, about: &str, line: &LedgerLine) -> Result<Write, DbError> {
    let key = keys::ledger(user, &keys::ledger_line(line.at, about, line.kind.name()));
    let mut item = encode(line)?;
    super::stamp(&mut item, "ledger");
    Ok(Write::put(key, item, Cond::NoItem))
}
