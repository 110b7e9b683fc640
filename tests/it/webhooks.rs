//! The provider's callbacks: what is believed, what is refused, and that either way each call ends once.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::id::CallId;
use shared::jobs::hook;

use crate::world::{Answer, Client, World, eventually, picture};

/// The account of the stand-in, as the local edition names it.
const ACCOUNT: &str = "local-account";

/// A callback in the making.
#[derive(Clone)]
pub(crate) struct Callback {
    path: String,
    key: SigningKey,
    pub(crate) request: String,
    account: String,
    at: i64,
    pub(crate) body: String,
    headers: BTreeMap<&'static str, String>,
}

impl Callback {
    /// A good one, about the running call `id`.
    pub(crate) async fn about(world: &World, id: CallId) -> Self {
        let call = world.platform.db.call(id).await.unwrap().unwrap();
        let request = call.request.unwrap().id;
        let address = hook::address(&world.platform, id).await.unwrap();
        let url = format!("{}/dev/fal/files/none/picture.png", world.edition.origin());
        let body = json!({"request_id": request, "gateway_request_id": request, "status": "OK", "payload": {"images": [{"url": url}]}});
        Self {
            path: address.strip_prefix(world.edition.origin()).unwrap().to_owned(),
            key: world.provider_key(),
            request,
            account: ACCOUNT.to_owned(),
            at: world.clock.now().as_second(),
            body: body.to_string(),
            headers: BTreeMap::new(),
        }
        .signed()
    }

    /// Signs what it says now.
    pub(crate) fn signed(mut self) -> Self {
        let digest = hex::encode(Sha256::digest(&self.body));
        let message = format!("{}\n{}\n{}\n{digest}", self.request, self.account, self.at);
        self.headers = BTreeMap::from([
            ("x-fal-webhook-request-id", self.request.clone()),
            ("x-fal-webhook-user-id", self.account.clone()),
            ("x-fal-webhook-timestamp", self.at.to_string()),
            ("x-fal-webhook-signature", hex::encode(self.key.sign(message.as_bytes()).to_bytes())),
        ]);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// It brings a picture, whatever the provider is doing.
    pub(crate) fn with_picture(self) -> Self {
        let pixel =
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        self.with(|it| {
            let payload = json!({"images": [{"url": pixel}]});
            it.body = json!({"request_id": it.request, "gateway_request_id": it.request, "status": "OK", "payload": payload}).to_string();
        })
    }

    pub(crate) async fn send(&self, provider: &Client) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let headers = [&[("content-type", "application/json")], &headers[..]].concat();
        provider.send(Method::POST, &self.path, &headers, self.body.clone().into_bytes()).await
    }
}

/// The only call of a generation that hangs at the provider.
pub(crate) async fn hanging(world: &World, client: &Client, prompt: &str) -> CallId {
    sent(world, client, &format!("[[run:hang]] {prompt}")).await
}

/// The only call of a generation, once the provider has it.
pub(crate) async fn sent(world: &World, client: &Client, prompt: &str) -> CallId {
    let id = client.accepted(&picture(prompt)).await;
    let generation = id.parse().unwrap();
    eventually("the provider has it", async || {
        let generation = world.platform.db.generation(client.user().id, generation).await.unwrap().unwrap();
        let call = world.platform.db.call(generation.calls[0]).await.unwrap().unwrap();
        call.request.is_some().then_some(call.id)
    })
    .await
}

