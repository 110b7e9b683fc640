//! Generations and their calls: one transaction for each arrow of the state machine. How a call ends is in `settle`.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::expr::{n, s};
use super::ledger::{LedgerKind, LedgerLine, write_line};
use super::spend::{self, Reservation};
use super::{Cond, Db, DbError, Item, Lost, Page, Range, Write, attribute, decode, encode, keys, quota, stamp};
use crate::domain::generation::{Call, Generation, ProviderRequest};
use crate::domain::job::{CallState, Event, STATES, next};
use crate::domain::limits::Limits;
use crate::id::{CallId, GenerationId, UserId};

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY: SignedDuration = SignedDuration::from_hours(24);
/// Counters of days and hours are kept a little longer than they count.
pub(super) const COUNTERS: SignedDuration = SignedDuration::from_hours(72);

/// Keys read at once, and how often, when open calls are counted: 40,000 in all.
const OPEN_PAGE: i32 = 1_000;
const MOST_OPEN_PAGES: u32 = 5;

/// Why a request to generate was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The key stands for this generation already, and for the same request.
    #[error("the idempotency key stands for an earlier request")]
    Replay(GenerationId),
    /// The key stands for another request.
    #[error("the idempotency key was used for another request")]
    Mismatch,
    /// The month has fewer units left than asked for.
    #[error("the month's units are used up")]
    Monthly,
    /// The day has fewer outputs left than asked for.
    #[error("the day's outputs are used up")]
    Daily,
    /// The hour's requests are used up.
    #[error("the hour's requests are used up")]
    Hourly,
    /// The user was suspended meanwhile.
    #[error("the user may not generate")]
    Suspended,
    /// The shard of the day's spend has reached its share.
    #[error("a share of the day's spend is used up")]
    Spend,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

/// An arrow wasn't taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The call is elsewhere by now: somebody else's doing, and fine.
    #[error("the call is no longer in a state that allows this")]
    Elsewhere,
    /// All of the user's slots are taken.
    #[error("no slot is free")]
    NoSlot,
    /// The table failed.
    #[error(transparent)]
    Failed(#[from] DbError),
}

#[derive(Deserialize)]
struct Idempotency {
    generation: GenerationId,
    body_hash: String,
}

