//! The distribution: which paths go where, and which headers their answers carry.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_norway::Value;

use super::value::{Resolver, intrinsic_reference};
use super::{TemplateError, path, text};

/// What answers a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built web app.
    Site,
    /// The media bucket, behind signed cookies or addresses.
    Media,
    /// The HTTP API.
    Api,
}

/// A header of a response headers policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
    /// Whether it replaces what the origin said.
    pub overrides: bool,
}

/// One cache behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pattern: String,
    /// What answers.
    pub origin: Origin,
    /// What is added to the answer.
    pub headers: Vec<HeaderRule>,
}

impl Behaviour {
    /// Whether this behaviour is for `path`. As on CloudFront, `*` stands for any characters.
    pub fn takes(&self, path: &str) -> bool {
        match self.pattern.split_once('*') {
            None => self.pattern == path,
            Some((start, end)) => path.len() >= start.len() + end.len() && path.starts_with(start) && path.ends_with(end),
        }
    }

    /// The behaviour that takes `path`. The last one takes every path, so there is always one.
    pub fn choose<'b>(behaviours: &'b [Self], path: &str) -> Option<&'b Self> {
        behaviours.iter().find(|behaviour| behaviour.takes(path))
    }
}

pub(super) fn read(document: &Value, resolver: &Resolver<'_>) -> Result<Vec<Behaviour>, TemplateError> {
    let resources = document.get("Resources").and_then(Value::as_mapping).map(|all| all.values()).into_iter().flatten();
    let config = resources
        .filter(|resource| text(resource, "Type") == Some("AWS::CloudFront::Distribution"))
        .find_map(|resource| path(resource, &["Properties", "DistributionConfig"]))
        .ok_or_else(|| TemplateError::Shape("there is no distribution".to_owned()))?;
    let named = config.get("CacheBehaviors").and_then(Value::as_sequence).into_iter().flatten();
    let mut behaviours = Vec::new();
    for behaviour in named.chain(config.get("DefaultCacheBehavior")) {
        let pattern = text(behaviour, "PathPattern").unwrap_or("*");
        if pattern.matches('*').count() > 1 || pattern.contains('?') {
            return Err(TemplateError::Shape(format!("the path pattern {pattern:?} is not understood")));
        }
        let origin = match text(behaviour, "TargetOriginId") {
            Some("site") => Origin::Site,
            Some("media") => Origin::Media,
            Some("api") => Origin::Api,
            other => {
                return Err(TemplateError::Shape(format!("{pattern} goes to the unknown origin {other:?}")));
            }
        };
        let guarded = behaviour.get("TrustedKeyGroups").is_some();
        if guarded != (origin == Origin::Media) {
            return Err(TemplateError::Shape(format!("{pattern}: media, and nothing else, need a trusted key group")));
        }
        let policy = behaviour
            .get("ResponseHeadersPolicyId")
            .and_then(intrinsic_reference)
            .and_then(|id| path(document, &["Resources", id, "Properties", "ResponseHeadersPolicyConfig"]))
            .ok_or_else(|| TemplateError::Shape(format!("{pattern} has no response headers policy")))?;
        behaviours.push(Behaviour { pattern: pattern.to_owned(), origin, headers: header_rules(policy, resolver)? });
    }
    Ok(behaviours)
}

fn header_rules(policy: &Value, resolver: &Resolver<'_>) -> Result<Vec<HeaderRule>, TemplateError> {
    let mut rules: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let security = policy.get("SecurityHeadersConfig").and_then(Value::as_mapping).into_iter().flatten();
    for (name, config) in security {
        let name = name.as_str().unwrap_or_default();
        let value = |key: &str| -> Result<String, TemplateError> {
            let value = config.get(key).ok_or_else(|| TemplateError::Shape(format!("{name} has no {key}")))?;
            Ok(resolver.text(value)?.unwrap_or_default())
        };
        let (header, value) = match name {
            "ContentSecurityPolicy" => ("content-security-policy", value("ContentSecurityPolicy")?),
            "ContentTypeOptions" => ("x-content-type-options", "nosniff".to_owned()),
            "FrameOptions" => ("x-frame-options", value("FrameOption")?),
            "ReferrerPolicy" => ("referrer-policy", value("ReferrerPolicy")?),
            "StrictTransportSecurity" => {
                let subdomains = config.get("IncludeSubdomains").and_then(Value::as_bool).unwrap_or_default();
                let age = value("AccessControlMaxAgeSec")?;
                let suffix = if subdomains { "; includeSubDomains" } else { "" };
                ("strict-transport-security", format!("max-age={age}{suffix}"))
            }
            other => {
                return Err(TemplateError::Shape(format!("the security header {other} is not known here")));
            }
        };
        rules.insert(header.to_owned(), (value, overrides(config)));
    }
    let custom = path(policy, &["CustomHeadersConfig", "Items"]).and_then(Value::as_sequence).into_iter().flatten();
    for item in custom {
        let header = text(item, "Header").ok_or_else(|| TemplateError::Shape("a custom header has no name".to_owned()))?;
        let value = item.get("Value").map(|value| resolver.text(value)).transpose()?.flatten().unwrap_or_default();
        rules.insert(header.to_ascii_lowercase(), (value, overrides(item)));
    }
    rules
        .into_iter()
        .map(|(name, (value, overrides))| {
            let wrong = |_| TemplateError::Shape(format!("{name} has no valid value"));
            Ok(HeaderRule {
                value: HeaderValue::try_from(value).map_err(|_| TemplateError::Shape(format!("{name} has no valid value")))?,
                name: HeaderName::try_from(&name).map_err(wrong)?,
                overrides,
            })
        })
        .collect()
}

fn overrides(value: &Value) -> bool {
    value.get("Override").and_then(Value::as_bool).unwrap_or_default()
}
