//! The provider of a simulated world: a queue outside with a time and faults of its own, which calls back, or doesn't.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::json;
use shared::domain::generation::ProviderRequest;
use shared::domain::model::Model;
use shared::jobs::hook;
use shared::provider::{
    AskError, Cancellation, Failure, FailureCode, FetchError, MediaStream, Output, Progress, Provider, ProviderMedia, Submission,
    SubmitError, Verdict, fal,
};
use shared::runtime::Platform;

use super::process::{self, Death};
use super::sim::{Mistake, Sim};

/// How often a callback is tried.
const TRIES: u32 = 5;

/// How far a request is.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Queued,
    Running,
    Made,
    /// Made, and no picture.
    Unusable,
    Failed(FailureCode),
}

struct Request {
    call: String,
    endpoint: String,
    webhook: Option<String>,
    stage: Stage,
    cancelled: bool,
}

#[derive(Clone)]
pub(super) struct Queue(Arc<Inner>);

struct Inner {
    sim: Arc<Sim>,
    requests: Mutex<BTreeMap<String, Request>>,
    /// Without a provider: what answers callbacks.
    webhook: OnceLock<Platform>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// A picture of one pixel, as an address.
fn picture() -> &'static str {
    static PICTURE: OnceLock<String> = OnceLock::new();
    PICTURE.get_or_init(|| {
        let mut png = Vec::new();
        let pixel = image::RgbImage::from_pixel(1, 1, image::Rgb([200, 30, 90]));
        pixel.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        format!("data:image/png;base64,{}", STANDARD.encode(png))
    })
}

impl Queue {
    pub(super) fn new(sim: &Arc<Sim>) -> Self {
        Self(Arc::new(Inner { sim: Arc::clone(sim), requests: Mutex::default(), webhook: OnceLock::new() }))
    }

    /// Callbacks are answered on this platform.
    pub(super) fn calls_back(&self, platform: Platform) {
        self.0.webhook.set(platform).unwrap();
    }

    /// The calls that were made here, with what came of each, and how often each was asked for.
    pub(super) fn made(&self) -> BTreeMap<String, (bool, u32)> {
        let mut calls: BTreeMap<String, (bool, u32)> = BTreeMap::new();
        for request in self.0.requests.lock().unwrap().values() {
            let (made, times) = calls.entry(request.call.clone()).or_default();
            (*made, *times) = (*made || request.stage == Stage::Made, *times + 1);
        }
        calls
    }

    /// On the way there and back; the asker may die on it.
    async fn travel(&self, what: &str) {
        let sim = &self.0.sim;
        let me = process::current(sim).expect("only processes ask the provider");
        sim.wait(1, sim.weather.latency).await;
        if me.dies(sim, Death::Before) {
            sim.note(&me, &format!("dies before it asks the provider: {what}"));
            process::never().await
        }
    }

    async fn back(&self, what: &str) {
        let sim = &self.0.sim;
        let me = process::current(sim).expect("only processes ask the provider");
        sim.note(&me, &format!("asks the provider: {what}"));
        if me.dies(sim, Death::After) {
            sim.note(&me, "dies after it");
            return process::never().await;
        }
        sim.wait(1, sim.weather.latency).await;
    }

    async fn hand_over(&self, submission: &Submission) -> Result<ProviderRequest, SubmitError> {
        let sim = &self.0.sim;
        self.travel("to make").await;
        if sim.mishap(30) {
            return Err(SubmitError::NotSent("no connection".to_owned()));
        }
        if sim.mishap(40) {
            return Err(SubmitError::Rejected(Failure::new(FailureCode::ContentPolicy)));
        }
        // The address names the call; where none is given out, its random seed does.
        let call = match &submission.webhook {
            Some(address) => address.split('/').rev().nth(2).unwrap_or_default().to_owned(),
            None => submission.body["seed"].to_string(),
        };
        let id = {
            let mut requests = self.0.requests.lock().unwrap();
            if requests.values().any(|request| request.call == call) {
                sim.fail(format!("the provider is asked twice for {call}"));
            }
            let id = format!("request-{}", requests.len() + 1);
            let endpoint = submission.endpoint.clone();
            let webhook = submission.webhook.clone();
            requests.insert(id.clone(), Request { call: call.clone(), endpoint, webhook, stage: Stage::Queued, cancelled: false });
            id
        };
        let (queue, begun) = (self.clone(), id.clone());
        tokio::spawn(async move { queue.work(begun).await });
        self.back(&format!("to make {call}, as {id}")).await;
        if sim.mishap(sim.weather.lost_answers) {
            sim.say("provider", &format!("the answer about {id} is lost"));
            return Err(SubmitError::Ambiguous("the answer is lost".to_owned()));
        }
        Ok(fal::request_at(&"https://provider.invalid".parse().unwrap(), &submission.endpoint, &id).unwrap())
    }

    /// Makes what was asked for, in time.
    async fn work(&self, id: String) {
        let sim = &self.0.sim;
        sim.wait(1, sim.pick(&[50, 2_000, 20_000])).await;
        let stuck = sim.mishap(20);
        let begins = |request: &mut Request| {
            let stage = if request.cancelled { Stage::Failed(FailureCode::Cancelled) } else { Stage::Running };
            request.stage = stage;
            request.cancelled
        };
        if !self.with(&id, begins) {
            sim.wait(1, if stuck { 6 * 60 * 60 * 1000 } else { sim.pick(&[100, 3_000, 30_000, 150_000]) }).await;
            let end = match sim.between(0, 99) {
                0..=7 => Stage::Unusable,
                8..=17 => Stage::Failed(FailureCode::ProviderError),
                _ => Stage::Made,
            };
            let stops = sim.chance(500);
            self.with(&id, |request| {
                request.stage = if request.cancelled && stops { Stage::Failed(FailureCode::Cancelled) } else { end };
            });
        }
        let (stage, webhook) = self.with(&id, |request| (request.stage.clone(), request.webhook.clone()));
        sim.say("provider", &format!("{id} is over: {stage:?}"));
        if let Some(address) = webhook {
            self.call_back(&id, &address, &stage).await;
        }
    }

