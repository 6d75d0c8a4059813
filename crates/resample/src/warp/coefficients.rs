//! The pass of the interpolating B-spline: sums over coefficients.

use crate::bspline::SplineCoefficients;
use crate::table::KernelTable;
use crate::warp::WarpRow;
use crate::warp::fast::{One, Pass, PhasePass, Plane};
use crate::warp::general::General;
use crate::warp::split::{Block, CHUNK, Split};

/// The four taps of the basis function over the coefficients of each plane.
pub(super) struct SplinePass<'a> {
    taps: PhasePass<4>,
    coefficients: &'a [&'a SplineCoefficients],
}

impl<'a> SplinePass<'a> {
    #[inline(always)]
    pub(super) fn new(coefficients: &'a [&'a SplineCoefficients]) -> Self {
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
        // Sums over coefficients that are NaN where a pixel is.
        let marked = self.coefficients[plane.index].marked();
        self.taps.values(Plane { data: marked, ..plane }, split, n, value);
    }

    #[inline(always)]
    fn square(&mut self, split: &mut Split, n: usize) {
        self.taps.square(split, n);
    }

    #[inline(always)]
    fn sample(&self, general: &mut General, one: One<'_>, plane: usize, out: &mut WarpRow<'_>) {
        general.sample_spline(one, self.coefficients[plane].all(), out);
    }
}
