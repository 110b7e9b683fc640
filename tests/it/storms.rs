//! Everything at the same time, over the wire, against the whole edition: what is promised holds for a thousand as for one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::db::keys::month_of;
use shared::jobs::Jobs;
use tests::{Rng, scale};

use crate::webhooks::{Callback, hanging};
use crate::world::{Answer, Client, World, eventually, picture, pictures};

/// How often somebody asks again who was told that it is too much just now, or heard nothing.
const INSISTENCE: u64 = 60;

/// Limits that no storm reaches, but for those that it is about. Answers are lost on purpose, so the breaker stays closed.
const WIDE: [(&str, &str); 5] = [
    ("LIMIT_BREAKER_SUBMISSIONS", "1000000"),
    ("LIMIT_MONTHLY_UNITS", "10000"),
    ("LIMIT_DAILY_OUTPUTS", "10000"),
    ("LIMIT_HOURLY_REQUESTS", "10000"),
    ("LIMIT_RUNNING_CALLS", "12"),
];

fn wide<'a>(but: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&WIDE[..], but].concat()
}

/// Asks until there is an answer that says yes or no.
async fn insist(client: &Client, key: &str, body: &Value) -> Answer {
    for again in 0..INSISTENCE {
        match client.ask_as(key, body).await {
            Ok(answer) if answer.status.as_u16() < 500 && answer.status.as_u16() != 409 => return answer,
            Ok(answer) => assert!(matches!(answer.status.as_u16(), 409 | 503 | 504), "{}", answer.text()),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100 + 50 * again)).await;
    }
    panic!("{key} is never answered")
}

