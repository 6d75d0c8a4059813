//! What a frame's pixels are multiplied with to bring all frames to one zero point: FLXSCALE, as SCAMP writes it
//! into the `.head` side-car.
//!
//! First found wins: the list, the header that the WCS came from, the frame's own header; else 1.

use std::ops::RangeInclusive;

use zemosaic_fits::Header;

use crate::frame::Reason;

/// The usual keyword.
pub const DEFAULT_KEY: &str = "FLXSCALE";

/// What a flux scale may be: 37.5 magnitudes to each side. Variances, which go with its square, stay within the range
/// of f32.
const RANGE: RangeInclusive<f64> = 1e-15..=1e15;
/// The range, and what to do.
const ASK: &str = "it must be from 1e-15 to 1e15: correct it, or leave it out for a factor of 1";

/// The factor for a frame. `listed` is what a list says, `sidecar` the header that the WCS came from when that is
/// not `own`. An empty `key` or `none` looks at no header.
///
/// # Errors
/// The reason to leave the frame out: the first value found is no number from 1e-15 to 1e15.
pub fn flux_scale(
    listed: Option<f64>,
    key: &str,
    sidecar: Option<&Header>,
    own: &Header,
) -> Result<f64, Reason> {
    let usable = |value: f64| RANGE.contains(&value);
    if let Some(value) = listed {
        let bad = || Reason::FluxScale(format!("flux_scale = {value:?} in the list; {ASK}"));
        return if usable(value) { Ok(value) } else { Err(bad()) };
    }
    let key = key.trim().to_uppercase();
    if key.is_empty() || key == "NONE" {
        return Ok(1.0);
    }
    let Some(header) = sidecar.into_iter().chain([own]).find(|header| header.contains(&key)) else {
        return Ok(1.0);
    };
    let bad = |what: String| {
        let from = if std::ptr::eq(header, own) { "the header" } else { "the side-car" };
        Reason::FluxScale(format!("{key} of {from} {what}; {ASK}"))
    };
    match header.get_f64(&key) {
        Some(value) if usable(value) => Ok(value),
        Some(value) => Err(bad(format!("is {value:?}"))),
        None => Err(bad("is not a finite number".into())),
    }
}
