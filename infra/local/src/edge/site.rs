//! The built web app, served from memory.
//!
//! All files are read once at the start, so no request reaches the file system and no path can leave the folder. Hashed files
//! never change; everything else is asked for again with its `ETag`. Views of the app have addresses without an extension: they
//! get `index.html`, as the distribution's function does it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// More than this is not a web app: 64 MiB.
const MAX_TOTAL: u64 = 64 * 1024 * 1024;
/// Where the bundler puts files whose names hold a hash of their content.
const HASHED: &str = "/assets/";
const INDEX: &str = "/index.html";

/// Why the site can't be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The folder or a file in it can't be read.
    #[error("the built site {} can't be read", path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too many bytes to be a web app.
    #[error("{} has more than 64 MiB and is hardly the built site", .0.display())]
    TooLarge(PathBuf),
    /// There is nothing to start with.
    #[error("{} has no index.html and is not the built site", .0.display())]
    NoIndex(PathBuf),
}

#[derive(Debug)]
struct File {
    content: Bytes,
    kind: HeaderValue,
    tag: HeaderValue,
}

/// The files of the web app.
#[derive(Debug)]
pub struct StaticSite {
    files: BTreeMap<String, File>,
}

impl StaticSite {
    /// Reads every file below `root`. Blocks.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn load(root: &Path) -> Result<Self, SiteError> {
        let mut files = BTreeMap::new();
        let mut total = 0;
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let unreadable = |path: &Path| {
                let path = path.to_owned();
                move |source| SiteError::Unreadable { path, source }
            };
            for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
                let path = entry.map_err(unreadable(&folder))?.path();
                let metadata = std::fs::symlink_metadata(&path).map_err(unreadable(&path))?;
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                if hidden || !metadata.is_file() {
                    continue;
                }
                total += metadata.len();
                if total > MAX_TOTAL {
                    return Err(SiteError::TooLarge(root.to_owned()));
                }
                let content = std::fs::read(&path).map_err(unreadable(&path))?;
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                files.insert(format!("/{relative}"), File::new(&path, content));
            }
        }
        match files.contains_key(INDEX) {
            true => Ok(Self { files }),
            false => Err(SiteError::NoIndex(root.to_owned())),
        }
    }

    /// The answer to `GET` or `HEAD` of `path`; `None` when there is no such file.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let path = if name.contains('.') { path } else { INDEX };
        let file = self.files.get(path)?;
        let fresh = headers.get_all(header::IF_NONE_MATCH).iter().any(|line| names_tag(line, &file.tag));
        let body = if fresh || method == Method::HEAD { Body::empty() } else { Body::from(file.content.clone()) };
        let mut response = Response::new(body);
        let answer = response.headers_mut();
        answer.insert(header::ETAG, file.tag.clone());
        let caching = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            answer.insert(header::CONTENT_TYPE, file.kind.clone());
            answer.insert(header::CONTENT_LENGTH, HeaderValue::from(file.content.len()));
        }
        Some(response)
    }
}

impl File {
    fn new(path: &Path, content: Vec<u8>) -> Self {
        let kind = mime_guess::from_path(path).first_or_octet_stream();
        let kind = match (kind.type_().as_str(), kind.subtype().as_str()) {
            ("text", _) | ("application", "javascript" | "json" | "manifest+json") => format!("{kind}; charset=utf-8"),
            _ => kind.to_string(),
        };
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&content)[..16]));
        Self {
            content: content.into(),
            kind: HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("application/octet-stream")),
            tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }
}

/// Whether an `If-None-Match` line names `tag`, weakly compared, as RFC 9110 wants it.
fn names_tag(line: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(line), Ok(tag)) = (line.to_str(), tag.to_str()) else { return false };
    line.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn site() -> (tempfile::TempDir, StaticSite) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        for (name, text) in [("index.html", "<!doctype html>"), ("assets/app-1a2b.js", "1"), ("favicon.svg", "<svg/>"), (".hidden", "x")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let site = StaticSite::load(folder.path()).unwrap();
        (folder, site)
    }

    fn get(site: &StaticSite, path: &str) -> Option<Response<Body>> {
        site.answer(&Method::GET, path, &HeaderMap::new())
    }

    #[tokio::test]
    async fn views_get_the_index_and_unknown_files_nothing() {
        let (_folder, site) = site();
        for path in ["/", "/library", "/library/some-asset", "/a/"] {
            let response = get(&site, path).unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().as_ref(), b"<!doctype html>");
        }
        for path in ["/missing.js", "/.hidden", "/../Cargo.toml", "/assets/../../x.rs"] {
            assert!(get(&site, path).is_none(), "{path}");
        }
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_typed() {
        let (_folder, site) = site();
        let response = get(&site, "/assets/app-1a2b.js").unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(get(&site, "/favicon.svg").unwrap().headers()[header::CONTENT_TYPE], "image/svg+xml");
    }

    #[tokio::test]
    async fn a_known_tag_is_answered_without_a_body() {
        let (_folder, site) = site();
        let tag = get(&site, "/").unwrap().headers()[header::ETAG].clone();
        for line in [tag.to_str().unwrap().to_owned(), format!("\"other\", W/{}", tag.to_str().unwrap()), "*".to_owned()] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::try_from(line).unwrap())]);
            let response = site.answer(&Method::GET, "/", &headers).unwrap();
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""))]);
        assert_eq!(site.answer(&Method::GET, "/", &headers).unwrap().status(), StatusCode::OK);
    }

    #[test]
    fn a_folder_without_an_index_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(StaticSite::load(folder.path()), Err(SiteError::NoIndex(_))));
        assert!(matches!(StaticSite::load(&folder.path().join("absent")), Err(SiteError::Unreadable { .. })));
    }
}
