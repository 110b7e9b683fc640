//! Object keys as file paths.
//!
//! A key is cut at every `/`. Each segment becomes one name: bytes outside `a-z 0-9 - _ .` are written as `%xx`, and a
//! last character says what the name is: `=` an object, `+` a segment followed by `/`. Because every name carries such a
//! mark, `..` is a harmless `..+`, the keys `a` and `a/b` are `a=` and `a+/b=`, and an empty segment has a name too.
//! Capital letters are escaped, so that file systems that ignore case keep `A` and `a` apart.
//!
//! A segment of 80 bytes or more would outgrow the 255 bytes of a file name once escaped: each 80 bytes of it become a
//! folder marked `~`, and the rest, perhaps empty, goes on inside.
//!
//! Invariant: [`object_path`] is injective, and within one folder the labels of [`Name::label`] sort like the keys below
//! them: no label is a prefix of another one's, unless the shorter is a single object. Listings rely on it.

use std::path::PathBuf;

/// Bytes of a segment that one name holds: 80 escaped bytes and a mark are 241, below the limit of 255.
const PIECE_BYTES: usize = 80;

/// What a name in a bucket's folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An object file.
    Object,
    /// A segment that is followed by `/`.
    Segment,
    /// The first 80 bytes of a longer segment.
    Piece,
}

impl Kind {
    fn mark(self) -> char {
        match self {
            Self::Object => '=',
            Self::Segment => '+',
            Self::Piece => '~',
        }
    }
}

/// A decoded name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    /// The part of the key that this name adds; ends with `/` for a segment.
    pub(crate) label: Vec<u8>,
}

/// The path of an object file below its bucket's folder.
pub(crate) fn object_path(key: &str) -> PathBuf {
    let (folders, last) = match key.rfind('/') {
        Some(at) => (&key[..=at], &key[at + 1..]),
        None => ("", key),
    };
    let mut path = folder_path(folders);
    push_names(&mut path, last.as_bytes(), Kind::Object);
    path
}

/// The folder that holds every key starting with `folders`, which is empty or ends with `/`.
pub(crate) fn folder_path(folders: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for segment in folders.split_terminator('/') {
        push_names(&mut path, segment.as_bytes(), Kind::Segment);
    }
    path
}

fn push_names(path: &mut PathBuf, mut segment: &[u8], kind: Kind) {
    while let Some((piece, rest)) = segment.split_at_checked(PIECE_BYTES) {
        path.push(encode(piece, Kind::Piece));
        segment = rest;
    }
    path.push(encode(segment, kind));
}

fn encode(bytes: &[u8], kind: Kind) -> String {
    let mut name = String::with_capacity(bytes.len() + 1);
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            _ => {
                name.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    name.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
                }
            }
        }
    }
    name.push(kind.mark());
    name
}

/// Reads a name back; `None` for names that this module does not write, which listings pass over.
pub(crate) fn decode(name: &str) -> Option<Name> {
    let kind = match name.as_bytes().last()? {
        b'=' => Kind::Object,
        b'+' => Kind::Segment,
        b'~' => Kind::Piece,
        _ => return None,
    };
    let mut label = Vec::with_capacity(name.len());
    let mut bytes = name[..name.len() - 1].bytes();
    while let Some(byte) = bytes.next() {
        label.push(match byte {
            b'%' => {
                let mut digits = [0; 1];
                hex::decode_to_slice([bytes.next()?, bytes.next()?], &mut digits).ok()?;
                digits[0]
            }
            _ => byte,
        });
    }
    if kind == Kind::Segment {
        label.push(b'/');
    }
    Some(Name { kind, label })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn names_are_readable_and_marked() {
        let cases = [
            ("a", "a="),
            ("a/b", "a+/b="),
            ("media/x/original.png", "media+/x+/original.png="),
            ("../etc/passwd", "..+/etc+/passwd="),
            (".", ".="),
            ("/", "+/="),
            ("a//b/", "a+/+/b+/="),
            ("A\0é", "%41%00%c3%a9="),
        ];
        for (key, path) in cases {
            assert_eq!(object_path(key).to_str().unwrap(), path, "{key:?}");
        }
    }

    #[test]
    fn long_segments_are_cut() {
        let key = "é".repeat(512);
        let path = object_path(&key);
        for name in path.iter() {
            assert!(name.len() <= 255);
        }
        assert_eq!(path.iter().count(), 13);
        assert_eq!(object_path(&"a".repeat(80)).iter().count(), 2);
    }

    fn rebuilt(key: &str) -> (Vec<u8>, Kind) {
        let mut label = Vec::new();
        let mut kind = Kind::Piece;
        for name in &object_path(key) {
            let name = decode(name.to_str().unwrap()).unwrap();
            label.extend(name.label);
            kind = name.kind;
        }
        (label, kind)
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "[a-zA/.%é\\x00]{0,400}") {
            let path = object_path(&key);
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(rebuilt(&key), (key.into_bytes(), Kind::Object));
        }
    }
}
