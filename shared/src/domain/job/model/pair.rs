//! Every way in which two calls of one generation can go that share one slot: the second waits in line until the first is settled, and
//! the generation counts both. Around them: the request that starts what it can, a worker that does the same, callbacks, polls, an
//! importer for each, a sweeper that comes at the worst moment, a user who cancels the whole, and crashes between any two writes.
//!
//! What happens to a single call is searched through beside this; here the search is for what two of them do to each other. A state
//! is packed into 64 bits: there are millions.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::{CallState, Event, STATES, Settlement, next};
use super::Provider;

/// A call, with all that lies around for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Call {
    state: CallState,
    known: bool,
    provider: Provider,
    submitted: bool,
    callbacks: u8,
    /// A message to the importer is in the queue.
    message: bool,
    /// 1: it has the message; 2: and has stored the object.
    importer: u8,
    asset: bool,
}

/// Goes down the line, then submits what it took a slot for, all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Starter {
    Idle,
    /// Next in line, and what it has taken so far.
    Line(u8, bool),
    /// For each call: 0 nothing to do, 1 to be sent, 2 accepted, 3 rejected.
    Sends(u8, u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct World {
    calls: [Call; 2],
    taken: u8,
    slots: u8,
    open: u8,
    delivered: u8,
    /// The request's own, and the worker's.
    starters: [Starter; 2],
    /// A `start` task is in the queue.
    task: bool,
    /// How many calls the user's wish to cancel has reached; 3 when there is none.
    cancelled: u8,
    crashes: u8,
}

/// A mistake that is known to be made in systems like this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    /// One failure gives back the units of the whole generation.
    ReturnsTheWhole,
    /// A late delivery counts the generation's open calls down once more.
    ClosesTwice,
    /// The slot is kept by a call that failed.
    KeepsTheSlot,
    /// Only `start` tasks look at the line.
    ForgetsTheLine,
    /// The slot is looked at before it is taken, not as it is taken.
    LooksFirst,
    /// Whoever has seen a waiting call sends it, whether the slot was won or not.
    SendsWhatItSaw,
}

const INITIAL: Call = Call {
    state: CallState::Waiting,
    known: false,
    provider: Provider::Nothing,
    submitted: false,
    callbacks: 0,
    message: false,
    importer: 0,
    asset: false,
};

const PROVIDERS: [Provider; 6] =
    [Provider::Nothing, Provider::Queued, Provider::Made, Provider::Unusable, Provider::Failed, Provider::Stopped];

impl Starter {
    fn pack(self) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Line(0, _) => 1,
            Self::Line(_, taken) => 2 + u64::from(taken),
            Self::Sends(first, second) => 4 + u64::from(first) * 4 + u64::from(second),
        }
    }

    fn unpack(packed: u64) -> Self {
        match packed {
            0 => Self::Idle,
            1 => Self::Line(0, false),
            2 | 3 => Self::Line(1, packed == 3),
            _ => Self::Sends(((packed - 4) / 4) as u8, ((packed - 4) % 4) as u8),
        }
    }
}

/// Puts numbers into one, each below its bound, and takes them out again in the opposite order.
struct Packed(u64);

impl Packed {
    fn push(&mut self, number: u64, bound: u64) {
        debug_assert!(number < bound);
        self.0 = self.0 * bound + number;
    }

    fn pop(&mut self, bound: u64) -> u64 {
        let number = self.0 % bound;
        self.0 /= bound;
        number
    }
}

impl World {
    fn pack(&self) -> u64 {
        let mut packed = Packed(0);
        for call in &self.calls {
            packed.push(STATES.iter().position(|state| *state == call.state).unwrap_or(0) as u64, 10);
            packed.push(PROVIDERS.iter().position(|provider| *provider == call.provider).unwrap_or(0) as u64, 6);
            packed.push(u64::from(call.known), 2);
            packed.push(u64::from(call.submitted), 2);
            packed.push(call.callbacks.into(), 3);
            packed.push(call.message.into(), 2);
            packed.push(call.importer.into(), 3);
            packed.push(call.asset.into(), 2);
        }
        for number in [self.taken, self.slots, self.open, self.delivered, self.cancelled, self.crashes] {
            packed.push(number.into(), 8);
        }
        packed.push(self.task.into(), 2);
        for starter in self.starters {
            packed.push(starter.pack(), 20);
        }
        packed.0
    }

