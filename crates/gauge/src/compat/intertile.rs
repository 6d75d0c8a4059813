//! ZeMosaic's match of tiles: a line between every two, a dense least squares with one anchor, then a blend and clamps.
//!
//! For a pair, y = a x + b is fitted to the luminance (mean of the channels) of what both have, after a cut to the sky band,
//! the 30th to 70th percentile of (x + y) / 2. That cut destroys the slope: over even sky a comes out between -0.9 and -0.5
//! whatever it is. Then, for gains g and offsets o of all tiles,
//!
//! ```text
//! g_i = a g_j    o_i - o_j = b g_j    (each times sqrt(area))    g_anchor = 1    o_anchor = 0    (each once)
//! ```
//!
//! All rows but one are solved by 0: where lines do not close exactly round a loop all gains collapse towards 0, and what is
//! below 1e-6 becomes 1. What is left by default is about 30 % of an equalisation of the tiles' medians. For comparison only.
//!
//! Lines are fitted to the blocks of previews instead of resampled pixels, which have far less noise: the bias is smaller.

use rayon::prelude::*;

use super::intertile_options::{IntertileOptions, IntertileSolver};
use super::intertile_solve::LeastSquares;
use crate::common_blocks::for_common;
use crate::gauge::FrameGauge;
use crate::network::linked;
use crate::observer::MatchObserver;
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::robust_weight::{TUKEY, bisquare};
use crate::statistics::{MAD_TO_SIGMA, finite_median, median, percentiles};

/// Shares of the smaller box that two boxes may have in common instead, one after another, where no pair has enough.
const LESSER_OVERLAPS: [f64; 3] = [0.03, 0.02, 0.01];
/// Samples that the sky band must keep, else all count.
const LEAST_IN_BAND: usize = 32;
/// Samples that a fit starts with, and those it may shrink to.
const LEAST_SAMPLES: usize = 16;
const LEAST_KEPT: usize = 8;
/// Rounds of a fit.
const ROUNDS: usize = 6;
/// A gain below this is taken for a failure, and is 1.
const LEAST_GAIN: f64 = 1e-6;
/// IRLS: least sigma of a gain.
const LEAST_SIGMA: f64 = 0.02;
/// Largest offset where only offsets are applied.
const LOOSE_OFFSET: f64 = 2000.0;

/// The line of a pair: level of `b` = `slope` x level of `a` + `intercept`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntertileLine {
    /// Index of a tile.
    pub a: usize,
    /// Index of another.
    pub b: usize,
    /// Gain of `a` over that of `b`.
    pub slope: f64,
    /// In units of the mosaic.
    pub intercept: f64,
    /// Pixels of the overlap.
    pub area_px: f64,
}

/// Gain and offset of every tile, equal in all channels; always finite. `block_px`: side of a block of `previews`. `observer` is
/// told of pairs and of rows of the equations.
pub fn intertile(
    previews: &[Preview],
    block_px: usize,
    pairs: &[Pair],
    options: &IntertileOptions,
    observer: &dyn MatchObserver,
) -> Vec<FrameGauge> {
    let luminances: Vec<Vec<f64>> = previews.par_iter().map(luminance).collect();
    let medians: Vec<f64> = luminances.iter().map(|values| finite_median(values)).collect();
    let block_area_px = (block_px * block_px) as f64;
    let one = |(pair, blocks): &(Pair, usize)| {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for_common(&previews[pair.a], &previews[pair.b], |i, j| {
            x.push(luminances[pair.a][i]);
            y.push(luminances[pair.b][j]);
        });
        observer.piece_done();
        let (slope, intercept) = sky_line(&x, &y, options)?;
        let area_px = *blocks as f64 * block_area_px;
        Some(IntertileLine { a: pair.a, b: pair.b, slope, intercept, area_px })
    };
    let overlapping = overlapping(previews, pairs, options.overlap_min);
    let lines: Vec<IntertileLine> = overlapping.par_iter().filter_map(one).collect();
    let corrections = if lines.is_empty() {
        equal_medians(&medians, options)
    } else {
        from_lines(&medians, &lines, options, observer)
    };
    let gauge = |[gain, offset]: [f64; 2]| FrameGauge {
        gain: [gain; 3],
        offset: [offset; 3],
        ..FrameGauge::default()
    };
    corrections.into_iter().map(gauge).collect()
}

