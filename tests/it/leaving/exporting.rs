//! Taking everything home: what is in the zip, and that it is whole however often its writing was interrupted.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::db::audit::Actor;
use shared::domain::export::{Export, ExportState};
use shared::domain::user::User;
use shared::id::{RecordId, random_base62};
use shared::jobs::{self, Pace};
use shared::media::{Bucket, keys};
use shared::runtime::Platform;

use super::deleting::Browser;
use super::ledger::{objects, replace_original};
use crate::world::{Client, World, eventually, picture, sha256, still};

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

/// The entries of a zip, as Python's zipfile reads them: name and SHA-256, and the text of those that are text.
fn read(zip: &[u8]) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zip");
    std::fs::write(&path, zip).unwrap();
    let program = "import hashlib, json, sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1]) as z:\n\
        \x20   assert z.testzip() is None and len(set(z.namelist())) == len(z.namelist())\n\
        \x20   print(json.dumps([{n: hashlib.sha256(z.read(n)).hexdigest() for n in z.namelist()},\n\
        \x20       {n: z.read(n).decode() for n in z.namelist() if not n.startswith('originals/')}]))\n";
    let done = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

async fn made(client: &Client, prompt: &str) -> Value {
    let over = client.made(&picture(prompt)).await;
    assert_eq!(over["state"], "complete", "{over}");
    over["assets"][0].clone()
}

