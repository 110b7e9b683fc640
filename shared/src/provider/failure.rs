//! What went wrong at the provider, in three shapes of answer, said once for people and once for programs.
//!
//! Programs branch on the provider's type, never on its words. Its words are shown only where they explain what to change, and
//! without what may repeat the request (`input`) or an address.

use std::fmt;

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::field_of;
use crate::domain::generation::Reason;
use crate::domain::model::Model;

#[cfg(test)]
mod tests;

/// Characters of the provider's words that are kept.
const MAX_WORDS: usize = 300;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The provider's rules forbid the prompt, an input or the output.
    ContentPolicy,
    /// The provider doesn't take these values.
    InvalidInput,
    /// The provider couldn't read an input.
    UnreadableInput,
    /// It went well, but there is nothing.
    NoOutput,
    /// It went well, in a form that can't be kept.
    Unusable,
    /// Not started or not finished in the provider's time.
    Timeout,
    /// Stopped on our wish.
    Cancelled,
    /// Too much at once.
    ProviderBusy,
    /// Something broke there.
    ProviderError,
    /// Our account is locked, mostly for want of credit.
    AccountLocked,
    /// Our key isn't accepted.
    AccountRefused,
}

impl FailureCode {
    /// The spelling in records and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContentPolicy => "content-policy",
            Self::InvalidInput => "invalid-input",
            Self::UnreadableInput => "unreadable-input",
            Self::NoOutput => "no-output",
            Self::Unusable => "unusable-result",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::ProviderBusy => "provider-busy",
            Self::ProviderError => "provider-error",
            Self::AccountLocked => "account-locked",
            Self::AccountRefused => "account-refused",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::ContentPolicy => "The provider's content rules don't allow this. Change the prompt or the images.",
            Self::InvalidInput => "The model doesn't take these settings.",
            Self::UnreadableInput => "The model couldn't read one of the images.",
            Self::NoOutput => "The model answered without a picture. Another wording may help.",
            Self::Unusable => "What the model answered can't be used. That is not your doing.",
            Self::Timeout => "The model took too long. That is not your doing; try again later.",
            Self::Cancelled => "Cancelled.",
            Self::ProviderBusy => "The provider is busy. That is not your doing; try again later.",
            Self::ProviderError => "The provider had a problem. That is not your doing; try again later.",
            Self::AccountLocked | Self::AccountRefused => {
                "The provider can't be used at the moment. That is not your doing: an administrator has to look at it."
            }
        }
    }

    const fn whose(self) -> Whose {
        match self {
            Self::ContentPolicy | Self::InvalidInput | Self::UnreadableInput | Self::NoOutput | Self::Cancelled => Whose::User,
            Self::Unusable | Self::Timeout | Self::ProviderBusy | Self::ProviderError => Whose::Provider,
            Self::AccountLocked | Self::AccountRefused => Whose::Operator,
        }
    }
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Who asked, by asking differently.
    User,
    /// Nobody here.
    Provider,
    /// Who runs this, with the account.
    Operator,
}

/// Why nothing was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people.
    pub message: String,
    /// Who can do something about it.
    pub whose: Whose,
    /// The same request may succeed another time. The provider's queue has tried more than once before saying so.
    pub retryable: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())
    }
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code.name().to_owned(), message: failure.message.clone() }
    }
}

impl Failure {
    /// A failure in our own words.
    pub fn new(code: FailureCode) -> Self {
        let retryable = matches!(code, FailureCode::Timeout | FailureCode::ProviderBusy | FailureCode::ProviderError);
        Self { code, message: code.message().to_owned(), whose: code.whose(), retryable }
    }

    /// The failure that an answer of the provider stands for.
    ///
    /// Three shapes: a list of complaints (`detail: [...]`, from the model), a flat one (`detail` and `error_type`, from the
    /// platform), and anything else (a bare text, a page of an ingress), for which only the status speaks.
    pub fn from_answer(status: StatusCode, headers: &HeaderMap, body: &Value, model: Option<&Model>) -> Self {
        let complaints = body.get("detail").and_then(Value::as_array);
        let first = complaints.and_then(|list| list.iter().find(|entry| entry.is_object()));
        let kind = first
            .and_then(|entry| entry.get("type"))
            .or_else(|| body.get("error_type"))
            .and_then(Value::as_str)
            .or_else(|| headers.get("x-fal-error-type").and_then(|value| value.to_str().ok()))
            .unwrap_or_default();
        let code = Self::code_of(status, kind, body);
        let mut failure = Self::new(code);
        if let Some(retry) = retry_header(headers) {
            failure.retryable = retry && failure.whose == Whose::Provider;
        }
        if let (FailureCode::InvalidInput | FailureCode::UnreadableInput, Some(entry)) = (code, first)
            && let Some(message) = explanation(entry, model)
        {
            failure.message = message;
        }
        failure
    }

    fn code_of(status: StatusCode, kind: &str, body: &Value) -> FailureCode {
        use FailureCode as C;
        match kind {
            "client_cancelled" | "client_disconnected" => return C::Cancelled,
            "content_policy_violation" => return C::ContentPolicy,
            "no_media_generated" => return C::NoOutput,
            "request_timeout" | "startup_timeout" | "generation_timeout" => return C::Timeout,
            "concurrent_requests_limit" => return C::ProviderBusy,
            "image_load_error"
            | "file_download_error"
            | "face_detection_error"
            | "image_too_small"
            | "image_too_large"
            | "file_too_large"
            | "unsupported_image_format"
            | "unsupported_video_format"
            | "unsupported_audio_format" => return C::UnreadableInput,
            "internal_server_error" | "internal_error" | "downstream_service_error" | "downstream_service_unavailable" => {
                return C::ProviderError;
            }
            kind if kind.starts_with("runner_") => return C::ProviderError,
            _ => {}
        }
        let said = body.get("detail").and_then(Value::as_str).unwrap_or_default();
        match status.as_u16() {
            499 => C::Cancelled,
            401 => C::AccountRefused,
            402 => C::AccountLocked,
            403 if said.contains("locked") || said.contains("balance") => C::AccountLocked,
            403 => C::AccountRefused,
            408 | 504 => C::Timeout,
            429 => C::ProviderBusy,
            // A bare 400 says nothing about what the user did.
            400 | 413 | 415 | 422 if body.get("detail").is_some() => C::InvalidInput,
            _ => C::ProviderError,
        }
    }
}

/// The header has had two names and four spellings of its values.
fn retry_header(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get("x-fal-needs-retry").or_else(|| headers.get("x-fal-retryable"))?.to_str().ok()?;
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// One complaint in our names: what to change, and why in the provider's words.
fn explanation(entry: &Value, model: Option<&Model>) -> Option<String> {
    let words = entry.get("msg")?.as_str()?.trim();
    // An address in the words would be one of ours, with its signature.
    if words.is_empty() || words.contains("://") {
        return None;
    }
    let words: String = words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    let property =
        entry.get("loc").and_then(Value::as_array).and_then(|path| path.iter().filter_map(Value::as_str).find(|part| *part != "body"));
    let label = property.zip(model).and_then(|(property, model)| {
        let field = field_of(model, property)?;
        let (group, name) = field.split_once('.')?;
        Some(match group {
            "parameters" => model.parameter(name).map_or_else(|| name.to_owned(), |parameter| parameter.label.clone()),
            _ => name.replace('_', " "),
        })
    });
    Some(match label {
        Some(label) => format!("The model refused the field \"{label}\": {words}"),
        None => format!("The model refused the request: {words}"),
    })
}
