//! Every way in which one call can go, tried out: two requests under one key, a worker, a callback, two importers that hold the same
//! message, the thumbnailer, a sweeper that comes at the worst moment, a user who cancels, and crashes between any two writes.
//!
//! The arrows are the real ones of [`next`]; what stands around them is as in `jobs`. Each known mistake, built in on purpose, must
//! be found: a search that finds nothing wrong with those would prove nothing.

use std::collections::{HashSet, VecDeque};

use super::{CallState, Event, Settlement, next};

/// What happens at the provider.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Provider {
    Nothing,
    Queued,
    Made,
    /// Made, and of no use.
    Unusable,
    Failed,
    Stopped,
}

/// Where a process is: the number of its next step.
type Step = u8;
const IDLE: Step = u8::MAX;

/// Everything that a crash leaves behind, and where each process is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct World {
    call: Option<CallState>,
    taken: i8,
    slots: i8,
    settled: u8,
    request_known: bool,
    provider: Provider,
    submitted: u8,
    callbacks: u8,
    acknowledged: bool,
    repeated: bool,
    object: bool,
    asset: bool,
    poster: bool,
    results: u8,
    videos: u8,
    /// Two requests of the user under one key, and the worker that starts what waits.
    starters: [Step; 3],
    hook: Step,
    importers: [Step; 2],
    thumbnailer: Step,
    crashes: u8,
    retries: u8,
    cancels: u8,
}

/// A mistake that is known to be made in systems like this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    /// Units are reserved in one write, the call is made in the next.
    ReservesApart,
    /// The SDK sends the reservation again after a lost answer, and it counts again.
    CountsAgain,
    /// The submission is sent again after a lost answer.
    SendsAgain,
    /// The sweeper sends again what has no answer.
    SweeperSends,
    /// A failure gives units back whatever the state.
    ReturnsAlways,
    /// A delivery settles whatever the state.
    StoresAlways,
    /// Nobody looks after what is open.
    NoSweeper,
    /// The callback is acknowledged before it is written down.
    AcknowledgesFirst,
    /// The callback's address doesn't name the call.
    AnonymousHook,
}

#[derive(Clone, Copy)]
struct Rules {
    mistake: Option<Mistake>,
    /// Callbacks may be lost for good.
    losses: bool,
    deliveries: u8,
}

/// What can happen next in a world, one change each.
struct Next<'a> {
    from: World,
    after: &'a mut Vec<World>,
}

impl Next<'_> {
    fn with(&mut self, change: impl Fn(&mut World)) {
        let mut next = self.from;
        change(&mut next);
        self.after.push(next);
    }
}

#[derive(Debug, Default)]
struct Found {
    states: usize,
    ends: usize,
    /// Ends in which the provider made something that we never heard of. Nothing was charged for it.
    unheard: usize,
    wrong: Option<&'static str>,
}

