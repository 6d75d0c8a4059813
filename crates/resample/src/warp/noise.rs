//! The noise of the input pixels as samples weigh it: weight or RMS maps.

use std::ops::Range;

use zemosaic_image::simd::SimdLevel;

use crate::flags;
use crate::kernel::Kernel;
use crate::table::KernelTable;
use crate::warp::fast::{BilinearPass, NearestPass, One, Pass, PhasePass, Plane, StretchedPass};
use crate::warp::general::General;
use crate::warp::split::{CHUNK, Split};
use crate::warp::{SourceWindow, WarpRow};

/// Pixels of a frame with their variances.
#[derive(Debug, Clone, Copy)]
pub struct NoiseWindow<'a> {
    /// The pixels; NaN where bad.
    pub pixels: SourceWindow<'a>,
    /// Variance of each pixel over that of the frame, row-major in the region of `pixels`; finite where the
    /// pixel is good.
    pub variances: &'a [f32],
}

/// Mean relative variance r = sum k^2 r_i / sum k^2 over the good taps of each valid sample of a row, NaN where
/// `sampled` (of [`warp_row`](crate::warp_row) at the same positions) is not valid: the variance of the sample is
/// that of the frame x its variance factor x r. [`Kernel::BsplineCubic`], whose taps have no end, is
/// approximated by the k of [`Kernel::Keys`]. The plain form is [`definition::noise`](crate::definition::noise).
///
/// # Panics
/// When `ys`, `out` or the slices of `sampled` are shorter than `xs`, or data shorter than the region.
pub fn warp_noise_row(
    table: &KernelTable,
    level: SimdLevel,
    window: &NoiseWindow<'_>,
    xs: &[f64],
    ys: &[f64],
    sampled: &WarpRow<'_>,
    out: &mut [f32],
) {
    let area = window.pixels.region.area();
    assert!(window.pixels.data.len() >= area && window.variances.len() >= area, "data of the window");
    let shortest = ys.len().min(out.len()).min(sampled.value.len()).min(sampled.flags.len());
    assert!(shortest >= xs.len(), "slices as long as the positions");
    let row = Row { table, window, xs, ys, sampled };
    match level {
        SimdLevel::Portable => row.mean(out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { row.mean_avx2(out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => row.mean(out),
    }
}

/// What a row asks for.
struct Row<'a> {
    table: &'a KernelTable,
    window: &'a NoiseWindow<'a>,
    xs: &'a [f64],
    ys: &'a [f64],
    sampled: &'a WarpRow<'a>,
}

impl Row<'_> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn mean_avx2(&self, out: &mut [f32]) {
        self.mean(out);
    }

    #[inline(always)]
    fn mean(&self, out: &mut [f32]) {
        let table = self.table.noise_table();
        match table.kernel() {
            Kernel::Nearest => self.run(&mut NearestPass, out),
            _ if table.stretch() > 1.0 => self.run(&mut StretchedPass::new(table), out),
            Kernel::Bilinear => self.run(&mut BilinearPass, out),
            Kernel::Keys | Kernel::BsplineCubic | Kernel::Lanczos2 => {
                self.run(&mut PhasePass::<4>::new(), out);
            }
            Kernel::Lanczos3 => self.run(&mut PhasePass::<6>::new(), out),
            Kernel::Lanczos4 => self.run(&mut PhasePass::<8>::new(), out),
        }
    }

    #[inline(always)]
    fn run<P: Pass>(&self, pass: &mut P, out: &mut [f32]) {
        let pixels = &self.window.pixels;
        let block = pass.block();
        let is_possible = Split::possible(pixels, block);
        let plane = Plane { index: 0, data: self.window.variances, stride: pixels.region.width };
        let mut general = General::default();
        let mut split = Split::EMPTY;
        let (mut mean, mut factor) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
        for (chunk, (xs, ys)) in self.xs.chunks(CHUNK).zip(self.ys.chunks(CHUNK)).enumerate() {
            let (n, from) = (xs.len(), chunk * CHUNK);
            if is_possible {
                split.fill(pixels, block, xs, &ys[..n]);
                pass.prepare(self.table.noise_table(), &split, n, &mut factor);
                pass.square(&mut split, n);
                pass.values(plane, &split, n, &mut mean);
            }
            let part = from..from + n;
            if is_possible && self.is_plain(&split, &mean, part.clone()) {
                out[part].copy_from_slice(&mean[..n]);
                continue;
            }
            for i in 0..n {
                let place = from + i;
                let is_valid = !self.sampled.value[place].is_nan();
                out[place] = if is_valid && is_possible && self.is_plain_at(&split, &mean, i, place) {
                    mean[i]
                } else if is_valid {
                    let one = One { table: self.table, window: pixels, at: (xs[i], ys[i]), i: place };
                    general.noise(one, self.window.variances)
                } else {
                    f32::NAN
                };
            }
        }
    }

    /// Whether the fast sum holds for the sample at `place` of the row, pixel `i` of its chunk.
    #[inline(always)]
    fn is_plain_at(&self, split: &Split, mean: &[f32; CHUNK], i: usize, place: usize) -> bool {
        split.fits[i] == 1 && self.sampled.flags[place] == flags::INSIDE && !mean[i].is_nan()
    }

    /// Whether it holds for all of a chunk, and all are valid.
    #[inline(always)]
    fn is_plain(&self, split: &Split, mean: &[f32; CHUNK], part: Range<usize>) -> bool {
        let n = part.len();
        let fitting: u32 = split.fits[..n].iter().sum();
        let flagged =
            self.sampled.flags[part.clone()].iter().fold(0, |all, flag| all | (flag ^ flags::INSIDE));
        let bad = |values: &[f32]| values.iter().map(|value| u32::from(value.is_nan())).sum::<u32>();
        fitting as usize == n && flagged == 0 && bad(&mean[..n]) + bad(&self.sampled.value[part]) == 0
    }
}
