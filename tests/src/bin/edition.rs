//! The local edition's program once more, because Cargo builds only a package's own programs for its tests, and a test that kills
//! must have a process of its own to kill.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = local::Cli::parse();
    local::log();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
