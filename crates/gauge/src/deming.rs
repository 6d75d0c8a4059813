//! The gain of a pair from structure: a line through the levels of common blocks with errors in both (Deming 1943), after a
//! second-order surface is taken from both, because gradients say nothing of a gain.
//!
//! slope = (Syy - l Sxx + sqrt((Syy - l Sxx)^2 + 4 l Sxy^2)) / (2 Sxy), l = noise variance of y over that of x. Only where
//! the variance of both without their noise is more than 3 times the noise, and both show the same structure (correlation
//! of 0.9): a gain from sky alone would be one of chance. Robust rounds as in [`crate::location`], on distances from the line.

use crate::common_blocks::common_area;
use crate::location::PLACES;
use crate::log_ratio::SAME_NOISE;
use crate::preview::Preview;
use crate::robust_weight::{HUBER_ROUNDS, RobustWeight};

/// Common blocks that a line needs.
const LEAST_BLOCKS: usize = 30;
/// Signal over noise, as variances.
const LEAST_SIGNAL: f64 = 3.0;
/// Least correlation.
const LEAST_CORRELATION: f64 = 0.9;
/// Parts of the jackknife.
const PARTS: usize = 8;
/// Rounds.
const ROUNDS: usize = 8;
/// A term of the surface that is this much made up of those before is none.
const DEPENDENT: f64 = 1e-6;
/// Terms of the surface.
const TERMS: usize = 6;

/// A slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Structure {
    /// ln(structure of a over that of b).
    pub(crate) value: f64,
    pub(crate) variance: f64,
    /// Blocks that count.
    pub(crate) used: usize,
}

struct Blocks {
    at: Vec<(f64, f64)>,
    /// Levels of b and of a.
    level: [Vec<f64>; 2],
    noise: [Vec<f64>; 2],
    weight: Vec<f64>,
    /// Half of their extent along x and y, blocks.
    spread: [f64; 2],
}

struct Sums {
    xx: f64,
    xy: f64,
    yy: f64,
    noise: [f64; 2],
}

/// ln of the slope of a over b in a channel; `None` where there is no structure to tell.
pub(crate) fn structure_gain(a: &Preview, b: &Preview, channel: usize) -> Option<Structure> {
    let mut blocks = Blocks::common(a, b, channel)?;
    let mut found = None;
    for round in 0..ROUNDS {
        let [x, y] = blocks.without_surface();
        let sums = blocks.sums(&blocks.weight, &x, &y);
        let slope = slope_of(&sums)?;
        // Distances from the line, along y.
        let distance: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - slope * x).collect();
        let expected = sums.noise[1] + slope * slope * sums.noise[0];
        let total_weight: f64 = blocks.weight.iter().sum();
        let squares: f64 = distance.iter().zip(&blocks.weight).map(|(d, w)| w * d * d).sum();
        let excess = (squares / total_weight - expected).max(0.0);
        let used = blocks.weight.iter().filter(|weight| **weight > 0.0).count();
        if used < LEAST_BLOCKS {
            return None;
        }
        let free = used as f64 - TERMS as f64 - 1.0;
        let of_distance = expected / free + excess / free.min(PLACES);
        let signal = sums.xx - sums.noise[0];
        let expected = of_distance / (slope * slope * signal);
        let variance = match blocks.jackknife(&x, &y) {
            // Made from the same exposures: the noise is the same in both.
            Some(own) if own < SAME_NOISE * expected => own,
            Some(own) => own.max(expected),
            None => expected,
        };
        found = Some(Structure { value: slope.ln(), variance, used });
        for (index, weight) in blocks.weight.iter_mut().enumerate() {
            let noise = blocks.noise[1][index] + slope * slope * blocks.noise[0][index] + excess;
            let sigmas = if noise > 0.0 { distance[index].abs() / noise.sqrt() } else { 0.0 };
            *weight = RobustWeight::of_round(round, HUBER_ROUNDS).at(sigmas);
        }
    }
    found.filter(|found| found.value.is_finite() && found.variance.is_finite())
}

/// The slope, where signal and correlation allow one.
fn slope_of(sums: &Sums) -> Option<f64> {
    let signal = |all: f64, noise: f64| all - noise > LEAST_SIGNAL * noise && all > 0.0;
    let correlation = sums.xy / (sums.xx * sums.yy).sqrt();
    if !(signal(sums.xx, sums.noise[0]) && signal(sums.yy, sums.noise[1])) {
        return None;
    }
    if correlation.is_nan() || correlation < LEAST_CORRELATION {
        return None;
    }
    let ratio = if sums.noise[0] > 0.0 && sums.noise[1] > 0.0 { sums.noise[1] / sums.noise[0] } else { 1.0 };
    let difference = sums.yy - ratio * sums.xx;
    let slope =
        (difference + (difference * difference + 4.0 * ratio * sums.xy * sums.xy).sqrt()) / (2.0 * sums.xy);
    (slope.is_finite() && slope > 0.0).then_some(slope)
}

