//! The figures of a solution.

use zemosaic_sky::Wcs;

use super::driver::{COMMON_STARS, OWN_STARS};
use super::problem::{Linear, Problem};
use super::robust::{Freedom, Weights, freedom, median};
use super::solution::{AdjustError, AdjustFrame, Adjusted, AdjustedFrame, InstrumentSolution, PlacedBy};

const ARCSEC: f64 = 3600.0;
/// Residuals with less freedom do not enter the internal error.
const LEAST_FREEDOM: f64 = 0.1;

/// A sum of squares per axis and how many axes it has.
#[derive(Debug, Clone, Copy, Default)]
struct Squares {
    sum: f64,
    axes: f64,
}

impl Squares {
    fn add(&mut self, v: [f64; 2], unit: f64, free: f64) {
        self.sum += unit * unit * (v[0] * v[0] + v[1] * v[1]);
        self.axes += 2.0 * free;
    }

    /// NaN without any.
    fn rms(self) -> f64 {
        (self.sum / self.axes).sqrt()
    }
}

/// What is known of residuals at the end.
struct Residuals<'a> {
    problem: &'a Problem,
    linear: Vec<Linear>,
    free: Freedom,
    used: &'a Weights,
    /// Used sights of each object.
    seen: Vec<usize>,
}

impl Residuals<'_> {
    fn tied(&self, object: usize) -> bool {
        self.used.ties[object] > 0.0
    }

    /// Adds the internal residual of a sight where it has one.
    fn internal(&self, s: usize, unit: f64, to: &mut Squares) {
        let object = self.problem.sights[s].object as usize;
        if self.used.sights[s] > 0.0 && self.seen[object] >= 2 && self.free.sights[s] >= LEAST_FREEDOM {
            to.add(self.linear[s].residual, unit, self.free.sights[s]);
        }
    }

    /// Adds the external residual of an object where it has one.
    fn external(&self, object: usize, to: &mut Squares) {
        if let (true, Some((apart, _))) = (self.tied(object), self.problem.tie(object)) {
            to.add(apart, self.problem.unit_rad.to_degrees() * ARCSEC, 1.0);
        }
    }
}

/// The solution as it is given out.
pub(super) fn report(
    frames: &[AdjustFrame<'_>],
    problem: &Problem,
    used: &Weights,
    rounds: usize,
) -> Result<Adjusted, AdjustError> {
    let linear = problem.linear();
    let free = freedom(problem, &linear, used);
    let mut seen = vec![0; problem.objects.len()];
    for (sight, weight) in problem.sights.iter().zip(&used.sights) {
        seen[sight.object as usize] += usize::from(*weight > 0.0);
    }
    let residuals = Residuals { problem, linear, free, used, seen };
    let adjusted: Result<Vec<AdjustedFrame>, AdjustError> =
        frames.iter().enumerate().map(|(index, frame)| report_frame(index, frame, &residuals)).collect();
    let (mut pixels, mut arcsec, mut external) = (Squares::default(), Squares::default(), Squares::default());
    for s in 0..problem.sights.len() {
        let scale = problem.frames[problem.sights[s].frame as usize].pose.scale_rad;
        residuals.internal(s, 1.0, &mut pixels);
        residuals.internal(s, scale.to_degrees() * ARCSEC, &mut arcsec);
    }
    (0..problem.objects.len()).for_each(|object| residuals.external(object, &mut external));
    let counts = |object: &usize| {
        residuals.seen[*object] >= 2 || (residuals.seen[*object] == 1 && residuals.tied(*object))
    };
    Ok(Adjusted {
        frames: adjusted?,
        instruments: instruments(problem),
        internal_rms_px: pixels.rms(),
        internal_rms_arcsec: arcsec.rms(),
        external_rms_arcsec: external.rms(),
        objects: (0..problem.objects.len()).filter(counts).count(),
        rounds,
    })
}

fn instruments(problem: &Problem) -> Vec<InstrumentSolution> {
    let solution = |index: usize| {
        let instrument = &problem.instruments[index];
        let scales: Vec<f64> =
            problem.frames.iter().filter(|f| f.instrument == index).map(|f| f.pose.scale_rad).collect();
        InstrumentSolution {
            sip_order: instrument.distortion.order,
            frames: scales.len(),
            scale_arcsec: median(scales).to_degrees() * ARCSEC,
            distortion_max_px: instrument.distortion.largest_px(),
            floor_px: instrument.floor_px,
        }
    };
    (0..problem.instruments.len()).map(solution).collect()
}

fn report_frame(
    index: usize,
    frame: &AdjustFrame<'_>,
    residuals: &Residuals<'_>,
) -> Result<AdjustedFrame, AdjustError> {
    let problem = residuals.problem;
    let (mut internal, mut external) = (Squares::default(), Squares::default());
    let (mut stars_used, mut catalogue_stars) = (0, 0);
    for s in problem.of_frame(index) {
        let object = problem.sights[s].object as usize;
        residuals.internal(s, 1.0, &mut internal);
        // A star that only this frame saw tells of it only through the catalogue.
        if residuals.used.sights[s] > 0.0 && (residuals.seen[object] >= 2 || residuals.tied(object)) {
            stars_used += 1;
            catalogue_stars += usize::from(problem.sights[s].matched && residuals.tied(object));
            residuals.external(object, &mut external);
        }
    }
    let placed_by = if catalogue_stars >= OWN_STARS {
        PlacedBy::Catalogue
    } else if stars_used >= COMMON_STARS {
        PlacedBy::Neighbours
    } else {
        PlacedBy::Start
    };
    let instrument = problem.instrument_of(index);
    let wcs = if placed_by == PlacedBy::Start {
        frame.wcs.clone()
    } else {
        let solved = problem.frames[index].pose.wcs(&instrument.shape, &instrument.distortion);
        solved.map_err(|source| AdjustError::Wcs { frame: index, source })?
    };
    Ok(AdjustedFrame {
        max_shift_px: if placed_by == PlacedBy::Start { 0.0 } else { largest_shift_px(frame, &wcs) },
        wcs,
        stars_used,
        catalogue_stars,
        internal_rms_px: internal.rms(),
        external_rms_arcsec: external.rms(),
        placed_by,
    })
}

/// How far the corners have moved, pixels of the start.
fn largest_shift_px(frame: &AdjustFrame<'_>, wcs: &Wcs) -> f64 {
    let [right, top] = frame.size_px.map(|n| n as f64 - 1.0);
    let shift = |(x, y): (f64, f64)| {
        let (u, v) = wcs.pixel_to_icrs(x, y).and_then(|at| frame.wcs.icrs_to_pixel(&at))?;
        Some((u - x).hypot(v - y))
    };
    [(0.0, 0.0), (right, 0.0), (0.0, top), (right, top)].into_iter().filter_map(shift).fold(0.0, f64::max)
}
