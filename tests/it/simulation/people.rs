//! Who asks in a simulated world: people who click, click again, ask again when nothing comes, and change their minds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::process;
use super::sim::Sim;
use crate::world::pictures;

/// How often somebody asks again.
const PATIENCE: u32 = 30;

/// What people were told: the generation that each key stands for.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeMap<String, String>>);

impl Told {
    pub(super) fn ids(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap().clone()
    }
}

/// Somebody with one wish: asks for it until it is accepted or refused, perhaps in two windows, and perhaps doesn't want it any more.
pub(super) async fn wish(sim: Arc<Sim>, router: Router, told: Arc<Told>, token: String, key: String, outputs: u32) {
    let windows = sim.pick(&[1, 1, 2]);
    let asking = (0..windows).map(|window| ask(&sim, &router, &told, &token, &key, outputs, window));
    let ids = futures_util::future::join_all(asking).await;
    if let Some(id) = ids.into_iter().flatten().next()
        && sim.chance(250)
    {
        sim.wait(10, sim.pick(&[500, 5_000, 40_000])).await;
        let name = format!("cancel {key}");
        process::run(&sim, name, send(&router, &token, &format!("/api/v1/generations/{id}/cancel"), None, "")).await;
    }
}

async fn ask(sim: &Arc<Sim>, router: &Router, told: &Told, token: &str, key: &str, outputs: u32, window: u32) -> Option<String> {
    let body = pictures(key, outputs).to_string();
    for again in 0..PATIENCE {
        sim.wait(1, if again == 0 { 2_000 } else { 15_000 }).await;
        let name = format!("generate {key}.{window}.{again}");
        let answer = process::run(sim, name.clone(), send(router, token, "/api/v1/generations", Some(key), &body)).await;
        // Whoever asked has died, and heard nothing.
        let Some((status, json)) = answer else { continue };
        sim.say(&name, &format!("hears {status}"));
        match status {
            StatusCode::ACCEPTED => {
                let id = json["id"].as_str().unwrap().to_owned();
                let first = told.0.lock().unwrap().entry(key.to_owned()).or_insert_with(|| id.clone()).clone();
                if first != id {
                    sim.fail(format!("the key {key} stands for {first} and for {id}"));
                }
                return Some(id);
            }
            status if status.is_server_error() => {}
            StatusCode::TOO_MANY_REQUESTS => return None,
            status => {
                sim.fail(format!("{key} hears {status}: {json}"));
                return None;
            }
        }
    }
    None
}

async fn send(router: &Router, token: &str, path: &str, key: Option<&str>, body: &str) -> (StatusCode, Value) {
    let mut request = Request::post(path).header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
