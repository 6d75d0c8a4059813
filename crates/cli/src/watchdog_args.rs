//! Options of the watchdog, which all commands that work for long share.

use clap::Args;
use zemosaic_run::watchdog::{StallAction, WatchdogOptions};

use crate::named::{name_of, named};
use crate::parse;

/// What is done when nothing finishes.
#[derive(Debug, Args)]
pub struct WatchdogArgs {
    /// Write what every worker is doing to a file when nothing finishes for so many seconds; 0: never. The file is
    /// logs/stall_N.txt in the output folder, OUTPUT.stall_N.txt beside an output file, else in the folder of --tmp
    #[arg(long, value_name = "SECONDS", default_value_t = WatchdogOptions::default().after_s, value_parser = parse::limit)]
    pub watchdog: f64,
    /// What is done after that
    #[arg(long, value_parser = named::<StallAction>(), default_value = name_of(StallAction::default()))]
    pub on_stall: StallAction,
}

impl WatchdogArgs {
    /// The options.
    pub fn options(&self) -> WatchdogOptions {
        WatchdogOptions { after_s: self.watchdog, on_stall: self.on_stall }
    }
}
