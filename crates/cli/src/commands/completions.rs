//! `zemosaic completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::args::Cli;

/// Run it.
pub fn run(shell: clap_complete::Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "zemosaic", &mut script);
    outln!("{}", String::from_utf8_lossy(&script).trim_end());
    0
}
