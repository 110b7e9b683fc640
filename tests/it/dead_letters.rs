//! A message that no function can deal with harms no other; it is kept, seen by admins, and sent back when they say so.

use http::StatusCode;
use local::Options;
use local::operator::Place;
use local_sqs::{Outgoing, Queues, Settings};
use serde_json::{Value, json};
use shared::auth::operator;
use shared::db::keys::month_of;
use shared::domain::user::{Role, Scope};
use shared::id::{AssetId, CallId};
use shared::queue::QueueName;

use crate::world::{Client, World, eventually};

const QUEUES: [&str; 3] = ["results", "videos", "tasks"];

/// Somebody with a token for everything, who is an admin.
async fn admin(world: &World) -> Client {
    let admin = world.client("root", vec![Scope::Read, Scope::Admin], None).await;
    operator::set_role(&world.platform.db, &world.clock, admin.user().id, Role::Admin).await.unwrap();
    admin
}

/// Messages that failed come again after a second, instead of an hour.
async fn hasten(queues: &Queues) {
    for queue in QUEUES {
        let settings = queues.info(queue).await.unwrap().settings;
        assert_eq!(settings.redrive.as_ref().unwrap().max_receive_count, 5);
        queues.ensure(queue, Settings { visibility_timeout: 1, ..settings }).await.unwrap();
    }
}

async fn send(queues: &Queues, queue: &str, bodies: Vec<String>) {
    for ten in bodies.chunks(10) {
        let messages =
            ten.iter().map(|body| Outgoing { body: body.clone(), delay: None, attributes: Default::default(), trace_header: None });
        for sent in queues.send_batch(queue, messages.collect()).await.unwrap() {
            sent.unwrap();
        }
    }
}

/// Messages there are, seen or not.
async fn depth(queues: &Queues, queue: &str) -> u64 {
    let depths = queues.depths(queue).await.unwrap();
    depths.visible + depths.in_flight + depths.delayed
}

/// Until nothing is left in the queues, and so many are in each dead-letter queue.
async fn at_rest(queues: &Queues, dead: u64) {
    eventually("nothing is left to do", async || {
        for queue in QUEUES {
            if depth(queues, queue).await > 0 || depth(queues, &format!("{queue}-dead-letter")).await != dead {
                return None;
            }
        }
        Some(())
    })
    .await;
}