impl Rules {
    fn makes(self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn search(self, crashes: u8) -> Found {
        let first = World {
            call: None,
            taken: 0,
            slots: 0,
            settled: 0,
            request_known: false,
            provider: Provider::Nothing,
            submitted: 0,
            callbacks: 0,
            acknowledged: false,
            repeated: false,
            object: false,
            asset: false,
            poster: false,
            results: 0,
            videos: 0,
            starters: [0, IDLE, IDLE],
            hook: IDLE,
            importers: [IDLE; 2],
            thumbnailer: IDLE,
            crashes,
            retries: 1,
            cancels: 1,
        };
        let mut found = Found::default();
        let (mut seen, mut queue) = (HashSet::from([first]), VecDeque::from([first]));
        let mut after = Vec::new();
        while let Some(world) = queue.pop_front() {
            found.wrong = world.broken();
            after.clear();
            self.steps(world, &mut after);
            if after.is_empty() && found.wrong.is_none() {
                found.ends += 1;
                match world.unfinished() {
                    Some(UNHEARD) => found.unheard += 1,
                    other => found.wrong = other,
                }
            }
            if found.wrong.is_some() {
                break;
            }
            queue.extend(after.iter().copied().filter(|world| seen.insert(*world)));
        }
        found.states = seen.len();
        found
    }

    /// Everything that can happen next.
    fn steps(self, world: World, after: &mut Vec<World>) {
        let mut then = Next { from: world, after };
        if world.retries > 0 && world.starters[1] == IDLE {
            then.with(|w| (w.retries, w.starters[1]) = (0, 0));
        }
        if world.cancels > 0 && world.call == Some(CallState::Waiting) {
            then.with(|w| {
                w.cancels = 0;
                w.take(Event::Cancelled);
            });
        }
        if world.cancels > 0 && world.call == Some(CallState::Submitted) && world.request_known && world.provider == Provider::Queued {
            then.with(|w| {
                (w.cancels, w.provider) = (0, Provider::Stopped);
                w.take(Event::Cancelled);
            });
        }
        if world.provider == Provider::Queued {
            for end in [Provider::Made, Provider::Unusable, Provider::Failed] {
                then.with(|w| (w.provider, w.callbacks) = (end, self.deliveries));
            }
        }
        for who in 0..3 {
            self.starter(world, who, &mut then);
        }
        self.hook(world, &mut then);
        for who in 0..2 {
            self.importer(world, who, &mut then);
        }
        thumbnailer(world, &mut then);
        if !self.makes(Mistake::NoSweeper) {
            self.sweeper(world, &mut then);
        }
    }

    /// Accepts (T1), takes the slot (T2), submits, and notes the answer (T3). The worker begins with T2.
    fn starter(self, world: World, who: usize, then: &mut Next<'_>) {
        let to = |step: Step| move |w: &mut World| w.starters[who] = step;
        match world.starters[who] {
            IDLE => return,
            0 if world.call.is_some() => return then.with(to(IDLE)),
            0 if self.makes(Mistake::ReservesApart) => match world.taken {
                0 => then.with(|w| (w.taken, w.starters[who]) = (w.taken + 1, 9)),
                _ => then.with(to(IDLE)),
            },
            0 if world.taken < 1 => {
                then.with(|w| (w.taken, w.call, w.starters[who]) = (w.taken + 1, Some(CallState::Waiting), 1));
                if self.makes(Mistake::CountsAgain) {
                    then.with(|w| (w.taken, w.call, w.starters[who]) = (w.taken + 2, Some(CallState::Waiting), 1));
                }
            }
            0 => then.with(to(IDLE)),
            9 => then.with(|w| (w.call, w.starters[who]) = (Some(CallState::Waiting), 1)),
            1 => then.with(|w| {
                let free = w.slots < 1;
                w.starters[who] = if free && w.take(Event::SlotTaken) { 2 } else { IDLE };
                w.slots += i8::from(w.starters[who] == 2);
            }),
            2 => {
                let sent = |w: &mut World| {
                    w.submitted += 1;
                    if w.provider == Provider::Nothing {
                        w.provider = Provider::Queued;
                    }
                };
                then.with(|w| {
                    sent(w);
                    w.starters[who] = 3;
                });
                then.with(|w| {
                    sent(w);
                    w.starters[who] = if self.makes(Mistake::SendsAgain) && w.submitted < 2 { 2 } else { IDLE };
                });
                then.with(to(4));
                then.with(to(5));
            }
            3 => then.with(|w| {
                w.take(Event::Accepted);
                (w.request_known, w.starters[who]) = (true, IDLE);
            }),
            5 => then.with(|w| {
                // No byte left: it goes back in line, and its slot is free.
                w.slots -= i8::from(w.take(Event::NotSent));
                w.starters[who] = IDLE;
            }),
            _ => then.with(|w| {
                w.take(Event::Rejected);
                w.starters[who] = IDLE;
            }),
        }
        if world.crashes > 0 && world.starters[who] != 0 {
            then.with(|w| (w.starters[who], w.crashes) = (IDLE, w.crashes - 1));
        }
    }

    /// Writes down what the callback says, queues the import, acknowledges.
    fn hook(self, world: World, then: &mut Next<'_>) {
        if world.callbacks > 0 && world.hook == IDLE && (!world.acknowledged || !world.repeated) {
            let used = |w: &mut World| (w.callbacks, w.repeated) = (w.callbacks - 1, w.acknowledged);
            then.with(|w| {
                used(w);
                w.hook = 0;
            });
            if self.losses {
                then.with(used);
            }
        }
        let known = world.request_known || !self.makes(Mistake::AnonymousHook);
        match world.hook {
            IDLE => return,
            0 if self.makes(Mistake::AcknowledgesFirst) => then.with(|w| (w.acknowledged, w.hook) = (true, 3)),
            0 if !known => then.with(|w| w.hook = 2),
            0 | 3 => then.with(|w| {
                w.hook = 2;
                let waits = matches!(w.call, Some(CallState::Submitting | CallState::Submitted | CallState::Unknown));
                if waits && matches!(w.provider, Provider::Made | Provider::Unusable) && w.take(Event::ResultArrived) {
                    (w.request_known, w.hook) = (true, 1);
                } else if waits {
                    // A failure is asked for: only what the provider calls the request is noted.
                    w.take(Event::Accepted);
                    w.request_known = true;
                }
            }),
            1 => then.with(|w| (w.results, w.hook) = ((w.results + 1).min(2), 2)),
            _ => then.with(|w| (w.acknowledged, w.hook) = (true, IDLE)),
        }
        if world.crashes > 0 && world.hook != 0 {
            then.with(|w| (w.hook, w.crashes) = (IDLE, w.crashes - 1));
        }
    }

    /// Stores the object, settles (T4), asks for the poster, deletes the message.
    fn importer(self, world: World, who: usize, then: &mut Next<'_>) {
        let to = |step: Step| move |w: &mut World| w.importers[who] = step;
        let ready = matches!(world.call, Some(CallState::ResultReady | CallState::LateReady));
        match world.importers[who] {
            IDLE if world.results > 0 => return then.with(to(0)),
            IDLE => return,
            0 if ready && world.provider == Provider::Unusable => then.with(|w| {
                w.take(Event::ImportRefused);
                w.importers[who] = 3;
            }),
            0 if ready => then.with(|w| (w.object, w.importers[who]) = (true, 1)),
            0 if matches!(world.call, Some(CallState::Complete | CallState::CompleteFree)) => then.with(to(2)),
            0 => then.with(to(3)),
            1 => then.with(|w| {
                let settles = w.take(Event::Stored);
                w.asset |= settles;
                if !settles && self.makes(Mistake::StoresAlways) {
                    w.settled += 1;
                }
                w.importers[who] = if settles { 2 } else { 3 };
            }),
            2 => then.with(|w| (w.videos, w.importers[who]) = ((w.videos + 1).min(2), 3)),
            _ => then.with(|w| (w.results, w.importers[who]) = (w.results.saturating_sub(1), IDLE)),
        }
        if world.crashes > 0 {
            then.with(|w| (w.importers[who], w.crashes) = (IDLE, w.crashes - 1));
        }
    }

    /// Looks after every open state; its deadlines may pass at any moment.
    fn sweeper(self, world: World, then: &mut Next<'_>) {
        match world.call {
            Some(CallState::Waiting) if world.starters[2] == IDLE => then.with(|w| w.starters[2] = 1),
            Some(CallState::Submitting) if self.makes(Mistake::SweeperSends) && world.submitted < 2 => then.with(|w| {
                w.submitted += 1;
                if w.provider == Provider::Nothing {
                    w.provider = Provider::Queued;
                }
                w.take(Event::Accepted);
                w.request_known = true;
            }),
            Some(CallState::Submitting) => then.with(|w| w.happens(Event::GaveUp)),
            Some(CallState::Submitted) if world.request_known => {
                then.with(|w| w.happens(Event::GaveUp));
                self.poll(world, then);
            }
            Some(CallState::Unknown) if world.request_known && world.provider == Provider::Made => self.poll(world, then),
            Some(CallState::ResultReady | CallState::LateReady) if world.results == 0 => then.with(|w| w.results = 1),
            Some(CallState::Complete | CallState::CompleteFree) if !world.poster && world.videos == 0 => then.with(|w| w.videos = 1),
            Some(CallState::Failed) if self.makes(Mistake::ReturnsAlways) && world.provider == Provider::Failed && world.settled < 3 => {
                then.with(|w| (w.taken, w.settled) = (w.taken - 1, w.settled + 1));
            }
            _ => {}
        }
    }

    fn poll(self, world: World, then: &mut Next<'_>) {
        match world.provider {
            Provider::Made | Provider::Unusable => then.with(|w| {
                w.take(Event::ResultArrived);
                w.results = (w.results + 1).min(2);
            }),
            Provider::Failed => then.with(|w| w.happens(Event::ProviderFailed)),
            Provider::Stopped => then.with(|w| w.happens(Event::Cancelled)),
            Provider::Nothing | Provider::Queued => {}
        }
    }
}

fn thumbnailer(world: World, then: &mut Next<'_>) {
    match world.thumbnailer {
        IDLE if world.videos > 0 => return then.with(|w| w.thumbnailer = 0),
        IDLE => return,
        0 => then.with(|w| (w.poster, w.thumbnailer) = (true, 1)),
        _ => then.with(|w| (w.videos, w.thumbnailer) = (w.videos.saturating_sub(1), IDLE)),
    }
    if world.crashes > 0 {
        then.with(|w| (w.thumbnailer, w.crashes) = (IDLE, w.crashes - 1));
    }
}

const UNHEARD: &str = "made, and never heard of";

impl World {
    /// The arrow of `event`, if there is one, with its settlement in the same write.
    fn take(&mut self, event: Event) -> bool {
        let Some((from, (to, settlement))) = self.call.and_then(|call| Some((call, next(call, event)?))) else { return false };
        self.call = Some(to);
        if settlement != Settlement::None {
            self.settled += 1;
            self.slots -= i8::from(from.holds_slot());
            self.taken -= i8::from(settlement == Settlement::ReturnAll);
        }
        true
    }

