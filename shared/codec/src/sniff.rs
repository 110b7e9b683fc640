//! What bytes are, by their first ones: what anybody says about them is a hint at best.

/// A type of media that we keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Lossless, with transparency.
    Png,
    /// Lossy, without.
    Jpeg,
    /// Either.
    Webp,
    /// Kept, never decoded here.
    Gif,
    /// Kept, never decoded here.
    Avif,
    /// A drawing that can carry script: only ever an attachment.
    Svg,
    /// A video.
    Mp4,
}

/// Bytes that [`MediaType::sniff`] wants to see, if there are so many: an SVG may begin with a long comment.
pub const SNIFF_BYTES: usize = 1_024;

impl MediaType {
    /// The type of a file that begins with `head`.
    pub fn sniff(head: &[u8]) -> Option<Self> {
        let brand = |offset: usize| head.get(offset..offset + 4);
        match head {
            _ if head.starts_with(b"\x89PNG\r\n\x1a\n") => Some(Self::Png),
            _ if head.starts_with(b"\xff\xd8\xff") => Some(Self::Jpeg),
            _ if head.starts_with(b"RIFF") && brand(8) == Some(b"WEBP") => Some(Self::Webp),
            _ if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") => Some(Self::Gif),
            _ if brand(4) == Some(b"ftyp") => match brand(8) {
                Some(b"avif" | b"avis") => Some(Self::Avif),
                Some(
                    b"isom" | b"iso2" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"M4V " | b"dash" | b"mmp4" | b"MSNV",
                ) => Some(Self::Mp4),
                _ => None,
            },
            _ if is_svg(head) => Some(Self::Svg),
            _ => None,
        }
    }

    /// What we serve it as.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Svg => "image/svg+xml",
            Self::Mp4 => "video/mp4",
        }
    }

    /// The end of its name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Avif => "avif",
            Self::Svg => "svg",
            Self::Mp4 => "mp4",
        }
    }

    /// The type that we serve as `content_type`.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        [Self::Png, Self::Jpeg, Self::Webp, Self::Gif, Self::Avif, Self::Svg, Self::Mp4]
            .into_iter()
            .find(|t| t.content_type() == content_type)
    }

    /// Whether it moves.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Mp4)
    }

    /// Whether we can make thumbnails of it (and take it as an upload).
    pub const fn is_decodable(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Webp)
    }

    /// How it is stored to be served: a drawing that can carry script is never shown as a page.
    pub const fn disposition(self) -> Option<&'static str> {
        match self {
            Self::Svg => Some("attachment"),
            _ => None,
        }
    }
}

/// An `<svg` element, after nothing but declarations and comments.
fn is_svg(head: &[u8]) -> bool {
    let head = &head[..head.len().min(SNIFF_BYTES)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        Err(_) => return false,
    };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let skipped = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->")
        } else if rest.starts_with("<?") || rest.starts_with("<!DOCTYPE svg") {
            rest.split_once('>')
        } else {
            return rest.strip_prefix("<svg").is_some_and(|after| after.starts_with(|c: char| c.is_whitespace() || c == '>'));
        };
        match skipped {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_bytes() {
        for (head, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], Some(MediaType::Png)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some(MediaType::Jpeg)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(MediaType::Webp)),
            (b"GIF89a", Some(MediaType::Gif)),
            (b"\0\0\0\x20ftypavif", Some(MediaType::Avif)),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", Some(MediaType::Mp4)),
            (b"<svg xmlns='x'>", Some(MediaType::Svg)),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made by -->\n<!DOCTYPE svg PUBLIC 'x'>\n<svg>", Some(MediaType::Svg)),
            (b"<html><svg>", None),
            (b"<!-- <svg> ", None),
            (b"<svgx>", None),
            (b"<!DOCTYPE html><svg>", None),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"\0\0\0\x20ftypqt  ", None),
            (b"\0\0\0\x20ftypheic", None),
            (b"MZ", None),
            (b"", None),
        ] {
            assert_eq!(MediaType::sniff(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_type_and_its_name_agree() {
        for media_type in
            [MediaType::Png, MediaType::Jpeg, MediaType::Webp, MediaType::Gif, MediaType::Avif, MediaType::Svg, MediaType::Mp4]
        {
            assert_eq!(MediaType::from_content_type(media_type.content_type()), Some(media_type));
            assert_eq!(media_type.is_video(), media_type.content_type().starts_with("video/"));
        }
    }
}
