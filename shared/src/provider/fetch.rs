//! Results, streamed from where the provider keeps them.
//!
//! No key is sent, no redirect followed; every wait and every size has a bound. See [`crate::outbound`] for where this may reach.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

pub use crate::outbound::Patience;
pub(super) use crate::outbound::describe;
use crate::outbound::{Guard, Origins, Refusal};

#[cfg(test)]
mod tests;

/// Why there are no (more) bytes.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// We don't fetch from there; it isn't tried.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// It isn't there (any more), or isn't a medium.
    #[error("the provider answered {0}")]
    Gone(u16),
    /// More than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// No connection, a break, a time-out, or a fault over there: another try may do.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

impl FetchError {
    /// Another try may succeed.
    pub const fn retryable(&self) -> bool {
        matches!(self, Self::Interrupted(_))
    }
}

/// A medium on its way.
pub struct MediaStream {
    /// What the server says it is: a hint.
    pub content_type: Option<String>,
    /// How long the server says it is.
    pub length: Option<u64>,
    /// The bytes; ends in an error rather than exceed the limit.
    pub body: BoxStream<'static, Result<Bytes, FetchError>>,
}

impl std::fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaStream").field("content_type", &self.content_type).field("length", &self.length).finish_non_exhaustive()
    }
}

impl MediaStream {
    /// Bytes that are here already.
    pub fn from_bytes(content_type: Option<String>, bytes: Bytes) -> Self {
        let length = Some(bytes.len() as u64);
        Self { content_type, length, body: stream::once(async move { Ok(bytes) }).boxed() }
    }
}

/// Fetches from the allowed origins.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    guard: Guard,
}

impl Fetcher {
    /// For `origins` as in [`Origins::new`].
    ///
    /// # Errors
    /// When no TLS client can be built.
    pub fn new(origins: &[String], patience: Patience) -> Result<Self, FetchError> {
        Self::behind(Guard::new(Origins::new(origins)), patience)
    }

    fn behind(guard: Guard, patience: Patience) -> Result<Self, FetchError> {
        let client = guard.client(patience).map_err(|e| FetchError::Interrupted(describe(&e)))?;
        Ok(Self { client, guard })
    }

    /// Opens `url`, of at most `limit` bytes. A `data:` address is decoded on the spot.
    ///
    /// # Errors
    /// [`FetchError`]; later ones come in the stream.
    pub async fn open(&self, url: &str, limit: u64) -> Result<MediaStream, FetchError> {
        if let Some(inline) = url.strip_prefix("data:") {
            return decode_inline(inline, limit);
        }
        let url = self.guard.check(url)?;
        let answer = self.client.get(url).send().await.map_err(interrupted)?;
        let status = answer.status();
        if status != reqwest::StatusCode::OK {
            return Err(match status.as_u16() {
                code if status.is_server_error() || code == 429 || code == 408 => FetchError::Interrupted(format!("status {code}")),
                code => FetchError::Gone(code),
            });
        }
        let length = answer.content_length();
        if length.is_some_and(|length| length > limit) {
            return Err(FetchError::TooLarge(limit));
        }
        let content_type = answer.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut taken = 0_u64;
        let body = answer
            .bytes_stream()
            .map(move |chunk| {
                let chunk = chunk.map_err(interrupted)?;
                taken = taken.saturating_add(chunk.len() as u64);
                if taken > limit { Err(FetchError::TooLarge(limit)) } else { Ok(chunk) }
            })
            // After an error nothing more is read, and the connection is closed with the stream.
            .scan(false, |over, chunk| {
                let go_on = !*over;
                *over = chunk.is_err();
                std::future::ready(go_on.then_some(chunk))
            });
        Ok(MediaStream { content_type, length, body: body.boxed() })
    }
}

/// `data:image/png;base64,...`: asked for nowhere, but some models answer so.
fn decode_inline(inline: &str, limit: u64) -> Result<MediaStream, FetchError> {
    let (head, data) = inline.split_once(',').ok_or(Refusal::Malformed)?;
    let content_type = head.strip_suffix(";base64").ok_or(Refusal::Malformed)?;
    if data.len() as u64 / 4 * 3 > limit.saturating_add(3) {
        return Err(FetchError::TooLarge(limit));
    }
    let bytes = STANDARD.decode(data).map_err(|_| Refusal::Malformed)?;
    if bytes.len() as u64 > limit {
        return Err(FetchError::TooLarge(limit));
    }
    Ok(MediaStream::from_bytes(Some(content_type.to_owned()).filter(|text| !text.is_empty()), bytes.into()))
}

/// Without the address: it must not reach a log.
fn interrupted(error: reqwest::Error) -> FetchError {
    FetchError::Interrupted(describe(&error.without_url()))
}
