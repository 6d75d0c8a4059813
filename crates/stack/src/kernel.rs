//! The fast stack: 16 pixels side by side, one pass to sort, passes over the sorted samples to clip, one
//! pass over the frames in order to sum.
//!
//! The survivors of a clip about a centre are an interval of the sorted samples, so a clip is two indices
//! per pixel and the final sums select by value. No branch depends on a single pixel.

use zemosaic_image::simd::SimdLevel;

use crate::block::{StackBlock, StackOutput};
use crate::options::{Combine, RejectMethod, RejectOptions};
use crate::sort::{LANES, Lane, network, sort_lanes};

type Counts = [i32; LANES];

/// Buffers and sorting networks of one thread.
#[derive(Debug, Default)]
pub struct StackScratch {
    sorted: Vec<Lane>,
    comparators: Vec<(u32, u32)>,
    frames: usize,
}

impl StackScratch {
    fn prepare(&mut self, frames: usize) {
        if self.frames != frames {
            self.comparators = network(frames);
            self.frames = frames;
        }
        self.sorted.resize(frames, [0.0; LANES]);
    }
}

/// Stack `block` into `out`.
pub fn stack(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    level: SimdLevel,
    scratch: &mut StackScratch,
    mut out: StackOutput<'_>,
) {
    scratch.prepare(block.frames);
    match level {
        SimdLevel::Portable => stack_body(block, combine, reject, scratch, &mut out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { stack_avx2(block, combine, reject, scratch, &mut out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => stack_body(block, combine, reject, scratch, &mut out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn stack_avx2(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    scratch: &mut StackScratch,
    out: &mut StackOutput<'_>,
) {
    stack_body(block, combine, reject, scratch, out);
}

#[inline(always)]
fn stack_body(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    scratch: &mut StackScratch,
    out: &mut StackOutput<'_>,
) {
    for start in (0..block.pixels).step_by(LANES) {
        let sorting = combine == Combine::Median || reject.method != RejectMethod::None;
        let depth = if sorting { load_sorted(block, start, scratch) } else { count(block, start) };
        let mut range = Range { low: [0; LANES], high: depth };
        if reject.method == RejectMethod::Sigma {
            sigma_clip(&scratch.sorted, &mut range, reject);
        }
        let bounds = if sorting { range.values(&scratch.sorted) } else { Bounds::ALL };
        let sums = Sums::over(block, start, &bounds);
        let lanes = LANES.min(block.pixels - start);
        for lane in 0..lanes {
            let at = start + lane;
            let (sum_w, survivors) = (sums.w[lane], range.high[lane] - range.low[lane]);
            let any = depth[lane] > 0;
            let mean_variance = sums.w2v[lane] / (sum_w * sum_w);
            let (value, variance) = match combine {
                Combine::Mean => ((sums.wx[lane] / sum_w) as f32, mean_variance as f32),
                Combine::Median => {
                    let widening = if survivors > 2 { std::f64::consts::FRAC_PI_2 } else { 1.0 };
                    let value = if any { median_of(&scratch.sorted, &range, lane) } else { f32::NAN };
                    (value, (mean_variance * widening) as f32)
                }
            };
            out.value[at] = if any { value } else { f32::NAN };
            out.weight[at] = sum_w as f32;
            out.variance[at] = if any { variance } else { f32::NAN };
            out.depth[at] = depth[lane];
            out.rejected_low[at] = range.low[lane];
            out.rejected_high[at] = depth[lane] - range.high[lane];
        }
    }
}

/// Sorted samples of 16 pixels, valid ones first; returns how many are valid.
#[inline(always)]
fn load_sorted(block: &StackBlock<'_>, start: usize, scratch: &mut StackScratch) -> Counts {
    let mut depth = [0; LANES];
    for (frame, lane) in scratch.sorted.iter_mut().enumerate() {
        let samples = lanes_at(block.value, frame * block.stride + start);
        for i in 0..LANES {
            let valid = !samples[i].is_nan();
            lane[i] = if valid { samples[i] } else { f32::INFINITY };
            depth[i] += i32::from(valid);
        }
    }
    sort_lanes(&mut scratch.sorted, &scratch.comparators);
    depth
}

#[inline(always)]
fn count(block: &StackBlock<'_>, start: usize) -> Counts {
    let mut depth = [0; LANES];
    for frame in 0..block.frames {
        let samples = lanes_at(block.value, frame * block.stride + start);
        for i in 0..LANES {
            depth[i] += i32::from(!samples[i].is_nan());
        }
    }
    depth
}

#[inline(always)]
fn lanes_at(plane: &[f32], at: usize) -> Lane {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&plane[at..at + LANES]);
    lanes
}

/// Survivors per lane: sorted samples `low .. high`.
struct Range {
    low: Counts,
    high: Counts,
}

/// Least and greatest survivor per lane.
struct Bounds {
    low: Lane,
    high: Lane,
}

impl Bounds {
    const ALL: Self = Self { low: [f32::NEG_INFINITY; LANES], high: [f32::INFINITY; LANES] };
}

impl Range {
    /// Lanes without survivors get an empty interval.
    #[inline(always)]
    fn values(&self, sorted: &[Lane]) -> Bounds {
        let mut bounds = Bounds { low: [f32::INFINITY; LANES], high: [f32::NEG_INFINITY; LANES] };
        for lane in 0..LANES {
            if self.high[lane] > self.low[lane] {
                bounds.low[lane] = sorted[self.low[lane] as usize][lane];
                bounds.high[lane] = sorted[self.high[lane] as usize - 1][lane];
            }
        }
        bounds
    }
}

/// Median of the survivors of one lane; there must be one.
#[inline(always)]
fn median_of(sorted: &[Lane], range: &Range, lane: usize) -> f32 {
    let (low, high) = (range.low[lane] as usize, range.high[lane] as usize);
    let middle = (low + high) / 2;
    let upper = sorted[middle][lane];
    if (high - low) % 2 == 1 { upper } else { 0.5 * (sorted[middle - 1][lane] + upper) }
}

/// Shrink `range` round by round. Moments are taken about the median, so that f32 sums lose nothing to
/// the sky level.
#[inline(always)]
fn sigma_clip(sorted: &[Lane], range: &mut Range, reject: &RejectOptions) {
    for _ in 0..reject.max_iterations {
        let mut centre = [0.0_f32; LANES];
        for lane in 0..LANES {
            if range.high[lane] > range.low[lane] {
                centre[lane] = median_of(sorted, range, lane);
            }
        }
        let (first, last) = occupied(range);
        let (low, high) = limits(&sorted[..last], first, range, &centre, reject);
        let (mut below, mut above) = ([0; LANES], [0; LANES]);
        for (k, samples) in sorted[..last].iter().enumerate().skip(first) {
            for lane in 0..LANES {
                let inside = (k as i32 >= range.low[lane]) & ((k as i32) < range.high[lane]);
                below[lane] += i32::from(inside & (samples[lane] < low[lane]));
                above[lane] += i32::from(inside & (samples[lane] > high[lane]));
            }
        }
        let mut changed = 0;
        for lane in 0..LANES {
            range.low[lane] += below[lane];
            range.high[lane] -= above[lane];
            changed |= below[lane] | above[lane];
        }
        if changed == 0 {
            break;
        }
    }
}

/// First and one past the last sorted index that is a survivor in any lane.
#[inline(always)]
fn occupied(range: &Range) -> (usize, usize) {
    let first = range.low.iter().copied().min().unwrap_or(0).max(0);
    let last = range.high.iter().copied().max().unwrap_or(0).max(first);
    (first as usize, last as usize)
}

/// The closed interval that survivors must lie in.
#[inline(always)]
fn limits(sorted: &[Lane], first: usize, range: &Range, centre: &Lane, reject: &RejectOptions) -> (Lane, Lane) {
    let (mut sum, mut sum2) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for (k, samples) in sorted.iter().enumerate().skip(first) {
        for lane in 0..LANES {
            let inside = (k as i32 >= range.low[lane]) & ((k as i32) < range.high[lane]);
            let d = if inside { samples[lane] - centre[lane] } else { 0.0 };
            sum[lane] += d;
            sum2[lane] += d * d;
        }
    }
    let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        let n = (range.high[lane] - range.low[lane]).max(1) as f32;
        let mean = sum[lane] / n;
        let spread = f64::from((sum2[lane] / n - mean * mean).max(0.0)).sqrt();
        low[lane] = (f64::from(centre[lane]) - reject.kappa_low * spread) as f32;
        high[lane] = (f64::from(centre[lane]) + reject.kappa_high * spread) as f32;
    }
    (low, high)
}

/// Sums over the survivors, in frame order.
struct Sums {
    w: [f64; LANES],
    wx: [f64; LANES],
    w2v: [f64; LANES],
}

impl Sums {
    #[inline(always)]
    fn over(block: &StackBlock<'_>, start: usize, bounds: &Bounds) -> Self {
        let mut sums = Self { w: [0.0; LANES], wx: [0.0; LANES], w2v: [0.0; LANES] };
        for frame in 0..block.frames {
            let at = frame * block.stride + start;
            let (values, factors) = (lanes_at(block.value, at), lanes_at(block.variance_factor, at));
            let weight = block.weight[frame];
            let w2v = weight * weight * block.noise_variance[frame];
            for lane in 0..LANES {
                // Comparisons with NaN are false, so missing samples drop out here.
                let keep = (values[lane] >= bounds.low[lane]) & (values[lane] <= bounds.high[lane]);
                sums.w[lane] += if keep { weight } else { 0.0 };
                sums.wx[lane] += if keep { weight * f64::from(values[lane]) } else { 0.0 };
                sums.w2v[lane] += if keep { w2v * f64::from(factors[lane]) } else { 0.0 };
            }
        }
        sums
    }
}
