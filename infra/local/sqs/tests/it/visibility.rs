//! Who gets a message, when, and who may delete it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use local_sqs::{Depths, Outgoing, QueueError, Receive, Settings};

use crate::support::queues_by_hand;

const TEN: Receive = Receive { max: 10, visibility: None, wait: None };

#[tokio::test]
async fn a_received_message_is_hidden_until_its_visibility_timeout_ends() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings { visibility_timeout: 30, ..Settings::default() }).await.unwrap();
    let sent = queues.send("q", Outgoing::new("a")).await.unwrap();

    let first = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    assert_eq!((first.message_id.as_str(), first.receive_count), (sent.message_id.as_str(), 1));
    hand.advance(29);
    assert!(queues.receive("q", &TEN).await.unwrap().is_empty());
    assert_eq!(queues.depths("q").await.unwrap(), Depths { visible: 0, in_flight: 1, delayed: 0 });
    hand.advance(1);
    let second = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    assert_eq!((second.message_id, second.receive_count), (sent.message_id, 2));
    assert_ne!(second.receipt_handle, first.receipt_handle);
    assert_eq!(second.first_received_ms, second.sent_ms);
}

#[tokio::test]
async fn a_receipt_dies_with_the_next_receive() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();

    let old = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    hand.advance(30);
    let new = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    assert!(!queues.delete("q", &old.receipt_handle).await.unwrap());
    let refused = queues.change_visibility("q", &old.receipt_handle, 60).await;
    assert!(matches!(refused, Err(QueueError::NotInFlight)));
    assert_eq!(queues.depths("q").await.unwrap().in_flight, 1);
    assert!(queues.delete("q", &new.receipt_handle).await.unwrap());
    assert!(!queues.delete("q", &new.receipt_handle).await.unwrap());
    assert_eq!(queues.depths("q").await.unwrap(), Depths::default());
}

#[tokio::test]
async fn a_lapsed_receipt_still_deletes_until_somebody_receives_again() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    let message = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    hand.advance(31);
    assert!(queues.delete("q", &message.receipt_handle).await.unwrap());
    assert!(queues.receive("q", &TEN).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_handle_of_another_queue_is_invalid() {
    let (queues, _hand, _folder) = queues_by_hand().await;
    queues.create("a", Settings::default()).await.unwrap();
    queues.create("b", Settings::default()).await.unwrap();
    queues.send("a", Outgoing::new("a")).await.unwrap();
    let message = queues.receive("a", &TEN).await.unwrap().pop().unwrap();
    for handle in [message.receipt_handle.as_str(), "", "not a handle"] {
        assert!(matches!(queues.delete("b", handle).await, Err(QueueError::InvalidReceipt)));
    }
}

#[tokio::test]
async fn visibility_can_be_lengthened_shortened_and_ended_within_twelve_hours() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    let handle = queues.receive("q", &TEN).await.unwrap().pop().unwrap().receipt_handle;

    queues.change_visibility("q", &handle, 100).await.unwrap();
    hand.advance(99);
    assert!(queues.receive("q", &TEN).await.unwrap().is_empty());
    let beyond = queues.change_visibility("q", &handle, 43_200).await;
    assert!(matches!(beyond, Err(QueueError::InvalidParameter(_))));
    queues.change_visibility("q", &handle, 0).await.unwrap();
    assert!(matches!(queues.change_visibility("q", &handle, 5).await, Err(QueueError::NotInFlight)));
    let again = queues.receive("q", &TEN).await.unwrap();
    assert_eq!(again.len(), 1);
    // A changed timeout is for one receive only.
    hand.advance(30);
    assert_eq!(queues.receive("q", &TEN).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_delayed_message_comes_into_view_when_its_delay_ends() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings { delay: 5, ..Settings::default() }).await.unwrap();
    queues.send("q", Outgoing::new("by the queue")).await.unwrap();
    queues.send("q", Outgoing { delay: Some(10), ..Outgoing::new("by the message") }).await.unwrap();
    queues.send("q", Outgoing { delay: Some(0), ..Outgoing::new("at once") }).await.unwrap();
    assert_eq!(queues.depths("q").await.unwrap(), Depths { visible: 1, in_flight: 0, delayed: 2 });

    let mut bodies = Vec::new();
    for seconds in [0, 4, 1, 4, 1] {
        hand.advance(seconds);
        bodies.push(queues.receive("q", &TEN).await.unwrap().into_iter().map(|it| it.body).collect::<Vec<_>>());
    }
    let expected: [&[&str]; 5] = [&["at once"], &[], &["by the queue"], &[], &["by the message"]];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_message_is_gone_when_its_retention_ends_even_in_flight() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings { retention: 60, ..Settings::default() }).await.unwrap();
    queues.send("q", Outgoing::new("held")).await.unwrap();
    let held = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
    queues.send("q", Outgoing { delay: Some(900), ..Outgoing::new("delayed") }).await.unwrap();
    queues.send("q", Outgoing::new("waiting")).await.unwrap();
    hand.advance(59);
    assert_eq!(queues.depths("q").await.unwrap(), Depths { visible: 2, in_flight: 0, delayed: 1 });
    hand.advance(1);
    assert!(queues.receive("q", &TEN).await.unwrap().is_empty());
    assert_eq!(queues.depths("q").await.unwrap(), Depths::default());
    assert!(!queues.delete("q", &held.receipt_handle).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_receivers_never_share_a_message() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    for batch in 0..30 {
        let messages = (0..10).map(|number| Outgoing::new(format!("{batch}-{number}"))).collect();
        queues.send_batch("q", messages).await.unwrap();
    }
    for round in 1..=2_u32 {
        let seen = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
        let receivers: Vec<_> = (1..=100_u32)
            .map(|number| {
                let (queues, seen) = (queues.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let request = Receive { max: 1 + number % 10, ..Receive::default() };
                    // Nobody can receive more often than there are messages.
                    for _ in 0..=300 {
                        let messages = queues.receive("q", &request).await.unwrap();
                        if messages.is_empty() {
                            return;
                        }
                        for message in messages {
                            assert_eq!(message.receive_count, round);
                            *seen.lock().unwrap().entry(message.body).or_default() += 1;
                        }
                    }
                })
            })
            .collect();
        for receiver in receivers {
            receiver.await.unwrap();
        }
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 300);
        assert!(seen.values().all(|&times| times == 1), "{seen:?}");
        hand.advance(30);
    }
}

#[tokio::test]
async fn messages_come_in_the_order_they_became_visible() {
    let (queues, _hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    for number in 0..12 {
        queues.send("q", Outgoing::new(number.to_string())).await.unwrap();
    }
    let mut bodies = Vec::new();
    for _ in 0..2 {
        bodies.extend(queues.receive("q", &TEN).await.unwrap().into_iter().map(|message| message.body));
    }
    assert_eq!(bodies, (0..12).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_restart_nobody_waits_for_receivers_that_are_gone() {
    let (queues, _hand, _folder) = queues_by_hand().await;
    queues.create("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("held")).await.unwrap();
    let delayed = Outgoing { delay: Some(60), ..Outgoing::new("delayed") };
    queues.send("q", delayed).await.unwrap();
    queues.receive("q", &TEN).await.unwrap();

    assert_eq!(queues.release_in_flight().await.unwrap(), 1);
    let again = queues.receive("q", &TEN).await.unwrap();
    assert_eq!((again.len(), again[0].receive_count), (1, 2));
    assert_eq!(again[0].body, "held");
    assert_eq!(queues.depths("q").await.unwrap().delayed, 1);
}
