//! `zemosaic check`: verify a mosaic.

use std::path::{Path, PathBuf};

use zemosaic_run::ExitCode;
use zemosaic_run::check::check_product;
use zemosaic_run::products::{COMPRESSED_NAME, PRODUCT_NAMES};

use crate::args::CheckArgs;
use crate::say;

/// Run it.
pub fn run(args: &CheckArgs) -> u8 {
    let mut code = ExitCode::Ok;
    for input in &args.input {
        let path = product_of(input);
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

/// A folder stands for the mosaic in it.
fn product_of(input: &Path) -> PathBuf {
    if !input.is_dir() {
        return input.to_path_buf();
    }
    let [plain, compressed] = [PRODUCT_NAMES[0], COMPRESSED_NAME].map(|name| input.join(name));
    if !plain.exists() && compressed.exists() { compressed } else { plain }
}
