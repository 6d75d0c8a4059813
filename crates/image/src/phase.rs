//! What the data of an undebayered frame say about the phase of its Bayer pattern (`docs/methods/defects.md`).
//!
//! The four sites of the 2 x 2 cell are four frames of a quarter of the pixels. The two green ones see the same sky
//! and have the same level; red and blue nearly always differ from each other. So the diagonal whose sites agree is
//! the green one. That tells GRBG and GBRG from RGGB and BGGR: every wrong offset by one row or column, and a wrong
//! row order. It does not tell red from blue: a pattern shifted by (1, 1) has the same greens.

use crate::cfa::CfaPattern;
use crate::region::Region;
use crate::stats::{mad_sigma, median};

/// Samples further from the median than this many standard deviations are stars or defects.
const CLIP_SIGMA: f64 = 3.0;
/// Fewest cells that say something.
const FEWEST_CELLS: usize = 64;
/// Differences below so many standard errors are none.
const SIGNIFICANT: f64 = 5.0;
/// Certainty from which on the green diagonal is told.
const CERTAIN: f64 = 0.5;

/// A diagonal of the 2 x 2 cell at even columns and rows, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagonal {
    /// Pixels (0, 0) and (1, 1): GRBG, GBRG.
    Main,
    /// Pixels (1, 0) and (0, 1): RGGB, BGGR.
    Anti,
}

impl Diagonal {
    /// The green one of a pattern.
    pub fn of(pattern: CfaPattern) -> Self {
        if pattern.colour_at(0, 0) == 1 { Self::Main } else { Self::Anti }
    }

    /// Places of its pixels in the cell, rows first.
    fn sites(self) -> [usize; 2] {
        match self {
            Self::Main => [0, 3],
            Self::Anti => [1, 2],
        }
    }
}

/// What kind of data the levels of the four sites speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CfaVerdict {
    /// Bayer, with green on this diagonal.
    Green(Diagonal),
    /// All four sites have the same level: mono, demosaiced, or a Bayer sensor under a light that it sees as grey.
    Uniform,
    /// The sites differ, but neither diagonal is clearly the equal one; or there are too few pixels.
    Undecided,
}

/// Which of two colours the sky of a run is brighter in, in raw counts: from frames or an instrument whose pattern is
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedBlueOrder {
    /// Red.
    RedBrighter,
    /// Blue.
    BlueBrighter,
}

/// Evidence of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CfaEvidence {
    /// Sky level of the four sites, rows first from the even column of the even row, ADU.
    pub levels: [f64; 4],
    /// Standard deviation of a pixel of each site, ADU.
    pub sigma: [f64; 4],
    /// Difference of the two sites of the main and of the anti diagonal, first minus second, ADU.
    pub differences: [f64; 2],
    /// Their standard errors, ADU.
    pub errors: [f64; 2],
    /// Cells that were looked at.
    pub cells: usize,
    /// The diagonal whose sites agree better, if there were enough cells.
    pub green_diagonal: Option<Diagonal>,
    /// 0 to 1: by how much better, errors taken off; told from 0.5 on, when the greens differ by less than half as
    /// much as red and blue.
    pub confidence: f64,
    /// What follows.
    pub verdict: CfaVerdict,
}

/// Evidence of the raw pixels of `region` (row-major; row and column numbers of the frame as stored, so that the phase
/// is known): a whole frame or any rows of it. NaN pixels and their cells do not count.
///
/// # Panics
/// When `raw` is shorter than `region`.
pub fn infer_cfa_phase(raw: &[f32], region: Region) -> CfaEvidence {
    let (skip_x, skip_y) = (region.x0.rem_euclid(2) as usize, region.y0.rem_euclid(2) as usize);
    let mut sites: [Vec<f32>; 4] = Default::default();
    for y in (skip_y..region.height.saturating_sub(1)).step_by(2) {
        let upper = &raw[y * region.width..(y + 1) * region.width];
        let lower = &raw[(y + 1) * region.width..(y + 2) * region.width];
        for x in (skip_x..region.width.saturating_sub(1)).step_by(2) {
            let cell = [upper[x], upper[x + 1], lower[x], lower[x + 1]];
            if cell.iter().all(|value| value.is_finite()) {
                for (site, value) in sites.iter_mut().zip(cell) {
                    site.push(value);
                }
            }
        }
    }
    let cells = sites[0].len();
    let along = [Diagonal::Main, Diagonal::Anti].map(|diagonal| {
        let [a, b] = diagonal.sites();
        let differences: Vec<f32> = sites[a].iter().zip(&sites[b]).map(|(a, b)| a - b).collect();
        clipped(&differences)
    });
    let of_sites = sites.map(|site| clipped(&site));
    let mut evidence = CfaEvidence {
        levels: of_sites.map(|site| site.mean),
        sigma: of_sites.map(|site| site.sigma),
        differences: along.map(|along| along.mean),
        errors: along.map(|along| along.error),
        cells,
        green_diagonal: None,
        confidence: 0.0,
        verdict: CfaVerdict::Undecided,
    };
    evidence.decide(of_sites.map(|site| site.error));
    evidence
}

#[derive(Clone, Copy)]
struct Clipped {
    mean: f64,
    sigma: f64,
    error: f64,
}

