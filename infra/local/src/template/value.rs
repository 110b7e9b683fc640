//! CloudFormation's intrinsic functions, evaluated against local values.
//!
//! Both spellings are understood (`!Ref x` and `{Ref: x}`). What this evaluator doesn't know is an error, never an empty text:
//! a template that the local edition reads wrongly must not start.

use std::collections::BTreeMap;

use serde_norway::{Mapping, Value};

use super::TemplateError;

/// How deep conditions and substitutions may nest; deeper is a cycle.
const MAX_DEPTH: u32 = 32;

/// What stands in for what a deployment would know: parameters, and the answers of resources to `Ref` and `GetAtt`.
#[derive(Clone, Debug, Default)]
pub struct LocalValues {
    /// By parameter name; they replace the template's defaults.
    pub parameters: BTreeMap<String, String>,
    /// By logical id (`Ref`) or `Id.Attribute` (`GetAtt`).
    pub resources: BTreeMap<String, String>,
}

/// Evaluates values of one template.
pub(super) struct Resolver<'a> {
    template: &'a Value,
    values: &'a LocalValues,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Value, values: &'a LocalValues) -> Self {
        Self { template, values }
    }

    /// The text that `value` stands for; `None` is `AWS::NoValue`.
    pub(super) fn text(&self, value: &Value) -> Result<Option<String>, TemplateError> {
        let evaluated = self.evaluate(value, 0)?;
        match evaluated {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            other => Err(TemplateError::Shape(format!("a text was expected, found {}", describe(&other)))),
        }
    }

    fn evaluate(&self, value: &Value, depth: u32) -> Result<Value, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::Shape("functions nest too deeply".to_owned()));
        }
        let Some((name, argument)) = intrinsic(value) else {
            return Ok(value.clone());
        };
        let deeper = depth + 1;
        match name {
            "Ref" => {
                let id = literal(argument, "Ref")?;
                if id == "AWS::NoValue" { Ok(Value::Null) } else { self.reference(id).map(Value::String) }
            }
            "GetAtt" => {
                let name = match argument {
                    Value::String(dotted) => dotted.clone(),
                    Value::Sequence(parts) => parts.iter().map(|part| literal(part, "GetAtt")).collect::<Result<Vec<_>, _>>()?.join("."),
                    other => {
                        return Err(TemplateError::Shape(format!("GetAtt of {}", describe(other))));
                    }
                };
                self.reference(&name).map(Value::String)
            }
            "Sub" => self.substitute(argument, deeper).map(Value::String),
            "If" => {
                let [condition, yes, no] = list::<3>(argument, "If")?;
                let chosen = if self.named_condition(literal(condition, "If")?, deeper)? { yes } else { no };
                self.evaluate(chosen, deeper)
            }
            "Join" => {
                let [separator, parts] = list::<2>(argument, "Join")?;
                let parts = self.texts(parts, deeper)?;
                Ok(Value::String(parts.join(literal(separator, "Join")?)))
            }
            "Select" => {
                let [index, parts] = list::<2>(argument, "Select")?;
                let index = index.as_u64().and_then(|n| usize::try_from(n).ok());
                let parts = self.texts(parts, deeper)?;
                index
                    .and_then(|index| parts.get(index).cloned())
                    .map(Value::String)
                    .ok_or_else(|| TemplateError::Shape("Select points outside its list".to_owned()))
            }
            "Split" => {
                let [separator, text] = list::<2>(argument, "Split")?;
                let separator = literal(separator, "Split")?;
                let text = self.text(text)?.unwrap_or_default();
                Ok(Value::Sequence(text.split(separator).map(|part| Value::String(part.to_owned())).collect()))
            }
            other => Err(TemplateError::Shape(format!("the function {other} is not known here"))),
        }
    }

    fn texts(&self, value: &Value, depth: u32) -> Result<Vec<String>, TemplateError> {
        match self.evaluate(value, depth)? {
            Value::Sequence(parts) => parts.iter().map(|part| Ok(self.text(part)?.unwrap_or_default())).collect(),
            other => Err(TemplateError::Shape(format!("a list was expected, found {}", describe(&other)))),
        }
    }

    fn substitute(&self, argument: &Value, depth: u32) -> Result<String, TemplateError> {
        let (text, own) = match argument {
            Value::String(text) => (text.as_str(), None),
            Value::Sequence(_) => {
                let [text, own] = list::<2>(argument, "Sub")?;
                (literal(text, "Sub")?, own.as_mapping())
            }
            other => return Err(TemplateError::Shape(format!("Sub of {}", describe(other)))),
        };
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, after) = (&rest[..start], &rest[start + 2..]);
            result.push_str(before);
            let end = after.find('}').ok_or_else(|| TemplateError::Shape(format!("Sub without a closing brace in {text:?}")))?;
            let name = &after[..end];
            if let Some(escaped) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(escaped);
                result.push('}');
            } else if let Some(value) = own.and_then(|own| own.get(name)) {
                let evaluated = self.evaluate(value, depth)?;
                result.push_str(&self.text(&evaluated)?.unwrap_or_default());
            } else {
                result.push_str(&self.reference(name)?);
            }
            rest = &after[end + 1..];
        }
        result.push_str(rest);
        Ok(result)
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.values.parameters.get(name).or_else(|| self.values.resources.get(name)) {
            return Ok(value.clone());
        }
        let default = self.template.get("Parameters").and_then(|all| all.get(name)).and_then(|one| one.get("Default"));
        match default {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(flag)) => Ok(flag.to_string()),
            _ => Err(TemplateError::Unknown(name.to_owned())),
        }
    }

    fn named_condition(&self, name: &str, depth: u32) -> Result<bool, TemplateError> {
        let condition = self
            .template
            .get("Conditions")
            .and_then(|all| all.get(name))
            .ok_or_else(|| TemplateError::Unknown(format!("condition {name}")))?;
        self.condition(condition, depth)
    }

    fn condition(&self, value: &Value, depth: u32) -> Result<bool, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::Shape("conditions nest too deeply".to_owned()));
        }
        let Some((name, argument)) = intrinsic(value) else {
            return Err(TemplateError::Shape(format!("{} is not a condition", describe(value))));
        };
        let deeper = depth + 1;
        let parts = || argument.as_sequence().map(Vec::as_slice).unwrap_or_default().iter();
        match name {
            "Equals" => {
                let [left, right] = list::<2>(argument, "Equals")?;
                Ok(self.text(left)? == self.text(right)?)
            }
            "Not" => Ok(!self.condition(list::<1>(argument, "Not")?[0], deeper)?),
            "And" => parts().try_fold(true, |all, part| Ok(all && self.condition(part, deeper)?)),
            "Or" => parts().try_fold(false, |any, part| Ok(any || self.condition(part, deeper)?)),
            "Condition" => self.named_condition(literal(argument, "Condition")?, deeper),
            other => Err(TemplateError::Shape(format!("the condition function {other} is not known here"))),
        }
    }
}

