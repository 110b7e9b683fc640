//! Whether the books of a user are right: what was used, what the ledger says, and what is in the library.
//!
//! Reads everything that a user has, page by page, so it is for operators and tests and never for a request. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::db::assets::Listing;
use crate::db::ledger::{LedgerKind, LedgerLine};
use crate::db::{Db, DbError};
use crate::domain::asset::Asset;
use crate::domain::generation::{Call, Generation};
use crate::domain::job::CallState;
use crate::id::{AssetId, GenerationId, UserId};

/// Items of a page.
const PAGE: i32 = 100;
/// How often books that don't agree are read again: while something is under way, one reading sees it half done.
const READINGS: u32 = 4;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(250);
/// How much was looked at, and what doesn't agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Generations.
    pub generations: usize,
    /// Ledger lines.
    pub lines: usize,
    /// Assets.
    pub assets: usize,
    /// A sentence each; none is what should be.
    pub problems: Vec<String>,
}

/// Units and millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    reserved: i64,
    charged: i64,
    returned: i64,
    spend: i64,
}

impl Sums {
    fn add(&mut self, line: &LedgerLine) {
        let units = i64::from(line.units);
        match line.kind {
            LedgerKind::Reserved => self.reserved += units,
            LedgerKind::Charged => (self.charged, self.spend) = (self.charged + units, self.spend + line.price),
            LedgerKind::Returned => self.returned += units,
        }
    }

    /// Neither charged nor given back yet.
    fn under_way(self) -> i64 {
        self.reserved - self.charged - self.returned
    }
}

/// Checks the books of `user`. What was thrown away is gone after `kept` (`DEADLINE_SECONDS_TRASH`): a younger asset must be there.
///
/// # Errors
/// [`DbError`] when the table can't be read.
pub async fn verify(db: &Db, user: UserId, now: Timestamp, kept: SignedDuration) -> Result<Books, DbError> {
    let gone = now - kept;
    let mut books = read(db, user, gone).await?;
    for _ in 1..READINGS {
        if books.problems.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        books = read(db, user, gone).await?;
    }
    Ok(books)
}

