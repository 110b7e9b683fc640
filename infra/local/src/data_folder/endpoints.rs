//! `endpoints.json`: how an operator's command reaches the services of an edition that is running.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DataFolderError, write_atomically};

const FILE: &str = "endpoints.json";

/// Where a running edition listens, and with which credentials. They are random and new at each start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// The site's address.
    pub origin: String,
    /// The variables a function is configured by: endpoints, credentials, names.
    pub environment: BTreeMap<String, String>,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment holds credentials.
        f.debug_struct("Endpoints").field("origin", &self.origin).finish_non_exhaustive()
    }
}

pub(super) fn write(root: &Path, endpoints: &Endpoints) -> Result<(), DataFolderError> {
    let path = root.join(FILE);
    let text =
        serde_json::to_vec_pretty(endpoints).map_err(|error| DataFolderError::Damaged { path: path.clone(), reason: error.to_string() })?;
    write_atomically(&path, &text)
}

pub(super) fn read(root: &Path) -> Result<Endpoints, DataFolderError> {
    let path = root.join(FILE);
    let text = std::fs::read(&path).map_err(DataFolderError::unusable(&path))?;
    serde_json::from_slice(&text).map_err(|error| DataFolderError::Damaged { path, reason: error.to_string() })
}

pub(super) fn remove(root: &Path) {
    if let Err(error) = std::fs::remove_file(root.join(FILE)) {
        tracing::debug!(%error, "endpoints.json was not removed");
    }
}
