//! `zemosaic check`: verify mosaics and master tiles.

use zemosaic_run::ExitCode;
use zemosaic_run::check::{check_product, products_of};

use crate::command_args::CheckArgs;
use crate::say;

/// Run it.
pub fn run(args: &CheckArgs) -> u8 {
    let mut code = ExitCode::Ok;
    for path in args.input.iter().flat_map(|input| products_of(input)) {
        match check_product(&path) {
            Ok(findings) => {
                if findings.iter().any(|finding| !finding.passed) {
                    code = ExitCode::InputOutput;
                }
                if args.json {
                    let document =
                        serde_json::json!({"file": path.display().to_string(), "findings": findings});
                    outln!("{document}");
                } else {
                    outln!("{}", path.display());
                    for finding in findings {
                        let verdict = if finding.passed { "ok    " } else { "FAILED" };
                        outln!("  {verdict} {}: {}", finding.check, finding.detail);
                    }
                }
            }
            Err(error) => {
                say::failure("E-FITS", &error.to_string());
                code = ExitCode::InputOutput;
            }
        }
    }
    code as u8
}
