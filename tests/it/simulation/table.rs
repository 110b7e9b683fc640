//! The table of a simulated world: the embedded engine in memory, called as DynamoDB is called.

use std::sync::OnceLock;

use dynoxide::{Database, DynoxideError};
use local::template::Template;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(super) const TABLE: &str = "table";

/// An item, as DynamoDB's JSON has it.
pub(super) type Item = Map<String, Value>;

pub(super) struct Table(Database);

impl Table {
    pub(super) fn new() -> Self {
        static DEFINITION: OnceLock<Value> = OnceLock::new();
        let definition = DEFINITION.get_or_init(|| {
            let mut definition = Template::parse(local::TEMPLATE).unwrap().table.definition;
            definition.insert("TableName".to_owned(), TABLE.into());
            definition.into()
        });
        let database = Database::memory().unwrap();
        database.create_table(serde_json::from_value(definition.clone()).unwrap()).unwrap();
        Self(database)
    }

    /// Answers a request; the error is DynamoDB's own text.
    pub(super) fn serve(&self, operation: &str, body: &Value) -> Result<String, (u16, String)> {
        let database = &self.0;
        let answer = match operation {
            "GetItem" => run(body, |request| database.get_item(request)),
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
            other => panic!("the product never asked for {other} before"),
        };
        answer.map_err(|error| (error.status_code(), error.to_json()))
    }

    pub(super) fn get(&self, pk: &str, sk: &str) -> Option<Item> {
        let request = json!({"TableName": TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}});
        let answer: Value = serde_json::from_str(&self.serve("GetItem", &request).unwrap()).unwrap();
        answer.get("Item").and_then(Value::as_object).cloned()
    }

    /// Everything there is.
    pub(super) fn all(&self) -> Vec<Item> {
        let request = json!({"TableName": TABLE});
        let answer: Value = serde_json::from_str(&run(&request, |request| self.0.scan(request)).unwrap()).unwrap();
        assert!(answer.get("LastEvaluatedKey").is_none(), "worlds are small");
        answer["Items"].as_array().unwrap().iter().map(|item| item.as_object().unwrap().clone()).collect()
    }
}

fn run<I: DeserializeOwned, O: Serialize>(
    body: &Value,
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = I::deserialize(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    Ok(serde_json::to_string(&operation(request)?).unwrap())
}

/// A text attribute; empty when it isn't there.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value["S"].as_str()).unwrap_or_default()
}

/// A number attribute; 0 when it isn't there.
pub(super) fn number(item: &Item, name: &str) -> i64 {
    item.get(name).and_then(|value| value["N"].as_str()?.parse().ok()).unwrap_or(0)
}
