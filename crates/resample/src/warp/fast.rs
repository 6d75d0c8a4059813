//! The fast path: chunks of pixels whose taps all lie in the window, as if none were NaN; whatever this does
//! not hold for is done again by the general path. One body of plain arrays for every instruction set.

use crate::bspline::SplineCoefficients;
use crate::flags;
use crate::kernel::Kernel;
use crate::table::{KernelTable, Near};
use crate::warp::coefficients::SplinePass;
use crate::warp::general::General;
use crate::warp::split::{Block, CHUNK, Split};
use crate::warp::sums::{
    Lanes, bilinear, bilinear_factor, square_fraction, square_lanes, square_weights, sum_lanes, sum_many,
    sum_rows,
};
use crate::warp::{SourceWindow, WarpRow};

/// A row of positions through the kernel of `table`; `coefficients` of every plane for kernels that need them.
#[inline(always)]
pub(super) fn warp(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    coefficients: &[&SplineCoefficients],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let job = Job { table, windows, xs, ys };
    match table.kernel() {
        Kernel::Nearest => job.run(&mut NearestPass, outs),
        _ if table.stretch() > 1.0 => job.run(&mut StretchedPass::new(table), outs),
        Kernel::Bilinear => job.run(&mut BilinearPass, outs),
        Kernel::BsplineCubic => job.run(&mut SplinePass::new(coefficients), outs),
        Kernel::Keys | Kernel::Lanczos2 => job.run(&mut PhasePass::<4>::new(), outs),
        Kernel::Lanczos3 => job.run(&mut PhasePass::<6>::new(), outs),
        Kernel::Lanczos4 => job.run(&mut PhasePass::<8>::new(), outs),
    }
}

/// How a kernel makes the samples of a chunk.
pub(super) trait Pass {
    /// The taps that it reads in one piece.
    fn block(&self) -> Block;

    /// What all planes share: weights, and the variance factors of the first `n` pixels into `factor`.
    fn prepare(&mut self, table: &KernelTable, split: &Split, n: usize, factor: &mut [f32; CHUNK]);

    /// Values of the first `n` pixels of the chunk from the data of a plane. Pixels whose block is not in the
    /// window read the one at the window's corner.
    fn values(&self, plane: Plane<'_>, split: &Split, n: usize, value: &mut [f32; CHUNK]);

    /// Make what was prepared the squares of the weights, normalised.
    fn square(&mut self, split: &mut Split, n: usize);

    /// The general path for one sample.
    #[inline(always)]
    fn sample(&self, general: &mut General, one: One<'_>, plane: usize, out: &mut WarpRow<'_>) {
        let _ = plane;
        general.sample(one, out);
    }
}

/// Data of one plane of a row.
#[derive(Clone, Copy)]
pub(super) struct Plane<'a> {
    /// Its number.
    pub(super) index: usize,
    /// Its pixels.
    pub(super) data: &'a [f32],
    /// Pixels from a row to the next.
    pub(super) stride: usize,
}

/// One sample that is asked of the general path.
#[derive(Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) table: &'a KernelTable,
    pub(super) window: &'a SourceWindow<'a>,
    /// Frame position.
    pub(super) at: (f64, f64),
    /// Place in the row.
    pub(super) i: usize,
}

/// What a row asks for.
struct Job<'a, 'w> {
    table: &'a KernelTable,
    windows: &'a [SourceWindow<'w>],
    xs: &'a [f64],
    ys: &'a [f64],
}

impl Job<'_, '_> {
    #[inline(always)]
    fn run<P: Pass>(&self, pass: &mut P, outs: &mut [WarpRow<'_>]) {
        let Some(first) = self.windows.first() else { return };
        let mut general = General::default();
        let block = pass.block();
        if !Split::possible(first, block) {
            for (plane, (window, out)) in self.windows.iter().zip(outs.iter_mut()).enumerate() {
                for (i, (&x, &y)) in self.xs.iter().zip(self.ys).enumerate() {
                    pass.sample(&mut general, One { table: self.table, window, at: (x, y), i }, plane, out);
                }
            }
            return;
        }
        let mut split = Split::EMPTY;
        let (mut value, mut factor) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
        for (chunk, (xs, ys)) in self.xs.chunks(CHUNK).zip(self.ys.chunks(CHUNK)).enumerate() {
            let (n, from) = (xs.len(), chunk * CHUNK);
            split.fill(first, block, xs, &ys[..n]);
            let fitting: u32 = split.fits[..n].iter().sum();
            if fitting > 0 {
                pass.prepare(self.table, &split, n, &mut factor);
            }
            for (index, (window, out)) in self.windows.iter().zip(outs.iter_mut()).enumerate() {
                let span = from..from + n;
                if fitting > 0 {
                    let plane = Plane { index, data: window.data, stride: window.region.width };
                    pass.values(plane, &split, n, &mut value);
                    out.value[span.clone()].copy_from_slice(&value[..n]);
                    out.variance_factor[span.clone()].copy_from_slice(&factor[..n]);
                    out.flags[span].fill(flags::INSIDE);
                    let missing = value[..n].iter().map(|value| u32::from(value.is_nan())).sum::<u32>();
                    if missing == 0 && fitting as usize == n {
                        continue;
                    }
                }
                for i in 0..n {
                    if fitting == 0 || split.fits[i] == 0 || value[i].is_nan() {
                        let one = One { table: self.table, window, at: (xs[i], ys[i]), i: from + i };
                        pass.sample(&mut general, one, index, out);
                    }
                }
            }
        }
    }
}

pub(super) struct NearestPass;

impl Pass for NearestPass {
    #[inline(always)]
    fn block(&self) -> Block {
        Block { wide: 1, high: 1, before: 0, shift: 0.5 }
    }

