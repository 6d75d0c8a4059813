//! Outliers among 2 to 5 samples, by the known noise of the frames: the fast form of [`crate::definition::clip_by_noise`].
//!
//! Sixteen pixels at a time. One pass over the frames counts samples and notes the frames that have any; most groups
//! of a mosaic lie in few frames or are too deep. The samples of those frames are then pushed through five slots per
//! pixel, as through a shift register, so that each pixel's own samples stand side by side whatever frames they come
//! from. All is decided on the slots, without branches; planes are written only where something was rejected.

use zemosaic_image::simd::SimdLevel;

use crate::definition::{DEEPEST, TIE, of_median};
use crate::lanes::{Counts, LANES, lanes_at};
use crate::options::RejectOptions;

/// Samples of `frames` frames at `pixels` pixels, laid out as [`crate::StackBlock`] has them; of rejected ones the value
/// becomes NaN.
#[derive(Debug)]
pub struct NoiseBlock<'a> {
    /// Frames.
    pub frames: usize,
    /// Pixels that count.
    pub pixels: usize,
    /// Distance between frames in the planes: a multiple of 16, at least `pixels`.
    pub stride: usize,
    /// Sample of frame f at pixel p: `value[f * stride + p]`, NaN for none.
    pub value: &'a mut [f32],
    /// Variance of the sample over that of a pixel of its frame.
    pub variance_factor: &'a [f32],
    /// Share of the frame's weight that the sample has; `None`: 1 everywhere. Not above 0: no sample.
    pub relative_weight: Option<&'a [f32]>,
    /// Variance of a pixel per frame; NaN if unknown.
    pub noise_variance: &'a [f64],
    /// Level of the sky per frame in the unit of the values, 0 where it was subtracted; NaN if unknown.
    pub level: &'a [f64],
    /// Variance of that level over the frame: how far the sky of a place may be from it.
    pub level_variance: &'a [f64],
}

impl NoiseBlock<'_> {
    fn check(&self, clipped: &[Clipped]) {
        assert!(self.stride >= self.pixels && self.stride.is_multiple_of(LANES), "stride of the block");
        let samples = self.frames * self.stride;
        assert!(self.value.len() >= samples && self.variance_factor.len() >= samples, "samples of the block");
        assert!(
            self.relative_weight.is_none_or(|plane| plane.len() >= samples),
            "relative weights of the block"
        );
        assert!(
            [self.noise_variance, self.level, self.level_variance]
                .iter()
                .all(|list| list.len() == self.frames),
            "a variance, a level and its variance per frame"
        );
        assert!(clipped.len() >= self.pixels, "room for the counts");
    }
}

/// What the noise clip did to a pixel: counts of at most 5, packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clipped(u8);

/// Bits of a count.
const COUNT: u8 = 7;
/// Place of the count of those that were too high.
const HIGH_AT: u32 = 3;
/// Place of the bit that says that the pixel was judged.
const JUDGED_AT: u32 = 6;

impl Clipped {
    /// Samples rejected as too low.
    pub fn low(self) -> i32 {
        i32::from(self.0 & COUNT)
    }

    /// Samples rejected as too high.
    pub fn high(self) -> i32 {
        i32::from(self.0 >> HIGH_AT & COUNT)
    }

