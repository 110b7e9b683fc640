//! What is wrong with a request, field by field, all of it at once.

use std::borrow::Cow;

use serde::Serialize;

/// One problem with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's path in the request, such as `inputs.prompt`.
    pub field: String,
    /// A stable kebab-case code for programs.
    pub code: &'static str,
    /// A sentence for people. Never repeats what was sent.
    pub message: String,
}

/// Every problem found; empty while all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// Adds a problem.
    pub fn push(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { field: field.into(), code, message: message.into().into_owned() });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` when nothing is wrong.
    ///
    /// # Errors
    /// The problems themselves.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}
