//! No address that comes from outside leads anywhere but to where the configuration says: a listener counts who comes.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::provider::fal::Fal;
use shared::provider::fetch::{Fetcher, Patience};
use shared::provider::{Provider as _, Submission, catalogue};
use tokio::net::TcpListener;
use url::Url;

use crate::world::World;

/// Counts connections to a port of this machine, by IPv4 and, where there is one, IPv6.
struct Trap {
    port: u16,
    caught: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let caught = Arc::new(AtomicUsize::new(0));
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        for listener in [Some(v4), v6].into_iter().flatten() {
            let caught = Arc::clone(&caught);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, caught }
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }

    /// Ways to write the trap's address, and neighbours of the good host `good`, all leading into the trap if they lead anywhere.
    fn addresses(&self, good: &str) -> Vec<String> {
        let port = self.port;
        let mut hosts: Vec<String> = [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "0",
            "0.0.0.0",
            "127.0.0.1.",
            "localhost.",
            "LOCALHOST",
            "①②⑦.⓪.⓪.①",
            "127.0.0.1%00",
            "127。0。0。1",
        ]
        .map(str::to_owned)
        .into();
        hosts.extend([format!("{good}@127.0.0.1"), format!("{good}:443@127.0.0.1"), format!("user:{good}@localhost")]);
        let mut all: Vec<String> =
            hosts.iter().flat_map(|host| [format!("http://{host}:{port}/x"), format!("https://{host}:{port}/x")]).collect();
        all.extend([
            format!("//127.0.0.1:{port}/x"),
            format!("http:127.0.0.1:{port}/x"),
            format!("http:/127.0.0.1:{port}/x"),
            format!("http:\\\\127.0.0.1:{port}\\x"),
            format!("https://127.0.0.1:{port}#{good}"),
            format!("https://127.0.0.1:{port}?{good}"),
            format!("https://127.0.0.1:{port}\\@{good}/"),
            format!("ftp://127.0.0.1:{port}/x"),
            format!("gopher://127.0.0.1:{port}/x"),
            format!("ws://127.0.0.1:{port}/x"),
            "file:///etc/passwd".to_owned(),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "https://[fd00:ec2::254]/".to_owned(),
            "https://10.0.0.1/".to_owned(),
            String::new(),
        ]);
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_come_from_the_allowed_origins_alone() {
    let trap = Trap::set().await;
    // As in production.
    let fetcher =
        Fetcher::new(&["https://*.fal.media".to_owned()], Patience { connect: Duration::from_secs(1), ..Patience::default() }).unwrap();
    let addresses = trap.addresses("v3.fal.media");
    for address in &addresses {
        assert!(fetcher.open(address, 1_000).await.is_err(), "{address}");
    }
    assert!(addresses.len() >= 40);
    assert_eq!(trap.caught(), 0, "of {} addresses", addresses.len());
}

/// A queue that answers everything with the addresses it was given, or with a redirect to the first.
async fn queue(addresses: Arc<Vec<String>>, redirects: bool) -> Url {
    async fn answer(
        State((addresses, redirects)): State<(Arc<Vec<String>>, bool)>,
        uri: Uri,
    ) -> (StatusCode, [(header::HeaderName, String); 1], Json<Value>) {
        let wanted = uri.query().and_then(|query| query.parse::<usize>().ok()).unwrap_or(0);
        let address = addresses[wanted].clone();
        let body = json!({"request_id": "0190163d-8694-739b-aea5-966c26f8ad91", "status": "COMPLETED", "status_url": address, "response_url": address,
            "cancel_url": address, "images": [{"url": address}]});
        let status = if redirects { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::OK };
        (status, [(header::LOCATION, address)], Json(body))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().fallback(answer).with_state((addresses, redirects));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_addresses_lead_to_the_queue_or_nowhere() {
    let trap = Trap::set().await;
    let addresses = Arc::new(trap.addresses("queue.fal.run"));
    let model = catalogue::find("flux-schnell").unwrap();
    let http = shared::runtime::http_client().unwrap();
    for redirects in [false, true] {
        let queue = queue(Arc::clone(&addresses), redirects).await;
        let fal = Fal::new(http.clone(), queue.clone(), &["https://*.fal.media".to_owned()], "key".to_owned().into()).unwrap();
        for (number, address) in addresses.iter().enumerate() {
            // The queue's own name for the request is believed, and then its addresses are tried one by one.
            let endpoint = format!("fal-ai/flux/schnell?{number}");
            let submission = Submission { endpoint, body: json!({}), webhook: None, start_timeout: Duration::from_secs(60) };
            if let Ok(request) = fal.submit(&submission).await {
                for url in [&request.status_url, &request.response_url, &request.cancel_url] {
                    assert!(url.starts_with(queue.as_str().trim_end_matches('/')), "{url} was believed");
                }
            }
            let mut asked = shared::domain::generation::ProviderRequest {
                id: "0190163d-8694-739b-aea5-966c26f8ad91".to_owned(),
                status_url: address.clone(),
                response_url: address.clone(),
                cancel_url: address.clone(),
            };
            for _ in 0..2 {
                let _refused = fal.status(&asked).await;
                let _refused = fal.result(&asked, Some(model)).await;
                let _refused = fal.cancel(&asked).await;
                // Once more by an address of the queue's own, which may redirect.
                let own = format!("{queue}fal-ai/x?{number}");
                asked.status_url.clone_from(&own);
                asked.response_url.clone_from(&own);
                asked.cancel_url = own;
            }
            assert!(fal.fetch(address, 1_000).await.is_err(), "{address}");
        }
    }
    assert_eq!(trap.caught(), 0, "of {} addresses", addresses.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_an_id_is_no_address() {
    let trap = Trap::set().await;
    let world = World::start().await;
    let ada = world.user("ada").await;
    for address in trap.addresses("v3.fal.media") {
        for (model, inputs) in [
            ("flux-dev-img2img", json!({"prompt": "in autumn", "images": [address]})),
            ("flux-fill", json!({"prompt": "in autumn", "images": ["0190163d8694739baea5966c26f8ad91"], "mask": address})),
            ("veo-3.1-frames", json!({"prompt": "in autumn", "start_frame": address, "end_frame": address})),
        ] {
            let answer = ada.generate(&json!({"model": model, "inputs": inputs})).await;
            assert_eq!(answer.status, 400, "{address}: {}", answer.text());
        }
        assert_eq!(ada.post("/api/v1/links", &json!({"asset_id": address, "opens": "file"})).await.status, 400, "{address}");
    }
    assert_eq!(trap.caught(), 0);
    world.shutdown().await;
}
