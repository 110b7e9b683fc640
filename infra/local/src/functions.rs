//! The functions' code, each under the name by which the template knows it.
//!
//! Template and code must agree: a function without code, code without a function, a route to a function that serves no HTTP, and
//! so on, keep the edition from starting, because a deployment would fail or lie idle in the same way.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use shared::clock::Clock;
use shared::config::{ConfigError, Env};
use shared::runtime::Platform;

use crate::pollers::QueueHandler;
use crate::schedule::ScheduleHandler;
use crate::template::Template;

/// A queue function with the platform it borrows.
macro_rules! queue {
    ($platform:ident, $handle:path) => {{
        let platform = $platform.clone();
        QueueHandler::new(move |event| {
            let platform = platform.clone();
            async move { $handle(&platform, event).await }
        })
    }};
}

/// What a function's package offers.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// It answers HTTP.
    pub http: Option<Router>,
    /// It takes messages.
    pub queue: Option<QueueHandler>,
    /// It is woken by a schedule.
    pub schedule: Option<ScheduleHandler>,
}

/// By name.
pub type Functions = BTreeMap<String, Code>;

/// Builds every function from its variables, as its `main` does on Lambda.
pub type Connect = fn(&BTreeMap<String, Env>, &Clock) -> Result<Functions, ConfigError>;

/// The code of this repository, each function built from its own variables.
///
/// # Errors
/// [`ConfigError`] with every problem of the first function that has one.
pub fn connect(environments: &BTreeMap<String, Env>, clock: &Clock) -> Result<Functions, ConfigError> {
    let mut platforms = Platforms { clock, made: Vec::new() };
    let mut functions = Functions::new();
    for (name, environment) in environments {
        let platform = platforms.of(environment)?;
        // A name that is missing here is found by the check, like code that is missing in the template.
        if let Some(code) = code(name, platform) {
            functions.insert(name.clone(), code);
        }
    }
    Ok(functions)
}

/// One platform for all functions whose variables are the same: on Lambda each has its own process, here they share clients.
struct Platforms<'a> {
    clock: &'a Clock,
    made: Vec<(&'a Env, Platform)>,
}

impl<'a> Platforms<'a> {
    fn of(&mut self, environment: &'a Env) -> Result<Platform, ConfigError> {
        if let Some((_, platform)) = self.made.iter().find(|(other, _)| other.iter().eq(environment.iter())) {
            return Ok(platform.clone());
        }
        let platform = Platform::connect_at(environment, self.clock.clone())?;
        self.made.push((environment, platform.clone()));
        Ok(platform)
    }
}

fn code(name: &str, platform: Platform) -> Option<Code> {
    let http = |router| Code { http: Some(router), ..Code::default() };
    Some(match name {
        "admin" => http(admin::router(&platform)),
        "auth" => http(auth::router(&platform)),
        "generate" => http(generate::router(&platform)),
        "library" => http(library::router(&platform)),
        "redirect" => http(redirect::router(&platform)),
        "webhook" => http(webhook::router(&platform)),
        "ingest" => Code { queue: Some(queue!(platform, ingest::handle)), ..Code::default() },
        "thumbnailer" => Code { queue: Some(queue!(platform, thumbnailer::handle)), ..Code::default() },
        "worker" => Code {
            queue: Some(queue!(platform, worker::handle)),
            schedule: Some(ScheduleHandler::new(move |_| {
                let platform = platform.clone();
                async move { worker::tick(&platform).await }
            })),
            ..Code::default()
        },
        _ => return None,
    })
}

/// Template and code don't agree.
#[derive(Debug, thiserror::Error)]
#[error("template.yaml and the functions' code don't agree: {}", .0.join("; "))]
pub struct Disagreement(pub Vec<String>);

/// Checks that `functions` is what `template` describes.
///
/// # Errors
/// [`Disagreement`] with everything found.
pub fn check(template: &Template, functions: &Functions) -> Result<(), Disagreement> {
    let described: BTreeSet<&str> = template.functions.keys().map(String::as_str).collect();
    let written: BTreeSet<&str> = functions.keys().map(String::as_str).collect();
    let mut problems = Vec::new();
    for name in described.difference(&written) {
        problems.push(format!("the function {name} has no code"));
    }
    for name in written.difference(&described) {
        problems.push(format!("the code of {name} is not in the template"));
    }
    let (mut http, mut queue, mut schedule) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    http.extend(template.routes.iter().map(|route| route.function.as_str()));
    queue.extend(template.mappings.iter().map(|mapping| mapping.function.as_str()));
    schedule.extend(template.schedules.iter().map(|schedule| schedule.function.as_str()));
    for (name, code) in functions.iter().filter(|(name, _)| described.contains(name.as_str())) {
        let kinds = [
            ("HTTP", code.http.is_some(), http.contains(name.as_str()), "route"),
            ("messages", code.queue.is_some(), queue.contains(name.as_str()), "queue"),
            ("a schedule", code.schedule.is_some(), schedule.contains(name.as_str()), "schedule"),
        ];
        for (what, offered, wanted, source) in kinds {
            match (offered, wanted) {
                (true, false) => problems.push(format!("{name} takes {what}, but no {source} leads to it")),
                (false, true) => problems.push(format!("a {source} leads to {name}, which doesn't take {what}")),
                _ => {}
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Disagreement(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: []}}
  AFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/a/}}
  BFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/b/, Events: {Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}}}
  AIntegration: {Type: AWS::ApiGatewayV2::Integration, Properties: {IntegrationUri: !GetAtt AFunction.Arn}}
  ARoute: {Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: $default, Target: !Sub 'integrations/${AIntegration}'}}
";

    fn http() -> Code {
        Code { http: Some(Router::new()), ..Code::default() }
    }

    fn ticking() -> Code {
        Code { schedule: Some(ScheduleHandler::new(|_| async {})), ..Code::default() }
    }

    fn check(functions: &[(&str, Code)]) -> Vec<String> {
        let template = Template::parse(TEMPLATE).unwrap();
        let functions = functions.iter().map(|(name, code)| ((*name).to_owned(), code.clone())).collect();
        super::check(&template, &functions).err().map(|Disagreement(problems)| problems).unwrap_or_default()
    }

    #[test]
    fn agreement_is_silent_and_every_disagreement_is_named() {
        assert_eq!(check(&[("a", http()), ("b", ticking())]), Vec::<String>::new());
        assert_eq!(check(&[("a", http())]), ["the function b has no code"]);
        assert_eq!(check(&[("a", http()), ("b", ticking()), ("c", http())]), ["the code of c is not in the template"]);
        assert_eq!(
            check(&[("a", ticking()), ("b", ticking())]),
            ["a route leads to a, which doesn't take HTTP", "a takes a schedule, but no schedule leads to it"]
        );
        assert_eq!(check(&[("a", http()), ("b", Code::default())]), ["a schedule leads to b, which doesn't take a schedule"]);
    }
}
