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
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::world::{Client, eventually, picture, sha256};

/// How long a start may take, recovery included.
const START: Duration = Duration::from_secs(20);

/// Starts the program and waits for its one line.
async fn start(root: &Path, port: u16) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_edition"))
        .args(["--port", &port.to_string(), "--data"])
        .arg(root.join("data"))
        .arg("--site")
        .arg(root.join("site"))
        .env_clear()
        .env("LIMIT_RUNNING_CALLS", "6")
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

async fn states(ada: &Client) -> Vec<String> {
    ada.all("/api/v1/generations").await.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_a_crash_is_delivered_once_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("site")).unwrap();
    std::fs::write(root.join("site/index.html"), "<!doctype html>").unwrap();
    // Free at this moment; addresses that the provider has given out must lead to the same port after the crash.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let first = start(root, port).await;
    let options = Options { port, ..Options::new(root.join("data")) };
    let token = local::operator::make_token(&options, "ada@example.com", vec![Scope::Read, Scope::Generate]).await.unwrap();
    let origin = format!("http://localhost:{port}");
    let ada = Client::of(platform(root).http, &origin, token.expose_secret());
    let requests: Vec<Value> = (0..6).map(|number| picture(&format!("picture number {number}"))).collect();
    let ids = join_all(requests.iter().map(|request| ada.accepted(request))).await;
    assert!(states(&ada).await.iter().any(|state| state != "complete"), "they are under way");
    kill(first).await;

    // Once more, while some are delivered and others aren't.
    let second = start(root, port).await;
    eventually("the first delivery", async || states(&ada).await.contains(&"complete".to_owned()).then_some(())).await;
    assert!(states(&ada).await.iter().any(|state| state != "complete"), "some are still under way");
    kill(second).await;

    let third = start(root, port).await;
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
