//! Whatever a request waits for, it is answered within its own time, though nothing answers it.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::auth::operator::{self, NewToken};
use shared::clock::Clock;
use shared::domain::user::Scope;
use shared::jobs::hook;
use shared::runtime::Platform;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::world::{World, sha256};

/// What a request may take: a function has ten seconds, of which it gives a request eight. The rest is for a machine that has
/// other things to do.
pub(crate) const REQUEST: Duration = Duration::from_millis(9_800);
/// The same of those that must be told earlier: the issuer has six seconds, the provider's keys have three.
const SIGN_IN: Duration = Duration::from_millis(7_800);
const CALLBACK: Duration = Duration::from_millis(5_000);

/// Takes connections and never says a word; its address.
pub(crate) async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// The functions' platform with some of what it stands on replaced by silence.
fn without(world: &World, variables: &[(&str, &str)]) -> Platform {
    let mut env = world.edition.environment("library").unwrap().clone();
    env.set("ORIGIN_SECRETS_SHA256", "");
    for (name, value) in variables {
        env.set(*name, *value);
    }
    Platform::connect_at(&env, Clock::system()).unwrap()
}

/// A hundred of these requests at once; each is answered within `limit`. The statuses, and where they were sent.
async fn hundred(router: &Router, limit: Duration, request: impl Fn() -> Request<Body>) -> Vec<(StatusCode, String)> {
    let asked = (0..100).map(|_| {
        let (router, request, began) = (router.clone(), request(), Instant::now());
        async move {
            let answer = router.oneshot(request).await.unwrap();
            let place = answer.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
            (began.elapsed(), answer.status(), place.unwrap_or_default())
        }
    });
    let answers = join_all(asked).await;
    let slowest = answers.iter().map(|(took, ..)| *took).max().unwrap();
    assert!(slowest <= limit, "{slowest:?} of {limit:?}");
    answers.into_iter().map(|(_, status, place)| (status, place)).collect()
}

fn get(path: &str, token: &str) -> Request<Body> {
    Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_in_time_though_nothing_answers_it() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let new = NewToken { name: "test".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None };
    let (_, token) = operator::create_token(&world.platform.db, &world.clock, ada.user().id, new).await.unwrap();
    let token = token.expose_secret().to_owned();
    let silent = silence().await;

    let table = without(&world, &[("AWS_ENDPOINT_URL_DYNAMODB", &silent)]);
    let no_table = async {
        let (library, auth, redirect) = (library::router(&table), auth::router(&table), redirect::router(&table));
        let (assets, me, link) = tokio::join!(
            hundred(&library, REQUEST, || get("/api/v1/assets", &token)),
            hundred(&auth, REQUEST, || get("/api/v1/me", &token)),
            hundred(&redirect, REQUEST, || get("/s/abcdefghijk", &token)),
        );
        for (status, _) in assets.into_iter().chain(me).chain(link) {
            assert!([StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status), "{status}");
        }
    };

    let bytes = vec![7; 100];
    let upload = json!({"purpose": "image", "content_type": "image/png", "bytes": bytes.len(), "sha256": sha256(&bytes)});
    let upload = ada.post("/api/v1/uploads", &upload).await.json()["id"].as_str().unwrap().to_owned();
    let bucket = without(&world, &[("AWS_ENDPOINT_URL_S3", &silent)]);
    let no_bucket = async {
        let path = format!("/api/v1/uploads/{upload}/complete");
        let request = || Request::post(&path).header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
        for (status, _) in hundred(&library::router(&bucket), REQUEST, request).await {
            assert!([StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status), "{status}");
        }
    };

    let issuer = without(&world, &[("OIDC_ISSUER", &silent)]);
    let no_issuer = async {
        let request = || Request::get("/auth/login").body(Body::empty()).unwrap();
        for (status, place) in hundred(&auth::router(&issuer), SIGN_IN, request).await {
            assert_eq!((status, place.as_str()), (StatusCode::FOUND, "/?problem=unavailable"));
        }
    };

    let keys = without(&world, &[("FAL_JWKS_URL", &silent), ("FAL_ACCOUNT_ID", "account")]);
    let call = shared::id::CallId::new(world.clock.now());
    let address = hook::address(&world.platform, call).await.unwrap();
    let path = address.strip_prefix(world.edition.origin()).unwrap().to_owned();
    let no_keys = async {
        let request = || {
            Request::post(&path)
                .header("x-fal-webhook-request-id", "0190163d-8694-739b-aea5-966c26f8ad91")
                .header("x-fal-webhook-user-id", "account")
                .header("x-fal-webhook-timestamp", world.clock.now().as_second().to_string())
                .header("x-fal-webhook-signature", "00".repeat(64))
                .body(Body::from("{}"))
                .unwrap()
        };
        for (status, _) in hundred(&webhook::router(&keys), CALLBACK, request).await {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    tokio::join!(no_table, no_bucket, no_issuer, no_keys);
    world.shutdown().await;
}
