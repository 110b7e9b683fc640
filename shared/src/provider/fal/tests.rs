use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::provider::catalogue::find;

const KEY: &str = "id:secret";

/// A queue that answers every request alike and keeps what it was sent, one text a request.
struct Queue {
    url: Url,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Queue {
    /// `None` hangs up after reading the request.
    async fn answering(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 65_536];
                loop {
                    let read = socket.read(&mut buffer).await.unwrap_or(0);
                    request.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&request);
                    let length = text
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok())
                        .unwrap_or(0);
                    let complete = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length);
                    if read == 0 || complete {
                        break;
                    }
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                if let Some(answer) = &answer {
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { url, heard }
    }

    async fn json(status: &str, headers: &str, body: Value) -> Self {
        let body = body.to_string();
        Self::answering(Some(format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())))
            .await
    }

    fn fal(&self) -> Fal {
        fal(self.url.clone())
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn fal(queue: Url) -> Fal {
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::tls::client_config().unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    Fal::new(http, queue, &[], KEY.into()).unwrap()
}

fn submission() -> Submission {
    Submission {
        endpoint: "fal-ai/flux/dev".into(),
        body: json!({"prompt": "a cat"}),
        webhook: Some("https://example.org/hooks/fal/1?a=b&c".into()),
        start_timeout: Duration::from_secs(300),
    }
}

fn at(url: &Url) -> ProviderRequest {
    let url = format!("{url}fal-ai/flux/requests/r");
    ProviderRequest { id: "r".into(), status_url: format!("{url}/status"), response_url: url.clone(), cancel_url: format!("{url}/cancel") }
}

#[tokio::test]
async fn a_submit_says_everything_once() {
    let queue = Queue::json("200 OK", "", json!({"request_id": "764c-1", "status": "IN_QUEUE"})).await;
    let request = queue.fal().submit(&submission()).await.unwrap();
    assert_eq!(request.id, "764c-1");
    assert_eq!(request.status_url, format!("{}fal-ai/flux/requests/764c-1/status", queue.url), "only owner and app");
    assert_eq!(request.cancel_url, format!("{}fal-ai/flux/requests/764c-1/cancel", queue.url));
    let [heard] = &queue.heard()[..] else { panic!("one request") };
    assert!(
        heard.starts_with("POST /fal-ai/flux/dev?fal_webhook=https%3A%2F%2Fexample.org%2Fhooks%2Ffal%2F1%3Fa%3Db%26c HTTP/1.1\r\n"),
        "{heard}"
    );
    for line in [
        "authorization: Key id:secret\r\n",
        "x-fal-queue-priority: normal\r\n",
        "x-fal-request-timeout: 300\r\n",
        "x-fal-object-lifecycle-preference: {\"expiration_duration_seconds\":604800}\r\n",
        "content-type: application/json\r\n",
        "\r\n\r\n{\"prompt\":\"a cat\"}",
    ] {
        assert!(heard.contains(line), "{line} in {heard}");
    }
}

#[tokio::test]
async fn addresses_of_strangers_are_not_kept() {
    let stranger = "http://127.0.0.1:1/fal-ai/flux/requests/r/status";
    let queue = Queue::json(
        "200 OK",
        "",
        json!({"request_id": "r", "status_url": stranger, "response_url": "https://queue.fal.run@evil.example/"}),
    )
    .await;
    let request = queue.fal().submit(&submission()).await.unwrap();
    assert!(request.status_url.starts_with(queue.url.as_str()) && request.response_url.starts_with(queue.url.as_str()));
    let foreign = ProviderRequest { status_url: stranger.into(), ..request };
    assert!(matches!(queue.fal().status(&foreign).await, Err(AskError::Unavailable(why)) if why.contains("isn't the queue's")));
}

#[tokio::test]
async fn a_lost_answer_is_never_sent_again() {
    for answer in [
        None,
        Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"requ".to_owned()),
        Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()),
        Some("HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"request_id\":\"../../x\"}".to_owned()),
        Some("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Some("nonsense".to_owned()),
    ] {
        let queue = Queue::answering(answer.clone()).await;
        let outcome = queue.fal().submit(&submission()).await;
        let broken = answer.as_ref().is_some_and(|answer| answer.starts_with("HTTP/1.1 502"));
        assert!(
            matches!(outcome, Err(SubmitError::Broken(_)) if broken) || matches!(outcome, Err(SubmitError::Ambiguous(_)) if !broken),
            "{answer:?}: {outcome:?}"
        );
        assert_eq!(queue.heard().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    assert!(matches!(fal(url).submit(&submission()).await, Err(SubmitError::NotSent(_))));
}

#[tokio::test]
async fn a_clear_no_is_a_clear_no() {
    for (status, body, code) in [
        ("401 Unauthorized", json!({"detail": "invalid key credentials"}), FailureCode::AccountRefused),
        ("403 Forbidden", json!({"detail": "User is locked. Reason: Exhausted balance."}), FailureCode::AccountLocked),
        ("422 Unprocessable", json!({"detail": [{"loc": ["body", "prompt"], "msg": "x", "type": "missing"}]}), FailureCode::InvalidInput),
        ("429 Too Many", json!({"detail": "x"}), FailureCode::ProviderBusy),
        ("302 Found", json!({}), FailureCode::ProviderError),
    ] {
        let queue = Queue::json(status, "location: http://127.0.0.1:1/\r\n", body).await;
        let outcome = queue.fal().submit(&submission()).await;
        assert!(matches!(&outcome, Err(SubmitError::Rejected(failure)) if failure.code == code), "{status}: {outcome:?}");
        assert_eq!(queue.heard().len(), 1);
    }
}

#[tokio::test]
async fn completed_is_not_success() {
    for (status, body, expected) in [
        ("202 Accepted", json!({"status": "IN_QUEUE", "queue_position": 2}), Progress::Queued(Some(2))),
        ("202 Accepted", json!({"status": "IN_QUEUE"}), Progress::Queued(None)),
        ("202 Accepted", json!({"status": "IN_PROGRESS", "logs": null}), Progress::Running),
        ("200 OK", json!({"status": "COMPLETED", "error": "x", "error_type": "runner_disconnected"}), Progress::Over),
    ] {
        let queue = Queue::json(status, "", body).await;
        assert_eq!(queue.fal().status(&at(&queue.url)).await.unwrap(), expected);
    }
    let queue = Queue::json("404 Not Found", "", json!({"status": "NOT_FOUND"})).await;
    assert!(matches!(queue.fal().status(&at(&queue.url)).await, Err(AskError::Unknown)));
    let queue = Queue::json("401 Unauthorized", "", json!({"detail": "invalid key credentials"})).await;
    assert!(matches!(queue.fal().status(&at(&queue.url)).await, Err(AskError::Refused(_))));
    let queue = Queue::json("200 OK", "", json!({"status": "LATER"})).await;
    assert!(matches!(queue.fal().status(&at(&queue.url)).await, Err(AskError::Unavailable(_))));
}

#[tokio::test]
async fn a_result_is_the_models_own_answer() {
    let model = find("flux-dev").unwrap();
    let queue =
        Queue::json("200 OK", "X-Fal-Billable-Units: 2\r\n", json!({"images": [{"url": "https://v3.fal.media/a.png"}], "seed": 7})).await;
    let Verdict::Output(output) = queue.fal().result(&at(&queue.url), Some(model)).await.unwrap() else { panic!("an output") };
    assert_eq!((output.media.len(), output.seed, output.billable_units), (1, Some(7), Some(2.0)));
    let queue = Queue::json("422 Unprocessable", "", json!({"detail": [{"type": "content_policy_violation"}]})).await;
    assert!(matches!(queue.fal().result(&at(&queue.url), Some(model)).await, Ok(Verdict::Failed(_))));
    let queue = Queue::json("400 Bad Request", "", json!({"detail": "Request is still in progress"})).await;
    assert!(matches!(queue.fal().result(&at(&queue.url), Some(model)).await, Ok(Verdict::NotYet)));
    let queue = Queue::answering(Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>".into())).await;
    assert!(matches!(queue.fal().result(&at(&queue.url), Some(model)).await, Err(AskError::Unavailable(_))), "an ingress isn't the model");
    let queue = Queue::json("404 Not Found", "", json!({"detail": "no"})).await;
    assert!(matches!(queue.fal().result(&at(&queue.url), Some(model)).await, Err(AskError::Unknown)));
}

#[tokio::test]
async fn cancelling_says_what_it_achieved() {
    for (status, body, expected) in [
        ("200 OK", json!({"status": "OK"}), Cancellation::Stopped),
        ("202 Accepted", json!({"status": "CANCELLATION_REQUESTED"}), Cancellation::Requested),
        ("200 OK", json!({"success": true}), Cancellation::Requested),
        ("400 Bad Request", json!({"status": "ALREADY_COMPLETED"}), Cancellation::TooLate),
        ("404 Not Found", json!({"status": "NOT_FOUND"}), Cancellation::TooLate),
    ] {
        let queue = Queue::json(status, "", body).await;
        assert_eq!(queue.fal().cancel(&at(&queue.url)).await.unwrap(), expected);
        assert!(queue.heard()[0].starts_with("PUT /fal-ai/flux/requests/r/cancel HTTP/1.1\r\n"));
    }
}

#[test]
fn the_key_is_never_shown() {
    let shown = format!("{:?}", fal(Url::parse("http://127.0.0.1:1").unwrap()));
    assert!(!shown.contains("secret"), "{shown}");
}
