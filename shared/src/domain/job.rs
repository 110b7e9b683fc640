//! One provider call's state machine, as a pure function.
//!
//! Every arrow is one conditional write that names the state it leaves, so an event that comes twice, late or out of order
//! finds no arrow and changes nothing. Money moves on the arrows marked by [`Settlement`], and there at most once: no arrow
//! that settles leads to a state from which another one settles.

use serde::{Deserialize, Serialize};

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallState {
    /// Reserved, in its user's line for a slot. Nothing was sent.
    Waiting,
    /// The intent to send is written; the provider may or may not have heard of it.
    Submitting,
    /// The provider answered with a request id.
    Submitted,
    /// The provider's answer is stored with the call; the media aren't ours yet.
    ResultReady,
    /// In the library, charged for what was delivered.
    Complete,
    /// Nothing delivered, nothing charged.
    Failed,
    /// Stopped on the user's wish, nothing charged.
    Cancelled,
    /// No word from the provider in time: nothing charged, still listening.
    Unknown,
    /// Word came after all; the media aren't ours yet.
    LateReady,
    /// Delivered late, never charged.
    CompleteFree,
}

impl CallState {
    /// Nothing more happens to the call by itself, and its generation needn't wait for it.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Waiting | Self::Submitting | Self::Submitted | Self::ResultReady)
    }

    /// The call holds one of its user's slots.
    pub const fn holds_slot(self) -> bool {
        matches!(self, Self::Submitting | Self::Submitted | Self::ResultReady)
    }

    /// `worker` still has to look after it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Submitting | Self::Submitted | Self::ResultReady | Self::Unknown | Self::LateReady)
    }

    /// The spelling in records and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Submitting => "SUBMITTING",
            Self::Submitted => "SUBMITTED",
            Self::ResultReady => "RESULT_READY",
            Self::Complete => "COMPLETE",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::LateReady => "LATE_READY",
            Self::CompleteFree => "COMPLETE_FREE",
        }
    }
}

/// What can happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A slot was free.
    SlotTaken,
    /// The provider accepted the request.
    Accepted,
    /// The provider refused the request; it did not start.
    Rejected,
    /// No byte of the request left, or the provider was too busy to take it: it may be sent later.
    NotSent,
    /// The provider has a result.
    ResultArrived,
    /// The provider says that the request failed.
    ProviderFailed,
    /// At least one of the result's media is in our bucket.
    Stored,
    /// None of the result's media can be kept.
    ImportRefused,
    /// No word in time.
    GaveUp,
    /// The user cancelled, and nothing runs (any more).
    Cancelled,
}

/// What an arrow does to the user's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Nothing.
    None,
    /// What was delivered is charged, the rest is given back, the slot is freed.
    ChargeDelivered,
    /// Everything is given back; the slot, if held, is freed.
    ReturnAll,
}

/// Where an event leads from `state`; `None` when it has nothing to say there.
pub const fn next(state: CallState, event: Event) -> Option<(CallState, Settlement)> {
    use CallState as S;
    use Event as E;
    match (state, event) {
        (S::Waiting, E::SlotTaken) => Some((S::Submitting, Settlement::None)),
        (S::Submitting, E::NotSent) => Some((S::Waiting, Settlement::None)),
        (S::Submitting, E::Accepted) => Some((S::Submitted, Settlement::None)),
        (S::Submitting, E::Rejected) | (S::Submitting | S::Submitted, E::ProviderFailed) | (S::ResultReady, E::ImportRefused) => {
            Some((S::Failed, Settlement::ReturnAll))
        }
        (S::Submitting | S::Submitted, E::ResultArrived) => Some((S::ResultReady, Settlement::None)),
        (S::ResultReady, E::Stored) => Some((S::Complete, Settlement::ChargeDelivered)),
        (S::Submitting | S::Submitted, E::GaveUp) => Some((S::Unknown, Settlement::ReturnAll)),
        (S::Waiting | S::Submitted, E::Cancelled) => Some((S::Cancelled, Settlement::ReturnAll)),
        (S::Unknown, E::ResultArrived) => Some((S::LateReady, Settlement::None)),
        (S::LateReady, E::Stored) => Some((S::CompleteFree, Settlement::None)),
        (S::LateReady, E::ImportRefused) => Some((S::Unknown, Settlement::None)),
        _ => None,
    }
}

/// Every state, for tests and for conditions that list states.
pub const STATES: [CallState; 10] = [
    CallState::Waiting,
    CallState::Submitting,
    CallState::Submitted,
    CallState::ResultReady,
    CallState::Complete,
    CallState::Failed,
    CallState::Cancelled,
    CallState::Unknown,
    CallState::LateReady,
    CallState::CompleteFree,
];

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Walks every path from the start and counts the settlements on it. `Waiting ⇄ Submitting` and
    /// `LateReady ⇄ Unknown` are the only cycles.
    #[test]
    fn no_path_settles_twice_and_every_settled_state_is_settled_once() {
        fn walk(state: CallState, settlements: u32, depth: u32) {
            assert!(settlements <= 1, "{state:?} reached with {settlements} settlements");
            assert_eq!(settlements == 1, state.is_settled(), "{state:?}");
            if depth == 0 {
                return;
            }
            for event in EVENTS {
                if let Some((to, settlement)) = next(state, event) {
                    walk(to, settlements + u32::from(settlement != Settlement::None), depth - 1);
                }
            }
        }
        walk(CallState::Waiting, 0, 9);
    }

    #[test]
    fn what_is_over_stays_over() {
        for state in [CallState::Complete, CallState::Failed, CallState::Cancelled, CallState::CompleteFree] {
            assert!(EVENTS.iter().all(|event| next(state, *event).is_none()), "{state:?}");
            assert!(!state.is_open());
        }
    }

    #[test]
    fn the_stored_spelling_is_the_logged_one() {
        for state in STATES {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
