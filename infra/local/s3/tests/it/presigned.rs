use crate::world::{BUCKET, World};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use http_body_util::{BodyExt as _, Full};
use local_s3::Body;
use std::time::{Duration, SystemTime};

const BODY: &[u8] = b"123456789";
/// SHA-256 of it.
const SHA256: &str = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";

fn for_a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

async fn upload(world: &World, when: PresigningConfig) -> PresignedRequest {
    let put = world.client.put_object().bucket(BUCKET).key("up/1");
    put.content_length(9).content_type("image/png").checksum_sha256(SHA256).presigned(when).await.unwrap()
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(one, _)| one != name);
    headers.push((name.to_owned(), value.to_owned()));
}

#[tokio::test]
async fn an_upload_as_presigned_is_taken() {
    let world = World::new().await;
    let presigned = upload(&world, for_a_minute()).await;
    let answer = world.send(&presigned, BODY, |_, _| {}).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.get("up/1").await, BODY);
    let head = world.client.head_object().bucket(BUCKET).key("up/1").send().await.unwrap();
    assert_eq!(head.content_type(), Some("image/png"));
}

#[tokio::test]
async fn a_tampered_upload_is_refused_and_leaves_nothing() {
    type Change = fn(&mut String, &mut Vec<(String, String)>);
    let world = World::new().await;
    let presigned = upload(&world, for_a_minute()).await;
    let names: Vec<_> = presigned.headers().map(|(name, _)| name).collect();
    for bound in ["content-length", "content-type", "x-amz-checksum-sha256"] {
        assert!(names.contains(&bound), "{names:?}");
    }
    let cases: [(&str, &[u8], Change, u16); 9] = [
        ("length", b"1234567890", |_, headers| set(headers, "content-length", "10"), 403),
        ("type", BODY, |_, headers| set(headers, "content-type", "text/html"), 403),
        ("no type", BODY, |_, headers| headers.retain(|(name, _)| name != "content-type"), 403),
        ("key", BODY, |target, _| *target = target.replace("up/1", "up/2"), 403),
        ("bucket", BODY, |target, _| *target = target.replace("/media/", "/other/"), 403),
        ("checksum", BODY, |_, headers| set(headers, "x-amz-checksum-sha256", "AAAA"), 403),
        ("no checksum", BODY, |_, headers| headers.retain(|(name, _)| name != "x-amz-checksum-sha256"), 403),
        ("added metadata", BODY, |_, headers| headers.push(("x-amz-meta-added".to_owned(), "1".to_owned())), 403),
        ("body", b"12345678x", |_, _| {}, 400),
    ];
    for (what, body, change, status) in cases {
        let answer = world.send(&presigned, body, change).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(!world.exists("up/1").await && !world.exists("up/2").await, "{what}");
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn an_expired_upload_is_refused() {
    let world = World::new().await;
    let an_hour_ago = PresigningConfig::builder()
        .start_time(SystemTime::now() - Duration::from_secs(3600))
        .expires_in(Duration::from_secs(60))
        .build()
        .unwrap();
    let presigned = upload(&world, an_hour_ago).await;
    let answer = world.send(&presigned, BODY, |_, _| {}).await;
    assert_eq!((answer.status, answer.code()), (403, "AccessDenied"));
    assert!(!world.exists("up/1").await);
}

#[tokio::test]
async fn a_download_is_answered_under_the_headers_that_were_signed() {
    let world = World::new().await;
    world.put("a b/ü+.png", BODY).await;
    let get = world.client.get_object().bucket(BUCKET).key("a b/ü+.png");
    let presigned = get
        .response_content_disposition("attachment; filename=\"ü.png\"")
        .response_content_type("application/x-test")
        .response_cache_control("no-store")
        .presigned(for_a_minute())
        .await
        .unwrap();
    let answer = world.send(&presigned, b"", |_, _| {}).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body, BODY);
    assert_eq!(answer.header("content-type"), Some("application/x-test"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
    let answer = world.send(&presigned, b"", |target, _| *target = target.replace("x-test", "x-other")).await;
    assert_eq!((answer.status, answer.code()), (403, "SignatureDoesNotMatch"));
}

/// As a reverse proxy in the same process calls it.
#[tokio::test]
async fn the_service_answers_in_process() {
    let world = World::new().await;
    let presigned = upload(&world, for_a_minute()).await;
    let mut request = http::Request::builder()
        .method(presigned.method())
        .uri(presigned.uri().split_once(&world.address.to_string()).unwrap().1)
        .header("host", world.address.to_string());
    for (name, value) in presigned.headers().filter(|(name, _)| *name != "host") {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(BODY)).unwrap();
    assert_eq!(world.service.call(request).await.status(), 200);

    let get = world.client.get_object().bucket(BUCKET).key("up/1");
    let presigned = get.presigned(for_a_minute()).await.unwrap();
    let get = || {
        http::Request::builder()
            .uri(presigned.uri().split_once(&world.address.to_string()).unwrap().1)
            .header("host", world.address.to_string())
    };
    let response = world.service.call(get().body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let etag = response.headers()["etag"].clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), BODY);

    let request = get().header("if-none-match", &etag).body(Body::empty()).unwrap();
    let response = world.service.call(request).await;
    assert_eq!(response.status(), 304);
    assert_eq!(response.headers()["etag"], etag);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}