/// All of them, over and settled; what is due is looked at as the schedule does it every minute.
async fn settled(world: &World, client: &Client) -> Vec<Value> {
    let jobs = Jobs::new(&world.platform).await.unwrap();
    let done = async {
        loop {
            let generations = client.all("/api/v1/generations").await;
            if generations.iter().all(|one| !["queued", "running", "storing"].contains(&one["state"].as_str().unwrap())) {
                return generations;
            }
            jobs.sweep().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if let Ok(generations) = tokio::time::timeout(Duration::from_secs(scale(300, 900)), done).await {
        return generations;
    }
    let mut open = Vec::new();
    for one in client.all("/api/v1/generations").await {
        let generation =
            world.platform.db.generation(client.user().id, one["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
        open.extend(world.platform.db.calls(&generation.calls).await.unwrap().into_iter().filter(|call| !call.state.is_settled()));
    }
    panic!("{} prompts came to the provider; not settled at {}: {open:#?}", asked(world).len(), world.clock.now())
}

/// How often the provider was asked for each prompt.
fn asked(world: &World) -> BTreeMap<String, u64> {
    let queue = rusqlite::Connection::open(world.data().join("provider/queue.sqlite")).unwrap();
    let mut query = queue.prepare("SELECT json_extract(input, '$.prompt'), count(*) FROM requests GROUP BY 1").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_requests_at_once_exactly_the_limit_is_accepted_and_sent() {
    for _ in 0..scale(3, 20) {
        let world = World::start_with(&wide(&[("LIMIT_MONTHLY_UNITS", "50")])).await;
        let ada = world.user("ada").await;
        let answers = join_all((0..1_000).map(|number| {
            let ada = ada.clone();
            async move { insist(&ada, &format!("key-{number}"), &picture(&format!("number {number}"))).await }
        }))
        .await;
        let accepted = answers.iter().filter(|answer| answer.status.as_u16() == 202).count();
        assert!(answers.iter().all(|answer| answer.status.as_u16() == 202 || answer.code() == (429, "quota-exhausted".to_owned())));
        assert_eq!(accepted, 50);
        let over = settled(&world, &ada).await;
        assert_eq!(over.len(), 50);
        assert!(over.iter().all(|one| one["state"] == "complete"), "{over:?}");
        let quota = world.platform.db.quota(ada.user().id, &month_of(world.clock.now())).await.unwrap();
        assert_eq!((quota.taken, quota.charged), (50, 50));
        assert_eq!((ada.ledger("reserved").await, ada.ledger("charged").await), (50, 50));
        let asked = asked(&world);
        assert_eq!((asked.len(), asked.values().sum::<u64>()), (50, 50), "each is sent, and once");
        world.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_two_hundred_times_at_once_is_one_generation() {
    let world = World::start_with(&WIDE).await;
    let ada = world.user("ada").await;
    let request = pictures("only once", 2);
    let answers = join_all((0..200).map(|_| insist(&ada, "the-key", &request))).await;
    let id = answers[0].json()["id"].clone();
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 202 && answer.json()["id"] == id));
    let other = picture("something else");
    let refused = join_all((0..200).map(|_| insist(&ada, "the-key", &other))).await;
    assert!(refused.iter().all(|answer| answer.status.as_u16() == 422), "{:?}", refused.iter().map(Answer::code).collect::<Vec<_>>());
    let over = settled(&world, &ada).await;
    assert_eq!((over.len(), &over[0]["state"]), (1, &json!("complete")));
    assert_eq!((ada.usage().await, ada.ledger("reserved").await), ((2, 0), 2));
    assert_eq!(asked(&world), BTreeMap::from([("only once".to_owned(), 2)]));
    world.shutdown().await;
}

/// Asks for so many at once; all are accepted, and in the end settled.
async fn storm(world: &World, client: &Client, many: u64, prompt: impl Fn(u64) -> String) -> Vec<Value> {
    let requests: Vec<(String, Value)> = (0..many).map(|number| (format!("storm-{number}"), picture(&prompt(number)))).collect();
    let answers = join_all(requests.iter().map(|(key, body)| insist(client, key, body))).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 202));
    let over = settled(world, client).await;
    assert_eq!(over.len() as u64, many);
    let charged = over.iter().filter(|one| one["state"] == "complete").count() as u64;
    assert_eq!((client.usage().await, client.ledger("charged").await), ((charged, 0), charged));
    assert_eq!(client.ledger("returned").await, many - charged);
    assert_eq!(world.platform.db.slots(client.user().id).await.unwrap().running, 0);
    assert!(asked(world).values().all(|times| *times == 1), "nothing is sent twice");
    over
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_answer_is_lost_nothing_is_sent_twice_and_callbacks_bring_it_all() {
    let world = World::start_with(&WIDE).await;
    let ada = world.user("ada").await;
    let over = storm(&world, &ada, scale(100, 1_000), |number| format!("[[submit:lost]] number {number}")).await;
    assert!(over.iter().all(|one| one["state"] == "complete"), "{over:?}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_answers_and_callbacks_are_lost_nothing_is_sent_twice_and_nothing_is_charged() {
    let deadlines = [
        // Enough for the provider to begin with a hundred.
        ("DEADLINE_SECONDS_PROVIDER_START", "30"),
        ("DEADLINE_SECONDS_RUN", "1"),
        ("DEADLINE_SECONDS_LOST_ANSWER", "1"),
        ("LIMIT_RUNNING_CALLS", "100"),
    ];
    let world = World::start_with(&wide(&deadlines)).await;
    let ada = world.user("ada").await;
    let over = storm(&world, &ada, scale(100, 1_000), |number| format!("[[submit:lost]] [[webhook:lost]] number {number}")).await;
    let (unknown, others): (Vec<Value>, Vec<Value>) = over.into_iter().partition(|one| one["error"]["code"] == "unknown-outcome");
    // Under such a load a connection may fail to come about, and then it is known that nothing was sent.
    let ends: Vec<&Value> = others.iter().map(|one| &one["error"]["code"]).collect();
    assert!(ends.iter().all(|code| *code == "provider-unreachable"), "{ends:?}");
    assert!(unknown.len() > ends.len());
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_callback_is_lost_polls_bring_it_all() {
    let world = World::start_with(&WIDE).await;
    let ada = world.user("ada").await;
    let over = storm(&world, &ada, scale(100, 1_000), |number| format!("[[webhook:lost]] number {number}")).await;
    assert!(over.iter().all(|one| one["state"] == "complete"), "{over:?}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_callback_ten_times_in_any_order_settles_once() {
    let world = World::start_with(&wide(&[("LIMIT_RUNNING_CALLS", "1000")])).await;
    let (ada, provider) = (world.user("ada").await, world.stranger(None));
    let seed = tests::seed();
    eprintln!("the order follows from AIG_SEED={seed}");
    let mut order = Rng::new(seed);
    let many = scale(20, 200);
    let mut callbacks = Vec::new();
    for number in 0..many {
        let call = hanging(&world, &ada, &format!("number {number}")).await;
        let callback = Callback::about(&world, call).await.with_picture();
        callbacks.extend(vec![callback.signed(); 10]);
    }
    for index in (1..callbacks.len()).rev() {
        let other = usize::try_from(order.between(0, index as u64)).unwrap();
        callbacks.swap(index, other);
    }
    let answers = join_all(callbacks.iter().map(|callback| callback.send(&provider))).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 204), "{:?}", answers.iter().map(Answer::code).collect::<Vec<_>>());
    let over = settled(&world, &ada).await;
    assert!(over.iter().all(|one| one["state"] == "complete" && one["assets"].as_array().unwrap().len() == 1), "{over:?}");
    assert_eq!((ada.usage().await, ada.ledger("charged").await), ((many, 0), many));
    assert_eq!(ada.all("/api/v1/assets").await.len() as u64, many);
    assert_eq!(world.platform.db.slots(ada.user().id).await.unwrap().running, 0);
    world.shutdown().await;
}

/// One posts five hundred, another one: the second has a line of its own, and waits for what runs at most.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_much_keeps_nobody_else_waiting() {
    let world = World::start_with(&wide(&[("LIMIT_RUNNING_CALLS", "3")])).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    join_all((0..125).map(|number| {
        let ada = ada.clone();
        async move { assert_eq!(insist(&ada, &format!("much-{number}"), &pictures("one of many", 4)).await.status.as_u16(), 202) }
    }))
    .await;
    let delivered = async || ada.ledger("charged").await;
    let before = delivered().await;
    assert_eq!(bob.made(&picture("just one")).await["state"], "complete");
    let meanwhile = delivered().await - before;
    assert!(before + meanwhile < 500, "there was a line to wait in: {before} and {meanwhile}");
    // What ran when it came, what took its place, and what was being stored.
    assert!(meanwhile <= 12, "{meanwhile} of the others' were delivered first");
    assert!(world.platform.db.slots(ada.user().id).await.unwrap().running <= 3);
    world.shutdown().await;
}

/// Reserved in the last second of a month, failed in the next: the old month gets it back.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_the_next_month_is_given_back_to_the_month_it_was_taken_from() {
    let world = World::start_at(&[], Clock::manual("2026-11-30T23:59:59Z".parse().unwrap())).await;
    let ada = world.user("ada").await;
    let late = ada.accepted(&picture("[[submit:lost]] the last of november")).await;
    let user = ada.user().id;
    let taken = async |month: &str| world.platform.db.quota(user, month).await.unwrap().taken;
    assert_eq!((taken("2026-11").await, taken("2026-12").await), (1, 0));
    world.clock.advance(SignedDuration::from_mins(11).as_millis().try_into().unwrap());
    assert_eq!(ada.made(&picture("the first of december")).await["state"], "complete");
    let over = eventually("it is given up", async || {
        Jobs::new(&world.platform).await.unwrap().sweep().await.unwrap();
        let generation = ada.get(&format!("/api/v1/generations/{late}")).await.json();
        (generation["state"] == "unknown").then_some(generation)
    })
    .await;
    assert_eq!(over["units"], json!({"reserved": 1, "charged": 0}));
    assert_eq!((taken("2026-11").await, taken("2026-12").await), (0, 1));
    world.shutdown().await;
}
