//! `run.toml`: the resolved options, and where each came from.

use serde::Serialize;
use zemosaic_fits::ProductCodec;

use crate::error::RunError;
use crate::options::{MosaicOptions, MosaicRequest};
use crate::products::header::PROGRAM;

#[derive(Serialize)]
struct RunToml<'a> {
    program: &'a str,
    command: &'a str,
    inputs: Vec<String>,
    /// Options that were given on the command line; all others are defaults.
    given: &'a [String],
    threads: usize,
    memory_bytes: u64,
    /// How the mosaic is compressed.
    compress: Option<String>,
    options: &'a MosaicOptions,
}

/// The file's text.
///
/// # Errors
/// Options that do not encode (a bug).
pub fn run_toml(request: &MosaicRequest, memory_bytes: u64) -> Result<String, RunError> {
    let record = RunToml {
        program: PROGRAM,
        command: &request.command,
        inputs: request.inputs.iter().map(|path| path.display().to_string()).collect(),
        given: &request.given,
        threads: request.worker_threads(),
        memory_bytes,
        compress: request.compress.map(|compress| match (compress.codec, compress.quantize) {
            (ProductCodec::Rice, Some(q)) => format!("rice, steps of noise / {q}"),
            (ProductCodec::Rice, None) => "rice, floats without loss".to_owned(),
            (ProductCodec::Gzip, _) => "gzip, without loss".to_owned(),
        }),
        options: &request.options,
    };
    toml::to_string_pretty(&record)
        .map_err(|error| RunError::Encode { what: "run.toml", message: error.to_string() })
}
