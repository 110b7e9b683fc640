use crate::world::{BUCKET, client, credentials, folder};
use aws_sdk_s3::Client;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use local_s3::{Store, serve, service};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const THIS_TEST: &str = "crash::after_kill_9_every_object_is_whole_or_absent";
const FOLDER: &str = "LOCAL_S3_CRASH_FOLDER";
const PUTS: usize = 200;
const AT_ONCE: usize = 16;

/// The test is its own server: started again with a folder in its environment, it serves until it is killed.
#[expect(clippy::disallowed_methods, reason = "the environment tells the child its role")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_kill_9_every_object_is_whole_or_absent() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return serve_until_killed(Path::new(&folder)).await;
    }
    // Counts of answers after which the server is killed, spread over the 200 puts.
    for (round, kill_after) in [0, 3, 40, 90, 140, 199].into_iter().enumerate() {
        let dir = folder();
        let (child, address) = start(dir.path()).await;
        let acknowledged = put_and_kill(child, address, kill_after).await;
        assert!(acknowledged.len() >= kill_after, "round {round}");
        check(dir.path(), &acknowledged).await;
    }
}

async fn serve_until_killed(dir: &Path) {
    let store = Store::open(dir).unwrap();
    store.create_bucket(BUCKET, &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!("listening {}", listener.local_addr().unwrap());
    let service = service(store, &credentials());
    serve(listener, service, std::future::pending()).await;
}

async fn start(dir: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS_TEST, "--nocapture"])
        .env(FOLDER, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("an address");
        if let Some(address) = line.strip_prefix("listening ") {
            return (child, address.parse().unwrap());
        }
    }
}

/// Sizes from empty to several chunks, so that the kill meets every step of a write.
fn body(number: usize) -> Vec<u8> {
    let length = [0, 10, 5_000, 150_000, 700_000][number % 5] + number;
    (0..length).map(|at| (at * 31 + number) as u8).collect()
}

async fn put(client: &Client, number: usize) -> Result<usize, usize> {
    let put = client.put_object().bucket(BUCKET).key(format!("{}/{number}", number % 7));
    let sent = put
        .content_type("image/png")
        .cache_control("immutable")
        .metadata("number", number.to_string())
        .if_none_match("*")
        .body(body(number).into())
        .send();
    sent.await.map(|_| number).map_err(|_| number)
}

/// The numbers of the puts that were answered with success.
async fn put_and_kill(mut child: Child, address: SocketAddr, kill_after: usize) -> BTreeSet<usize> {
    let client = client(address, "not-a-secret");
    let mut acknowledged = BTreeSet::new();
    let mut waiting = 0..PUTS;
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(AT_ONCE).map(|number| put(&client, number)).collect();
    let mut killed = false;
    loop {
        if !killed && acknowledged.len() >= kill_after {
            // SIGKILL, with puts on their way.
            child.start_kill().unwrap();
            killed = true;
        }
        let Some(outcome) = running.next().await else {
            break;
        };
        match outcome {
            Ok(number) => {
                acknowledged.insert(number);
            }
            Err(number) => assert!(killed, "put {number} failed before the kill"),
        }
        running.extend(waiting.next().map(|number| put(&client, number)));
    }
    child.wait().await.unwrap();
    acknowledged
}

async fn check(dir: &Path, acknowledged: &BTreeSet<usize>) {
    let store = Store::open(dir).unwrap();
    assert_eq!(std::fs::read_dir(dir.join("tmp")).unwrap().count(), 0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), "not-a-secret");
    tokio::spawn(serve(listener, service(store, &credentials()), std::future::pending()));
    for number in 0..PUTS {
        let get = client.get_object().bucket(BUCKET).key(format!("{}/{number}", number % 7));
        match get.send().await {
            Ok(got) => {
                assert_eq!(got.content_type(), Some("image/png"));
                assert_eq!(got.cache_control(), Some("immutable"));
                assert_eq!(got.metadata().unwrap()["number"], number.to_string());
                let bytes = got.body.collect().await.unwrap().into_bytes();
                assert!(bytes == body(number), "put {number} is not whole");
            }
            Err(error) => {
                assert!(error.into_service_error().is_no_such_key());
                assert!(!acknowledged.contains(&number), "put {number} was acknowledged and is lost");
            }
        }
    }
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert!(listed.contents().len() >= acknowledged.len());
}
