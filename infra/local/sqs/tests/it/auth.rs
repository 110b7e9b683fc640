//! Nobody gets in without the key.

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use local_sqs::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{KEY_ID, SECRET, Server, client};

#[tokio::test]
async fn a_wrong_secret_or_key_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    server.queues.create("q", Settings::default()).await.unwrap();
    for (key_id, secret, code) in [(KEY_ID, "another secret", "SignatureDoesNotMatch"), ("AKIAANOTHER", SECRET, "InvalidClientTokenId")] {
        let stranger = client(server.address, key_id, secret);
        let error = stranger.send_message().queue_url(server.url("q")).message_body("a").send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    }
    assert_eq!(server.queues.depths("q").await.unwrap().visible, 0);
}

/// The status and the error code of a raw request with this `Authorization`.
async fn ask(server: &Server, authorization: Option<&str>) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let authorization = authorization.map(|value| format!("authorization: {value}\r\n")).unwrap_or_default();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: AmazonSQS.ListQueues\r\nx-amz-date: 20130524T000000Z\r\n\
         {authorization}content-length: 2\r\nconnection: close\r\n\r\n{{}}",
        server.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().to_owned();
    let code = answer.lines().find_map(|line| line.strip_prefix("x-amzn-query-error: ")).unwrap().to_owned();
    (status, code)
}

#[tokio::test]
async fn an_unsigned_or_half_signed_request_is_refused() {
    let server = Server::start().await;
    let signed = |headers: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/sqs/aws4_request, SignedHeaders={headers}, \
             Signature=00"
        )
    };
    for (authorization, code) in [
        (None, "MissingAuthenticationToken;Sender"),
        (Some("Bearer abc".to_owned()), "IncompleteSignature;Sender"),
        (Some(signed("host;x-amz-date")), "IncompleteSignature;Sender"),
        (Some(signed("host;x-amz-date;x-amz-target")), "SignatureDoesNotMatch;Sender"),
    ] {
        let answer = ask(&server, authorization.as_deref()).await;
        assert_eq!(answer, ("403".to_owned(), code.to_owned()));
    }
}
