use crate::world::{BUCKET, World, status};
use aws_sdk_s3::types::EncodingType;

/// Keys that a mapping to files gets wrong easily.
fn awkward_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a",
        "a/",
        "a/b",
        "a//b",
        "a/b/c",
        "a!",
        "a-b",
        "a.b",
        "a0",
        "A",
        "ab",
        "..",
        "../x",
        "a/../b",
        ".",
        "~",
        "=",
        "+",
        "%2e%2e",
        "x=y&z",
        "with space",
        "tab\tkey",
        "ünïcødé/日本語",
        "\u{1f600}",
        "CON",
        "a\\b",
        "a:b",
        "a*?",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("p".repeat(79));
    keys.push("p".repeat(80));
    keys.push(format!("{}/q", "p".repeat(80)));
    keys.push(format!("{}!", "p".repeat(80)));
    keys.push(format!("{}z/q", "p".repeat(80)));
    keys.push("p".repeat(300));
    keys.push("é".repeat(512));
    keys.push("d/".repeat(512));
    keys
}

async fn list(world: &World, page: i32, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let list = world.client.list_objects_v2().bucket(BUCKET).prefix(prefix);
        let list =
            list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token).encoding_type(EncodingType::Url).max_keys(page);
        let list = list.send().await.unwrap();
        assert!(list.key_count().unwrap() <= page);
        let mut names: Vec<String> = list
            .contents()
            .iter()
            .map(|object| object.key().unwrap())
            .chain(list.common_prefixes().iter().map(|one| one.prefix().unwrap()))
            .map(decoded)
            .collect();
        names.sort_unstable();
        found.extend(names);
        token = list.next_continuation_token().map(str::to_owned);
        assert_eq!(token.is_some(), list.is_truncated().unwrap());
        if token.is_none() {
            return found;
        }
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// What S3 says a listing is.
fn model(keys: &[String], prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut expected: Vec<String> = keys
        .iter()
        .filter(|key| key.starts_with(prefix))
        .map(|key| {
            let group = delimiter.and_then(|delimiter| {
                let at = key[prefix.len()..].find(delimiter)?;
                Some(key[..prefix.len() + at + delimiter.len()].to_owned())
            });
            group.unwrap_or_else(|| key.clone())
        })
        .collect();
    expected.sort_unstable();
    expected.dedup();
    expected
}

#[tokio::test]
async fn keys_of_every_shape_are_kept_apart_and_listed_in_order() {
    let world = World::new().await;
    let keys = awkward_keys();
    for key in &keys {
        world.put(key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(world.get(key).await, key.as_bytes(), "{key:?}");
    }
    let p80 = "p".repeat(80);
    for (page, prefix, delimiter) in [
        (1000, "", None),
        (1, "", None),
        (3, "", None),
        (1000, "", Some("/")),
        (1, "", Some("/")),
        (2, "a", Some("/")),
        (2, "a/", Some("/")),
        (2, "a/", None),
        (3, "", Some("b")),
        (1000, "ppp", None),
        (2, &p80, Some("/")),
        (1000, "nothing", Some("/")),
    ] {
        let found = list(&world, page, prefix, delimiter).await;
        assert_eq!(found, model(&keys, prefix, delimiter), "{page} {prefix:?} {delimiter:?}");
    }
    let after = world.client.list_objects_v2().bucket(BUCKET).start_after("a0").max_keys(1);
    assert_eq!(after.send().await.unwrap().contents()[0].key(), Some("a:b"));

    let too_long = world.client.put_object().bucket(BUCKET).key("k".repeat(1025)).send();
    assert_eq!(status(&too_long.await.unwrap_err()), 400);
    let outside: Vec<_> = std::fs::read_dir(world.dir.path().parent().unwrap())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with('='))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[tokio::test]
async fn a_listing_tells_size_etag_and_time() {
    let world = World::new().await;
    world.put("k", b"body").await;
    let listed = world.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let head = world.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    let object = &listed.contents()[0];
    assert_eq!(object.size(), Some(4));
    assert_eq!(object.e_tag(), head.e_tag());
    assert_eq!(object.last_modified(), head.last_modified());
    let list = world.client.list_objects_v2().bucket(BUCKET).continuation_token("mine").send();
    assert_eq!(status(&list.await.unwrap_err()), 400);
}
