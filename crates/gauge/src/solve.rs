//! Offsets from differences: minimise the sum of w (o_a - o_b + d_ab)^2 over all pairs, w = 1 / (variance + s^2), with
//! Huber's and then Tukey's weights in at most 14 rounds, so that pairs that contradict all others do not count. s is what
//! offsets alone cannot explain (gradients of frames): the residuals' scatter beyond the variances, the same for all
//! pairs, so that large overlaps with small statistical errors do not outvote the others. In each connected
//! part the offsets have mean zero: the mean level of its frames stays what it was. A frame without a pair is a part of
//! its own with offset 0. Logarithms of gains are solved in the same way, from d_ab = ln(flux in a / flux in b).
//!
//! Errors are those of the weights of the last round, under mean zero in each part, of differences that are independent: exact
//! where the network has an exact factor, probed elsewhere (dense random networks of a thousand frames and more; some per cent
//! off). Of frames whose pairs share their noise they are those of `normal/shared.rs`.

use crate::normal::conjugate::{self, Goal, Reached};
use crate::normal::shared::{Sources, shared_variances};
use crate::normal::system::LinkBlocks;
use crate::normal::variance::{PROBES, variances};
use crate::normal::{Factor, Pattern, System, Unknowns};
use crate::observer::MatchObserver;
use crate::report::SolveHealth;
use crate::robust_weight::RobustWeight;
use crate::statistics::{median, scatter_of};

/// Rounds at most.
const ROUNDS: usize = 14;
/// Of them with Huber's weight. After three some frames with one bad pair among few are still so far off that Tukey's weight
/// drops all of their pairs.
const HUBER_ROUNDS: usize = 7;
/// A change of the offsets over the error of a typical pair at which the rounds end.
const SETTLED: f64 = 1e-3;
/// The same at which Huber's weight has done its work.
const HUBER_SETTLED: f64 = 0.03;
/// No pair's weight falls below this share, so that parts stay connected.
const LEAST_WEIGHT: f64 = 1e-4;
/// Variances outside of these shares of the median count as at their ends: weights that differ by more than the digits of a sum hold
/// would leave nothing of the smaller ones.
const LEAST_SHARE: f64 = 1e-5;
const MOST_SHARE: f64 = 1e10;
/// Products that an exact factor may take.
pub(crate) const EXACT_PRODUCTS: usize = 60_000_000;
/// Residual of the solution over the right-hand side.
const TOLERANCE: f64 = 1e-12;
/// The same in rounds before the last.
const ROUGH_TOLERANCE: f64 = 1e-7;
/// Iterations with the factor of an earlier round before a new one is made.
const STALE_ITERATIONS: usize = 12;

/// What was measured for a pair, in one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Index of a frame.
    pub a: usize,
    /// Index of another.
    pub b: usize,
    /// Level of `a` less that of `b`.
    pub value: f64,
    /// Its variance, above 0.
    pub variance: f64,
}

/// Offsets and how well they fit.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetSolution {
    /// To be added to the values of each frame.
    pub offsets: Vec<f64>,
    /// Standard error of each offset, mean 0 in each part given.
    pub error: Vec<f64>,
    /// Connected part of each frame, from 0 in the order of their first frames.
    pub part: Vec<usize>,
    /// Weight of each pair in the last round, over 1 / (variance + excess).
    pub weight: Vec<f64>,
    /// Scatter of the residuals beyond the variances, as a variance.
    pub excess: f64,
    /// Median variance of a difference.
    pub typical: f64,
    /// Sum of residual^2 / variance, without the excess.
    pub chi2: f64,
    /// Pairs less what is free of the offsets.
    pub degrees_of_freedom: usize,
    /// Rounds.
    pub rounds: usize,
    /// Iterations of conjugate gradients in all rounds.
    pub iterations: usize,
    /// Whether the last system was solved as it should be.
    pub health: SolveHealth,
}

impl OffsetSolution {
    /// What remains of a pair's difference.
    pub fn residual(&self, difference: &Difference) -> f64 {
        difference.value + self.offsets[difference.a] - self.offsets[difference.b]
    }

