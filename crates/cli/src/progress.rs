//! Progress on a terminal: stage, work done, rate, time to go. Events as JSON lines with `--json`.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zemosaic_run::events::TimedEvent;
use zemosaic_run::{Event, Reporter, Stage};

use crate::say;

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// Bars on stderr where it is a terminal.
    Bars,
    /// JSON lines on stdout.
    Json,
    /// Nothing.
    Quiet,
}

impl Display {
    /// From the flags of a command.
    pub fn of(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Bars,
        }
    }

    /// A reporter that displays this way.
    pub fn reporter(self) -> Reporter {
        match self {
            Self::Bars if std::io::stderr().is_terminal() => {
                let mut bars = Bars::default();
                Reporter::start(Box::new(move |event| bars.show(event)))
            }
            Self::Bars | Self::Quiet => Reporter::start(Box::new(|timed| tell_stall(&timed.event))),
            Self::Json => Reporter::start(Box::new(print_json)),
        }
    }
}

fn print_json(event: &TimedEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        // A reader that went away must not end the run.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// A stall is told at once, whatever else is shown: the end, where warnings are told, may not come.
fn tell_stall(event: &Event) {
    if let Event::Stalled { seconds, file, .. } = event {
        let message =
            format!("nothing has finished for {seconds:.0} s; {file} says what every worker is doing");
        say::warning("W-STALLED", &message);
    }
}

#[derive(Default)]
struct Bars {
    bar: Option<ProgressBar>,
}

impl Bars {
    fn show(&mut self, timed: &TimedEvent) {
        match &timed.event {
            Event::StageStarted { stage, total } => self.bar = Some(bar_for(*stage, *total)),
            Event::Progress { done, total, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(*total);
                    bar.set_position(*done);
                }
            }
            Event::StageFinished { .. } | Event::Finished { .. } | Event::Failed { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            event @ Event::Stalled { .. } => match &self.bar {
                Some(bar) => bar.suspend(|| tell_stall(event)),
                None => tell_stall(event),
            },
            _ => {}
        }
    }
}

fn bar_for(stage: Stage, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
    let counts = if stage.unit() == "px" { "{percent:>3} % {per_sec} px" } else { "{pos}/{len} {per_sec}" };
    let template = format!("{{prefix:8}} {{bar:30}} {counts} to go {{eta}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.set_prefix(stage.label());
    bar
}
