//! Every key of the table, and nowhere else. The access patterns they serve are in `docs/DATA-MODEL.md`.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Item;
use crate::id::{AssetId, CallId, CollectionId, GenerationId, RecordId, SessionId, TokenId, UploadId, UserId};

/// How many partitions of the index list open work; a hash of the id chooses.
pub const OPEN_SHARDS: u8 = 8;

/// An item's primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn item(&self) -> Item {
        Item::from([("pk".to_owned(), AttributeValue::S(self.pk.clone())), ("sk".to_owned(), AttributeValue::S(self.sk.clone()))])
    }

    pub(crate) fn of_item(item: &Item) -> Option<Self> {
        Some(Self { pk: item.get("pk")?.as_s().ok()?.clone(), sk: item.get("sk")?.as_s().ok()?.clone() })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.pk, self.sk)
    }
}

/// An item's key as text, for logs and look-ups.
pub(crate) fn text_of(item: &Item) -> String {
    Key::of_item(item).map(|key| key.to_string()).unwrap_or_default()
}

/// The partition of everything that belongs to one person.
pub fn user_partition(user: UserId) -> String {
    format!("USER#{user}")
}

fn of_user(user: UserId, sk: impl Into<String>) -> Key {
    Key::new(user_partition(user), sk)
}

/// A person's record.
pub fn user(user: UserId) -> Key {
    of_user(user, PROFILE)
}
/// The sort key of every [`user`].
pub const PROFILE: &str = "PROFILE";

/// The deletion of a person that is under way.
pub fn deletion(user: UserId) -> Key {
    of_user(user, DELETION)
}
/// The sort key of every [`deletion`].
pub const DELETION: &str = "DELETION";

/// Who signs in: (`iss`, `sub`), hashed, because both may hold any character.
pub fn identity(issuer: &str, subject: &str) -> Key {
    Key::new(format!("IDENTITY#{}", sha256_hex(&[issuer, subject])), "IDENTITY")
}

/// The partition that lists people for admins and operators.
pub const DIRECTORY: &str = "DIRECTORY";

/// A person by e-mail address. Several people may have had the same one.
pub fn directory_email(email: &str, user: UserId) -> Key {
    Key::new(DIRECTORY, format!("{}{user}", directory_email_prefix(email)))
}

/// What every [`directory_email`] of this address begins with.
pub fn directory_email_prefix(email: &str) -> String {
    format!("EMAIL#{}#", fold(email))
}

/// A person by name.
pub fn directory_name(name: &str, user: UserId) -> Key {
    Key::new(DIRECTORY, format!("NAME#{}#{user}", fold(name)))
}

/// A person by the time of the first sign-in (the id's own time).
pub fn directory_newest(user: UserId) -> Key {
    Key::new(DIRECTORY, format!("NEW#{user}"))
}

/// What every [`directory_newest`] begins with.
pub const DIRECTORY_NEWEST: &str = "NEW#";

/// Somebody with the role of an admin.
pub fn directory_admin(user: UserId) -> Key {
    Key::new(DIRECTORY, format!("{DIRECTORY_ADMINS}{user}"))
}

/// What every [`directory_admin`] begins with.
pub const DIRECTORY_ADMINS: &str = "ADMIN#";

/// What [`directory_email`] begins with for addresses that begin with `text`.
pub fn directory_email_search(text: &str) -> String {
    format!("EMAIL#{}", fold(text))
}

/// What [`directory_name`] begins with for names that begin with `text`.
pub fn directory_name_search(text: &str) -> String {
    format!("NAME#{}", fold(text))
}

/// A sign-in under way, by the hash of its cookie.
pub fn login(cookie_hash: &str) -> Key {
    Key::new(format!("LOGIN#{cookie_hash}"), "LOGIN")
}

/// A session, by the hash of its cookie.
pub fn session(cookie_hash: &str) -> Key {
    Key::new(format!("SESSION#{cookie_hash}"), "SESSION")
}

/// A person's list of sessions: names the hash.
pub fn user_session(user: UserId, session: SessionId) -> Key {
    of_user(user, format!("{USER_SESSIONS}{session}"))
}
/// What every [`user_session`] begins with.
pub const USER_SESSIONS: &str = "SESSION#";

/// A personal token, by the hash of its secret.
pub fn token(secret_hash: &str) -> Key {
    Key::new(format!("TOKEN#{secret_hash}"), "TOKEN")
}

/// A person's list of tokens: names the hash.
pub fn user_token(user: UserId, token: TokenId) -> Key {
    of_user(user, format!("{USER_TOKENS}{token}"))
}
/// What every [`user_token`] begins with.
pub const USER_TOKENS: &str = "TOKEN#";

/// A month's units and spend, `2026-11`.
pub fn quota(user: UserId, month: &str) -> Key {
    of_user(user, format!("{QUOTAS}{month}"))
}
/// What every [`quota`] begins with.
pub const QUOTAS: &str = "QUOTA#";

