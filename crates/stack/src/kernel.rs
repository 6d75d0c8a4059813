//! The fast stack: 16 pixels side by side, one pass to sort, one to clip, one over the frames in order to
//! sum.
//!
//! The survivors of a clip about a centre are an interval of the sorted samples, so a clip is two indices
//! per pixel and the final sums select by value.

use zemosaic_image::simd::SimdLevel;

use crate::block::{StackBlock, StackOutput};
use crate::block_sort::{BLOCK, Register, sort_blocks};
use crate::doubles::{Doubles, WIDTH};
use crate::lanes::{Counts, LANES, Lane, Range, lanes_at, median_of, percentile_of};
use crate::options::{Combine, RejectMethod, RejectOptions};
use crate::reject::{RejectScratch, survivors};
use crate::sort::Network;
use crate::spare::spare;
use crate::sums::Sums;
use crate::terms::{FrameWeight, Mean, RelativeMean, RelativeSum, Sum, Terms};

/// Buffers and sorting network of one thread.
#[derive(Debug, Default)]
pub struct StackScratch {
    /// A row per frame, then rows of infinities up to a whole block.
    sorted: Vec<Lane>,
    /// Over rows for the portable sort, over blocks of rows for the others.
    network: Network,
    /// Weight and weight^2 x noise variance per frame.
    weights: Vec<FrameWeight>,
    /// For methods that need the samples in f64.
    reject: RejectScratch,
}

impl StackScratch {
    fn prepare(&mut self, block: &StackBlock<'_>, level: SimdLevel) {
        let blocks = block.frames.div_ceil(BLOCK);
        let (rows, elements) = match level {
            SimdLevel::Portable => (block.frames, block.frames),
            SimdLevel::Avx2 => (blocks * BLOCK, blocks),
        };
        if self.network.elements() != elements {
            self.network = Network::new(elements);
        }
        self.sorted.resize(rows, Lane([f32::INFINITY; LANES]));
        self.weights.clear();
        self.weights
            .extend(block.weight.iter().zip(block.noise_variance).map(|(&w, &v)| FrameWeight::new(w, v)));
    }
}

/// How the rows of a stack are sorted.
trait Sorter {
    /// What the processor has for f64.
    type Doubles: Doubles;

    fn sort(rows: &mut [Lane], network: &Network);
}

/// Row by row.
struct ByRow;

impl Sorter for ByRow {
    type Doubles = [f64; WIDTH];

    #[inline(always)]
    fn sort(rows: &mut [Lane], network: &Network) {
        network.sort(rows);
    }
}

/// Block by block, in the registers `R`; only used inside functions that have their instructions, and those of `D`.
struct ByBlock<R, D>(std::marker::PhantomData<(R, D)>);

impl<R: Register, D: Doubles> Sorter for ByBlock<R, D> {
    type Doubles = D;

    #[inline(always)]
    fn sort(rows: &mut [Lane], network: &Network) {
        // SAFETY: `stack_avx2` alone names this type with its registers, and has their instructions.
        unsafe { sort_blocks::<R>(rows, network) }
    }
}

