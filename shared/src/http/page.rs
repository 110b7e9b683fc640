//! Lists come in pages; where the next one starts is a text that only we write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;

/// Items in a page when the caller doesn't say.
const USUAL: u32 = 24;
/// Items in a page at most.
const MOST: u32 = 100;
/// A longer text than any cursor we write.
const LONGEST: usize = 2_048;

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many items at most.
    #[param(default = 24, minimum = 1, maximum = 100, required = false)]
    pub limit: u32,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]{1,2048}$")]
    pub cursor: Option<String>,
}

impl Page {
    /// Checks what the caller sent.
    ///
    /// # Errors
    /// `validation` naming `limit`.
    pub(super) fn new(limit: Option<&str>, cursor: Option<String>) -> Result<Self, ApiError> {
        let limit = match limit {
            None => USUAL,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=MOST).contains(n))
                .ok_or_else(|| ApiError::invalid("limit", "out-of-range", "limit must be a whole number from 1 to 100."))?,
        };
        Ok(Self { limit, cursor })
    }

    /// Where to continue in `list`: what [`List::new`] was given for the page before. `list` names the list and everything
    /// that shaped it (its filters and order), so that a cursor only fits where it came from.
    ///
    /// # Errors
    /// `validation` naming `cursor`.
    pub fn after<T: DeserializeOwned>(&self, list: &str) -> Result<Option<T>, ApiError> {
        self.cursor
            .as_deref()
            .map(|text| {
                decode(list, text).ok_or_else(|| {
                    ApiError::invalid("cursor", "invalid", "This cursor doesn't belong to this list; start again without one.")
                })
            })
            .transpose()
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// At most `limit` of them; fewer don't mean that there are no more.
    pub items: Vec<T>,
    /// For the next page; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of `list` that continues after `next`.
    pub fn new<A: Serialize>(items: Vec<T>, list: &str, next: Option<&A>) -> Self {
        Self { items, next_cursor: next.and_then(|next| encode(list, next)) }
    }

    /// A page of `all`, which is short enough to be read whole. `name` tells an item's place; `list` is as for [`List::new`].
    /// An item that was removed since the page before is skipped over: the order is by name, the largest first.
    ///
    /// # Errors
    /// `validation` naming `cursor`.
    pub fn of_all(all: Vec<T>, page: &Page, list: &str, name: impl Fn(&T) -> String) -> Result<Self, ApiError> {
        let after: Option<String> = page.after(list)?;
        let mut rest: Vec<T> = all.into_iter().filter(|item| after.as_ref().is_none_or(|after| name(item) < *after)).collect();
        let more = rest.len() > page.limit as usize;
        rest.truncate(page.limit as usize);
        let next = rest.last().filter(|_| more).map(&name);
        Ok(Self::new(rest, list, next.as_ref()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    v: u8,
    list: String,
    after: serde_json::Value,
    sum: String,
}

const VERSION: u8 = 1;

/// Not a secret: it finds altered and mixed-up cursors. A forged one only moves within what the caller may read anyway,
/// because partitions never come from a cursor.
fn checksum(list: &str, after: &serde_json::Value) -> String {
    let mut digest = Sha256::new();
    digest.update([VERSION]);
    digest.update(list.len().to_be_bytes());
    digest.update(list);
    digest.update(after.to_string());
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..6])
}

fn encode<A: Serialize>(list: &str, after: &A) -> Option<String> {
    let after = serde_json::to_value(after).ok()?;
    let sum = checksum(list, &after);
    // Only the name is shown; what follows it is in the checksum.
    let name = list.split('?').next().unwrap_or(list).to_owned();
    serde_json::to_vec(&Cursor { v: VERSION, list: name, after, sum }).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

fn decode<T: DeserializeOwned>(list: &str, text: &str) -> Option<T> {
    if text.len() > LONGEST {
        return None;
    }
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    let cursor: Cursor = serde_json::from_slice(&json).ok()?;
    let ours = cursor.v == VERSION && list.split('?').next() == Some(&cursor.list) && cursor.sum == checksum(list, &cursor.after);
    ours.then(|| serde_json::from_value(cursor.after).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cursor: Option<String>) -> Page {
        Page::new(None, cursor).unwrap()
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let list = List::new(vec![1, 2], "assets?kind=image", Some(&"ASSET#7"));
        let after: Option<String> = page(list.next_cursor).after("assets?kind=image").unwrap();
        assert_eq!(after.as_deref(), Some("ASSET#7"));
        assert_eq!(page(None).after::<String>("assets").unwrap(), None);
    }

    #[test]
    fn a_cursor_fits_only_its_own_list() {
        let cursor = encode("assets?kind=image", &"ASSET#7").unwrap();
        for other in ["links", "assets", "assets?kind=video"] {
            assert!(page(Some(cursor.clone())).after::<String>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let cursor = encode("links", &"LINK#0190163d8694739baea5966c26f8ad91").unwrap();
        for at in 0..cursor.len() {
            for other in ["A", "z", "_", "%"] {
                let mut altered = cursor.clone();
                altered.replace_range(at..=at, other);
                if altered != cursor {
                    // The last character of unpadded base64 has spare bits; the decoder refuses those too.
                    assert_eq!(decode::<String>("links", &altered), None, "position {at}");
                }
            }
        }
        assert_eq!(decode::<String>("links", &"A".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn a_short_list_is_paged_in_memory() {
        let all = || vec!["c", "b", "a"];
        let name = |item: &&str| (*item).to_owned();
        let first = List::of_all(all(), &Page::new(Some("2"), None).unwrap(), "letters", name).unwrap();
        assert_eq!(first.items, ["c", "b"]);
        let last = List::of_all(all(), &page(first.next_cursor), "letters", name).unwrap();
        assert_eq!((last.items, last.next_cursor), (vec!["a"], None));
    }

    #[test]
    fn limits_outside_the_range_are_refused() {
        for bad in ["0", "101", "-1", "ten", "", "99999999999"] {
            assert!(Page::new(Some(bad), None).is_err(), "{bad}");
        }
        assert_eq!(Page::new(Some("100"), None).unwrap().limit, 100);
        assert_eq!(page(None).limit, USUAL);
    }
}
