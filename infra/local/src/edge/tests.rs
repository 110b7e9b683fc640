//! The edge on its real listener, in front of a real store and small functions.

use std::path::Path;

use axum::routing::get;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Options;
use crate::edition::Edition;
use crate::functions::{Code, Functions};
use crate::pollers::QueueHandler;
use crate::schedule::ScheduleHandler;

/// Small functions of the right kinds under the right names.
pub(crate) fn connect(
    environments: &std::collections::BTreeMap<String, shared::config::Env>,
    _clock: &Clock,
) -> Result<Functions, shared::config::ConfigError> {
    let code = |name: &String| {
        let mut code = Code::default();
        let answer = name.clone();
        if !matches!(name.as_str(), "ingest" | "thumbnailer" | "worker") {
            let router = Router::new().route("/docs", get(|| async { ([(header::CONTENT_SECURITY_POLICY, "style-src 'self'")], "docs") }));
            code.http = Some(router.fallback(move || async move { answer }));
        } else {
            code.queue = Some(QueueHandler::new(|_| async { Default::default() }));
        }
        if name == "worker" {
            code.schedule = Some(ScheduleHandler::new(|_| async {}));
        }
        (name.clone(), code)
    };
    Ok(environments.keys().map(code).collect())
}

/// Sends one request to a running edition and reads the whole answer.
async fn send(edition: &Edition, request: http::request::Builder) -> (StatusCode, HeaderMap, String) {
    let authority = edition.origin().trim_start_matches("http://").to_owned();
    let port: u16 = authority.rsplit(':').next().unwrap().parse().unwrap();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = request.body(Body::empty()).unwrap();
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(authority).unwrap());
    }
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
}

async fn start(place: &Path) -> Edition {
    let site = place.join("dist");
    std::fs::create_dir_all(site.join("assets")).unwrap();
    std::fs::write(site.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(site.join("assets/app.js"), "1").unwrap();
    Edition::start(Options { site: Some(site), ..Options::new(place.join("data")) }, connect).await.unwrap()
}

#[tokio::test]
async fn paths_reach_what_they_should_with_security_headers_on_every_answer() {
    let place = tempfile::tempdir().unwrap();
    let edition = start(place.path()).await;
    for (target, status, text) in [
        ("/api/v1/health", 200, "library"),
        ("/api/v1/generations", 200, "library"),
        ("/api/v1/models", 200, "generate"),
        ("/auth/login", 200, "auth"),
        ("/s/abc", 200, "redirect"),
        ("/hooks/fal/x", 200, "webhook"),
        ("/docs", 200, "docs"),
        ("/library/view", 200, "<!doctype html>"),
        ("/assets/app.js", 200, "1"),
        ("/assets/gone.js", 404, "not-found"),
        ("/media/p/a.png", 403, "forbidden"),
        ("/uploads/x", 403, "AccessDenied"),
    ] {
        let (found, headers, body) = send(&edition, Request::get(target)).await;
        assert_eq!(found.as_u16(), status, "{target}: {body}");
        assert!(body.contains(text), "{target}: {body}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{target}");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("'none'") || target == "/docs", "{target}: {policy}");
        assert!(headers.contains_key(header::REFERRER_POLICY), "{target}");
    }
    let (_, headers, _) = send(&edition, Request::get("/")).await;
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("connect-src 'self';"), "uploads are same-origin here: {policy}");
    let (_, headers, _) = send(&edition, Request::get("/docs")).await;
    assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "style-src 'self'", "the page's own policy stays");
    edition.shutdown().await;
}

#[tokio::test]
async fn other_hosts_are_sent_away_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let edition = start(place.path()).await;
    let port = edition.origin().rsplit(':').next().unwrap().to_owned();
    let (status, headers, _) = send(&edition, Request::get("/library?a=b").header(header::HOST, format!("127.0.0.1:{port}"))).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(headers[header::LOCATION].to_str().unwrap(), format!("{}/library?a=b", edition.origin()));
    let (status, _, body) = send(&edition, Request::post("/api/v1/tokens").header(header::HOST, "evil.example")).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(body.contains("request_id"), "{body}");
    edition.shutdown().await;
}

#[tokio::test]
async fn connections_that_are_kept_for_later_lock_nobody_out() {
    let place = tempfile::tempdir().unwrap();
    let edition = start(place.path()).await;
    let address = edition.origin().replace("http://localhost", "127.0.0.1");
    let host = edition.origin().trim_start_matches("http://");
    let mut kept = Vec::new();
    let mut ended = 0;
    // More than there is room for.
    for _ in 0..600 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(format!("GET /docs HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = [0; 4_096];
        let read = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read(&mut head)).await.unwrap().unwrap();
        let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        ended += usize::from(head.contains("connection: close"));
        kept.push(stream);
    }
    assert!((100..300).contains(&ended), "{ended} of 600 were ended");
    edition.shutdown().await;
}