    /// As [`World::take`], for those who don't mind.
    fn happens(&mut self, event: Event) {
        self.take(event);
    }

    /// What must never be, not even for a moment.
    fn broken(&self) -> Option<&'static str> {
        let complete = matches!(self.call, Some(CallState::Complete | CallState::CompleteFree));
        match self {
            _ if !(0..=1).contains(&self.taken) => Some("units beyond the limit, or below nothing"),
            _ if !(0..=1).contains(&self.slots) => Some("more slots than there are, or fewer than none"),
            _ if self.settled > 1 => Some("settled twice"),
            _ if self.submitted > 1 => Some("sent to the provider twice"),
            _ if self.asset && !self.object => Some("an asset without its object"),
            _ if complete && !self.asset => Some("complete without an asset"),
            _ => None,
        }
    }

    /// What must not be once nothing happens any more.
    fn unfinished(&self) -> Option<&'static str> {
        use CallState as S;
        let Some(call) = self.call else { return (self.taken != 0).then_some("units without a call") };
        match call {
            S::Waiting | S::Submitting | S::Submitted | S::ResultReady | S::LateReady => Some("stuck"),
            _ if self.slots != 0 => Some("a slot is never freed"),
            _ if i8::from(call == S::Complete) != self.taken => Some("charged for nothing, or delivered for nothing"),
            S::Complete | S::CompleteFree if !self.poster => Some("the poster is lost"),
            S::Failed | S::Unknown if self.provider == Provider::Made && self.request_known => Some("made, known, and lost"),
            S::Failed | S::Unknown if self.provider == Provider::Made => Some(UNHEARD),
            _ => None,
        }
    }
}