    fn unpack(packed: u64) -> Self {
        let mut packed = Packed(packed);
        let second = Starter::unpack(packed.pop(20));
        let first = Starter::unpack(packed.pop(20));
        let task = packed.pop(2) == 1;
        let [crashes, cancelled, delivered, open, slots, taken] = [(); 6].map(|()| packed.pop(8) as u8);
        let calls = [(); 2].map(|()| {
            let asset = packed.pop(2) == 1;
            let importer = packed.pop(3) as u8;
            let message = packed.pop(2) == 1;
            let callbacks = packed.pop(3) as u8;
            let submitted = packed.pop(2) == 1;
            let known = packed.pop(2) == 1;
            let provider = PROVIDERS[packed.pop(6) as usize];
            Call { state: STATES[packed.pop(10) as usize], known, provider, submitted, callbacks, message, importer, asset }
        });
        let calls = [calls[1], calls[0]];
        Self { calls, taken, slots, open, delivered, starters: [first, second], task, cancelled, crashes }
    }
}

/// Packed states are spread already; one multiplication does for a table.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are looked up")
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Default)]
struct Found {
    states: usize,
    ends: usize,
    /// Ends in which one call was delivered and the other wasn't.
    partial: usize,
    wrong: Option<&'static str>,
    at: Option<World>,
}

/// What can happen next, and the first promise that breaks on the way there.
struct Then {
    mistake: Option<Mistake>,
    after: Vec<World>,
    wrong: Option<&'static str>,
}

impl Then {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn add(&mut self, from: &World, change: impl FnOnce(&mut Self, &mut World)) {
        let mut world = *from;
        change(self, &mut world);
        self.after.push(world);
    }

    fn breaks(&mut self, what: &'static str) {
        self.wrong.get_or_insert(what);
    }

    fn less(&mut self, counter: &mut u8, by: u8, what: &'static str) {
        match counter.checked_sub(by) {
            Some(rest) => *counter = rest,
            None => self.breaks(what),
        }
    }

    /// The arrow of `event`, if there is one, with all that is written in the same transaction.
    fn take(&mut self, world: &mut World, which: usize, event: Event) -> bool {
        let from = world.calls[which].state;
        let Some((to, settlement)) = next(from, event) else { return false };
        world.calls[which].state = to;
        if settlement == Settlement::None {
            if to == CallState::CompleteFree && self.makes(Mistake::ClosesTwice) {
                self.less(&mut world.open, 1, "the generation has fewer open calls than none");
            }
        } else {
            if from.is_settled() {
                self.breaks("settled twice");
            }
            if from.holds_slot() && !(self.makes(Mistake::KeepsTheSlot) && to == CallState::Failed) {
                self.less(&mut world.slots, 1, "a slot is freed twice");
            }
            if settlement == Settlement::ReturnAll {
                let units = if self.makes(Mistake::ReturnsTheWhole) { 2 } else { 1 };
                self.less(&mut world.taken, units, "units are given back twice");
            }
            self.less(&mut world.open, 1, "the generation has fewer open calls than none");
        }
        if matches!(to, CallState::Complete | CallState::CompleteFree) {
            (world.calls[which].asset, world.delivered) = (true, world.delivered + 1);
        }
        true
    }

    /// Settles, then wakes the line: whoever dies in between doesn't.
    fn settle(&mut self, from: &World, which: usize, event: Event, done: impl Fn(&mut World), died: impl Fn(&mut World)) {
        let held = from.calls[which].state.holds_slot();
        let mut world = *from;
        let settled = self.take(&mut world, which, event);
        if settled && held && world.crashes > 0 {
            let mut dead = world;
            dead.crashes -= 1;
            died(&mut dead);
            self.after.push(dead);
        }
        world.task |= settled && held;
        done(&mut world);
        self.after.push(world);
    }

    fn steps(&mut self, world: &World) {
        for who in 0..2 {
            self.starter(world, who);
        }
        if world.task && world.starters[1] == Starter::Idle {
            self.add(world, |_, w| (w.task, w.starters[1]) = (false, Starter::Line(0, false)));
        }
        if world.cancelled < 2 {
            let which = usize::from(world.cancelled);
            self.add(world, |then, w| {
                w.cancelled += 1;
                if w.calls[which].state == CallState::Waiting {
                    then.take(w, which, Event::Cancelled);
                }
            });
        }
        for which in 0..2 {
            self.provider(world, which);
            self.callback(world, which);
            self.importer(world, which);
            self.sweeper(world, which);
        }
    }

