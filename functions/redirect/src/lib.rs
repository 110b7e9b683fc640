//! The function `redirect`: what people who have a short link see. They aren't signed in, and nothing is kept about them.
//!
//! A plain page may be kept for a minute on its way and counts its visits by a beacon of its own. A file, and a page with a password
//! or a cap of views, is never kept: each opening is one conditional count. Everything that this function redirects to lies below the
//! configured origin. Of visitors' addresses nothing but a keyed hash is used, to count wrong keys and passwords. Deliberately absent: cookies.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

mod answer;
mod page;
mod target;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use shared::auth::password;
use shared::domain::link::Opens;
use shared::http::arrival::WRONG_PASSWORDS;
use shared::http::{ApiError, ApiPath, Code, Visitor};
use shared::media::signed::MediaSigner;
use shared::runtime::Platform;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use answer::{Refusal, redirect};
use page::{Media, Shown};
use target::Target;

/// A form with one password.
const MAX_FORM_BYTES: usize = 4_096;
/// How long a plain page may be kept: what ending a link may take to be seen everywhere.
const KEPT: &str = "public, max-age=60";
/// What tells a program that reads links for others from a person: parts of `User-Agent`, in lower case.
const ROBOTS: [&str; 9] = ["bot", "crawl", "spider", "facebookexternalhit", "whatsapp", "preview", "embedly", "iframely", "mastodon"];
/// A make of telephones.
const NO_ROBOT: &str = "cubot";

/// Everything `redirect` answers.
pub fn router(platform: &Platform) -> Router {
    shared::http::app(platform, routes()).layer(map_response(unlisted))
}

/// The routes with their descriptions.
pub fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(open_link, unlock_link))
        .routes(routes!(link_media))
        .routes(routes!(link_poster))
        .routes(routes!(link_player))
        .routes(routes!(count_visit))
        .route("/s/{key}/{*rest}", axum::routing::any(nothing))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// No search engine is told of a link, and no site that a page leads to hears where from.
async fn unlisted(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn nothing(headers: HeaderMap) -> Response {
    Refusal::Unknown.answer(&headers)
}

/// Whether whoever asks is a program, or a browser that only expects that somebody may want to look.
fn is_robot(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let agent = text("user-agent").replace(NO_ROBOT, "");
    let ahead = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| text(name).contains("prefetch"));
    ahead || ROBOTS.iter().any(|part| agent.contains(part))
}

/// Open a link.
///
/// A page with cards for chats and networks, or a redirect to the file. A link with a password answers the form that asks for it. What
/// isn't there is 404, what has ended 410; both are pages, and problems for those who accept `application/json`.
#[utoipa::path(get, path = "/s/{key}", tag = "Links", security(()), params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses(
    (status = 200, description = "The page.", body = String, content_type = "text/html"),
    (status = 302, description = "To the file, by an address that is valid for a minute (a film: for its length and five minutes)."),
    (status = 404, description = "There is no such link."), (status = 410, description = "It has ended.")))]
async fn open_link(
    State(platform): State<Platform>,
    visitor: Visitor,
    method: Method,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
) -> Response {
    let look = async {
        let target = target::find(&platform, &visitor, &key).await?;
        if target.link.password.is_some() {
            return Ok(page::locked(StatusCode::OK, None).into_response());
        }
        open(&platform, &target, &Visit { silent: method == Method::HEAD || is_robot(&headers), found: StatusCode::FOUND }).await
    };
    look.await.unwrap_or_else(|refusal| refusal.answer(&headers))
}

/// The form that a locked link shows.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only described: the form is read by hand, so that nothing in it is an error")]
struct Password {
    /// As the link's owner chose it.
    #[schema(max_length = 128)]
    password: Option<String>,
}

/// Open a link with its password.
///
/// Twenty wrong ones in an hour, from everybody together, and the link hears no more until the hour is over.
#[utoipa::path(post, path = "/s/{key}", tag = "Links", security(()), params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")),
    request_body(content = Password, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The page.", body = String, content_type = "text/html"), (status = 303, description = "To the file."),
    (status = 403, description = "Another password."), (status = 404, description = "There is no such link."),
    (status = 410, description = "It has ended."), (status = 429, description = "Too many wrong passwords.")))]
