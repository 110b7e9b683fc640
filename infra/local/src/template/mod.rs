//! What `template.yaml` says, read for the local edition: functions, routes, queues, schedules, table, buckets, delivery.
//!
//! Invariant: nothing of this is written down a second time in the local edition. A route, queue, variable or header that is
//! missing in the template is missing here as well, so that it is noticed here and not after a deployment.
//!
//! Deliberately absent: rights (everything runs as one user), alarms, and whatever only a deployment has.

mod delivery;
mod routes;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_norway::Value;

pub use delivery::{Behaviour, HeaderRule, Origin};
pub use routes::{Route, Routes};
pub use value::LocalValues;
use value::{Resolver, intrinsic_reference};

/// Why a template can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Not YAML.
    #[error("template.yaml is not readable")]
    Yaml(#[from] serde_norway::Error),
    /// Readable, but not what the local edition understands.
    #[error("template.yaml: {0}")]
    Shape(String),
    /// A name that neither the template nor the local edition knows.
    #[error("template.yaml refers to {0}, which is not known here")]
    Unknown(String),
}

/// A function of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Last part of `CodeUri`: package, folder and binary have this name.
    pub name: String,
    /// When an invocation is given up.
    pub timeout: Duration,
}

/// A queue of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Key of the resource.
    pub logical_id: String,
    /// Name in the local edition, for example `results-dead-letter`.
    pub name: String,
    /// How long a received message is hidden.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Logical id of the queue that takes what was received too often, and how often that is.
    pub dead_letter: Option<(String, u32)>,
}

/// A queue that wakes a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Logical id of the queue.
    pub queue: String,
    /// Name of the function.
    pub function: String,
    /// Messages of one event at most.
    pub batch_size: u32,
    /// Invocations at the same time at most.
    pub maximum_concurrency: u32,
}

/// A function that is woken at a fixed rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Name of the rule: function and event.
    pub name: String,
    /// Name of the function.
    pub function: String,
    /// From one event to the next.
    pub every: Duration,
}

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Keys, indexes and billing as `CreateTable` takes them, without the name.
    pub definition: serde_json::Map<String, serde_json::Value>,
    /// Attribute after whose time an item may be removed.
    pub ttl_attribute: Option<String>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Key of the resource.
    pub logical_id: String,
    /// What is removed because of its age.
    pub expiry: Vec<Expiry>,
}

/// Objects whose keys begin with `prefix` are removed after some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Empty for the whole bucket.
    pub prefix: String,
    /// Since they were written.
    pub days: u32,
}

/// The whole template.
#[derive(Clone, Debug)]
pub struct Template {
    document: Value,
    /// By name.
    pub functions: BTreeMap<String, Function>,
    /// The HTTP API.
    pub routes: Routes,
    /// In the order of their logical ids.
    pub queues: Vec<Queue>,
    /// Queues to functions.
    pub mappings: Vec<Mapping>,
    /// Rates to functions.
    pub schedules: Vec<Schedule>,
    /// The one table.
    pub table: Table,
    /// Logical id of the table, for `Ref`.
    pub table_id: String,
    /// In the order of their logical ids.
    pub buckets: Vec<Bucket>,
    ids: LogicalIds,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`], naming the resource that isn't understood.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let document: Value = serde_norway::from_str(text)?;
        let reader = Reader::new(&document)?;
        let (functions, ids) = reader.functions()?;
        let (table_id, table) = reader.table()?;
        Ok(Self {
            routes: reader.routes(&ids)?,
            queues: reader.queues()?,
            mappings: reader.mappings(&ids)?,
            schedules: reader.schedules(&ids)?,
            buckets: reader.buckets(),
            table,
            table_id,
            functions,
            ids,
            document,
        })
    }

    /// The variables of the function `name`: those of `Globals`, then its own.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`] for a reference that `values` doesn't answer.
    pub fn environment(&self, name: &str, values: &LocalValues) -> Result<BTreeMap<String, String>, TemplateError> {
        let resolver = Resolver::new(&self.document, values);
        let own = self
            .ids
            .iter()
            .find(|(_, function)| *function == name)
            .map(|(id, _)| path(&self.document, &["Resources", id, "Properties"]).unwrap_or(&Value::Null));
        let globals = path(&self.document, &["Globals", "Function"]);
        let mut variables = BTreeMap::new();
        for source in [globals, own].into_iter().flatten() {
            let Some(Value::Mapping(entries)) = path(source, &["Environment", "Variables"]) else {
                continue;
            };
            for (key, value) in entries {
                let key = key.as_str().ok_or_else(|| TemplateError::Shape(format!("a variable of {name} has no name")))?;
                match resolver.text(value)? {
                    Some(text) => variables.insert(key.to_owned(), text),
                    None => variables.remove(key),
                };
            }
        }
        Ok(variables)
    }

    /// How the distribution answers which paths, in the order in which they are tried; the last one takes every path.
    ///
    /// # Errors
    /// [`TemplateError`] when there is no distribution or it isn't understood.
    pub fn behaviours(&self, values: &LocalValues) -> Result<Vec<Behaviour>, TemplateError> {
        delivery::read(&self.document, &Resolver::new(&self.document, values))
    }
}

