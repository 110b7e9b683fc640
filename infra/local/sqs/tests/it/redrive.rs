//! Dead letters, there and back.

use local_sqs::{Depths, Outgoing, QueueError, Receive, Redriven, Settings};

use crate::support::{dying, queues_by_hand};

const TEN: Receive = Receive { max: 10, visibility: Some(1), wait: None };

#[tokio::test]
async fn a_message_dies_after_so_many_receives_and_keeps_id_and_sending_time() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", dying("dead", 3)).await.unwrap();
    let sent = queues.send("q", Outgoing::new("a")).await.unwrap();
    let mut sent_ms = 0;
    for count in 1..=3 {
        let message = queues.receive("q", &TEN).await.unwrap().pop().unwrap();
        assert_eq!(message.receive_count, count);
        assert_eq!(message.source_queue, None);
        sent_ms = message.sent_ms;
        hand.advance(1);
    }
    assert!(queues.receive("q", &TEN).await.unwrap().is_empty());
    assert_eq!(queues.depths("q").await.unwrap(), Depths::default());

    let letter = queues.receive("dead", &TEN).await.unwrap().pop().unwrap();
    assert_eq!((letter.message_id, letter.sent_ms), (sent.message_id, sent_ms));
    assert_eq!((letter.source_queue.as_deref(), letter.receive_count), (Some("q"), 1));
}

#[tokio::test]
async fn the_age_of_a_dead_letter_counts_from_its_sending() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings { retention: 100, ..Settings::default() }).await.unwrap();
    queues.create("q", dying("dead", 1)).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    queues.receive("q", &TEN).await.unwrap();
    hand.advance(99);
    queues.receive("q", &TEN).await.unwrap();
    assert_eq!(queues.depths("dead").await.unwrap().visible, 1);
    hand.advance(1);
    assert_eq!(queues.depths("dead").await.unwrap(), Depths::default());
}

#[tokio::test]
async fn many_dead_letters_do_not_hide_the_living() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", dying("dead", 1)).await.unwrap();
    for batch in 0..25 {
        let messages = (0..10).map(|number| Outgoing::new(format!("{batch}-{number}"))).collect();
        queues.send_batch("q", messages).await.unwrap();
        queues.receive("q", &TEN).await.unwrap();
    }
    hand.advance(1);
    queues.send("q", Outgoing::new("alive")).await.unwrap();
    let living = queues.receive("q", &TEN).await.unwrap();
    assert_eq!(living.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["alive"]);
    assert_eq!(queues.depths("dead").await.unwrap().visible, 250);
}

#[tokio::test]
async fn a_redrive_takes_letters_home_as_new_messages_and_leaves_strangers() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("a", dying("dead", 1)).await.unwrap();
    queues.create("b", dying("dead", 1)).await.unwrap();
    let mut ids = Vec::new();
    for queue in ["a", "b"] {
        ids.push(queues.send(queue, Outgoing::new(queue)).await.unwrap().message_id);
        queues.receive(queue, &TEN).await.unwrap();
    }
    queues.send("dead", Outgoing::new("stranger")).await.unwrap();
    hand.advance(1);
    for queue in ["a", "b"] {
        assert!(queues.receive(queue, &TEN).await.unwrap().is_empty());
    }
    assert_eq!(queues.depths("dead").await.unwrap().visible, 3);

    hand.advance(1_000);
    assert_eq!(queues.redrive("dead").await.unwrap(), Redriven { moved: 2, left: 1 });
    for queue in ["a", "b"] {
        let message = queues.receive(queue, &TEN).await.unwrap().pop().unwrap();
        assert_eq!((message.body.as_str(), message.receive_count), (queue, 1));
        assert_eq!(message.first_received_ms, message.sent_ms);
        assert!(!ids.contains(&message.message_id));
    }
    assert_eq!(queues.redrive_to("dead", Some("b")).await.unwrap(), Redriven { moved: 1, left: 0 });
    assert_eq!(queues.depths("dead").await.unwrap(), Depths::default());
}

#[tokio::test]
async fn a_redrive_of_more_than_one_step_moves_everything() {
    let (queues, hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", dying("dead", 1)).await.unwrap();
    for _ in 0..101 {
        queues.send_batch("q", (0..10).map(|_| Outgoing::new("a")).collect()).await.unwrap();
        queues.receive("q", &TEN).await.unwrap();
    }
    hand.advance(1);
    assert!(queues.receive("q", &Receive { wait: Some(1), ..TEN }).await.unwrap().is_empty());
    assert_eq!(queues.depths("dead").await.unwrap().visible, 1_010);
    assert_eq!(queues.redrive("dead").await.unwrap(), Redriven { moved: 1_010, left: 0 });
    assert_eq!(queues.depths("q").await.unwrap().visible, 1_010);
}

#[tokio::test]
async fn only_a_dead_letter_queue_can_be_redriven() {
    let (queues, _hand, _folder) = queues_by_hand().await;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", dying("dead", 1)).await.unwrap();
    assert!(matches!(queues.redrive("q").await, Err(QueueError::InvalidParameter(_))));
    assert!(matches!(queues.redrive("nowhere").await, Err(QueueError::NoSuchSource)));
    assert!(matches!(queues.redrive_to("dead", Some("nowhere")).await, Err(QueueError::NoSuchSource)));
}
