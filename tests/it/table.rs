//! The table, below what any user can do.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue::{self, S};

use crate::world::World;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl Table {
    pub(crate) fn of(world: &World) -> Self {
        let env = world.edition.environment("library").unwrap();
        let text = |name: &str| env.get(name).unwrap().to_owned();
        let credentials = Credentials::new(text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"), None, None, "test");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(text("AWS_REGION")))
            .credentials_provider(credentials)
            .endpoint_url(text("AWS_ENDPOINT_URL_DYNAMODB"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: aws_sdk_dynamodb::Client::from_conf(config), name: text("TABLE_NAME") }
    }

    pub(crate) async fn item(&self, pk: String, sk: String) -> Item {
        let get = self.client.get_item().table_name(&self.name).key("pk", S(pk)).key("sk", S(sk));
        get.consistent_read(true).send().await.unwrap().item.unwrap()
    }

    pub(crate) async fn put(&self, item: Item) {
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
    }

    pub(crate) async fn delete(&self, pk: String, sk: String) {
        self.client.delete_item().table_name(&self.name).key("pk", S(pk)).key("sk", S(sk)).send().await.unwrap();
    }
}
