//! The addresses of the queue: endpoints to submit to, and requests of an application.

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// A full endpoint id, such as `fal-ai/flux/dev`.
    Endpoint(&'a str),
    /// A request, below its application (`fal-ai/flux`) or below its full endpoint id.
    Request { under: &'a str, id: &'a str, part: Part },
}

/// The resources of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Result,
    Status,
    Stream,
    Cancel,
}

/// Reads a path, which begins with a slash; none when it can't name anything.
pub(super) fn parse(path: &str) -> Option<Address<'_>> {
    let path = path.strip_prefix('/')?;
    if let Some((under, rest)) = path.split_once("/requests/") {
        let (id, part) = match rest.split_once('/') {
            None => (rest, Part::Result),
            Some((id, "response")) => (id, Part::Result),
            Some((id, "status")) => (id, Part::Status),
            Some((id, "status/stream")) => (id, Part::Stream),
            Some((id, "cancel")) => (id, Part::Cancel),
            Some(_) => return None,
        };
        return (segments(under) >= 2 && !id.is_empty()).then_some(Address::Request { under, id, part });
    }
    (segments(path) >= 2).then_some(Address::Endpoint(path))
}

/// The part of an endpoint id that its requests are found under: owner and application, and one segment more for ids
/// in a namespace.
pub(super) fn application(endpoint: &str) -> &str {
    let wanted = match endpoint.split('/').next() {
        Some("workflows" | "comfy") => 3,
        _ => 2,
    };
    endpoint.match_indices('/').nth(wanted - 1).map_or(endpoint, |(end, _)| &endpoint[..end])
}

fn segments(path: &str) -> usize {
    if path.split('/').any(str::is_empty) { 0 } else { path.split('/').count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let request = |under, id, part| Some(Address::Request { under, id, part });
        for (path, expected) in [
            ("/fal-ai/flux/dev", Some(Address::Endpoint("fal-ai/flux/dev"))),
            ("/fal-ai/flux/requests/1", request("fal-ai/flux", "1", Part::Result)),
            ("/fal-ai/flux/requests/1/response", request("fal-ai/flux", "1", Part::Result)),
            ("/fal-ai/flux/dev/requests/1/status", request("fal-ai/flux/dev", "1", Part::Status)),
            ("/fal-ai/flux/requests/1/status/stream", request("fal-ai/flux", "1", Part::Stream)),
            ("/fal-ai/flux/requests/1/cancel", request("fal-ai/flux", "1", Part::Cancel)),
            ("/fal-ai/flux/requests/1/other", None),
            ("/fal-ai/requests/1", None),
            ("/fal-ai", None),
            ("/fal-ai//dev", None),
            ("/", None),
        ] {
            assert_eq!(parse(path), expected, "{path}");
        }
    }

    #[test]
    fn requests_live_under_the_application() {
        assert_eq!(application("fal-ai/flux/dev"), "fal-ai/flux");
        assert_eq!(application("fal-ai/flux-2"), "fal-ai/flux-2");
        assert_eq!(application("workflows/me/flow/v1"), "workflows/me/flow");
    }
}
