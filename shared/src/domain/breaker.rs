//! When a provider fails, it is left alone for a while: a circuit breaker, as a pure function of what was seen of it.
//!
//! What was seen is counted in blocks of twenty submissions or more. A block of which half failed opens the breaker, and so does
//! one refusal of our account. After [`PAUSE`] somebody asks the provider for something that costs nothing; if it answers, one
//! submission may try, and closes the breaker or opens it again. Asking and trying are leases: whoever dies meanwhile is
//! replaced. A submission that went well writes nothing, unless it was the one that tried.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long it stays open before the provider is asked.
pub const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// Submissions of a block, unless the configuration says otherwise.
pub const BLOCK: u32 = 20;
/// How long asking may take: more than the client's own time-out.
const ASKING: SignedDuration = SignedDuration::from_secs(10);
/// How long the one submission may take.
const TRYING: SignedDuration = SignedDuration::from_secs(15);

/// How far it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Everything goes.
    #[default]
    Closed,
    /// Nothing goes.
    Open,
    /// Somebody asks whether the provider is there.
    Asking,
    /// It is there: one submission may try.
    Ready,
    /// One submission tries.
    Trying,
}

/// What a submission said about the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It failed, or didn't answer.
    Provider,
    /// It refuses our account, for this reason: nobody's request will succeed until an operator has looked.
    Account(&'static str),
}

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Submit.
    Free,
    /// Nothing, for so many seconds.
    Shut(u64),
    /// Ask whether it is there.
    Ask,
    /// Submit one.
    Try,
}

/// The breaker of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// How far it is open.
    pub phase: Phase,
    /// When the pause or the lease ends, in milliseconds since the epoch; 0 for the phases without one.
    #[serde(default)]
    pub until_ms: i64,
    /// Submissions of this block that failed.
    #[serde(default)]
    pub failures: u32,
    /// All submissions of this block.
    #[serde(default)]
    pub submissions: u32,
    /// Why our account was refused, if that is why it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Counts the changes: each is written on the condition that it is the next.
    #[serde(default)]
    pub version: i64,
}

impl Breaker {
    /// What may be done now.
    pub fn way(&self, now: Timestamp) -> Way {
        let left = self.until_ms - now.as_millisecond();
        match self.phase {
            Phase::Closed => Way::Free,
            Phase::Ready => Way::Try,
            _ if left > 0 => Way::Shut(u64::try_from(left.saturating_add(999) / 1000).unwrap_or(1)),
            _ => Way::Ask,
        }
    }

    /// Somebody asks.
    #[must_use]
    pub fn asking(&self, now: Timestamp) -> Self {
        self.to(Phase::Asking, now + ASKING)
    }

    /// The provider answered what was asked, or didn't.
    #[must_use]
    pub fn asked(&self, answered: bool, now: Timestamp) -> Self {
        if answered { self.ready() } else { self.to(Phase::Open, now + PAUSE) }
    }

    /// One submission may try; also when the one that was to try found nothing to send.
    #[must_use]
    pub fn ready(&self) -> Self {
        Self { until_ms: 0, ..self.to(Phase::Ready, Timestamp::UNIX_EPOCH) }
    }

    /// One submission tries.
    #[must_use]
    pub fn trying(&self, now: Timestamp) -> Self {
        self.to(Phase::Trying, now + TRYING)
    }

    /// The one that tried went well.
    #[must_use]
    pub fn closed(&self) -> Self {
        Self { version: self.version + 1, ..Self::default() }
    }

    /// The one that tried failed.
    #[must_use]
    pub fn failed_again(&self, fault: Fault, now: Timestamp) -> Self {
        self.opened(fault, now)
    }

