//! Offsets and surfaces of all frames at once from the differences of the blocks of overlapping pairs: minimise
//!
//! sum over blocks of rho((d + o_a + s_a(x) - o_b - s_b(x)) / sigma) + sum over frames and terms of (c / tau)^2
//!
//! with Tukey's rho (Holland & Welsch 1977, Commun. Stat. A6, 813), sigma^2 = variance + excess, the excess being what
//! surfaces cannot explain, one value for all blocks. What they cannot explain is smooth, so that it counts as of 16 independent
//! places in a pair at most. Weights start from the residuals of the offsets given, in units of their own scatter, which
//! falls from round to round: an outlier that fills a corner has left before a surface can bend to it. (Huber's weights, in
//! which every block keeps a pull, do bend: a corner is where surfaces have leverage.) Of several pairs that compare the same frames at
//! one place, only so many count as are independent.
//!
//! tau, the width of the prior, is one value for all slopes and one for all second-order terms, both estimated from the data: the
//! fixed point tau^2 = sum of c^2 / gamma of MacKay (1992, Neural Computation 4, 415), gamma the number of terms that
//! the data determine, from the diagonal of the inverse. Without gradients in the data tau goes to 0 and the
//! surfaces with it. Overlaps say nothing of a surface that all frames of a connected part have in common: there the prior alone
//! decides, and the terms' sum of squares is least. Offsets have mean zero in each part.

use std::fmt;

use rayon::prelude::*;

use crate::independent_shares::independent_shares;
use crate::location::PLACES;
use crate::normal::conjugate::{self, Goal, Reached};
use crate::normal::system::LinkBlocks;
use crate::normal::variance::{PROBES, ROUGH_PROBES, variances};
use crate::normal::{Factor, Pattern, System, Unknowns};
use crate::observer::MatchObserver;
use crate::options::SurfaceOrder;
use crate::prior_width::next_width;
use crate::report::SolveHealth;
use crate::robust_weight::RobustWeight;
use crate::statistics::{median, scatter_of};
use crate::surface::{SURFACE_TERMS, Surface};

/// Rounds at most.
const ROUNDS: usize = 10;
/// No block's weight falls below this share, so that every frame stays where its blocks are.
const LEAST_WEIGHT: f64 = 1e-4;
/// A change of a coefficient over the error of a typical block at which the rounds end.
const SETTLED: f64 = 1e-3;
/// Block products that an exact factor may take.
pub(crate) const EXACT_PRODUCTS: usize = 12_000_000;
/// Residual of the solution over the right-hand side.
const TOLERANCE: f64 = 1e-12;
/// The same in rounds before the last.
const ROUGH_TOLERANCE: f64 = 1e-9;
/// First width of the prior over the scatter of the blocks.
const FIRST_WIDTH: f64 = 3.0;
/// Least width of the prior over the error of a typical block: keeps the matrix well conditioned.
const LEAST_WIDTH: f64 = 1e-3;
/// A term whose error is above this share of the prior's width is not determined.
const UNDETERMINED: f64 = 0.9;
/// Terms of an order of which the data determine less than this share are not named one by one.
const LEAST_DETERMINED: f64 = 0.1;

/// A block that two frames have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockDifference {
    /// Centre, pixels of the grid.
    pub x_px: f64,
    /// Centre, pixels of the grid.
    pub y_px: f64,
    /// Level of the first frame less that of the second, gains applied, offsets not.
    pub value: f64,
    /// Its variance, above 0.
    pub variance: f64,
}

/// The blocks of two frames.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfacePair {
    /// Index of a frame.
    pub a: usize,
    /// Index of another.
    pub b: usize,
    /// What both have; a pair without blocks counts for nothing.
    pub blocks: Vec<BlockDifference>,
}