#[tokio::test]
async fn the_sign_in_stand_in_is_mounted() {
    let place = tempfile::tempdir().unwrap();
    let edition = start(place.path()).await;
    let (status, _, body) = send(&edition, Request::get("/dev/issuer/.well-known/openid-configuration")).await;
    assert_eq!(status, StatusCode::OK);
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["issuer"].as_str().unwrap(), format!("{}/dev/issuer", edition.origin()));
    assert_eq!(edition.environment("auth").unwrap().get("OIDC_ISSUER"), document["issuer"].as_str());
    edition.shutdown().await;
}

/// What the functions sign with.
fn signer() -> shared::media::signed::MediaSigner {
    shared::media::signed::MediaSigner::new(&key(7), "local", "http://localhost:8080").unwrap()
}

fn key(number: u8) -> String {
    use p256::pkcs8::EncodePrivateKey as _;
    p256::SecretKey::from_slice(&[number; 32]).unwrap().to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap().to_string()
}

/// Somebody's media.
const PREFIX: &str = "a1B2";

/// A store with one object and the way to it.
async fn media(place: &Path) -> MediaAccess {
    let store = local_s3::Store::open(place.join("objects")).unwrap();
    let file = place.join("secrets.json");
    // While the key is exchanged: what was signed before is still good.
    let secrets = serde_json::json!({"media_signing_key": key(8), "media_signing_key_previous": key(7)});
    std::fs::write(&file, secrets.to_string()).unwrap();
    let secrets = shared::secrets::Secrets::of_file(&file, std::time::Duration::ZERO, shared::runtime::http_client().unwrap());
    store.create_bucket(MEDIA_BUCKET, &[]).unwrap();
    let credentials = local_s3::Credentials { access_key_id: "LOCAL".to_owned(), secret_access_key: "secret".to_owned().into() };
    let service = local_s3::service(store, &credentials);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new("LOCAL", "secret", None, None, "test"))
        .endpoint_url("http://localhost:8080")
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let access =
        MediaAccess::new(service, client.clone(), secrets, "local".to_owned(), "http://localhost:8080".to_owned(), Clock::system());
    let lifetime = aws_sdk_s3::presigning::PresigningConfig::expires_in(std::time::Duration::from_secs(60)).unwrap();
    let put = client.put_object().bucket(MEDIA_BUCKET).key("media/a1B2/ä.png").content_type("image/png");
    let put = put.cache_control("public, max-age=31536000, immutable").presigned(lifetime).await.unwrap();
    let mut request = Request::put(put.uri()).header(header::HOST, "localhost:8080").header(header::CONTENT_LENGTH, 10);
    for (name, value) in put.headers() {
        request = request.header(name, value);
    }
    let response = access.presigned(request.body(Body::from("0123456789")).unwrap(), "id").await;
    assert_eq!(response.status(), StatusCode::OK);
    access
}

async fn ask(access: &MediaAccess, request: http::request::Builder) -> (StatusCode, HeaderMap, String) {
    let cookies = signer().cookies(PREFIX, Clock::system().now());
    let pairs: Vec<&str> = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    let cookie = format!("theme=dark; {}", pairs.join("; "));
    let request = request.header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    let (parts, body) = access.signed(request, "id").await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn media_answer_whole_in_part_or_not_modified() {
    let place = tempfile::tempdir().unwrap();
    let access = media(place.path()).await;
    let target = "/media/a1B2/%C3%A4.png";
    let (status, headers, body) = ask(&access, Request::get(target)).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
    assert_eq!(headers[header::CONTENT_TYPE], "image/png");
    assert!(headers.keys().all(|name| !name.as_str().starts_with("x-amz-")), "{headers:?}");
    let tag = headers[header::ETAG].clone();
    let (status, headers, body) = ask(&access, Request::get(target).header(header::RANGE, "bytes=2-4")).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(headers[header::CONTENT_RANGE], "bytes 2-4/10");
    let (status, _, body) = ask(&access, Request::get(target).header(header::IF_NONE_MATCH, &tag)).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    let (status, headers, body) = ask(&access, Request::head(target)).await;
    assert_eq!((status, body.as_str(), headers[header::CONTENT_LENGTH].to_str().unwrap()), (StatusCode::OK, "", "10"));
    let (status, _, body) = ask(&access, Request::get(target).header(header::RANGE, "bytes=20-30")).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE, "{body}");
}

#[tokio::test]
async fn media_that_arent_there_or_arent_yours_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let access = media(place.path()).await;
    let (status, _, body) = ask(&access, Request::get("/media/a1B2/gone.png")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("\"not-found\""), "{body}");
    assert_eq!(ask(&access, Request::get("/media/b1B2/x.png")).await.0, StatusCode::FORBIDDEN);
    // An address of its own counts alone, for better or worse.
    let url = signer().url("media/a1B2/%C3%A4.png", Clock::system().now(), 60);
    let target = url.trim_start_matches("http://localhost:8080").to_owned();
    let unsigned = Request::get(&target).body(Body::empty()).unwrap();
    assert_eq!(access.signed(unsigned, "id").await.status(), StatusCode::OK);
    assert_eq!(ask(&access, Request::get(target.replace("Expires=", "Expires=9"))).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&access, Request::post("/media/a1B2/x.png")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(&access, Request::get("/media/a1B2/%zz")).await.0, StatusCode::NOT_FOUND);
}