const DESIGN: Rules = Rules { mistake: None, losses: true, deliveries: 2 };

#[test]
fn no_order_of_events_and_crashes_breaks_a_promise() {
    let found = DESIGN.search(3);
    assert_eq!(found.wrong, None, "{found:?}");
    assert!(found.states > 100_000 && found.ends > 10, "{found:?}");
}

#[test]
fn what_the_provider_made_is_heard_of_unless_every_callback_is_lost() {
    let found = Rules { losses: false, deliveries: 4, ..DESIGN }.search(3);
    assert_eq!((found.wrong, found.unheard), (None, 0), "{found:?}");
    for mistake in [Mistake::AcknowledgesFirst, Mistake::AnonymousHook] {
        // Killed while it writes, or without the id in time: two crashes are enough.
        let found = Rules { mistake: Some(mistake), losses: false, deliveries: 4 }.search(2);
        assert!(found.wrong.is_none() && found.unheard > 0, "{mistake:?}: {found:?}");
    }
}

#[test]
fn every_known_mistake_is_found() {
    for (mistake, wrong) in [
        (Mistake::ReservesApart, "units without a call"),
        (Mistake::CountsAgain, "units beyond the limit, or below nothing"),
        (Mistake::SendsAgain, "sent to the provider twice"),
        (Mistake::SweeperSends, "sent to the provider twice"),
        (Mistake::ReturnsAlways, "units beyond the limit, or below nothing"),
        (Mistake::StoresAlways, "settled twice"),
        (Mistake::NoSweeper, "stuck"),
    ] {
        let found = Rules { mistake: Some(mistake), ..DESIGN }.search(3);
        assert_eq!(found.wrong, Some(wrong), "{mistake:?}: {found:?}");
    }
}
