//! What was acknowledged survives `kill -9`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use local_sqs::{Outgoing, Queues, Receive, Settings};

/// The folder in which the child works; without it this is the parent.
const FOLDER: &str = "LOCAL_SQS_CRASH_FOLDER";
const NAME: &str = "crash::acknowledged_calls_survive_kill_9";

#[test]
fn acknowledged_calls_survive_kill_9() {
    match std::env::var_os(FOLDER) {
        Some(folder) => run(write(Path::new(&folder))),
        None => watch(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Says what was done; only what the parent reads counts.
fn say(what: &str, body: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{what} {body}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The child: four writers, each of which deletes every other message, until they are killed.
async fn write(folder: &Path) {
    let queues = Queues::open(folder.join("queues.sqlite")).await.unwrap();
    queues.create("q", Settings::default()).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let queues = queues.clone();
            tokio::spawn(async move {
                for number in 0..50_000 {
                    let body = format!("{writer}-{number}");
                    queues.send("q", Outgoing::new(body.as_str())).await.unwrap();
                    say("sent", &body);
                    if number % 2 == 0 {
                        continue;
                    }
                    for message in queues.receive("q", &Receive::default()).await.unwrap() {
                        say("deleting", &message.body);
                        assert!(queues.delete("q", &message.receipt_handle).await.unwrap());
                        say("deleted", &message.body);
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// The parent: kills the child in the middle of its work and looks at what is left.
fn watch() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said: [BTreeSet<String>; 3] = Default::default();
    let [sent, deleting, deleted] = &mut said;
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((what, body)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) else {
            continue;
        };
        match what {
            "sent" => sent.insert(body.to_owned()),
            "deleting" => deleting.insert(body.to_owned()),
            "deleted" => deleted.insert(body.to_owned()),
            other => panic!("{other}"),
        };
        if !killed && sent.len() >= 200 {
            // SIGKILL; what is in the pipe by then is read to its end.
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(killed && deleted.len() >= 50, "the child ended too early");

    let mut left = BTreeSet::new();
    run(async {
        // The clock of these queues is past every visibility timeout.
        #[expect(clippy::disallowed_methods, reason = "the test holds another clock against the system's")]
        let later = std::sync::Arc::new(|| jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1));
        let queues = Queues::open_with_clock(folder.path().join("queues.sqlite"), later).await.unwrap();
        let ten = Receive { max: 10, ..Receive::default() };
        loop {
            let messages = queues.receive("q", &ten).await.unwrap();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                assert!(left.insert(message.body.clone()), "{} is there twice", message.body);
            }
        }
    });
    let lost: Vec<_> = sent.difference(deleting).filter(|body| !left.contains(*body)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let back: Vec<_> = deleted.intersection(&left).collect();
    assert!(back.is_empty(), "deleted, yet there: {back:?}");
}