    /// What a difference with this weight counts: weight / (variance + excess).
    pub(crate) fn precision(&self, difference: &Difference, weight: f64) -> f64 {
        weight / (within(difference.variance, self.typical) + self.excess)
    }
}

/// The system of a network and what is known of its solution.
struct Fit {
    pattern: Pattern,
    system: System<1>,
    factor: Option<Factor<1>>,
    /// By place.
    x: Vec<Unknowns<1>>,
}

impl Fit {
    fn new(frames: usize, differences: &[Difference]) -> Self {
        let links: Vec<(usize, usize)> = differences.iter().map(|d| (d.a, d.b)).collect();
        let pattern = Pattern::new(frames, &links, EXACT_PRODUCTS);
        let system = System::new(&pattern);
        Self { system, factor: None, x: vec![[0.0]; frames], pattern }
    }

    /// Take over the weights of a round.
    fn weigh(&mut self, differences: &[Difference], weights: impl Iterator<Item = f64>) {
        self.system.clear();
        for (link, (d, w)) in differences.iter().zip(weights).enumerate() {
            let right = w * d.value;
            let blocks = LinkBlocks { aa: [[w]], bb: [[w]], ab: [[-w]], a: [-right], b: [right] };
            self.system.add(&self.pattern, link, &blocks);
        }
    }

    /// Solve to `tolerance`; returns the iterations. A factor of an earlier round serves as long as it does well.
    fn solve(&mut self, tolerance: f64) -> usize {
        let mut before = 0;
        if let Some(factor) = self.factor.as_ref().filter(|_| self.pattern.is_exact) {
            let goal = Goal { tolerance, iterations: STALE_ITERATIONS };
            let parts = (&self.pattern, &self.system, factor);
            let reached = conjugate::solve(parts, &self.system.right, &mut self.x, goal);
            if reached.is_solved {
                return reached.iterations;
            }
            before = reached.iterations;
        }
        self.renew();
        before + self.refine(tolerance).iterations
    }

    /// Factor of the weights as they are.
    fn renew(&mut self) {
        self.factor = Some(Factor::new(&self.pattern, &self.system));
    }

    /// Iterate to `tolerance` with the factor there is.
    fn refine(&mut self, tolerance: f64) -> Reached {
        let Some(factor) = &self.factor else { return Reached { iterations: 0, is_solved: false } };
        let goal = Goal { tolerance, iterations: 10 * self.pattern.nodes() + 100 };
        let parts = (&self.pattern, &self.system, factor);
        conjugate::solve(parts, &self.system.right, &mut self.x, goal)
    }

    fn health(&self, reached: Reached) -> SolveHealth {
        SolveHealth::of(reached.is_solved, self.pattern.is_exact, self.factor.as_ref())
    }

    fn offsets(&self) -> Vec<f64> {
        self.pattern.to_nodes(&self.x).iter().map(|[offset]| *offset).collect()
    }

    fn errors(&self, noise: Noise<'_>) -> Vec<f64> {
        let Some(factor) = &self.factor else { return vec![0.0; self.x.len()] };
        let parts = (&self.pattern, &self.system, factor);
        match noise {
            Noise::NotAsked => vec![f64::NAN; self.x.len()],
            Noise::Independent => {
                let placed = variances(parts, PROBES);
                self.pattern.to_nodes(&placed).iter().map(|[variance]| variance.sqrt()).collect()
            }
            Noise::Shared(sources) => {
                let placed = shared_variances(parts, sources);
                self.pattern.place.iter().map(|place| placed[*place].sqrt()).collect()
            }
        }
    }
}

/// What errors are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Noise<'a> {
    /// No errors are wanted: NaN.
    NotAsked,
    /// Each difference has noise of its own.
    Independent,
    /// Differences have noise of these sources, in their order.
    Shared(&'a Sources),
}