impl Db {
    /// Accepts a request: reserves its units, counts it and its price, writes the generation, its calls, their places in line, the
    /// idempotency key and a ledger line, or nothing at all.
    ///
    /// # Errors
    /// [`Refusal`], by the first condition that didn't hold.
    pub async fn accept(
        &self,
        generation: &Generation,
        calls: &[Call],
        (key, body_hash): (&str, &str),
        limits: &Limits,
        reservation: Reservation,
    ) -> Result<(), Refusal> {
        let (user, at) = (generation.user, generation.created_at);
        let ttl = (at + COUNTERS).as_second();
        let (month, date) = (keys::month_of(at), keys::date_of(at));
        let mut idempotency = encode(&serde_json::json!({"generation": generation.id, "body_hash": body_hash}))?;
        idempotency.insert("expires".to_owned(), n((at + IDEMPOTENCY).as_second()));
        idempotency.insert("ttl".to_owned(), n((at + IDEMPOTENCY).as_second()));
        stamp(&mut idempotency, "idempotency");
        let reserved = LedgerLine {
            at,
            generation: generation.id,
            kind: LedgerKind::Reserved,
            units: generation.units_reserved,
            price: generation.price_estimated,
            reason: "Set aside for this request".to_owned(),
            month: month.clone(),
        };

        // The order is the order in which refusals are reported.
        let mut writes = vec![
            Write::put(keys::idempotency(user, key), idempotency, Cond::NoItem.or(Cond::Less("expires", n(at.as_second())))),
            Write::check(keys::user(user), Cond::Eq("status", s("active"))),
            quota::reserve_units(user, &month, generation.units_reserved, limits).ok_or(Refusal::Monthly)?,
            quota::count_outputs(user, &date, generation.outputs, limits, ttl).ok_or(Refusal::Daily)?,
            quota::count_request(user, &keys::hour_of(at), limits, ttl).ok_or(Refusal::Hourly)?,
            spend::reserve(reservation, &date, generation.price_estimated, calls.len(), at),
            Write::put(keys::generation(user, generation.id), stamped(generation, "generation")?, Cond::NoItem),
            write_line(user, &generation.id.to_string(), &reserved)?,
        ];
        for call in calls {
            let mut item = stamped(call, "call")?;
            item.extend(open_index(call.id, at));
            writes.push(Write::put(keys::call(call.id), item, Cond::NoItem));
            writes.push(place_in_line(call)?);
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Lost::Condition { index: 0, item: Some(item) }) => {
                let earlier: Idempotency = decode(item)?;
                Err(if earlier.body_hash == body_hash { Refusal::Replay(earlier.generation) } else { Refusal::Mismatch })
            }
            Err(Lost::Condition { index: 1, .. }) => Err(Refusal::Suspended),
            Err(Lost::Condition { index: 2, .. }) => Err(Refusal::Monthly),
            Err(Lost::Condition { index: 3, .. }) => Err(Refusal::Daily),
            Err(Lost::Condition { index: 4, .. }) => Err(Refusal::Hourly),
            Err(Lost::Condition { index: 5, .. }) => Err(Refusal::Spend),
            Err(Lost::Condition { index, .. }) => Err(DbError::Refused(format!("write {index} of a new generation").into()).into()),
            Err(Lost::Failed(error)) => Err(error.into()),
        }
    }

    /// The generation an idempotency key stands for, if it was used within a day for the request with this hash.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`] when it was another request, [`Refusal::Failed`] when the table can't be read.
    pub async fn replayed(&self, user: UserId, key: &str, body_hash: &str, now: Timestamp) -> Result<Option<GenerationId>, Refusal> {
        #[derive(Deserialize)]
        struct Stored {
            #[serde(flatten)]
            idempotency: Idempotency,
            expires: i64,
        }
        match self.get::<Stored>(&keys::idempotency(user, key)).await? {
            Some(stored) if stored.expires < now.as_second() => Ok(None),
            Some(stored) if stored.idempotency.body_hash == body_hash => Ok(Some(stored.idempotency.generation)),
            Some(_) => Err(Refusal::Mismatch),
            None => Ok(None),
        }
    }

    /// A generation of `user`.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn generation(&self, user: UserId, id: GenerationId) -> Result<Option<Generation>, DbError> {
        self.get(&keys::generation(user, id)).await
    }

    /// The generations of `user`, newest first.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn generations(&self, user: UserId, after: Option<&str>, limit: i32) -> Result<Page<Generation>, DbError> {
        self.query(Range { pk: keys::user_partition(user), prefix: keys::GENERATIONS, after, descending: true, limit }).await
    }

    /// A call.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn call(&self, id: CallId) -> Result<Option<Call>, DbError> {
        self.get(&keys::call(id)).await
    }

    /// Up to 100 calls; absent ones are left out.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn calls(&self, ids: &[CallId]) -> Result<Vec<Call>, DbError> {
        let keys: Vec<_> = ids.iter().take(100).map(|id| keys::call(*id)).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.get_many(&keys).await }
    }

    /// The first `limit` calls in `user`'s line.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn waiting(&self, user: UserId, limit: i32) -> Result<Vec<(CallId, bool)>, DbError> {
        #[derive(Deserialize)]
        struct Place {
            call: CallId,
            video: bool,
        }
        let range = Range { pk: keys::user_partition(user), prefix: keys::WAITING, after: None, descending: false, limit };
        Ok(self.query::<Place>(range).await?.items.into_iter().map(|place| (place.call, place.video)).collect())
    }

    /// `WAITING → SUBMITTING`: takes a slot and leaves the line. This is the intent to send, written before anything is sent:
    /// whoever wins it sends, once.
    ///
    /// # Errors
    /// [`NotTaken`]; with [`NotTaken::NoSlot`] the call keeps its place.
    pub async fn take_slot(&self, call: &Call, limits: &Limits, now: Timestamp, deadline: Timestamp) -> Result<(), NotTaken> {
        let slot = quota::take_slot(call.user, call.video, limits).ok_or(NotTaken::NoSlot)?;
        let writes = vec![
            slot,
            arrow(call.id, Event::SlotTaken, deadline)?.set("submitted_at", s(now)).set("deadline_at", s(deadline)),
            Write::delete(keys::waiting(call.user, call.id), Cond::Exists),
        ];
        match self.transact(writes).await {
            Err(Lost::Condition { index: 0, .. }) => Err(NotTaken::NoSlot),
            other => taken(other),
        }
    }

    /// `SUBMITTING → WAITING`: back in line, as nothing was sent; its slot is free. Not to be started before `retry_at`.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn put_back(&self, call: &Call, retry_at: Timestamp) -> Result<(), NotTaken> {
        let back = arrow_from(call.id, &[CallState::Submitting], Event::NotSent, retry_at)?;
        let writes = vec![
            back.set("retry_at", s(retry_at)).add("attempts", 1).remove("submitted_at").remove("deadline_at"),
            quota::free_slot(call.user, call.video),
            place_in_line(call)?,
        ];
        taken(self.transact(writes).await)
    }

    /// `SUBMITTING → SUBMITTED`: keeps how the provider knows the call. When a callback was faster, only that is added.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn accepted(&self, call: CallId, request: &ProviderRequest, due: Timestamp) -> Result<(), NotTaken> {
        let request = attribute(request)?;
        let first = self.write(arrow(call, Event::Accepted, due)?.set("request", request.clone())).await;
        if !matches!(first, Err(Lost::Condition { .. })) {
            return taken(first);
        }
        let attach = Write::update(keys::call(call), Cond::Exists.and(Cond::Absent("request"))).set("request", request);
        match self.write(attach).await {
            Err(Lost::Condition { .. }) => Err(NotTaken::Elsewhere),
            other => taken(other),
        }
    }

    /// Keeps what a poll heard about a call that is still open, and when to ask again. Losing: it has moved on.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn heard(&self, call: CallId, running: bool, position: Option<u32>, due: Timestamp) -> Result<(), NotTaken> {
        let submitted = Cond::Eq("state", s(CallState::Submitted.name()));
        let mut write = indexed(Write::update(keys::call(call), submitted), call, due)
            .set("running", aws_sdk_dynamodb::types::AttributeValue::Bool(running));
        write = match position {
            Some(position) => write.set("queue_position", n(position)),
            None => write.remove("queue_position"),
        };
        taken(self.write(write).await)
    }

    /// `SUBMITTING | SUBMITTED → RESULT_READY`, `UNKNOWN → LATE_READY`: keeps the provider's answer with the call, and how the
    /// provider knows it if that was only learned now.
    ///
    /// # Errors
    /// [`NotTaken::Elsewhere`] for a repetition.
    pub async fn result_arrived(
        &self,
        call: CallId,
        payload: &str,
        learned: Option<&ProviderRequest>,
        (now, due): (Timestamp, Timestamp),
    ) -> Result<(), NotTaken> {
        let request = learned.map(attribute).transpose()?;
        for from in [&[CallState::Submitting, CallState::Submitted][..], &[CallState::Unknown]] {
            let mut write = arrow_from(call, from, Event::ResultArrived, due)?.set("payload", s(payload)).set("arrived_at", s(now));
            if let Some(request) = &request {
                write = write.set("request", request.clone());
            }
            match self.write(write).await {
                Err(Lost::Condition { .. }) => {}
                other => return taken(other),
            }
        }
        Err(NotTaken::Elsewhere)
    }

    /// Notes that the user wants a call stopped that the provider already has. Losing: it is over.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn request_cancel(&self, call: CallId, now: Timestamp) -> Result<(), NotTaken> {
        let open = Cond::OneOf("state", vec![s(CallState::Submitting.name()), s(CallState::Submitted.name())]);
        let write = Write::update(keys::call(call), open).set("cancel_requested", aws_sdk_dynamodb::types::AttributeValue::Bool(true));
        taken(self.write(indexed(write, call, now)).await)
    }

    /// Puts off when `worker` looks at a call again, unless it has left `state`.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn postpone(&self, call: CallId, state: CallState, due: Timestamp) -> Result<(), NotTaken> {
        let write = Write::update(keys::call(call), Cond::Eq("state", s(state.name())));
        taken(self.write(indexed(write, call, due)).await)
    }

    /// Stops listing a call that is over or will not be heard of again. Losing: it isn't.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn forget(&self, call: CallId) -> Result<(), NotTaken> {
        let over = STATES.into_iter().filter(|state| state.is_settled() && *state != CallState::LateReady);
        let over = Cond::OneOf("state", over.map(|state| s(state.name())).collect());
        taken(self.write(Write::update(keys::call(call), over).remove("gsi1pk").remove("gsi1sk")).await)
    }

    /// How many calls are listed as open, over all shards; each shard is counted up to a bound far beyond any limit. The index
    /// lags, so this is about right.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn count_open(&self) -> Result<u64, DbError> {
        let mut count = 0;
        for shard in 0..keys::OPEN_SHARDS {
            let mut after = None;
            for _ in 0..MOST_OPEN_PAGES {
                let page = self.indexed(&keys::open_partition(shard), after.as_deref(), keys::OPEN_END, OPEN_PAGE).await?;
                count += page.items.iter().filter(|key| matches!(Due::of(key), Some(Due::Call(_)))).count() as u64;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Keys of calls and assets of one shard that are due, longest due first, after those before `after`. The index lags: re-read
    /// each.
    ///
    /// # Errors
    /// [`DbError`] when the table can't be read.
    pub async fn due(&self, shard: u8, after: Option<&str>, now: Timestamp, limit: i32) -> Result<Page<Due>, DbError> {
        let page = self.indexed(&keys::open_partition(shard), after, &keys::open_until(now), limit).await?;
        Ok(Page { items: page.items.iter().filter_map(Due::of).collect(), next: page.next })
    }
}

/// What the sparse index lists as due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A call in an open state.
    Call(CallId),
    /// A video without a poster.
    Poster(UserId, crate::id::AssetId),
    /// What is in the trash.
    Trash(UserId, crate::id::AssetId),
    /// The deletion of a person.
    Deletion(UserId),
    /// An export that isn't ready.
    Export(UserId, crate::id::RecordId),
}

