//! Key files that only their owner may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `bytes` to a new file at `path` with mode 0600, or leaves the file that is there.
///
/// The content is complete before the name exists, so a crash never leaves half a key behind.
///
/// # Errors
/// Whatever the file system says, but not that `path` exists already.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random)?;
    let draft = path.with_extension(format!("{}.draft", hex::encode(random)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // A hard link fails when the name is taken, which a rename doesn't.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
