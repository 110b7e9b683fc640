//! What all processes of a simulated world share: time, chance, faults, the services, and the eye that is kept on all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use shared::clock::Clock;
use tests::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::process::Process;
use super::stores::{Buckets, Queue};
use super::table::Table;
use super::watch::{self, Watch};

/// Lines of a trace that are kept.
const TRACE: usize = 2_000;

/// A mistake, built in on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The provider's client sends again when the answer is lost.
    SendsAgain,
    /// The writes of these names are made whatever their conditions say.
    Unconditional(Vec<String>),
}

/// How bad it is, out of a thousand where nothing else is said.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// Milliseconds that a request takes at most, each way.
    pub(super) latency: u64,
    /// Requests that meet a fault.
    pub(super) faults: u64,
    /// Processes that die.
    pub(super) deaths: u64,
    /// Messages that are delivered twice at once.
    pub(super) doubles: u64,
    /// Callbacks that are lost.
    pub(super) lost_callbacks: u64,
    /// Submissions whose answer is lost.
    pub(super) lost_answers: u64,
    /// When all faults end, in milliseconds.
    pub(super) clears_at: u64,
}

impl Weather {
    pub(super) fn of(rng: &mut Rng) -> Self {
        Self {
            latency: rng.pick(&[5, 40, 250]),
            faults: rng.pick(&[0, 30, 80, 160]),
            deaths: rng.pick(&[0, 100, 250, 500]),
            doubles: rng.pick(&[0, 100, 300]),
            lost_callbacks: rng.pick(&[0, 100, 500, 1000]),
            lost_answers: rng.pick(&[0, 50, 300]),
            clears_at: rng.between(60_000, 300_000),
        }
    }
}

pub(super) struct Sim {
    start: Instant,
    pub(super) begins: Timestamp,
    pub(super) clock: Clock,
    rng: Mutex<Rng>,
    pub(super) weather: Weather,
    pub(super) mistake: Option<Mistake>,
    pub(super) table: Table,
    pub(super) buckets: Mutex<Buckets>,
    queues: Mutex<BTreeMap<&'static str, Queue>>,
    pub(super) sent: BTreeMap<&'static str, Notify>,
    watch: Mutex<Watch>,
    /// Instants at which something happens: one thing each, so that the order never depends on anything else.
    instants: Mutex<BTreeSet<u64>>,
    /// What invocations have begun and left, by its task.
    left: Mutex<HashMap<tokio::task::Id, Arc<Process>>>,
    trace: Mutex<VecDeque<String>>,
    wrong: Mutex<Option<String>>,
    spoilt: Mutex<bool>,
}

pub(super) const QUEUES: [&str; 3] = ["results", "tasks", "videos"];

impl Sim {
    pub(super) fn new(mut rng: Rng, begins: Timestamp, mistake: Option<Mistake>, watch: Watch) -> Arc<Self> {
        let weather = Weather::of(&mut rng);
        Arc::new(Self {
            start: Instant::now(),
            begins,
            clock: Clock::manual(begins),
            rng: Mutex::new(rng),
            weather,
            mistake,
            table: Table::new(),
            buckets: Mutex::default(),
            queues: Mutex::new(QUEUES.into_iter().map(|name| (name, Queue::default())).collect()),
            sent: QUEUES.into_iter().map(|name| (name, Notify::new())).collect(),
            watch: Mutex::new(watch),
            instants: Mutex::default(),
            left: Mutex::default(),
            trace: Mutex::default(),
            wrong: Mutex::default(),
            spoilt: Mutex::default(),
        })
    }

    /// Milliseconds since the world began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    /// Sets the product's clock to the world's time.
    pub(super) fn set_clock(&self) {
        let now = self.begins.as_millisecond() + i64::try_from(self.now()).unwrap();
        self.clock.advance(now - self.clock.now().as_millisecond());
    }

