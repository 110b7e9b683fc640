//! A simulated world, from its seed to its rest.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use p256::pkcs8::EncodePrivateKey as _;
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::auth::operator::{self, NewToken};
use shared::config::Env;
use shared::domain::limits::Limits;
use shared::domain::user::Scope;
use shared::id::seeded;
use shared::runtime::Platform;
use tests::Rng;
use tokio::task::JoinSet;

use super::network::Network;
use super::people::{self, Told};
use super::process;
use super::provider::Queue;
use super::sim::{Mistake, QUEUES, Sim};
use super::stores::Message;
use super::table::text;
use super::watch::{MEDIA, Watch};

/// What was seen of a world.
pub(super) struct Played {
    pub(super) seed: u64,
    pub(super) wrong: Option<String>,
    pub(super) story: String,
    pub(super) calls: u64,
    pub(super) delivered: u64,
    pub(super) deaths: u64,
    pub(super) faults: u64,
    /// The mistake was made.
    pub(super) spoilt: bool,
}

/// In a world's time: whatever isn't at rest by then never will be.
const END: u64 = 3 * 60 * 60 * 1000;

/// The keys that no world needs to differ in.
fn secrets() -> &'static std::path::Path {
    static FILE: OnceLock<tempfile::TempPath> = OnceLock::new();
    FILE.get_or_init(|| {
        let signing = p256::SecretKey::from_slice(&[7; 32]).unwrap().to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let all =
            json!({"fal_key": "a:b", "oidc_client_secret": "c", "media_signing_key": signing.as_str(), "webhook_mac_key": "ab".repeat(32)});
        std::fs::write(file.path(), all.to_string()).unwrap();
        file.into_temp_path()
    })
}

pub(super) fn variables(limits: Limits, webhooks: bool) -> Env {
    let mut env: Env = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "simulated"),
        ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ("AWS_ENDPOINT_URL", "http://sim.invalid"),
        ("TABLE_NAME", super::table::TABLE),
        ("MEDIA_BUCKET", MEDIA),
        ("UPLOADS_BUCKET", "uploads-bucket"),
        ("RESULTS_QUEUE_URL", "http://sim.invalid/results"),
        ("VIDEOS_QUEUE_URL", "http://sim.invalid/videos"),
        ("TASKS_QUEUE_URL", "http://sim.invalid/tasks"),
        ("OIDC_CLIENT_ID", "simulated"),
        ("MEDIA_KEY_PAIR_ID", "simulated"),
        ("PUBLIC_ORIGIN", "https://sim.invalid"),
        ("FAL_QUEUE_URL", "https://provider.invalid"),
        ("DEADLINE_SECONDS_LOST_ANSWER", "240"),
        ("DEADLINE_SECONDS_PROVIDER_START", "60"),
        ("DEADLINE_SECONDS_RUN", "90"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    env.set("SECRETS", format!("file:{}", secrets().display()));
    env.set("LIMIT_MONTHLY_UNITS", limits.monthly.to_string());
    env.set("LIMIT_DAILY_OUTPUTS", limits.daily.to_string());
    env.set("LIMIT_HOURLY_REQUESTS", limits.hourly.to_string());
    env.set("LIMIT_RUNNING_CALLS", limits.concurrent.to_string());
    if webhooks {
        env.set("FAL_ACCOUNT_ID", "simulated");
    }
    env
}

/// Plays the world of `seed` to its end.
pub(super) fn play(seed: u64, mistake: Option<Mistake>) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    seeded::follow(Some(seed));
    let played = runtime.block_on(live(seed, mistake));
    seeded::follow(None);
    runtime.shutdown_background();
    played
}

async fn live(seed: u64, mistake: Option<Mistake>) -> Played {
    let mut rng = Rng::new(seed);
    let limits = Limits { monthly: rng.pick(&[3, 5, 40]), concurrent: rng.pick(&[1, 2, 3]), ..Limits::DEFAULT };
    let webhooks = rng.happens(700);
    // One in five is played around the end of a month.
    let begins: Timestamp = rng
        .pick(&["2026-11-24T10:00:00Z", "2026-11-24T10:59:00Z", "2026-11-24T12:20:00Z", "2026-11-24T23:58:20Z", "2026-11-30T23:58:30Z"])
        .parse()
        .unwrap();
    let (people, wishes) = (rng.pick(&[1, 1, 2]), rng.between(1, 3));
    let sim = Sim::new(rng, begins, mistake, Watch::new(limits));

    let queue = Queue::new(&sim);
    let platform = Platform::connect_with(&variables(limits, webhooks), sim.clock.clone(), Network(Arc::clone(&sim)).carrier()).unwrap();
    let platform = platform.with_provider(Arc::new(queue.clone()));
    queue.calls_back(platform.clone());
    let router = generate::router(&platform);
    let told = Arc::new(Told::default());

    let mut asking = JoinSet::new();
    for person in 0..people {
        let (name, email) = (format!("person-{person}"), format!("person-{person}@example.com"));
        let user = operator::ensure_user(&platform.db, &sim.clock, "https://issuer.example", &name, &email, &name).await.unwrap();
        let new = NewToken { name: "test".to_owned(), scopes: vec![Scope::Read, Scope::Generate], expires_at: None };
        let (_, token) = operator::create_token(&platform.db, &sim.clock, user.id, new).await.unwrap();
        for wish in 0..wishes {
            let outputs = sim.pick(&[1, 1, 2, 3]);
            let key = format!("key-{person}-{wish}");
            asking.spawn(people::wish(Arc::clone(&sim), router.clone(), Arc::clone(&told), token.expose_secret().to_owned(), key, outputs));
        }
    }
    let mut running = JoinSet::new();
    for queue in QUEUES {
        running.spawn(pump(Arc::clone(&sim), platform.clone(), queue));
    }
    running.spawn(minutes(Arc::clone(&sim), platform.clone()));

    let mut asked = false;
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        while let Some(done) = asking.try_join_next() {
            if let Err(panic) = done {
                sim.fail(format!("somebody who asks panics: {panic}"));
            }
        }
        asked |= asking.is_empty();
        while let Some(done) = running.try_join_next() {
            sim.fail(format!("what runs for ever ends: {done:?}"));
        }
        if sim.wrong().is_some() {
            break;
        }
        let quiet = sim.watch(|watch| watch.is_quiet(&sim.table));
        let busy = QUEUES.into_iter().find(|name| sim.queue(name, |queue| !queue.is_empty()));
        match (asked, &quiet, busy) {
            (true, Ok(()), None) => break,
            _ if sim.now() < END => {}
            _ => {
                sim.fail(format!("never at rest: {quiet:?}, {busy:?}"));
                break;
            }
        }
    }
    running.shutdown().await;
    if sim.wrong().is_none() {
        at_rest(&sim, &queue, &told);
    }
    let states = sim.watch(|watch| watch.states());
    let delivered = states.values().filter(|state| state.name().starts_with("COMPLETE")).count();
    let story = sim.story();
    Played {
        seed,
        wrong: sim.wrong(),
        calls: states.len() as u64,
        delivered: delivered as u64,
        deaths: story.matches(" dies ").count() as u64,
        faults: story.matches("  [").count() as u64,
        spoilt: sim.was_spoilt(),
        story,
    }
}