/// What the overlaps do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undetermined {
    /// A surface that all frames of a connected part have in common, of so many terms.
    Common {
        /// The part.
        part: usize,
        /// Terms.
        terms: usize,
    },
    /// Terms of one frame, by their order 1 or 2.
    Frame {
        /// Index of the frame.
        frame: usize,
        /// Order of the terms.
        order: usize,
    },
    /// Terms of this order of most frames: nothing of them is seen in the data.
    Order {
        /// Order of the terms.
        order: usize,
    },
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common { part, terms } => {
                write!(f, "a surface common to all frames of part {} ({terms} terms)", part + 1)
            }
            Self::Frame { frame, order } => write!(f, "terms of order {order} of input {}", frame + 1),
            Self::Order { order } => write!(f, "terms of order {order}: none above the noise"),
        }
    }
}

/// Offsets and surfaces, and how well they fit.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceSolution {
    /// To be added to the values of each frame.
    pub offsets: Vec<f64>,
    /// To be added to the values of each frame.
    pub surfaces: Vec<Surface>,
    /// Standard error of each offset, mean 0 in each part given.
    pub offset_error: Vec<f64>,
    /// Posterior standard deviation of each coefficient; 0 for terms beyond the order.
    pub error: Vec<[f64; SURFACE_TERMS]>,
    /// Standard deviation of each term before the data; 0 for terms beyond the order.
    pub prior_width: [f64; SURFACE_TERMS],
    /// Weight of each block of each pair in the last round, 1 at most.
    pub weight: Vec<Vec<f64>>,
    /// Scatter of the residuals beyond the variances, as a variance.
    pub excess: f64,
    /// Sum of share x residual^2 / variance over blocks, without the excess; the share is the independent part of a block that
    /// several pairs have at one place.
    pub chi2: f64,
    /// Sum of the shares less the unknowns that the data determine.
    pub degrees_of_freedom: usize,
    /// Unknowns that the data determine: offsets but one per part, and the terms' gamma.
    pub effective_unknowns: f64,
    /// Rounds.
    pub rounds: usize,
    /// Whether the last system was solved as it should be.
    pub health: SolveHealth,
    /// Connected part of each frame, from 0 in the order of their first frames.
    pub part: Vec<usize>,
    /// What the overlaps do not tell.
    pub undetermined: Vec<Undetermined>,
}

/// Offsets and surfaces of `frames`, of which only centre and half size are read. `start`: offsets to start from, one per
/// frame ([`crate::solve_offsets`]). Pairs must be of two different frames, and given once each.
pub fn solve_surfaces(
    frames: &[Surface],
    pairs: &[SurfacePair],
    order: SurfaceOrder,
    start: &[f64],
) -> SurfaceSolution {
    observed_surfaces((frames, pairs), order, start, &())
}

/// [`solve_surfaces`]; `observer` is told of every round.
pub(crate) fn observed_surfaces(
    (frames, pairs): (&[Surface], &[SurfacePair]),
    order: SurfaceOrder,
    start: &[f64],
    observer: &dyn MatchObserver,
) -> SurfaceSolution {
    match order {
        SurfaceOrder::Plane => Problem::<3>::new(frames, pairs, start).solve(observer),
        SurfaceOrder::Quadratic => Problem::<6>::new(frames, pairs, start).solve(observer),
    }
}

/// The unknowns of a frame are its offset and `K - 1` coefficients.
struct Problem<'a, const K: usize> {
    frames: &'a [Surface],
    pairs: &'a [SurfacePair],
    /// Number of each pair in the network; pairs without blocks are none.
    links: Vec<(usize, usize)>,
    linked: Vec<usize>,
    pattern: Pattern,
    system: System<K>,
    /// By frame.
    unknowns: Vec<Unknowns<K>>,
    /// How much blocks count beside others of the same place.
    share: Vec<Vec<f64>>,
    /// Robust weights.
    weight: Vec<Vec<f64>>,
    excess: f64,
    /// Median variance of a block.
    typical: f64,
    /// Sum of the shares.
    independent: f64,
    /// Squared width of the prior of each unknown; the offset has none.
    prior: Unknowns<K>,
    /// Terms per order that the data determine, and how many there could be.
    determined: [(f64, f64); 2],
}

