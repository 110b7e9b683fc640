//! Our two cookies. Both are `__Host-`: set over a secure channel, for this host alone and all of its paths, so that no sibling
//! host can plant or shadow one.

use ::http::{HeaderMap, HeaderValue, header};

/// Holds a session's secret.
pub const SESSION: &str = "__Host-sid";
/// Holds the secret of a sign-in under way.
pub const LOGIN: &str = "__Host-pre";

/// Whether a cookie comes along when another site leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When a link or a redirect leads here: what the issuer's redirect needs.
    Lax,
}

/// A `Set-Cookie` value. `value` must be made of cookie characters: ours are base64url.
pub fn set(name: &str, value: &str, same_site: SameSite, max_age_s: i64) -> HeaderValue {
    let policy = match same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
    };
    let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite={policy}");
    HeaderValue::try_from(text).unwrap_or_else(|_| clear(name))
}

/// A `Set-Cookie` value that removes the cookie.
pub fn clear(name: &str) -> HeaderValue {
    let text = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The first cookie of this name that isn't empty.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_all_that_protects_it() {
        assert_eq!(
            set(SESSION, "abc", SameSite::Strict, 60).to_str().unwrap(),
            "__Host-sid=abc; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"
        );
        assert!(set(LOGIN, "abc", SameSite::Lax, 60).to_str().unwrap().ends_with("SameSite=Lax"));
        assert_eq!(clear(SESSION).to_str().unwrap(), "__Host-sid=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
        assert!(set(SESSION, "a\r\nSet-Cookie: b", SameSite::Strict, 60).to_str().unwrap().starts_with("__Host-sid=;"));
    }

    #[test]
    fn only_the_prefixed_cookie_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("sid=old; x__Host-sid=no; __Host-sid="));
        assert_eq!(read(&headers, SESSION), None);
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark;  __Host-sid=yes=; __Host-sid=later"));
        assert_eq!(read(&headers, SESSION), Some("yes="));
    }
}
