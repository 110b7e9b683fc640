//! Walking a bucket in the order of its keys' bytes.

use super::keypath::{Kind, decode, folder_path};
use super::{Bucket, ObjectMeta, Store, StoreError, format};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::vec;

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// After this key.
    After(String),
    /// After everything up to and starting with this.
    Past(String),
}

impl Resume {
    /// Whether the object of `key` lies before the place.
    fn skips_key(&self, key: &[u8]) -> bool {
        match self {
            Self::After(after) => key <= after.as_bytes(),
            Self::Past(past) => key <= past.as_bytes() || key.starts_with(past.as_bytes()),
        }
    }

    /// Whether all keys that start with `label`, and are longer, lie before the place.
    fn skips_below(&self, label: &[u8]) -> bool {
        let (Self::After(place) | Self::Past(place)) = self;
        let place = place.as_bytes();
        (matches!(self, Self::Past(_)) && label.starts_with(place)) || (label < place && !place.starts_with(label))
    }
}

/// What a listing asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListQuery {
    pub(crate) prefix: String,
    /// Keys that share all up to its first occurrence after the prefix become one entry.
    pub(crate) delimiter: Option<String>,
    pub(crate) resume: Option<Resume>,
    /// Objects and common prefixes together.
    pub(crate) max: usize,
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<ObjectMeta>,
    pub(crate) common_prefixes: Vec<String>,
    /// Where the next page starts, when there is one.
    pub(crate) next: Option<Resume>,
}

/// Walks the object files below a prefix, depth first, in key order.
pub(super) struct Walker {
    prefix: Vec<u8>,
    stack: Vec<Level>,
}

struct Level {
    folder: PathBuf,
    label: Vec<u8>,
    names: vec::IntoIter<(Vec<u8>, Kind, PathBuf)>,
}

impl Walker {
    pub(super) fn new(bucket: &Bucket, prefix: &str) -> io::Result<Self> {
        let folders = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        let start = Level::read(bucket.root.join(folder_path(folders)), folders.as_bytes().to_vec())?;
        Ok(Self { prefix: prefix.as_bytes().to_vec(), stack: vec![start] })
    }

    /// The next object file that `resume` does not skip. A folder removed meanwhile counts as empty.
    pub(super) fn next(&mut self, resume: Option<&Resume>) -> io::Result<Option<(String, PathBuf)>> {
        while let Some(level) = self.stack.last_mut() {
            let Some((label, kind, name)) = level.names.next() else {
                self.stack.pop();
                continue;
            };
            let full = [level.label.as_slice(), &label].concat();
            let path = level.folder.join(name);
            if kind == Kind::Object {
                if full.starts_with(&self.prefix)
                    && !resume.is_some_and(|resume| resume.skips_key(&full))
                    && let Ok(key) = String::from_utf8(full)
                {
                    return Ok(Some((key, path)));
                }
            } else if (full.starts_with(&self.prefix) || self.prefix.starts_with(&full))
                && !resume.is_some_and(|resume| resume.skips_below(&full))
            {
                self.stack.push(Level::read(path, full)?);
            }
        }
        Ok(None)
    }
}

impl Level {
    fn read(folder: PathBuf, label: Vec<u8>) -> io::Result<Self> {
        let mut names = Vec::new();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry?.file_name();
                    if let Some(decoded) = name.to_str().and_then(decode) {
                        names.push((decoded.label, decoded.kind, PathBuf::from(name)));
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        names.sort_unstable();
        Ok(Self { folder, label, names: names.into_iter() })
    }
}

impl Store {
    /// One page of a listing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], [`StoreError::Corrupt`], [`StoreError::Io`].
    pub(crate) fn list(&self, bucket: &str, query: &ListQuery) -> Result<Listing, StoreError> {
        let bucket = self.bucket(bucket)?;
        let mut walker = Walker::new(&bucket, &query.prefix)?;
        let mut listing = Listing::default();
        let mut resume = query.resume.clone();
        while let Some((key, path)) = walker.next(resume.as_ref())? {
            if listing.objects.len() + listing.common_prefixes.len() == query.max {
                // There is more; a page of nothing has nowhere to go on from.
                listing.next = resume.filter(|_| query.max > 0);
                break;
            }
            let group = query.delimiter.as_deref().and_then(|delimiter| {
                let at = key[query.prefix.len()..].find(delimiter)?;
                Some(key[..query.prefix.len() + at + delimiter.len()].to_owned())
            });
            match group {
                Some(group) => {
                    listing.common_prefixes.push(group.clone());
                    resume = Some(Resume::Past(group));
                }
                None => {
                    listing.objects.extend(read_meta(&path)?);
                    resume = Some(Resume::After(key));
                }
            }
        }
        Ok(listing)
    }
}

/// The metadata of a listed file; `None` if it has been deleted since.
pub(super) fn read_meta(path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
    match File::open(path) {
        Ok(file) => format::read(&file, path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