impl Due {
    fn of(key: &keys::Key) -> Option<Self> {
        if let Some(id) = key.pk.strip_prefix("CALL#") {
            return id.parse().ok().map(Self::Call);
        }
        let partition = key.pk.strip_prefix("USER#")?;
        if let Some(user) = partition.strip_suffix(keys::TRASH) {
            return Some(Self::Trash(user.parse().ok()?, key.sk.parse().ok()?));
        }
        let user = partition.parse().ok()?;
        if key.sk == keys::DELETION {
            return Some(Self::Deletion(user));
        }
        if let Some(export) = key.sk.strip_prefix(keys::EXPORTS) {
            return export.parse().ok().map(|export| Self::Export(user, export));
        }
        let asset = key.sk.strip_prefix(keys::ASSETS)?.parse().ok()?;
        Some(Self::Poster(user, asset))
    }
}

/// A call's place in its user's line. Losing: it has one.
fn place_in_line(call: &Call) -> Result<Write, DbError> {
    let mut place = encode(&serde_json::json!({"call": call.id, "video": call.video}))?;
    stamp(&mut place, "waiting");
    Ok(Write::put(keys::waiting(call.user, call.id), place, Cond::NoItem))
}

fn stamped<T: serde::Serialize>(value: &T, entity: &str) -> Result<Item, DbError> {
    let mut item = encode(value)?;
    stamp(&mut item, entity);
    Ok(item)
}

