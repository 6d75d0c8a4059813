//! `zemosaic completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::args::Cli;

/// Run it.
pub fn run(shell: clap_complete::Shell) -> u8 {
    clap_complete::generate(shell, &mut Cli::command(), "zemosaic", &mut std::io::stdout());
    0
}
