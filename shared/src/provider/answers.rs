//! What a finished request made, found in whatever shape the model chose to say it.
//!
//! Only the address of a medium is certain; everything else is a hint that the decoded bytes overrule.

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, FailureCode, Verdict};
use crate::domain::model::Model;

#[cfg(test)]
mod tests;

/// Media of one request; no model makes more than four, and a list without end is no answer.
const MAX_MEDIA: usize = 32;

/// What a request made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// In the provider's order; an error for each output that was withheld.
    pub media: Vec<Result<ProviderMedia, Failure>>,
    /// The seed it used: up to 64 bits, more than a float holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many billing units it took, when the provider says so; never in a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billable_units: Option<f64>,
}

/// A medium at the provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderMedia {
    /// Where it is, for a while. Not to be shown to anybody.
    pub url: String,
    /// What the provider says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Pixels, as the provider says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, as the provider says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Of a video, as the provider says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// A callback's body, read as far as it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The request it speaks of.
    pub request_id: String,
    /// Another name of it after the provider's own retry.
    pub gateway_request_id: Option<String>,
    /// How it ended; absent when the provider couldn't put the result into the callback, and it must be asked for.
    pub verdict: Option<Verdict>,
}

/// The body is no callback.
#[derive(Debug, thiserror::Error)]
#[error("not a callback's body: {0}")]
pub struct NotANotice(&'static str);

/// How a request ended, by the answer to asking for its result.
pub fn verdict(status: StatusCode, headers: &HeaderMap, body: &[u8], model: Option<&Model>) -> Verdict {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status == StatusCode::ACCEPTED {
        return Verdict::NotYet;
    }
    if status.is_success() {
        let mut output = output(&json);
        output.billable_units = headers
            .get("x-fal-billable-units")
            .and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok())
            .filter(|units| units.is_finite() && *units >= 0.0);
        return judge(output);
    }
    let early =
        status == StatusCode::BAD_REQUEST && json.get("detail").and_then(Value::as_str).is_some_and(|text| text.contains("in progress"));
    if early {
        return Verdict::NotYet;
    }
    Verdict::Failed(Failure::from_answer(status, headers, &json, model))
}

/// How a request ended, by its stored output (a bare JSON text of the model).
pub fn verdict_of_payload(payload: &Value) -> Verdict {
    judge(output(payload))
}

/// A callback.
///
/// # Errors
/// [`NotANotice`] for a body that isn't one; what is inside it may still be a failure.
pub fn notice(body: &[u8], model: Option<&Model>) -> Result<Notice, NotANotice> {
    let json: Value = serde_json::from_slice(body).map_err(|_| NotANotice("no JSON"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let request_id = text("request_id").filter(|id| !id.is_empty()).ok_or(NotANotice("no request_id"))?;
    let payload = json.get("payload").unwrap_or(&Value::Null);
    let verdict = match json.get("status").and_then(Value::as_str) {
        Some("OK") if json.get("payload_error").is_some_and(|error| !error.is_null()) || payload.is_null() => None,
        Some("OK") => Some(verdict_of_payload(payload)),
        Some("ERROR") => {
            // The status stands in a sentence: "Invalid status code: 422".
            let words = text("error").unwrap_or_default();
            let status = words.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|code| code.parse::<u16>().ok());
            let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = if payload.is_object() { payload } else { &json };
            Some(Verdict::Failed(Failure::from_answer(status, &HeaderMap::new(), body, model)))
        }
        _ => return Err(NotANotice("no status")),
    };
    Ok(Notice { request_id, gateway_request_id: text("gateway_request_id"), verdict })
}

/// Nothing at all is a failure, and so is everything withheld.
fn judge(output: Output) -> Verdict {
    match output.media.iter().find_map(|medium| medium.as_ref().err()) {
        _ if output.media.is_empty() => Verdict::Failed(Failure::new(FailureCode::NoOutput)),
        Some(failure) if output.media.iter().all(Result::is_err) => Verdict::Failed(failure.clone()),
        _ => Verdict::Output(output),
    }
}

/// Everything that looks like a medium, under every name and form in which models say it.
fn output(json: &Value) -> Output {
    let found = ["images", "image", "video", "videos", "video_url"]
        .into_iter()
        .filter_map(|name| json.get(name))
        .map(media)
        .find(|media| !media.is_empty())
        .unwrap_or_default();
    let flags = json.get("has_nsfw_concepts").and_then(Value::as_array);
    let withheld = |index: usize| flags.is_some_and(|flags| flags.get(index).and_then(Value::as_bool) == Some(true));
    Output {
        // A withheld image arrives as a black one, with a flag beside it.
        media: found
            .into_iter()
            .enumerate()
            .map(|(index, medium)| if withheld(index) { Err(Failure::new(FailureCode::ContentPolicy)) } else { Ok(medium) })
            .collect(),
        seed: json.get("seed").and_then(|seed| seed.as_u64().or_else(|| seed.as_i64().map(i64::cast_unsigned))),
        billable_units: None,
    }
}

fn media(value: &Value) -> Vec<ProviderMedia> {
    match value {
        Value::Array(values) => values.iter().take(MAX_MEDIA).filter_map(medium).collect(),
        value => medium(value).into_iter().collect(),
    }
}

fn medium(value: &Value) -> Option<ProviderMedia> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let url = value.as_str().or_else(|| text("url")).filter(|url| !url.is_empty())?;
    let pixels =
        |name: &str| value.get(name).and_then(Value::as_u64).and_then(|pixels| u32::try_from(pixels).ok()).filter(|pixels| *pixels > 0);
    let seconds = value.get("duration").and_then(Value::as_f64).filter(|seconds| (0.0..86_400.0).contains(seconds));
    Some(ProviderMedia {
        url: url.to_owned(),
        content_type: text("content_type").map(str::to_owned),
        width: pixels("width"),
        height: pixels("height"),
        duration_ms: seconds.map(|seconds| (seconds * 1000.0).round() as u64),
    })
}
