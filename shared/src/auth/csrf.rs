//! No change by another site: the cookie is `SameSite=Strict`, and a session's changing request must look like one of our own
//! pages sent it. Nothing changes on GET or HEAD.
//!
//! `Origin` is compared with the configured one, never with `Host`: behind the CDN the API sees another host than the browser.

use ::http::{HeaderMap, Method, header};

use super::Denied;

/// The header that a form can't send and another site's script may not.
pub const HEADER: &str = "x-app";

/// Checks a session's request.
///
/// # Errors
/// [`Denied::CrossSite`] with the reason.
pub fn check(method: &Method, headers: &HeaderMap, origin: &str) -> Result<(), Denied> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let every = |name: &str, good: &dyn Fn(&[u8]) -> bool| headers.get_all(name).iter().all(|value| good(value.as_bytes()));
    // Absent in old browsers; then Origin and the custom header carry the check.
    if !every("sec-fetch-site", &|value| value == b"same-origin") {
        return Err(Denied::CrossSite("Sec-Fetch-Site says that another site sent this."));
    }
    if !every("origin", &|value| value == origin.as_bytes()) {
        return Err(Denied::CrossSite("Origin names another site."));
    }
    if headers.get(HEADER).map(|value| value.as_bytes()) != Some(b"1") {
        return Err(Denied::CrossSite("The header X-App: 1 is missing."));
    }
    let has_body = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers.contains_key(header::CONTENT_TYPE);
    let json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json);
    if has_body && !json {
        return Err(Denied::CrossSite("The body must be application/json."));
    }
    Ok(())
}

/// Whether a `Content-Type` means JSON.
pub fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://images.example";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// 5 methods × 6 values of Sec-Fetch-Site × 6 of Origin × the custom header: 360 rows.
    #[test]
    fn only_our_own_pages_change_anything() {
        let methods = [(Method::GET, true), (Method::HEAD, true), (Method::POST, false), (Method::PATCH, false), (Method::DELETE, false)];
        let sites = [
            (None, true),
            (Some("same-origin"), true),
            (Some("same-site"), false),
            (Some("cross-site"), false),
            (Some("none"), false),
            (Some("Same-Origin"), false),
        ];
        let origins = [
            (None, true),
            (Some(ORIGIN), true),
            (Some("null"), false),
            (Some("http://images.example"), false),
            (Some("https://images.example.evil.example"), false),
            (Some("https://images.example:8443"), false),
        ];
        let mut rows = 0;
        for (method, safe) in &methods {
            for (site, site_ok) in sites {
                for (origin, origin_ok) in origins {
                    for custom in [true, false] {
                        let mut fields = Vec::new();
                        fields.extend(site.map(|value| ("sec-fetch-site", value)));
                        fields.extend(origin.map(|value| ("origin", value)));
                        fields.extend(custom.then_some((HEADER, "1")));
                        let expected = *safe || (site_ok && origin_ok && custom);
                        let answer = check(method, &headers(&fields), ORIGIN);
                        assert_eq!(answer.is_ok(), expected, "{method} {site:?} {origin:?} {custom}");
                        rows += 1;
                    }
                }
            }
        }
        assert_eq!(rows, 360);
    }

    #[test]
    fn a_body_must_be_json() {
        for (content_type, good) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain; application/json", false),
        ] {
            let request = headers(&[(HEADER, "1"), ("content-type", content_type), ("content-length", "2")]);
            assert_eq!(check(&Method::POST, &request, ORIGIN).is_ok(), good, "{content_type}");
        }
        assert!(check(&Method::POST, &headers(&[(HEADER, "1"), ("content-length", "2")]), ORIGIN).is_err());
        assert!(check(&Method::POST, &headers(&[(HEADER, "1"), ("content-length", "0")]), ORIGIN).is_ok());
        assert!(check(&Method::POST, &headers(&[(HEADER, "0")]), ORIGIN).is_err());
    }

    #[test]
    fn a_second_value_does_not_hide_behind_the_first() {
        let mut request = headers(&[(HEADER, "1"), ("origin", ORIGIN)]);
        request.append("origin", "https://evil.example".parse().unwrap());
        assert!(check(&Method::POST, &request, ORIGIN).is_err());
    }
}
