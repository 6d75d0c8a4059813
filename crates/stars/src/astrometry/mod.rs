//! From matched stars to a WCS, and from a WCS to whether it is right.
//!
//! - `field`: the reference stars a frame should show
//! - [`matching`]: which detection is which reference star
//! - `polynomial`: weighted least squares of plane positions on pixels
//! - `clip`: the same without outliers
//! - `order`: which order of distortion the stars support
//! - [`fit`]: all of that until nothing changes
//! - [`mod@verify`]: is a given WCS right?
//! - [`difference`]: two WCSs in words
//!
//! `docs/methods/plate-solving.md` says it with formulas and figures.

mod clip;
pub mod difference;
mod field;
pub mod fit;
pub mod matching;
mod order;
mod polynomial;
pub mod verify;

pub use difference::WcsDifference;
pub use fit::{FitError, FitOptions, PlateFit, SipOrder, fit_plate};
pub use matching::{Match, match_stars};
pub use verify::{Evidence, Verdict, VerifyOptions, verify};