    /// Whether the samples were judged: 2 to 5, all of known noise and level.
    pub fn is_judged(self) -> bool {
        self.0 >> JUDGED_AT != 0
    }
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct NoiseScratch {
    /// Frames that have samples in a group.
    active: Vec<usize>,
    frames: Vec<FrameNoise>,
    slots: Slots,
}

/// What is known of a frame; a variance of NaN where anything is not.
#[derive(Debug, Clone, Copy)]
struct FrameNoise {
    variance: f64,
    level: f64,
    level_variance: f64,
}

/// Limits of the clip.
#[derive(Debug, Clone, Copy)]
struct Limits {
    kappa_squared: f64,
    amplitude: f64,
}

/// Clip the pixels of 2 to 5 samples by their noise; what was done goes to `clipped`, which is at least `pixels` long.
/// What was judged are the samples before; [`crate::stack`] sees the survivors. Nothing is done where
/// [`RejectOptions::clips_by_noise`] says no.
///
/// # Panics
/// When the planes are shorter than their layout says, or the stride is not a multiple of 16.
pub fn clip_by_noise(
    block: &mut NoiseBlock<'_>,
    reject: &RejectOptions,
    level: SimdLevel,
    scratch: &mut NoiseScratch,
    clipped: &mut [Clipped],
) {
    block.check(clipped);
    if !reject.clips_by_noise() {
        clipped[..block.pixels].fill(Clipped::default());
        return;
    }
    let limits = Limits {
        kappa_squared: reject.noise_kappa * reject.noise_kappa * (1.0 + TIE),
        amplitude: reject.noise_amplitude,
    };
    scratch.frames.clear();
    scratch.frames.extend((0..block.frames).map(|frame| {
        let (level, level_variance) = (block.level[frame], block.level_variance[frame]);
        let variance = if level.is_finite() { block.noise_variance[frame] } else { f64::NAN };
        FrameNoise { variance, level, level_variance }
    }));
    scratch.active.resize(block.frames, 0);
    match level {
        SimdLevel::Portable => clip_body(block, limits, scratch, clipped),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { clip_avx2(block, limits, scratch, clipped) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => clip_body(block, limits, scratch, clipped),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn clip_avx2(
    block: &mut NoiseBlock<'_>,
    limits: Limits,
    scratch: &mut NoiseScratch,
    clipped: &mut [Clipped],
) {
    clip_body(block, limits, scratch, clipped);
}

#[inline(always)]
fn clip_body(
    block: &mut NoiseBlock<'_>,
    limits: Limits,
    scratch: &mut NoiseScratch,
    clipped: &mut [Clipped],
) {
    match block.relative_weight {
        None => clip_samples::<false>(block, limits, scratch, clipped),
        Some(_) => clip_samples::<true>(block, limits, scratch, clipped),
    }
}

#[inline(always)]
fn clip_samples<const RELATIVE: bool>(
    block: &mut NoiseBlock<'_>,
    limits: Limits,
    scratch: &mut NoiseScratch,
    clipped: &mut [Clipped],
) {
    for start in (0..block.pixels).step_by(LANES) {
        let lanes = LANES.min(block.pixels - start);
        let (depth, active) = count::<RELATIVE>(block, start, &mut scratch.active);
        let clipped = &mut clipped[start..start + lanes];
        let deepest = depth.iter().fold(0, |most, &n| if n <= DEEPEST as i32 && n > most { n } else { most });
        let whole = depth.iter().all(|&n| n == active.len() as i32);
        let group = Group { frames: &scratch.frames, active, whole, limits };
        // The number of slots is known to the compiler, so that they can stay in registers.
        match deepest {
            2 => group.clip::<2, RELATIVE>(block, start, &mut scratch.slots, clipped),
            3 => group.clip::<3, RELATIVE>(block, start, &mut scratch.slots, clipped),
            4 => group.clip::<4, RELATIVE>(block, start, &mut scratch.slots, clipped),
            5 => group.clip::<5, RELATIVE>(block, start, &mut scratch.slots, clipped),
            _ => clipped.fill(Clipped::default()),
        }
    }
}

/// What a frame has at sixteen pixels.
struct Samples {
    value: [f32; LANES],
    factor: [f32; LANES],
    /// All 1 where samples have no weights of their own.
    relative: [f32; LANES],
}

impl Samples {
    #[inline(always)]
    fn at<const RELATIVE: bool>(block: &NoiseBlock<'_>, frame: usize, start: usize) -> Self {
        let at = frame * block.stride + start;
        let relative = match block.relative_weight {
            Some(plane) if RELATIVE => lanes_at(plane, at),
            _ => [1.0; LANES],
        };
        Self { value: lanes_at(block.value, at), factor: lanes_at(block.variance_factor, at), relative }
    }
}

/// Samples per lane, and the frames that have any.
#[inline(always)]
fn count<'a, const RELATIVE: bool>(
    block: &NoiseBlock<'_>,
    start: usize,
    active: &'a mut [usize],
) -> (Counts, &'a [usize]) {
    let (mut depth, mut found) = ([0; LANES], 0);
    for frame in 0..block.frames {
        let Samples { value, relative, .. } = Samples::at::<RELATIVE>(block, frame, start);
        let mut any = 0;
        for lane in 0..LANES {
            let valid = i32::from(!value[lane].is_nan() && relative[lane] > 0.0);
            depth[lane] += valid;
            any |= valid;
        }
        active[found] = frame;
        found += usize::from(any != 0);
    }
    (depth, &active[..found])
}

/// One number per lane.
type Row = [f64; LANES];
/// All bits or none per lane.
type Mask = [u64; LANES];

/// Samples of sixteen pixels, the last frame's first; INFINITY and 0 where there is none. They lie in the scratch, not in
/// variables of the function: the compiler then keeps lanes together in vectors.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slots {
    r: [Row; DEEPEST],
    v: [Row; DEEPEST],
    /// Sum of v in frame order, NaN or infinite where one is unknown.
    sum_v: Row,
    /// Number of samples.
    depth: Row,
    /// What is decided: bits [`SLOTS`], then those of [`Clipped`] from [`COUNTS_AT`] on.
    verdict: Mask,
}

/// All bits where `is`.
#[inline(always)]
fn mask(is: bool) -> u64 {
    u64::from(is).wrapping_neg()
}

/// A mask, not a branch.
#[inline(always)]
fn select(mask: u64, yes: f64, no: f64) -> f64 {
    f64::from_bits((yes.to_bits() & mask) | (no.to_bits() & !mask))
}

/// Bits of a verdict that say which slots are rejected.
const SLOTS: u64 = (1 << DEEPEST) - 1;
/// Place of the bits of [`Clipped`] in a verdict.
const COUNTS_AT: u32 = 8;

/// Sixteen pixels, and what there is to judge them by.
struct Group<'a> {
    frames: &'a [FrameNoise],
    active: &'a [usize],
    /// Whether these have samples in all lanes.
    whole: bool,
    limits: Limits,
}

impl Group<'_> {
    #[inline(always)]
    fn clip<const N: usize, const RELATIVE: bool>(
        &self,
        block: &mut NoiseBlock<'_>,
        start: usize,
        slots: &mut Slots,
        clipped: &mut [Clipped],
    ) {
        if self.whole {
            self.fill_whole::<N, RELATIVE>(block, start, slots);
        } else {
            self.fill::<N, RELATIVE>(block, start, slots);
        }
        slots.judge::<N>(self.limits);
        let mut rejected = 0;
        // What lies beyond the pixels is nobody's.
        slots.verdict[clipped.len()..].fill(0);
        for (clipped, verdict) in clipped.iter_mut().zip(&slots.verdict) {
            *clipped = Clipped((verdict >> COUNTS_AT) as u8);
            rejected |= verdict & SLOTS;
        }
        if rejected != 0 {
            self.mark::<RELATIVE>(block, start, &slots.verdict);
        }
    }

