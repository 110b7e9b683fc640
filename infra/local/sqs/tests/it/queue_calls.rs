//! Calls on queues, by the real SDK.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use local_sqs::{Outgoing, Queues, Receive, RedrivePolicy, Settings, queue_arn, queue_name};

use crate::support::{Server, dying};

#[tokio::test]
async fn a_queue_is_created_found_changed_and_deleted() {
    let server = Server::start().await;
    let client = &server.client;
    client.create_queue().queue_name("dead").send().await.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"4"}}"#, queue_arn("dead"));
    let create = || {
        client
            .create_queue()
            .queue_name("q")
            .attributes(Name::VisibilityTimeout, "60")
            .attributes(Name::DelaySeconds, "1")
            .attributes(Name::MessageRetentionPeriod, "600")
            .attributes(Name::ReceiveMessageWaitTimeSeconds, "2")
            .attributes(Name::RedrivePolicy, policy.as_str())
    };
    let url = create().send().await.unwrap().queue_url.unwrap();
    assert_eq!(url, server.url("q"));
    assert_eq!(create().send().await.unwrap().queue_url.unwrap(), url);
    let other = create().attributes(Name::DelaySeconds, "2").send().await.unwrap_err().into_service_error();
    assert!(other.is_queue_name_exists(), "{other:?}");
    assert_eq!(client.get_queue_url().queue_name("q").send().await.unwrap().queue_url.unwrap(), url);
    let expected = Settings {
        visibility_timeout: 60,
        delay: 1,
        retention: 600,
        receive_wait: 2,
        redrive: Some(RedrivePolicy { dead_letter_queue: "dead".to_owned(), max_receive_count: 4 }),
        ..Settings::default()
    };
    assert_eq!(server.queues.info("q").await.unwrap().settings, expected);

    client
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(Name::VisibilityTimeout, "61")
        .attributes(Name::RedrivePolicy, "")
        .send()
        .await
        .unwrap();
    let changed = Settings { visibility_timeout: 61, redrive: None, ..expected };
    assert_eq!(server.queues.info("q").await.unwrap().settings, changed);

    client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = client.get_queue_url().queue_name("q").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert!(gone.into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn attributes_tell_settings_and_counts() {
    let server = Server::start().await;
    server.queues.create("dead", Settings::default()).await.unwrap();
    server.queues.create("q", dying("dead", 5)).await.unwrap();
    for delay in [0, 0, 0, 60] {
        server.queues.send("q", Outgoing { delay: Some(delay), ..Outgoing::new("a") }).await.unwrap();
    }
    server.queues.receive("q", &Receive::default()).await.unwrap();
    let get = |name| server.client.get_queue_attributes().queue_url(server.url("q")).attribute_names(name).send();

    let all = get(Name::All).await.unwrap().attributes.unwrap();
    for (name, value) in [
        (Name::ApproximateNumberOfMessages, "2"),
        (Name::ApproximateNumberOfMessagesNotVisible, "1"),
        (Name::ApproximateNumberOfMessagesDelayed, "1"),
        (Name::VisibilityTimeout, "30"),
        (Name::DelaySeconds, "0"),
        (Name::MessageRetentionPeriod, "345600"),
        (Name::ReceiveMessageWaitTimeSeconds, "0"),
        (Name::MaximumMessageSize, "1048576"),
        (Name::QueueArn, "arn:aws:sqs:us-east-1:000000000000:q"),
        (Name::CreatedTimestamp, "1800000000"),
        (Name::LastModifiedTimestamp, "1800000000"),
    ] {
        assert_eq!(all[&name], value, "{name:?}");
    }
    assert!(all[&Name::RedrivePolicy].contains(r#""maxReceiveCount":5"#));
    let one = get(Name::QueueArn).await.unwrap().attributes.unwrap();
    assert_eq!(one.len(), 1);
    assert!(get(Name::Policy).await.unwrap().attributes.is_none());
    let unknown = get(Name::from("Colour")).await.unwrap_err().into_service_error();
    assert!(unknown.is_invalid_attribute_name());
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page() {
    let server = Server::start().await;
    for name in ["b-2", "a-1", "b-1", "b-3", "B-4"] {
        server.queues.create(name, Settings::default()).await.unwrap();
    }
    let list = |token: Option<String>| {
        let request = server.client.list_queues().queue_name_prefix("b-").max_results(2).set_next_token(token);
        async move {
            let page = request.send().await.unwrap();
            let names: Vec<_> = page.queue_urls().iter().map(|url| queue_name(url).to_owned()).collect();
            (names, page.next_token)
        }
    };
    let (first, token) = list(None).await;
    assert_eq!(first, ["b-1", "b-2"]);
    let (second, end) = list(token).await;
    assert_eq!((second, end), (vec!["b-3".to_owned()], None));
    assert_eq!(server.client.list_queues().send().await.unwrap().queue_urls().len(), 5);
}

async fn refused(client: &Client, name: &str, attribute: Option<(Name, &str)>) -> String {
    let mut request = client.create_queue().queue_name(name);
    if let Some((name, value)) = attribute {
        request = request.attributes(name, value);
    }
    request.send().await.unwrap_err().code().unwrap().to_owned()
}

#[tokio::test]
async fn impossible_queues_are_refused() {
    let server = Server::start().await;
    let client = &server.client;
    assert_eq!(refused(client, "a b", None).await, "InvalidParameterValue");
    assert_eq!(refused(client, &"a".repeat(81), None).await, "InvalidParameterValue");
    assert_eq!(refused(client, "q.fifo", None).await, "AWS.SimpleQueueService.UnsupportedOperation");
    let fifo = Some((Name::FifoQueue, "true"));
    assert_eq!(refused(client, "q", fifo).await, "InvalidAttributeName");
    for (name, value) in [
        (Name::VisibilityTimeout, "43201"),
        (Name::DelaySeconds, "901"),
        (Name::DelaySeconds, "-1"),
        (Name::MessageRetentionPeriod, "59"),
        (Name::ReceiveMessageWaitTimeSeconds, "21"),
        (Name::MaximumMessageSize, "1048577"),
        (Name::RedrivePolicy, "{}"),
    ] {
        assert_eq!(refused(client, "q", Some((name, value))).await, "InvalidAttributeValue");
    }
    let missing = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, queue_arn("nowhere"));
    let missing = Some((Name::RedrivePolicy, missing.as_str()));
    assert_eq!(refused(client, "q", missing).await, "InvalidParameterValue");
    assert!(server.queues.list("", "", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_purge_takes_everything_and_a_move_brings_letters_back() {
    let server = Server::start().await;
    let queues = &server.queues;
    queues.create("dead", Settings::default()).await.unwrap();
    queues.create("q", dying("dead", 1)).await.unwrap();
    let request = Receive { visibility: Some(0), ..Receive::default() };
    let receive = || queues.receive("q", &request);
    queues.send("q", Outgoing::new("a")).await.unwrap();
    assert_eq!(receive().await.unwrap().len(), 1);
    assert_eq!(receive().await.unwrap().len(), 0);
    let start = |source: &str| server.client.start_message_move_task().source_arn(queue_arn(source)).send();
    assert!(start("dead").await.unwrap().task_handle.is_some());
    assert_eq!(queues.depths("q").await.unwrap().visible, 1);
    let nowhere = start("nowhere").await.unwrap_err().into_service_error();
    assert!(nowhere.is_resource_not_found_exception(), "{nowhere:?}");
    assert_eq!(start("q").await.unwrap_err().code(), Some("InvalidParameterValue"));

    server.client.purge_queue().queue_url(server.url("q")).send().await.unwrap();
    assert_eq!(queues.depths("q").await.unwrap().visible, 0);
}

#[tokio::test]
async fn an_unknown_call_is_an_invalid_action() {
    let server = Server::start().await;
    let error = server.client.list_queue_tags().queue_url(server.url("q")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidAction"));
}

#[tokio::test]
async fn ensure_changes_settings_and_keeps_messages_and_a_reopened_file_has_both() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("queues.sqlite");
    let queues = Queues::open(&path).await.unwrap();
    queues.ensure("q", Settings::default()).await.unwrap();
    queues.send("q", Outgoing::new("a")).await.unwrap();
    let changed = Settings { delay: 3, ..Settings::default() };
    queues.ensure("q", changed.clone()).await.unwrap();
    drop(queues);
    let queues = Queues::open(&path).await.unwrap();
    assert_eq!(queues.info("q").await.unwrap().settings, changed);
    assert_eq!(queues.depths("q").await.unwrap().visible, 1);
}
