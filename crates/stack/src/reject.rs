//! Which samples survive: the methods side by side.

use crate::centred::Part;
use crate::clip::sigma_clip;
use crate::doubles::Doubles;
use crate::esd::{CriticalValues, esd_clip};
use crate::lanes::{Counts, LANES, Lane, Range};
use crate::linear_fit_clip::linear_fit_clip;
use crate::mad_clip::mad_clip;
use crate::options::{RejectMethod, RejectOptions};
use crate::quantile_clip::quantile_clip;
use crate::rank_clip::{min_max, percentile_clip};
use crate::winsor::OneLane;
use crate::winsorized::winsorized_clip;

/// What the methods need beside the samples.
#[derive(Debug, Default)]
pub struct RejectScratch {
    one: OneLane,
    rows: Vec<Part>,
    /// Of the ESD test.
    pub critical: CriticalValues,
}

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
///
/// # Safety
/// The processor has the instructions of `D`.
#[inline(always)]
pub unsafe fn survivors<D: Doubles>(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    scratch: &mut RejectScratch,
) -> Range {
    let method = reject.method;
    let one = &mut scratch.one;
    let mut range = match method {
        RejectMethod::Mad => mad_clip(sorted, depth, reject),
        RejectMethod::WinsorizedQuantile => quantile_clip(sorted, depth, reject, one),
        RejectMethod::MinMax => min_max(sorted, depth, reject),
        RejectMethod::Percentile => percentile_clip(sorted, depth, reject),
        RejectMethod::LinearFit => {
            // SAFETY: as of this function.
            unsafe { linear_fit_clip::<D>(sorted, depth, reject, &mut scratch.rows) }
        }
        RejectMethod::Esd => esd_clip(sorted, depth, reject, &scratch.critical, &mut scratch.rows),
        RejectMethod::None | RejectMethod::Sigma | RejectMethod::Winsorized | RejectMethod::Auto => {
            Range::all(depth)
        }
    };
    // Auto is each of these in lanes of its own.
    if matches!(method, RejectMethod::Sigma | RejectMethod::Auto) {
        let own = depth_of(RejectMethod::Sigma, depth, method);
        if own != [0; LANES] {
            range.take(&own, &sigma_clip(sorted, &own, reject));
        }
    }
    if matches!(method, RejectMethod::Winsorized | RejectMethod::Auto) {
        let own = depth_of(RejectMethod::Winsorized, depth, method);
        if own != [0; LANES] {
            range.take(&own, &winsorized_clip(sorted, &own, reject, one));
        }
    }
    range
}

/// The depth of the lanes that `part` of `method` judges, 0 for others.
#[inline(always)]
fn depth_of(part: RejectMethod, depth: &Counts, method: RejectMethod) -> Counts {
    if method != RejectMethod::Auto {
        return *depth;
    }
    depth.map(|n| if method.at_depth(n as usize) == part { n } else { 0 })
}
