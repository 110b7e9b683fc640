//! Every operation of the API, tried by everybody who may not and by those who may, against the table.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, header};
use serde_json::{Value, json};
use shared::db::audit::Actor;
use shared::domain::user::{Role, Scope, Status};

use crate::world::{Answer, World};
use people::{CANARY, Credential, Owned, Person, absent, send};
use table::{At, LEAVING, Row, TABLE, Thing, Who};

mod people;
mod table;

const OPENAPI: &str = include_str!("../../../static-site/openapi.json");
/// Names of fields that hold ids, besides those that end in `_id`.
const ID_FIELDS: [&str; 6] = ["ids", "images", "mask", "start_frame", "end_frame", "collection"];

fn described() -> BTreeMap<String, Value> {
    let api: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, operation)| operation["responses"].is_object()) {
            let mut operation = operation.clone();
            operation["fields"] = json!(id_fields(&operation, &api));
            operations.insert(format!("{method} {path}"), operation);
        }
    }
    operations
}

/// The names of all fields of an operation that may hold ids.
fn id_fields(operation: &Value, api: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" || is_id(name) {
            found.insert(name.to_owned());
        }
    }
    properties(&operation["requestBody"]["content"]["application/json"]["schema"], api, &mut found, 0);
    found
}

fn properties(schema: &Value, api: &Value, found: &mut BTreeSet<String>, depth: usize) {
    assert!(depth < 20, "a request's shape has an end");
    if let Some(name) = schema["$ref"].as_str() {
        return properties(&api["components"]["schemas"][name.rsplit('/').next().unwrap()], api, found, depth + 1);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if is_id(name) {
            found.insert(name.clone());
        }
        properties(property, api, found, depth + 1);
    }
    for part in ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|part| schema[part].as_array().into_iter().flatten()) {
        properties(part, api, found, depth + 1);
    }
}

fn is_id(name: &str) -> bool {
    ID_FIELDS.contains(&name) || name.ends_with("_id") || name.ends_with("_ids")
}

fn field(at: At) -> &'static str {
    match at {
        At::Path(name) | At::Query(name) => name,
        At::Body(pointer) => pointer.split('/').rfind(|part| part.parse::<u32>().is_err()).unwrap(),
    }
}

#[test]
fn every_operation_and_every_id_has_its_row() {
    let described = described();
    let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.operation).collect();
    let missing: Vec<&String> = described.keys().filter(|operation| !rows.contains(operation.as_str())).collect();
    assert!(missing.is_empty(), "say in tests/it/authorisation/table.rs who may: {missing:?}");
    for operation in &rows {
        let description = described.get(*operation).unwrap_or_else(|| panic!("{operation} is no operation of openapi.json"));
        let of_this = || TABLE.iter().filter(|row| row.operation == *operation);
        let known: BTreeSet<&str> = of_this().flat_map(|row| row.ids).map(|(at, _)| field(*at)).collect();
        let fields: BTreeSet<&str> = description["fields"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(fields.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "{operation}: ids without a row");
        assert_eq!(known.difference(&fields).collect::<Vec<_>>(), Vec::<&&str>::new(), "{operation}: rows without a field");
        // The description says the same about who may.
        let security = &description["security"];
        let expected = match of_this().next().unwrap().who {
            Who::Anyone => json!([{}]),
            Who::User(_) => Value::Null,
            Who::Session | Who::SignOut => json!([{"cookie": []}]),
            Who::Admin => Value::Null,
        };
        assert_eq!(*security, expected, "{operation}: security in its description");
    }
}

