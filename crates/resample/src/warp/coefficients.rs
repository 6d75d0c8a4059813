//! The pass of the interpolating B-spline: sums over coefficients, NaN told by the pixels.

use crate::table::KernelTable;
use crate::warp::WarpRow;
use crate::warp::fast::{One, Pass, PhasePass, Plane};
use crate::warp::general::General;
use crate::warp::split::{Block, CHUNK, Split};
use crate::warp::sums::Lanes;

/// The four taps of the basis function over the coefficients of each plane.
pub(super) struct SplinePass<'a> {
    taps: PhasePass<4>,
    coefficients: &'a [&'a [f32]],
}

impl<'a> SplinePass<'a> {
    #[inline(always)]
    pub(super) fn new(coefficients: &'a [&'a [f32]]) -> Self {
        Self { taps: PhasePass::new(), coefficients }
    }
}

impl Pass for SplinePass<'_> {
    #[inline(always)]
    fn block(&self) -> Block {
        self.taps.block()
    }

    #[inline(always)]
    fn prepare(&mut self, table: &KernelTable, split: &Split, n: usize, factor: &mut [f32; CHUNK]) {
        self.taps.prepare(table, split, n, factor);
    }

    #[inline(always)]
    fn values(&self, plane: Plane<'_>, split: &Split, n: usize, value: &mut [f32; CHUNK]) {
        self.taps.values(Plane { data: self.coefficients[plane.index], ..plane }, split, n, value);
        for (i, value) in value.iter_mut().enumerate().take(n) {
            let offset = split.offset(i, plane.stride);
            let block = &plane.data[offset..offset + 3 * plane.stride + 8];
            let mut sums: Lanes = [0.0; 8];
            for j in 0..4 {
                // SAFETY: row j of `block` begins at j x stride with j < 4 and is 8 long; `block` reaches 8 beyond
                // the beginning of the last one.
                let row = unsafe { *block.as_ptr().add(j * plane.stride).cast::<Lanes>() };
                for lane in 0..8 {
                    sums[lane] += row[lane];
                }
            }
            // NaN where a pixel is (or where infinities meet: the general path knows).
            let sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
            *value = if sum.is_nan() { f32::NAN } else { *value };
        }
    }

    #[inline(always)]
    fn square(&mut self, split: &mut Split, n: usize) {
        self.taps.square(split, n);
    }

    #[inline(always)]
    fn sample(&self, general: &mut General, one: One<'_>, plane: usize, out: &mut WarpRow<'_>) {
        general.sample_spline(one, self.coefficients[plane], out);
    }
}
