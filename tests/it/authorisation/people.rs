//! Those who try, and what belongs to one of them.

use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::auth::operator::{self, NewToken};
use shared::db::audit::Actor;
use shared::db::users::UserChange;
use shared::domain::user::{Role, Scope, Status, User};
use shared::id::{AssetId, random_base62};

use super::table::Thing;
use crate::uploads;
use crate::world::{Answer, Client, World, pictures};

/// What only the owner knows.
pub(super) const CANARY: &str = "heron canary by the weir";

/// By what somebody is known.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    Nothing,
    Token(String),
    /// A cookie, with the headers that our own pages send.
    Page(String),
    /// A cookie alone, as another site's form would send it.
    Form(String),
}

pub(super) struct Person {
    pub(super) user: User,
    pub(super) client: Client,
    pub(super) page: Credential,
    pub(super) form: Credential,
}

impl Person {
    pub(super) async fn new(world: &World, name: &str, status: Status, role: Role) -> Self {
        let client = world.user(name).await;
        let user = client.user().clone();
        let now = world.clock.now();
        for change in [UserChange::Role(role), UserChange::Status(status)] {
            world.platform.db.change_user(user.id, change, &Actor::operator(), now).await.unwrap();
        }
        let cookie = world.session(&user).await;
        Self { user, client, page: Credential::Page(cookie.clone()), form: Credential::Form(cookie) }
    }

    /// A token of these scopes that ends after `life` seconds.
    pub(super) async fn token(&self, world: &World, scopes: &[Scope], life: Option<i64>) -> Credential {
        let expires_at = life.map(|life| world.clock.now() + jiff::SignedDuration::from_secs(life));
        let new = NewToken { name: "test".to_owned(), scopes: scopes.to_vec(), expires_at };
        let (_, secret) = operator::create_token(&world.platform.db, &world.clock, self.user.id, new).await.unwrap();
        Credential::Token(secret.expose_secret().to_owned())
    }
}

/// What a person owns, made beforehand, because some operations use it up.
pub(super) struct Owned {
    assets: Vec<String>,
    pub(super) generation: String,
    picture: String,
    mask: String,
}

impl Owned {
    /// `assets` pictures whose prompt is the canary, and one upload of each kind.
    pub(super) async fn make(owner: &Person, assets: usize) -> Self {
        let (mut ids, mut generation) = (Vec::new(), String::new());
        while ids.len() < assets {
            let made = owner.client.made(&pictures(CANARY, 4)).await;
            generation = made["id"].as_str().unwrap().to_owned();
            ids.extend(made["assets"].as_array().unwrap().iter().map(|asset| asset["id"].as_str().unwrap().to_owned()));
        }
        let picture = uploads::uploaded(&owner.client, "image", &uploads::plain(768, 768, [200, 120, 40])).await;
        let mask = uploads::uploaded(&owner.client, "mask", &uploads::plain(768, 768, [255, 255, 255])).await;
        Self { assets: ids, generation, picture, mask }
    }

    /// The id of something of the owner's that no other row uses up.
    pub(super) async fn take(&mut self, world: &World, owner: &Person, thing: Thing) -> String {
        match thing {
            Thing::Asset => self.assets.pop().expect("more assets are needed"),
            Thing::Generation => self.generation.clone(),
            Thing::Picture => self.picture.clone(),
            Thing::Mask => self.mask.clone(),
            Thing::Link => {
                let asset = self.assets.first().unwrap();
                let made = owner.client.post("/api/v1/links", &json!({"asset_id": asset, "opens": "page", "note": CANARY})).await;
                made.json()["key"].as_str().unwrap().to_owned()
            }
            Thing::Session => {
                world.session(&owner.user).await;
                world.platform.db.sessions(&owner.user, world.clock.now()).await.unwrap()[0].id.to_string()
            }
            Thing::Token => {
                owner.token(world, &[Scope::Read], None).await;
                world.platform.db.tokens(owner.user.id).await.unwrap()[0].id.to_string()
            }
            Thing::Collection => absent(world, thing),
            Thing::Export => {
                send(world, &owner.page, &Method::POST, "/api/v1/exports", None).await.json()["id"].as_str().unwrap().to_owned()
            }
            Thing::Person => world.user(&random_base62(8)).await.user().id.to_string(),
            Thing::Known(text) => text.to_owned(),
        }
    }
}

/// What looks like the id of such a thing, and names nothing.
pub(super) fn absent(world: &World, thing: Thing) -> String {
    match thing {
        Thing::Link => random_base62(11),
        Thing::Known(text) => text.to_owned(),
        _ => AssetId::new(world.clock.now()).to_string(),
    }
}

/// Sends a request by `credential`.
pub(super) async fn send(world: &World, credential: &Credential, method: &Method, path: &str, body: Option<Vec<u8>>) -> Answer {
    let key = random_base62(20);
    let mut headers = vec![("idempotency-key", key.as_str())];
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let token = match credential {
        Credential::Token(token) => Some(token.as_str()),
        _ => None,
    };
    if let Credential::Page(cookie) | Credential::Form(cookie) = credential {
        headers.push(("cookie", cookie));
    }
    if matches!(credential, Credential::Page(_)) {
        headers.extend([("origin", world.edition.origin()), ("sec-fetch-site", "same-origin"), ("x-app", "1")]);
    }
    world.stranger(token).send(method.clone(), path, &headers, body.unwrap_or_default()).await
}
