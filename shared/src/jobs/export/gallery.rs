//! The page of an export that shows everything in it, from the disk and without a network.
//!
//! Whatever people wrote is text in it and nothing else: it is escaped, and the page's own policy runs no script but ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::asset::{Asset, AssetKind};

/// Filters by what is typed.
const SCRIPT: &str = "\
const field = document.querySelector('input'), count = document.querySelector('output');\n\
const items = [...document.querySelectorAll('figure')].map(item => [item, item.textContent.toLowerCase()]);\n\
const show = () => {\n\
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);\n\
  let shown = 0;\n\
  for (const [item, text] of items) {\n\
    item.hidden = !words.every(word => text.includes(word));\n\
    shown += item.hidden ? 0 : 1;\n\
  }\n\
  count.textContent = shown + ' of ' + items.length;\n\
};\n\
field.addEventListener('input', show);\n\
show();\n";

const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }\n\
body { margin: 0 auto; max-width: 90rem; padding: 1rem }\n\
header { display: flex; flex-wrap: wrap; gap: 1rem; align-items: baseline }\n\
h1 { font-size: 1.25rem; margin: 0 }\n\
label { margin-left: auto }\n\
input { font: inherit; padding: .25rem .5rem }\n\
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); margin-top: 1rem }\n\
figure { margin: 0; overflow-wrap: anywhere }\n\
figure[hidden] { display: none }\n\
img, video, .gone { aspect-ratio: 1; background: #8882; border-radius: .5rem; display: block; object-fit: contain; width: 100% }\n\
figcaption { font-size: .875rem; padding: .5rem 0 }\n\
small { opacity: .75 }\n";

/// What the page shows of an asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    id: String,
    file: Option<String>,
    video: bool,
    title: Option<String>,
    prompt: Option<String>,
    alt: Option<String>,
    model: String,
    size: (u32, u32),
    created_at: Timestamp,
    trash: bool,
}

impl Row {
    pub(super) fn new(asset: &Asset, file: Option<String>) -> Self {
        Self {
            id: asset.id.to_string(),
            file,
            video: asset.kind == AssetKind::Video,
            title: asset.title.clone(),
            prompt: asset.prompt.clone(),
            alt: asset.alt_text.clone(),
            model: asset.model.clone(),
            size: (asset.width, asset.height),
            created_at: asset.created_at,
            trash: asset.deleted_at.is_some(),
        }
    }

    /// A tile, with the address of the original and of the record.
    pub(super) fn html(&self) -> String {
        let text = |value: &Option<String>| value.as_deref().map(escape).unwrap_or_default();
        let alt = if self.alt.is_some() { text(&self.alt) } else { text(&self.prompt) };
        let file = text(&self.file);
        let medium = match &self.file {
            None => "<div class=\"gone\"></div>".to_owned(),
            Some(_) if self.video => format!("<video controls preload=\"none\" src=\"{file}\" aria-label=\"{alt}\"></video>"),
            Some(_) => format!("<a href=\"{file}\"><img loading=\"lazy\" src=\"{file}\" alt=\"{alt}\"></a>"),
        };
        let title = if self.title.is_some() { format!("<strong>{}</strong><br>", text(&self.title)) } else { String::new() };
        format!(
            "<figure>{medium}<figcaption>{title}{prompt}<br><small>{date} · {model} · {width} × {height}{trash} · <a \
             href=\"records/{id}.json\">record</a></small></figcaption></figure>\n",
            prompt = text(&self.prompt),
            date = self.created_at.strftime("%Y-%m-%d"),
            model = escape(&self.model),
            width = self.size.0,
            height = self.size.1,
            trash = if self.trash { " · in the trash" } else { "" },
            id = escape(&self.id),
        )
    }
}

/// The beginning of the page: `count` things of `name`, as they were at `at`.
pub(super) fn head(name: &str, count: usize, at: Timestamp) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; img-src 'self' file:; media-src 'self' file:; style-src 'sha256-{}'; script-src 'sha256-{}'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let (name, date) = (escape(name), at.strftime("%Y-%m-%d"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}, {date}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}, {date}</h1>\n<output>{count}</output>\n\
         <label>Search <input type=\"search\" autocomplete=\"off\"></label>\n</header>\n<main>\n"
    )
}

/// The end of the page.
pub(super) fn foot() -> String {
    format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

/// Text as HTML shows it, in an element or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
