//! The file host: what runs have made, at addresses that can't be guessed, for an hour.

use super::Inner;
use super::sentinel::{Sentinel, Sentinels};
use super::store::{self, File, Store};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path;
use std::sync::Arc;
use tokio_util::io::ReaderStream;

/// How long a file can be fetched, in milliseconds.
pub(super) const LIFETIME_MS: i64 = 3_600_000;
/// The size of `[[media:huge]]`, more than anybody takes for a picture.
const HUGE_BYTES: u64 = 40 * 1024 * 1024;
/// Where `[[media:endless]]` ends after all.
const ENDLESS_BYTES: u64 = 4 * 1024 * 1024 * 1024;
const FILLER: Bytes = Bytes::from_static(&[0; 64 * 1024]);

/// How files are served when a sentinel says so, as it is stored.
const SERVINGS: &[(Sentinel, &str)] = &[
    (Sentinel::MediaHuge, "huge"),
    (Sentinel::MediaEndless, "endless"),
    (Sentinel::MediaWrongType, "wrong-type"),
    (Sentinel::MediaTruncated, "truncated"),
    (Sentinel::MediaCut, "cut"),
    (Sentinel::MediaMissing, "missing"),
];

/// The way to serve the files of a request with these sentinels.
pub(super) fn serving(sentinels: &Sentinels) -> &'static str {
    SERVINGS.iter().find(|(sentinel, _)| sentinels.has(*sentinel)).map_or("plain", |(_, name)| name)
}

/// Writes a file and returns its token. It is fetchable once its row is stored.
pub(super) fn write(dir: &path::Path, bytes: &[u8]) -> io::Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)?;
    let token = hex::encode(random);
    let mut file = std::fs::File::create_new(dir.join(&token))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(token)
}

/// Removes files by their tokens; one that is gone already is as good.
pub(super) fn remove(dir: &path::Path, tokens: impl IntoIterator<Item = String>) {
    for token in tokens {
        match std::fs::remove_file(dir.join(&token)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(error = &error as &dyn std::error::Error, "A file of the provider stand-in stays behind.");
            }
            _ => {}
        }
    }
}

/// Removes the files of runs that a crash has ended before they were stored.
pub(super) fn remove_strangers(dir: &path::Path, store: &Store) -> io::Result<()> {
    let known: HashSet<String> =
        store.call_now(|tx| tx.prepare("SELECT token FROM files")?.query_map([], |row| row.get(0))?.collect()).map_err(io::Error::other)?;
    let mut strangers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !known.contains(&name) {
            strangers.push(name);
        }
    }
    remove(dir, strangers);
    Ok(())
}

/// Serves one file.
pub(super) async fn serve(State(inner): State<Arc<Inner>>, Path((token, name)): Path<(String, String)>) -> Response {
    let found = inner.store.call(move |tx| store::file(tx, &token)).await;
    let now_ms = inner.clock.now_ms();
    match found {
        Ok(Some(file)) if file.name == name && file.expires_ms > now_ms && file.serving != "missing" => {
            send(&inner, &file).await.unwrap_or_else(|_| StatusCode::NOT_FOUND.into_response())
        }
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn send(inner: &Inner, file: &File) -> io::Result<Response> {
    let path = inner.files_dir().join(&file.token);
    let length = tokio::fs::metadata(&path).await?.len();
    let whole = || async { Ok::<_, io::Error>(ReaderStream::new(tokio::fs::File::open(&path).await?)) };
    let half = || async {
        let bytes = tokio::fs::read(&path).await?;
        Ok::<_, io::Error>(Bytes::copy_from_slice(&bytes[..bytes.len() / 2]))
    };
    let (content_type, length, body) = match file.serving.as_str() {
        "huge" => {
            let total = length.max(HUGE_BYTES);
            (file.content_type.as_str(), Some(total), Body::from_stream(whole().await?.chain(filler(total - length))))
        }
        "endless" => (file.content_type.as_str(), None, Body::from_stream(whole().await?.chain(filler(ENDLESS_BYTES)))),
        "wrong-type" => {
            let page = "<!doctype html><title>Not a picture</title><p>This is a page.";
            ("text/html; charset=utf-8", Some(page.len() as u64), Body::from(page))
        }
        "truncated" => {
            let bytes = half().await?;
            (file.content_type.as_str(), Some(bytes.len() as u64), Body::from(bytes))
        }
        "cut" => {
            let parts = [Ok(half().await?), Err(io::Error::from(io::ErrorKind::ConnectionAborted))];
            (file.content_type.as_str(), Some(length), Body::from_stream(stream::iter(parts)))
        }
        _ => (file.content_type.as_str(), Some(length), Body::from_stream(whole().await?)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// `bytes` zeros, made as they are read.
fn filler(bytes: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold(bytes, |left| async move {
        let step = left.min(FILLER.len() as u64);
        let chunk = usize::try_from(step).map(|step| FILLER.slice(..step)).unwrap_or_default();
        (step > 0).then(|| (Ok(chunk), left - step))
    })
}
