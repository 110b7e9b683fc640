//! The public origin: the only host under which the edition answers.
//!
//! A page of another name that was made to resolve to this machine must reach nothing: what asks for another host is sent to the
//! right one when it only reads, and is refused otherwise.

use http::request::Parts;
use http::{Method, header};
use url::Url;

/// Why an origin can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Not an address, or more than one part of it.
    #[error("PUBLIC_ORIGIN {0:?} must be scheme and host only, for example https://images.example.com")]
    Malformed(String),
    /// Cookies and sign-in need a secure origin, and only loopback is one without TLS.
    #[error("PUBLIC_ORIGIN {0:?} must begin with https:// because it isn't http://localhost")]
    Insecure(String),
    /// A stand-in lets anyone be anyone.
    #[error("{stand_in} only runs on http://localhost, and PUBLIC_ORIGIN is {origin}: set {remedy}, or leave PUBLIC_ORIGIN out")]
    StandIn {
        /// Which one.
        stand_in: &'static str,
        /// The origin it would have served.
        origin: String,
        /// The variables that replace it by the real service.
        remedy: &'static str,
    },
}

/// The checked origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin {
    text: String,
    authority: String,
    is_local: bool,
}

impl PublicOrigin {
    /// `http://localhost:<port>`.
    pub fn local(port: u16) -> Self {
        let authority = format!("localhost:{port}");
        Self { text: format!("http://{authority}"), authority, is_local: true }
    }

    /// Checks what an operator has set.
    ///
    /// # Errors
    /// [`OriginError::Malformed`], [`OriginError::Insecure`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let malformed = || OriginError::Malformed(text.to_owned());
        let url = Url::parse(text).map_err(|_| malformed())?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host_str().filter(|_| bare).ok_or_else(malformed)?;
        let is_local = url.scheme() == "http" && host == "localhost";
        if url.scheme() != "https" && !is_local {
            return Err(OriginError::Insecure(text.to_owned()));
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { text: format!("{}://{authority}", url.scheme()), authority, is_local })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `http://localhost`: only then stand-ins may run.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// What to do with a request, judged by the host it is for.
    pub(crate) fn judge(&self, parts: &Parts) -> Judgement {
        let from_header = || parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(from_header).unwrap_or_default();
        let default_port = if self.text.starts_with("https:") { ":443" } else { ":80" };
        if host.strip_suffix(default_port).unwrap_or(host).eq_ignore_ascii_case(&self.authority) {
            return Judgement::Answer;
        }
        if [Method::GET, Method::HEAD].contains(&parts.method) {
            let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            return Judgement::Redirect(format!("{}{target}", self.text));
        }
        Judgement::Refuse
    }
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is for us.
    Answer,
    /// It reads, and may do so at the right address.
    Redirect(String),
    /// It isn't for us.
    Refuse,
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn judge(origin: &PublicOrigin, method: Method, host: &str) -> Judgement {
        let request = Request::builder().method(method).uri("/a?b=c").header(header::HOST, host).body(()).unwrap();
        origin.judge(&request.into_parts().0)
    }

    #[test]
    fn only_the_origins_own_host_is_answered() {
        let local = PublicOrigin::local(8080);
        assert_eq!(judge(&local, Method::POST, "localhost:8080"), Judgement::Answer);
        assert_eq!(judge(&local, Method::GET, "LOCALHOST:8080"), Judgement::Answer);
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:80800", "evil.example", ""] {
            assert_eq!(judge(&local, Method::GET, host), Judgement::Redirect("http://localhost:8080/a?b=c".to_owned()), "{host}");
            assert_eq!(judge(&local, Method::POST, host), Judgement::Refuse, "{host}");
        }
        let public = PublicOrigin::parse("https://images.example.com").unwrap();
        assert_eq!(judge(&public, Method::POST, "images.example.com"), Judgement::Answer);
        assert_eq!(judge(&public, Method::POST, "images.example.com:443"), Judgement::Answer);
        assert_eq!(judge(&public, Method::POST, "images.example.com:8080"), Judgement::Refuse);
    }

    #[test]
    fn an_origin_is_scheme_and_host_and_secure() {
        for text in ["nonsense", "https://a.example/path", "https://a.example?x", "https://u@a.example", "ftp:"] {
            assert!(matches!(PublicOrigin::parse(text), Err(OriginError::Malformed(_))), "{text}");
        }
        for text in ["http://images.example.com", "http://127.0.0.1:8080", "ftp://a.example"] {
            assert!(matches!(PublicOrigin::parse(text), Err(OriginError::Insecure(_))), "{text}");
        }
        assert_eq!(PublicOrigin::parse("http://localhost:8080/").unwrap(), PublicOrigin::local(8080));
        let public = PublicOrigin::parse("https://Images.example.com:8443").unwrap();
        assert_eq!((public.as_str(), public.is_local()), ("https://images.example.com:8443", false));
    }
}