/// A row's request with these ids.
fn request(row: &Row, ids: &[String]) -> (Method, String, Option<Vec<u8>>) {
    let (method, path) = row.operation.split_once(' ').unwrap();
    let (mut path, mut query, mut body) = (path.to_owned(), Vec::new(), row.body.map(|body| body()));
    for ((at, _), id) in row.ids.iter().zip(ids) {
        match at {
            At::Path(name) => path = path.replace(&format!("{{{name}}}"), id),
            At::Query(name) => query.push(format!("{name}={id}")),
            At::Body(pointer) => {
                let body = body.as_mut().expect("an id in a body needs one");
                match body.pointer_mut(pointer) {
                    Some(place) => *place = json!(id),
                    None => body[pointer.trim_start_matches('/')] = json!(id),
                }
            }
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    (method.to_uppercase().parse().unwrap(), path, body.map(|body| body.to_string().into_bytes()))
}

/// An answer without its request's id: status, names of headers, body.
fn shape(answer: &Answer) -> (u16, Vec<String>, Vec<u8>) {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let id = answer.header("x-request-id");
    let text = if id.is_empty() { text } else { text.replace(id, "(request)") };
    let mut names: Vec<String> = answer.headers.keys().filter(|name| *name != header::DATE).map(ToString::to_string).collect();
    names.sort_unstable();
    (answer.status.as_u16(), names, text.into_bytes())
}

struct Everybody {
    owner: Person,
    other: Person,
    admin: Person,
    suspended: Person,
    leaving: Person,
    all_scopes: Vec<(&'static str, Credential)>,
    /// The owner's tokens, each without one scope.
    lesser: Vec<(Scope, Credential)>,
    ended: Credential,
    stopped: Credential,
    token_of_leaving: Credential,
    pretender: Credential,
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_further_than_the_table_says() {
    let limits = [("LIMIT_MONTHLY_UNITS", "5000"), ("LIMIT_DAILY_OUTPUTS", "500"), ("LIMIT_RUNNING_CALLS", "8")];
    let world = World::start_with(&limits).await;
    let owner = Person::new(&world, "ada", Status::Active, Role::User).await;
    let other = Person::new(&world, "bob", Status::Active, Role::User).await;
    let admin = Person::new(&world, "eve", Status::Active, Role::Admin).await;
    let suspended = Person::new(&world, "sam", Status::Suspended, Role::User).await;
    let three = [Scope::Read, Scope::Generate, Scope::Share];
    let all_scopes =
        vec![("other's token", other.token(&world, &three, None).await), ("admin's token", admin.token(&world, &Scope::ALL, None).await)];
    let mut owned = Owned::make(&owner, TABLE.iter().flat_map(|row| row.ids).filter(|(_, thing)| *thing == Thing::Asset).count() + 1).await;
    let mut lesser = Vec::new();
    for scope in Scope::ALL {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        lesser.push((scope, owner.token(&world, &others, None).await));
    }
    let ended = owner.token(&world, &Scope::ALL, Some(0)).await;
    let stopped = suspended.token(&world, &Scope::ALL, None).await;
    let pretender = other.token(&world, &Scope::ALL, None).await;
    let leaving = Person::new(&world, "dora", Status::Active, Role::User).await;
    let token_of_leaving = leaving.token(&world, &Scope::ALL, None).await;
    let by = Actor::operator();
    let now = world.clock.now();
    world.platform.db.begin_deletion(leaving.user.id, true, &by, now + jiff::SignedDuration::from_hours(24), now).await.unwrap();
    let leaving = Person { page: Credential::Page(world.session(&leaving.user).await), ..leaving };
    let everybody = Everybody { owner, other, admin, suspended, leaving, token_of_leaving, all_scopes, lesser, ended, stopped, pretender };

    let mut tried = 0;
    for row in TABLE {
        let mut ids = Vec::new();
        for (_, thing) in row.ids {
            ids.push(owned.take(&world, &everybody.owner, *thing).await);
        }
        tried += refused(&world, &everybody, row, &ids).await;
        tried += foreign(&world, &everybody, &mut owned, row, &ids).await;
        tried += allowed(&world, &everybody, row, &ids).await;
    }
    assert!(tried > 10 * TABLE.len(), "{} rows, {tried} requests", TABLE.len());
    // What everybody tried has left nothing of theirs and nothing of hers changed.
    let found = world.platform.db.generations(everybody.other.user.id, None, 10).await.unwrap();
    assert!(found.items.is_empty(), "a foreign id makes nothing");
    world.shutdown().await;
}

/// Those who are turned away before anything else is looked at.
async fn refused(world: &World, everybody: &Everybody, row: &Row, ids: &[String]) -> usize {
    let Everybody { owner, other, suspended, leaving, .. } = everybody;
    let (method, path, body) = request(row, ids);
    let lacking = match row.who {
        Who::Anyone => return 0,
        Who::User(scope) => scope,
        Who::Session | Who::Admin | Who::SignOut => Scope::Admin,
    };
    let lesser = everybody.lesser.iter().find(|(scope, _)| *scope == lacking).unwrap().1.clone();
    // By then its owner is leaving, and every token is refused for that.
    let lacks = if row.operation == "post /api/v1/me/restore" { "deleting" } else { "forbidden" };
    let mut cases = vec![
        ("a lesser token", lesser, (403, lacks)),
        ("an expired token", everybody.ended.clone(), (401, "unauthenticated")),
        ("an unknown token", Credential::Token(format!("aig_{}", "0".repeat(49))), (401, "unauthenticated")),
        ("a suspended person's token", everybody.stopped.clone(), (403, "suspended")),
    ];
    if row.who != Who::SignOut {
        cases.push(("nobody", Credential::Nothing, (401, "unauthenticated")));
        cases.push(("an unknown session", Credential::Page(format!("__Host-sid={}", "A".repeat(43))), (401, "unauthenticated")));
        cases.push(("a suspended person's session", suspended.page.clone(), (403, "suspended")));
    }
    cases.push(("a leaving person's token", everybody.token_of_leaving.clone(), (403, "deleting")));
    if !LEAVING.contains(&row.operation) {
        cases.push(("a leaving person's session", leaving.page.clone(), (403, "deleting")));
    }
    if row.who == Who::Admin {
        cases.push(("a user's session", other.page.clone(), (403, "forbidden")));
        cases.push(("a token that says admin", everybody.pretender.clone(), (403, "forbidden")));
    }
    if method != Method::GET {
        cases.push(("another site's form", owner.form.clone(), (403, "csrf")));
    }
    let tried = cases.len();
    for (what, credential, (status, code)) in cases {
        let answer = send(world, &credential, &method, &path, body.clone()).await;
        // Signing out asks who it is only after it knows that our own page asks.
        let expected = if row.who == Who::SignOut { (403, "csrf") } else { (status, code) };
        assert_eq!(answer.code(), (expected.0, expected.1.to_owned()), "{}: {what}: {}", row.operation, answer.text());
    }
    tried
}

/// A foreign id is answered like one that names nothing, whoever asks.
async fn foreign(world: &World, everybody: &Everybody, owned: &mut Owned, row: &Row, ids: &[String]) -> usize {
    let mut tried = 0;
    if row.who == Who::Anyone || row.who == Who::Admin {
        return 0;
    }
    let pages = [("other's session", everybody.other.page.clone()), ("admin's session", everybody.admin.page.clone())];
    for (what, credential) in pages.iter().chain(&everybody.all_scopes) {
        if row.who == Who::Session && matches!(credential, Credential::Token(_)) {
            continue;
        }
        if row.ids.is_empty() && row.operation.starts_with("get ") {
            // A list of one's own has nothing of hers.
            let (method, path, body) = request(row, ids);
            let answer = send(world, credential, &method, &path, body).await;
            assert_eq!(answer.status, row.ok, "{}: {what}: {}", row.operation, answer.text());
            assert!(!knows(&answer, owned), "{}: {what} reads what is hers: {}", row.operation, answer.text());
            tried += 1;
        }
        for (at, (place, thing)) in row.ids.iter().enumerate() {
            if matches!(thing, Thing::Known(_)) {
                continue;
            }
            let mut nowhere = ids.to_vec();
            nowhere[at] = absent(world, *thing);
            let mut answers = Vec::new();
            for ids in [ids, &nowhere[..]] {
                let (method, path, body) = request(row, ids);
                let answer = send(world, credential, &method, &path, body).await;
                assert!(!knows(&answer, owned), "{}: {what} reads what is hers: {}", row.operation, answer.text());
                answers.push(answer);
                tried += 1;
            }
            let told = format!("{}: {what}, {}: {} {}", row.operation, field(*place), answers[0].text(), answers[1].text());
            assert_eq!(shape(&answers[0]), shape(&answers[1]), "{told}");
            match place {
                At::Path(_) => assert_eq!(answers[0].code(), (404, "not-found".to_owned()), "{told}"),
                // An empty list.
                At::Query(_) => assert_eq!(answers[0].json()["items"], json!([]), "{told}"),
                At::Body(_) => assert_eq!(answers[0].code(), (400, "validation".to_owned()), "{told}"),
            }
        }
    }
    tried
}

/// Whether an answer holds anything of the owner's.
fn knows(answer: &Answer, owned: &Owned) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    text.contains(CANARY) || text.contains("ada@example.com") || text.contains(&owned.generation)
}

/// Those who may, for whom everything is still as it was.
async fn allowed(world: &World, everybody: &Everybody, row: &Row, ids: &[String]) -> usize {
    let (method, path, body) = request(row, ids);
    let credential = match row.who {
        Who::Admin => &everybody.admin.page,
        Who::Anyone => &Credential::Nothing,
        // A session of its own: it is used up.
        Who::SignOut => &Credential::Page(world.session(&everybody.owner.user).await),
        Who::User(_) | Who::Session => &everybody.owner.page,
    };
    let returned;
    let credential = if row.operation == "post /api/v1/me/restore" {
        // Asking to be deleted has ended her sessions.
        returned = Credential::Page(world.session(&everybody.owner.user).await);
        &returned
    } else {
        credential
    };
    let answer = send(world, credential, &method, &path, body).await;
    let status = answer.status.as_u16();
    let fine = if row.ok == 0 { [202, 409, 429].contains(&status) } else { status == row.ok };
    assert!(fine, "{}: {} instead of {}", row.operation, answer.text(), row.ok);
    1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leads_nobody_into_anothers_list() {
    let world = World::start().await;
    let owner = Person::new(&world, "ada", Status::Active, Role::User).await;
    let other = Person::new(&world, "bob", Status::Active, Role::User).await;
    let owned = Owned::make(&owner, 2).await;
    for asset in 0..2 {
        let id = owner.client.all("/api/v1/assets").await[asset]["id"].as_str().unwrap().to_owned();
        owner.client.post("/api/v1/links", &json!({"asset_id": id, "opens": "page", "note": CANARY})).await;
        world.session(&owner.user).await;
        owner.token(&world, &[Scope::Read], None).await;
    }
    let mut lists = 0;
    for (operation, description) in described() {
        let paged = description["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "cursor"));
        let Some(path) = operation.strip_prefix("get ").filter(|_| paged && !operation.contains("/admin/")) else { continue };
        let page = send(&world, &owner.page, &Method::GET, &format!("{path}?limit=1"), None).await.json();
        let Some(cursor) = page["next_cursor"].as_str() else { continue };
        let answer = send(&world, &other.page, &Method::GET, &format!("{path}?cursor={cursor}"), None).await;
        assert!(answer.status == 200 || answer.status == 400, "{path}: {}", answer.text());
        assert!(!knows(&answer, &owned), "{path}: {}", answer.text());
        lists += 1;
    }
    assert!(lists >= 6, "only {lists} lists had a second page");
    world.shutdown().await;
}