/// A day's outputs and uploads, `2026-11-23`.
pub fn day(user: UserId, date: &str) -> Key {
    of_user(user, format!("DAY#{date}"))
}

/// An hour's requests to `what`, `2026-11-23T05`.
pub fn rate(user: UserId, what: &str, hour: &str) -> Key {
    of_user(user, format!("RATE#{what}#{hour}"))
}

/// How many calls of a person run at once.
pub fn slots(user: UserId) -> Key {
    of_user(user, "SLOTS")
}

/// What an `Idempotency-Key` stands for.
pub fn idempotency(user: UserId, key: &str) -> Key {
    of_user(user, format!("IDEM#{}", sha256_hex(&[key])))
}

/// A generation.
pub fn generation(user: UserId, generation: GenerationId) -> Key {
    of_user(user, format!("{GENERATIONS}{generation}"))
}
/// What every [`generation`] begins with.
pub const GENERATIONS: &str = "GEN#";

/// A provider call. Not below its user: webhooks, tasks and the sweeper know only its id.
pub fn call(call: CallId) -> Key {
    Key::new(format!("CALL#{call}"), "CALL")
}

/// A call's place in its user's line.
pub fn waiting(user: UserId, call: CallId) -> Key {
    of_user(user, format!("{WAITING}{call}"))
}
/// What every [`waiting`] begins with.
pub const WAITING: &str = "WAIT#";

/// A line of the readable ledger.
pub fn ledger(user: UserId, line: &str) -> Key {
    of_user(user, format!("{LEDGER}{line}"))
}
/// What every [`ledger`] begins with.
pub const LEDGER: &str = "LEDGER#";

/// An asset.
pub fn asset(user: UserId, asset: AssetId) -> Key {
    of_user(user, format!("{ASSETS}{asset}"))
}
/// What every [`asset`] begins with.
pub const ASSETS: &str = "ASSET#";

/// A list of assets that isn't the whole library: favourites, trash, a word, a collection.
#[derive(Clone, Debug)]
pub enum AssetList {
    /// Marked by their owner.
    Favourites,
    /// Deleted, to be emptied after 30 days.
    Trash,
    /// Whose prompt or title holds this word.
    Word(String),
    /// In a collection.
    Collection(CollectionId),
}

/// The partition of a list of assets; its sort keys are asset ids.
pub fn asset_list(user: UserId, list: &AssetList) -> String {
    match list {
        AssetList::Favourites => format!("USER#{user}#FAVOURITES"),
        AssetList::Trash => format!("USER#{user}{TRASH}"),
        AssetList::Word(word) => format!("USER#{user}#WORD#{word}"),
        AssetList::Collection(collection) => format!("USER#{user}#COLLECTION#{collection}"),
    }
}

/// What the partition of every trash ends with.
pub const TRASH: &str = "#TRASH";

/// An asset's entry in a list.
pub fn asset_entry(user: UserId, list: &AssetList, asset: AssetId) -> Key {
    Key::new(asset_list(user, list), asset.to_string())
}

/// A collection.
pub fn collection(user: UserId, collection: CollectionId) -> Key {
    of_user(user, format!("{COLLECTIONS}{collection}"))
}
/// What every [`collection`] begins with.
pub const COLLECTIONS: &str = "COLLECTION#";

/// A file on its way in.
pub fn upload(user: UserId, upload: UploadId) -> Key {
    of_user(user, format!("{UPLOADS}{upload}"))
}
/// What every [`upload`] begins with.
pub const UPLOADS: &str = "UPLOAD#";

/// An export of everything a person has.
pub fn export(user: UserId, export: RecordId) -> Key {
    of_user(user, format!("{EXPORTS}{export}"))
}
/// What every [`export`] begins with.
pub const EXPORTS: &str = "EXPORT#";

/// A short link.
pub fn link(key: &str) -> Key {
    Key::new(format!("LINK#{key}"), "LINK")
}

/// A day's counted visits of a link.
pub fn link_visits(key: &str, date: &str) -> Key {
    Key::new(link(key).pk, format!("{LINK_VISITS}{date}"))
}
/// What every [`link_visits`] begins with.
pub const LINK_VISITS: &str = "VISITS#";

/// An hour's wrong passwords for a link, `2026-11-23T05`.
pub fn link_attempts(key: &str, hour: &str) -> Key {
    Key::new(link(key).pk, format!("ATTEMPTS#{hour}"))
}

/// A person's list of links, newest last: names the key.
pub fn user_link(user: UserId, made: RecordId) -> Key {
    of_user(user, format!("{USER_LINKS}{made}"))
}
/// What every [`user_link`] begins with.
pub const USER_LINKS: &str = "LINK#";

