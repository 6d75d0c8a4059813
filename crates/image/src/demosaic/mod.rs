//! A window of a Bayer frame as three planes, by one of four methods (`docs/methods/demosaic.md`).
//!
//! - [`Demosaic`]: the method, its halo, its output grid, its noise
//! - [`demosaic`]: any method
//! - [`demosaic_bilinear`], [`demosaic_window`]: the default alone
//!
//! The result depends on the frame alone, never on the window or the instruction set. A pixel whose own raw value
//! is NaN is NaN in all planes; a bad pixel's neighbours do without it. [`crate::definition`] says each method
//! plainly.

mod bilinear;
mod halves;
mod noise;
mod rcd;
mod rcd_steps;
mod ring;
mod super_pixel;
mod vng;

pub use bilinear::{CfaWindow, demosaic_bilinear, demosaic_window};

use crate::region::Region;
use crate::simd::SimdLevel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a Bayer frame becomes three planes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Demosaic {
    /// Mean of the neighbours of a colour in the 3 x 3. Linear, exact noise, flux kept for every star colour.
    #[default]
    Bilinear,
    /// Variable number of gradients: sharper where the image has edges.
    Vng,
    /// Ratio corrected, direction by direction: sharpest, for data whose zero is near no light.
    Rcd,
    /// One pixel of three colours per 2 x 2 cell, at half the resolution: no interpolation at all.
    SuperPixel,
}

impl Demosaic {
    /// Raw pixels around an output region that its value depends on.
    pub fn halo_px(self) -> usize {
        match self {
            Self::Bilinear => 1,
            Self::Vng => vng::REACH_PX + halves::FILL_PX,
            Self::Rcd => rcd::REACH_PX + halves::FILL_PX,
            Self::SuperPixel => 0,
        }
    }

    /// Side of an output pixel in raw pixels: 2 for super-pixel, else 1. The centre of output pixel `i` lies at the
    /// raw coordinate `step * i + (step - 1) / 2` (pixel centres at whole numbers).
    pub fn step_px(self) -> usize {
        if self == Self::SuperPixel { 2 } else { 1 }
    }

    /// Width and height of the output of a whole frame. An odd last row or column of super-pixel cells is dropped.
    pub fn output_size(self, (width, height): (usize, usize)) -> (usize, usize) {
        (width / self.step_px(), height / self.step_px())
    }

    /// The raw window that `out_region` (in output pixels) of a frame of `frame` (width, height) raw pixels needs;
    /// `None` when that is empty.
    pub fn raw_region(self, out_region: Region, frame: (usize, usize)) -> Option<Region> {
        let (step, halo) = (self.step_px(), self.halo_px());
        let grown = Region {
            x0: out_region.x0 * step as i64 - halo as i64,
            y0: out_region.y0 * step as i64 - halo as i64,
            width: out_region.width * step + 2 * halo,
            height: out_region.height * step + 2 * halo,
        };
        grown.intersect(&Region { x0: 0, y0: 0, width: frame.0, height: frame.1 })
    }
}

/// Demosaic `out_region` of a frame of `frame` (width, height) raw pixels.
///
/// `window` covers [`Demosaic::raw_region`] of `out_region`, which is in output pixels: half-resolution ones for
/// super-pixel, raw pixels for the others. Each plane of `out` (red, green, blue) is `out_region.area()` long.
///
/// # Panics
/// When a slice is shorter than its region, or the window does not cover what is needed.
pub fn demosaic(
    method: Demosaic,
    level: SimdLevel,
    window: &CfaWindow<'_>,
    frame: (usize, usize),
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    if out_region.is_empty() {
        return;
    }
    let needed = method.raw_region(out_region, frame);
    assert!(
        window.raw.len() >= window.region.area() && needed.is_some_and(|raw| window.region.contains(&raw)),
        "raw window"
    );
    assert!(out.iter().all(|plane| plane.len() >= out_region.area()), "planes as large as their region");
    // A frame of one row or column has no second direction to look along.
    let thin = frame.0.min(frame.1) < 2;
    match method {
        Demosaic::Vng if !thin => vng::demosaic_vng(window, level, frame, out_region, out),
        Demosaic::Rcd if !thin => rcd::demosaic_rcd(window, level, frame, out_region, out),
        Demosaic::SuperPixel => super_pixel::demosaic_super_pixel(window, level, out_region, out),
        Demosaic::Bilinear | Demosaic::Vng | Demosaic::Rcd => {
            demosaic_window(window, level, out_region, out);
        }
    }
}
