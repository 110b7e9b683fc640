use bytes::BytesMut;

use super::gallery::{self, Row};
use super::state::{State, Step};
use super::*;
use crate::id::AssetId;

const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</figcaption></figure><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!-- -->&lt;b&gt;&#x27;",
    "javascript:alert(1)",
    "\u{202e}]]>\u{0}",
];

fn row(text: &str, file: Option<&str>, video: bool) -> Row {
    let value = serde_json::json!({
        "id": "0190163d8694739baea5966c26f8ad91", "file": file, "video": video, "title": text, "prompt": text, "alt": text,
        "model": text, "size": [640, 480], "created_at": "2026-11-23T05:06:07Z", "trash": true,
    });
    serde_json::from_value(value).unwrap()
}

/// The tags of a page, and the attributes' values, as a parser sees them: text holds no angle bracket and no quote of ours.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

#[test]
fn what_people_write_is_text() {
    for text in HOSTILE {
        for (file, video) in [(Some("originals/a.png"), false), (Some("originals/a.mp4"), true), (None, false)] {
            let (hostile, plain) = (row(text, file, video).html(), row("plain", file, video).html());
            let names = |html: &str| tags(html).into_iter().map(|tag| tag.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&hostile), names(&plain), "{text}");
            for (hostile, plain) in tags(&hostile).into_iter().zip(tags(&plain)) {
                assert_eq!(hostile.matches('"').count(), plain.matches('"').count(), "{text}: {hostile}");
                assert!(!hostile.contains('\''), "{text}: {hostile}");
            }
        }
        let head = gallery::head(text, 1, Timestamp::UNIX_EPOCH);
        assert_eq!(tags(&head).len(), tags(&gallery::head("plain", 1, Timestamp::UNIX_EPOCH)).len(), "{text}");
    }
    let shown = row("<i>Tom & \"Jerry\"</i>", Some("originals/a.png"), false).html();
    assert!(shown.contains("&lt;i&gt;Tom &amp; &quot;Jerry&quot;&lt;/i&gt;"), "{shown}");
}

#[test]
fn the_page_runs_its_own_script_and_loads_nothing_from_elsewhere() {
    let (head, foot) = (gallery::head("Ada", 2, Timestamp::UNIX_EPOCH), gallery::foot());
    let hash = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
    };
    let between = |text: &str, begin: &str, end: &str| text.split_once(begin).unwrap().1.split_once(end).unwrap().0.to_owned();
    let script = between(&foot, "<script>", "</script>");
    let style = between(&head, "<style>", "</style>");
    assert!(head.contains(&format!("script-src 'sha256-{}'", hash(&script))));
    assert!(head.contains(&format!("style-src 'sha256-{}'", hash(&style))));
    assert!(head.contains("default-src 'none'") && !head.contains("unsafe"));
    let all = format!("{head}{}{foot}", row("plain", Some("originals/a.png"), false).html());
    assert!(!all.contains("http://") && !all.contains("https://") && !all.contains(" style="), "{all}");
}

#[test]
fn the_state_comes_back_as_it_was() {
    let mut state = State { step: Step::Assets(Some(AssetId::new(Timestamp::UNIX_EPOCH))), ..State::default() };
    let mut out = BytesMut::new();
    state.directory.file("a", Timestamp::UNIX_EPOCH, b"bytes", &mut out).unwrap();
    state.tail = out;
    state.rows.push(row("plain", None, false));
    let bytes = state.to_bytes().unwrap();
    let again = State::parse(&bytes).unwrap();
    assert_eq!((&again.step, &again.directory, &again.tail), (&state.step, &state.directory, &state.tail));
    assert_eq!(again.to_bytes().unwrap(), bytes);
    for broken in [bytes.slice(..7), bytes.slice(..20), bytes::Bytes::new()] {
        assert!(State::parse(&broken).is_none());
    }
}

#[test]
fn a_list_is_json_however_long_it_is() {
    for count in 0..3 {
        let mut list = JsonList::default();
        let mut text = Vec::new();
        for n in 0..count {
            text.extend_from_slice(list.before());
            text.extend_from_slice(n.to_string().as_bytes());
        }
        text.extend_from_slice(list.end());
        assert_eq!(serde_json::from_slice::<Vec<u32>>(&text).unwrap(), (0..count).collect::<Vec<u32>>());
    }
}