    /// A submission failed after `before` others of the same sender that went well and were never counted, in a block of `block`.
    /// `None` when that changes nothing: it was sent before the breaker opened.
    pub fn failed(&self, (before, block): (u32, u32), fault: Fault, now: Timestamp) -> Option<Self> {
        if self.phase != Phase::Closed {
            return None;
        }
        if let Fault::Account(_) = fault {
            return Some(self.opened(fault, now));
        }
        let (failures, submissions) = (self.failures + 1, self.submissions.saturating_add(before).saturating_add(1));
        let (full, bad) = (submissions >= block, failures.saturating_mul(2) >= submissions);
        Some(match (full, bad) {
            (true, true) => self.opened(fault, now),
            (true, false) => self.closed(),
            (false, _) => Self { failures, submissions, version: self.version + 1, ..self.clone() },
        })
    }

    fn opened(&self, fault: Fault, now: Timestamp) -> Self {
        let account = match fault {
            Fault::Provider => None,
            Fault::Account(reason) => Some(reason.to_owned()),
        };
        Self { account, ..self.to(Phase::Open, now + PAUSE) }
    }

    fn to(&self, phase: Phase, until: Timestamp) -> Self {
        let account = self.account.clone();
        Self { phase, until_ms: until.as_millisecond(), failures: 0, submissions: 0, account, version: self.version + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// `failures` in a row, each after `before` that went well.
    fn after(mut breaker: Breaker, failures: u32, before: u32) -> Breaker {
        for _ in 0..failures {
            breaker = breaker.failed((before, BLOCK), Fault::Provider, at(0)).unwrap_or(breaker);
        }
        breaker
    }

    #[test]
    fn twenty_of_which_half_failed_open_it_and_fewer_dont() {
        assert_eq!(after(Breaker::default(), 19, 0).way(at(0)), Way::Free);
        assert_eq!(after(Breaker::default(), 20, 0).way(at(0)), Way::Shut(30));
        assert_eq!(after(Breaker::default(), 10, 1).way(at(0)), Way::Shut(30));
        // A third that fails is a bad day, not an outage, however long it lasts.
        assert_eq!(after(Breaker::default(), 1_000, 2).way(at(0)), Way::Free);
        // A good past counts for one block at most.
        let good = Breaker::default().failed((19, BLOCK), Fault::Provider, at(0)).unwrap();
        assert_eq!((good.phase, good.submissions), (Phase::Closed, 0));
        assert_eq!(after(good, 20, 0).phase, Phase::Open);
    }

    #[test]
    fn a_refused_account_opens_it_at_once_and_is_forgotten_when_it_closes() {
        let open = Breaker::default().failed((19, BLOCK), Fault::Account("account-locked"), at(0)).unwrap();
        assert_eq!((open.way(at(29)), open.way(at(30))), (Way::Shut(1), Way::Ask));
        assert_eq!(open.asking(at(30)).account.as_deref(), Some("account-locked"));
        assert_eq!(open.closed().account, None);
    }

    #[test]
    fn it_closes_by_one_answer_and_one_submission_and_dead_holders_are_replaced() {
        let open = after(Breaker::default(), 20, 0);
        assert_eq!(open.way(at(30)), Way::Ask);
        let asking = open.asking(at(30));
        assert_eq!((asking.way(at(31)), asking.way(at(40))), (Way::Shut(9), Way::Ask));
        assert_eq!(asking.asked(false, at(32)).way(at(61)), Way::Shut(1));
        let ready = asking.asked(true, at(32));
        assert_eq!(ready.way(at(1_000)), Way::Try);
        let trying = ready.trying(at(33));
        assert_eq!((trying.way(at(34)), trying.way(at(48))), (Way::Shut(14), Way::Ask));
        assert_eq!(trying.closed().way(at(34)), Way::Free);
        assert_eq!(trying.failed_again(Fault::Provider, at(34)).way(at(35)), Way::Shut(29));
        // Latecomers from before change nothing.
        for phase in [&open, &asking, &ready, &trying] {
            assert_eq!(phase.failed((0, BLOCK), Fault::Provider, at(35)), None);
        }
    }

    #[test]
    fn every_change_is_the_next() {
        let open = after(Breaker::default(), 20, 0);
        assert_eq!(open.version, 20);
        let versions = [open.asking(at(0)), open.ready(), open.trying(at(0)), open.closed(), open.asked(true, at(0))];
        assert!(versions.iter().all(|next| next.version == 21));
    }
}