    #[inline(always)]
    fn prepare(&mut self, _: &KernelTable, _: &Split, n: usize, factor: &mut [f32; CHUNK]) {
        factor[..n].fill(1.0);
    }

    #[inline(always)]
    fn values(
        &self,
        Plane { data, stride, .. }: Plane<'_>,
        split: &Split,
        n: usize,
        value: &mut [f32; CHUNK],
    ) {
        for (i, value) in value.iter_mut().enumerate().take(n) {
            *value = data[split.offset(i, stride)];
        }
    }

    #[inline(always)]
    fn square(&mut self, _: &mut Split, _: usize) {}
}

pub(super) struct BilinearPass;

impl Pass for BilinearPass {
    #[inline(always)]
    fn block(&self) -> Block {
        Block { wide: 2, high: 2, before: 0, shift: 0.0 }
    }

    #[inline(always)]
    fn prepare(&mut self, _: &KernelTable, split: &Split, _: usize, factor: &mut [f32; CHUNK]) {
        for (factor, (fx, fy)) in factor.iter_mut().zip(split.fx.iter().zip(&split.fy)) {
            *factor = bilinear_factor(*fx, *fy);
        }
    }

    #[inline(always)]
    fn values(
        &self,
        Plane { data, stride, .. }: Plane<'_>,
        split: &Split,
        n: usize,
        value: &mut [f32; CHUNK],
    ) {
        // First the pixels side by side, then vectors of them.
        let mut taps = [[0.0_f32; CHUNK]; 4];
        #[expect(clippy::needless_range_loop, reason = "four arrays, one index")]
        for i in 0..n {
            let offset = split.offset(i, stride);
            let block = &data[offset..offset + stride + 2];
            // SAFETY: `block` is stride + 2 long.
            let (lower, upper) = unsafe {
                (*block.as_ptr().cast::<[f32; 2]>(), *block.as_ptr().add(stride).cast::<[f32; 2]>())
            };
            taps[0][i] = lower[0];
            taps[1][i] = lower[1];
            taps[2][i] = upper[0];
            taps[3][i] = upper[1];
        }
        for i in 0..CHUNK {
            let four = [taps[0][i], taps[1][i], taps[2][i], taps[3][i]];
            value[i] = bilinear(four, split.fx[i], split.fy[i]);
        }
    }

    #[inline(always)]
    fn square(&mut self, split: &mut Split, _: usize) {
        for fraction in split.fx.iter_mut().chain(&mut split.fy) {
            *fraction = square_fraction(*fraction);
        }
    }
}

/// The phases of a chunk of fractions.
struct Phases {
    index: [i32; CHUNK],
    d: [f32; CHUNK],
}

impl Phases {
    #[inline(always)]
    fn of(fractions: &[f32; CHUNK]) -> Self {
        let mut phases = Self { index: [0; CHUNK], d: [0.0; CHUNK] };
        for (i, fraction) in fractions.iter().enumerate() {
            let near = Near::to(*fraction);
            (phases.index[i], phases.d[i]) = (near.index, near.d);
        }
        phases
    }

    #[inline(always)]
    fn at(&self, i: usize) -> Near {
        Near { index: self.index[i], d: self.d[i] }
    }
}

/// An unstretched kernel of four taps and more with its weights of a chunk.
pub(super) struct PhasePass<const TAPS: usize> {
    wx: [Lanes; CHUNK],
    wy: [Lanes; CHUNK],
}

impl<const TAPS: usize> PhasePass<TAPS> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { wx: [[0.0; 8]; CHUNK], wy: [[0.0; 8]; CHUNK] }
    }
}

impl<const TAPS: usize> Pass for PhasePass<TAPS> {
    #[inline(always)]
    fn block(&self) -> Block {
        Block { wide: 8, high: TAPS, before: TAPS / 2 - 1, shift: 0.0 }
    }

