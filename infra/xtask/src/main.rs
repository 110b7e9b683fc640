//! The developer's helper: what is generated from the code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What is generated from the code")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes static-site/openapi.json from the routers of all functions.
    Openapi {
        /// Writes nothing; fails when the file differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Openapi { check } => openapi(check),
    }
}

fn openapi(check: bool) -> anyhow::Result<()> {
    let api = shared::http::openapi([
        auth::routes(),
        generate::routes(),
        library::routes(),
        redirect::routes(),
        webhook::routes(),
        admin::routes(),
    ]);
    let text = serde_json::to_string_pretty(&api)? + "\n";
    let path = root().join("static-site/openapi.json");
    if !check {
        return std::fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()));
    }
    if std::fs::read_to_string(&path).unwrap_or_default() == text {
        return Ok(());
    }
    bail!("static-site/openapi.json is not what the routers say; run: cargo run -p xtask -- openapi")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}
