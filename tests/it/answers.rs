//! What every answer has in common, whoever gave it: function, gateway, edge, bucket or site.

use http::{Method, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{Answer, Client, World, picture};

const PROBLEM: &str = "application/problem+json";

/// Nothing may be sniffed, framed, referred, kept or embedded that wasn't meant to be.
fn assert_protected(what: &str, answer: &Answer) {
    let text = |name: &str| answer.header(name).to_owned();
    assert_eq!(text("x-content-type-options"), "nosniff", "{what}: {}", answer.text());
    let policy = text("content-security-policy");
    let tight = policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && policy.contains("frame-ancestors");
    assert!(tight, "{what}: {policy:?}");
    assert!(text("strict-transport-security").starts_with("max-age=63072000; includeSubDomains"), "{what}");
    assert!(["same-origin", "no-referrer"].contains(&text("referrer-policy").as_str()), "{what}");
    assert_eq!(text("cross-origin-resource-policy"), "same-origin", "{what}");
    assert_eq!(text("cross-origin-opener-policy"), "same-origin", "{what}");
    assert!(text("permissions-policy").contains("camera=()"), "{what}");
    assert_eq!(text("access-control-allow-origin"), "", "{what}");
    assert_eq!(text("server"), "", "{what}");
}

/// An error of ours is a problem with the request's id, and is never kept.
fn assert_told(what: &str, answer: &Answer) {
    if answer.status.as_u16() < 400 || answer.body.is_empty() {
        return;
    }
    assert_eq!(answer.header(header::CONTENT_TYPE), PROBLEM, "{what}: {}", answer.text());
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{what}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status.as_u16(), "{what}");
    for name in ["type", "title", "code", "detail", "request_id"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: {name} in {body}");
    }
    assert_eq!(body["request_id"], answer.header("x-request-id"), "{what}");
}