    fn starter(&mut self, world: &World, who: usize) {
        match world.starters[who] {
            Starter::Idle => return,
            Starter::Line(which, taken) => self.add(world, |then, w| {
                let call = usize::from(which);
                let waits = w.calls[call].state == CallState::Waiting;
                let full = w.slots >= 1 && !then.makes(Mistake::LooksFirst);
                let wins = waits && !full && then.take(w, call, Event::SlotTaken);
                if wins {
                    w.slots += 1;
                    if w.slots > 1 {
                        then.breaks("more slots than there are");
                    }
                }
                let sends = wins || (then.makes(Mistake::SendsWhatItSaw) && !waits && w.calls[call].state == CallState::Submitting);
                w.starters[who] = match (which, waits && full) {
                    (0, false) => Starter::Line(1, sends),
                    (0, true) => Starter::Sends(0, 0),
                    (_, _) => Starter::Sends(taken.into(), sends.into()),
                };
            }),
            Starter::Sends(0, 0) => return self.add(world, |_, w| w.starters[who] = Starter::Idle),
            Starter::Sends(first, second) => {
                for (which, step) in [first, second].into_iter().enumerate() {
                    let to = move |w: &mut World, step: u8| {
                        w.starters[who] = if which == 0 { Starter::Sends(step, second) } else { Starter::Sends(first, step) };
                    };
                    match step {
                        0 => {}
                        1 => {
                            // Accepted and heard, accepted and not heard, rejected.
                            for heard in [2, 0] {
                                self.add(world, |then, w| {
                                    let call = &mut w.calls[which];
                                    if std::mem::replace(&mut call.submitted, true) {
                                        then.breaks("sent to the provider twice");
                                    }
                                    call.provider = Provider::Queued;
                                    to(w, heard);
                                });
                            }
                            self.add(world, |_, w| to(w, 3));
                        }
                        2 => self.add(world, |then, w| {
                            then.take(w, which, Event::Accepted);
                            w.calls[which].known = true;
                            to(w, 0);
                        }),
                        _ => self.settle(world, which, Event::Rejected, |w| to(w, 0), |w| w.starters[who] = Starter::Idle),
                    }
                }
            }
        }
        if world.crashes > 0 {
            self.add(world, |_, w| (w.starters[who], w.crashes) = (Starter::Idle, w.crashes - 1));
        }
    }

    fn provider(&mut self, world: &World, which: usize) {
        if world.calls[which].provider == Provider::Queued {
            for end in [Provider::Made, Provider::Unusable, Provider::Failed] {
                self.add(world, |_, w| (w.calls[which].provider, w.calls[which].callbacks) = (end, 1));
            }
        }
    }

    /// A callback is written down and queued, or is lost before, between or after that.
    fn callback(&mut self, world: &World, which: usize) {
        if world.calls[which].callbacks == 0 {
            return;
        }
        self.add(world, |_, w| w.calls[which].callbacks -= 1);
        self.add(world, |then, w| {
            w.calls[which].callbacks -= 1;
            if !matches!(w.calls[which].state, CallState::Submitting | CallState::Submitted | CallState::Unknown) {
                return;
            }
            if w.calls[which].provider == Provider::Failed {
                then.take(w, which, Event::Accepted);
            } else if then.take(w, which, Event::ResultArrived) {
                w.calls[which].message = true;
            }
            w.calls[which].known = true;
        });
    }

    fn importer(&mut self, world: &World, which: usize) {
        let call = world.calls[which];
        let ready = matches!(call.state, CallState::ResultReady | CallState::LateReady);
        let done = move |w: &mut World| (w.calls[which].importer, w.calls[which].message) = (0, false);
        match call.importer {
            0 if call.message => return self.add(world, |_, w| w.calls[which].importer = 1),
            0 => return,
            1 if ready && call.provider == Provider::Unusable => {
                self.settle(world, which, Event::ImportRefused, done, move |w| w.calls[which].importer = 0);
            }
            1 if ready => self.add(world, |_, w| w.calls[which].importer = 2),
            1 => self.add(world, |_, w| done(w)),
            _ => self.settle(world, which, Event::Stored, done, move |w| w.calls[which].importer = 0),
        }
        if world.crashes > 0 {
            self.add(world, |_, w| (w.calls[which].importer, w.crashes) = (0, w.crashes - 1));
        }
    }

    /// Looks after every open state; its deadlines may pass at any moment.
    fn sweeper(&mut self, world: &World, which: usize) {
        let call = world.calls[which];
        let nothing = |_: &mut World| ();
        match call.state {
            // While no slot is free it would find nothing to do, for ever.
            CallState::Waiting if world.slots == 0 && world.starters[1] == Starter::Idle && !self.makes(Mistake::ForgetsTheLine) => {
                self.add(world, |_, w| w.starters[1] = Starter::Line(0, false));
            }
            CallState::Submitting => self.settle(world, which, Event::GaveUp, nothing, nothing),
            CallState::Submitted => {
                self.settle(world, which, Event::GaveUp, nothing, nothing);
                if world.cancelled < 3 && usize::from(world.cancelled) > which && call.provider == Provider::Queued {
                    self.add(world, |_, w| w.calls[which].provider = Provider::Stopped);
                }
                self.poll(world, which);
            }
            CallState::Unknown if call.known && call.provider == Provider::Made => self.poll(world, which),
            CallState::ResultReady | CallState::LateReady if !call.message => self.add(world, |_, w| w.calls[which].message = true),
            _ => {}
        }
    }

