//! Who may do what: one row for each operation of openapi.json. **An operation without a row fails the test**, and so does a row without an
//! operation: whoever adds a route says here who may use it, and which of its fields name things that have owners.
//!
//! An operation may have several rows, when its ids go together in different ways.

use serde_json::{Value, json};
use shared::domain::user::Scope;

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Anyone, without being asked who.
    Anyone,
    /// A session, or a token of this scope.
    User(Scope),
    /// A session alone.
    Session,
    /// An admin, by a session or a token of the scope `admin`.
    Admin,
    /// Signing out: our own page, whether its session is still there or not.
    SignOut,
}

/// What an id names. `people.rs` makes one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Asset,
    Generation,
    /// A completed picture.
    Picture,
    /// A completed mask.
    Mask,
    Link,
    Session,
    Token,
    /// A collection's id; there are none yet.
    Collection,
    Export,
    /// Another person, for admins alone.
    Person,
    /// Nobody's: this text.
    Known(&'static str),
}

/// Where an id is.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Path(&'static str),
    Query(&'static str),
    /// A JSON pointer.
    Body(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// As in openapi.json: method in lower case, path.
    pub(super) operation: &'static str,
    pub(super) who: Who,
    /// The ids it takes.
    pub(super) ids: &'static [(At, Thing)],
    /// Its body, before ids are put in.
    pub(super) body: Option<fn() -> Value>,
    /// What its owner, or an admin, is answered; 0 for any of 202, 409 and 429.
    pub(super) ok: u16,
}

const fn row(operation: &'static str, who: Who, ok: u16) -> Row {
    Row { operation, who, ids: &[], body: None, ok }
}

impl Row {
    const fn ids(self, ids: &'static [(At, Thing)]) -> Self {
        Self { ids, ..self }
    }

    const fn body(self, body: fn() -> Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

const READ: Who = Who::User(Scope::Read);
const GENERATE: Who = Who::User(Scope::Generate);
const SHARE: Who = Who::User(Scope::Share);

fn nothing() -> Value {
    json!({})
}

fn text() -> Value {
    json!({"model": "flux-schnell", "inputs": {"prompt": "a fox in the snow"}})
}

fn restyled() -> Value {
    json!({"model": "flux-dev-img2img", "inputs": {"prompt": "a fox in the snow", "images": [""]}})
}

fn inpainted() -> Value {
    json!({"model": "flux-fill", "inputs": {"prompt": "a fox in the snow", "images": [""], "mask": ""}})
}

fn moved() -> Value {
    json!({"model": "veo-3.1-frames", "inputs": {"prompt": "a fox in the snow", "start_frame": "", "end_frame": ""}})
}

const PICTURES: &[(At, Thing)] = &[(At::Body("/inputs/images/0"), Thing::Picture)];
const ASSETS: &[(At, Thing)] = &[(At::Body("/inputs/images/0"), Thing::Asset)];
const MASKED: &[(At, Thing)] = &[(At::Body("/inputs/images/0"), Thing::Asset), (At::Body("/inputs/mask"), Thing::Mask)];
const FRAMES: &[(At, Thing)] = &[(At::Body("/inputs/start_frame"), Thing::Picture), (At::Body("/inputs/end_frame"), Thing::Asset)];
const COLLECTED: &[(At, Thing)] = &[(At::Body("/collection"), Thing::Collection)];
const ASSET: &[(At, Thing)] = &[(At::Path("id"), Thing::Asset)];
const PERSON: &[(At, Thing)] = &[(At::Path("id"), Thing::Person)];
const LINK: &[(At, Thing)] = &[(At::Path("key"), Thing::Link)];

pub(super) const TABLE: &[Row] = &[
    row("get /api/v1/health", Who::Anyone, 200),
    row("get /api/v1/openapi.json", Who::Anyone, 200),
    row("get /auth/login", Who::Anyone, 302),
    row("get /auth/callback", Who::Anyone, 302),
    row("post /auth/logout", Who::SignOut, 204),
    row("get /api/v1/me", READ, 200),
    row("get /api/v1/me/webhook-secret", Who::Session, 200),
    row("get /api/v1/exports", Who::Session, 200),
    row("get /api/v1/exports/{id}", Who::Session, 200).ids(&[(At::Path("id"), Thing::Export)]),
    // The one that the row before has made is still under way, or ready: either way it is hers.
    row("post /api/v1/exports", Who::Session, 0),
    row("get /api/v1/sessions", Who::Session, 200),
    row("delete /api/v1/sessions", Who::Session, 204),
    row("delete /api/v1/sessions/{id}", Who::Session, 204).ids(&[(At::Path("id"), Thing::Session)]),
    row("get /api/v1/tokens", Who::Session, 200),
    row("post /api/v1/tokens", Who::Session, 201).body(|| json!({"name": "mine", "scopes": ["read"]})),
    row("delete /api/v1/tokens/{id}", Who::Session, 204).ids(&[(At::Path("id"), Thing::Token)]),
    row("get /api/v1/models", READ, 200),
    row("get /api/v1/models/{id}", READ, 200).ids(&[(At::Path("id"), Thing::Known("flux-schnell"))]),
    row("post /api/v1/generations/estimate", GENERATE, 200).body(restyled).ids(PICTURES),
    row("post /api/v1/generations/estimate", GENERATE, 200).body(restyled).ids(ASSETS),
    row("post /api/v1/generations/estimate", GENERATE, 200).body(inpainted).ids(MASKED),
    row("post /api/v1/generations/estimate", GENERATE, 200).body(moved).ids(FRAMES),
    row("post /api/v1/generations/estimate", GENERATE, 400).body(text).ids(COLLECTED),
    row("post /api/v1/generations", GENERATE, 202).body(restyled).ids(PICTURES),
    row("post /api/v1/generations", GENERATE, 202).body(restyled).ids(ASSETS),
    row("post /api/v1/generations", GENERATE, 202).body(inpainted).ids(MASKED),
    row("post /api/v1/generations", GENERATE, 202).body(moved).ids(FRAMES),
    row("post /api/v1/generations", GENERATE, 400).body(text).ids(COLLECTED),
    row("get /api/v1/generations", READ, 200),
    row("get /api/v1/generations/{id}", READ, 200).ids(&[(At::Path("id"), Thing::Generation)]),
    // It is already over, which nobody else is told.
    row("post /api/v1/generations/{id}/cancel", GENERATE, 409).ids(&[(At::Path("id"), Thing::Generation)]),
    row("get /api/v1/assets", READ, 200).ids(&[(At::Query("collection"), Thing::Collection)]),
    row("get /api/v1/assets/{id}", READ, 200).ids(ASSET),
    row("patch /api/v1/assets/{id}", GENERATE, 200).ids(ASSET).body(|| json!({"title": "changed"})),
    row("delete /api/v1/assets/{id}", GENERATE, 204).ids(ASSET),
    row("post /api/v1/assets/{id}/restore", GENERATE, 200).ids(ASSET),
    row("get /api/v1/assets/{id}/download", READ, 302).ids(ASSET),
    row("get /api/v1/usage", READ, 200),
    row("get /api/v1/ledger", READ, 200),
    row("get /api/v1/ledger", READ, 200).ids(&[(At::Query("generation_id"), Thing::Generation)]),
    row("post /api/v1/uploads", GENERATE, 201)
        .body(|| json!({"purpose": "image", "content_type": "image/png", "bytes": 9, "sha256": "0f".repeat(32)})),
    row("post /api/v1/uploads/{id}/complete", GENERATE, 200).ids(&[(At::Path("id"), Thing::Picture)]),
    row("get /api/v1/links", SHARE, 200).ids(&[(At::Query("asset_id"), Thing::Asset)]),
    row("post /api/v1/links", SHARE, 201).body(|| json!({"asset_id": "", "opens": "page"})).ids(&[(At::Body("/asset_id"), Thing::Asset)]),
    row("get /api/v1/links/{key}", SHARE, 200).ids(LINK),
    row("patch /api/v1/links/{key}", SHARE, 200).ids(LINK).body(|| json!({"note": "changed"})),
    row("delete /api/v1/links/{key}", SHARE, 204).ids(LINK),
    // Whoever has a link may open it: a key is a permission, not a name.
    row("get /s/{key}", Who::Anyone, 200).ids(LINK),
    row("post /s/{key}", Who::Anyone, 200).ids(LINK),
    row("get /s/{key}/media", Who::Anyone, 302).ids(LINK),
    row("get /s/{key}/poster", Who::Anyone, 302).ids(LINK),
    // It shows no film.
    row("get /s/{key}/player", Who::Anyone, 404).ids(LINK),
    row("post /s/{key}/visit", Who::Anyone, 204).ids(LINK),
    row("get /api/v1/admin/audit", Who::Admin, 200),
    row("get /api/v1/admin/generation", Who::Admin, 200),
    row("patch /api/v1/admin/generation", Who::Admin, 200).body(|| json!({"paused": false})),
    row("get /api/v1/admin/dead-letters", Who::Admin, 200),
    row("post /api/v1/admin/dead-letters/{queue}/redrive", Who::Admin, 202).ids(&[(At::Path("queue"), Thing::Known("tasks"))]),
    row("get /api/v1/admin/users", Who::Admin, 200),
    row("get /api/v1/admin/users/{id}", Who::Admin, 200).ids(PERSON),
    row("patch /api/v1/admin/users/{id}", Who::Admin, 200).ids(PERSON).body(|| json!({"limits": null})),
    row("delete /api/v1/admin/users/{id}", Who::Admin, 202).ids(PERSON),
    // The address carries a MAC; tests/it/webhooks.rs is about it.
    row("post /hooks/fal/{call}/{attempt}/{mac}", Who::Anyone, 404).body(nothing).ids(&[
        (At::Path("call"), Thing::Known("0190163d8694739baea5966c26f8ad91")),
        (At::Path("attempt"), Thing::Known("1")),
        (At::Path("mac"), Thing::Known("0")),
    ]),
    // The last, because they end everything.
    row("delete /api/v1/me", Who::Session, 202),
    row("post /api/v1/me/restore", Who::Session, 200),
];

/// What somebody may still do whose account is about to be deleted.
pub(super) const LEAVING: [&str; 3] = ["get /api/v1/me", "post /api/v1/me/restore", "post /auth/logout"];