    /// Samples into their slots.
    #[inline(always)]
    fn fill<const N: usize, const RELATIVE: bool>(
        &self,
        block: &NoiseBlock<'_>,
        start: usize,
        slots: &mut Slots,
    ) {
        for slot in 0..N {
            (slots.r[slot], slots.v[slot]) = ([f64::INFINITY; LANES], [0.0; LANES]);
        }
        (slots.sum_v, slots.depth) = ([0.0; LANES], [0.0; LANES]);
        for &frame in self.active {
            let FrameNoise { variance, level, level_variance } = self.frames[frame];
            let samples = Samples::at::<RELATIVE>(block, frame, start);
            for lane in 0..LANES {
                let x = f64::from(samples.value[lane]);
                let valid = mask(!x.is_nan()) & mask(f64::from(samples.relative[lane]) > 0.0);
                let v = variance * f64::from(samples.factor[lane]) + level_variance;
                for slot in (1..N).rev() {
                    slots.r[slot][lane] = select(valid, slots.r[slot - 1][lane], slots.r[slot][lane]);
                    slots.v[slot][lane] = select(valid, slots.v[slot - 1][lane], slots.v[slot][lane]);
                }
                slots.r[0][lane] = select(valid, x - level, slots.r[0][lane]);
                slots.v[0][lane] = select(valid, v, slots.v[0][lane]);
                slots.sum_v[lane] += select(valid, v, 0.0);
                slots.depth[lane] += select(valid, 1.0, 0.0);
            }
        }
    }

    /// The same where every frame has a sample in every lane.
    #[inline(always)]
    fn fill_whole<const N: usize, const RELATIVE: bool>(
        &self,
        block: &NoiseBlock<'_>,
        start: usize,
        slots: &mut Slots,
    ) {
        (slots.sum_v, slots.depth) = ([0.0; LANES], [N as f64; LANES]);
        for (&frame, slot) in self.active.iter().zip((0..N).rev()) {
            let FrameNoise { variance, level, level_variance } = self.frames[frame];
            let samples = Samples::at::<RELATIVE>(block, frame, start);
            for lane in 0..LANES {
                let v = variance * f64::from(samples.factor[lane]) + level_variance;
                slots.r[slot][lane] = f64::from(samples.value[lane]) - level;
                slots.v[slot][lane] = v;
                slots.sum_v[lane] += v;
            }
        }
    }

