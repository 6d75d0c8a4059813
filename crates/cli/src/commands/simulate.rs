//! `zemosaic simulate`: raw frames of the real sky with known truth.

use indicatif::ProgressBar;
use zemosaic_run::ExitCode;
use zemosaic_testkit::{Preset, SimulateOptions, SimulationSummary, TestkitError, simulate};

use crate::command_args::{PresetName, SimulateArgs};
use crate::say;

/// Run it.
pub fn run(args: &SimulateArgs) -> u8 {
    let options = match options_of(args) {
        Ok(options) => options,
        Err(message) => {
            say::failure("E-USAGE", &message);
            return ExitCode::Usage as u8;
        }
    };
    if args.print_options {
        match serde_json::to_string_pretty(&options) {
            Ok(text) => outln!("{text}"),
            Err(error) => say::failure("E-INTERNAL", &error.to_string()),
        }
        return ExitCode::Ok as u8;
    }
    match with_progress(&options, &args.output) {
        Ok(_) => {
            outln!("{}", args.output.display());
            ExitCode::Ok as u8
        }
        Err(error) => {
            say::failure("E-SIMULATE", &error.to_string());
            ExitCode::InputOutput as u8
        }
    }
}

/// Simulate with a progress bar.
///
/// # Errors
/// As `zemosaic_testkit::simulate`.
pub fn with_progress(
    options: &SimulateOptions,
    out: &std::path::Path,
) -> Result<SimulationSummary, TestkitError> {
    let bar = ProgressBar::new(options.frames as u64).with_prefix("simulate");
    let result = simulate(options, out, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    result
}

fn options_of(args: &SimulateArgs) -> Result<SimulateOptions, String> {
    let preset = match args.preset {
        PresetName::Seestar => SimulateOptions::preset(Preset::Seestar),
        PresetName::Ccd => SimulateOptions::preset(Preset::Ccd),
        PresetName::Demo => SimulateOptions::demo(),
    };
    let mut options = match &args.options {
        None => preset,
        Some(path) => {
            let bad = |error: String| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
            on_top_of(&preset, &text).map_err(|error| bad(error.to_string()))?
        }
    };
    if let Some(frames) = args.frames {
        options.frames = frames;
    }
    if let Some((width, height)) = args.size {
        (options.width_px, options.height_px) = (width, height);
    }
    if let Some(seed) = args.seed {
        options.seed = seed;
    }
    Ok(options)
}

/// The preset with the fields of `text` put in place of its own; unknown fields are errors.
fn on_top_of(preset: &SimulateOptions, text: &str) -> serde_json::Result<SimulateOptions> {
    let mut merged = serde_json::to_value(preset)?;
    let given: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    if let Some(fields) = merged.as_object_mut() {
        fields.extend(given);
    }
    serde_json::from_value(merged)
}