fn path<'v>(value: &'v Value, keys: &[&str]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| value.get(*key))
}

/// Logical id to name of the function.
type LogicalIds = BTreeMap<String, String>;

/// Walks the resources.
struct Reader<'a> {
    document: &'a Value,
    resources: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Value) -> Result<Self, TemplateError> {
        let resources = document
            .get("Resources")
            .and_then(Value::as_mapping)
            .ok_or_else(|| TemplateError::Shape("there are no Resources".to_owned()))?
            .iter()
            .filter_map(|(id, resource)| Some((id.as_str()?, resource)))
            .collect();
        Ok(Self { document, resources })
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
            .map(|(id, resource)| (*id, resource.get("Properties").unwrap_or(&Value::Null)))
    }

    fn functions(&self) -> Result<(BTreeMap<String, Function>, LogicalIds), TemplateError> {
        let global = path(self.document, &["Globals", "Function", "Timeout"]).and_then(Value::as_u64);
        let (mut functions, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for (id, properties) in self.of_type("AWS::Serverless::Function") {
            let uri = text(properties, "CodeUri").ok_or_else(|| TemplateError::Shape(format!("{id} has no CodeUri")))?;
            let name = uri
                .strip_prefix("functions/")
                .map(|rest| rest.trim_end_matches('/'))
                .filter(|name| !name.is_empty() && !name.contains('/'))
                .ok_or_else(|| TemplateError::Shape(format!("the CodeUri of {id} is not functions/<name>/")))?
                .to_owned();
            // Lambda's own default is 3 seconds.
            let seconds = number(properties, "Timeout").or(global).unwrap_or(3);
            ids.insert(id.to_owned(), name.clone());
            let function = Function { name: name.clone(), timeout: Duration::from_secs(seconds) };
            if functions.insert(name, function).is_some() {
                return Err(TemplateError::Shape(format!("two functions have the CodeUri of {id}")));
            }
        }
        Ok((functions, ids))
    }

    fn function(&self, ids: &LogicalIds, reference: Option<&Value>, user: &str) -> Result<String, TemplateError> {
        reference
            .and_then(intrinsic_reference)
            .and_then(|id| ids.get(id).cloned())
            .ok_or_else(|| TemplateError::Shape(format!("{user} names a function that doesn't exist")))
    }

    fn routes(&self, ids: &LogicalIds) -> Result<Routes, TemplateError> {
        let mut routes = Vec::new();
        for (id, properties) in self.of_type("AWS::ApiGatewayV2::Route") {
            let key = text(properties, "RouteKey").ok_or_else(|| TemplateError::Shape(format!("{id} has no RouteKey")))?;
            let integration = properties
                .get("Target")
                .and_then(value::intrinsic)
                .and_then(|(_, target)| target.as_str())
                .and_then(|target| target.strip_prefix("integrations/${")?.strip_suffix('}'))
                .and_then(|integration| self.resources.get(integration))
                .ok_or_else(|| TemplateError::Shape(format!("the Target of {id} is not an integration")))?;
            let uri = path(integration, &["Properties", "IntegrationUri"]);
            routes.push(Route::parse(key, &self.function(ids, uri, id)?)?);
        }
        Routes::new(routes)
    }

    fn queues(&self) -> Result<Vec<Queue>, TemplateError> {
        self.of_type("AWS::SQS::Queue")
            .map(|(id, properties)| {
                let dead_letter = match properties.get("RedrivePolicy") {
                    None => None,
                    Some(policy) => {
                        let target = policy.get("deadLetterTargetArn").and_then(intrinsic_reference);
                        let target = target.filter(|target| self.resources.contains_key(target));
                        let times = number(policy, "maxReceiveCount").and_then(|n| u32::try_from(n).ok());
                        match (target, times) {
                            (Some(target), Some(times)) => Some((target.to_owned(), times)),
                            _ => {
                                return Err(TemplateError::Shape(format!("the RedrivePolicy of {id} is not understood")));
                            }
                        }
                    }
                };
                // SQS's own defaults are 30 seconds and 4 days.
                let seconds = |key, default| Duration::from_secs(number(properties, key).unwrap_or(default));
                Ok(Queue {
                    logical_id: id.to_owned(),
                    name: kebab(id.strip_suffix("Queue").unwrap_or(id)),
                    visibility_timeout: seconds("VisibilityTimeout", 30),
                    retention: seconds("MessageRetentionPeriod", 345_600),
                    dead_letter,
                })
            })
            .collect()
    }

    fn mappings(&self, ids: &LogicalIds) -> Result<Vec<Mapping>, TemplateError> {
        self.of_type("AWS::Lambda::EventSourceMapping")
            .map(|(id, properties)| {
                let queue = properties
                    .get("EventSourceArn")
                    .and_then(intrinsic_reference)
                    .filter(|queue| self.resources.contains_key(queue))
                    .ok_or_else(|| TemplateError::Shape(format!("{id} names a queue that doesn't exist")))?;
                let partial = properties.get("FunctionResponseTypes").and_then(Value::as_sequence);
                if !partial.is_some_and(|types| types.iter().any(|kind| kind == "ReportBatchItemFailures")) {
                    return Err(TemplateError::Shape(format!("{id} doesn't report failures item by item")));
                }
                let count = |value: Option<u64>, default| value.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
                let scaling = properties.get("ScalingConfig").unwrap_or(&Value::Null);
                Ok(Mapping {
                    queue: queue.to_owned(),
                    function: self.function(ids, properties.get("FunctionName"), id)?,
                    batch_size: count(number(properties, "BatchSize"), 10),
                    maximum_concurrency: count(number(scaling, "MaximumConcurrency"), 2),
                })
            })
            .collect()
    }

    fn schedules(&self, ids: &LogicalIds) -> Result<Vec<Schedule>, TemplateError> {
        let mut schedules = Vec::new();
        for (id, properties) in self.of_type("AWS::Serverless::Function") {
            let Some(Value::Mapping(events)) = properties.get("Events") else {
                continue;
            };
            for (event, definition) in events {
                let event = event.as_str().unwrap_or_default();
                let kind = definition.get("Type").and_then(Value::as_str).unwrap_or_default();
                if kind != "Schedule" {
                    return Err(TemplateError::Shape(format!("{id} is woken by {kind} {event}, which is not known here")));
                }
                let rate = path(definition, &["Properties", "Schedule"]).and_then(Value::as_str).unwrap_or_default();
                let every = parse_rate(rate)
                    .ok_or_else(|| TemplateError::Shape(format!("{event} of {id}: {rate:?} is not a rate in minutes or hours")))?;
                schedules.push(Schedule { name: format!("{id}{event}"), function: ids[id].clone(), every });
            }
        }
        Ok(schedules)
    }

    fn table(&self) -> Result<(String, Table), TemplateError> {
        let mut tables = self.of_type("AWS::DynamoDB::Table");
        let (Some((id, properties)), None) = (tables.next(), tables.next()) else {
            return Err(TemplateError::Shape("there must be exactly one table".to_owned()));
        };
        let mut definition = serde_json::Map::new();
        for key in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"] {
            if let Some(value) = properties.get(key) {
                let json = serde_json::to_value(value).map_err(|_| TemplateError::Shape(format!("{key} of {id} has no plain value")))?;
                definition.insert(key.to_owned(), json);
            }
        }
        let ttl = properties.get("TimeToLiveSpecification").and_then(|ttl| text(ttl, "AttributeName")).map(str::to_owned);
        Ok((id.to_owned(), Table { definition, ttl_attribute: ttl }))
    }

    fn buckets(&self) -> Vec<Bucket> {
        self.of_type("AWS::S3::Bucket")
            .map(|(id, properties)| {
                let rules = path(properties, &["LifecycleConfiguration", "Rules"]).and_then(Value::as_sequence);
                let expiry = rules.into_iter().flatten().filter_map(|rule| {
                    let days = number(rule, "ExpirationInDays").and_then(|days| u32::try_from(days).ok())?;
                    Some(Expiry { prefix: text(rule, "Prefix").unwrap_or_default().to_owned(), days })
                });
                Bucket { logical_id: id.to_owned(), expiry: expiry.collect() }
            })
            .collect()
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

/// `rate(1 minute)` and its like.
fn parse_rate(rate: &str) -> Option<Duration> {
    let (count, unit) = rate.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let minutes = match unit {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        _ => return None,
    };
    let count = count.parse::<u64>().ok().filter(|count| (1..=1_000).contains(count))?;
    Some(Duration::from_secs(count * minutes * 60))
}

/// `DeadLetter` becomes `dead-letter`.
fn kebab(name: &str) -> String {
    let mut result = String::with_capacity(name.len() + 4);
    for (at, character) in name.char_indices() {
        if character.is_ascii_uppercase() && at > 0 {
            result.push('-');
        }
        result.push(character.to_ascii_lowercase());
    }
    result
}
