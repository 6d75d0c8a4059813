//! Repository chores that need more than a shell line. `cargo xtask layers` checks the rules of the house.
//!
//! | file | check |
//! |---|---|
//! | `metadata.rs` | reads `cargo metadata` into the few fields the checks need |
//! | `layers.rs` | a crate uses only crates of lower layers |
//! | `pins.rs` | every dependency has one exact version, written in the workspace table |
//! | `licences.rs` | every dependency may be used under an allowed licence |
//! | `sizes.rs` | length of files and functions |
//! | `source.rs` | blanks comments and strings and cuts test code, so that `sizes.rs` may count lines and braces |

mod layers;
mod licences;
mod metadata;
mod pins;
mod sizes;
mod source;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

const USAGE: &str = "usage: cargo xtask layers";

/// What one check found. A warning is printed, a failure also ends the command with exit code 1.
#[derive(Debug, Default)]
pub struct Findings {
    warnings: Vec<String>,
    failures: Vec<String>,
}

impl Findings {
    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }

    fn fail(&mut self, message: String) {
        self.failures.push(message);
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["layers"] {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    match check_house() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every check, prints what it found and returns the number of failures.
fn check_house() -> Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository root")?;
    let metadata = metadata::read(root)?;
    let checks = [
        ("layers", layers::check(&metadata)),
        ("pinned versions", pins::check(&metadata, &pins::read_manifests(root, &metadata)?)),
        ("licences", licences::check(&metadata)),
        ("sizes", sizes::check(&sizes::read_sources(root)?)),
    ];
    let mut failures = 0;
    for (name, (summary, findings)) in &checks {
        for warning in &findings.warnings {
            println!("warning: {name}: {warning}");
        }
        for failure in &findings.failures {
            println!("FAILED: {name}: {failure}");
        }
        failures += findings.failures.len();
        if findings.failures.is_empty() {
            println!("ok: {name}: {summary}");
        }
    }
    Ok(failures)
}