/// Everything a callback could change.
async fn records(world: &World, client: &Client, calls: &[CallId]) -> Value {
    let mut calls: Vec<_> = world.platform.db.calls(calls).await.unwrap().into_iter().map(|call| json!(call)).collect();
    // What polls hear meanwhile is not the callback's doing.
    for call in &mut calls {
        call.as_object_mut().unwrap().retain(|name, _| !["running", "queue_position"].contains(&name.as_str()));
    }
    json!([calls, client.all("/api/v1/ledger").await, client.all("/api/v1/assets").await])
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_that_prove_nothing_change_nothing() {
    let world = World::start().await;
    let (ada, provider) = (world.user("ada").await, world.stranger(None));
    let (first, second) = (hanging(&world, &ada, "a fox").await, hanging(&world, &ada, "an owl").await);
    let good = Callback::about(&world, first).await;
    let other = Callback::about(&world, second).await;
    let unknown = hook::address(&world.platform, CallId::new(world.clock.now())).await.unwrap().replace(world.edition.origin(), "");
    let before = records(&world, &ada, &[first, second]).await;

    let missing = |name: &'static str| good.clone().with(|it| drop(it.headers.remove(name)));
    let path = |path: String| good.clone().with(|it| it.path = path);
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let bad = [
        ("not signed", missing("x-fal-webhook-signature"), 403),
        ("without a request", missing("x-fal-webhook-request-id"), 403),
        ("without an account", missing("x-fal-webhook-user-id"), 403),
        ("without a time", missing("x-fal-webhook-timestamp"), 403),
        ("another key", good.clone().with(|it| it.key = stranger).signed(), 403),
        ("no signature", good.clone().with(|it| drop(it.headers.insert("x-fal-webhook-signature", "00".repeat(64)))), 403),
        ("half a signature", good.clone().with(|it| it.headers.get_mut("x-fal-webhook-signature").unwrap().truncate(64)), 403),
        ("stale", good.clone().with(|it| it.at -= 302).signed(), 403),
        ("of the future", good.clone().with(|it| it.at += 320).signed(), 403),
        (
            "a newer time, not signed",
            good.clone().with(|it| drop(it.headers.insert("x-fal-webhook-timestamp", (it.at + 1).to_string()))),
            403,
        ),
        ("tampered", good.clone().with(|it| it.body = it.body.replace("picture.png", "another.png")), 403),
        ("written anew", good.clone().with(|it| it.body = it.body.replace("\":\"", "\": \"")), 403),
        ("another account's", good.clone().with(|it| "somebody-else".clone_into(&mut it.account)).signed(), 403),
        ("another request's, at our address", other.clone().with(|it| it.path.clone_from(&good.path)), 403),
        ("signed for one request, speaking of another", good.clone().with(|it| it.body.clone_from(&other.body)).signed(), 403),
        ("another call's code", path(good.path.replace(&first.to_string(), &second.to_string())), 404),
        ("another attempt", path(good.path.replace("/1/", "/2/")), 404),
        ("no code", path(good.path.rsplit_once('/').unwrap().0.to_owned()), 404),
        ("a shortened code", path(good.path[..good.path.len() - 2].to_owned()), 404),
        ("a call that never was", path(unknown), 404),
        ("no JSON", good.clone().with(|it| "{".clone_into(&mut it.body)).signed(), 400),
        ("no state", good.clone().with(|it| it.body = json!({"request_id": it.request}).to_string()).signed(), 400),
        ("too large", good.clone().with(|it| it.body.push_str(&" ".repeat(1024 * 1024))).signed(), 413),
    ];
    for (what, callback, status) in bad {
        let answer = callback.send(&provider).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    }
    assert_eq!(records(&world, &ada, &[first, second]).await, before);
    assert_eq!(provider.get(&good.path).await.status.as_u16(), 405);

    // The same, untouched, is believed; and a second time it does nothing.
    assert_eq!(good.send(&provider).await.status.as_u16(), 204);
    let generation = world.platform.db.call(first).await.unwrap().unwrap().generation.to_string();
    let over = ada.follow(&generation).await;
    assert_eq!(over["error"]["code"], "result-gone", "{over}");
    let before = records(&world, &ada, &[first, second]).await;
    assert_eq!(good.send(&provider).await.status.as_u16(), 204);
    assert_eq!(records(&world, &ada, &[first, second]).await, before);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_callback_each_call_ends_once() {
    let world = World::start().await;
    world.edition.provider().unwrap().update_settings(|settings| settings.late_delay = std::time::Duration::from_secs(4));
    let ada = world.user("ada").await;
    for (prompt, state) in [
        ("a fox", "complete"),
        ("[[webhook:duplicate]] a fox", "complete"),
        ("[[webhook:lost]] a fox", "complete"),
        ("[[webhook:late]] a fox", "complete"),
        ("[[webhook:forged]] a fox", "complete"),
        ("[[run:late]] a fox", "complete"),
        ("[[webhook:payload-error]] a fox", "complete"),
        // The callback is there before the answer to our submission, or instead of it.
        ("[[submit:slow]] a fox", "complete"),
        ("[[submit:lost]] a fox", "complete"),
        ("[[submit:lost]] [[webhook:duplicate]] a fox", "complete"),
        ("[[submit:lost]] [[fail:content-policy]] a fox", "failed"),
        ("[[submit:lost]] [[webhook:payload-error]] a fox", "complete"),
        ("[[fail:content-policy]] [[webhook:duplicate]] a fox", "failed"),
    ] {
        let (before, assets) = (ada.usage().await, ada.all("/api/v1/assets").await.len());
        let over = ada.made(&picture(prompt)).await;
        assert_eq!(over["state"], state, "{prompt}: {over}");
        let delivered = usize::from(state == "complete");
        assert_eq!(ada.usage().await, (before.0 + delivered as u64, 0), "{prompt}");
        assert_eq!(ada.all("/api/v1/assets").await.len(), assets + delivered, "{prompt}");
    }
    assert_eq!(world.platform.db.slots(ada.user().id).await.unwrap().running, 0);
    assert_eq!(ada.ledger("reserved").await, 13);
    assert_eq!((ada.ledger("charged").await, ada.ledger("returned").await), (11, 2));
    world.shutdown().await;
}