/// Unknowns of the terms of order 1 and 2.
fn orders<const K: usize>() -> [std::ops::Range<usize>; 2] {
    [1..3, 3..K.max(3)]
}

fn terms_at<const K: usize>(frame: &Surface, block: &BlockDifference) -> Unknowns<K> {
    let terms = frame.terms(block.x_px, block.y_px);
    std::array::from_fn(|k| if k == 0 { 1.0 } else { terms[k - 1] })
}

fn dot<const K: usize>(a: &Unknowns<K>, b: &Unknowns<K>) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

impl<'a, const K: usize> Problem<'a, K> {
    fn new(frames: &'a [Surface], pairs: &'a [SurfacePair], start: &[f64]) -> Self {
        let linked: Vec<usize> = (0..pairs.len()).filter(|pair| !pairs[*pair].blocks.is_empty()).collect();
        let links: Vec<(usize, usize)> = linked.iter().map(|pair| (pairs[*pair].a, pairs[*pair].b)).collect();
        let pattern = Pattern::new(frames.len(), &links, EXACT_PRODUCTS);
        let of_start = |offset: &f64| std::array::from_fn(|k| if k == 0 { *offset } else { 0.0 });
        let blocks = || pairs.iter().flat_map(|pair| &pair.blocks);
        let typical = median(&mut blocks().map(|block| block.variance).collect::<Vec<_>>()).unwrap_or(1.0);
        let share = independent_shares(pairs);
        let mut problem = Self {
            system: System::new(&pattern),
            unknowns: start.iter().map(of_start).collect(),
            weight: pairs.iter().map(|pair| vec![1.0; pair.blocks.len()]).collect(),
            excess: 0.0,
            typical,
            independent: share.iter().flatten().sum(),
            share,
            prior: [f64::INFINITY; K],
            determined: [(0.0, 0.0); 2],
            frames,
            pairs,
            links,
            linked,
            pattern,
        };
        let scatter = scatter_of(&problem.residuals().concat());
        let width = (FIRST_WIDTH * FIRST_WIDTH * scatter * scatter).max(problem.least_prior());
        problem.prior[1..].fill(width);
        problem
    }

    fn least_prior(&self) -> f64 {
        LEAST_WIDTH * LEAST_WIDTH * self.typical
    }

    /// Amounts of the residuals of each pair's blocks.
    fn residuals(&self) -> Vec<Vec<f64>> {
        let of_pair = |pair: &SurfacePair| {
            let of_block = |block: &BlockDifference| {
                let level =
                    |frame: usize| dot(&terms_at::<K>(&self.frames[frame], block), &self.unknowns[frame]);
                (block.value + level(pair.a) - level(pair.b)).abs()
            };
            pair.blocks.iter().map(of_block).collect()
        };
        self.pairs.par_iter().map(of_pair).collect()
    }

    /// Matrix and right-hand side.
    fn assemble(&mut self) {
        let of_pair = |index: &usize| {
            let pair = &self.pairs[*index];
            let weights = self.weight[*index].iter().zip(&self.share[*index]);
            let smooth = self.excess * (pair.blocks.len() as f64 / PLACES).max(1.0);
            let mut sums = LinkBlocks::<K>::NOTHING;
            for (block, (weight, share)) in pair.blocks.iter().zip(weights) {
                let w = weight * share / (block.variance + smooth);
                let a = terms_at::<K>(&self.frames[pair.a], block);
                let b = terms_at::<K>(&self.frames[pair.b], block);
                for i in 0..K {
                    let (wa, wb) = (w * a[i], w * b[i]);
                    for j in 0..K {
                        sums.aa[i][j] += wa * a[j];
                        sums.ab[i][j] -= wa * b[j];
                        sums.bb[i][j] += wb * b[j];
                    }
                    sums.a[i] -= wa * block.value;
                    sums.b[i] += wb * block.value;
                }
            }
            sums
        };
        let sums: Vec<LinkBlocks<K>> = self.linked.par_iter().map(of_pair).collect();
        self.system.clear();
        for (link, sums) in sums.iter().enumerate() {
            self.system.add(&self.pattern, link, sums);
        }
        self.system.add_prior(&self.prior.map(|width| 1.0 / width));
    }

