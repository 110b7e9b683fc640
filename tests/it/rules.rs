//! Who may know whom: the order of `shared`'s modules, functions that don't know each other, and what lies in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands below everything.
const BASE: [&str; 7] = ["clock", "config", "id", "outbound", "secrets", "telemetry", "tls"];

/// A module of `shared` and what it may name, besides itself and the [`BASE`].
const MAY_NAME: [(&str, &[&str]); 19] = [
    ("domain", &[]),
    ("db", &["domain"]),
    ("media", &["domain"]),
    ("queue", &["domain"]),
    ("provider", &["domain"]),
    // `Platform` holds every client, and whoever works with more than one of them is given it: `auth`, `jobs` and `http`.
    ("auth", &["domain", "db", "media", "queue", "provider", "runtime"]),
    // What clients see: shown by `http`, and sent to addresses of theirs by `jobs`.
    ("view", &["domain", "media"]),
    ("jobs", &["domain", "db", "media", "queue", "provider", "runtime", "auth", "view"]),
    ("http", &["domain", "db", "media", "queue", "provider", "runtime", "auth", "view", "jobs"]),
    // `Platform::provider` fails as a step of a job does.
    ("runtime", &["domain", "db", "media", "queue", "provider", "jobs"]),
    ("clock", &[]),
    // The variables of the limits have the product's limits as defaults.
    ("config", &["domain"]),
    ("id", &[]),
    ("outbound", &[]),
    ("secrets", &[]),
    ("telemetry", &[]),
    ("tls", &[]),
    ("lib", &[]),
    ("bin", &[]),
];

/// What lies at the top of the repository.
const FOLDERS: [&str; 7] = [".ci", "docs", "functions", "infra", "shared", "static-site", "tests"];
/// What is made there, and never committed.
const MADE: [&str; 4] = [".git", "data", "node_modules", "target"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The first names after `crate::` in `line`, grouped ones as well.
fn named(code: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, character) in group.char_indices() {
            if begins && !character.is_whitespace() {
                names.push(word(&group[at..]));
                begins = false;
            }
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ => {}
            }
        }
    }
    names
}

/// The names that a climb of `super`s reaches in the crate's root, from a file that is `depth` modules below it.
fn climbed(code: &str, depth: usize) -> Vec<String> {
    let climb = "super::".repeat(depth);
    named(&code.replace(&climb, "crate::").replace("super::crate::", "crate::"))
}

/// The code of a file without its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every name in `shared` that the order forbids.
fn violations(may_name: &[(&str, &[&str])]) -> Vec<String> {
    let folder = root().join("shared/src");
    let modules: BTreeSet<&str> = may_name.iter().map(|(module, _)| *module).collect();
    let mut violations = Vec::new();
    for file in sources(&folder) {
        let below = file.strip_prefix(&folder).unwrap();
        let parts: Vec<String> = below.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let own = parts[0].as_str();
        if own == "lib" {
            continue;
        }
        let Some((_, allowed)) = may_name.iter().find(|(module, _)| *module == own) else {
            violations.push(format!("{} is in no place of the order", below.display()));
            continue;
        };
        let depth = parts.len() - usize::from(parts.last().is_some_and(|last| last == "mod"));
        let code = code(&file);
        for name in named(&code).into_iter().chain(climbed(&code, depth)) {
            let known = modules.contains(name.as_str());
            if known && name != own && !BASE.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                violations.push(format!("{} names {name}", below.display()));
            }
        }
    }
    violations
}

#[test]
fn the_modules_of_shared_name_only_what_is_below_them() {
    assert_eq!(violations(&MAY_NAME), Vec::<String>::new());
}

#[test]
fn the_order_is_really_looked_at() {
    // Without its rights, `jobs` breaks the order wherever it names the table.
    let mut strict = MAY_NAME;
    strict.iter_mut().find(|(module, _)| *module == "jobs").unwrap().1 = &["domain"];
    assert!(violations(&strict).iter().any(|line| line.starts_with("jobs/") && line.ends_with(" names db")));
    assert_eq!(named("use crate::{db::{Db, keys}, http::view, id}; crate::auth::x()"), ["db", "http", "id", "auth"]);
    assert_eq!(climbed("use super::super::http::view; use super::keys;", 2), ["http"]);
}

/// The packages that a manifest names as dependencies.
fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let mut names = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if let Some(section) = line.strip_prefix('[') {
            within = section.contains("dependencies");
        } else if within && let Some((name, _)) = line.split_once('=') {
            names.push(name.trim().split('.').next().unwrap().to_owned());
        }
    }
    assert!(!names.is_empty(), "{}", manifest.display());
    names
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn functions_know_shared_and_neither_each_other_nor_the_local_edition() {
    let functions = names_in("functions");
    assert_eq!(functions.len(), 9);
    for function in &functions {
        let known = dependencies(&root().join("functions").join(function).join("Cargo.toml"));
        let others: Vec<&String> = known.iter().filter(|name| functions.contains(*name) || name.starts_with("local")).collect();
        assert_eq!(others, Vec::<&String>::new(), "{function}");
        assert!(known.contains(&"shared".to_owned()), "{function}");
    }
    let below = dependencies(&root().join("shared/Cargo.toml"));
    assert!(!below.iter().any(|name| functions.contains(name) || name.starts_with("local")), "{below:?}");
}

#[test]
fn the_folders_at_the_top_are_those_that_are_agreed() {
    let mut found = names_in(".");
    found.retain(|name| !MADE.contains(&name.as_str()));
    assert_eq!(found, FOLDERS.map(str::to_owned).into());
}
