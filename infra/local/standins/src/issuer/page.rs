//! What a person sees: one form, and a plain refusal.

use super::authorize::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;
use url::Url;

const STYLE: &str = include_str!("page.css");

/// The page's one stylesheet, a file of its own because the policy forbids inline style.
pub(super) async fn stylesheet() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE).into_response()
}

/// The form, with what was typed already and what is wrong with it.
pub(super) fn sign_in(status: StatusCode, request: &Request, email: &str, name: &str, problem: Option<&str>) -> Response {
    let mut hidden = String::new();
    let fields = [
        ("response_type", "code"),
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("scope", &request.scope),
        ("state", &request.state),
        ("nonce", &request.nonce),
        ("code_challenge", &request.code_challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", &request.login_hint),
    ];
    for (field, value) in fields {
        // Writing to a String can't fail.
        let _ = write!(hidden, r#"<input type="hidden" name="{field}" value="{}">"#, escape(value));
    }
    let (alert, invalid) = match problem {
        Some(problem) => (
            format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, escape(problem)),
            r#" aria-invalid="true" aria-describedby="problem""#,
        ),
        None => (String::new(), r#" aria-describedby="email-hint""#),
    };
    let body = format!(
        r#"<h1>Who are you today?</h1>
<p>This page stands in for a sign-in service on this machine. Any address will do: nothing is sent to it, and there is no password.</p>
<form method="post" action="authorize">
{hidden}
{alert}
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" required maxlength="254" autocomplete="email" autocapitalize="none" spellcheck="false" autofocus value="{email}"{invalid}>
<p class="hint" id="email-hint">The same address is the same account every time.</p>
<label for="name">Name <span class="optional">(optional)</span></label>
<input id="name" name="name" type="text" maxlength="100" autocomplete="name" value="{name}">
<div class="actions">
<button type="submit">Sign in</button>
<button type="submit" class="quiet" name="action" value="cancel" formnovalidate>Cancel</button>
</div>
</form>"#,
        email = escape(email),
        name = escape(name),
    );
    document(status, "Sign in", &body, Some(&request.redirect_uri))
}

/// A request that can't be sent back to anybody.
pub(super) fn refusal(problem: &str) -> Response {
    let body = format!(r#"<h1>This sign-in can't go on</h1><p class="problem" role="alert">{}</p>"#, escape(problem));
    document(StatusCode::BAD_REQUEST, "Sign-in refused", &body, None)
}

fn document(status: StatusCode, title: &str, body: &str, redirect_uri: Option<&str>) -> Response {
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"#
    );
    // Chromium holds the redirect that follows a form to form-action as well.
    let back = redirect_uri
        .and_then(|uri| Url::parse(uri).ok())
        .map_or_else(String::new, |uri| format!(" {}", uri.origin().ascii_serialization()));
    let policy = format!("default-src 'none'; style-src 'self'; form-action 'self'{back}; base-uri 'none'; frame-ancestors 'none'");
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