    /// Solve to `tolerance` with `factor`; returns the largest change and how it went.
    fn iterate(&mut self, factor: &Factor<K>, tolerance: f64) -> (f64, Reached) {
        let mut x = vec![[0.0; K]; self.frames.len()];
        for (place, unknowns) in self.pattern.place.iter().zip(&self.unknowns) {
            x[*place] = *unknowns;
        }
        let goal = Goal { tolerance, iterations: 10 * self.frames.len() + 100 };
        let parts = (&self.pattern, &self.system, factor);
        let reached = conjugate::solve(parts, &self.system.right, &mut x, goal);
        let found = self.pattern.to_nodes(&x);
        let both = found.iter().flatten().zip(self.unknowns.iter().flatten());
        let change = both.fold(0.0_f64, |most, (new, old)| most.max((new - old).abs()));
        self.unknowns = found;
        (change, reached)
    }

    /// Variances by frame.
    fn variances(&self, factor: &Factor<K>, probes: usize) -> Vec<Unknowns<K>> {
        let placed = variances((&self.pattern, &self.system, factor), probes);
        self.pattern.to_nodes(&placed)
    }

    /// Count what the data determine.
    fn count(&mut self, variances: &[Unknowns<K>]) {
        let free = (self.frames.len() - self.pattern.size.len()) as f64;
        for (order, determined) in orders::<K>().into_iter().zip(&mut self.determined) {
            let terms = order.len() as f64;
            let known = |k: usize| variances.iter().fold(0.0, |sum, own| sum + 1.0 - own[k] / self.prior[k]);
            let gamma = order.map(known).sum::<f64>();
            *determined = (gamma.clamp(0.0, terms * free), terms * free);
        }
    }

    /// New widths of the prior.
    fn update_prior(&mut self) {
        let least = self.least_prior();
        for (order, (gamma, all)) in orders::<K>().into_iter().zip(self.determined) {
            let squares =
                self.unknowns.iter().flat_map(|own| &own[order.clone()]).fold(0.0, |sum, c| sum + c * c);
            for width in &mut self.prior[order] {
                *width = next_width(*width, squares, gamma, all).max(least);
            }
        }
    }

    fn effective(&self) -> f64 {
        let free = (self.frames.len() - self.pattern.size.len()) as f64;
        free + self.determined.iter().fold(0.0, |sum, (gamma, _)| sum + gamma)
    }

    /// Excess and weights from the residuals.
    fn reweigh(&mut self) {
        let residuals = self.residuals();
        let fitted = self.independent / (self.independent - self.effective()).max(1.0);
        self.excess = (scatter_of(&residuals.concat()).powi(2) * fitted - self.typical).max(0.0);
        let excess = self.excess;
        let sigmas_of = |(pair, residuals): (&SurfacePair, &Vec<f64>)| -> Vec<f64> {
            let sigma = |(block, own): (&BlockDifference, &f64)| own / (block.variance + excess).sqrt();
            pair.blocks.iter().zip(residuals).map(sigma).collect()
        };
        let sigmas: Vec<Vec<f64>> = self.pairs.par_iter().zip(&residuals).map(sigmas_of).collect();
        // In units of their own scatter where that is more than what the variances say.
        let scale = (scatter_of(&sigmas.concat()) * fitted.sqrt()).max(1.0);
        let weight = |sigma: &f64| RobustWeight::Tukey.at(sigma / scale).max(LEAST_WEIGHT);
        let weigh = |sigmas: Vec<f64>| sigmas.iter().map(weight).collect();
        self.weight = sigmas.into_par_iter().map(weigh).collect();
    }