/// Every asset is in `zip`, byte for byte, with its record, and is named by the page.
fn assert_whole(zip: &[u8], assets: &[Value]) -> BTreeMap<String, String> {
    let (hashes, texts) = read(zip);
    let page = &texts["index.html"];
    for asset in assets {
        let record: Value = serde_json::from_str(&texts[&format!("records/{}.json", asset["id"].as_str().unwrap())]).unwrap();
        let file = record["file"].as_str().unwrap();
        assert_eq!(hashes[file], asset["media"]["sha256"].as_str().unwrap(), "{file}");
        assert!(page.contains(&format!("src=\"{file}\"")), "{file} is shown");
        for same in ["id", "kind", "model", "prompt", "parameters", "title", "alt_text", "favourite", "created_at", "deleted_at"] {
            assert_eq!(record[same], asset[same], "{same}");
        }
    }
    assert_eq!(hashes.keys().filter(|name| name.starts_with("originals/")).count(), assets.len());
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_taken_home_in_one_file() {
    let world = World::start_at(&[], still()).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let first = made(&ada, "a lighthouse").await;
    let second = made(&ada, HOSTILE).await;
    let third = made(&ada, "hills").await;
    let path = |asset: &Value| format!("/api/v1/assets/{}", asset["id"].as_str().unwrap());
    let change = json!({"title": HOSTILE, "alt_text": HOSTILE, "favourite": true});
    assert_eq!(ada.json(Method::PATCH, &path(&second), &[], &change).await.status, StatusCode::OK);
    assert_eq!(ada.send(Method::DELETE, &path(&third), &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    let note = json!({"asset_id": first["id"], "opens": "page", "note": "for grandma", "password": "a long password"});
    assert_eq!(ada.post("/api/v1/links", &note).await.status, StatusCode::CREATED);

    let browser = Browser::of(&world, ada.user().id).await;
    assert_eq!(ada.send(Method::POST, "/api/v1/exports", &[], Vec::new()).await.code(), (403, "forbidden".to_owned()), "a token can't");
    let asked = browser.send(Method::POST, "/api/v1/exports").await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
    assert_eq!((&asked.json()["state"], &asked.json()["url"]), (&json!("queued"), &Value::Null));
    let place = asked.header(header::LOCATION).to_owned();
    let ready =
        eventually("it is ready", async || Some(browser.get(&place).await.json()).filter(|export| export["state"] == "ready")).await;
    assert_eq!(ready["expires_at"], json!((world.clock.now() + SignedDuration::from_hours(7 * 24)).to_string()));

    let nobody = world.stranger(None);
    let url = ready["url"].as_str().unwrap();
    let zip = nobody.get(url).await;
    assert_eq!((zip.status, zip.header(header::CONTENT_TYPE)), (StatusCode::OK, "application/zip"));
    assert!(zip.header(header::CONTENT_DISPOSITION).starts_with("attachment; filename=\"export-"));
    assert_eq!((zip.body.len() as u64, zip.header(header::CACHE_CONTROL)), (ready["bytes"].as_u64().unwrap(), "private, no-store"));
    assert!(!nobody.get(url.split('?').next().unwrap()).await.status.is_success(), "an address without its signature");

    let mut assets = ada.all("/api/v1/assets").await;
    assets.append(&mut ada.all("/api/v1/assets?trash=true").await);
    assert_eq!(assets.len(), 3);
    let texts = assert_whole(&zip.body, &assets);
    let page = &texts["index.html"];
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x") && page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    assert_eq!(page.matches("<script>").count(), 1, "our own");
    assert!(page.contains("in the trash"));
    let list = |name: &str| serde_json::from_str::<Vec<Value>>(&texts[name]).unwrap();
    assert_eq!((list("generations.json").len(), list("ledger.json").len()), (3, 6));
    assert_eq!(list("links.json")[0]["note"], "for grandma");
    assert!(!texts["links.json"].contains("argon2"), "no password, not even its hash");
    let profile: Value = serde_json::from_str(&texts["profile.json"]).unwrap();
    assert_eq!((&profile["email"], &profile["usage"][0]["units"]), (&json!("ada@example.com"), &json!(3)));
    let left = objects(&world).await.iter().filter(|file| file.contains("exports")).count();
    assert_eq!(left, 1, "what was remembered on the way is gone");

    // Another person sees nothing of it; and there are limits.
    let other = Browser::of(&world, bob.user().id).await;
    assert_eq!(other.get(&place).await.status, StatusCode::NOT_FOUND);
    assert!(other.get("/api/v1/exports").await.json()["items"].as_array().unwrap().is_empty());
    for _ in 0..2 {
        let asked = browser.send(Method::POST, "/api/v1/exports").await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
        let place = asked.header(header::LOCATION).to_owned();
        eventually("it is ready", async || Some(browser.get(&place).await.json()).filter(|export| export["state"] == "ready")).await;
    }
    assert_eq!(browser.send(Method::POST, "/api/v1/exports").await.code(), (429, "rate-limited".to_owned()));
    assert_eq!(browser.get("/api/v1/exports").await.json()["items"].as_array().unwrap().len(), 3);

    world.clock.advance(7 * 86_400_000);
    let later = Browser::of(&world, ada.user().id).await;
    assert_eq!(later.get(&place).await.code(), (410, "gone".to_owned()));
    assert!(later.get("/api/v1/exports").await.json()["items"].as_array().unwrap().is_empty());
    world.shutdown().await;
}

/// An export that nobody hurries to.
async fn requested(world: &World, user: &User) -> Export {
    let now = world.clock.now();
    let id = RecordId::new(now);
    let export = Export {
        id,
        user: user.id,
        state: ExportState::Queued,
        created_at: now,
        finished_at: None,
        expires_at: None,
        bytes: None,
        reason: None,
        key: keys::export(&user.media_prefix, id),
        upload: None,
        checkpoint: None,
        tries: 0,
        run: None,
        leased_until: None,
    };
    world.platform.db.request_export(&export, &Actor::person(user.id, "test")).await.unwrap();
    export
}

/// The platform of a worker whose tasks nobody takes: each of its runs is one that the test has begun.
fn alone(world: &World) -> Platform {
    let mut env = world.edition.environment("worker").unwrap().clone();
    let queue = format!("{}-dead-letter", env.get("TASKS_QUEUE_URL").unwrap());
    env.set("TASKS_QUEUE_URL", queue);
    Platform::connect_at(&env, world.clock.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_whole_however_often_it_was_interrupted() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    for n in 0..6 {
        let asset = made(&ada, &format!("picture {n}")).await;
        // Large enough for several parts, and random, so that nothing can be confused with anything.
        let file: Vec<u8> = (0..3_000_000 / 32 + n).flat_map(|_| shared::id::random::<32>()).collect();
        let key = keys::original(&random_base62(20), asset["id"].as_str().unwrap().parse().unwrap(), shared::media::MediaType::Png);
        world.platform.media.put(Bucket::Media, &key, "image/png", Bytes::from(file.clone())).await.unwrap();
        replace_original(&world, ada.user().id, asset["id"].as_str().unwrap(), &key, file.len(), &sha256(&file)).await;
    }
    let platform = alone(&world);
    let export = requested(&world, ada.user()).await;
    let pace = Pace { run: Duration::ZERO, part: 5 << 20, remember: 0 };
    let (mut killed, mut runs) = (0, 0);
    let ready = loop {
        let now = platform.db.export(ada.user().id, export.id).await.unwrap().unwrap();
        match now.state {
            ExportState::Ready => break now,
            ExportState::Failed => panic!("{now:?}"),
            ExportState::Queued | ExportState::Running => {}
        }
        runs += 1;
        assert!(runs < 500, "it gets on");
        let run = jobs::export(&platform, ada.user().id, export.id, pace);
        // After three that died a run may come to its end: five in vain would be given up.
        if now.tries >= 3 {
            run.await.unwrap();
        } else {
            let moment = Duration::from_micros(u64::from(u16::from_be_bytes(shared::id::random::<2>())) * 3);
            killed += u32::from(tokio::time::timeout(moment, run).await.is_err());
        }
        // Until the lease of a dead one is over.
        world.clock.advance(16 * 60_000);
    };
    assert!(killed >= 3, "{killed} of {runs} runs were killed");
    let zip = platform.media.get(Bucket::Media, &export.key, 1 << 30).await.unwrap();
    assert_eq!(ready.bytes, Some(zip.len() as u64));
    assert_whole(&zip, &ada.all("/api/v1/assets").await);
    eprintln!("{} bytes in {runs} runs, of which {killed} were killed", zip.len());
    // The next one can be asked for.
    requested(&world, ada.user()).await;
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_one_export_and_one_that_cannot_be_is_given_up() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let asset = made(&ada, "a lighthouse").await;
    let platform = alone(&world);
    let export = requested(&world, ada.user()).await;
    let run = || jobs::export(&platform, ada.user().id, export.id, Pace::USUAL);
    let done = tokio::join!(run(), run(), run(), run());
    assert!([done.0, done.1, done.2, done.3].iter().all(Result::is_ok));
    let ready = platform.db.export(ada.user().id, export.id).await.unwrap().unwrap();
    assert_eq!(ready.state, ExportState::Ready);
    assert_whole(&platform.media.get(Bucket::Media, &export.key, 1 << 30).await.unwrap(), std::slice::from_ref(&asset));

    // An original that isn't what it was: five runs find it so.
    replace_original(&world, ada.user().id, asset["id"].as_str().unwrap(), &key_of(&world, &ada, &asset).await, 1, &"0".repeat(64)).await;
    let export = requested(&world, ada.user()).await;
    for _ in 0..6 {
        jobs::export(&platform, ada.user().id, export.id, Pace::USUAL).await.unwrap();
        world.clock.advance(120_000);
    }
    let failed = platform.db.export(ada.user().id, export.id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.reason.is_some()), (ExportState::Failed, true));
    // Who leaves takes no export along.
    let export = requested(&world, ada.user()).await;
    let browser = Browser::of(&world, ada.user().id).await;
    assert_eq!(browser.send(Method::DELETE, "/api/v1/me").await.status, StatusCode::ACCEPTED);
    jobs::export(&platform, ada.user().id, export.id, Pace::USUAL).await.unwrap();
    assert_eq!(platform.db.export(ada.user().id, export.id).await.unwrap().unwrap().state, ExportState::Failed);
    world.shutdown().await;
}

async fn key_of(world: &World, client: &Client, asset: &Value) -> String {
    world.platform.db.asset(client.user().id, asset["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap().key
}