    /// NaN for the rejected samples: the bits of a verdict are those of the slots, which hold the last frame first.
    #[inline(always)]
    fn mark<const RELATIVE: bool>(&self, block: &mut NoiseBlock<'_>, start: usize, verdict: &Mask) {
        let mut rejected = verdict.map(|verdict| (verdict & SLOTS) as u32);
        for &frame in self.active.iter().rev() {
            let Samples { value, relative, .. } = Samples::at::<RELATIVE>(block, frame, start);
            let at = frame * block.stride + start;
            let marked = &mut block.value[at..at + LANES];
            for lane in 0..LANES {
                let valid = !value[lane].is_nan() && relative[lane] > 0.0;
                let reject = valid && rejected[lane] & 1 != 0;
                marked[lane] = if reject { f32::NAN } else { value[lane] };
                rejected[lane] = if valid { rejected[lane] >> 1 } else { rejected[lane] };
            }
        }
    }
}

impl Slots {
    /// Decide on all slots: the verdict.
    #[inline(always)]
    fn judge<const N: usize>(&mut self, limits: Limits) {
        // One loop without branches: what it needs of a lane stays in registers.
        for lane in 0..LANES {
            let depth = self.depth[lane];
            let (mu, v_c) = self.centre::<N>(lane);
            let allowed = limits.amplitude * mu.abs();
            let mut verdict = 1 << (COUNTS_AT + JUDGED_AT);
            for slot in 0..N {
                let r = self.r[slot][lane];
                let excess = (r - mu).abs() - allowed;
                let limit = limits.kappa_squared * (self.v[slot][lane] + v_c);
                let there = mask(depth > slot as f64);
                let outlier = mask(excess > 0.0) & mask(excess * excess > limit) & there;
                verdict += outlier & rejected(slot, mask(r < mu));
            }
            let judged =
                mask(depth >= 2.0) & mask(depth <= N as f64) & mask(self.sum_v[lane].abs() < f64::INFINITY);
            self.verdict[lane] = verdict & judged;
        }
        // The centre of two, three and five samples is one of them and stays.
        if N >= 4 {
            let mut all = 0;
            for lane in 0..LANES {
                all |= mask(self.verdict[lane] & SLOTS == ALL_FOUR) & mask(self.depth[lane] == 4.0);
            }
            if all != 0 {
                self.spare_nearest();
            }
        }
    }

    /// Centre and its variance.
    #[inline(always)]
    fn centre<const N: usize>(&self, lane: usize) -> (f64, f64) {
        let (depth, sum_v) = (self.depth[lane], self.sum_v[lane]);
        let r = |slot: usize| if slot < N { self.r[slot][lane] } else { f64::INFINITY };
        // The earlier of two frames is in the later slot.
        let earlier = mask(r(1).abs() <= r(0).abs());
        let (mut mu, mut v_c) =
            (select(earlier, r(1), r(0)), select(earlier, self.v[1][lane], self.v[0][lane]));
        if N >= 3 {
            // p and q, in any order, are the middle two of the first four, where there are three the second and third.
            let p = greater(lesser(r(0), r(1)), lesser(r(2), r(3)));
            let q = lesser(greater(r(0), r(1)), greater(r(2), r(3)));
            let of_three = mask(depth == 3.0);
            mu = select(of_three, lesser(p, q), mu);
            v_c = select(of_three, of_median(3) * sum_v, v_c);
            if N >= 4 {
                let of_four = mask(depth == 4.0);
                mu = select(of_four, 0.5 * (p + q), mu);
                v_c = select(of_four, of_median(4) * sum_v, v_c);
            }
            if N >= 5 {
                let of_five = mask(depth == 5.0);
                mu = select(of_five, greater(lesser(p, q), lesser(greater(p, q), r(4))), mu);
                v_c = select(of_five, of_median(5) * sum_v, v_c);
            }
        }
        (mu, v_c)
    }

    /// Where all four samples are rejected those nearest to the centre stay.
    #[inline(never)]
    fn spare_nearest(&mut self) {
        for lane in 0..LANES {
            if self.depth[lane] != 4.0 || self.verdict[lane] & SLOTS != ALL_FOUR {
                continue;
            }
            let (mu, _) = self.centre::<4>(lane);
            let distance: [f64; 4] = std::array::from_fn(|slot| (self.r[slot][lane] - mu).abs());
            let nearest = distance.into_iter().fold(f64::INFINITY, f64::min);
            for (slot, distance) in distance.into_iter().enumerate() {
                if distance <= nearest * (1.0 + TIE) {
                    self.verdict[lane] -= rejected(slot, mask(self.r[slot][lane] < mu));
                }
            }
        }
    }
}

/// Slots of a verdict that rejects four samples.
const ALL_FOUR: u64 = 15;

/// What a rejected slot adds to a verdict: its bit, and one to the count of its side.
#[inline(always)]
fn rejected(slot: usize, low: u64) -> u64 {
    (1 << slot) + ((low & (1 << COUNTS_AT)) | (!low & (1 << (COUNTS_AT + HIGH_AT))))
}

#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}
