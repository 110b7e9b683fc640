//! Everything there is, below what any user can see: items of the table, and objects.

use std::collections::{BTreeMap, BTreeSet};

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

/// Every object, by bucket and key.
pub(super) async fn objects(world: &World) -> BTreeSet<String> {
    let env = world.edition.environment("library").unwrap();
    let text = |name: &str| env.get(name).unwrap().to_owned();
    let credentials = aws_sdk_s3::config::Credentials::new(text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"), None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_s3::config::Region::new(text("AWS_REGION")))
        .credentials_provider(credentials)
        .endpoint_url(text("AWS_ENDPOINT_URL_S3"))
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let mut found = BTreeSet::new();
    for bucket in [text("MEDIA_BUCKET"), text("UPLOADS_BUCKET")] {
        let mut next = None;
        loop {
            let page = client.list_objects_v2().bucket(&bucket).set_continuation_token(next).send().await.unwrap();
            found.extend(page.contents().iter().map(|object| format!("{bucket}/{}", object.key().unwrap())));
            next = page.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
    }
    found
}
