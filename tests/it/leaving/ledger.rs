//! Everything there is, below what any user can see: items of the table, and objects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use shared::id::UserId;

use crate::world::World;

fn table(world: &World) -> (aws_sdk_dynamodb::Client, String) {
    let env = world.edition.environment("library").unwrap();
    let text = |name: &str| env.get(name).unwrap().to_owned();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(text("AWS_REGION")))
        .credentials_provider(Credentials::new(text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"), None, None, "test"))
        .endpoint_url(text("AWS_ENDPOINT_URL_DYNAMODB"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    (aws_sdk_dynamodb::Client::from_conf(config), text("TABLE_NAME"))
}

/// Says that the original of an asset is another file.
pub(super) async fn replace_original(world: &World, user: UserId, asset: &str, key: &str, bytes: usize, sha256: &str) {
    let (client, name) = table(world);
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let update = client
        .update_item()
        .table_name(name)
        .key("pk", s(&format!("USER#{user}")))
        .key("sk", s(&format!("ASSET#{asset}")))
        .update_expression("SET #k = :k, bytes = :b, sha256 = :s")
        .expression_attribute_names("#k", "key")
        .expression_attribute_values(":k", s(key))
        .expression_attribute_values(":b", AttributeValue::N(bytes.to_string()))
        .expression_attribute_values(":s", s(sha256));
    update.send().await.unwrap();
}

/// Every item, by its key, as text.
pub(super) async fn items(world: &World) -> BTreeMap<String, String> {
    let (client, name) = table(world);
    let mut items = BTreeMap::new();
    let mut start = None;
    loop {
        let page = client.scan().table_name(&name).consistent_read(true).set_exclusive_start_key(start).send().await.unwrap();
        for item in page.items.unwrap() {
            let part = |name: &str| match &item[name] {
                AttributeValue::S(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            let key = format!("{} / {}", part("pk"), part("sk"));
            let sorted: BTreeMap<&String, &AttributeValue> = item.iter().collect();
            items.insert(key, format!("{sorted:?}"));
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return items;
        }
    }
}

/// Every object, by bucket and key, as its file is called.
pub(super) fn objects(world: &World) -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let root = world.data().join("objects/buckets");
    let mut found = BTreeSet::new();
    walk(&root, &root, &mut found);
    found
}