/// The pairs whose boxes have `overlap_min` of the smaller one in common, with the blocks of what they have in common; where no
/// pair has that, the lesser overlaps are tried.
fn overlapping(previews: &[Preview], pairs: &[Pair], overlap_min: f64) -> Vec<(Pair, usize)> {
    let boxes = |pair: &Pair| {
        let (a, b) = (previews[pair.a].region, previews[pair.b].region);
        let blocks = a.intersect(&b).map_or(0, |common| common.area());
        (*pair, blocks, blocks as f64 / a.area().min(b.area()).max(1) as f64)
    };
    let all: Vec<(Pair, usize, f64)> = pairs.iter().map(boxes).collect();
    let lesser = LESSER_OVERLAPS.into_iter().filter(|own| *own < overlap_min);
    for least in std::iter::once(overlap_min).chain(lesser) {
        let enough: Vec<(Pair, usize)> = all
            .iter()
            .filter(|(_, blocks, share)| *blocks > 0 && *share >= least)
            .map(|(pair, blocks, _)| (*pair, *blocks))
            .collect();
        if !enough.is_empty() {
            return enough;
        }
    }
    Vec::new()
}

/// Mean of the channels of every block.
fn luminance(preview: &Preview) -> Vec<f64> {
    let channels = preview.channels().max(1) as f64;
    let mut sum = vec![0.0; preview.region.area()];
    for level in &preview.level {
        sum.iter_mut().zip(level).for_each(|(sum, own)| *sum += f64::from(*own));
    }
    for sum in &mut sum {
        *sum /= channels;
    }
    sum
}