/// Stack `block` into `out`.
///
/// # Panics
/// When the planes of `block` or `out` are shorter than their layout says, or the stride is not a multiple
/// of 16.
pub fn stack(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    level: SimdLevel,
    scratch: &mut StackScratch,
    mut out: StackOutput<'_>,
) {
    block.check();
    scratch.prepare(block, level);
    scratch.reject.critical.prepare(block.frames, reject);
    match level {
        SimdLevel::Portable => stack_body::<ByRow>(block, combine, reject, scratch, &mut out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { stack_avx2(block, combine, reject, scratch, &mut out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => stack_body::<ByRow>(block, combine, reject, scratch, &mut out),
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
    use std::arch::x86_64::{__m256, __m256d};
    stack_body::<ByBlock<__m256, __m256d>>(block, combine, reject, scratch, out);
}

#[inline(always)]
fn stack_body<S: Sorter>(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    scratch: &mut StackScratch,
    out: &mut StackOutput<'_>,
) {
    // Calls by name: a call through a pointer would leave the instruction set of the caller.
    match (combine == Combine::Sum, block.relative_weight.is_some()) {
        (false, false) => stack_terms::<S, Mean>(block, combine, reject, scratch, out),
        (false, true) => stack_terms::<S, RelativeMean>(block, combine, reject, scratch, out),
        (true, false) => stack_terms::<S, Sum>(block, combine, reject, scratch, out),
        (true, true) => stack_terms::<S, RelativeSum>(block, combine, reject, scratch, out),
    }
}

#[inline(always)]
fn stack_terms<S: Sorter, T: Terms>(
    block: &StackBlock<'_>,
    combine: Combine,
    reject: &RejectOptions,
    scratch: &mut StackScratch,
    out: &mut StackOutput<'_>,
) {
    let sorting = !matches!(combine, Combine::Mean | Combine::Sum) || reject.method != RejectMethod::None;
    for start in (0..block.pixels).step_by(LANES) {
        let lanes = LANES.min(block.pixels - start);
        if sorting {
            stack_sixteen::<S, T>(block, start, combine, reject, scratch).write(start, lanes, out);
        } else {
            let (sums, depth) = Sums::all::<T>(block, &scratch.weights, start);
            Pixels::of_sums::<T>(&sums, &depth, &Range::all(&depth)).write(start, lanes, out);
        }
    }
}

/// The pixels from `start` on.
#[inline(always)]
fn stack_sixteen<S: Sorter, T: Terms>(
    block: &StackBlock<'_>,
    start: usize,
    combine: Combine,
    reject: &RejectOptions,
    scratch: &mut StackScratch,
) -> Pixels {
    let depth = load_sorted::<S, T>(block, start, scratch);
    // SAFETY: arrays need nothing; `stack_avx2` alone names the registers, and has their instructions.
    let mut range = unsafe { survivors::<S::Doubles>(&scratch.sorted, &depth, reject, &mut scratch.reject) };
    if reject.method == RejectMethod::Auto {
        spare(block, start, &scratch.sorted, &depth, reject, &mut range);
    }
    let sums = Sums::survivors::<T>(block, &scratch.weights, start, &range);
    let mut pixels = Pixels::of_sums::<T>(&sums, &depth, &range);
    match combine {
        Combine::Mean | Combine::Sum => {}
        Combine::Median => pixels.medians(&scratch.sorted),
        Combine::Min => pixels.order_statistics(|lane, low, _| f64::from(scratch.sorted[low].0[lane])),
        Combine::Max => pixels.order_statistics(|lane, _, last| f64::from(scratch.sorted[last].0[lane])),
        Combine::Percentile(percent) => pixels
            .order_statistics(|lane, low, last| percentile_of(&scratch.sorted, low, last, lane, percent)),
    }
    pixels
}

/// Results of 16 pixels.
struct Pixels {
    value: [f32; LANES],
    weight: [f32; LANES],
    variance: [f64; LANES],
    depth: Counts,
    range: Range,
}

impl Pixels {
    /// Totals or means.
    #[inline(always)]
    fn of_sums<T: Terms>(sums: &Sums, depth: &Counts, range: &Range) -> Self {
        let mut pixels = Self {
            value: [0.0; LANES],
            weight: [0.0; LANES],
            variance: [0.0; LANES],
            depth: *depth,
            range: *range,
        };
        for lane in 0..LANES {
            let (w, any) = (sums.w[lane], range.high[lane] > range.low[lane]);
            let (value_over, variance_over) = if T::TOTAL { (1.0, 1.0) } else { (w, w * w) };
            pixels.value[lane] = if any { (sums.wx[lane] / value_over) as f32 } else { f32::NAN };
            pixels.weight[lane] = w as f32;
            pixels.variance[lane] = if any { sums.w2v[lane] / variance_over } else { f64::NAN };
        }
        pixels
    }

    /// Medians of the survivors instead, with the variance of a median.
    #[inline(always)]
    fn medians(&mut self, sorted: &[Lane]) {
        for lane in 0..LANES {
            let (low, high) = (self.range.low[lane], self.range.high[lane]);
            if high > low {
                self.value[lane] = median_of(sorted, low, high, lane) as f32;
            }
            if high - low > 2 {
                self.variance[lane] *= std::f64::consts::FRAC_PI_2;
            }
        }
    }

    /// What `pick` takes from each lane, from its first to its last survivor; no variance.
    #[inline(always)]
    fn order_statistics(&mut self, pick: impl Fn(usize, usize, usize) -> f64) {
        for lane in 0..LANES {
            let (low, high) = (self.range.low[lane], self.range.high[lane]);
            if high > low {
                self.value[lane] = pick(lane, low as usize, high as usize - 1) as f32;
            }
            self.variance[lane] = f64::NAN;
        }
    }

    #[inline(always)]
    fn write(&self, start: usize, lanes: usize, out: &mut StackOutput<'_>) {
        let (mut variance, mut above) = ([0.0; LANES], [0; LANES]);
        for lane in 0..LANES {
            variance[lane] = self.variance[lane] as f32;
            above[lane] = self.depth[lane] - self.range.high[lane];
        }
        put(out.value, start, lanes, &self.value);
        put(out.weight, start, lanes, &self.weight);
        put(out.variance, start, lanes, &variance);
        put(out.depth, start, lanes, &self.depth);
        put(out.rejected_low, start, lanes, &self.range.low);
        put(out.rejected_high, start, lanes, &above);
    }
}

/// The first `lanes` of `values` to `plane`; a whole block without a length known only at run time.
#[inline(always)]
fn put<T: Copy>(plane: &mut [T], start: usize, lanes: usize, values: &[T; LANES]) {
    if lanes == LANES {
        plane[start..start + LANES].copy_from_slice(values);
    } else {
        plane[start..start + lanes].copy_from_slice(&values[..lanes]);
    }
}

/// Sorted samples of 16 pixels, valid ones first; returns how many are valid.
#[inline(always)]
fn load_sorted<S: Sorter, T: Terms>(
    block: &StackBlock<'_>,
    start: usize,
    scratch: &mut StackScratch,
) -> Counts {
    let mut depth = [0; LANES];
    let (rows, padding) = scratch.sorted.split_at_mut(block.frames);
    // As in the sums: a plane that is only walked where samples have no weights of their own.
    let relative = block.relative_weight.unwrap_or(block.value).chunks_exact(block.stride);
    let planes = block.value.chunks_exact(block.stride).zip(relative);
    for (row, (plane, relative)) in rows.iter_mut().zip(planes) {
        let samples: [f32; LANES] = lanes_at(plane, start);
        let relative: [f32; LANES] = if T::RELATIVE { lanes_at(relative, start) } else { [1.0; LANES] };
        for lane in 0..LANES {
            let valid = !samples[lane].is_nan() && relative[lane] > 0.0;
            // + 0.0 makes -0 a 0: equal samples are then the same bits, wherever the sort leaves them.
            row.0[lane] = if valid { samples[lane] + 0.0 } else { f32::INFINITY };
            depth[lane] += i32::from(valid);
        }
    }
    padding.fill(Lane([f32::INFINITY; LANES]));
    S::sort(&mut scratch.sorted, &scratch.network);
    depth
}