/// Offsets of `frames` frames. Pairs must be of two different frames, and given once each; their noise is taken as independent.
pub fn solve_offsets(frames: usize, differences: &[Difference]) -> OffsetSolution {
    solve_with_noise(frames, differences, Noise::Independent, &())
}

/// [`solve_offsets`] with errors of `noise`; `observer` is told of every round.
pub(crate) fn solve_with_noise(
    frames: usize,
    differences: &[Difference],
    noise: Noise<'_>,
    observer: &dyn MatchObserver,
) -> OffsetSolution {
    let mut fit = Fit::new(frames, differences);
    let typical = median(&mut differences.iter().map(|d| d.variance).collect::<Vec<_>>()).unwrap_or(1.0);
    let mut solution = OffsetSolution {
        typical,
        offsets: vec![0.0; frames],
        error: Vec::new(),
        weight: vec![1.0; differences.len()],
        excess: 0.0,
        chi2: 0.0,
        degrees_of_freedom: differences.len() + fit.pattern.size.len() - frames,
        rounds: 0,
        iterations: 0,
        health: SolveHealth::default(),
        part: fit.pattern.part.clone(),
    };
    let mut huber_rounds = HUBER_ROUNDS;
    for round in 0..ROUNDS {
        let weighed = |(weight, d): (&f64, &Difference)| solution.precision(d, *weight);
        fit.weigh(differences, solution.weight.iter().zip(differences).map(weighed));
        solution.iterations += fit.solve(ROUGH_TOLERANCE);
        observer.piece_done();
        let offsets = fit.offsets();
        let change = offsets
            .iter()
            .zip(&solution.offsets)
            .fold(0.0_f64, |most, (new, old)| most.max((new - old).abs()));
        solution.offsets = offsets;
        solution.rounds = round + 1;
        let change = change / (typical + solution.excess).sqrt();
        // Outliers that Huber's weight shows are left to Tukey's. What has no loop fits exactly: nothing to judge by.
        let is_last_weight = round > huber_rounds || solution.weight.iter().all(|weight| *weight == 1.0);
        let settled = round > 0 && is_last_weight && change <= SETTLED;
        if round > 1 && change <= HUBER_SETTLED {
            huber_rounds = huber_rounds.min(round);
        }
        if settled || solution.degrees_of_freedom == 0 || round + 1 == ROUNDS {
            fit.renew();
            let reached = fit.refine(TOLERANCE);
            observer.piece_done();
            solution.iterations += reached.iterations;
            solution.health = fit.health(reached);
            solution.offsets = fit.offsets();
            break;
        }
        reweigh(&mut solution, differences, typical, RobustWeight::of_round(round, huber_rounds));
    }
    solution.error = fit.errors(noise);
    solution.chi2 = differences.iter().fold(0.0, |sum, d| sum + solution.residual(d).powi(2) / d.variance);
    solution
}

/// A variance that counts beside others of which `typical` is the median.
fn within(variance: f64, typical: f64) -> f64 {
    variance.max(LEAST_SHARE * typical).min(MOST_SHARE * typical)
}

/// Excess and weights from the residuals.
fn reweigh(solution: &mut OffsetSolution, differences: &[Difference], typical: f64, robust: RobustWeight) {
    let fitted = differences.len() as f64 / solution.degrees_of_freedom as f64;
    let residuals: Vec<f64> = differences.iter().map(|d| solution.residual(d).abs()).collect();
    solution.excess = (scatter_of(&residuals).powi(2) * fitted - typical).max(0.0);
    let sigma_of = |(residual, d): (&f64, &Difference)| residual / (d.variance + solution.excess).sqrt();
    let sigmas: Vec<f64> = residuals.iter().zip(differences).map(sigma_of).collect();
    // In units of their own scatter where that is more than what the variances say.
    let scale = (scatter_of(&sigmas) * fitted.sqrt()).max(1.0);
    for (weight, sigma) in solution.weight.iter_mut().zip(&sigmas) {
        *weight = robust.at(sigma / scale).max(LEAST_WEIGHT);
    }
}
