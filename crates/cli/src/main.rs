//! The `zemosaic` program: commands, progress, messages. stdout carries results, stderr everything else.

#[macro_use]
mod say;

mod args;
mod calibration_args;
mod command_args;
mod commands;
mod gate_args;
mod intertile_args;
mod match_args;
mod named;
mod parse;
mod progress;
mod reject_args;
mod run_args;
mod solve_args;
mod two_pass_args;
mod watchdog_args;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            commands::mosaic::tell_not_understood(&error);
            error.exit()
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(error) = large_files_fail_with_an_error() {
        say::warning(
            "W-SIGNAL",
            &format!("SIGXFSZ cannot be caught ({error}); a file-size limit ends the program"),
        );
    }
    // The panic's own message is on stderr already.
    let code =
        std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(cli.command, &args::given_options(&matches))))
            .unwrap_or(zemosaic_run::ExitCode::Internal as u8);
    ExitCode::from(code)
}

/// A write beyond the file-size limit of the process (`ulimit -f`) must fail like one on a full disk, so that
/// the run cleans up after itself; by default the signal ends the program.
#[cfg(unix)]
fn large_files_fail_with_an_error() -> std::io::Result<()> {
    let noted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noted).map(|_| ())
}

/// There is no such signal on this system.
#[cfg(not(unix))]
fn large_files_fail_with_an_error() -> std::io::Result<()> {
    Ok(())
}

fn dispatch(command: Command, given: &[String]) -> u8 {
    match command {
        Command::Run(args) => commands::mosaic::run_all(&args, given),
        Command::Stack(args) => commands::mosaic::run_stack(&args, given),
        Command::Mosaic(args) => commands::mosaic::run(&args, given),
        Command::Plan(args) => commands::plan::run(&args, given),
        Command::Quality(args) => commands::quality::run(&args, given),
        Command::Solve(args) => commands::solve::run(&args, given),
        Command::Overlaps(args) => commands::overlaps::run(&args),
        Command::Header(args) => commands::header::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Completions { shell } => commands::completions::run(shell),
    }
}