    async fn call_back(&self, id: &str, address: &str, stage: &Stage) {
        let sim = &self.0.sim;
        let body = match stage {
            Stage::Failed(code) => json!({
                "request_id": id, "gateway_request_id": id, "status": "ERROR", "error": "Invalid status code: 500",
                "payload": {"detail": format!("{code:?}")},
            }),
            _ => json!({"request_id": id, "gateway_request_id": id, "status": "OK", "payload": {"images": [{"url": medium(stage)}]}}),
        };
        let body = Bytes::from(body.to_string());
        for attempt in 0..TRIES {
            sim.wait(1, if attempt == 0 { 500 } else { 45_000 }).await;
            // Lost callbacks stay lost: the provider is beyond our weather.
            if sim.chance(sim.weather.lost_callbacks) {
                sim.say("provider", &format!("the callback about {id} is lost"));
                continue;
            }
            let mut heard = self.deliver(id, address, &body).await;
            for _ in 0..sim.pick(&[0, 0, 1, 3]) {
                sim.wait(1, 3_000).await;
                heard |= self.deliver(id, address, &body).await;
            }
            if heard && !sim.mishap(100) {
                return;
            }
        }
    }

    /// One callback, as a process of ours. Whether it was acknowledged.
    async fn deliver(&self, id: &str, address: &str, body: &Bytes) -> bool {
        let (sim, platform) = (&self.0.sim, self.0.webhook.get().unwrap());
        let mut parts = address.rsplit('/');
        let (mac, attempt, call) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
        let answer = process::run(sim, format!("webhook {id}"), async {
            if !hook::is_ours(platform, call, attempt, mac).await.unwrap() {
                sim.fail(format!("the address of {id} isn't known to be ours"));
            }
            hook::callback(platform, call, id, body).await
        });
        match answer.await {
            Some(Ok(Ok(()))) => true,
            Some(Ok(Err(refused))) => {
                sim.fail(format!("a callback about {id} is refused: {refused}"));
                false
            }
            Some(Err(_)) | None => false,
        }
    }

    fn with<T>(&self, id: &str, change: impl FnOnce(&mut Request) -> T) -> T {
        change(self.0.requests.lock().unwrap().get_mut(id).unwrap())
    }

    async fn ask<T>(&self, what: &str, request: &ProviderRequest, answer: impl FnOnce(&mut Request) -> T) -> Result<T, AskError> {
        self.travel(what).await;
        let sim = &self.0.sim;
        if sim.mishap(sim.weather.faults) {
            return Err(AskError::Unavailable("no answer".to_owned()));
        }
        let answer = self.with(&request.id, answer);
        self.back(&format!("{what} {}", request.id)).await;
        if sim.mishap(sim.weather.faults) { Err(AskError::Unavailable("the answer is lost".to_owned())) } else { Ok(answer) }
    }
}

/// Where what was made is: in its own address, so that nothing has to be fetched over a real network.
fn medium(stage: &Stage) -> String {
    if *stage == Stage::Made { picture().to_owned() } else { format!("data:image/png;base64,{}", STANDARD.encode("no picture at all")) }
}

impl Provider for Queue {
    fn submit<'a>(&'a self, submission: &'a Submission) -> BoxFuture<'a, Result<ProviderRequest, SubmitError>> {
        Box::pin(async move {
            match self.hand_over(submission).await {
                Err(SubmitError::Ambiguous(_)) if self.0.sim.mistake == Some(Mistake::SendsAgain) => self.hand_over(submission).await,
                answer => answer,
            }
        })
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Progress, AskError>> {
        Box::pin(self.ask("how far is", request, |request| match request.stage {
            Stage::Queued => Progress::Queued(Some(1)),
            Stage::Running => Progress::Running,
            Stage::Made | Stage::Unusable | Stage::Failed(_) => Progress::Over,
        }))
    }

    fn result<'a>(&'a self, request: &'a ProviderRequest, model: Option<&'a Model>) -> BoxFuture<'a, Result<Verdict, AskError>> {
        Box::pin(self.ask("the result of", request, move |request| {
            assert_eq!(Some(&request.endpoint), model.map(|model| &model.endpoint));
            match &request.stage {
                Stage::Queued | Stage::Running => Verdict::NotYet,
                Stage::Failed(code) => Verdict::Failed(Failure::new(*code)),
                stage => {
                    let medium = ProviderMedia { url: medium(stage), content_type: None, width: None, height: None, duration_ms: None };
                    Verdict::Output(Output { media: vec![Ok(medium)], ..Output::default() })
                }
            }
        }))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> BoxFuture<'a, Result<Cancellation, AskError>> {
        Box::pin(self.ask("to stop", request, |request| {
            request.cancelled = true;
            match request.stage {
                Stage::Queued => Cancellation::Stopped,
                Stage::Running => Cancellation::Requested,
                Stage::Made | Stage::Unusable | Stage::Failed(_) => Cancellation::TooLate,
            }
        }))
    }

    /// It is always there; what is lost is single answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), AskError>> {
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<MediaStream, FetchError>> {
        unreachable!("results are in their addresses")
    }
}
