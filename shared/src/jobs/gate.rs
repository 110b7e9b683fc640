//! What keeps work away from the provider: the kill switch, the day's spend, too much under way, and a provider that fails.
//!
//! Read before anything is reserved, and again before anything is sent. What was accepted waits in line while the gate is shut;
//! nothing that waits fails for it.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;

use super::StepError;
use crate::db::settings::{OpenCalls, Settings};
use crate::db::spend::Spend;
use crate::db::{Db, DbError, keys};
use crate::domain::breaker::{Breaker, Fault, Way};
use crate::provider::{Failure, FailureCode, Whose};
use crate::runtime::Platform;

/// How often a failure is counted anew after others changed the breaker meanwhile. One that isn't counted in the end is a
/// twentieth of what opens it.
const ATTEMPTS: u32 = 8;

/// Submissions of this process that went well and were told to nobody: they are counted with the next one that fails.
#[derive(Debug, Default)]
pub struct Tally {
    good: AtomicU32,
    /// The failures of one process are counted one after the other, so that they don't compete.
    turn: tokio::sync::Mutex<()>,
}

impl Tally {
    fn count(&self, block: u32) {
        let more = |good: u32| (good < block.saturating_sub(1)).then_some(good + 1);
        let _full = self.good.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn take(&self) -> u32 {
        self.good.swap(0, Ordering::Relaxed)
    }
}

/// Why nothing is accepted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// An operator or an admin said so, perhaps why.
    Paused(Option<String>),
    /// The day's spend is reserved.
    Spent,
    /// As many calls are open as may be.
    Full,
    /// The provider fails, or refuses our account; to be tried again after so many seconds.
    Provider(u64),
}

/// What may be sent.
#[derive(Debug)]
pub(super) enum Pass {
    /// Anything.
    Free,
    /// One call, whose fate decides.
    Trial(Breaker),
    /// Nothing.
    Shut,
}

/// What a submission says about the provider.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// It took the request, or refused it for a reason of the request's.
    Good,
    /// Nothing.
    Nothing,
    /// It is failing.
    Bad(Fault),
}

impl Seen {
    /// By why a request was refused.
    pub(super) fn of(failure: &Failure) -> Self {
        match (failure.whose, failure.code) {
            (Whose::Operator, code) => Self::Bad(Fault::Account(code.name())),
            (_, FailureCode::ProviderBusy) => Self::Nothing,
            // A clear no comes from somebody who works, even when it is about a model that is no longer there.
            _ => Self::Good,
        }
    }
}

/// How much is under way and reserved: for acceptance, and for whoever runs this.
#[derive(Clone, Debug)]
pub struct Load {
    /// See [`Settings`].
    pub settings: Settings,
    /// Today's.
    pub spend: Spend,
}

impl Load {
    /// As it is at `now`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn at(db: &Db, now: Timestamp) -> Result<Self, DbError> {
        let date = keys::date_of(now);
        let (settings, spend) = tokio::try_join!(db.settings(), db.spend(&date))?;
        Ok(Self { settings, spend })
    }

    /// Calls that are open at most: those that `worker` counted last, and all that were accepted since.
    pub fn open_calls(&self) -> u64 {
        match &self.settings.open {
            Some(open) if keys::date_of(open.at) == self.spend.date => open.calls + self.spend.calls.saturating_sub(open.accepted),
            Some(open) => open.calls + self.spend.calls,
            None => self.spend.calls,
        }
    }
}

/// Whether something may be accepted now, and what today's spend is if so. Asks the provider itself when it is time to.
///
/// # Errors
/// [`StepError`]: then nothing may be.
pub async fn admission(platform: &Platform, calls: u32) -> Result<Result<Spend, Closed>, StepError> {
    let load = Load::at(&platform.db, platform.clock.now()).await?;
    let brakes = platform.config.brakes;
    if load.settings.kill_switch.paused {
        return Ok(Err(Closed::Paused(load.settings.kill_switch.reason)));
    }
    if load.open_calls() + u64::from(calls) > u64::from(brakes.open_calls) {
        return Ok(Err(Closed::Full));
    }
    if brakes.daily_spend.is_some_and(|limit| load.spend.reserved() >= limit) {
        return Ok(Err(Closed::Spent));
    }
    match ready(platform, load.settings.breaker).await? {
        Ok(_) => Ok(Ok(load.spend)),
        Err(seconds) => Ok(Err(Closed::Provider(seconds))),
    }
}