/// A link of an asset, so that the asset's page and its deletion find it.
pub fn asset_link(user: UserId, asset: AssetId, key: &str) -> Key {
    of_user(user, format!("{}{key}", asset_links(asset)))
}

/// What every [`asset_link`] of this asset begins with.
pub fn asset_links(asset: AssetId) -> String {
    format!("ASSETLINK#{asset}#")
}

/// A link that its owner has ended, as long as something of it is kept.
pub fn ended_link(user: UserId, key: &str) -> Key {
    of_user(user, format!("{ENDED_LINKS}{key}"))
}
/// What every [`ended_link`] begins with.
pub const ENDED_LINKS: &str = "ENDEDLINK#";

/// The partition of what admins changed about models; sort keys are model ids.
pub const MODELS: &str = "MODELS";

/// What an admin changed about a model.
pub fn model(id: &str) -> Key {
    Key::new(MODELS, id)
}

/// The partition of what is set for the whole installation.
pub const SETTINGS: &str = "SETTINGS";
/// Whether anything is sent to the provider at all.
pub const KILL_SWITCH: &str = "KILL_SWITCH";
/// How fal is doing.
pub const BREAKER_FAL: &str = "BREAKER#fal";
/// How many calls are open.
pub const OPEN_CALLS: &str = "OPEN_CALLS";

/// A setting of the whole installation: [`KILL_SWITCH`], [`BREAKER_FAL`], [`OPEN_CALLS`], `ANNOUNCEMENT`.
pub fn setting(name: &str) -> Key {
    Key::new(SETTINGS, name)
}

/// How many items share a day's counters.
pub const COUNTER_SHARDS: u8 = 16;
/// What is reserved in a day.
pub const SPEND: &str = "SPEND";

/// One of the shards of a day's statistics or spend.
pub fn counter(kind: &str, date: &str, shard: u8) -> Key {
    Key::new(format!("{kind}#{date}"), format!("{:02}", shard % COUNTER_SHARDS))
}

/// A line of the audit log.
pub fn audit(month: &str, line: RecordId) -> Key {
    Key::new(audit_partition(month), line.to_string())
}

/// The partition of a month's audit log.
pub fn audit_partition(month: &str) -> String {
    format!("AUDIT#{month}")
}

/// The index partition of open work with this id.
pub fn open_partition(shard: u8) -> String {
    format!("OPEN#{}", shard % OPEN_SHARDS)
}

/// Which shard lists `id` (the text of an identifier).
pub fn open_shard(id: &str) -> u8 {
    Sha256::digest(id.as_bytes())[0] % OPEN_SHARDS
}

/// The index sort key of open work: due time, then id. Compares as text in the order of time.
pub fn open_sort(due: Timestamp, id: &str) -> String {
    format!("{}#{id}", millis(due))
}

/// The largest [`open_sort`] that is due at `now`.
pub fn open_until(now: Timestamp) -> String {
    format!("{}$", millis(now))
}

/// Larger than every [`open_sort`].
pub const OPEN_END: &str = "~";

/// The index partition of calls that failed on this day, for admins.
pub fn failed_partition(date: &str) -> String {
    format!("FAILED#{date}")
}

/// Milliseconds since the epoch as 14 digits: sorts as text until the year 5138.
fn millis(at: Timestamp) -> String {
    format!("{:014}", at.as_millisecond().max(0))
}

/// A ledger line's key: time, then what it is about, so that a repetition is the same key.
pub fn ledger_line(at: Timestamp, about: &str, kind: &str) -> String {
    format!("{}#{about}#{kind}", millis(at))
}

/// The month of `at` in UTC, `2026-11`.
pub fn month_of(at: Timestamp) -> String {
    at.strftime("%Y-%m").to_string()
}

/// The day of `at` in UTC, `2026-11-23`.
pub fn date_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The hour of `at` in UTC, `2026-11-23T05`.
pub fn hour_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H").to_string()
}

/// Lower case and without `#`, which separates the parts of a key; at most 200 characters.
fn fold(text: &str) -> String {
    text.to_lowercase().replace('#', " ").chars().take(200).collect()
}

fn sha256_hex(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_sorts_up_to_now() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert!(open_sort(at(5), "ff") <= open_until(at(5)));
        assert!(open_sort(at(6), "00") > open_until(at(5)));
        assert!(open_sort(at(999), "a") < open_sort(at(1_000), "a"));
    }

    #[test]
    fn identity_parts_cannot_be_shifted() {
        assert_ne!(identity("https://a", "b1"), identity("https://ab", "1"));
    }

    #[test]
    fn a_separator_in_a_name_stays_in_its_part() {
        let user = UserId::new(Timestamp::from_millisecond(1).unwrap());
        assert_eq!(directory_email("A#B@x.y", user).sk, format!("EMAIL#a b@x.y#{user}"));
    }
}