/// The function and its argument, when `value` is one; long names lose their `Fn::`.
pub(super) fn intrinsic(value: &Value) -> Option<(&str, &Value)> {
    match value {
        Value::Tagged(tagged) => {
            let name = match &tagged.tag {
                tag if *tag == "Ref" => "Ref",
                tag if *tag == "GetAtt" => "GetAtt",
                tag if *tag == "Sub" => "Sub",
                tag if *tag == "If" => "If",
                tag if *tag == "Join" => "Join",
                tag if *tag == "Select" => "Select",
                tag if *tag == "Split" => "Split",
                tag if *tag == "Equals" => "Equals",
                tag if *tag == "Not" => "Not",
                tag if *tag == "And" => "And",
                tag if *tag == "Or" => "Or",
                tag if *tag == "Condition" => "Condition",
                _ => "of an unknown tag",
            };
            Some((name, &tagged.value))
        }
        Value::Mapping(mapping) => long_form(mapping),
        _ => None,
    }
}

fn long_form(mapping: &Mapping) -> Option<(&str, &Value)> {
    let (Some((Value::String(name), argument)), 1) = (mapping.iter().next(), mapping.len()) else {
        return None;
    };
    match name.as_str() {
        "Ref" | "Condition" => Some((name, argument)),
        long => long.strip_prefix("Fn::").map(|name| (name, argument)),
    }
}

fn literal<'v>(value: &'v Value, function: &str) -> Result<&'v str, TemplateError> {
    value.as_str().ok_or_else(|| TemplateError::Shape(format!("{function} needs a text, found {}", describe(value))))
}

fn list<'v, const N: usize>(value: &'v Value, function: &str) -> Result<[&'v Value; N], TemplateError> {
    let parts: Vec<&Value> = value.as_sequence().map(|parts| parts.iter().collect()).unwrap_or_default();
    parts.try_into().map_err(|_| TemplateError::Shape(format!("{function} needs {N} arguments")))
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a function",
    }
}

/// The logical id that a `Ref` or `GetAtt` names, without evaluating it.
pub(super) fn intrinsic_reference(value: &Value) -> Option<&str> {
    let (name, argument) = intrinsic(value)?;
    match (name, argument) {
        ("Ref", Value::String(id)) => Some(id),
        ("GetAtt", Value::String(dotted)) => Some(dotted.split_once('.').map_or(dotted, |(id, _)| id)),
        ("GetAtt", Value::Sequence(parts)) => parts.first()?.as_str(),
        _ => None,
    }
}
