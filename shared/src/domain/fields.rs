//! What is wrong with a request, field by field: collected, so that people hear everything at once.

use serde::Serialize;

/// How many complaints one answer carries; a body with more of them isn't being filled in by a person.
const MOST: usize = 50;

/// One complaint about one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The field's path, `inputs.prompt` or `ids[3]`.
    pub field: String,
    /// Stable, in kebab case: `required`, `too-long`, `unknown`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Collects [`FieldError`]s; an empty one means that all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Nothing wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// A single complaint.
    pub fn one(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        let mut errors = Self::new();
        errors.add(field, code, message);
        errors
    }

    /// Adds a complaint; those beyond the fiftieth are dropped.
    pub fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push(FieldError { field: field.into(), code, message: message.into() });
        }
    }

    /// Adds what `inner` found, its paths put below `prefix`.
    pub fn add_below(&mut self, prefix: &str, inner: Self) {
        for error in inner.0 {
            self.add(format!("{prefix}.{}", error.field), error.code, error.message);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found, in the order in which it was.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// `Ok(value)` when nothing was found.
    ///
    /// # Errors
    /// Everything that was.
    pub fn finish<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The complaints as a list.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}
