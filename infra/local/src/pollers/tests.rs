use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lambda_events::event::sqs::BatchItemFailure;
use local_sqs::{Outgoing, RedrivePolicy, Settings};
use tokio::sync::{Notify, watch};

use super::*;

/// Queues in a folder of their own: `work` hides a message for `visibility` seconds and gives up after two receives.
async fn queues(visibility: u32) -> (tempfile::TempDir, Queues) {
    let folder = tempfile::tempdir().unwrap();
    let queues = Queues::open(folder.path().join("queues.sqlite")).await.unwrap();
    queues.ensure("dead", Settings::default()).await.unwrap();
    let redrive = Some(RedrivePolicy { dead_letter_queue: "dead".to_owned(), max_receive_count: 2 });
    queues.ensure("work", Settings { visibility_timeout: visibility, redrive, ..Settings::default() }).await.unwrap();
    (folder, queues)
}

fn poller(queues: &Queues, handler: QueueHandler) -> Poller {
    Poller {
        queues: queues.clone(),
        queue: "work".to_owned(),
        function: "test".to_owned(),
        handler,
        timeout: Duration::from_secs(5),
        batch_size: 10,
        // One after the other: a message whose time-out is nothing must not be received again while it is worked on.
        maximum_concurrency: 1,
    }
}

fn response(failures: &[&str]) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures
        .iter()
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            (*id).clone_into(&mut failure.item_identifier);
            failure
        })
        .collect();
    response
}

/// Waits, without a fixed pause, until nothing is left or nothing changes the answer.
async fn until_empty(queues: &Queues, queue: &str) {
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let depths = queues.depths(queue).await.unwrap();
            if depths.visible + depths.in_flight + depths.delayed == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn events_have_the_recorded_shape() {
    let (_folder, queues) = queues(30).await;
    let mut message = Outgoing::new("Hello");
    message.attributes.insert("kind".to_owned(), local_sqs::MessageAttribute::string("greeting"));
    let sent = queues.send("work", message).await.unwrap();
    let received = queues.receive("work", &Receive::default()).await.unwrap();
    let event = event("work", &received);
    let record = &event["Records"][0];
    assert_eq!(record["messageId"], sent.message_id);
    assert_eq!(record["md5OfBody"], "8b1a9953c4611296a827abf8c47804d7");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:work");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(record["messageAttributes"]["kind"]["stringValue"], "greeting");
    let parsed: SqsEvent = serde_json::from_value(event).unwrap();
    assert_eq!(parsed.records[0].body.as_deref(), Some("Hello"));
}

#[tokio::test]
async fn what_succeeded_is_deleted_and_what_failed_goes_to_the_dead_letters() {
    let (_folder, queues) = queues(0).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let handler = QueueHandler::new(move |event: SqsEvent| {
        let mut failed = Vec::new();
        for record in event.records {
            let body = record.body.unwrap_or_default();
            if body == "bad" {
                failed.push(record.message_id.unwrap_or_default());
            }
            log.lock().unwrap().push(body);
        }
        async move { response(&failed.iter().map(String::as_str).collect::<Vec<_>>()) }
    });
    for body in ["good", "bad", "fine"] {
        queues.send("work", Outgoing::new(body)).await.unwrap();
    }
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(poller(&queues, handler).run(stopping));
    until_empty(&queues, "work").await;
    stop.send_replace(true);
    running.await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|body| *body == "bad").count(), 2, "two receives, then dead: {seen:?}");
    assert_eq!(seen.iter().filter(|body| *body != "bad").count(), 2);
    assert_eq!(queues.depths("dead").await.unwrap().visible, 1);
}

#[tokio::test]
async fn a_panic_fails_the_whole_batch_and_nothing_else() {
    let (_folder, queues) = queues(0).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let handler = QueueHandler::new(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            assert!(!first, "on purpose");
            response(&[])
        }
    });
    queues.send("work", Outgoing::new("x")).await.unwrap();
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(poller(&queues, handler).run(stopping));
    until_empty(&queues, "work").await;
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(queues.depths("dead").await.unwrap().visible, 0);
}

#[tokio::test]
async fn no_more_invocations_run_at_once_than_the_mapping_says() {
    let (_folder, queues) = queues(30).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let two = Arc::new(Notify::new());
    let (counter, peak, reached) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&two));
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let handler = QueueHandler::new(move |_| {
        let (counter, peak, reached, open) = (Arc::clone(&counter), Arc::clone(&peak), Arc::clone(&reached), Arc::clone(&open));
        async move {
            let running = counter.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(running, Ordering::SeqCst);
            if running == 2 {
                reached.notify_one();
            }
            let pass = open.acquire().await.unwrap();
            counter.fetch_sub(1, Ordering::SeqCst);
            pass.forget();
            response(&[])
        }
    });
    for _ in 0..6 {
        queues.send("work", Outgoing::new("x")).await.unwrap();
    }
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(Poller { batch_size: 1, maximum_concurrency: 2, ..poller(&queues, handler) }.run(stopping));
    two.notified().await;
    assert_eq!(queues.depths("work").await.unwrap().in_flight, 2);
    gate.add_permits(6);
    until_empty(&queues, "work").await;
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failure_that_isnt_in_the_batch_fails_all_of_it() {
    let (_folder, queues) = queues(30).await;
    queues.send("work", Outgoing::new("x")).await.unwrap();
    let messages = queues.receive("work", &Receive::default()).await.unwrap();
    let handler = QueueHandler::new(|_| async { response(&["another"]) });
    poller(&queues, handler).feed(messages).await;
    assert_eq!(queues.depths("work").await.unwrap().in_flight, 1, "it stays, hidden until its time-out");
}