async fn unlock_link(
    State(platform): State<Platform>,
    visitor: Visitor,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let look = async {
        let body = body.map_err(|_| ApiError::new(Code::PayloadTooLarge, "A form with one password is shorter."))?;
        let target = target::find(&platform, &visitor, &key).await?;
        if let Some(stored) = target.link.password.clone() {
            let now = platform.clock.now();
            visitor.check(&platform.db, WRONG_PASSWORDS, now).await?;
            if !platform.db.take_attempt(&key, now).await? {
                return Err(Refusal::TooMany(3_600 - now.as_second().rem_euclid(3_600)));
            }
            let given = url::form_urlencoded::parse(&body).find(|(name, _)| name == "password").map(|(_, value)| value.into_owned());
            if !password::verify(SecretString::from(given.unwrap_or_default()), stored).await.map_err(ApiError::internal)? {
                visitor.take(&platform.db, WRONG_PASSWORDS, now).await?;
                return Err(Refusal::Wrong);
            }
            platform.db.give_back_attempt(&key, now).await;
        }
        open(&platform, &target, &Visit { silent: false, found: StatusCode::SEE_OTHER }).await
    };
    look.await.unwrap_or_else(|refusal| refusal.answer(&headers))
}

/// How somebody comes.
struct Visit {
    /// Looks without being counted.
    silent: bool,
    /// How they are sent to a file.
    found: StatusCode,
}

/// Answers what the link opens, counted when it isn't a plain page.
async fn open(platform: &Platform, target: &Target, visit: &Visit) -> Result<Response, Refusal> {
    let Target { link, asset } = target;
    if link.is_plain() {
        let origin = &platform.config.origin;
        let shown = Shown { origin, target, media: Media::through(origin, target) };
        return Ok(([(header::CACHE_CONTROL, KEPT)], page::shown(&shown)).into_response());
    }
    if visit.silent && link.max_views.is_some() {
        // Whoever looks for others must not use up what others were meant to see, and gets nothing for it.
        return Ok(page::quiet().into_response());
    }
    let signer = signer(platform).await?;
    if !visit.silent && !platform.db.count_opening(link, platform.clock.now()).await? {
        return Err(Refusal::Ended);
    }
    match link.opens {
        Opens::File => Ok(redirect(visit.found, &signer.url(&asset.key, platform.clock.now(), target.life()))),
        Opens::Page => {
            let media = Media::signed(&signer, platform.clock.now(), target);
            let shown = Shown { origin: &platform.config.origin, target, media };
            Ok(page::shown(&shown).into_response())
        }
    }
}

async fn signer(platform: &Platform) -> Result<std::sync::Arc<MediaSigner>, Refusal> {
    platform.signer().await.map_err(|error| Refusal::Failed(ApiError::internal(error)))
}

/// What a link's page shows.
///
/// For cards and for the page itself. A file, or a page with a cap of views, is counted here too; a link with a password gives its
/// media only to those who have sent it.
#[utoipa::path(get, path = "/s/{key}/media", tag = "Links", security(()), params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses(
    (status = 302, description = "To the file."), (status = 403, description = "It needs the password."),
    (status = 404, description = "There is no such link."), (status = 410, description = "It has ended.")))]
async fn link_media(
    State(platform): State<Platform>,
    visitor: Visitor,
    method: Method,
    headers: HeaderMap,
    ApiPath(key): ApiPath<String>,
) -> Response {
    let look = async {
        let target = target::find(&platform, &visitor, &key).await?;
        if target.link.password.is_some() {
            return Err(Refusal::Locked);
        }
        if target.link.is_plain() {
            let url = signer(&platform).await?.url(&target.asset.key, platform.clock.now(), target.life());
            return Ok(redirect(StatusCode::FOUND, &url));
        }
        let target = target.into_file();
        open(&platform, &target, &Visit { silent: method == Method::HEAD || is_robot(&headers), found: StatusCode::FOUND }).await
    };
    look.await.unwrap_or_else(|refusal| refusal.answer(&headers))
}

