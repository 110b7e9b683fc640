use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use futures_util::stream;
use http_body_util::BodyExt as _;
use url::Url;

use super::*;

/// What the bucket holds, and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct World {
    objects: BTreeMap<String, Object>,
    parts: BTreeMap<i32, (Bytes, String)>,
    asked: Vec<String>,
    /// Answered to so many writes before they are looked at.
    conflicts: u32,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    checksum: String,
    headers: BTreeMap<String, String>,
}

/// The part of S3 that is used here, in memory, behind the SDK's own connector.
#[derive(Clone, Debug)]
struct FakeS3(Arc<Mutex<World>>);

impl HttpConnector for FakeS3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let url = Url::parse(request.uri()).unwrap();
            let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            let headers: BTreeMap<String, String> =
                request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let method = request.method().to_owned();
            let key = url.path().trim_start_matches("/media-bucket/").to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut world = world.lock().unwrap();
            world.asked.push(format!("{method} {key}{}", if query.contains_key("uploadId") { " (part)" } else { "" }));
            let (status, body, answer) = world.answer(&method, &key, &query, headers, body);
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            for (name, value) in answer {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
    }
}

type Answer = (u16, String, Vec<(&'static str, String)>);

impl World {
    fn answer(
        &mut self,
        method: &str,
        key: &str,
        query: &BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        body: Bytes,
    ) -> Answer {
        let empty = |status: u16| (status, String::new(), Vec::new());
        let once = headers.get("if-none-match").is_some_and(|value| value == "*");
        let checksum = headers.get("x-amz-checksum-sha256").cloned().unwrap_or_default();
        match (method, query.get("partNumber")) {
            ("PUT" | "POST", _) if self.conflicts > 0 => {
                self.conflicts -= 1;
                empty(409)
            }
            ("PUT", Some(number)) => {
                assert_eq!(checksum, STANDARD.encode(Sha256::digest(&body)));
                self.parts.insert(number.parse().unwrap(), (body, checksum));
                (200, String::new(), vec![("etag", format!("\"{number}\""))])
            }
            ("PUT", None) if once && self.objects.contains_key(key) => empty(412),
            ("PUT", None) => {
                assert_eq!(checksum, STANDARD.encode(Sha256::digest(&body)));
                self.objects.insert(key.to_owned(), Object { bytes: body, checksum, headers });
                empty(200)
            }
            ("POST", _) if query.contains_key("uploads") => {
                (200, "<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>".to_owned(), Vec::new())
            }
            ("POST", _) if once && self.objects.contains_key(key) => empty(412),
            ("POST", _) => {
                let digests: Vec<u8> = self.parts.values().flat_map(|(bytes, _)| Sha256::digest(bytes)).collect();
                let checksum = format!("{}-{}", STANDARD.encode(Sha256::digest(digests)), self.parts.len());
                let bytes = self.parts.values().flat_map(|(bytes, _)| bytes.to_vec()).collect::<Vec<u8>>().into();
                self.objects.insert(key.to_owned(), Object { bytes, checksum, headers });
                self.parts.clear();
                (200, "<CompleteMultipartUploadResult/>".to_owned(), Vec::new())
            }
            ("DELETE", _) => {
                self.parts.clear();
                empty(204)
            }
            ("HEAD", _) => match self.objects.get(key) {
                Some(object) => {
                    let headers =
                        vec![("content-length", object.bytes.len().to_string()), ("x-amz-checksum-sha256", object.checksum.clone())];
                    (200, String::new(), headers)
                }
                None => empty(404),
            },
            _ => empty(400),
        }
    }
}

/// Buckets over `world`, with addresses for others at `https://public.example`.
pub(crate) fn media(world: Arc<Mutex<World>>) -> Media {
    let connector = SharedHttpConnector::new(FakeS3(world));
    let client = |endpoint: &str| {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .http_client(http_client_fn({
                let connector = connector.clone();
                move |_, _| connector.clone()
            }))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    };
    Media {
        client: client("http://s3.example"),
        public: client("https://public.example"),
        bucket: "media-bucket".into(),
        uploads: "uploads".into(),
    }
}

fn world() -> Arc<Mutex<World>> {
    Arc::default()
}

fn body(bytes: &[u8], chunk: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter(bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>())
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn film(length: usize) -> Vec<u8> {
    let mut film = b"\0\0\0\x20ftypisom".to_vec();
    film.extend((film.len()..length).map(|i| u8::try_from(i % 251).unwrap()));
    film
}

fn key(media_type: MediaType) -> String {
    format!("media/p/a/original.{}", media_type.extension())
}

#[tokio::test]
async fn an_image_is_stored_as_what_it_is() {
    let world = world();
    let (stored, bytes) = media(world.clone()).store_image(body(PNG, 5), key).await.unwrap();
    assert_eq!((stored.key.as_str(), stored.media_type, stored.bytes), ("media/p/a/original.png", MediaType::Png, PNG.len() as u64));
    assert_eq!((stored.sha256, &bytes[..]), (hex::encode(Sha256::digest(PNG)), PNG));
    let object = world.lock().unwrap().objects["media/p/a/original.png"].clone();
    assert_eq!(object.bytes, PNG);
    assert_eq!(object.headers["content-type"], "image/png");
    assert_eq!(object.headers["cache-control"], CACHE_CONTROL);
    assert_eq!(object.headers["if-none-match"], "*");
    let (svg, _) = media(world.clone()).store_image(body(b"<svg xmlns='x'/>", 99), key).await.unwrap();
    assert_eq!(world.lock().unwrap().objects[&svg.key].headers["content-disposition"], "attachment");
}

#[tokio::test]
async fn a_second_import_finds_the_work_done() {
    let world = world();
    let first = media(world.clone()).store_image(body(PNG, 99), key).await.unwrap();
    let second = media(world.clone()).store_image(body(PNG, 99), key).await.unwrap();
    assert_eq!(first, second);
    let other = [PNG, b"!"].concat();
    assert!(matches!(media(world.clone()).store_image(body(&other, 99), key).await, Err(StoreError::Different)));
    let same_length: Vec<u8> = PNG.iter().map(|byte| if *byte == b'o' { b'x' } else { *byte }).collect();
    assert!(matches!(media(world.clone()).store_image(body(&same_length, 99), key).await, Err(StoreError::Different)));
    assert_eq!(world.lock().unwrap().objects["media/p/a/original.png"].bytes, PNG, "never overwritten");
}

#[tokio::test]
async fn what_we_make_of_a_medium_is_written_once() {
    let world = world();
    for bytes in ["first", "second"] {
        media(world.clone()).put(Bucket::Media, "media/p/a/poster-512.webp", "image/webp", Bytes::from(bytes)).await.unwrap();
        media(world.clone()).put(Bucket::Uploads, "clean/u.png", "image/png", Bytes::from(bytes)).await.unwrap();
    }
    let world = world.lock().unwrap();
    assert_eq!(world.objects["media/p/a/poster-512.webp"].bytes, "first");
    let clean = world.objects.iter().find(|(key, _)| key.ends_with("clean/u.png")).unwrap().1;
    assert_eq!(clean.bytes, "second", "an upload may be normalised again");
}

#[tokio::test]
async fn a_conflict_is_asked_again_a_few_times() {
    let world = world();
    world.lock().unwrap().conflicts = CONFLICTS;
    assert!(media(world.clone()).store_image(body(PNG, 99), key).await.is_ok());
    world.lock().unwrap().conflicts = 100;
    assert!(matches!(media(world.clone()).store_image(body(PNG, 99), key).await, Err(StoreError::Bucket(MediaError::Unavailable(_)))));
    assert_eq!(world.lock().unwrap().conflicts, 100 - CONFLICTS - 1);
}

#[tokio::test]
async fn what_is_no_medium_is_not_stored() {
    let world = world();
    let media = media(world.clone());
    for bytes in [&b""[..], b"<html>", b"MZ", &film(100)] {
        assert!(matches!(media.store_image(body(bytes, 99), key).await, Err(StoreError::UnknownType)));
    }
    assert!(matches!(media.store_video(body(PNG, 99), key).await, Err(StoreError::UnknownType)));
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[0; 65_536])));
    assert!(matches!(media.store_image(endless, key).await, Err(StoreError::TooLarge(MAX_IMAGE))));
    let broken = stream::iter([Ok(Bytes::from_static(PNG)), Err("gone")]);
    assert!(matches!(media.store_image(broken, key).await, Err(StoreError::Source("gone"))));
    assert!(world.lock().unwrap().asked.is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_film_goes_in_parts_and_comes_out_whole() {
    let world = world();
    let media = media(world.clone());
    for length in [100, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 7] {
        world.lock().unwrap().objects.clear();
        let film = film(length);
        let stored = media.store_video(body(&film, 1_000_003), key).await.unwrap();
        assert_eq!((stored.bytes, stored.media_type), (length as u64, MediaType::Mp4));
        assert_eq!(stored.sha256, hex::encode(Sha256::digest(&film)));
        assert_eq!(world.lock().unwrap().objects["media/p/a/original.mp4"].bytes, film, "{length}");
        let again = media.store_video(body(&film, 65_536), key).await.unwrap();
        assert_eq!(stored, again, "{length}");
        assert!(world.lock().unwrap().parts.is_empty(), "nothing is left behind");
    }
    let mut other = film(2 * PART + 7);
    *other.last_mut().unwrap() ^= 1;
    assert!(matches!(media.store_video(body(&other, 65_536), key).await, Err(StoreError::Different)));
}

#[tokio::test]
async fn a_film_that_breaks_off_leaves_nothing() {
    let world = world();
    let film = film(3 * PART);
    let chunks = film.chunks(PART / 2).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).chain([Err("gone")]).collect::<Vec<_>>();
    let outcome = media(world.clone()).store_video(stream::iter(chunks), key).await;
    assert!(matches!(outcome, Err(StoreError::Source("gone"))));
    let world = world.lock().unwrap();
    assert!(world.objects.is_empty() && world.parts.is_empty());
    assert_eq!(world.asked.last().unwrap(), "DELETE media/p/a/original.mp4 (part)");
}
