//! The template and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use local::functions;
use local::template::{Template, TemplateError};
use serde_json::Value as Json;
use serde_norway::Value;
use shared::clock::Clock;
use shared::config::Env;

use crate::world::World;

const OPENAPI: &str = include_str!("../../static-site/openapi.json");
const CONFIG: &str = include_str!("../../shared/src/config.rs");

fn template() -> Template {
    Template::parse(local::TEMPLATE).unwrap()
}

fn document() -> Value {
    serde_norway::from_str(local::TEMPLATE).unwrap()
}

/// The resources of a type, by name, with their properties.
fn resources<'d>(document: &'d Value, kind: &str) -> BTreeMap<&'d str, &'d Value> {
    let all = document["Resources"].as_mapping().unwrap().iter();
    let of_kind = all.filter(|(_, resource)| resource["Type"] == kind);
    let found: BTreeMap<&str, &Value> = of_kind.map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"])).collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

/// What `!Ref` names.
fn reference(value: &Value) -> &str {
    match value {
        Value::Tagged(tagged) if tagged.tag == "Ref" => tagged.value.as_str().unwrap(),
        other => panic!("{other:?} is no reference"),
    }
}

/// Every operation of a description: method and path.
fn operations(api: &Json) -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        let methods = item.as_object().unwrap().keys().filter(|name| name.to_uppercase().parse::<Method>().is_ok());
        let known = ["get", "post", "put", "patch", "delete", "head", "options"];
        operations.extend(methods.filter(|name| known.contains(&name.as_str())).map(|name| (name.to_uppercase(), path.clone())));
    }
    operations
}

/// What each function says it answers.
fn declared() -> BTreeMap<&'static str, BTreeSet<(String, String)>> {
    let of = |routes: Json| operations(&routes);
    BTreeMap::from([
        ("admin", of(serde_json::to_value(admin::routes().get_openapi()).unwrap())),
        ("auth", of(serde_json::to_value(auth::routes().get_openapi()).unwrap())),
        ("generate", of(serde_json::to_value(generate::routes().get_openapi()).unwrap())),
        ("library", of(serde_json::to_value(library::routes().get_openapi()).unwrap())),
        ("redirect", of(serde_json::to_value(redirect::routes().get_openapi()).unwrap())),
        ("webhook", of(serde_json::to_value(webhook::routes().get_openapi()).unwrap())),
    ])
}

#[test]
fn every_operation_reaches_the_function_that_answers_it() {
    let routes = template().routes;
    let mut all = BTreeSet::new();
    for (function, operations) in declared() {
        for (method, path) in operations {
            let concrete: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
            let (route, _) = routes.find(&method.parse().unwrap(), &concrete.join("/")).unwrap();
            assert_eq!(route.function, function, "{method} {path} by {}", route.key);
            assert!(all.insert((method.clone(), path.clone())), "{method} {path} is answered twice");
        }
    }
    assert!(all.len() > 20);
    assert_eq!(operations(&serde_json::from_str(OPENAPI).unwrap()), all, "the description that is served");
}

#[test]
fn every_variable_is_one_that_the_code_reads() {
    let document = document();
    let mut sources = vec![&document["Globals"]["Function"]];
    sources.extend(resources(&document, "AWS::Serverless::Function").into_values());
    let mut names = BTreeSet::new();
    for source in sources {
        let variables = source.get("Environment").and_then(|environment| environment["Variables"].as_mapping());
        names.extend(variables.into_iter().flatten().map(|(name, _)| name.as_str().unwrap()));
    }
    assert!(names.len() > 15);
    for name in &names {
        assert!(name.starts_with("AWS_") || CONFIG.contains(&format!("(\"{name}\"")), "nothing reads {name}");
    }
    for (_, rest) in CONFIG.match_indices("required(\"").map(|(at, start)| (at, &CONFIG[at + start.len()..])) {
        let name = rest.split('"').next().unwrap();
        assert!(names.contains(name), "the template doesn't set {name}");
    }
}

#[test]
fn a_message_stays_hidden_for_six_times_as_long_as_it_may_be_worked_on() {
    let template = template();
    let queue = |id: &str| template.queues.iter().find(|queue| queue.logical_id == id).unwrap();
    assert_eq!(template.mappings.len(), 3);
    for mapping in &template.mappings {
        let (source, function) = (queue(&mapping.queue), &template.functions[&mapping.function]);
        assert!(source.visibility_timeout >= function.timeout * 6, "{}", mapping.queue);
        let (dead, times) = source.dead_letter.as_ref().expect("a message that can't be worked on goes somewhere");
        assert!((3..=10).contains(times), "{}", mapping.queue);
        assert!(queue(dead).retention > source.retention, "{dead}");
    }
}

