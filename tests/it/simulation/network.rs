//! What carries requests to the table, the buckets and the queues of a simulated world, and what goes wrong on the way.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use serde_json::{Value, json};

use super::process::{self, Death};
use super::sim::Sim;
use super::table::TABLE;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It never arrives.
    Lost,
    /// It is done, and nobody hears of it.
    AnswerLost,
    /// It arrives, and is done, long after its sender has given up.
    Late,
    /// Neither it nor its sender's patience ends soon.
    Hangs,
    /// The answer is lost, and the very same request is sent again.
    Twice,
    /// Too much at once.
    Throttled,
    /// Another transaction, or another write of the same key, is under way.
    Conflict,
}

/// A request, taken apart.
pub(super) struct Sent {
    pub(super) service: Service,
    method: String,
    /// Operation, or path.
    pub(super) what: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Table,
    Bucket,
    Queue,
}

#[derive(Clone)]
pub(super) struct Network(pub(super) Arc<Sim>);

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    pub(super) fn carrier(self) -> SharedHttpClient {
        SharedHttpClient::new(self)
    }
}

impl HttpClient for Network {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sim = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let sent = Sent::of(request).await;
            carry(sim, sent).await
        })
    }
}

impl Sent {
    async fn of(mut request: HttpRequest) -> Self {
        let body = ByteStream::new(request.take_body()).collect().await.expect("bodies are at hand").into_bytes();
        let uri = request.uri();
        let path = uri.splitn(4, '/').nth(3).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (service, what) = match target.split_once('.') {
            Some(("AmazonSQS", operation)) => (Service::Queue, operation.to_owned()),
            Some((_, operation)) => (Service::Table, operation.to_owned()),
            None => (Service::Bucket, path),
        };
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { service, method: request.method().to_owned(), what, headers, body }
    }

    /// In the trace.
    fn name(&self) -> String {
        match self.service {
            Service::Table if self.what == "TransactWriteItems" => {
                let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
                let writes = body["TransactItems"].as_array().into_iter().flatten().map(super::watch::name_of);
                format!("writes {}", writes.collect::<Vec<_>>().join(" + "))
            }
            Service::Table => format!("reads {}", self.what),
            Service::Bucket => format!("{} {}", self.method, self.what),
            Service::Queue => {
                let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
                format!("sends {}", body["MessageBody"].as_str().unwrap_or_default())
            }
        }
    }

    fn header(&self, wanted: &str) -> Option<String> {
        self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
    }

    fn writes(&self) -> bool {
        match self.service {
            Service::Table => self.what == "TransactWriteItems",
            Service::Bucket => self.method == "PUT",
            Service::Queue => true,
        }
    }
}

async fn carry(sim: Arc<Sim>, sent: Sent) -> Result<HttpResponse, ConnectorError> {
    // What sets a world up is no process of it, and nothing happens to it.
    let Some(me) = process::current(&sim) else { return Ok(serve(&sim, &sent)) };
    let fault = draw(&sim, &sent);
    let name = sent.name();
    sim.wait(1, sim.weather.latency).await;
    if me.dies(&sim, Death::Before) {
        sim.note(&me, &format!("dies before it {name}"));
        return process::never().await;
    }
    if fault.is_some() || sent.writes() {
        sim.note(&me, &format!("{name}{}", fault.map(|fault| format!("  [{fault:?}]")).unwrap_or_default()));
    }
    let broken = || Err(ConnectorError::io("the connection broke".into()));
    let answer = match fault {
        Some(Fault::Lost) => return broken(),
        Some(Fault::Throttled) => throttled(&sent),
        Some(Fault::Conflict) => conflict(&sent),
        Some(Fault::Hangs) => {
            sim.wait(20_000, 30_000).await;
            return broken();
        }
        Some(Fault::Late) => {
            let sim = Arc::clone(&sim);
            tokio::spawn(async move {
                sim.wait(500, 30_000).await;
                sim.note(&me, &format!("long after: {name}"));
                serve(&sim, &sent);
            });
            return broken();
        }
        Some(Fault::Twice) => {
            serve(&sim, &sent);
            sim.wait(1, 200).await;
            serve(&sim, &sent)
        }
        Some(Fault::AnswerLost) | None => serve(&sim, &sent),
    };
    if me.dies(&sim, Death::After) {
        sim.note(&me, "dies after it");
        return process::never().await;
    }
    sim.wait(1, sim.weather.latency).await;
    if fault == Some(Fault::AnswerLost) { broken() } else { Ok(answer) }
}

fn draw(sim: &Sim, sent: &Sent) -> Option<Fault> {
    let weather = &sim.weather;
    if sim.is_calm() || !sim.chance(weather.faults) {
        return None;
    }
    let kinds: &[Fault] = match (sent.service, sent.writes()) {
        (_, false) => &[Fault::Lost, Fault::Hangs, Fault::Throttled],
        (Service::Queue, true) => &[Fault::Lost, Fault::AnswerLost, Fault::Late, Fault::Twice, Fault::Throttled],
        (_, true) => {
            &[Fault::Lost, Fault::AnswerLost, Fault::AnswerLost, Fault::Late, Fault::Hangs, Fault::Twice, Fault::Throttled, Fault::Conflict]
        }
    };
    Some(sim.pick(kinds))
}

/// Does what is asked.
fn serve(sim: &Sim, sent: &Sent) -> HttpResponse {
    match sent.service {
        Service::Table => {
            let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
            assert_eq!(body["TableName"].as_str().unwrap_or(TABLE), TABLE);
            sim.spoil(&mut body);
            match sim.table.serve(&sent.what, &body) {
                Ok(json) => {
                    if sent.writes() {
                        sim.written(&body);
                    }
                    response(200, json)
                }
                Err((status, json)) => {
                    if json.contains("ValidationException") {
                        sim.fail(format!("the table refuses {}: {json}", sent.name()));
                    }
                    response(status, json)
                }
            }
        }
        Service::Bucket => {
            let (status, fields, body) =
                sim.buckets.lock().unwrap().serve(&sent.method, &sent.what, |name| sent.header(name), sent.body.clone());
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            for (name, value) in fields {
                response.headers_mut().insert(name, value);
            }
            response
        }
        Service::Queue => {
            let body: Value = serde_json::from_slice(&sent.body).unwrap();
            let delay = body["DelaySeconds"].as_u64().unwrap_or(0);
            sim.send(body["QueueUrl"].as_str().unwrap(), body["MessageBody"].as_str().unwrap(), delay);
            response(200, json!({"MessageId": "1"}).to_string())
        }
    }
}

fn throttled(sent: &Sent) -> HttpResponse {
    match sent.service {
        Service::Bucket => response(503, "<Error><Code>SlowDown</Code></Error>".to_owned()),
        Service::Table | Service::Queue => response(400, json!({"__type": "ThrottlingException", "message": "slow down"}).to_string()),
    }
}

fn conflict(sent: &Sent) -> HttpResponse {
    if sent.service == Service::Bucket {
        return response(409, "<Error><Code>ConditionalRequestConflict</Code></Error>".to_owned());
    }
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    let mut reasons = vec![json!({"Code": "None"}); body["TransactItems"].as_array().map_or(1, Vec::len)];
    reasons[0] = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    response(400, json!({"__type": kind, "Message": "Transaction cancelled", "CancellationReasons": reasons}).to_string())
}

fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}
