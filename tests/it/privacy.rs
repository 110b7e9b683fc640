//! Media are read by their owner, and by whoever has an address that was signed for it, as long as it holds.

use http::{Method, header};
use jiff::SignedDuration;
use shared::media::signed::MediaSigner;

use crate::world::{Answer, Client, World, picture, sha256};

/// The key of the first picture, its signed address, and its hash.
async fn stored(world: &World, client: &Client) -> (String, String, String) {
    let over = client.made(&picture("something private")).await;
    let media = &over["assets"][0]["media"];
    let url = media["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(world.edition.origin()).unwrap().split('?').next().unwrap();
    (path.trim_start_matches('/').to_owned(), url.clone(), media["sha256"].as_str().unwrap().to_owned())
}

/// What a browser with these cookies gets.
async fn with_cookies(world: &World, key: &str, cookies: &[String]) -> Answer {
    let pairs: Vec<&str> = cookies.iter().map(|line| line.split(';').next().unwrap()).collect();
    world.stranger(None).send(Method::GET, &format!("/{key}"), &[("cookie", &pairs.join("; "))], Vec::new()).await
}

fn assert_hidden(what: &str, answer: &Answer) {
    assert_eq!(answer.code(), (403, "forbidden".to_owned()), "{what}: {}", answer.text());
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{what}");
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_opens_what_it_was_signed_for_and_nothing_else() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let (key, url, hash) = stored(&world, &ada).await;
    let (other, _, _) = stored(&world, &bob).await;
    let nobody = world.stranger(None);
    let open = nobody.get(&url).await;
    assert_eq!((open.status.as_u16(), sha256(&open.body)), (200, hash));

    assert_hidden("unsigned", &nobody.get(&format!("/{key}")).await);
    assert_hidden("a token is no signature", &ada.get(&format!("/{key}")).await);
    let query = url.split_once('?').unwrap().1;
    assert_hidden("another's object", &nobody.get(&format!("/{other}?{query}")).await);
    assert_hidden("another object of the same asset", &nobody.get(&format!("/{}?{query}", key.replace("original", "thumb-512"))).await);
    let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let (expires, signature) = (part("Expires"), part("Signature"));
    let later: i64 = expires.parse::<i64>().unwrap() + 1;
    assert_hidden("a later end", &nobody.get(&url.replace(expires, &later.to_string())).await);
    let flipped: String = signature.chars().rev().collect();
    assert_hidden("another signature", &nobody.get(&url.replace(signature, &flipped)).await);
    assert_hidden("no signature", &nobody.get(&url.replace(signature, "")).await);
    assert_hidden("another key's name", &nobody.get(&url.replace(&format!("Id={}", part("Key-Pair-Id")), "Id=other")).await);

    let signer = world.platform.signer().await.unwrap();
    let now = world.clock.now();
    let past = signer.url(&key, now - SignedDuration::from_secs(61), 60);
    assert_hidden("expired", &nobody.get(&past).await);
    assert_eq!(nobody.get(&signer.url(&key, now - SignedDuration::from_secs(30), 60)).await.status, 200);
    let forged = forger(&world).url(&key, now, 60);
    assert_hidden("signed by somebody else", &nobody.get(&forged).await);
    world.shutdown().await;
}

/// Signs with a key of its own under our key's name.
fn forger(world: &World) -> MediaSigner {
    use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
    let pem = p256::SecretKey::from_slice(&shared::id::random::<32>()).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
    MediaSigner::new(&pem, &world.platform.config.media_keys[0].id, world.edition.origin()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_open_what_is_their_owners_and_nothing_else() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let (key, url, hash) = stored(&world, &ada).await;
    let signer = world.platform.signer().await.unwrap();
    let now = world.clock.now();
    let own = with_cookies(&world, &key, &signer.cookies(&ada.user().media_prefix, now)).await;
    assert_eq!((own.status.as_u16(), sha256(&own.body)), (200, hash));
    assert_hidden("another user's", &with_cookies(&world, &key, &signer.cookies(&bob.user().media_prefix, now)).await);
    let before = now - SignedDuration::from_secs(3_601);
    assert_hidden("expired", &with_cookies(&world, &key, &signer.cookies(&ada.user().media_prefix, before)).await);
    assert_hidden("forged", &with_cookies(&world, &key, &forger(&world).cookies(&ada.user().media_prefix, now)).await);
    let mixed = [&signer.cookies(&ada.user().media_prefix, now)[..1], &signer.cookies(&bob.user().media_prefix, now)[1..]].concat();
    assert_hidden("one's policy under another's signature", &with_cookies(&world, &key, &mixed).await);
    // A bad address isn't made good by good cookies.
    let cookies = signer.cookies(&ada.user().media_prefix, now);
    let bad = url.strip_prefix(world.edition.origin()).unwrap().replace("Signature=", "Signature=A").trim_start_matches('/').to_owned();
    assert_hidden("both", &with_cookies(&world, &bad, &cookies).await);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_read_in_parts_and_not_twice() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let (_, url, _) = stored(&world, &ada).await;
    let nobody = world.stranger(None);
    let get = async |method: Method, headers: &[(&str, &str)]| nobody.send(method, &url, headers, Vec::new()).await;
    let whole = get(Method::GET, &[]).await;
    let (length, etag) = (whole.body.len(), whole.header(header::ETAG).to_owned());
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    assert_eq!(whole.header(header::CACHE_CONTROL), "private, max-age=31536000, immutable");
    assert_eq!(whole.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");

    let part = get(Method::GET, &[("range", "bytes=10-19")]).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &whole.body[10..20]));
    assert_eq!(part.header(header::CONTENT_RANGE), format!("bytes 10-19/{length}"));
    let end = get(Method::GET, &[("range", "bytes=-5")]).await;
    assert_eq!((end.status.as_u16(), &end.body[..]), (206, &whole.body[length - 5..]));
    let beyond = get(Method::GET, &[("range", &format!("bytes={length}-"))]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header(header::CONTENT_RANGE)), (416, format!("bytes */{length}").as_str()));

    let same = get(Method::GET, &[("if-none-match", &etag)]).await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    assert_eq!(get(Method::GET, &[("if-none-match", "\"other\"")]).await.status, 200);
    let head = get(Method::HEAD, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header(header::CONTENT_LENGTH)), (200, 0, length.to_string().as_str()));
    assert_eq!(get(Method::PUT, &[]).await.code(), (405, "method-not-allowed".to_owned()));
    assert_eq!(get(Method::DELETE, &[]).await.code(), (405, "method-not-allowed".to_owned()));
    world.shutdown().await;
}
