//! Calls on messages, by the real SDK.

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry as Change, DeleteMessageBatchRequestEntry as Delete, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry as Send,
};
use local_sqs::{Outgoing, Settings};

use crate::support::Server;

/// A server with the queue `q`.
async fn start() -> Server {
    let server = Server::start().await;
    server.queues.create("q", Settings::default()).await.unwrap();
    server
}

fn text(kind: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(kind).string_value(value).build().unwrap()
}

#[tokio::test]
async fn a_message_arrives_with_its_attributes_and_digests() {
    let server = start().await;
    let trace = MessageSystemAttributeValue::builder().data_type("String").string_value("Root=1").build().unwrap();
    let binary = MessageAttributeValue::builder().data_type("Binary.png").binary_value(Blob::new([0, 255])).build().unwrap();
    // The port in a URL doesn't matter, nor the host.
    let url = "http://sqs.example:1/000000000000/q";
    let sent = server
        .client
        .send_message()
        .queue_url(url)
        .message_body("hello")
        .message_attributes("kind", text("String", "start"))
        .message_attributes("kind.size", text("Number", "12.5"))
        .message_attributes("raw", binary.clone())
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace)
        .send()
        .await
        .unwrap();
    // From `printf hello | md5sum`; the other two from an independent implementation of the documented algorithm.
    assert_eq!(sent.md5_of_message_body.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(sent.md5_of_message_attributes.as_deref(), Some("fc31dbf3ddf08662284caea67365048f"));
    assert_eq!(sent.md5_of_message_system_attributes.as_deref(), Some("d6619b3d47b81d3fc72c0db005a70eda"));

    let receive = server
        .client
        .receive_message()
        .queue_url(url)
        .message_attribute_names("kind.*")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .visibility_timeout(0);
    let message = receive.clone().send().await.unwrap().messages.unwrap().pop().unwrap();
    assert_eq!(message.message_id, sent.message_id);
    assert_eq!(message.body.as_deref(), Some("hello"));
    assert_eq!(message.md5_of_body.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    let attributes = message.message_attributes.unwrap();
    assert_eq!(attributes.len(), 2);
    assert_eq!(attributes["kind"], text("String", "start"));
    assert_eq!(attributes["kind.size"], text("Number", "12.5"));
    let system = message.attributes.unwrap();
    for (name, value) in [
        (MessageSystemAttributeName::ApproximateReceiveCount, "1"),
        (MessageSystemAttributeName::SentTimestamp, "1800000000000"),
        (MessageSystemAttributeName::ApproximateFirstReceiveTimestamp, "1800000000000"),
        (MessageSystemAttributeName::SenderId, "000000000000"),
        (MessageSystemAttributeName::AwsTraceHeader, "Root=1"),
    ] {
        assert_eq!(system[&name], value);
    }
    let everything = receive.message_attribute_names("All").send().await.unwrap().messages.unwrap().pop().unwrap();
    assert_eq!(everything.message_attributes.as_ref().unwrap()["raw"], binary);
    assert_eq!(everything.md5_of_message_attributes, sent.md5_of_message_attributes);
}

#[tokio::test]
async fn a_message_is_held_given_back_and_deleted() {
    let server = start().await;
    let (client, url) = (&server.client, server.url("q"));
    client.send_message().queue_url(&url).message_body("a").delay_seconds(5).send().await.unwrap();
    let receive = || async { client.receive_message().queue_url(&url).send().await.unwrap().messages };
    assert!(receive().await.is_none());
    server.hand.advance(5);
    let handle = receive().await.unwrap().pop().unwrap().receipt_handle.unwrap();
    let change = |seconds| client.change_message_visibility().queue_url(&url).receipt_handle(&handle).visibility_timeout(seconds).send();
    change(300).await.unwrap();
    server.hand.advance(299);
    assert!(receive().await.is_none());
    change(0).await.unwrap();
    assert!(change(1).await.unwrap_err().into_service_error().is_message_not_inflight());
    let handle = receive().await.unwrap().pop().unwrap().receipt_handle.unwrap();
    for _ in 0..2 {
        client.delete_message().queue_url(&url).receipt_handle(&handle).send().await.unwrap();
    }
    server.hand.advance(1_000);
    assert!(receive().await.is_none());
    let invalid = client.delete_message().queue_url(&url).receipt_handle("x").send().await.unwrap_err();
    assert!(invalid.into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn a_batch_reports_each_entry() {
    let server = start().await;
    let (client, url) = (&server.client, server.url("q"));
    let entry = |id: &str, body: &str| Send::builder().id(id).message_body(body);
    let sent = client
        .send_message_batch()
        .queue_url(&url)
        .entries(entry("good", "a").build().unwrap())
        .entries(entry("late", "b").delay_seconds(901).build().unwrap())
        .entries(entry("negative", "b").delay_seconds(-1).build().unwrap())
        .entries(entry("control", "\u{1}").build().unwrap())
        .entries(entry("also-good", "c").message_attributes("n", text("Number", "1")).build().unwrap())
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = sent.successful.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["good", "also-good"]);
    let mut failed: Vec<_> = sent.failed.iter().map(|it| (it.id.as_str(), it.code.as_str(), it.sender_fault)).collect();
    failed.sort_unstable();
    let expected =
        [("control", "InvalidMessageContents", true), ("late", "InvalidParameterValue", true), ("negative", "InvalidParameterValue", true)];
    assert_eq!(failed, expected);

    let messages = client.receive_message().queue_url(&url).max_number_of_messages(10).send().await.unwrap().messages.unwrap();
    assert_eq!(messages.len(), 2);
    let handles: Vec<_> = messages.into_iter().map(|message| message.receipt_handle.unwrap()).collect();
    let change =
        |id: &str, handle: &str, seconds| Change::builder().id(id).receipt_handle(handle).visibility_timeout(seconds).build().unwrap();
    let changed = client
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(change("a", &handles[0], 100))
        .entries(change("b", &handles[1], 43_201))
        .entries(change("c", "nonsense", 1))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.successful.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a"]);
    let codes: Vec<_> = changed.failed.iter().map(|it| (it.id.as_str(), it.code.as_str())).collect();
    assert_eq!(codes, [("b", "InvalidParameterValue"), ("c", "ReceiptHandleIsInvalid")]);

    let delete = |id: &str, handle: &str| Delete::builder().id(id).receipt_handle(handle).build().unwrap();
    let deleted = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(delete("a", &handles[0]))
        .entries(delete("b", "nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!((deleted.successful.len(), deleted.failed.len()), (1, 1));
    assert_eq!(deleted.failed[0].code, "ReceiptHandleIsInvalid");
    assert_eq!(server.queues.depths("q").await.unwrap().in_flight, 1);
}

#[tokio::test]
async fn impossible_batches_are_refused_as_a_whole() {
    let server = start().await;
    let send = |entries: Vec<(String, String)>| {
        let entries = entries.into_iter().map(|(id, body)| Send::builder().id(id).message_body(body).build().unwrap());
        let request = server.client.send_message_batch().queue_url(server.url("q"));
        let request = request.set_entries(Some(entries.collect())).send();
        async move { request.await.unwrap_err().into_service_error() }
    };
    let entry = |id: &str| (id.to_owned(), "a".to_owned());
    assert!(send(Vec::new()).await.is_empty_batch_request());
    assert!(send((0..11).map(|id| entry(&id.to_string())).collect()).await.is_too_many_entries_in_batch_request());
    assert!(send(vec![entry("a"), entry("a")]).await.is_batch_entry_ids_not_distinct());
    assert!(send(vec![entry("a b")]).await.is_invalid_batch_entry_id());
    let half = "x".repeat(600_000);
    let long = vec![("a".to_owned(), half.clone()), ("b".to_owned(), half)];
    assert!(send(long).await.is_batch_request_too_long());
    assert_eq!(server.queues.depths("q").await.unwrap().visible, 0);
}

#[tokio::test]
async fn a_message_may_have_one_mebibyte_and_no_more() {
    let server = start().await;
    // In JSON every line feed takes two bytes: the request is longer than the message may be.
    let body = "\n".repeat(1_048_576);
    let send = |body: String| server.client.send_message().queue_url(server.url("q")).message_body(body).send();
    send(body.clone()).await.unwrap();
    let messages = server.client.receive_message().queue_url(server.url("q")).send().await.unwrap().messages.unwrap();
    assert!(messages[0].body.as_deref() == Some(body.as_str()));
    assert_eq!(send(format!("{body}x")).await.unwrap_err().code(), Some("InvalidParameterValue"));
    assert_eq!(send(String::new()).await.unwrap_err().code(), Some("MissingParameter"));
    assert!(send("a\u{0}".to_owned()).await.unwrap_err().into_service_error().is_invalid_message_contents());
}

#[tokio::test]
async fn parameters_out_of_range_are_refused() {
    let server = start().await;
    let receive = || server.client.receive_message().queue_url(server.url("q"));
    for request in [
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(11),
        receive().wait_time_seconds(21),
        receive().visibility_timeout(-1),
        receive().visibility_timeout(43_201),
    ] {
        assert_eq!(request.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    }
    for (name, value) in [
        ("aws.mine", text("String", "a")),
        ("a..b", text("String", "a")),
        ("a b", text("String", "a")),
        ("n", text("Number", "one")),
        ("n", text("Colour", "red")),
        ("n", text("String", "")),
    ] {
        let request = server.client.send_message().queue_url(server.url("q")).message_body("a");
        let error = request.message_attributes(name, value).send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterValue"));
    }
    let group = server.client.send_message().queue_url(server.url("q")).message_body("a").message_group_id("g");
    assert!(group.send().await.unwrap_err().into_service_error().is_unsupported_operation());
    let nowhere = server.client.receive_message().queue_url(server.url("nowhere")).send().await.unwrap_err();
    assert!(nowhere.into_service_error().is_queue_does_not_exist());
    server.queues.send("q", Outgoing::new("a")).await.unwrap();
    assert_eq!(server.queues.depths("q").await.unwrap().visible, 1);
}