#[test]
fn every_function_has_a_log_of_its_own_that_ends() {
    let document = document();
    let logs = resources(&document, "AWS::Logs::LogGroup");
    let mut used = BTreeSet::new();
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let log = reference(&function["LoggingConfig"]["LogGroup"]);
        assert_eq!(reference(&logs[log]["RetentionInDays"]), "LogRetentionDays", "{name}");
        assert!(used.insert(log), "{log} is used twice");
    }
    assert_eq!(used.len(), 9);
    assert!(logs.values().all(|log| log.get("RetentionInDays").is_some()));
}

/// Every statement of a policy below `value`.
fn statements<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Mapping(entries) => {
            if value.get("Effect").is_some() {
                found.push(value);
            }
            entries.values().for_each(|value| statements(value, found));
        }
        Value::Sequence(values) => values.iter().for_each(|value| statements(value, found)),
        Value::Tagged(tagged) => statements(&tagged.value, found),
        _ => {}
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Sequence(values) => values.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

#[test]
fn every_right_is_named() {
    let document = document();
    let mut found = Vec::new();
    statements(&document, &mut found);
    let allowed: Vec<&Value> = found.into_iter().filter(|statement| statement["Effect"] == "Allow").collect();
    assert!(allowed.len() > 20);
    for statement in allowed {
        assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{statement:?}");
        let actions = texts(&statement["Action"]);
        assert!(!actions.is_empty() && !actions.iter().any(|action| action.contains('*')), "{statement:?}");
        assert!(!texts(&statement["Resource"]).contains(&"*"), "{statement:?}");
        // Nobody reads a whole table, and nobody removes one.
        for action in actions {
            assert!(!["dynamodb:Scan", "dynamodb:DeleteTable", "s3:DeleteBucket"].contains(&action), "{statement:?}");
        }
    }
}

#[test]
fn what_decodes_videos_can_do_nothing_else() {
    let document = document();
    let mut found = Vec::new();
    statements(&document["Resources"]["ThumbnailerFunction"], &mut found);
    let rights: BTreeSet<&str> = found.iter().flat_map(|statement| texts(&statement["Action"])).collect();
    // Nothing that it writes wakes it, and nothing that it reads is a secret.
    let own = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"];
    let expected: BTreeSet<&str> =
        ["dynamodb:GetItem", "dynamodb:UpdateItem", "s3:GetObject", "s3:PutObject"].into_iter().chain(own).collect();
    assert_eq!(rights, expected);
    let written = found.iter().find(|statement| texts(&statement["Action"]).contains(&"s3:PutObject")).unwrap();
    assert!(format!("{:?}", written["Resource"]).contains("/media/*/poster-*.webp"), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_names_what_isnt_there_is_refused_by_name() {
    let world = World::start().await;
    let environment = |name: &String| (name.clone(), world.edition.environment(name).unwrap().clone());
    let environments: BTreeMap<String, Env> = template().functions.keys().map(environment).collect();
    let code = functions::connect(&environments, &Clock::system()).unwrap();
    functions::check(&template(), &code).unwrap();

    let absent = local::TEMPLATE.replace("CodeUri: functions/library/", "CodeUri: functions/absent/");
    let error = functions::check(&Template::parse(&absent).unwrap(), &code).unwrap_err().to_string();
    assert!(error.contains("the function absent has no code"), "{error}");
    assert!(error.contains("the code of library is not in the template"), "{error}");

    let nowhere = local::TEMPLATE.replace("IntegrationUri: !GetAtt LibraryFunction.Arn", "IntegrationUri: !GetAtt AbsentFunction.Arn");
    let error = Template::parse(&nowhere).unwrap_err();
    assert!(matches!(error, TemplateError::Shape(_)) && error.to_string().contains("names a function that doesn't exist"), "{error}");

    let deaf = local::TEMPLATE.replace("IntegrationUri: !GetAtt AdminFunction.Arn", "IntegrationUri: !GetAtt IngestFunction.Arn");
    let error = functions::check(&Template::parse(&deaf).unwrap(), &code).unwrap_err().to_string();
    assert!(error.contains("a route leads to ingest, which doesn't take HTTP"), "{error}");
    assert!(error.contains("admin takes HTTP, but no route leads to it"), "{error}");
    world.shutdown().await;
}