/// A still picture of what a plain link's page shows.
#[utoipa::path(get, path = "/s/{key}/poster", tag = "Links", security(()), params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses(
    (status = 302, description = "To the picture."), (status = 404, description = "There is none."), (status = 410, description = "The link has ended.")))]
async fn link_poster(State(platform): State<Platform>, visitor: Visitor, headers: HeaderMap, ApiPath(key): ApiPath<String>) -> Response {
    let look = async {
        let target = target::find(&platform, &visitor, &key).await?;
        let poster = target.poster().filter(|_| target.link.is_plain()).ok_or(Refusal::Unknown)?;
        let url = signer(&platform).await?.url(&poster.key, platform.clock.now(), target::STILL_LIFE);
        Ok(redirect(StatusCode::FOUND, &url))
    };
    look.await.unwrap_or_else(|refusal: Refusal| refusal.answer(&headers))
}

/// A plain link's film alone, to be shown within another site's page.
#[utoipa::path(get, path = "/s/{key}/player", tag = "Links", security(()), params(("key" = String, Path, pattern = "^[A-Za-z0-9-]{4,40}$")), responses(
    (status = 200, description = "The player.", body = String, content_type = "text/html"),
    (status = 404, description = "There is no such film."), (status = 410, description = "The link has ended.")))]
async fn link_player(State(platform): State<Platform>, visitor: Visitor, headers: HeaderMap, ApiPath(key): ApiPath<String>) -> Response {
    let look = async {
        let target = target::find(&platform, &visitor, &key).await?;
        if !target.link.is_plain() || !target.is_film() {
            return Err(Refusal::Unknown);
        }
        let origin = &platform.config.origin;
        let shown = Shown { origin, target: &target, media: Media::through(origin, &target) };
        Ok(([(header::CACHE_CONTROL, KEPT)], page::player(&shown)).into_response())
    };
    look.await.unwrap_or_else(|refusal: Refusal| refusal.answer(&headers))
}

/// Count a visit.
///
/// Sent by a plain page's script when somebody sees it. The answer is the same whatever is counted.
#[utoipa::path(post, path = "/s/{key}/visit", tag = "Links", security(()), params(("key" = String, Path)), responses((status = 204)))]
async fn count_visit(State(platform): State<Platform>, headers: HeaderMap, ApiPath(key): ApiPath<String>) -> StatusCode {
    let own = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    if own
        && !is_robot(&headers)
        && let Err(error) = visited(&platform, &key).await
    {
        tracing::warn!(%error, "a visit was not counted");
    }
    StatusCode::NO_CONTENT
}

async fn visited(platform: &Platform, key: &str) -> Result<(), shared::db::DbError> {
    if let Ok(target) = target::look(platform, key).await?
        && target.link.is_plain()
    {
        platform.db.count_opening(&target.link, platform.clock.now()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(name: &'static str, value: &str) -> bool {
        is_robot(&HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())]))
    }

    #[test]
    fn programs_and_browsers_that_look_ahead_are_no_visitors() {
        for agent in ["Slackbot-LinkExpanding 1.0", "facebookexternalhit/1.1", "WhatsApp/2.23", "Mozilla/5.0 (compatible; Googlebot/2.1)"] {
            assert!(by("user-agent", agent), "{agent}");
        }
        for agent in ["Mozilla/5.0 (X11; Linux) Chrome/140 Safari/537.36", "curl/8.5", "Mozilla/5.0 (Linux; Android 9; CUBOT_X18)", ""] {
            assert!(!by("user-agent", agent), "{agent}");
        }
        assert!(by("sec-purpose", "prefetch;prerender") && by("purpose", "prefetch") && by("x-moz", "prefetch"));
        assert!(!is_robot(&HeaderMap::new()));
    }
}
