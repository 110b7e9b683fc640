//! The long poll. Time is paused: it moves only when nobody has anything to do, so a receive that is late would be late
//! by whole virtual seconds, and one that never wakes would take the full wait.

use std::time::Duration;

use local_sqs::{Outgoing, Queues, Receive, Received, Settings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::support::{Server, dying, queues_on_paused_time};

/// Receives with a wait of twenty seconds and tells after how many milliseconds it had what.
fn receive(queues: &Queues, queue: &'static str) -> JoinHandle<(u128, Vec<Received>)> {
    let queues = queues.clone();
    tokio::spawn(async move {
        let start = Instant::now();
        let request = Receive { wait: Some(20), ..Receive::default() };
        let messages = queues.receive(queue, &request).await.unwrap();
        (start.elapsed().as_millis(), messages)
    })
}

/// Lets virtual time pass, which means that everybody else has come to rest.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_messages_ends_on_time() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    let (waited, messages) = receive(&queues, "q").await.unwrap();
    assert!(messages.is_empty());
    assert!((20_000..20_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn the_queue_says_how_long_to_wait_if_the_receive_does_not() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings { receive_wait: 7, ..Settings::default() }).await.unwrap();
    let start = Instant::now();
    assert!(queues.receive("q", &Receive::default()).await.unwrap().is_empty());
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_send_wakes_a_waiting_receive() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.create("other", Settings::default()).await.unwrap();
    let waiting = receive(&queues, "q");
    pass(3).await;
    queues.send("other", Outgoing::new("not for it")).await.unwrap();
    pass(3).await;
    queues.send("q", Outgoing::new("a")).await.unwrap();
    let (waited, messages) = waiting.await.unwrap();
    assert_eq!(messages[0].body, "a");
    assert!((6_000..6_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn each_of_many_waiting_receives_gets_its_message() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    let waiting: Vec<_> = (0..5).map(|_| receive(&queues, "q")).collect();
    pass(1).await;
    for number in 0..5 {
        queues.send("q", Outgoing::new(number.to_string())).await.unwrap();
    }
    let mut bodies = Vec::new();
    for one in waiting {
        let (waited, messages) = one.await.unwrap();
        assert!(waited < 1_010, "{waited}");
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
    bodies.sort();
    assert_eq!(bodies, ["0", "1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_delay_wakes_a_waiting_receive() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    let waiting = receive(&queues, "q");
    pass(2).await;
    queues.send("q", Outgoing { delay: Some(5), ..Outgoing::new("later") }).await.unwrap();
    let (waited, messages) = waiting.await.unwrap();
    assert_eq!(messages[0].body, "later");
    assert!((7_000..7_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_visibility_timeout_wakes_a_waiting_receive() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings { visibility_timeout: 9, ..Settings::default() }).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    queues.receive("q", &Receive::default()).await.unwrap();
    let (waited, messages) = receive(&queues, "q").await.unwrap();
    assert_eq!(messages[0].receive_count, 2);
    assert!((9_000..9_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn giving_a_message_back_wakes_a_waiting_receive() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    let held = queues.receive("q", &Receive::default()).await.unwrap().pop().unwrap();
    let waiting = receive(&queues, "q");
    pass(4).await;
    queues.change_visibility("q", &held.receipt_handle, 0).await.unwrap();
    let (waited, messages) = waiting.await.unwrap();
    assert_eq!(messages[0].receive_count, 2);
    assert!((4_000..4_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_wakes_who_waits_for_dead_letters() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", Settings { visibility_timeout: 6, ..dying("dead", 1) }).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    queues.receive("q", &Receive::default()).await.unwrap();
    let undertaker = receive(&queues, "dead");
    let (_, nothing) = receive(&queues, "q").await.unwrap();
    assert!(nothing.is_empty());
    let (waited, letters) = undertaker.await.unwrap();
    assert_eq!(letters[0].body, "a");
    assert!((6_000..6_010).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_wait_ends_at_once_and_hides_nothing() {
    let (queues, _folder) = queues_on_paused_time().await;
    queues.create("q", Settings::default()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let poller = queues.clone();
    let waiting = tokio::spawn(async move {
        let start = Instant::now();
        let request = Receive { wait: Some(20), ..Receive::default() };
        let stopped = async { stopped.await.unwrap() };
        let messages = poller.receive_until("q", &request, stopped).await.unwrap();
        (start.elapsed().as_secs(), messages.len())
    });
    pass(5).await;
    stop.send(()).unwrap();
    assert_eq!(waiting.await.unwrap(), (5, 0));
    queues.send("q", Outgoing::new("a")).await.unwrap();
    assert_eq!(queues.depths("q").await.unwrap().visible, 1);
}

#[tokio::test]
async fn a_send_wakes_a_long_poll_over_http_and_a_stop_ends_it() {
    let server = Server::start().await;
    server.queues.create("q", Settings::default()).await.unwrap();
    let start = std::time::Instant::now();
    let poll = server.client.receive_message().queue_url(server.url("q")).wait_time_seconds(20).send();
    let poll = tokio::spawn(poll);
    server.queues.send("q", Outgoing::new("a")).await.unwrap();
    assert_eq!(poll.await.unwrap().unwrap().messages().len(), 1);

    let poll = server.client.receive_message().queue_url(server.url("q")).wait_time_seconds(20).send();
    let poll = tokio::spawn(poll);
    server.stop().await;
    // Either it was answered with nothing, or it came too late to be accepted; it doesn't take its twenty seconds.
    if let Ok(answer) = poll.await.unwrap() {
        assert!(answer.messages().is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}
