//! Conditional writes without placeholder strings in the callers.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::keys::Key;

/// An item's attributes.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A condition on the item as it is before the write.
#[derive(Clone, Debug)]
pub(crate) enum Cond {
    /// There is no such item.
    NoItem,
    /// There is such an item.
    Exists,
    /// The attribute is not set.
    Absent(&'static str),
    /// The attribute has this value.
    Eq(&'static str, AttributeValue),
    /// The attribute has one of these values.
    OneOf(&'static str, Vec<AttributeValue>),
    /// The attribute is at most this.
    AtMost(&'static str, AttributeValue),
    /// The attribute is less than this.
    Less(&'static str, AttributeValue),
    /// Both.
    And(Box<Cond>, Box<Cond>),
    /// Either.
    Or(Box<Cond>, Box<Cond>),
}

impl Cond {
    pub(crate) fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }
}

enum Kind {
    Put(Item),
    Update(Vec<Clause>),
    Delete,
    Check,
}

enum Clause {
    Set(String, AttributeValue),
    SetOnce(String, AttributeValue),
    Append(String, AttributeValue),
    Add(String, AttributeValue),
    Remove(String),
}

/// One write of a transaction. It can't be built without its condition.
pub(crate) struct Write {
    key: Key,
    kind: Kind,
    condition: Cond,
}

impl Write {
    /// Puts `item` below `key` when `condition` holds.
    pub(crate) fn put(key: Key, item: Item, condition: Cond) -> Self {
        Self { key, kind: Kind::Put(item), condition }
    }

    /// Deletes the item when `condition` holds.
    pub(crate) fn delete(key: Key, condition: Cond) -> Self {
        Self { key, kind: Kind::Delete, condition }
    }

    /// Writes nothing; the transaction fails unless `condition` holds.
    pub(crate) fn check(key: Key, condition: Cond) -> Self {
        Self { key, kind: Kind::Check, condition }
    }

    /// Changes attributes, with the clauses added by the methods below, when `condition` holds.
    pub(crate) fn update(key: Key, condition: Cond) -> Self {
        Self { key, kind: Kind::Update(Vec::new()), condition }
    }

    pub(crate) fn set(self, name: impl Into<String>, value: AttributeValue) -> Self {
        self.clause(Clause::Set(name.into(), value))
    }

    /// Sets the attribute unless it is set already.
    pub(crate) fn set_once(self, name: impl Into<String>, value: AttributeValue) -> Self {
        self.clause(Clause::SetOnce(name.into(), value))
    }

    /// Appends to a list that may not exist yet.
    pub(crate) fn append(self, name: impl Into<String>, list: AttributeValue) -> Self {
        self.clause(Clause::Append(name.into(), list))
    }

    /// Adds to a number that may not exist yet. Not idempotent: the condition or the transaction's token has to be.
    pub(crate) fn add(self, name: impl Into<String>, amount: i64) -> Self {
        self.clause(Clause::Add(name.into(), n(amount)))
    }

    pub(crate) fn remove(self, name: impl Into<String>) -> Self {
        self.clause(Clause::Remove(name.into()))
    }

    fn clause(mut self, clause: Clause) -> Self {
        if let Kind::Update(clauses) = &mut self.kind {
            clauses.push(clause);
        }
        self
    }

    pub(super) fn build(mut self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let mut placeholders = Placeholders::default();
        let condition = placeholders.condition(&self.condition);
        let expression = match &mut self.kind {
            Kind::Update(clauses) => placeholders.update(std::mem::take(clauses)),
            Kind::Put(_) | Kind::Delete | Kind::Check => String::new(),
        };
        let (names, values) = placeholders.into_parts();
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let write = TransactWriteItem::builder();
        Ok(match self.kind {
            Kind::Put(mut item) => {
                item.extend(self.key.item());
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                write.put(put.build()?).build()
            }
            Kind::Delete => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                write.delete(delete.build()?).build()
            }
            Kind::Check => {
                let check = ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                write.condition_check(check.build()?).build()
            }
            Kind::Update(_) => {
                let update = Update::builder()
                    .table_name(table)
                    .set_key(Some(self.key.item()))
                    .update_expression(expression)
                    .condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                write.update(update.build()?).build()
            }
        })
    }
}

/// A text attribute.
pub(crate) fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number attribute.
pub(crate) fn n(number: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

#[derive(Default)]
struct Placeholders {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Placeholders {
    fn name(&mut self, attribute: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == attribute) {
            return placeholder.clone();
        }
        let placeholder = format!("#a{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// DynamoDB refuses empty maps.
    fn into_parts(self) -> (Option<HashMap<String, String>>, Option<Item>) {
        ((!self.names.is_empty()).then_some(self.names), (!self.values.is_empty()).then_some(self.values))
    }

    fn condition(&mut self, condition: &Cond) -> String {
        match condition {
            Cond::NoItem => format!("attribute_not_exists({})", self.name("pk")),
            Cond::Exists => format!("attribute_exists({})", self.name("pk")),
            Cond::Absent(attribute) => format!("attribute_not_exists({})", self.name(attribute)),
            Cond::Eq(attribute, value) => format!("{} = {}", self.name(attribute), self.value(value.clone())),
            Cond::AtMost(attribute, value) => format!("{} <= {}", self.name(attribute), self.value(value.clone())),
            Cond::Less(attribute, value) => format!("{} < {}", self.name(attribute), self.value(value.clone())),
            Cond::OneOf(attribute, values) => {
                let name = self.name(attribute);
                let values: Vec<String> = values.iter().map(|value| self.value(value.clone())).collect();
                format!("{name} IN ({})", values.join(", "))
            }
            Cond::And(left, right) => format!("({} AND {})", self.condition(left), self.condition(right)),
            Cond::Or(left, right) => format!("({} OR {})", self.condition(left), self.condition(right)),
        }
    }

    fn update(&mut self, clauses: Vec<Clause>) -> String {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for clause in clauses {
            match clause {
                Clause::Set(attribute, value) => set.push(format!("{} = {}", self.name(&attribute), self.value(value))),
                Clause::SetOnce(attribute, value) => {
                    let name = self.name(&attribute);
                    set.push(format!("{name} = if_not_exists({name}, {})", self.value(value)));
                }
                Clause::Append(attribute, list) => {
                    let name = self.name(&attribute);
                    let (empty, list) = (self.value(AttributeValue::L(Vec::new())), self.value(list));
                    set.push(format!("{name} = list_append(if_not_exists({name}, {empty}), {list})"));
                }
                Clause::Add(attribute, amount) => add.push(format!("{} {}", self.name(&attribute), self.value(amount))),
                Clause::Remove(attribute) => remove.push(self.name(&attribute)),
            }
        }
        [("SET", set), ("ADD", add), ("REMOVE", remove)]
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect::<Vec<_>>()
            .join(" ")
    }
}
