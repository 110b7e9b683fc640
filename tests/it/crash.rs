//! The edition is killed while it works, and what was accepted is delivered all the same, once.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use local::Options;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use shared::config::Env;
use shared::domain::user::Scope;
use shared::runtime::Platform;
use tests::{Rng, scale};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::world::{Client, eventually, picture, sha256};

/// How long a start may take, recovery included.
const START: Duration = Duration::from_secs(60);

/// Starts the program and waits for its one line.
async fn start(root: &Path, port: u16, variables: &[(&str, &str)]) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_edition"))
        .args(["--port", &port.to_string(), "--data"])
        .arg(root.join("data"))
        .arg("--site")
        .arg(root.join("site"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(START, lines.next_line()).await.expect("it starts in time").unwrap();
    assert_eq!(line, Some(format!("http://localhost:{port}")));
    child
}

/// `SIGKILL`, and until it is gone.
async fn kill(mut child: Child) {
    child.start_kill().unwrap();
    assert!(!child.wait().await.unwrap().success());
}

/// As the program's own commands reach it.
fn platform(root: &Path) -> Platform {
    let endpoints: Value = serde_json::from_slice(&std::fs::read(root.join("data/endpoints.json")).unwrap()).unwrap();
    let variables = endpoints["environment"].as_object().unwrap().iter();
    let env: Env = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    Platform::connect(&env).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A person of the edition that runs on `port`.
async fn ada(root: &Path, port: u16) -> Client {
    let options = Options { port, ..Options::new(root.join("data")) };
    let token = local::operator::Place::from(options).make_token("ada@example.com", vec![Scope::Read, Scope::Generate]).await.unwrap();
    Client::of(platform(root).http, &format!("http://localhost:{port}"), token.expose_secret())
}

fn site(root: &Path) {
    std::fs::create_dir(root.join("site")).unwrap();
    std::fs::write(root.join("site/index.html"), "<!doctype html>").unwrap();
}

async fn states(ada: &Client) -> Vec<String> {
    ada.all("/api/v1/generations").await.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_a_crash_is_delivered_once_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    site(root);
    // Free at this moment; addresses that the provider has given out must lead to the same port after the crash.
    let port = free_port();
    let six = [("LIMIT_RUNNING_CALLS", "6")];

    let first = start(root, port, &six).await;
    let ada = ada(root, port).await;
    let requests: Vec<Value> = (0..6).map(|number| picture(&format!("picture number {number}"))).collect();
    let ids = join_all(requests.iter().map(|request| ada.accepted(request))).await;
    assert!(states(&ada).await.iter().any(|state| state != "complete"), "they are under way");
    kill(first).await;

    // Once more, while some are delivered and others aren't.
    let second = start(root, port, &six).await;
    eventually("the first delivery", async || states(&ada).await.contains(&"complete".to_owned()).then_some(())).await;
    assert!(states(&ada).await.iter().any(|state| state != "complete"), "some are still under way");
    kill(second).await;

    let third = start(root, port, &six).await;
    for id in &ids {
        let over = ada.follow(id).await;
        assert_eq!(over["state"], "complete", "{over}");
        assert_eq!(over["assets"].as_array().unwrap().len(), 1, "{over}");
    }
    assert_eq!(ada.all("/api/v1/generations").await.len(), 6);
    let assets = ada.all("/api/v1/assets").await;
    let of: BTreeSet<&str> = assets.iter().map(|asset| asset["generation_id"].as_str().unwrap()).collect();
    assert_eq!((assets.len(), of), (6, ids.iter().map(String::as_str).collect()));
    for asset in &assets {
        let file = ada.get(asset["media"]["url"].as_str().unwrap()).await;
        assert_eq!((file.status.as_u16(), Value::from(sha256(&file.body))), (200, asset["media"]["sha256"].clone()));
        for thumbnail in asset["thumbnails"].as_array().unwrap() {
            assert_eq!(ada.get(thumbnail["url"].as_str().unwrap()).await.status.as_u16(), 200);
        }
    }
    assert_eq!((ada.ledger("reserved").await, ada.ledger("charged").await, ada.ledger("returned").await), (6, 6, 0));
    assert_eq!(ada.usage().await, (6, 0));
    let me = ada.get("/api/v1/me").await.json();
    let user = me["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(platform(root).db.slots(user).await.unwrap().running, 0);
    kill(third).await;
}

/// How many requests are on their way each time.
const IN_FLIGHT: u64 = 20;

/// Twelve times, or two hundred: twenty requests on their way, some not even accepted, and everything dies with them, the provider's stand-in
/// too. After the start, each ends: in the library and charged, or not delivered, with a reason, and free.
#[tokio::test(flavor = "multi_thread")]
async fn crashes_under_load_lose_and_double_nothing() {
    let seed = tests::seed();
    eprintln!("the moments follow from AIG_SEED={seed}");
    // Most of the time is waiting for deadlines, so a few are killed side by side.
    join_all((0..4).map(|edition| killed_again_and_again(scale(3, 50), Rng::new(seed + edition)))).await;
}

/// Kills an edition so many times, each time at a moment by chance.
async fn killed_again_and_again(crashes: u64, mut moments: Rng) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    site(root);
    let port = free_port();
    let variables = [
        ("LIMIT_MONTHLY_UNITS", "10000"),
        ("LIMIT_DAILY_OUTPUTS", "10000"),
        ("LIMIT_HOURLY_REQUESTS", "10000"),
        ("LIMIT_RUNNING_CALLS", "12"),
        ("STAND_IN_DELAY_MS", "50"),
        // A call that died between the intent and the submission is known by its deadline alone.
        ("DEADLINE_SECONDS_PROVIDER_START", "10"),
        ("DEADLINE_SECONDS_RUN", "8"),
        ("DEADLINE_SECONDS_LOST_ANSWER", "2"),
        ("DEADLINE_SECONDS_RESULT", "2"),
        ("DEADLINE_SECONDS_WAITING", "1"),
    ];
    let mut edition = start(root, port, &variables).await;
    let ada = ada(root, port).await;
    let (mut delivered, mut free) = (0, 0);
    for crash in 0..crashes {
        let request = |number: u64| (format!("crash-{crash}-request-{number}"), picture(&format!("number {number} of crash {crash}")));
        // From before anything is accepted to after the first is delivered.
        let asking = join_all((0..IN_FLIGHT).map(|number| {
            let ada = ada.clone();
            async move {
                let (key, body) = request(number);
                drop(ada.ask_as(&key, &body).await);
            }
        }));
        tokio::select! {
            () = async { asking.await; std::future::pending().await } => {}
            () = tokio::time::sleep(Duration::from_millis(moments.between(20, 1_500))) => {}
        }
        kill(edition).await;
        edition = start(root, port, &variables).await;

        // What each asks again under its key is what it asked before, or the first that was heard.
        let ids = join_all((0..IN_FLIGHT).map(|number| {
            let ada = ada.clone();
            async move {
                let (key, body) = request(number);
                let answer = ada.generate_as(&key, &body).await;
                assert_eq!(answer.status.as_u16(), 202, "{}", answer.text());
                answer.json()["id"].as_str().unwrap().to_owned()
            }
        }))
        .await;
        let jobs = shared::jobs::Jobs::new(&platform(root)).await.unwrap();
        for id in &ids {
            let over = eventually(id, async || {
                let generation = ada.get(&format!("/api/v1/generations/{id}")).await.json();
                if !["queued", "running", "storing"].contains(&generation["state"].as_str().unwrap()) {
                    return Some(generation);
                }
                // What the schedule does every minute.
                jobs.sweep().await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
                None
            })
            .await;
            if over["state"] == "complete" {
                assert_eq!((over["assets"].as_array().unwrap().len(), &over["units"]["charged"]), (1, &Value::from(1)), "{over}");
                delivered += 1;
            } else {
                assert!(["failed", "unknown"].contains(&over["state"].as_str().unwrap()), "{over}");
                assert!(over["error"]["message"].as_str().unwrap().ends_with("Nothing was charged for it."), "{over}");
                assert_eq!((over["assets"].as_array().unwrap().len(), &over["units"]["charged"]), (0, &Value::from(0)), "{over}");
                free += 1;
            }
        }
    }
    assert_eq!(delivered + free, crashes * IN_FLIGHT);
    assert!(delivered >= crashes * IN_FLIGHT / 2, "most can be delivered: {delivered}");
    assert_eq!((ada.usage().await, ada.ledger("charged").await, ada.ledger("returned").await), ((delivered, 0), delivered, free));
    let assets = ada.all("/api/v1/assets").await;
    let of: BTreeSet<&str> = assets.iter().map(|asset| asset["generation_id"].as_str().unwrap()).collect();
    // A late word may have brought some of the others after all, free.
    assert!(assets.len() == of.len() && assets.len() as u64 >= delivered, "{} assets of {} generations", assets.len(), of.len());
    assert_eq!(ada.all("/api/v1/generations").await.len() as u64, crashes * IN_FLIGHT);
    let user = ada.get("/api/v1/me").await.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(platform(root).db.slots(user).await.unwrap().running, 0);
    kill(edition).await;
    assert_eq!(asked_twice(root), 0, "no request was sent to the provider twice");
}

/// How many prompts the provider stand-in was asked for more than once.
fn asked_twice(root: &Path) -> u64 {
    let queue = rusqlite::Connection::open(root.join("data/provider/queue.sqlite")).unwrap();
    let doubles = "SELECT count(*) FROM (SELECT 1 FROM requests GROUP BY json_extract(input, '$.prompt') HAVING count(*) > 1)";
    queue.query_row(doubles, [], |row| row.get(0)).unwrap()
}