    fn solve(mut self, observer: &dyn MatchObserver) -> SurfaceSolution {
        let mut rounds = 0;
        let mut factor;
        self.reweigh();
        loop {
            self.assemble();
            factor = Factor::new(&self.pattern, &self.system);
            let (change, _) = self.iterate(&factor, ROUGH_TOLERANCE);
            observer.piece_done();
            rounds += 1;
            let is_last = rounds == ROUNDS || self.links.is_empty();
            if is_last || (rounds > 2 && change <= SETTLED * (self.typical + self.excess).sqrt()) {
                break;
            }
            let variances = self.variances(&factor, ROUGH_PROBES);
            self.count(&variances);
            self.update_prior();
            self.reweigh();
        }
        let (_, reached) = self.iterate(&factor, TOLERANCE);
        observer.piece_done();
        let variances = self.variances(&factor, PROBES);
        self.count(&variances);
        let health = SolveHealth::of(reached.is_solved, self.pattern.is_exact, Some(&factor));
        self.report(&variances, rounds, health)
    }

    fn report(self, variances: &[Unknowns<K>], rounds: usize, health: SolveHealth) -> SurfaceSolution {
        let surface_of = |(frame, own): (&Surface, &Unknowns<K>)| Surface {
            coefficients: std::array::from_fn(|term| own.get(term + 1).copied().unwrap_or(0.0)),
            ..*frame
        };
        let error_of = |own: &Unknowns<K>| {
            std::array::from_fn(|term| own.get(term + 1).map_or(0.0, |variance| variance.sqrt()))
        };
        let chi2_of = |((pair, shares), residuals): ((&SurfacePair, &Vec<f64>), Vec<f64>)| {
            let own = pair.blocks.iter().zip(residuals).zip(shares);
            own.fold(0.0, |sum, ((block, own), share)| sum + share * own * own / block.variance)
        };
        let effective_unknowns = self.effective();
        SurfaceSolution {
            offsets: self.unknowns.iter().map(|own| own[0]).collect(),
            surfaces: self.frames.iter().zip(&self.unknowns).map(surface_of).collect(),
            offset_error: variances.iter().map(|own| own[0].sqrt()).collect(),
            error: variances.iter().map(error_of).collect(),
            prior_width: std::array::from_fn(|term| {
                self.prior.get(term + 1).map_or(0.0, |width| width.sqrt())
            }),
            chi2: self.pairs.iter().zip(&self.share).zip(self.residuals()).map(chi2_of).sum(),
            degrees_of_freedom: (self.independent - effective_unknowns).max(0.0).round() as usize,
            effective_unknowns,
            undetermined: self.undetermined(variances),
            weight: self.weight,
            excess: self.excess,
            rounds,
            health,
            part: self.pattern.part,
        }
    }

    fn undetermined(&self, variances: &[Unknowns<K>]) -> Vec<Undetermined> {
        let parts = self.pattern.size.iter().enumerate().filter(|(_, size)| **size > 1);
        let mut found: Vec<Undetermined> =
            parts.map(|(part, _)| Undetermined::Common { part, terms: K - 1 }).collect();
        for (index, terms) in orders::<K>().into_iter().enumerate().filter(|(_, terms)| !terms.is_empty()) {
            let order = index + 1;
            let (gamma, all) = self.determined[index];
            if gamma < LEAST_DETERMINED * all {
                found.push(Undetermined::Order { order });
                continue;
            }
            for (frame, own) in variances.iter().enumerate() {
                let is_wide = |k: usize| own[k] > UNDETERMINED * UNDETERMINED * self.prior[k];
                if terms.clone().any(is_wide) {
                    found.push(Undetermined::Frame { frame, order });
                }
            }
        }
        found
    }
}
