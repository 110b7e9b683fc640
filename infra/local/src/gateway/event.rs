//! HTTP requests as API Gateway's events, payload format 2.0.
//!
//! What is easily got wrong is as on AWS: cookies are apart from the headers, names are in lower case, several values are joined
//! by commas, the path is percent-decoded (the query is not), form bodies travel in base64, and the `Host` is the API's own, not
//! the site's, because the distribution replaces it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The host that functions see.
pub(crate) const DOMAIN: &str = "local.execute-api.localhost";
/// The account in events and ARNs.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What an event is made from.
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) source: IpAddr,
    pub(crate) request_id: &'a str,
    pub(crate) at: Timestamp,
}

/// The event for `incoming` on the route `route_key`, whose path variables hold `captures`.
pub(crate) fn build(incoming: &Incoming<'_>, route_key: &str, captures: &[(String, String)]) -> Value {
    let path = decoded_path(incoming.path);
    let headers = headers(incoming);
    let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": incoming.query.unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": DOMAIN,
            "domainPrefix": "local",
            "http": {
                "method": incoming.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": incoming.source.to_string(),
                "userAgent": user_agent,
            },
            "requestId": incoming.request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": incoming.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": incoming.at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let Value::Object(fields) = &mut event else { return event };
    let cookies = cookies(incoming.headers);
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), json!(cookies));
    }
    let parameters = query_parameters(incoming.query.unwrap_or_default());
    if !parameters.is_empty() {
        fields.insert("queryStringParameters".to_owned(), Value::Object(parameters));
    }
    if !captures.is_empty() {
        let captures = captures.iter().map(|(name, value)| (name.clone(), Value::String(decoded(value)))).collect();
        fields.insert("pathParameters".to_owned(), Value::Object(captures));
    }
    if !incoming.body.is_empty() {
        let (body, is_base64) = match text_body(incoming) {
            Some(text) => (text.to_owned(), false),
            None => (STANDARD.encode(incoming.body), true),
        };
        fields.insert("body".to_owned(), Value::String(body));
        fields.insert("isBase64Encoded".to_owned(), Value::Bool(is_base64));
    }
    event
}

fn headers(incoming: &Incoming<'_>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in incoming.headers {
        if name == header::COOKIE || name == header::HOST || name == header::CONNECTION {
            continue;
        }
        // Header values are bytes and an event holds text: bytes beyond ASCII are read as Latin-1.
        let value: String = value.as_bytes().iter().copied().map(char::from).collect();
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    headers.insert("host".to_owned(), DOMAIN.to_owned());
    // A proxy in front may have named the client before: it comes first.
    let source = incoming.source.to_string();
    headers.entry("x-forwarded-for".to_owned()).and_modify(|all| *all = format!("{all}, {source}")).or_insert(source);
    headers.insert("x-forwarded-port".to_owned(), "443".to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    headers.entry("content-length".to_owned()).or_insert_with(|| incoming.body.len().to_string());
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .map(|pair| pair.trim().to_owned())
        .filter(|pair| !pair.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> Map<String, Value> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// The body as text, when its type says that it is one. Everything else, forms included, travels in base64.
fn text_body<'b>(incoming: &'b Incoming<'_>) -> Option<&'b str> {
    let kind = incoming.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || matches!(kind.as_str(), "application/json" | "application/javascript" | "application/xml")
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    if is_text && !incoming.headers.contains_key(header::CONTENT_ENCODING) { std::str::from_utf8(incoming.body).ok() } else { None }
}

/// HTTP APIs hand the path over decoded, and lose what follows a decoded question mark.
fn decoded_path(path: &str) -> String {
    let decoded = decoded(path);
    match decoded.split_once('?') {
        Some((before, _)) => before.to_owned(),
        None => decoded,
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
