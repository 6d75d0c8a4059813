//! The fit of a plate without outliers: scatter from the median, stars taken out worst first and let in again.

use super::polynomial::{Plate, Point, term_count};
use crate::quality::median;

/// A star is out beyond so many standard deviations; of the length of a residual, 1.1 % of good stars are.
pub(super) const CLIP_SIGMA: f64 = 3.0;
/// No star is out below this.
pub(super) const CLIP_LEAST_PX: f64 = 0.25;
/// Median of |x| to standard deviation, Gaussian.
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;
/// Rounds, at most; after the first of them nobody returns, because a star at the limit can leave and return for ever.
const MAX_ROUNDS: usize = 40;
const RETURN_ROUNDS: usize = 12;
/// Share of the stars taken out in a round, at least one.
const ROUND_SHARE: f64 = 0.1;
/// The added variance counts as settled when it changes by less than this share.
const SETTLED: f64 = 1e-3;

/// A fit and what it says of every star.
#[derive(Debug, Clone)]
pub(super) struct Clipped {
    /// The fit.
    pub plate: Plate,
    /// Which stars it is of.
    pub kept: Vec<bool>,
    /// Variance on each axis added to what the stars state.
    pub added_px2: f64,
    /// Length of every star's residual against the fit without it.
    pub without_px: Vec<f64>,
    /// Scatter over what variances tell; below 1 where these are too large.
    pub ratio: f64,
}

impl Clipped {
    /// Standard deviation of a star on each axis.
    pub fn sigma_px(&self, point: &Point) -> f64 {
        (point.variance_px2 + self.added_px2).sqrt() * self.ratio.clamp(0.2, 1.0)
    }

    /// Stars in the fit.
    pub fn count(&self) -> usize {
        self.kept.iter().filter(|kept| **kept).count()
    }

    /// Weights of the fit, 1 / px^2.
    pub fn weights(&self, points: &[Point]) -> Vec<f64> {
        weights(points, &self.kept, self.added_px2)
    }
}

fn weights(points: &[Point], kept: &[bool], added_px2: f64) -> Vec<f64> {
    let weight = |(point, kept): (&Point, &bool)| {
        if *kept { 1.0 / (point.variance_px2 + added_px2) } else { 0.0 }
    };
    points.iter().zip(kept).map(weight).collect()
}

/// Fit of order `order` to those of `points` that agree; `None` where they do not determine it.
///
/// Each round: weighted least squares; residuals over their standard deviation, which is smaller for stars that pull the
/// fit (leverage h: sqrt(1 - h), Belsley, Kuh and Welsch 1980); scatter from their median; the variance that weights
/// lack; then the worst tenth of the stars beyond [`CLIP_SIGMA`] leaves, or if there is none, those within it return.
pub(super) fn fit_clipped(points: &[Point], order: usize, unit_px: f64) -> Option<Clipped> {
    let mut kept = vec![true; points.len()];
    let mut added_px2 = 0.0;
    let mut round = 0;
    loop {
        round += 1;
        if kept.iter().filter(|kept| **kept).count() < term_count(order) + 1 {
            return None;
        }
        let plate = Plate::fit(points, &weights(points, &kept, added_px2), order, unit_px)?;
        let judged = judge(&plate, points, &kept, added_px2)?;
        let now = next_kept(&kept, &judged, round);
        let settled = (judged.added_px2 - added_px2).abs() <= SETTLED * (added_px2 + 1e-4);
        if (now == kept && settled) || round == MAX_ROUNDS {
            let Judged { without_px, ratio, .. } = judged;
            return Some(Clipped { plate, kept, added_px2, without_px, ratio });
        }
        (kept, added_px2) = (now, judged.added_px2);
    }
}

struct Judged {
    /// Residual lengths over their standard deviation.
    sigmas: Vec<f64>,
    without_px: Vec<f64>,
    ratio: f64,
    added_px2: f64,
}

fn judge(plate: &Plate, points: &[Point], kept: &[bool], added_px2: f64) -> Option<Judged> {
    let (mut sigmas, mut without_px) = (Vec::new(), Vec::new());
    let (mut relative, mut scaled, mut stated) = (Vec::new(), Vec::new(), Vec::new());
    for (point, kept) in points.iter().zip(kept) {
        let residual = plate.residual_px(point)?;
        let variance = point.variance_px2 + added_px2;
        let pull = plate.variance_px2(point.at_px) / variance;
        let length = residual[0].hypot(residual[1]);
        // A star in the fit pulls it towards itself; of one outside the fit's own error adds up.
        let own = if *kept { (1.0 - pull).max(1e-6) } else { 1.0 + pull };
        sigmas.push(length / (variance * own).sqrt());
        without_px.push(if *kept { length / own } else { length });
        if *kept {
            stated.push(point.variance_px2);
            for axis in residual {
                relative.push((axis / (variance * own).sqrt()).abs());
                scaled.push((axis / own.sqrt()).abs());
            }
        }
    }
    let ratio = MAD_TO_SIGMA * median(relative.into_iter());
    let scatter = MAD_TO_SIGMA * median(scaled.into_iter());
    let added_px2 = (scatter * scatter - median(stated.into_iter())).max(0.0);
    Some(Judged { sigmas, without_px, ratio, added_px2 })
}

fn next_kept(kept: &[bool], judged: &Judged, round: usize) -> Vec<bool> {
    let limit = CLIP_SIGMA * judged.ratio;
    let good = |index: usize| judged.sigmas[index] <= limit || judged.without_px[index] <= CLIP_LEAST_PX;
    let mut now = kept.to_vec();
    let mut worst: Vec<usize> = (0..kept.len()).filter(|index| kept[*index] && !good(*index)).collect();
    worst.sort_by(|a, b| judged.sigmas[*b].total_cmp(&judged.sigmas[*a]).then(a.cmp(b)));
    let count = kept.iter().filter(|kept| **kept).count();
    worst.truncate(((ROUND_SHARE * count as f64) as usize).max(1));
    if worst.is_empty() && round <= RETURN_ROUNDS {
        for (index, now) in now.iter_mut().enumerate() {
            *now |= good(index);
        }
    } else {
        for index in worst {
            now[index] = false;
        }
    }
    now
}
