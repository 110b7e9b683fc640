//! The pages that strangers see: written here, without a framework, each with a policy that names what it loads.
//!
//! Whatever a person has written goes through [`escape`], and only into text or a quoted attribute. The prompt and the owner's note
//! are never shown: a link shares the picture, its title and its alternative text.

use std::fmt::Write as _;

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use shared::http::escape;
use shared::media::signed::MediaSigner;

use crate::target::{STILL_LIFE, Target};

const PRODUCT: &str = "AI Image Generator";
/// Pages with words only.
const WORDS: &str = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FORM: &str = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// A page that is counted when it is opened.
const COUNTED: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// A page that counts itself.
const PLAIN: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The same within other sites' pages. There is nothing on it that a click could be stolen for. Browsers that know who may frame a
/// page from its policy don't look at the older `X-Frame-Options`, which every answer gets on its way.
const PLAYER: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors https:";
const SCRIPT: &str = "<script src=\"/link.js\" defer></script>";

/// A page on its way out.
pub(crate) struct Page {
    status: StatusCode,
    policy: &'static str,
    html: String,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_SECURITY_POLICY, self.policy)], Html(self.html)).into_response()
    }
}

/// Where a page's media are.
pub(crate) struct Media {
    original: String,
    poster: Option<String>,
}

impl Media {
    /// By the link itself, which looks each time whether it still lives.
    pub(crate) fn through(origin: &str, target: &Target) -> Self {
        let link = address(origin, target);
        Self { original: format!("{link}/media"), poster: target.poster().map(|_| format!("{link}/poster")) }
    }

    /// By addresses for this one visitor.
    pub(crate) fn signed(signer: &MediaSigner, now: Timestamp, target: &Target) -> Self {
        Self {
            original: signer.url(&target.asset.key, now, target.life()),
            poster: target.poster().map(|poster| signer.url(&poster.key, now, STILL_LIFE)),
        }
    }
}

fn address(origin: &str, target: &Target) -> String {
    format!("{origin}/s/{}", target.link.key)
}

/// What a page shows.
pub(crate) struct Shown<'a> {
    /// The site's.
    pub(crate) origin: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) media: Media,
}

impl Shown<'_> {
    fn title(&self) -> &str {
        let untitled = if self.target.is_film() { "A shared video" } else { "A shared image" };
        self.target.asset.title.as_deref().unwrap_or(untitled)
    }

    /// The picture or film as an element.
    fn element(&self) -> String {
        let asset = &self.target.asset;
        let words = asset.alt_text.as_deref().or(asset.title.as_deref()).map(escape);
        let (source, width, height) = (escape(&self.media.original), asset.width, asset.height);
        if !self.target.is_film() {
            let words = words.unwrap_or_else(|| "An image without a description".to_owned());
            return format!("<img src=\"{source}\" alt=\"{words}\" width=\"{width}\" height=\"{height}\">");
        }
        let words = words.unwrap_or_else(|| "A video without a description".to_owned());
        let poster = self.media.poster.as_deref().map(|url| format!(" poster=\"{}\"", escape(url))).unwrap_or_default();
        format!(
            "<video controls playsinline preload=\"metadata\" src=\"{source}\"{poster} aria-label=\"{words}\" width=\"{width}\" \
             height=\"{height}\"></video>"
        )
    }

    /// What chats and networks make a card from. Only for those pages that anybody may open: a card is a copy that doesn't end.
    fn cards(&self) -> String {
        let (asset, title) = (&self.target.asset, self.title());
        let page = address(self.origin, self.target);
        let mut tags = Tags::default();
        tags.property("og:site_name", PRODUCT);
        tags.property("og:title", title);
        tags.property("og:url", &page);
        tags.name("twitter:title", title);
        if let Some(words) = &asset.alt_text {
            tags.property("og:description", words);
            tags.name("twitter:description", words);
        }
        let (width, height) = (asset.width.to_string(), asset.height.to_string());
        if self.target.is_film() {
            tags.property("og:type", "video.other");
            tags.property("og:video", &self.media.original);
            tags.property("og:video:type", &asset.content_type);
            tags.property("og:video:width", &width);
            tags.property("og:video:height", &height);
            tags.name("twitter:card", "player");
            tags.name("twitter:player", &format!("{page}/player"));
            tags.name("twitter:player:width", &width);
            tags.name("twitter:player:height", &height);
            tags.name("twitter:player:stream", &self.media.original);
            tags.name("twitter:player:stream:content_type", &asset.content_type);
        } else {
            tags.property("og:type", "website");
            tags.name("twitter:card", "summary_large_image");
        }
        let common = ["image/jpeg", "image/png", "image/webp", "image/gif"].contains(&asset.content_type.as_str());
        let poster = self.media.poster.as_deref().zip(self.target.poster());
        let picture = match poster {
            // Drawings and new formats are shown by their thumbnail, which everybody can read.
            Some((url, still)) if !common => Some((url, "image/webp", still.width, still.height)),
            _ if common => Some((self.media.original.as_str(), asset.content_type.as_str(), asset.width, asset.height)),
            _ => None,
        };
        if let Some((url, kind, width, height)) = picture {
            tags.property("og:image", url);
            tags.property("og:image:type", kind);
            tags.property("og:image:width", &width.to_string());
            tags.property("og:image:height", &height.to_string());
            tags.name("twitter:image", url);
            if let Some(words) = &asset.alt_text {
                tags.property("og:image:alt", words);
                tags.name("twitter:image:alt", words);
            }
        }
        tags.0
    }
}

