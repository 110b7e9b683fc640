//! Errors in the provider's two shapes: a list from the model, or one line from the platform.

use serde_json::{Map, Value, json};

/// A failed run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// Raised by the model: an HTTP status and one entry for each problem.
    Model { status: u16, details: Vec<Detail> },
    /// Raised by the platform around it.
    Request { status: u16, error_type: &'static str, detail: &'static str },
}

/// One entry of a model's error list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    loc: Vec<Value>,
    msg: String,
    kind: &'static str,
    ctx: Option<Value>,
    input: Option<Value>,
}

impl Detail {
    /// A problem of the kind `kind` with the input at `path` (below the body).
    pub(super) fn new(path: &[Value], kind: &'static str, msg: impl Into<String>) -> Self {
        let loc = std::iter::once(json!("body")).chain(path.iter().cloned()).collect();
        Self { loc, msg: msg.into(), kind, ctx: None, input: None }
    }

    /// With the numbers that explain it.
    pub(super) fn ctx(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }

    /// With the value that was refused.
    pub(super) fn input(mut self, input: &Value) -> Self {
        self.input = Some(input.clone());
        self
    }

    fn to_json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("loc".to_owned(), Value::Array(self.loc.clone()));
        entry.insert("msg".to_owned(), json!(self.msg));
        entry.insert("type".to_owned(), json!(self.kind));
        entry.insert("url".to_owned(), json!(format!("https://docs.fal.ai/errors#{}", self.kind)));
        for (name, value) in [("ctx", &self.ctx), ("input", &self.input)] {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(entry)
    }
}

impl Fault {
    /// A 422 with one entry.
    pub(super) fn invalid(detail: Detail) -> Self {
        Self::Model { status: 422, details: vec![detail] }
    }

    /// The model broke.
    pub(super) fn internal() -> Self {
        Self::Model { status: 500, details: vec![Detail::new(&[], "internal_server_error", "Internal server error")] }
    }

    /// The caller ended it.
    pub(super) fn cancelled() -> Self {
        Self::Request { status: 499, error_type: "client_cancelled", detail: "Request cancelled by the client." }
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Model { status, .. } | Self::Request { status, .. } => *status,
        }
    }

    /// The answer's body.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Model { details, .. } => {
                json!({ "detail": details.iter().map(Detail::to_json).collect::<Vec<_>>() })
            }
            Self::Request { error_type, detail, .. } => json!({ "detail": detail, "error_type": error_type }),
        }
    }

    /// What the status object says too: only the platform's own errors.
    pub(super) fn platform(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Model { .. } => None,
            Self::Request { error_type, detail, .. } => Some((detail, error_type)),
        }
    }
}
