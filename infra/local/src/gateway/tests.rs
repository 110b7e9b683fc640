use std::net::Ipv4Addr;

use axum::extract::RawQuery;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{any, get, post};
use http::{Method, header};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;

use super::*;
use crate::template::Route;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn gateway() -> Gateway {
    let router = Router::new()
        .route(
            "/a/cookies",
            get(|headers: HeaderMap| async move {
                let line = headers.get(header::COOKIE).and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
                (AppendHeaders([(header::SET_COOKIE, "one=1; Secure"), (header::SET_COOKIE, "two=2")]), line)
            }),
        )
        .route(
            "/a/echo",
            post(|headers: HeaderMap, body: Bytes| async move {
                let kind = headers.get(header::CONTENT_TYPE).cloned().unwrap_or(HeaderValue::from_static("application/octet-stream"));
                ([(header::CONTENT_TYPE, kind)], body)
            }),
        )
        .route("/a/query", get(|RawQuery(query): RawQuery| async move { query.unwrap_or_default() }))
        .route("/a/panic", get(|| async { panic!("on purpose") as () }))
        .route("/a/forever", get(std::future::pending::<()>))
        .route("/a/huge", get(|| async { "x".repeat(7 * 1024 * 1024) }))
        .route("/a/host", any(|headers: HeaderMap| async move { format!("{:?}", headers[header::HOST]).into_response() }))
        .route("/a/{name}", get(|axum::extract::Path(name): axum::extract::Path<String>| async move { name }));
    let function = HttpFunction { router, timeout: Duration::from_secs(5) };
    let routes = Routes::new(vec![Route::parse("ANY /a/{proxy+}", "a").unwrap()]).unwrap();
    Gateway::new(routes, [("a".to_owned(), function)].into(), Clock::system())
}

async fn call(request: http::request::Builder, body: impl Into<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let request = request.header(header::HOST, "localhost:8080").body(body.into()).unwrap();
    let response = gateway().call(request, CLIENT, "request-1").await;
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

fn get_request(target: &str) -> http::request::Builder {
    Request::get(target)
}

/// What AWS's own documentation shows, field by field.
#[test]
fn the_event_has_the_recorded_shape() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("Host", "localhost:8080"),
        ("Cookie", "cookie1=a; cookie2=b"),
        ("Accept", "text/html"),
        ("Accept", "*/*"),
        ("User-Agent", "agent"),
        ("Content-Type", "application/json"),
    ] {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static(value));
    }
    let body = Bytes::from_static(b"{\"a\":1}");
    let incoming = Incoming {
        method: &Method::POST,
        path: "/my/p%C3%A4th%20x",
        query: Some("parameter1=value1&parameter1=value2&parameter2=v%20w"),
        headers: &headers,
        body: &body,
        source: CLIENT,
        request_id: "id",
        at: "2020-03-12T19:03:58.638Z".parse().unwrap(),
    };
    let event = event::build(&incoming, "ANY /my/{proxy+}", &[("proxy".to_owned(), "p%C3%A4th%20x".to_owned())]);
    let expected = serde_json::json!({
        "version": "2.0",
        "routeKey": "ANY /my/{proxy+}",
        "rawPath": "/my/päth x",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=v%20w",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "accept": "text/html,*/*",
            "content-length": "7",
            "content-type": "application/json",
            "host": "local.execute-api.localhost",
            "user-agent": "agent",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "v w"},
        "pathParameters": {"proxy": "päth x"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "local.execute-api.localhost",
            "domainPrefix": "local",
            "http": {
                "method": "POST",
                "path": "/my/päth x",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "ANY /my/{proxy+}",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_584_039_838_638_i64,
        },
        "body": "{\"a\":1}",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
    serde_json::from_value::<ApiGatewayV2httpRequest>(event).unwrap();
}

#[tokio::test]
async fn cookies_go_in_and_out() {
    let (status, headers, body) = call(get_request("/a/cookies").header(header::COOKIE, "a=1; b=2"), "").await;
    assert_eq!((status, body.as_ref()), (StatusCode::OK, b"a=1; b=2".as_ref()));
    let set: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(set, ["one=1; Secure", "two=2"]);
    assert_eq!(headers["apigw-requestid"], "request-1");
}

#[tokio::test]
async fn text_and_bytes_arrive_as_they_were_sent() {
    for (kind, bytes) in [
        ("application/json", "{\"text\":\"käse\"}".as_bytes()),
        ("application/x-www-form-urlencoded", b"a=%20b"),
        ("image/png", &[0x89, b'P', 0, 0xff]),
        ("text/plain; charset=utf-8", &[0xff, 0xfe]),
    ] {
        let (status, headers, body) = call(Request::post("/a/echo").header(header::CONTENT_TYPE, kind), Body::from(bytes.to_vec())).await;
        assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, kind));
        if kind != "text/plain; charset=utf-8" {
            assert_eq!(body.as_ref(), bytes, "{kind}");
        }
    }
}

#[tokio::test]
async fn the_query_stays_raw_and_the_path_is_decoded_once() {
    let (_, _, body) = call(get_request("/a/query?x=%2B1&x=%C3%A4"), "").await;
    assert_eq!(body.as_ref(), b"x=%2B1&x=%C3%A4");
    let (_, _, body) = call(get_request("/a/p%C3%A4th%20x"), "").await;
    assert_eq!(std::str::from_utf8(&body).unwrap(), "päth x");
}

#[tokio::test]
async fn functions_see_the_apis_own_host() {
    let (_, _, body) = call(get_request("/a/host"), "").await;
    assert_eq!(std::str::from_utf8(&body).unwrap(), "\"local.execute-api.localhost\"");
}

#[tokio::test]
async fn what_goes_wrong_is_a_problem_document() {
    for (target, status, code) in [
        ("/a/panic", StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        ("/a/huge", StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        ("/nothing", StatusCode::NOT_FOUND, "not-found"),
    ] {
        let (found, headers, body) = call(get_request(target), "").await;
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, document["code"].as_str().unwrap()), (status, code), "{target}");
        assert_eq!(document["request_id"], "request-1");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_never_ends_is_given_up() {
    let (status, headers, _) = call(get_request("/a/forever"), "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::RETRY_AFTER], "1");
}

#[tokio::test]
async fn limits_are_api_gateways() {
    let body = |length: usize| Body::from(vec![b'x'; length]);
    let echo = || Request::post("/a/echo").header(header::CONTENT_TYPE, "application/octet-stream");
    assert_eq!(call(echo(), body(MAX_BODY + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    // Fits API Gateway, but not Lambda once it is in base64.
    assert_eq!(call(echo(), body(5 * 1024 * 1024)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(call(echo(), body(1024 * 1024)).await.0, StatusCode::OK);
    let long = get_request("/a/query").header("x-long", "x".repeat(MAX_HEAD));
    assert_eq!(call(long, "").await.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