#[derive(Default)]
struct Tags(String);

impl Tags {
    fn property(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, "<meta property=\"{name}\" content=\"{}\">", escape(value));
    }

    fn name(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, "<meta name=\"{name}\" content=\"{}\">", escape(value));
    }
}

/// A page with what the link shares.
pub(crate) fn shown(shown: &Shown<'_>) -> Page {
    let plain = shown.target.link.is_plain();
    // Without a title of its own the picture is enough for those who see it.
    let heading = if shown.target.asset.title.is_some() { "" } else { " class=\"unseen\"" };
    let title = escape(shown.title());
    let body = format!(
        "<main class=\"shown\"><h1{heading}>{title}</h1><figure>{}</figure></main>\
         <footer>Shared with <a href=\"/\">{PRODUCT}</a></footer>",
        shown.element()
    );
    let head = if plain { format!("{}{SCRIPT}", shown.cards()) } else { String::new() };
    Page { status: StatusCode::OK, policy: if plain { PLAIN } else { COUNTED }, html: document(&title, &head, &body) }
}

/// The film alone.
pub(crate) fn player(shown: &Shown<'_>) -> Page {
    let title = escape(shown.title());
    let body = format!("<main class=\"player\"><h1 class=\"unseen\">{title}</h1>{}</main>", shown.element());
    Page { status: StatusCode::OK, policy: PLAYER, html: document(&title, SCRIPT, &body) }
}

/// For programs that look ahead for a person.
pub(crate) fn quiet() -> Page {
    words(StatusCode::OK, "A shared link", "Open it to see what it shows.")
}

/// There is no such link.
pub(crate) fn unknown() -> Page {
    words(StatusCode::NOT_FOUND, "There’s nothing here", "The address may have a typing error. Whoever sent it to you has the right one.")
}

/// It was there.
pub(crate) fn ended() -> Page {
    words(StatusCode::GONE, "This link has ended", "What it showed is no longer shared. Whoever sent it to you can make a new one.")
}

/// What a link with a password says instead of its media.
pub(crate) fn closed() -> Page {
    words(StatusCode::FORBIDDEN, "This needs a password", "Open the link itself to enter it.")
}

/// The form that asks for the password.
pub(crate) fn locked(status: StatusCode, problem: Option<&str>) -> Page {
    let (alert, described) = match problem {
        Some(text) => {
            (format!("<p id=\"problem\" role=\"alert\">{}</p>", escape(text)), " aria-invalid=\"true\" aria-describedby=\"problem\"")
        }
        None => (String::new(), ""),
    };
    let body = format!(
        "<main class=\"words\"><h1>This needs a password</h1><p>Whoever sent you the link knows it.</p>\
         <form method=\"post\"><label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" required maxlength=\"128\" autocomplete=\"off\"{described}>{alert}\
         <button>Open</button></form></main>"
    );
    Page { status, policy: FORM, html: document("This needs a password", "", &body) }
}