pub(super) fn taken(result: Result<(), Lost>) -> Result<(), NotTaken> {
    match result {
        Ok(()) => Ok(()),
        Err(Lost::Condition { .. }) => Err(NotTaken::Elsewhere),
        Err(Lost::Failed(error)) => Err(NotTaken::Failed(error)),
    }
}

/// The arrow of `event` from every state that has one to the same place, due again at `due`.
fn arrow(call: CallId, event: Event, due: Timestamp) -> Result<Write, DbError> {
    let from: Vec<CallState> = STATES.into_iter().filter(|state| next(*state, event).is_some()).collect();
    arrow_from(call, &from, event, due)
}

pub(super) fn arrow_from(call: CallId, from: &[CallState], event: Event, due: Timestamp) -> Result<Write, DbError> {
    let to = from.first().and_then(|state| next(*state, event)).map(|(to, _)| to);
    let to = to.ok_or_else(|| DbError::Refused(format!("no arrow {event:?} from {from:?}").into()))?;
    Ok(indexed(transition(call, from, to), call, due))
}

pub(super) fn transition(call: CallId, from: &[CallState], to: CallState) -> Write {
    let from = from.iter().map(|state| s(state.name())).collect();
    Write::update(keys::call(call), Cond::OneOf("state", from)).set("state", s(to.name()))
}

fn indexed(write: Write, call: CallId, due: Timestamp) -> Write {
    open_index(call, due).into_iter().fold(write, |write, (name, value)| write.set(name, value))
}

pub(super) fn open_index(id: impl ToString, due: Timestamp) -> Item {
    let id = id.to_string();
    Item::from([("gsi1pk".to_owned(), s(keys::open_partition(keys::open_shard(&id)))), ("gsi1sk".to_owned(), s(keys::open_sort(due, &id)))])
}
