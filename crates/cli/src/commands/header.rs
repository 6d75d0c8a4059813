//! `zemosaic header`: header cards as they stand in the file.

use std::io::Write;
use std::path::Path;

use zemosaic_fits::{FitsError, Header, is_packed, scan, scan_packed_header};
use zemosaic_run::ExitCode;

use crate::command_args::HeaderArgs;
use crate::say;

/// Run it.
pub fn run(args: &HeaderArgs) -> u8 {
    let mut code = ExitCode::Ok;
    for path in &args.input {
        match headers(path) {
            Ok(headers) => {
                if let Some(hdu) = args.hdu.filter(|hdu| *hdu >= headers.len()) {
                    say::failure("E-USAGE", &format!("{} has no HDU {hdu}", path.display()));
                    code = ExitCode::Usage;
                }
                print(path, &headers, args);
            }
            Err(error) => {
                say::failure("E-FITS", &error.to_string());
                code = ExitCode::InputOutput;
            }
        }
    }
    code as u8
}

fn headers(path: &Path) -> Result<Vec<Header>, FitsError> {
    if is_packed(path)? {
        return Ok(vec![scan_packed_header(path)?]);
    }
    Ok(scan(path)?.hdus.into_iter().map(|hdu| hdu.header).collect())
}

fn print(path: &Path, headers: &[Header], args: &HeaderArgs) {
    let mut out = std::io::stdout().lock();
    for (index, header) in headers.iter().enumerate() {
        if args.hdu.is_some_and(|hdu| hdu != index) {
            continue;
        }
        // A closed pipe (as with `| head`) is no error.
        if args.input.len() > 1 || headers.len() > 1 {
            let _ = writeln!(out, "# {} HDU {index}", path.display());
        }
        for card in header.cards() {
            let _ = writeln!(out, "{}", String::from_utf8_lossy(card).trim_end());
        }
    }
}