/// Mean of the values near their median.
fn clipped(values: &[f32]) -> Clipped {
    let mut work = values.to_vec();
    let Some(centre) = median(&mut work) else {
        return Clipped { mean: f64::NAN, sigma: f64::NAN, error: f64::NAN };
    };
    let sigma = f64::from(mad_sigma(&mut work, centre));
    let near = values.iter().map(|value| f64::from(*value) - f64::from(centre));
    let near = near.filter(|deviation| deviation.abs() <= CLIP_SIGMA * sigma);
    let (count, sum, square) =
        near.fold((0.0, 0.0, 0.0), |(count, sum, square), d| (count + 1.0, sum + d, square + d * d));
    let mean: f64 = sum / count;
    let scatter = (square / count - mean * mean).max(0.0).sqrt();
    Clipped { mean: f64::from(centre) + mean, sigma: sigma.max(scatter), error: scatter / f64::sqrt(count) }
}

impl CfaEvidence {
    fn decide(&mut self, level_errors: [f64; 4]) {
        if self.cells < FEWEST_CELLS {
            return;
        }
        let [main, anti] = self.differences.map(f64::abs);
        let (green, least, most) = if main <= anti { (0, main, anti) } else { (1, anti, main) };
        let diagonal = if green == 0 { Diagonal::Main } else { Diagonal::Anti };
        self.green_diagonal = Some(diagonal);
        let error = self.errors[0].hypot(self.errors[1]);
        if most > 0.0 {
            self.confidence = (1.0 - (least + SIGNIFICANT * error) / most).clamp(0.0, 1.0);
        }
        if self.confidence >= CERTAIN {
            self.verdict = CfaVerdict::Green(diagonal);
            return;
        }
        let highest = self.levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = self.levels.iter().copied().fold(f64::INFINITY, f64::min);
        let error = level_errors.iter().copied().fold(0.0, f64::max) * std::f64::consts::SQRT_2;
        if highest - lowest <= SIGNIFICANT * error {
            self.verdict = CfaVerdict::Uniform;
        }
    }

    /// Level of the sites that `pattern` calls red and blue, ADU.
    pub fn red_and_blue(&self, pattern: CfaPattern) -> [f64; 2] {
        let of = |colour| {
            let site = (0..4).find(|site| pattern.colour_at(site % 2, site / 2) == colour);
            site.map_or(f64::NAN, |site| self.levels[site as usize])
        };
        [of(0), of(2)]
    }

    /// Why the data cannot have been taken with `pattern`, with the figures; `None` when they can. A pattern with red
    /// and blue exchanged is not seen, see [`Self::contradicts_order`].
    pub fn contradicts(&self, pattern: CfaPattern) -> Option<String> {
        let claimed = Diagonal::of(pattern);
        let CfaVerdict::Green(found) = self.verdict else { return None };
        if found == claimed {
            return None;
        }
        let (of_found, of_claimed) = (self.along(found), self.along(claimed));
        Some(format!(
            "the pattern {} puts green at {}, but the sky there is {} ADU, {} apart; at {} it is {} ADU, {} apart \
             (pixel noise {:.1} ADU, {} cells): green is there, as in {}",
            pattern.name(),
            places(claimed),
            self.level_pair(claimed),
            of_claimed,
            places(found),
            self.level_pair(found),
            of_found,
            self.sigma.iter().sum::<f64>() / 4.0,
            self.cells,
            names(found),
        ))
    }

    /// Weak evidence: why red and blue of `pattern` look exchanged in a run whose sky is brighter in one of them;
    /// `None` when they do not, when the greens already say more, or when the difference is within its error.
    pub fn contradicts_order(&self, pattern: CfaPattern, expected: RedBlueOrder) -> Option<String> {
        let green = Diagonal::of(pattern);
        if self.verdict != CfaVerdict::Green(green) {
            return None;
        }
        let [red, blue] = self.red_and_blue(pattern);
        let error = self.errors[usize::from(green == Diagonal::Main)];
        let as_expected = match expected {
            RedBlueOrder::RedBrighter => red > blue,
            RedBlueOrder::BlueBrighter => blue > red,
        };
        if as_expected || (red - blue).abs() <= SIGNIFICANT * error {
            return None;
        }
        let brighter = match expected {
            RedBlueOrder::RedBrighter => "red",
            RedBlueOrder::BlueBrighter => "blue",
        };
        Some(format!(
            "with the pattern {} the sky is {red:.1} ADU in red and {blue:.1} in blue (+- {error:.2}), but other frames \
             are brighter in {brighter}: red and blue may be exchanged",
            pattern.name(),
        ))
    }

    fn level_pair(&self, diagonal: Diagonal) -> String {
        let [a, b] = diagonal.sites();
        format!("{:.1} and {:.1}", self.levels[a], self.levels[b])
    }

    /// The difference along a diagonal.
    fn along(&self, diagonal: Diagonal) -> String {
        let at = usize::from(diagonal == Diagonal::Anti);
        format!("{:.2} +- {:.2}", self.differences[at].abs(), self.errors[at])
    }
}

fn places(diagonal: Diagonal) -> &'static str {
    match diagonal {
        Diagonal::Main => "columns and rows of equal parity",
        Diagonal::Anti => "columns and rows of unequal parity",
    }
}

fn names(diagonal: Diagonal) -> &'static str {
    match diagonal {
        Diagonal::Main => "GRBG or GBRG",
        Diagonal::Anti => "RGGB or BGGR",
    }
}
