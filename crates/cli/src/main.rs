//! The `zemosaic` program: commands, progress, messages. stdout carries results, stderr everything else.

mod args;
mod commands;
mod parse;
mod progress;
mod say;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let code = match cli.command {
        Command::Mosaic(args) => commands::mosaic::run(&args, &args::given_options(&matches)),
        Command::Plan(args) => commands::plan::run(&args, &args::given_options(&matches)),
        Command::Header(args) => commands::header::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Completions { shell } => commands::completions::run(shell),
    };
    ExitCode::from(code)
}
