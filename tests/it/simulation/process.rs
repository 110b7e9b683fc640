//! A process of a simulated world: one invocation of a function, which may die at any of its requests.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::Poll;

use super::sim::Sim;

/// Where at a request a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    Before,
    After,
}

pub(super) struct Process {
    pub(super) name: String,
    /// At which request, counted from 1.
    dies_at: Option<(u64, Death)>,
    requests: AtomicU64,
    dead: AtomicBool,
}

tokio::task_local! {
    static ME: Arc<Process>;
}

/// The process that runs this: an invocation, or what one of them has begun and left, which lives and dies by itself. What sets a world
/// up is none.
pub(super) fn current(sim: &Sim) -> Option<Arc<Process>> {
    let invocation = ME.try_with(Arc::clone).ok();
    invocation.or_else(|| Some(sim.left_behind(tokio::task::try_id()?, || Process::new(sim, "what was left behind".to_owned()))))
}

/// What the dead do.
pub(super) async fn never<T>() -> T {
    std::future::pending().await
}

impl Process {
    fn new(sim: &Sim, name: String) -> Arc<Self> {
        let dies_at = (!sim.is_calm() && sim.chance(sim.weather.deaths)).then(|| {
            let death = sim.pick(&[Death::Before, Death::After]);
            (sim.between(1, 12), death)
        });
        Arc::new(Self { name, dies_at, requests: AtomicU64::new(0), dead: AtomicBool::new(false) })
    }

    /// Whether it dies here.
    pub(super) fn dies(&self, sim: &Sim, death: Death) -> bool {
        let number = if death == Death::Before { self.requests.fetch_add(1, SeqCst) + 1 } else { self.requests.load(SeqCst) };
        let dies = self.dies_at == Some((number, death)) && !sim.is_calm();
        if dies {
            self.dead.store(true, SeqCst);
        }
        dies
    }
}

/// Runs `work` as a process; `None` when it died. Nothing of a dead process runs on.
pub(super) async fn run<T>(sim: &Arc<Sim>, name: String, work: impl Future<Output = T>) -> Option<T> {
    let me = Process::new(sim, name);
    let mut work = pin!(ME.scope(Arc::clone(&me), work));
    std::future::poll_fn(|context| {
        sim.set_clock();
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if me.dead.load(SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