    /// Waits so many milliseconds, and for an instant of its own.
    pub(super) async fn wait(&self, least: u64, most: u64) {
        let now = self.now();
        let mut at = now + self.between(least, most.max(least));
        {
            let mut instants = self.instants.lock().unwrap();
            *instants = instants.split_off(&now);
            while !instants.insert(at) {
                at += 1;
            }
        }
        tokio::time::sleep_until(self.start + Duration::from_millis(at)).await;
        self.set_clock();
    }

    /// The process of a task that no invocation runs, made by `new` when it is first seen.
    pub(super) fn left_behind(&self, task: tokio::task::Id, new: impl FnOnce() -> Arc<Process>) -> Arc<Process> {
        Arc::clone(self.left.lock().unwrap().entry(task).or_insert_with(new))
    }

    /// No more faults.
    pub(super) fn is_calm(&self) -> bool {
        self.now() >= self.weather.clears_at
    }

    pub(super) fn chance(&self, of_a_thousand: u64) -> bool {
        self.rng.lock().unwrap().happens(of_a_thousand)
    }

    /// As [`Sim::chance`], as long as the weather is bad.
    pub(super) fn mishap(&self, of_a_thousand: u64) -> bool {
        !self.is_calm() && self.chance(of_a_thousand)
    }

    pub(super) fn between(&self, least: u64, most: u64) -> u64 {
        self.rng.lock().unwrap().between(least, most)
    }

    pub(super) fn pick<T: Copy>(&self, of: &[T]) -> T {
        self.rng.lock().unwrap().pick(of)
    }

    pub(super) fn note(&self, who: &Process, what: &str) {
        self.say(&who.name, what);
    }

    pub(super) fn say(&self, who: &str, what: &str) {
        let mut trace = self.trace.lock().unwrap();
        if trace.len() == TRACE {
            trace.pop_front();
        }
        trace.push_back(format!("{:>10} ms  {who:<24} {what}", self.now()));
    }

    /// A promise is broken. Only the first time counts.
    pub(super) fn fail(&self, what: String) {
        self.say("BROKEN", &what);
        self.wrong.lock().unwrap().get_or_insert(what);
    }

    pub(super) fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(super) fn story(&self) -> String {
        let mut story = format!("{:?}\n", self.weather);
        for line in self.trace.lock().unwrap().iter() {
            let _ = writeln!(story, "{line}");
        }
        story
    }

    /// Builds the mistake in.
    pub(super) fn spoil(&self, body: &mut Value) {
        let Some(Mistake::Unconditional(names)) = &self.mistake else { return };
        for write in body["TransactItems"].as_array_mut().into_iter().flatten() {
            if names.contains(&watch::name_of(write)) {
                *self.spoilt.lock().unwrap() = true;
                let inner = write.as_object_mut().unwrap().values_mut().next().unwrap();
                let condition = inner["ConditionExpression"].as_str().unwrap();
                inner["ConditionExpression"] = format!("attribute_exists(pk) OR attribute_not_exists(pk) OR {condition}").into();
            }
        }
    }

    /// Whether the mistake was made at all.
    pub(super) fn was_spoilt(&self) -> bool {
        *self.spoilt.lock().unwrap()
    }

    /// A transaction was made.
    pub(super) fn written(&self, body: &Value) {
        let found = self.watch.lock().unwrap().written(&self.table, &self.buckets.lock().unwrap(), body);
        for wrong in found {
            self.fail(wrong);
        }
    }

    pub(super) fn watch<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> T {
        look(&mut self.watch.lock().unwrap())
    }

    pub(super) fn send(&self, queue: &str, body: &str, delay_s: u64) {
        let name = queue.rsplit('/').next().unwrap();
        self.queue(name, |queue| queue.send(body.to_owned(), self.now() + delay_s * 1000));
        self.sent[name].notify_one();
    }

    pub(super) fn queue<T>(&self, name: &str, with: impl FnOnce(&mut Queue) -> T) -> T {
        with(self.queues.lock().unwrap().get_mut(name).unwrap())
    }
}