/// What may be sent now. A trial that is not used must be given back by [`give_back`].
pub(super) async fn pass(platform: &Platform) -> Result<Pass, StepError> {
    let settings = platform.db.settings().await?;
    if settings.kill_switch.paused {
        return Ok(Pass::Shut);
    }
    let Ok(breaker) = ready(platform, settings.breaker).await? else { return Ok(Pass::Shut) };
    match breaker.way(platform.clock.now()) {
        Way::Free => Ok(Pass::Free),
        Way::Try => {
            let trying = breaker.trying(platform.clock.now());
            Ok(if platform.db.save_breaker(&trying).await? { Pass::Trial(trying) } else { Pass::Shut })
        }
        Way::Shut(_) | Way::Ask => Ok(Pass::Shut),
    }
}

/// The breaker if anything may be sent, after asking the provider when it is time to; otherwise for how many seconds it is open.
async fn ready(platform: &Platform, breaker: Breaker) -> Result<Result<Breaker, u64>, StepError> {
    let now = platform.clock.now();
    match breaker.way(now) {
        Way::Free | Way::Try => return Ok(Ok(breaker)),
        Way::Shut(seconds) => return Ok(Err(seconds)),
        Way::Ask => {}
    }
    let asking = breaker.asking(now);
    if !platform.db.save_breaker(&asking).await? {
        return Ok(Err(1));
    }
    let answered = platform.provider().await?.ping().await;
    if let Err(error) = &answered {
        tracing::warn!(%error, "the provider still doesn't answer");
    }
    let next = asking.asked(answered.is_ok(), platform.clock.now());
    platform.db.save_breaker(&next).await?;
    Ok(match next.way(platform.clock.now()) {
        Way::Shut(seconds) => Err(seconds),
        _ => Ok(next),
    })
}

/// The trial found nothing to send.
pub(super) async fn give_back(platform: &Platform, trial: &Breaker) -> Result<(), StepError> {
    platform.db.save_breaker(&trial.ready()).await?;
    Ok(())
}

/// Counts what a submission said about the provider. `true` when it closed the breaker: what waits may start.
pub(super) async fn saw(platform: &Platform, pass: &Pass, seen: Seen) -> Result<bool, StepError> {
    let db = &platform.db;
    if let Seen::Bad(Fault::Account(reason)) = seen {
        // The field is what the alarm in the template looks for.
        tracing::error!(provider_account = reason, "the provider refuses our account");
    }
    match (pass, seen) {
        (Pass::Trial(trial), Seen::Good) => {
            tracing::warn!("the provider works again");
            Ok(db.save_breaker(&trial.closed()).await?)
        }
        (Pass::Trial(trial), Seen::Nothing) => give_back(platform, trial).await.map(|()| false),
        (Pass::Trial(trial), Seen::Bad(fault)) => {
            db.save_breaker(&trial.failed_again(fault, platform.clock.now())).await?;
            Ok(false)
        }
        (_, Seen::Good) => {
            platform.tally.count(platform.config.brakes.breaker_block);
            Ok(false)
        }
        (_, Seen::Nothing) => Ok(false),
        (_, Seen::Bad(fault)) => failed(platform, fault).await.map(|()| false),
    }
}

async fn failed(platform: &Platform, fault: Fault) -> Result<(), StepError> {
    let _turn = platform.tally.turn.lock().await;
    let before = platform.tally.take();
    for _ in 0..ATTEMPTS {
        let now = platform.clock.now();
        let breaker = platform.db.settings().await?.breaker;
        let Some(next) = breaker.failed((before, platform.config.brakes.breaker_block), fault, now) else { return Ok(()) };
        if platform.db.save_breaker(&next).await? {
            if let Way::Shut(seconds) = next.way(now) {
                tracing::error!(seconds, account = next.account.as_deref(), "the provider is left alone for a while");
            }
            return Ok(());
        }
    }
    tracing::warn!("a failure of the provider could not be counted");
    Ok(())
}

/// Counts what is open, once a minute.
pub(super) async fn measure(platform: &Platform) -> Result<(), StepError> {
    let at: Timestamp = platform.clock.now();
    // The day's calls first: what is accepted between the two reads is counted twice rather than not at all.
    let accepted = platform.db.spend(&keys::date_of(at)).await?.calls;
    let calls = platform.db.count_open().await?;
    platform.db.save_open_calls(&OpenCalls { calls, at, accepted }).await?;
    Ok(())
}
