//! Where somebody goes after signing in: back to where they came from, and never to another site.

use url::Url;

/// Longer ones aren't addresses of our pages.
const LONGEST: usize = 2_048;

/// `path` when it is a path of this site that a browser can't read as anything else, `/` otherwise.
pub fn safe(path: &str) -> &str {
    if is_safe(path) { path } else { "/" }
}

fn is_safe(path: &str) -> bool {
    // Browsers read a backslash as a slash and drop tabs and line ends, so none may be there; the rest is what they agree on.
    let plain = path.len() <= LONGEST && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let rooted = path.starts_with('/') && !path.starts_with("//");
    // Signing in again after signing in would go round in circles.
    let page = !path.starts_with("/auth/");
    plain && rooted && page && stays(path)
}

/// What a browser makes of it still has the host it started from.
fn stays(path: &str) -> bool {
    let Ok(base) = Url::parse("https://this.invalid/") else { return false };
    base.join(path).is_ok_and(|url| url.origin() == base.origin())
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn paths_of_this_site_are_kept() {
        for good in ["/", "/library", "/asset/0190?tab=family#top", "/s/%2F%2Fevil", "/a//b", "/?next=https://evil.example"] {
            assert_eq!(safe(good), good);
        }
    }

    #[test]
    fn everything_else_leads_home() {
        let long = format!("/{}", "a".repeat(2_048));
        for bad in [
            "",
            "library",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            "/\tevil",
            "/\n/evil.example",
            "/\r\nSet-Cookie: a=b",
            "/ /evil",
            "\u{0}/",
            "/\u{7f}",
            "/é",
            "/auth/login?next=/",
            &long,
        ] {
            assert_eq!(safe(bad), "/", "{bad:?}");
        }
    }
}