impl Blocks {
    fn common(a: &Preview, b: &Preview, channel: usize) -> Option<Self> {
        let common = common_area(a, b);
        if common.len() < LEAST_BLOCKS {
            return None;
        }
        let of = |values: &[f32], index: usize| f64::from(values[index]);
        let extent = |of: &dyn Fn(usize) -> i64| {
            let (low, high) = (0..common.len())
                .map(of)
                .fold((i64::MAX, i64::MIN), |(low, high), at| (low.min(at), high.max(at)));
            (0.5 * (low + high) as f64, (0.5 * (high - low) as f64).max(0.5))
        };
        let ((x, half_x), (y, half_y)) = (extent(&|i| common[i].x), extent(&|i| common[i].y));
        Some(Self {
            at: common.iter().map(|c| ((c.x as f64 - x) / half_x, (c.y as f64 - y) / half_y)).collect(),
            level: [
                common.iter().map(|c| of(&b.level[channel], c.b)).collect(),
                common.iter().map(|c| of(&a.level[channel], c.a)).collect(),
            ],
            noise: [
                common.iter().map(|c| of(&b.variance[channel], c.b)).collect(),
                common.iter().map(|c| of(&a.variance[channel], c.a)).collect(),
            ],
            weight: vec![1.0; common.len()],
            spread: [half_x, half_y],
        })
    }

    /// Levels less their weighted second-order surfaces, by Gram and Schmidt.
    fn without_surface(&self) -> [Vec<f64>; 2] {
        let dot = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(b).zip(&self.weight).map(|((a, b), weight)| a * b * weight).sum()
        };
        let remove = |from: &mut [f64], term: &[f64], squares: f64| {
            let share = dot(from, term) / squares;
            for (value, term) in from.iter_mut().zip(term) {
                *value -= share * term;
            }
        };
        let mut rest = self.level.clone();
        let mut basis: Vec<(Vec<f64>, f64)> = Vec::with_capacity(TERMS);
        for term in 0..TERMS {
            let value = |(u, v): &(f64, f64)| [1.0, *u, *v, u * u, u * v, v * v][term];
            let mut own: Vec<f64> = self.at.iter().map(value).collect();
            let before = dot(&own, &own);
            for (other, squares) in &basis {
                remove(&mut own, other, *squares);
            }
            let squares = dot(&own, &own);
            if squares <= DEPENDENT * before {
                continue;
            }
            for level in &mut rest {
                remove(level, &own, squares);
            }
            basis.push((own, squares));
        }
        rest
    }

    /// Variance of ln slope from leaving out one of [`PARTS`] neighbouring parts at a time (Künsch 1989): gradients that the frames
    /// do not share are smooth, and blocks are not independent. `None` where a part decides whether there is a slope.
    fn jackknife(&self, x: &[f64], y: &[f64]) -> Option<f64> {
        let is_wide = self.spread[0] >= self.spread[1];
        let mut order: Vec<usize> = (0..x.len()).collect();
        let along = |index: &usize| if is_wide { self.at[*index].0 } else { self.at[*index].1 };
        order.sort_by(|a, b| along(a).total_cmp(&along(b)).then(a.cmp(b)));
        let mut logs = [0.0; PARTS];
        for (part, log) in logs.iter_mut().enumerate() {
            let (from, to) = (part * x.len() / PARTS, (part + 1) * x.len() / PARTS);
            let mut weight = self.weight.clone();
            for index in &order[from..to] {
                weight[*index] = 0.0;
            }
            *log = slope_of(&self.sums(&weight, x, y))?.ln();
        }
        let mean = logs.iter().sum::<f64>() / PARTS as f64;
        let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        Some(squares * (PARTS as f64 - 1.0) / PARTS as f64)
    }

    fn sums(&self, weight: &[f64], x: &[f64], y: &[f64]) -> Sums {
        let total: f64 = weight.iter().sum();
        let mean = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(b).zip(weight).map(|((a, b), weight)| a * b * weight).sum::<f64>() / total
        };
        let ones = vec![1.0; x.len()];
        let noise = [mean(&self.noise[0], &ones), mean(&self.noise[1], &ones)];
        Sums { xx: mean(x, x), xy: mean(x, y), yy: mean(y, y), noise }
    }
}
