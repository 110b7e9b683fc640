//! What a run leaves to the next one.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::gallery::Row;
use super::{Stopped, json};
use crate::id::AssetId;
use crate::media::parts::Part;
use crate::media::zip::Directory;

/// Bytes at most: what is known of 50,000 assets, and a part.
pub(super) const LARGEST: u64 = 192 << 20;

/// What is written next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// The asset after this one.
    Assets(Option<AssetId>),
    Generations,
    Ledger,
    Links,
    Profile,
    Gallery,
    /// The end of the zip, and the last part.
    Flush,
    /// All parts are there.
    End,
}

/// How far an export is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) step: Step,
    pub(super) directory: Directory,
    pub(super) parts: Vec<Part>,
    /// For the gallery.
    pub(super) rows: Vec<Row>,
    /// The end of what was written, which doesn't fill a part yet.
    #[serde(skip)]
    pub(super) tail: BytesMut,
}

impl Default for State {
    fn default() -> Self {
        let (directory, parts, rows, tail) = (Directory::default(), Vec::new(), Vec::new(), BytesMut::new());
        Self { step: Step::Assets(None), directory, parts, rows, tail }
    }
}

impl State {
    /// The length of the JSON in eight bytes, the JSON, the tail.
    pub(super) fn to_bytes(&self) -> Result<Bytes, Stopped> {
        let json = json(self)?;
        Ok([&(json.len() as u64).to_be_bytes()[..], &json, &self.tail].concat().into())
    }

    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        let length = usize::try_from(rest.try_get_u64().ok()?).ok()?;
        if rest.len() < length {
            return None;
        }
        let mut state: Self = serde_json::from_slice(&rest.split_to(length)).ok()?;
        state.tail = BytesMut::from(&rest[..]);
        Some(state)
    }
}