/// Feeds the messages of a queue to its function, one at a time each, as an event source mapping does.
async fn pump(sim: Arc<Sim>, platform: Platform, name: &'static str) {
    let mut invocations = JoinSet::new();
    loop {
        while let Some(done) = invocations.try_join_next() {
            if let Err(panic) = done {
                sim.fail(format!("{name} panics: {panic}"));
            }
        }
        let hidden = sim.pick(&[30_000, 60_000, 90_000]);
        let message = sim.queue(name, |queue| queue.receive(sim.now(), hidden));
        let Some(message) = message else {
            let pause = sim.queue(name, |queue| queue.next_at()).map_or(60_000, |at| at.saturating_sub(sim.now()).max(1));
            tokio::select! {
                biased;
                () = sim.sent[name].notified() => {}
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
            continue;
        };
        // At least once, they say.
        for _ in 0..if sim.mishap(sim.weather.doubles) { 2 } else { 1 } {
            invocations.spawn(invoke(Arc::clone(&sim), platform.clone(), name, message.clone()));
        }
    }
}

async fn invoke(sim: Arc<Sim>, platform: Platform, name: &'static str, message: Message) {
    let record = json!({
        "messageId": message.id.to_string(), "body": message.body,
        "attributes": {"ApproximateReceiveCount": message.receives.to_string()},
    });
    let event = serde_json::from_value(json!({"Records": [record]})).unwrap();
    sim.wait(1, 300).await;
    let process = format!("{name} {}.{}", message.id, message.receives);
    let work = async {
        match name {
            "results" => ingest::handle(&platform, event).await,
            "videos" => thumbnailer::handle(&platform, event).await,
            _ => worker::handle(&platform, event).await,
        }
    };
    if let Some(answer) = process::run(&sim, process.clone(), work).await {
        if answer.batch_item_failures.is_empty() {
            sim.queue(name, |queue| queue.delete(message.id));
        } else {
            sim.say(&process, "failed");
        }
    }
}

/// Wakes the sweeper every minute, whether the last one is done or not.
async fn minutes(sim: Arc<Sim>, platform: Platform) {
    let mut runs = JoinSet::new();
    for minute in 1.. {
        sim.wait(59_000, 61_000).await;
        while let Some(done) = runs.try_join_next() {
            if let Err(panic) = done {
                sim.fail(format!("the sweeper panics: {panic}"));
            }
        }
        let (sim, platform) = (Arc::clone(&sim), platform.clone());
        runs.spawn(async move {
            process::run(&sim, format!("sweep {minute}"), worker::tick(&platform)).await;
        });
    }
}

fn at_rest(sim: &Sim, queue: &Queue, told: &Told) {
    for wrong in sim.watch(|watch| watch.at_rest(&sim.table, &sim.buckets.lock().unwrap())) {
        sim.fail(wrong);
    }
    for (key, id) in told.ids() {
        let exists = sim.table.all().iter().any(|item| text(item, "sk") == format!("GEN#{id}"));
        if !exists {
            sim.fail(format!("{key} was told of {id}, which isn't there"));
        }
    }
    // What the provider made, and is known to have made, is in the library.
    for (call, (made, times)) in queue.made() {
        if times > 1 {
            sim.fail(format!("{call} was asked for {times} times"));
        }
        let Some(item) = sim.table.get(&format!("CALL#{call}"), "CALL") else { continue };
        let excused = match text(&item, "state") {
            "COMPLETE" | "COMPLETE_FREE" => true,
            "FAILED" => item.get("reason").is_some_and(|reason| reason["M"]["code"]["S"] == "storing-failed"),
            // Given up, and looked at again in bad weather only: here there are two looks, where the product takes hours.
            "UNKNOWN" => {
                let settled: Timestamp = text(&item, "settled_at").parse().unwrap();
                settled.as_millisecond() + 60_000 < sim.begins.as_millisecond() + sim.weather.clears_at as i64
            }
            _ => false,
        };
        if made && item.contains_key("request") && !excused {
            sim.fail(format!("{call} was made, its request is known, and it is {}", text(&item, "state")));
        }
    }
}
