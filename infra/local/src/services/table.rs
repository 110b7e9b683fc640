//! The table: DynamoDB's JSON protocol over an embedded engine, for whoever signs with this start's credentials.
//!
//! The engine brings a listener of its own, which takes any signature for good; on a machine with other users that would hand
//! them the table. So its operations are called here, behind the same check of signatures that guards the queues.
//!
//! Deliberately absent: operations that the product and its tests don't use. The table is made from the template at the start.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use dynoxide::{Database, DynoxideError};
use http::{HeaderValue, Response, StatusCode, header};
use local_sqs::Credentials;
use local_sqs::sigv4::{Refusal, verify};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::template::Table;

/// DynamoDB takes requests of up to 16 MB.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at a time; more are told to slow down, as DynamoDB does it. The engine works on one at a time anyway.
const MAX_REQUESTS: usize = 256;
const TARGET: &str = "DynamoDB_20120810.";
/// As DynamoDB words it.
const EMPTY_KEY: &str =
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value.";

/// Why the table can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The engine refused.
    #[error("the table can't be opened")]
    Engine(#[from] DynoxideError),
    /// The stored table has other keys or indexes than the template.
    #[error("the stored table differs from template.yaml in {0}, which needs a newer release that can move it")]
    Differs(&'static str),
    /// The template's table isn't one.
    #[error("the table in template.yaml is not understood")]
    Definition(#[from] serde_json::Error),
    /// The path can't be handed to the engine.
    #[error("the data folder's path is not valid Unicode")]
    Path,
}

/// Opens the database at `path` and makes the table `name` in it, if it isn't there. Blocks.
///
/// # Errors
/// [`TableError`].
pub(super) fn open(path: &std::path::Path, name: &str, table: &Table) -> Result<Database, TableError> {
    let database = Database::new(path.to_str().ok_or(TableError::Path)?)?;
    let mut definition = table.definition.clone();
    definition.insert("TableName".to_owned(), name.into());
    match database.get_table_metadata(name)? {
        None => {
            database.create_table(serde_json::from_value(definition.into())?)?;
        }
        Some(_) => {
            let described = database.describe_table(serde_json::from_value(serde_json::json!({"TableName": name}))?)?;
            check_same(&serde_json::to_value(described)?["Table"], &definition)?;
        }
    }
    if let Some(attribute) = &table.ttl_attribute {
        let ttl = serde_json::json!({"TableName": name, "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true}});
        let described = database.describe_time_to_live(serde_json::from_value(serde_json::json!({"TableName": name}))?)?;
        // Enabling it twice is an error in DynamoDB.
        if serde_json::to_value(described)?["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED" {
            database.update_time_to_live(serde_json::from_value(ttl)?)?;
        }
    }
    Ok(database)
}

fn check_same(stored: &serde_json::Value, wanted: &serde_json::Map<String, serde_json::Value>) -> Result<(), TableError> {
    let indexes = |value: Option<&serde_json::Value>| {
        let each = value.and_then(serde_json::Value::as_array).into_iter().flatten();
        let mut each: Vec<_> =
            each.map(|index| (index["IndexName"].clone(), index["KeySchema"].clone(), index["Projection"].clone())).collect();
        each.sort_by_key(|(name, _, _)| name.to_string());
        each
    };
    if stored.get("KeySchema") != wanted.get("KeySchema") {
        return Err(TableError::Differs("its keys"));
    }
    if indexes(stored.get("GlobalSecondaryIndexes")) != indexes(wanted.get("GlobalSecondaryIndexes")) {
        return Err(TableError::Differs("its indexes"));
    }
    Ok(())
}

struct Context {
    database: Database,
    credentials: Credentials,
    requests: Semaphore,
}

/// Serves `database` on `listener` to whoever signs with `credentials`, until `shutdown` is ready.
pub(super) async fn serve(
    listener: TcpListener,
    database: Database,
    credentials: Credentials,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let context = Context { database, credentials, requests: Semaphore::new(MAX_REQUESTS) };
    let router = Router::new().fallback(answer).with_state(Arc::new(context));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn answer(State(context): State<Arc<Context>>, request: Request) -> Response<Body> {
    match call(&context, request).await {
        Ok(json) => response(StatusCode::OK, json),
        Err(error) => response(error.status, error.json),
    }
}

/// An answer that isn't a success.
struct Refused {
    status: StatusCode,
    json: String,
}

impl Refused {
    fn new(kind: &str, message: &str) -> Self {
        let json = serde_json::json!({"__type": kind, "message": message}).to_string();
        Self { status: StatusCode::BAD_REQUEST, json }
    }
}

impl From<DynoxideError> for Refused {
    fn from(error: DynoxideError) -> Self {
        let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(%error, "the table failed");
        }
        Self { status, json: error.to_json() }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let (kind, message) = match refusal {
            Refusal::Missing => ("MissingAuthenticationTokenException", "Request is missing Authentication Token"),
            Refusal::Malformed => ("IncompleteSignatureException", "The signature is malformed"),
            Refusal::UnknownKey => ("UnrecognizedClientException", "The security token included in the request is invalid."),
            Refusal::Mismatch => ("InvalidSignatureException", "The request signature does not match"),
            Refusal::Expired => ("InvalidSignatureException", "Signature expired"),
        };
        Self::new(&format!("com.amazon.coral.service#{kind}"), message)
    }
}

async fn call(context: &Context, request: Request) -> Result<String, Refused> {
    let throttled = || Refused::new("com.amazonaws.dynamodb.v20120810#ThrottlingException", "Too many requests at once");
    let _slot = context.requests.try_acquire().map_err(|_| throttled())?;
    let (parts, body) = request.into_parts();
    let incomplete = || Refused::new("com.amazon.coral.service#SerializationException", "The body is too long or incomplete");
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await.ok().and_then(Result::ok).ok_or_else(incomplete)?;
    let credentials = &context.credentials;
    // The SDK signs by the system's clock, whatever time a test has set for the product.
    let now = Clock::system().now();
    verify(&parts, &body, "dynamodb", &credentials.access_key_id, &credentials.secret_access_key, now)?;
    let unknown = || Refused::new("com.amazon.coral.service#UnknownOperationException", "The operation is not known here");
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix(TARGET).ok_or_else(unknown)?.to_owned();
    let database = context.database.clone();
    // The engine works on the calling thread and waits for its one lock there.
    let done = tokio::task::spawn_blocking(move || dispatch(&database, &operation, &body)).await;
    match done {
        Ok(Some(result)) => Ok(result?),
        Ok(None) => Err(unknown()),
        Err(_) => Err(DynoxideError::InternalServerError("The request could not be processed".to_owned()).into()),
    }
}

/// `None` for an operation that isn't known.
fn dispatch(database: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "GetItem" => run(body, |request| database.get_item(request)),
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "Query" if asks_for_nothing(body) => Err(DynoxideError::ValidationException(EMPTY_KEY.to_owned())),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        _ => return None,
    })
}

/// DynamoDB takes no empty text as a part of a key, and in our queries every value is one. The engine takes it for "everything".
fn asks_for_nothing(query: &[u8]) -> bool {
    let query: serde_json::Value = serde_json::from_slice(query).unwrap_or_default();
    let values = query["ExpressionAttributeValues"].as_object();
    values.is_some_and(|values| values.values().any(|value| value["S"] == ""))
}

fn run<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn response(status: StatusCode, json: String) -> Response<Body> {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