/// Slope and intercept of y over x in the sky band, as ZeMosaic fits them: least squares in at most 6 rounds, each without
/// what is further off than `robust_clip_sigma` standard deviations. `None` with less than 16 samples or without a line.
pub fn sky_line(x: &[f64], y: &[f64], options: &IntertileOptions) -> Option<(f64, f64)> {
    let all: Vec<(f64, f64)> =
        x.iter().copied().zip(y.iter().copied()).filter(|(x, y)| (x + y).is_finite()).collect();
    let mut middles: Vec<f64> = all.iter().map(|(x, y)| 0.5 * (x + y)).collect();
    let [low, high] = percentiles(&mut middles, options.sky_percentile.map(|percent| percent / 100.0));
    let is_sky = |(x, y): &(f64, f64)| (low..=high).contains(&(0.5 * (x + y)));
    let mut kept: Vec<(f64, f64)> = all.iter().copied().filter(is_sky).collect();
    if kept.len() < LEAST_IN_BAND {
        kept = all;
    }
    if kept.len() < LEAST_SAMPLES {
        return None;
    }
    let mut line = least_squares(&kept)?;
    for _ in 1..ROUNDS {
        let residual = |(x, y): &(f64, f64)| y - line.0 * x - line.1;
        let n = kept.len() as f64;
        let mean = kept.iter().map(residual).sum::<f64>() / n;
        let sigma = (kept.iter().map(|own| (residual(own) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let left: Vec<(f64, f64)> = kept
            .iter()
            .copied()
            .filter(|own| residual(own).abs() <= options.robust_clip_sigma * sigma)
            .collect();
        if left.len() < LEAST_KEPT || left.len() == kept.len() {
            break;
        }
        kept = left;
        let Some(next) = least_squares(&kept) else { break };
        line = next;
    }
    Some(line)
}

fn least_squares(samples: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = samples.len() as f64;
    let (sum_x, sum_y) = samples.iter().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (xx, xy) = samples
        .iter()
        .fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + (x - mean_x).powi(2), xy + (x - mean_x) * (y - mean_y)));
    let slope = xy / xx;
    let intercept = mean_y - slope * mean_x;
    (slope.is_finite() && intercept.is_finite()).then_some((slope, intercept))
}

/// Without any pair: a gain to the median of all, within the limits of what is applied; none where tiles are not to be brought
/// there.
fn equal_medians(medians: &[f64], options: &IntertileOptions) -> Vec<[f64; 2]> {
    let target = finite_median(medians);
    let [low, high] = options.gain_limits;
    let gain = |own: &f64| match target / own {
        gain if options.global_recenter && gain.is_finite() && gain > 0.0 => gain.clamp(low, high),
        _ => 1.0,
    };
    medians.iter().map(|own| [gain(own), 0.0]).collect()
}

/// Gain and offset of every tile from the lines, with all that is done to them afterwards. `medians`: of the tiles, NaN where
/// unknown.
pub fn from_lines(
    medians: &[f64],
    lines: &[IntertileLine],
    options: &IntertileOptions,
    observer: &dyn MatchObserver,
) -> Vec<[f64; 2]> {
    let tiles = medians.len();
    let mut found = solve_lines(tiles, lines, options, observer);
    if options.global_recenter {
        recenter(&mut found, medians, options.recenter_clip);
    }
    for [gain, offset] in &mut found {
        *gain = 1.0 + options.affine_blend * (*gain - 1.0);
        *offset *= options.affine_blend;
    }
    let has_line = linked(tiles, lines.iter().map(|line| (line.a, line.b)));
    let active = has_line.iter().filter(|has_line| **has_line).count();
    if lines.len() <= options.underconstrained_max_pairs
        || active <= options.underconstrained_max_active_tiles
    {
        for [gain, offset] in &mut found {
            *gain = 1.0;
            *offset = offset.clamp(-LOOSE_OFFSET, LOOSE_OFFSET);
        }
    }
    if found.windows(2).all(|pair| pair[0] == pair[1]) {
        return vec![[1.0, 0.0]; tiles];
    }
    let [low, high] = options.gain_limits;
    let limit = options.offset_limit_adu;
    found.iter().map(|[gain, offset]| [gain.clamp(low, high), offset.clamp(-limit, limit)]).collect()
}

/// The median of every corrected tile towards the median of these.
fn recenter(found: &mut [[f64; 2]], medians: &[f64], [low, high]: [f64; 2]) {
    let corrected: Vec<f64> =
        found.iter().zip(medians).map(|([gain, offset], own)| gain * own + offset).collect();
    let target = finite_median(&corrected);
    for (own, corrected) in found.iter_mut().zip(corrected) {
        let factor = target / corrected;
        if factor.is_finite() {
            *own = own.map(|value| value * factor.clamp(low, high));
        }
    }
}

/// Gain and offset of every tile as the solver gives them, before they are recentred, blended and clamped; (1, 0) for tiles
/// without lines and where the result is no number.
pub fn solve_lines(
    tiles: usize,
    lines: &[IntertileLine],
    options: &IntertileOptions,
    observer: &dyn MatchObserver,
) -> Vec<[f64; 2]> {
    let lines = match options.solver {
        IntertileSolver::Legacy | IntertileSolver::OffsetOnly => lines.to_vec(),
        IntertileSolver::Irls => sane_lines(lines, options),
    };
    let both: Vec<IntertileLine> =
        lines.iter().flat_map(|line| [Some(*line), reversed(line)]).flatten().collect();
    let anchor = anchor_of(tiles, &lines);
    let job = Job { tiles, lines: &both, anchor, observer };
    let solution = match options.solver {
        IntertileSolver::Legacy => job.gains_and_offsets(&vec![1.0; both.len()], 0.0),
        IntertileSolver::OffsetOnly => job.offsets_only(),
        IntertileSolver::Irls => job.irls(options),
    };
    let has_line = linked(tiles, both.iter().map(|line| (line.a, line.b)));
    let tidy = |(own, has_line): ([f64; 2], &bool)| {
        let [gain, offset] = own;
        if !has_line || !gain.is_finite() || !offset.is_finite() {
            return [1.0, 0.0];
        }
        [if gain.abs() < LEAST_GAIN { 1.0 } else { gain }, offset]
    };
    solution.into_iter().zip(&has_line).map(tidy).collect()
}

fn reversed(line: &IntertileLine) -> Option<IntertileLine> {
    let (slope, intercept) = (1.0 / line.slope, -line.intercept / line.slope);
    let reversed = IntertileLine { a: line.b, b: line.a, slope, intercept, ..*line };
    (slope.is_finite() && intercept.is_finite()).then_some(reversed)
}

/// The tile of most overlap, of equals the first.
fn anchor_of(tiles: usize, lines: &[IntertileLine]) -> usize {
    let mut area = vec![0.0; tiles];
    for line in lines {
        area[line.a] += line.area_px;
        area[line.b] += line.area_px;
    }
    (0..tiles).fold(0, |best, own| if area[own] > area[best] { own } else { best })
}

fn row_weight(line: &IntertileLine) -> f64 {
    line.area_px.max(1.0).sqrt()
}

/// Lines, in both directions, to be solved.
struct Job<'a> {
    tiles: usize,
    lines: &'a [IntertileLine],
    anchor: usize,
    observer: &'a dyn MatchObserver,
}