    #[inline(always)]
    fn prepare(&mut self, table: &KernelTable, split: &Split, n: usize, factor: &mut [f32; CHUNK]) {
        let (x, y) = (Phases::of(&split.fx), Phases::of(&split.fy));
        for (i, wx) in self.wx.iter_mut().enumerate().take(n) {
            table.weights(x.at(i), wx);
        }
        for (i, wy) in self.wy.iter_mut().enumerate().take(n) {
            table.weights(y.at(i), wy);
        }
        for (i, factor) in factor.iter_mut().enumerate().take(n) {
            *factor = table.squares(x.at(i), &self.wx[i]) * table.squares(y.at(i), &self.wy[i]);
        }
    }

    #[inline(always)]
    fn values(
        &self,
        Plane { data, stride, .. }: Plane<'_>,
        split: &Split,
        n: usize,
        value: &mut [f32; CHUNK],
    ) {
        // In two loops: seen together, the compiler shapes the sums after the way their lanes are added up.
        let mut sums = [[0.0_f32; 8]; CHUNK];
        for (i, sums) in sums.iter_mut().enumerate().take(n) {
            let offset = split.offset(i, stride);
            let block = &data[offset..offset + (TAPS - 1) * stride + 8];
            *sums = sum_rows::<TAPS>(&self.wx[i], &self.wy[i], |j| {
                // SAFETY: row j of `block` begins at j x stride with j < TAPS and is 8 long; `block` reaches
                // 8 beyond the beginning of the last one.
                unsafe { *block.as_ptr().add(j * stride).cast::<Lanes>() }
            });
        }
        for (value, sums) in value.iter_mut().zip(&sums) {
            *value = sum_lanes::<TAPS>(sums);
        }
    }

    #[inline(always)]
    fn square(&mut self, _: &mut Split, n: usize) {
        for weights in self.wx.iter_mut().take(n).chain(self.wy.iter_mut().take(n)) {
            square_lanes::<TAPS>(weights);
        }
    }
}

/// A stretched kernel with its weights of a chunk.
pub(super) struct StretchedPass {
    taps: usize,
    before: usize,
    wx: Vec<Lanes>,
    wy: Vec<f32>,
}

impl StretchedPass {
    pub(super) fn new(table: &KernelTable) -> Self {
        let taps = table.taps();
        let parts = taps.div_ceil(8);
        let (wx, wy) = (vec![[0.0; 8]; parts * CHUNK], vec![0.0; taps * CHUNK]);
        Self { taps, before: taps / 2 - 1, wx, wy }
    }

    fn parts(&self) -> usize {
        self.taps.div_ceil(8)
    }
}

impl Pass for StretchedPass {
    #[inline(always)]
    fn block(&self) -> Block {
        Block { wide: self.parts() * 8, high: self.taps, before: self.before, shift: 0.0 }
    }

    #[inline(always)]
    fn prepare(&mut self, table: &KernelTable, split: &Split, n: usize, factor: &mut [f32; CHUNK]) {
        let parts = self.parts();
        let pixels = self.wx.chunks_exact_mut(parts).zip(self.wy.chunks_exact_mut(self.taps));
        for (i, (wx, wy)) in pixels.enumerate().take(n) {
            let squares_x = table.stretched_weights(split.fx[i], &mut wx.as_flattened_mut()[..self.taps]);
            let squares_y = table.stretched_weights(split.fy[i], wy);
            factor[i] = squares_x * squares_y;
        }
    }

    #[inline(always)]
    fn values(
        &self,
        Plane { data, stride, .. }: Plane<'_>,
        split: &Split,
        n: usize,
        value: &mut [f32; CHUNK],
    ) {
        let parts = self.parts();
        let pixels = self.wx.chunks_exact(parts).zip(self.wy.chunks_exact(self.taps));
        for (i, (wx, wy)) in pixels.enumerate().take(n) {
            let offset = split.offset(i, stride);
            let block = &data[offset..offset + (self.taps - 1) * stride + 8 * parts];
            value[i] = sum_many(wx, wy, |c, j| {
                // SAFETY: `wx` has `parts` parts and `wy` `taps` rows, so that j x stride + 8 c + 8 is at most
                // the length of `block`.
                unsafe { *block.as_ptr().add(j * stride + 8 * c).cast::<Lanes>() }
            });
        }
    }

    #[inline(always)]
    fn square(&mut self, _: &mut Split, n: usize) {
        let parts = self.parts();
        let pixels = self.wx.chunks_exact_mut(parts).zip(self.wy.chunks_exact_mut(self.taps));
        for (wx, wy) in pixels.take(n) {
            square_weights(&mut wx.as_flattened_mut()[..self.taps]);
            square_weights(wy);
        }
    }
}