fn operations() -> Vec<(Method, String)> {
    let api: Value = serde_json::from_str(include_str!("../../static-site/openapi.json")).unwrap();
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let mut target = path.clone();
        while let Some((before, after)) = target.split_once('{') {
            target = format!("{before}0190163d8694739baea5966c26f8ad91{}", after.split_once('}').unwrap().1);
        }
        for method in item.as_object().unwrap().keys().filter(|method| method.len() < 7) {
            all.push((method.to_uppercase().parse().unwrap(), target.clone()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_protected_and_every_error_is_told_in_one_way() {
    let world = World::start_at(&[], crate::world::still()).await;
    let (ada, nobody) = (world.user("ada").await, world.stranger(None));
    let made = ada.made(&picture("a fox")).await;
    let media = made["assets"][0]["media"]["url"].as_str().unwrap().to_owned();
    let body = json!({"colour": "red"}).to_string().into_bytes();
    let json_body = [("content-type", "application/json"), ("accept", "application/json")];
    let mut answers = 0;
    for (method, path) in operations() {
        for client in [&ada, &nobody] {
            let what = format!("{method} {path}");
            let body = if method == Method::GET { Vec::new() } else { body.clone() };
            let answer = client.send(method.clone(), &path, &json_body, body).await;
            assert!(answer.status.as_u16() < 500, "{what}: {}", answer.text());
            assert_protected(&what, &answer);
            assert_told(&what, &answer);
            if path.starts_with("/api/") && !path.ends_with("openapi.json") {
                assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{what}");
            }
            answers += 1;
        }
        // Methods that nobody has described.
        for other in ["OPTIONS", "TRACE", "PROPFIND", "PUT"] {
            let what = format!("{other} {path}");
            let answer = ada.send(other.parse().unwrap(), &path, &json_body, Vec::new()).await;
            assert_eq!(answer.code(), (405, "method-not-allowed".to_owned()), "{what}: {}", answer.text());
            assert!(!answer.header(header::ALLOW).is_empty(), "{what}");
            assert_protected(&what, &answer);
            assert_told(&what, &answer);
            answers += 1;
        }
    }
    // A HEAD is a GET without its body.
    for path in ["/api/v1/health", "/api/v1/me", "/api/v1/assets", "/api/v1/nothing", "/docs"] {
        let (get, head) = (ada.get(path).await, ada.send(Method::HEAD, path, &[], Vec::new()).await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header(header::CONTENT_TYPE), get.header(header::CONTENT_TYPE), "{path}");
        assert_protected(path, &head);
    }
    // Beside the functions: unknown paths, media, buckets, the site, the wrong host.
    for path in
        ["/api/x.css", "/api/", "/api", "/api/v1/me/a.css", "/auth/x", "/hooks/x", "/media/x/y.png", "/docs/x.js", "/x.js", "/.git/config"]
    {
        let answer = nobody.get(path).await;
        assert!([401, 403, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.text());
        assert_protected(path, &answer);
        assert_told(path, &answer);
    }
    let query = media.split_once('?').unwrap().1;
    for (what, url) in [("media", media.clone()), ("altered media", format!("{}x", media)), ("absent media", format!("/media/a/b?{query}"))]
    {
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            let what = format!("{method} {what}");
            let answer = nobody.send(method, &url, &[], Vec::new()).await;
            assert_protected(&what, &answer);
            assert_told(&what, &answer);
        }
    }
    for path in ["/uploads/in/x", "/downloads/media/x", "/uploads/"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = nobody.send(method.clone(), path, &[], Vec::new()).await;
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.text());
            assert_protected(&format!("{method} {path}"), &answer);
        }
    }
    let answer = nobody.send(Method::POST, "/api/v1/tokens", &[("host", "evil.example")], Vec::new()).await;
    assert_eq!(answer.status.as_u16(), 421);
    assert_protected("another host", &answer);
    assert_told("another host", &answer);
    assert!(answers > 200, "{answers}");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused_in_one_way() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let send = async |client: &Client, method: Method, path: &str, headers: &[(&str, &str)], bytes: usize| {
        let body = format!("{{\"name\": \"{}", "x".repeat(bytes)).into_bytes();
        client.send(method, path, &[&[("content-type", "application/json")], headers].concat(), body).await
    };
    let long = "x".repeat(11_000);
    for (what, status, code, answer) in [
        ("a body of 64 KiB", 413, "payload-too-large", send(&ada, Method::POST, "/api/v1/uploads", &[], 65_536).await),
        ("a form of 5 kB", 413, "payload-too-large", send(&ada, Method::POST, "/s/abcdefghijk", &[], 5_000).await),
        ("a long header", 431, "headers-too-large", send(&ada, Method::GET, "/api/v1/me", &[("x-long", &long)], 0).await),
        ("a long cookie", 431, "headers-too-large", send(&ada, Method::GET, "/api/v1/me", &[("cookie", &long)], 0).await),
        ("a long query", 431, "headers-too-large", send(&ada, Method::GET, &format!("/api/v1/assets?q={long}"), &[], 0).await),
        ("a long path", 431, "headers-too-large", send(&ada, Method::GET, &format!("/api/v1/assets/{long}"), &[], 0).await),
        // The last: what is left of it unread ends the connection.
        ("a body of 11 MB", 413, "payload-too-large", send(&ada, Method::POST, "/api/v1/uploads", &[], 11 << 20).await),
    ] {
        assert_eq!(answer.code(), (status, code.to_owned()), "{what}: {}", answer.text());
        assert_protected(what, &answer);
        assert_told(what, &answer);
    }
    world.shutdown().await;
}

/// Paths and requests that no client makes by accident.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_sent_is_a_fault_of_ours() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    for path in [
        "/api/v1/assets/%00",
        "/api/v1/assets/%ff%fe",
        "/api/v1/assets/%c0%ae",
        "/api/v1/assets/%2e%2e",
        "/api/v1/assets/%2F..%2F",
        "/api/v1/assets/..;/",
        "/api/v1//assets",
        "//api/v1/assets",
        "/api/v1/assets/%",
        "/api/v1/assets/%zz",
        "/api/v1/assets?%",
        "/api/v1/assets?q=%ff",
        "/api/v1/assets?q=%00",
        "/api/v1/assets?q&q",
        "/api/v1/assets?=",
        "/api/v1/assets?limit=%31%30",
        "/s/%2e%2e",
        "/s/%0d%0aset-cookie:a=b",
        "/api/v1/assets/%3f",
        "/api/v1/assets/%23",
        "/auth/login?next=%00",
        "/auth/callback?code=%00&state=%ff",
        "/media/%2e%2e/%2e%2e/x",
        "/media/..%2fx",
        "/api/v1/links/%f0%9f%a6%8a",
        "/api/v1/models/%25",
        "/API/v1/assets",
        "/api/v1/assets/",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = ada.send(method.clone(), path, &[("content-type", "application/json")], Vec::new()).await;
            assert!(answer.status.as_u16() < 500, "{method} {path}: {}", answer.text());
            assert!(!answer.text().contains("<!doctype html>") || path.starts_with("/s/"), "{method} {path}: {}", answer.text());
            assert_protected(&format!("{method} {path}"), &answer);
        }
    }
    let authority = world.edition.origin().trim_start_matches("http://").to_owned();
    for raw in [
        "GET /api/v1/me HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /api/v1/me HTTP/1.1\r\nHost: {authority}\r\nContent-Length: -1\r\n\r\n"),
        format!("POST /api/v1/uploads HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("GET /api/v1/me HTTP/1.1\r\nHost: {authority}\r\nBad Header: x\r\n\r\n"),
        format!("GET /api/v1/me HTTP/9.9\r\nHost: {authority}\r\n\r\n"),
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        format!("GET http://evil.example/api/v1/me HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
        format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: {authority}\r\n\r\n"),
    ] {
        let mut stream =
            tokio::net::TcpStream::connect(("127.0.0.1", authority.rsplit(':').next().unwrap().parse().unwrap())).await.unwrap();
        stream.write_all(raw.as_bytes()).await.unwrap();
        let mut answer = [0; 4_096];
        let read = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read(&mut answer)).await;
        let length = read.map(|read| read.unwrap_or(0)).unwrap_or(0);
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 3"), "{raw:?}: {text}");
    }
    assert_eq!(ada.get("/api/v1/me").await.status, 200, "it is still there");
    world.shutdown().await;
}
