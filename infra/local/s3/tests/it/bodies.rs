use crate::world::{BUCKET, World, client, client_at, raw, status};
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::ChecksumAlgorithm;
use std::io::Write as _;
use std::time::Duration;

#[tokio::test]
async fn every_checksum_algorithm_is_kept_and_shown() {
    let world = World::new().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = world.client.put_object().bucket(BUCKET).key("k");
        put.body(b"123456789".to_vec().into()).checksum_algorithm(algorithm.clone()).send().await.unwrap();
        // The SDK checks what it downloads against the checksum in the answer.
        let get = world.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
        let shown = [get.checksum_crc32(), get.checksum_crc32_c(), get.checksum_crc64_nvme(), get.checksum_sha1(), get.checksum_sha256()];
        assert_eq!(shown.iter().flatten().count(), 1, "{algorithm}");
        assert_eq!(get.e_tag(), Some("\"25f9e794323b453885f5181f1b624d0b\""));
        assert_eq!(get.body.collect().await.unwrap().into_bytes(), "123456789");
    }
}

#[tokio::test]
async fn a_wrong_checksum_leaves_nothing() {
    let world = World::new().await;
    let put = || world.client.put_object().bucket(BUCKET).key("k").body(b"body".to_vec().into());
    let zeros = |bytes: usize| aws_smithy_types::base64::encode(vec![0; bytes]);
    let outcomes = [
        put().content_md5(zeros(16)).send().await,
        put().checksum_crc32(zeros(4)).send().await,
        put().checksum_crc32_c(zeros(4)).send().await,
        put().checksum_crc64_nvme(zeros(8)).send().await,
        put().checksum_sha1(zeros(20)).send().await,
        put().checksum_sha256(zeros(32)).send().await,
        put().checksum_sha256("?").send().await,
    ];
    for (at, outcome) in outcomes.into_iter().enumerate() {
        let error = outcome.unwrap_err();
        assert_eq!(status(&error), 400, "{at}");
        let code = error.into_service_error().meta().code().unwrap().to_owned();
        assert_eq!(code, if at == 6 { "InvalidDigest" } else { "BadDigest" });
    }
    assert!(!world.exists("k").await);
    assert_eq!(world.leftovers(), 0);
}

/// Replaces what goes over the wire, after everything has been signed. The SDK leaves the chunks of a streamed body
/// unsigned only over https; the request is made for that and then sent as it is.
#[derive(Debug)]
struct OnTheWire(&'static str);

impl Intercept for OnTheWire {
    fn name(&self) -> &'static str {
        "OnTheWire"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        assert_eq!(request.headers().get("x-amz-content-sha256"), Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
        assert_eq!(request.headers().get("x-amz-decoded-content-length"), Some("5"));
        let uri = request.uri().replace("https://", "http://");
        request.set_uri(uri)?;
        *request.body_mut() = SdkBody::from(self.0);
        Ok(())
    }
}

#[tokio::test]
async fn a_streamed_body_is_held_against_its_trailing_checksum() {
    let world = World::new().await;
    let https = client_at(format!("https://{}", world.address), "not-a-secret");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"hello").unwrap();
    let cases = [
        // The CRC-32 of "hello".
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", None),
        ("5\r\nhellO\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", Some("BadDigest")),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc99:NhCmhg==\r\n\r\n", Some("IncompleteBody")),
        ("4\r\nhell\r\n00\r\nx-amz-checksum-crc32:hqJLsQ==\r\n\r\n", Some("IncompleteBody")),
        ("6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r", Some("IncompleteBody")),
    ];
    for (wire, refused) in cases {
        let put = https.put_object().bucket(BUCKET).key("k");
        let outcome = put.body(ByteStream::from_path(file.path()).await.unwrap()).customize().interceptor(OnTheWire(wire)).send().await;
        match refused {
            None => {
                outcome.unwrap();
                assert_eq!(world.get("k").await, b"hello");
                let delete = world.client.delete_object().bucket(BUCKET).key("k");
                delete.send().await.unwrap();
            }
            Some(code) => {
                let error = outcome.unwrap_err().into_service_error();
                assert_eq!(error.meta().code(), Some(code), "{wire:?}");
                assert!(!world.exists("k").await);
            }
        }
        assert_eq!(world.leftovers(), 0);
    }
}

#[tokio::test]
async fn a_large_body_streams_through_in_both_directions() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| ((at * 7) >> 3) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let put = world.client.put_object().bucket(BUCKET).key("large");
    put.body(ByteStream::from_path(file.path()).await.unwrap()).send().await.unwrap();
    assert!(world.get("large").await == bytes);
    let head = world.client.head_object().bucket(BUCKET).key("large").send().await.unwrap();
    assert_eq!(head.content_encoding(), None, "aws-chunked is not the object's");
}

#[tokio::test]
async fn a_body_cut_short_or_of_unknown_length_leaves_nothing() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("k").content_length(400_000);
    let presigned = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    for length in [0, 1, 100_000, 399_999] {
        let answer = world.send(&presigned, &vec![7; length], |_, _| {}).await;
        assert_ne!(answer.status, 200, "{length}");
        assert!(!world.exists("k").await);
        assert_eq!(world.leftovers(), 0);
    }
    let put = world.client.put_object().bucket(BUCKET).key("k");
    let presigned = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let answer = world
        .send(&presigned, b"4\r\nbody\r\n0\r\n\r\n", |_, headers| {
            headers.retain(|(name, _)| name != "content-length");
            headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
        })
        .await;
    assert_eq!((answer.status, answer.code()), (411, "MissingContentLength"));
    assert!(!world.exists("k").await);
}

#[tokio::test]
async fn requests_without_our_signature_are_refused() {
    let world = World::new().await;
    world.put("k", b"body").await;
    for (method, target) in [("GET", "/media/k"), ("PUT", "/media/x"), ("GET", "/"), ("DELETE", "/media/k")] {
        let headers = [("content-length".to_owned(), "0".to_owned())];
        let answer = raw(world.address, method, target, &headers, b"").await;
        assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{method} {target}");
    }
    let form = [("content-type".to_owned(), "multipart/form-data; boundary=x".to_owned()), ("content-length".to_owned(), "5".to_owned())];
    assert_eq!(raw(world.address, "POST", "/media", &form, b"--x--").await.status, 501);

    let stranger = client(world.address, "another-secret");
    let error = stranger.get_object().bucket(BUCKET).key("k").send().await.unwrap_err();
    assert_eq!(status(&error), 403);
    assert_eq!(world.get("k").await, b"body");
}
