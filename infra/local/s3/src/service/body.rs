//! Bodies in and out, a chunk at a time.

use super::Operations;
use crate::store::{Algorithm, Checksums, Expected, ObjectWriter, Sealed, StoreError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3Result, StdError, TrailingHeaders, s3_error};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// What is read or written in one go.
const CHUNK_BYTES: usize = 128 * 1024;
/// The largest body of one request in S3.
const BODY_MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Runs `work` on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error).into()),
    }
}

/// What a request says about its body.
pub(super) struct Declared {
    pub(super) expected: Expected,
    /// Checksums that follow the body.
    trailers: Vec<Algorithm>,
    /// One to compute although no value was sent.
    also: Option<Algorithm>,
}

impl Declared {
    pub(super) fn new(
        headers: &HeaderMap,
        content_length: Option<i64>,
        md5: Option<String>,
        checksums: Checksums,
        also: Option<Algorithm>,
    ) -> S3Result<Self> {
        let length = content_length.and_then(|length| u64::try_from(length).ok());
        match length {
            None => return Err(s3_error!(MissingContentLength)),
            Some(length) if length > BODY_MAX_BYTES => return Err(s3_error!(EntityTooLarge)),
            Some(_) => {}
        }
        let trailers = headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| Algorithm::from_header(name.trim()))
            .collect();
        Ok(Self { expected: Expected { length, md5, checksums }, trailers, also })
    }
}

impl Operations {
    /// Writes a body into the store's `tmp` and verifies it.
    pub(super) async fn receive(
        &self,
        mut body: Option<StreamingBlob>,
        mut declared: Declared,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Sealed> {
        let mut wanted: Vec<Algorithm> = declared.expected.checksums.keys().copied().collect();
        wanted.extend(declared.trailers.iter().copied().chain(declared.also));
        wanted.sort_unstable();
        wanted.dedup();

        let limit = declared.expected.length.unwrap_or_default();
        let mut received = 0_u64;
        let mut writer: Option<ObjectWriter> = None;
        let mut buffer = Vec::new();
        while let Some(chunk) = match &mut body {
            Some(body) => body.next().await,
            None => None,
        } {
            let chunk = chunk.map_err(broken)?;
            received += chunk.len() as u64;
            if received > limit {
                return Err(StoreError::WrongLength.into());
            }
            buffer.extend_from_slice(&chunk);
            if buffer.len() >= CHUNK_BYTES {
                let (open, filled, wanted) = (writer.take(), buffer, wanted.clone());
                let step = self.blocking(move |store| {
                    let (mut writer, mut buffer) = match open {
                        Some(open) => (open, filled),
                        None => (store.writer(&wanted)?, filled),
                    };
                    writer.write(&buffer)?;
                    buffer.clear();
                    Ok((writer, buffer))
                });
                let (written, emptied) = step.await?;
                writer = Some(written);
                buffer = emptied;
            }
        }
        if !declared.trailers.is_empty() {
            // Only now, behind the body, are they known.
            let sent = trailers.and_then(|trailers| trailers.take());
            for algorithm in &declared.trailers {
                let value = sent
                    .as_ref()
                    .and_then(|sent| sent.get(algorithm.header()))
                    .and_then(|value| value.to_str().ok())
                    .ok_or_else(|| s3_error!(IncompleteBody, "an announced trailer is missing"))?;
                let before = declared.expected.checksums.insert(*algorithm, value.to_owned());
                if before.is_some_and(|before| before != value) {
                    return Err(StoreError::WrongChecksum(algorithm.header()).into());
                }
            }
        }
        let sealed = self.blocking(move |store| {
            let mut writer = match writer {
                Some(writer) => writer,
                None => store.writer(&wanted)?,
            };
            writer.write(&buffer)?;
            writer.seal(&declared.expected)
        });
        Ok(sealed.await?)
    }
}

/// The connection broke, or the body is not the one that was signed; either way the body is the client's fault.
fn broken(source: StdError) -> S3Error {
    s3_error!(IncompleteBody, "the body ended early or is not the one that was signed: {source}")
}

/// A range of an object file's body.
pub(super) struct FileBody {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: File, range: std::ops::Range<u64>) -> Self {
        Self { file: Arc::new(file), offset: range.start, remaining: range.end.saturating_sub(range.start), reading: None }
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let (offset, remaining) = (self.offset, self.remaining);
        let file = Arc::clone(&self.file);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let length = usize::try_from(remaining).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                self.remaining = 0;
                return Poll::Ready(Some(Err(error.into())));
            }
            Err(error) => {
                self.remaining = 0;
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        self.offset += bytes.len() as u64;
        self.remaining -= bytes.len() as u64;
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl ByteStream for FileBody {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
