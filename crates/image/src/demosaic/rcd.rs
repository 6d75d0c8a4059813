//! RCD: ratio corrected demosaicing, after the public description of Luis Sanz Rodriguez (2017), written from the
//! steps it describes: direction from a high-pass blind to colour, green corrected by the ratio of a low-pass, then
//! red and blue as differences from green along the diagonals and along the axes. Filters, bounds and weights here
//! are our own; `docs/methods/demosaic.md` derives them, [`crate::definition::Rcd`] says the whole plainly.
//!
//! Every ratio is bounded by what data of non-negative light can have, so that noise around zero stays noise. The
//! result scales with the data but does not shift with it: a pedestal weakens the ratios towards plain differences.
//!
//! Rows stream through the steps, each a few rows behind the one before; a row is two half rows, so that each loop
//! has sites of one kind only.

use super::bilinear::CfaWindow;
use super::halves::{HalfRows, join};
use super::rcd_steps as steps;
use super::ring::Ring;
use crate::region::Region;
use crate::simd::SimdLevel;

/// How far the last step sees raw pixels.
pub(super) const REACH_PX: usize = 8;
/// Sites of a half row that the steps use up at each end.
const MARGIN: usize = 6;

pub(super) fn demosaic_rcd(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    frame: (usize, usize),
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    let rows = HalfRows::new(window, frame, out_region, REACH_PX, MARGIN);
    match level {
        SimdLevel::Portable => body(window, level, &rows, out_region, out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { avx2(window, level, &rows, out_region, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => body(window, level, &rows, out_region, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    rows: &HalfRows<'_>,
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    body(window, level, rows, out_region, out);
}

/// Planes between the steps. A pair has both parities of columns, a single one the red and blue sites.
pub(super) struct Planes {
    pub(super) raw: [Ring; 2],
    /// Square of the vertical high-pass.
    pub(super) vertical: [Ring; 2],
    /// Weight of the horizontal estimate, 0 to 1.
    pub(super) across: [Ring; 2],
    /// Squares of the high-passes along both diagonals.
    pub(super) falling: Ring,
    pub(super) rising: Ring,
    /// Weight of the rising diagonal, 0 to 1.
    pub(super) slant: Ring,
    pub(super) low: Ring,
    pub(super) green: Ring,
    /// The colour that a red or blue site has not.
    pub(super) other: Ring,
}

impl Planes {
    fn new(len: usize) -> Self {
        // As many rows as the steps look back, see `body`; powers of two, which are quick to wrap.
        let pair = |depth| [Ring::new(len, depth), Ring::new(len, depth)];
        Self {
            raw: pair(16),
            vertical: pair(4),
            across: pair(8),
            falling: Ring::new(len, 4),
            rising: Ring::new(len, 4),
            slant: Ring::new(len, 8),
            low: Ring::new(len, 8),
            green: Ring::new(len, 8),
            other: Ring::new(len, 4),
        }
    }
}

#[inline(always)]
fn body(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    rows: &HalfRows<'_>,
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    let len = rows.len;
    let mut planes = Planes::new(len);
    let mut scratch = [(); 2].map(|()| vec![0.0_f32; len]);
    let [red, green, blue] = out;
    let (width, reach) = (out_region.width, REACH_PX as i64);
    let skip = (out_region.x0 - rows.x0) as usize;
    let first = out_region.y0 - reach;
    for ahead in first..out_region.y1() + reach {
        let [even, odd] = &mut planes.raw;
        rows.load(ahead, [even.row_mut(ahead), odd.row_mut(ahead)]);
        // Parity of the red and blue sites.
        let site = |y: i64| usize::from(window.pattern.colour_at(0, y) == 1);
        // Rows before a step's first full neighbourhood are made of zeros and never read.
        let y = ahead - 3;
        steps::high_passes(&mut planes, y, site(y));
        let y = ahead - 4;
        steps::directions(&mut planes, y, site(y), &mut scratch);
        let y = ahead - 5;
        steps::green(&mut planes, y, site(y));
        let y = ahead - 7;
        steps::opposite_colour(&mut planes, y, site(y));
        let y = ahead - reach;
        if y < out_region.y0 {
            continue;
        }
        let site = site(y);
        steps::colours_at_green(&planes, y, site, &mut scratch);
        let row_colour = window.pattern.colour_at(site as i64, y);
        let start = (y - out_region.y0) as usize * width;
        let span = start..start + width;
        let mut out = [&mut red[span.clone()], &mut green[span.clone()], &mut blue[span]];
        join(site, planes.raw[site].row(y), &scratch[0], skip, out[row_colour]);
        join(site, planes.green.row(y), planes.raw[1 - site].row(y), skip, out[1]);
        join(site, planes.other.row(y), &scratch[1], skip, out[2 - row_colour]);
        rows.mend(level, y, out_region, &mut out);
    }
}