async fn read(db: &Db, user: UserId, gone: Timestamp) -> Result<Books, DbError> {
    let (mut by_month, mut by_generation) = (BTreeMap::<String, Sums>::new(), BTreeMap::<GenerationId, Sums>::new());
    let mut books = Books::default();
    let mut after = None;
    loop {
        let page = db.ledger(user, after.as_deref(), PAGE).await?;
        for (_, line) in &page.items {
            by_month.entry(line.month.clone()).or_default().add(line);
            by_generation.entry(line.generation).or_default().add(line);
        }
        books.lines += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    months(db, user, &mut by_month, &mut books).await?;
    let made = assets(db, user).await?;
    books.assets = made.len();

    let (mut running, mut videos, mut waiting) = (0, 0, 0);
    let mut named = BTreeSet::new();
    let mut after = None;
    loop {
        let page = db.generations(user, after.as_deref(), PAGE).await?;
        for generation in &page.items {
            let calls = db.calls(&generation.calls).await?;
            let sums = by_generation.remove(&generation.id).unwrap_or_default();
            one(generation, &calls, sums, &mut books.problems);
            library(generation, &made, gone, &mut books.problems);
            named.extend(generation.assets.iter().copied());
            let holding = || calls.iter().filter(|call| call.state.holds_slot());
            running += holding().count();
            videos += holding().filter(|call| call.video).count();
            waiting += calls.iter().filter(|call| call.state == CallState::Waiting).count();
        }
        books.generations += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for id in by_generation.keys() {
        books.problems.push(format!("the ledger names generation {id}, which isn't there"));
    }
    for id in made.keys().filter(|id| !named.contains(id)) {
        books.problems.push(format!("asset {id} is named by no generation"));
    }
    let slots = db.slots(user).await?;
    let held = (usize::try_from(slots.running).unwrap_or(usize::MAX), usize::try_from(slots.videos).unwrap_or(usize::MAX));
    agree("slots", "calls that hold one", held, (running, videos), &mut books.problems);
    let mut in_line = 0;
    let mut after = None;
    loop {
        let page = db.line(user, after.as_deref(), PAGE).await?;
        in_line += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    agree("places in line", "waiting calls", in_line, waiting, &mut books.problems);
    Ok(books)
}

/// What a month counts is what its ledger lines add up to, in all, by model and by day.
async fn months(db: &Db, user: UserId, by_month: &mut BTreeMap<String, Sums>, books: &mut Books) -> Result<(), DbError> {
    let mut after = None;
    loop {
        let page = db.quotas(user, after.as_deref(), PAGE).await?;
        for (month, quota) in &page.items {
            let sums = by_month.remove(month).unwrap_or_default();
            let counted = (i64::from(quota.taken), i64::from(quota.charged), quota.spend);
            let booked = (sums.reserved - sums.returned, sums.charged, sums.spend);
            agree(&format!("usage of {month}"), "ledger (taken, charged, spend)", counted, booked, &mut books.problems);
            let models = quota.by_model().into_values().fold((0, 0), |all, one| (all.0 + i64::from(one.0), all.1 + one.1));
            agree(&format!("usage of {month}"), "its models (charged, spend)", (counted.1, counted.2), models, &mut books.problems);
            let days = quota.by_day().into_values().fold((0, 0), |all, one| (all.0 + i64::from(one.0), all.1 + one.1));
            // What was charged before days were counted is in no day.
            if days.0 > counted.1 || days.1 > counted.2 {
                books.problems.push(format!("usage of {month}: its days have {days:?} of {:?}", (counted.1, counted.2)));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (month, sums) in by_month.iter() {
        books.problems.push(format!("the ledger has {sums:?} for {month}, which was never counted"));
    }
    Ok(())
}

/// What a generation says of itself is what its ledger lines and its calls say.
fn one(generation: &Generation, calls: &[Call], sums: Sums, problems: &mut Vec<String>) {
    let about = format!("generation {}", generation.id);
    let said = (i64::from(generation.units_reserved), i64::from(generation.units_charged), generation.price_actual);
    agree(&about, "ledger (reserved, charged, spend)", said, (sums.reserved, sums.charged, sums.spend), problems);
    let open = calls.iter().filter(|call| !call.state.is_settled());
    agree(&about, "units of its open calls", sums.under_way(), open.clone().map(|call| i64::from(call.units())).sum(), problems);
    agree(&about, "open calls", usize::try_from(generation.open).unwrap_or(usize::MAX), open.count(), problems);
    let delivered = |call: &Call| generation.assets.iter().filter(|asset| call.assets.contains(asset)).count();
    let paid = calls.iter().filter(|call| call.state == CallState::Complete);
    let paid = paid.map(|call| i64::from(call.units_each) * i64::try_from(delivered(call)).unwrap_or(i64::MAX)).sum();
    agree(&about, "units of its assets", said.1, paid, problems);
    let count = usize::try_from(generation.delivered).unwrap_or(usize::MAX);
    agree(&about, "assets that it names", count, generation.assets.len(), problems);
    let unpaid = calls.iter().filter(|call| !matches!(call.state, CallState::Complete | CallState::CompleteFree));
    for call in unpaid.filter(|call| delivered(call) > 0) {
        problems.push(format!("{about}: call {} is {} and has delivered", call.id, call.state.name()));
    }
}

/// What a generation has delivered is in the library, unless it was deleted since.
fn library(generation: &Generation, made: &BTreeMap<AssetId, Asset>, gone: Timestamp, problems: &mut Vec<String>) {
    for id in &generation.assets {
        match made.get(id) {
            Some(asset) if asset.generation == generation.id => {}
            Some(_) => problems.push(format!("asset {id} says it is another generation's than {}", generation.id)),
            None if generation.created_at > gone => problems.push(format!("asset {id} of generation {} isn't there", generation.id)),
            None => {}
        }
    }
}

async fn assets(db: &Db, user: UserId) -> Result<BTreeMap<AssetId, Asset>, DbError> {
    let mut made = BTreeMap::new();
    let mut after = None;
    loop {
        let page = db.assets_in(user, None, Listing { after, newest_first: false, limit: PAGE }).await?;
        made.extend(page.items.into_iter().map(|asset| (asset.id, asset)));
        after = page.next;
        if after.is_none() {
            return Ok(made);
        }
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(what: &str, with: &str, one: T, other: T, problems: &mut Vec<String>) {
    if one != other {
        problems.push(format!("{what}: {one:?}, but {with}: {other:?}"));
    }
}
