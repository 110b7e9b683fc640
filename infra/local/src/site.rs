//! The web app is built when it is missing or older than its sources.
//!
//! A hash of the sources' content is kept beside the built files: what was checked out again, or touched, isn't built again.
//! Installing is skipped in the same way while the lock file is the same.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

/// Kept in the built folder; holds the hash of the sources that it was built from.
const SOURCES_HASH: &str = ".sources-sha256";
/// Kept in `node_modules`; holds the hash of the lock file that it was installed from.
const LOCK_HASH: &str = ".lock-sha256";
/// Folders that aren't sources.
const SKIPPED: [&str; 5] = ["dist", "node_modules", "coverage", "test-results", "playwright-report"];
/// What to do without Node.
const NODE: &str = "Node.js 20.19 or later with npm is needed to build the web app: install it from https://nodejs.org/ or with \
                    your system's packages (Debian and Ubuntu: `apt install nodejs npm`, macOS: `brew install node`), then start again";

/// Why there is no built site.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The program `npm` isn't there.
    #[error("{NODE}")]
    NodeMissing,
    /// The sources can't be read, or the result can't be written.
    #[error("{} can't be used for building the web app", path.display())]
    Unusable {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A step ended with an error, which it has printed.
    #[error("`npm {step}` failed in {}; its messages are above", folder.display())]
    Failed {
        /// `ci` or `run build`.
        step: &'static str,
        /// Where it ran.
        folder: PathBuf,
    },
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> BuildError + '_ {
    |source| BuildError::Unusable { path: path.to_owned(), source }
}

/// The folder of the built site, built now if need be. `npm` is the program to call. Blocks, for up to minutes.
///
/// # Errors
/// [`BuildError`].
pub fn ensure_built(sources: &Path, npm: &OsStr) -> Result<PathBuf, BuildError> {
    let dist = sources.join("dist");
    let expected = hash_of_sources(sources)?;
    if dist.join("index.html").is_file() && recorded(&dist.join(SOURCES_HASH)) == expected {
        return Ok(dist);
    }
    tracing::warn!(folder = %sources.display(), "building the web app, which takes a moment");
    let lock_file = sources.join("package-lock.json");
    let lock = hex::encode(Sha256::digest(std::fs::read(&lock_file).map_err(unusable(&lock_file))?));
    let installed = sources.join("node_modules").join(LOCK_HASH);
    if recorded(&installed) != lock {
        run(sources, npm, "ci", &["ci", "--no-audit", "--no-fund"])?;
        std::fs::write(&installed, &lock).map_err(unusable(&installed))?;
    }
    run(sources, npm, "run build", &["run", "build"])?;
    let record = dist.join(SOURCES_HASH);
    std::fs::write(&record, &expected).map_err(unusable(&record))?;
    Ok(dist)
}

fn recorded(path: &Path) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn run(folder: &Path, npm: &OsStr, step: &'static str, arguments: &[&str]) -> Result<(), BuildError> {
    // Standard output belongs to the address line.
    let status = Command::new(npm).args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(BuildError::Failed { step, folder: folder.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BuildError::NodeMissing),
        Err(source) => Err(BuildError::Unusable { path: PathBuf::from(npm), source }),
    }
}

/// One hash over names and contents of all sources, in the order of their names.
fn hash_of_sources(root: &Path) -> Result<String, BuildError> {
    let mut hash = Sha256::new();
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(unusable(&folder))? {
            let entry = entry.map_err(unusable(&folder))?;
            let (name, path) = (entry.file_name(), entry.path());
            let kind = entry.file_type().map_err(unusable(&path))?;
            let skipped = name.to_string_lossy().starts_with('.') || (folder == root && SKIPPED.iter().any(|skipped| name == *skipped));
            match kind.is_dir() {
                _ if skipped => {}
                true => folders.push(path),
                false if kind.is_file() => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    for path in files {
        let content = std::fs::read(&path).map_err(unusable(&path))?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        // Lengths keep names and contents apart.
        hash.update(name.len().to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(content.len().to_le_bytes());
        hash.update(&content);
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A site whose `npm` writes down what it was asked for and, for a build, makes the folder.
    struct Project {
        folder: tempfile::TempDir,
        npm: PathBuf,
    }

    impl Project {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let npm = folder.path().join(".npm.sh");
            let script = "#!/bin/sh\necho \"$1\" >> .calls\ncase $1 in\nci) mkdir -p node_modules;;\n\
                          run) [ -e fail ] && exit 1; mkdir -p dist && echo built > dist/index.html;;\nesac\n";
            fs::write(&npm, script).unwrap();
            fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
            fs::create_dir(folder.path().join("src")).unwrap();
            fs::write(folder.path().join("src/main.ts"), "1").unwrap();
            fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
            Self { folder, npm }
        }

        fn build(&self) -> Result<PathBuf, BuildError> {
            ensure_built(self.folder.path(), self.npm.as_os_str())
        }

        fn calls(&self) -> String {
            fs::read_to_string(self.folder.path().join(".calls")).unwrap_or_default().replace('\n', " ")
        }
    }

    #[test]
    fn it_is_built_once_and_again_when_a_source_changes() {
        let project = Project::new();
        assert!(project.build().unwrap().join("index.html").is_file());
        project.build().unwrap();
        assert_eq!(project.calls(), "ci run ");
        fs::write(project.folder.path().join("src/main.ts"), "2").unwrap();
        project.build().unwrap();
        assert_eq!(project.calls(), "ci run run ", "the lock file is the same");
        fs::write(project.folder.path().join("package-lock.json"), "{ }").unwrap();
        project.build().unwrap();
        assert_eq!(project.calls(), "ci run run ci run ");
    }

    #[test]
    fn a_failed_build_is_not_taken_for_a_site() {
        let project = Project::new();
        fs::write(project.folder.path().join("fail"), "").unwrap();
        assert!(matches!(project.build(), Err(BuildError::Failed { step: "run build", .. })));
        fs::remove_file(project.folder.path().join("fail")).unwrap();
        project.build().unwrap();
    }

    #[test]
    fn a_missing_node_is_said_with_its_remedy() {
        let project = Project::new();
        let error = ensure_built(project.folder.path(), OsStr::new("/nonexistent/npm")).unwrap_err();
        assert!(matches!(error, BuildError::NodeMissing));
        assert!(error.to_string().contains("apt install nodejs npm"));
    }
}