impl Job<'_> {
    fn gains_and_offsets(&self, weights: &[f64], prior: f64) -> Vec<[f64; 2]> {
        let Self { tiles, lines, anchor, observer } = *self;
        let mut system = LeastSquares::new(2 * tiles, observer);
        for (line, weight) in lines.iter().zip(weights) {
            let weight = row_weight(line) * weight.sqrt();
            system.add(weight, &[(line.a, 1.0), (line.b, -line.slope)], 0.0);
            let offsets = [(tiles + line.a, 1.0), (tiles + line.b, -1.0), (line.b, -line.intercept)];
            system.add(weight, &offsets, 0.0);
        }
        system.add(1.0, &[(anchor, 1.0)], 1.0);
        system.add(1.0, &[(tiles + anchor, 1.0)], 0.0);
        if prior > 0.0 {
            for tile in 0..tiles {
                system.add(prior.sqrt(), &[(tile, 1.0)], 1.0);
            }
        }
        let x = system.solve();
        (0..tiles).map(|tile| [x[tile], x[tiles + tile]]).collect()
    }

    fn offsets_only(&self) -> Vec<[f64; 2]> {
        let mut system = LeastSquares::new(self.tiles, self.observer);
        for line in self.lines {
            system.add(row_weight(line), &[(line.a, 1.0), (line.b, -1.0)], line.intercept);
        }
        system.add(1.0, &[(self.anchor, 1.0)], 0.0);
        system.solve().into_iter().map(|offset| [1.0, offset]).collect()
    }

    /// Tukey's weights from the residuals of the gains.
    fn irls(&self, options: &IntertileOptions) -> Vec<[f64; 2]> {
        let (lines, prior) = (self.lines, options.gain_prior_lambda);
        let mut weights = vec![1.0; lines.len()];
        let mut found = self.gains_and_offsets(&weights, prior);
        for _ in 0..options.max_irls_iters {
            let residuals: Vec<f64> =
                lines.iter().map(|line| found[line.a][0] - line.slope * found[line.b][0]).collect();
            let middle = median(&mut residuals.clone()).unwrap_or(0.0);
            let mut amounts: Vec<f64> = residuals.iter().map(|own| (own - middle).abs()).collect();
            let sigma = (MAD_TO_SIGMA * median(&mut amounts).unwrap_or(0.0)).max(LEAST_SIGMA);
            for (weight, residual) in weights.iter_mut().zip(&residuals) {
                *weight = bisquare(residual / (TUKEY * sigma));
            }
            found = self.gains_and_offsets(&weights, prior);
        }
        let (gains, offsets) = (options.gain_clip, options.offset_clip);
        let clip =
            |[gain, offset]: [f64; 2]| [gain.clamp(gains[0], gains[1]), offset.clamp(offsets[0], offsets[1])];
        found.into_iter().map(clip).collect()
    }
}

/// Lines of a possible gain and offset; where there are none, those between the 1st and 99th percentile of both.
fn sane_lines(lines: &[IntertileLine], options: &IntertileOptions) -> Vec<IntertileLine> {
    let within = |[low, high]: [f64; 2], [least, most]: [f64; 2]| -> Vec<IntertileLine> {
        let is_sane = |line: &&IntertileLine| {
            (low..=high).contains(&line.slope) && (least..=most).contains(&line.intercept)
        };
        lines.iter().filter(is_sane).copied().collect()
    };
    let most = options.pair_offset_abs_max;
    let sane = within(options.pair_gain_clip, [-most, most]);
    if !sane.is_empty() {
        return sane;
    }
    let range = |of: &dyn Fn(&IntertileLine) -> f64| {
        percentiles(&mut lines.iter().map(of).collect::<Vec<f64>>(), [0.01, 0.99])
    };
    within(range(&|line| line.slope), range(&|line| line.intercept))
}