async fn seen(admin: &Client) -> Value {
    let answer = admin.get("/api/v1/admin/dead-letters").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["items"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nobody_understands_harms_no_other_and_can_be_sent_back() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let queues = world.edition.queues();
    hasten(queues).await;
    assert!(seen(&admin).await.as_array().unwrap().iter().all(|queue| queue["messages"] == 0 && queue["letters"] == json!([])));

    // What ninety-nine ask for is there no more, which is no mistake; the hundredth, in their middle, is nothing at all.
    let (now, user) = (world.clock.now(), admin.user().id);
    let good = |queue: &str| match queue {
        "results" => json!({"call": CallId::new(now)}),
        "videos" => json!({"user": user, "asset": AssetId::new(now)}),
        _ => json!({"task": "start", "user": user}),
    };
    for queue in QUEUES {
        let mut bodies: Vec<String> = (0..100).map(|_| good(queue).to_string()).collect();
        bodies[50] = json!({"task": "dance"}).to_string();
        send(queues, queue, bodies).await;
    }
    at_rest(queues, 1).await;
    let letters = seen(&admin).await;
    for (letter, queue) in letters.as_array().unwrap().iter().zip(QUEUES) {
        assert_eq!((&letter["queue"], &letter["messages"]), (&json!(queue), &json!(1)), "{letters}");
        let sent: jiff::Timestamp = letter["oldest_at"].as_str().unwrap().parse().unwrap();
        assert!(world.clock.now().duration_since(sent).as_secs() < 60);
        assert_eq!(letter["letters"][0]["last_error"], "the message is of no known kind");
        assert_eq!((letter["letters"].as_array().unwrap().len(), &letter["letters"][0]["about"]), (1, &Value::Null));
    }
    // Looking takes nothing away.
    assert_eq!(seen(&admin).await, letters);

    // Sent back, asked for twice: it fails again, and there is still one.
    for queue in QUEUES {
        for _ in 0..2 {
            let answer = admin.post(&format!("/api/v1/admin/dead-letters/{queue}/redrive"), &json!({})).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
            assert_eq!(answer.json()["queue"], queue);
        }
    }
    eventually("it has died again", async || {
        let again = seen(&admin).await;
        let later = |at: usize| again[at]["messages"] == 1 && again[at]["letters"][0]["id"] != letters[at]["letters"][0]["id"];
        (0..3).all(later).then_some(())
    })
    .await;
    at_rest(queues, 1).await;
    let audit = world.platform.db.audit(&month_of(world.clock.now()), None, 100).await.unwrap().items;
    let redrives: Vec<_> = audit.iter().filter(|line| line.act == "queue.redrive").collect();
    assert_eq!(redrives.len(), 6);
    assert!(redrives.iter().all(|line| line.actor == format!("user:{user}") && line.request_id.is_some()));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_sends_back_goes_where_it_died() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let queues = world.edition.queues();
    for queue in QUEUES {
        die(queues, queue, json!({"task": "start", "user": admin.user().id}).to_string()).await;
    }
    let letters = seen(&admin).await;
    assert!(letters.as_array().unwrap().iter().all(|queue| queue["messages"] == 1), "{letters}");
    // What it is about is said where it is a message of ours.
    assert_eq!(letters[0]["letters"][0]["about"], Value::Null);
    assert_eq!(letters[2]["letters"][0]["about"], json!({"task": "start", "user": admin.user().id}));
    assert_eq!(letters[2]["letters"][0]["last_error"], Value::Null);
    let place = Place::from(Options::new(world.data()));
    assert_eq!(place.redrive(Some(QueueName::Tasks)).await.unwrap(), [(QueueName::Tasks, 1)]);
    let all = place.redrive(None).await.unwrap();
    assert_eq!(all, [(QueueName::Results, 1), (QueueName::Videos, 1), (QueueName::Tasks, 0)]);
    at_rest(queues, 0).await;
    for queue in QUEUES {
        assert_eq!(depth(queues, &format!("{queue}-of-the-test")).await, 1);
    }
    let audit = world.platform.db.audit(&month_of(world.clock.now()), None, 100).await.unwrap().items;
    let redrives: Vec<&str> = audit.iter().filter(|line| line.act == "queue.redrive").map(|line| line.actor.as_str()).collect();
    assert_eq!(redrives, ["operator"; 3], "an empty queue is left alone");
    world.shutdown().await;
}

/// Puts a message where it would be after five failed receives.
async fn die(queues: &Queues, queue: &str, body: String) {
    use local_sqs::Receive;
    // A queue with the same dead-letter queue that no function reads: a dead letter is a dead letter, and remembers where it died.
    let settings = queues.info(queue).await.unwrap().settings;
    let paused = Settings { visibility_timeout: 0, delay: 0, ..settings.clone() };
    queues.ensure(&format!("{queue}-of-the-test"), paused).await.unwrap();
    send(queues, &format!("{queue}-of-the-test"), vec![body]).await;
    for _ in 0..6 {
        queues.receive(&format!("{queue}-of-the-test"), &Receive { max: 1, visibility: Some(0), wait: Some(0) }).await.unwrap();
    }
    assert_eq!(depth(queues, &format!("{queue}-dead-letter")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_for_admins() {
    let world = World::start().await;
    let admin = admin(&world).await;
    let user = world.client("ada", vec![Scope::Read, Scope::Generate, Scope::Admin], None).await;
    let without_scope = {
        let other = world.client("root", vec![Scope::Read], None).await;
        assert_eq!(other.user().id, admin.user().id);
        other
    };
    for client in [&user, &without_scope] {
        assert_eq!(client.get("/api/v1/admin/dead-letters").await.code(), (403, "forbidden".to_owned()));
        assert_eq!(client.post("/api/v1/admin/dead-letters/tasks/redrive", &json!({})).await.code(), (403, "forbidden".to_owned()));
    }
    assert_eq!(world.stranger(None).get("/api/v1/admin/dead-letters").await.code(), (401, "unauthenticated".to_owned()));
    for queue in ["nothing", "Tasks", "tasks-dead-letter", "..%2Ftasks"] {
        let answer = admin.post(&format!("/api/v1/admin/dead-letters/{queue}/redrive"), &json!({})).await;
        assert_eq!(answer.code(), (404, "not-found".to_owned()), "{queue}");
    }
    assert!(
        world
            .platform
            .db
            .audit(&month_of(world.clock.now()), None, 100)
            .await
            .unwrap()
            .items
            .iter()
            .all(|line| line.act != "queue.redrive")
    );
    world.shutdown().await;
}