fn words(status: StatusCode, title: &str, text: &str) -> Page {
    let body = format!("<main class=\"words\"><h1>{title}</h1><p>{text}</p><p><a href=\"/\">{PRODUCT}</a></p></main>");
    Page { status, policy: WORDS, html: document(title, "", &body) }
}

/// A whole document; `title` is escaped already.
fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"robots\" content=\"noindex, nofollow\"><title>{title} · {PRODUCT}</title>\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/link.css\">{head}</head>\
         <body>{body}</body></html>"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::domain::asset::{Asset, AssetKind, PosterState, Thumbnail};
    use shared::domain::link::{Link, Opens};
    use shared::id::{AssetId, CallId, GenerationId, RecordId, UserId};

    use super::*;

    fn target(kind: AssetKind, content_type: &str, with_still: bool) -> Target {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let still = Thumbnail { key: "media/p/a/poster-1280.webp".to_owned(), width: 1_280, height: 720 };
        let asset = Asset {
            id: AssetId::new(at),
            user: UserId::new(at),
            kind,
            generation: GenerationId::new(at),
            call: CallId::new(at),
            key: "media/p/a/original".to_owned(),
            content_type: content_type.to_owned(),
            width: 1_920,
            height: 1_080,
            bytes: 1,
            duration_ms: (kind == AssetKind::Video).then_some(6_001),
            sha256: String::new(),
            thumbnails: with_still.then_some(still).into_iter().collect(),
            poster: PosterState::Done,
            poster_asked: 0,
            poster_reason: None,
            placeholder: None,
            model: "m".to_owned(),
            prompt: Some("canary".to_owned()),
            parameters: BTreeMap::new(),
            parent: None,
            title: None,
            alt_text: Some("Waves & \"wind\"".to_owned()),
            favourite: false,
            collections: Vec::new(),
            created_at: at,
            deleted_at: None,
        };
        let link = Link {
            key: "summer-fair".to_owned(),
            made: RecordId::new(at),
            user: asset.user,
            asset: asset.id,
            opens: Opens::Page,
            enabled: true,
            expires_at: None,
            max_views: None,
            views: 0,
            password: None,
            note: Some("canary".to_owned()),
            created_at: at,
            ended_at: None,
        };
        Target { link, asset }
    }

    fn html(target: &Target) -> String {
        let page = shown(&Shown { origin: "https://a.example", target, media: Media::through("https://a.example", target) });
        assert!(!page.html.contains("canary"));
        page.html
    }

    #[test]
    fn a_film_has_its_player_and_its_poster_on_the_card() {
        let film = target(AssetKind::Video, "video/mp4", true);
        assert_eq!(film.life(), 7 + 300);
        let page = html(&film);
        for tag in [
            "property=\"og:video\" content=\"https://a.example/s/summer-fair/media\"",
            "property=\"og:video:type\" content=\"video/mp4\"",
            "property=\"og:video:width\" content=\"1920\"",
            "property=\"og:image\" content=\"https://a.example/s/summer-fair/poster\"",
            "property=\"og:image:width\" content=\"1280\"",
            "name=\"twitter:player\" content=\"https://a.example/s/summer-fair/player\"",
            "poster=\"https://a.example/s/summer-fair/poster\" aria-label=\"Waves &amp; &quot;wind&quot;\"",
        ] {
            assert!(page.contains(tag), "{tag} in {page}");
        }
        assert!(!html(&target(AssetKind::Video, "video/mp4", false)).contains("og:image"), "no poster, no picture");
    }

    #[test]
    fn a_drawing_is_shown_on_cards_by_its_thumbnail() {
        let page = html(&target(AssetKind::Image, "image/svg+xml", true));
        assert!(page.contains("property=\"og:image\" content=\"https://a.example/s/summer-fair/poster\""), "{page}");
        assert!(page.contains("<img src=\"https://a.example/s/summer-fair/media\""), "{page}");
        let page = html(&target(AssetKind::Image, "image/png", true));
        assert!(page.contains("property=\"og:image\" content=\"https://a.example/s/summer-fair/media\""), "{page}");
    }

    #[test]
    fn a_page_that_is_counted_when_it_opens_has_neither_cards_nor_a_beacon() {
        let mut capped = target(AssetKind::Image, "image/png", true);
        capped.link.max_views = Some(1);
        let page = html(&capped);
        assert!(!page.contains("og:") && !page.contains("<script") && page.contains("<img"), "{page}");
    }
}
