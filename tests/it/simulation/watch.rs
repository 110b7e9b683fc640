//! The eye on a simulated world: after every transaction, and at rest, what must hold is held against what lies in the table.
//!
//! It keeps the calls' states in a book of its own and derives from them alone what the counters must be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::domain::job::{CallState, Event, STATES, Settlement, next};
use shared::domain::limits::Limits;

use super::stores::Buckets;
use super::table::{Item, Table, number, text};

pub(super) const MEDIA: &str = "media-bucket";

const EVENTS: [Event; 10] = [
    Event::SlotTaken,
    Event::Accepted,
    Event::Rejected,
    Event::NotSent,
    Event::ResultArrived,
    Event::ProviderFailed,
    Event::Stored,
    Event::ImportRefused,
    Event::GaveUp,
    Event::Cancelled,
];

/// A call, as it was last seen.
#[derive(Clone, Debug)]
struct Seen {
    state: CallState,
    user: String,
    generation: String,
    month: String,
    units: i64,
    video: bool,
    settled: u8,
}

pub(super) struct Watch {
    limits: Limits,
    calls: BTreeMap<String, Seen>,
}

/// What a write of a transaction is called: what it does to what.
pub(super) fn name_of(write: &Value) -> String {
    let Some((operation, inner)) = write.as_object().and_then(|write| write.iter().next()) else { return String::new() };
    let key = inner.get("Key").or_else(|| inner.get("Item")).unwrap_or(&Value::Null);
    let (pk, sk) = (key["pk"]["S"].as_str().unwrap_or_default(), key["sk"]["S"].as_str().unwrap_or_default());
    let what = match pk.split('#').nth(2) {
        Some(list) if pk.starts_with("USER#") => list,
        _ => sk.split('#').next().unwrap_or_default(),
    };
    let verb = match operation.as_str() {
        "Put" => return format!("put {what}"),
        "Delete" => return format!("delete {what}"),
        "ConditionCheck" => return format!("check {what}"),
        _ => "update",
    };
    let names = inner["ExpressionAttributeNames"].as_object();
    let name = |placeholder: &str| names.and_then(|names| names.get(placeholder)?.as_str()).unwrap_or_default();
    let value = |placeholder: &str| &inner["ExpressionAttributeValues"][placeholder];
    let expression = inner["UpdateExpression"].as_str().unwrap_or_default();
    let words: Vec<&str> = expression.split([' ', ',', '(']).filter(|word| !word.is_empty()).collect();
    let mut changes = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let next = |by: usize| words.get(index + by).copied().unwrap_or_default();
        match name(word) {
            "" | "gsi1pk" | "gsi1sk" | "ttl" => {}
            "state" => return format!("{verb} {what} to {}", value(next(2))["S"].as_str().unwrap_or_default()),
            attribute if next(1).starts_with(':') => {
                let sign = if value(next(1))["N"].as_str().unwrap_or_default().starts_with('-') { "-" } else { "+" };
                // Counters of models are many.
                changes.insert(format!("{}{sign}", attribute.split('#').next().unwrap_or_default()));
            }
            attribute => {
                changes.insert(attribute.to_owned());
            }
        }
    }
    match changes.into_iter().next() {
        Some(first) => format!("{verb} {what} {first}"),
        None => format!("{verb} {what} due"),
    }
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, calls: BTreeMap::new() }
    }

    /// What a transaction broke.
    pub(super) fn written(&mut self, table: &Table, buckets: &Buckets, body: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut users = BTreeSet::new();
        for write in body["TransactItems"].as_array().into_iter().flatten() {
            let Some(inner) = write.as_object().and_then(|write| write.values().next()) else { continue };
            let key = inner.get("Key").or_else(|| inner.get("Item")).unwrap_or(&Value::Null);
            let (pk, sk) = (key["pk"]["S"].as_str().unwrap_or_default(), key["sk"]["S"].as_str().unwrap_or_default());
            if pk.starts_with("CALL#") {
                let Some(item) = table.get(pk, sk) else { continue };
                users.insert(text(&item, "user").to_owned());
                wrong.extend(self.call(pk, &item));
            } else if sk.starts_with("ASSET#")
                && let Some(item) = table.get(pk, sk)
            {
                wrong.extend(asset(buckets, &item));
            } else if let Some(user) = pk.strip_prefix("USER#")
                && (sk.starts_with("QUOTA#") || sk == "SLOTS" || sk.starts_with("GEN#"))
            {
                users.insert(user.to_owned());
            }
        }
        for user in users {
            wrong.extend(self.user(table, &user));
        }
        wrong
    }

    /// One arrow of the machine, one settlement in a life.
    fn call(&mut self, pk: &str, item: &Item) -> Option<String> {
        let name = text(item, "state");
        let state = STATES.into_iter().find(|state| state.name() == name).unwrap();
        let Some(seen) = self.calls.get_mut(pk) else {
            let seen = Seen {
                state,
                user: text(item, "user").to_owned(),
                generation: text(item, "generation").to_owned(),
                month: text(item, "month").to_owned(),
                units: number(item, "units_each") * i64::try_from(item["assets"]["L"].as_array().unwrap().len()).unwrap(),
                video: item["video"]["BOOL"] == true,
                settled: 0,
            };
            self.calls.insert(pk.to_owned(), seen);
            return (state != CallState::Waiting).then(|| format!("{pk} begins as {name}"));
        };
        if seen.state == state {
            return None;
        }
        let arrow = EVENTS.into_iter().filter_map(|event| next(seen.state, event)).find(|(to, _)| *to == state);
        let from = std::mem::replace(&mut seen.state, state);
        let Some((_, settlement)) = arrow else { return Some(format!("{pk} goes from {} to {name}", from.name())) };
        seen.settled += u8::from(settlement != Settlement::None);
        (seen.settled > 1).then(|| format!("{pk} is settled twice"))
    }

    /// The counters are what the states of the calls make them.
    fn user(&self, table: &Table, user: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let pk = format!("USER#{user}");
        let calls: Vec<&Seen> = self.calls.values().filter(|call| call.user == user).collect();
        let mut same = |what: &str, is: i64, should: i64| {
            if is != should {
                wrong.push(format!("{what} is {is} and should be {should}"));
            }
        };
        let running = |video_only: bool| {
            let running = calls.iter().filter(|call| call.state.holds_slot() && (!video_only || call.video));
            i64::try_from(running.count()).unwrap()
        };
        let slots = table.get(&pk, "SLOTS").unwrap_or_default();
        same("the number of running calls", number(&slots, "running"), running(false));
        same("the number of running videos", number(&slots, "videos"), running(true));
        let months: BTreeSet<&str> = calls.iter().map(|call| call.month.as_str()).collect();
        for month in months {
            let quota = table.get(&pk, &format!("QUOTA#{month}")).unwrap_or_default();
            let units = |keeps: fn(CallState) -> bool| -> i64 {
                calls.iter().filter(|call| call.month == month && keeps(call.state)).map(|call| call.units).sum()
            };
            let taken = units(|state| !state.is_settled() || state == CallState::Complete);
            same(&format!("what is taken of {month}"), number(&quota, "taken"), taken);
            same(&format!("what is charged in {month}"), number(&quota, "charged"), units(|state| state == CallState::Complete));
            same(&format!("what is taken of {month} above the limit"), (taken - i64::from(self.limits.monthly)).max(0), 0);
        }
        same("running calls above the limit", (running(false) - i64::from(self.limits.concurrent)).max(0), 0);
        same("running videos above the limit", (running(true) - i64::from(self.limits.concurrent_videos)).max(0), 0);
        let generations: BTreeSet<&str> = calls.iter().map(|call| call.generation.as_str()).collect();
        for id in generations {
            let generation = table.get(&pk, &format!("GEN#{id}")).unwrap_or_default();
            let open = calls.iter().filter(|call| call.generation == id && !call.state.is_settled()).count();
            same(&format!("what is open of {id}"), number(&generation, "open"), i64::try_from(open).unwrap());
        }
        wrong
    }

    /// Whether every call is over and forgotten by the sweeper.
    pub(super) fn is_quiet(&self, table: &Table) -> Result<(), String> {
        for (pk, call) in &self.calls {
            let listed = |item: Item| text(&item, "gsi1pk").starts_with("OPEN#");
            let busy = match call.state {
                CallState::Unknown => table.get(pk, "CALL").is_some_and(listed),
                state => state.is_open(),
            };
            if busy {
                return Err(format!("{pk} is {}", call.state.name()));
            }
        }
        Ok(())
    }

    /// What isn't as it has to be once nothing happens any more. `charges` are states by call, for the provider's own questions.
    pub(super) fn at_rest(&self, table: &Table, buckets: &Buckets) -> Vec<String> {
        let all = table.all();
        let mut wrong = Vec::new();
        let mut sums: BTreeMap<String, [i64; 5]> = BTreeMap::new();
        let mut assets: BTreeMap<String, i64> = BTreeMap::new();
        let (mut keys, mut generations) = (0, 0);
        for item in &all {
            let (pk, sk) = (text(item, "pk"), text(item, "sk"));
            let user = pk.strip_prefix("USER#").filter(|user| !user.contains('#')).unwrap_or_default();
            let mut sum = |index: usize, units: i64| sums.entry(user.to_owned()).or_default()[index] += units;
            match sk.split('#').next().unwrap_or_default() {
                "LEDGER" => match text(item, "kind") {
                    "reserved" => sum(0, number(item, "units")),
                    "charged" => sum(1, number(item, "units")),
                    _ => sum(2, number(item, "units")),
                },
                "QUOTA" => {
                    sum(3, number(item, "taken"));
                    sum(4, number(item, "charged"));
                }
                "SLOTS" if number(item, "running") != 0 || number(item, "videos") != 0 => wrong.push(format!("{pk} still holds slots")),
                "WAIT" => wrong.push(format!("{sk} still waits in line")),
                "IDEM" => keys += 1,
                "GEN" => {
                    generations += 1;
                    let (over, ends) = (number(item, "delivered"), ["failed", "cancelled", "unknown"].map(|name| number(item, name)));
                    let late = self.calls.values().filter(|call| sk.ends_with(&call.generation) && call.state == CallState::CompleteFree);
                    let late = i64::try_from(late.count()).unwrap();
                    if over + ends.iter().sum::<i64>() - late != number(item, "outputs") || number(item, "open") != 0 {
                        wrong.push(format!(
                            "{sk} has {over} delivered, {ends:?} otherwise, {late} of them late, {} open",
                            number(item, "open")
                        ));
                    }
                }
                "ASSET" if !user.is_empty() => {
                    *assets.entry(format!("CALL#{}", text(item, "call"))).or_default() += 1;
                    wrong.extend(asset(buckets, item));
                    if text(item, "poster") == "pending" {
                        wrong.push(format!("{sk} still waits for its poster"));
                    }
                }
                _ => {}
            }
        }
        for (user, [reserved, charged, returned, taken, charged_too]) in sums {
            if reserved != charged + returned || taken != charged || charged != charged_too {
                wrong.push(format!(
                    "of {user}, the ledger says {reserved} reserved, {charged} charged, {returned} returned; the months {taken} taken, {charged_too} charged"
                ));
            }
        }
        if keys != generations {
            wrong.push(format!("{keys} keys stand for {generations} generations"));
        }
        for (pk, call) in &self.calls {
            let is = assets.remove(pk).unwrap_or(0);
            let should = i64::from(matches!(call.state, CallState::Complete | CallState::CompleteFree));
            if is != should {
                wrong.push(format!("{pk} is {} and has {is} assets", call.state.name()));
            }
        }
        wrong
    }

    pub(super) fn states(&self) -> BTreeMap<String, CallState> {
        self.calls.iter().map(|(pk, call)| (pk.clone(), call.state)).collect()
    }
}

/// What an asset names is there.
fn asset(buckets: &Buckets, item: &Item) -> Vec<String> {
    let thumbnails = item.get("thumbnails").and_then(|list| list["L"].as_array()).into_iter().flatten();
    let names = thumbnails.filter_map(|thumbnail| thumbnail["M"]["key"]["S"].as_str()).chain([text(item, "key")]);
    names.filter(|key| buckets.get(MEDIA, key).is_none()).map(|key| format!("an asset names {key}, which isn't there")).collect()
}