    fn poll(&mut self, world: &World, which: usize) {
        let nothing = |_: &mut World| ();
        match world.calls[which].provider {
            Provider::Made | Provider::Unusable => self.add(world, |then, w| {
                w.calls[which].message |= then.take(w, which, Event::ResultArrived);
            }),
            Provider::Failed => self.settle(world, which, Event::ProviderFailed, nothing, nothing),
            Provider::Stopped => self.settle(world, which, Event::Cancelled, nothing, nothing),
            Provider::Nothing | Provider::Queued => {}
        }
    }
}

impl World {
    /// Two calls wait in line, and up to so many crashes may follow.
    const fn first(crashes: u8) -> Self {
        Self {
            calls: [INITIAL; 2],
            taken: 2,
            slots: 0,
            open: 2,
            delivered: 0,
            starters: [Starter::Line(0, false), Starter::Idle],
            task: false,
            cancelled: 3,
            crashes,
        }
    }

    /// What must not be once nothing happens any more.
    fn unfinished(&self) -> Option<&'static str> {
        let charged = self.calls.iter().filter(|call| call.state == CallState::Complete).count();
        let assets = self.calls.iter().filter(|call| call.asset).count();
        match self {
            _ if self.calls.iter().any(|call| !call.state.is_settled() || call.state == CallState::LateReady) => Some("stuck"),
            _ if self.slots != 0 => Some("a slot is never freed"),
            _ if self.open != 0 => Some("the generation never ends"),
            _ if usize::from(self.taken) != charged => Some("charged for nothing, or delivered for nothing"),
            _ if usize::from(self.delivered) != assets => Some("the generation counts what isn't there"),
            _ if self.calls.iter().any(|call| call.known && call.provider == Provider::Made && !call.asset) => {
                Some("made, known, and lost")
            }
            _ => None,
        }
    }
}

fn search(mistake: Option<Mistake>, crashes: u8) -> Found {
    let first = World::first(crashes);
    let mut found = Found::default();
    let mut seen: HashSet<u64, BuildHasherDefault<Spread>> = HashSet::from_iter([first.pack()]);
    let mut todo = vec![first.pack()];
    let mut then = Then { mistake, after: Vec::new(), wrong: None };
    // Depth first: every state is looked at once, in whatever order, and the list of what is to do stays short.
    while let Some(packed) = todo.pop() {
        let world = World::unpack(packed);
        then.after.clear();
        then.steps(&world);
        found.wrong = then.wrong;
        // What only repeats itself has come to rest as well, and nothing may depend on a user who happens to cancel.
        if then.after.iter().all(|after| *after == world) && found.wrong.is_none() {
            found.ends += 1;
            found.partial += usize::from(world.delivered == 1);
            found.wrong = world.unfinished();
        }
        if found.wrong.is_some() {
            found.at = Some(world);
            break;
        }
        if world.cancelled == 3 {
            then.add(&world, |_, w| w.cancelled = 0);
        }
        todo.extend(then.after.iter().map(World::pack).filter(|packed| seen.insert(*packed)));
    }
    found.states = seen.len();
    found
}

#[test]
fn states_are_packed_without_loss() {
    let mut seen: Vec<World> = Vec::new();
    let mut then = Then { mistake: None, after: Vec::new(), wrong: None };
    let mut world = World::first(3);
    for turn in 0..5_000_usize {
        assert_eq!(World::unpack(world.pack()), world);
        then.after.clear();
        then.steps(&world);
        seen.push(world);
        world = *then.after.get(turn.wrapping_mul(7) % then.after.len().max(1)).unwrap_or(&seen[turn / 2]);
    }
}

#[test]
fn two_calls_of_a_generation_keep_every_promise() {
    let long = std::env::var_os("AIG_LONG").is_some_and(|value| value == "1");
    let found = search(None, if long { 7 } else { 3 });
    assert_eq!(found.wrong, None, "{found:?}");
    assert!(found.states > 100_000 && found.partial > 10, "{found:?}");
}

#[test]
fn every_known_mistake_with_two_calls_is_found() {
    for (mistake, wrong) in [
        (Mistake::ReturnsTheWhole, "units are given back twice"),
        (Mistake::ClosesTwice, "the generation has fewer open calls than none"),
        (Mistake::KeepsTheSlot, "a slot is never freed"),
        (Mistake::ForgetsTheLine, "stuck"),
        (Mistake::LooksFirst, "more slots than there are"),
        // One of them is refused, the other isn't, and the call has failed already.
        (Mistake::SendsWhatItSaw, "made, known, and lost"),
    ] {
        let found = search(Some(mistake), 2);
        assert_eq!(found.wrong, Some(wrong), "{mistake:?}: {found:?}");
    }
}
