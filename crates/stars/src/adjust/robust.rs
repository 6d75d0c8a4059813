//! Error floors and weights from the residuals: the floor of an instrument and the factor of the catalogue are those with which
//! the median of the squared, standardised residuals is that of a normal distribution in two dimensions; weights are Huber's
//! in the first rounds, Tukey's biweight later (Huber 1981; Beaton and Tukey 1974).

use super::problem::{Linear, Problem};

/// Median of chi^2 / 2 with two degrees of freedom.
const MEDIAN: f64 = std::f64::consts::LN_2;
/// Huber's bend, standard deviations per axis.
const HUBER: f64 = 2.0;
/// Where Tukey's weight ends: 95 % efficiency in one dimension is 4.685; in two the tail is longer.
pub(super) const TUKEY: f64 = 6.0;
/// Residuals with less freedom than this say nothing of errors.
const LEAST_FREEDOM: f64 = 0.1;
/// Limits of the floor, pixels.
const FLOOR_PX: [f64; 2] = [0.005, 5.0];
/// Fewer residuals do not decide a floor or factor.
const LEAST_COUNT: usize = 30;
const LARGEST_FACTOR: f64 = 20.0;

/// Which weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Huber,
    Tukey,
}

impl Kind {
    /// Weight of a squared residual in variances per axis.
    fn weight(self, square: f64) -> f64 {
        match self {
            Self::Huber => (HUBER / square.sqrt().max(1e-12)).min(1.0),
            Self::Tukey => (1.0 - square / (TUKEY * TUKEY)).max(0.0).powi(2),
        }
    }
}

/// Weights of sights (per pixel^2) and of catalogue ties (per unit^2) by object.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    pub sights: Vec<f64>,
    pub ties: Vec<f64>,
}

/// How free residuals are: 1 where the solution does not follow them, 0 where it does fully.
#[derive(Debug, Clone, Default)]
pub(super) struct Freedom {
    pub sights: Vec<f64>,
    pub ties: Vec<f64>,
}

fn squared(v: [f64; 2]) -> f64 {
    v[0] * v[0] + v[1] * v[1]
}

/// The freedom of all residuals at these weights: 1 less what their object and their frame take.
pub(super) fn freedom(problem: &Problem, linear: &[Linear], weights: &Weights) -> Freedom {
    let mut sights = vec![0.0; linear.len()];
    let mut ties = vec![0.0; problem.objects.len()];
    for (object, tie) in ties.iter_mut().enumerate() {
        let seen = problem.of_object(object);
        let total: f64 = seen.iter().map(|&s| weights.sights[s as usize] * gain(&linear[s as usize])).sum();
        let all = (total + weights.ties[object]).max(1e-12);
        for &s in seen {
            sights[s as usize] = 1.0 - weights.sights[s as usize] * gain(&linear[s as usize]) / all;
        }
        *tie = 1.0 - weights.ties[object] / all;
    }
    for frame in 0..problem.frames.len() {
        let range = problem.of_frame(frame);
        let used = range.clone().filter(|&s| weights.sights[s] > 0.0).count();
        for s in range {
            // Six unknowns against two coordinates of each star.
            sights[s] -= 3.0 / used.max(1) as f64;
        }
    }
    for free in &mut sights {
        *free = free.max(0.0);
    }
    Freedom { sights, ties }
}

/// Square of a step of the object in pixels^2 per unit^2, mean of both axes.
fn gain(linear: &Linear) -> f64 {
    0.5 * (squared(linear.slope[0]) + squared(linear.slope[1]))
}

/// Sets the floors and the factor of the catalogue.
pub(super) fn set_floors(problem: &mut Problem, linear: &[Linear], freedom: &Freedom) {
    let mut by_instrument = vec![Vec::new(); problem.instruments.len()];
    for ((sight, linear), free) in problem.sights.iter().zip(linear).zip(&freedom.sights) {
        if *free >= LEAST_FREEDOM {
            let instrument = problem.frames[sight.frame as usize].instrument;
            by_instrument[instrument].push((squared(linear.residual) / free, sight.sigma_px));
        }
    }
    for (instrument, residuals) in problem.instruments.iter_mut().zip(by_instrument) {
        if residuals.len() >= LEAST_COUNT {
            instrument.floor_px = floor(&residuals);
        }
    }
    problem.tie_factor = 1.0;
    let chi = |object: usize| {
        let (apart, sigma) = problem.tie(object)?;
        let free = freedom.ties[object];
        (free >= LEAST_FREEDOM).then(|| squared(apart) / (2.0 * sigma * sigma * free))
    };
    let ties: Vec<f64> = (0..problem.objects.len()).filter_map(chi).collect();
    if ties.len() >= LEAST_COUNT {
        problem.tie_factor = (median(ties) / MEDIAN).sqrt().clamp(1.0, LARGEST_FACTOR);
    }
}

/// The floor with which residuals (squares, own errors) have the median they should.
fn floor(residuals: &[(f64, f64)]) -> f64 {
    let excess = |floor: f64| {
        let chi = residuals.iter().map(|(square, sigma)| square / (2.0 * (sigma * sigma + floor * floor)));
        median(chi.collect()) - MEDIAN
    };
    let [mut low, mut high] = FLOOR_PX;
    if excess(low) <= 0.0 {
        return low;
    }
    for _ in 0..30 {
        let middle = (low * high).sqrt();
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Variance of a sight, pixels^2.
fn variance(problem: &Problem, index: usize) -> f64 {
    let sight = &problem.sights[index];
    let floor = problem.instrument_of(sight.frame as usize).floor_px;
    sight.sigma_px * sight.sigma_px + floor * floor
}

/// Weights before any residual is known.
pub(super) fn first_weights(problem: &Problem) -> Weights {
    let sights = (0..problem.sights.len()).map(|s| 1.0 / variance(problem, s)).collect();
    let tie = |object| problem.tie(object).map_or(0.0, |(_, sigma)| 1.0 / (sigma * sigma));
    Weights { sights, ties: (0..problem.objects.len()).map(tie).collect() }
}

/// Weights of all residuals.
pub(super) fn weights(problem: &Problem, linear: &[Linear], freedom: &Freedom, kind: Kind) -> Weights {
    let sight = |s: usize| {
        let variance = variance(problem, s);
        let free = freedom.sights[s].max(LEAST_FREEDOM);
        kind.weight(squared(linear[s].residual) / (variance * free)) / variance
    };
    let tie = |object: usize| {
        problem.tie(object).map_or(0.0, |(apart, sigma)| {
            let variance = sigma * sigma;
            kind.weight(squared(apart) / (variance * freedom.ties[object].max(LEAST_FREEDOM))) / variance
        })
    };
    Weights {
        sights: (0..linear.len()).map(sight).collect(),
        ties: (0..problem.objects.len()).map(tie).collect(),
    }
}
