//! The log gains of a frame in its channels hold together: haze and exposure dim all colours nearly alike, and how nearly the frames
//! themselves tell. With g_fc the log gain of frame f in channel c, minimise
//!
//! sum over pairs and channels of w (d_ab + g_ac - g_bc)^2 + sum over frames of |g_f - mean of g_f|^2 / tau^2
//!
//! with the weights w that the channels have by themselves ([`crate::solve`]). tau, how much the colours of frames differ, is the fixed
//! point tau^2 = sum of |g_f - mean of g_f|^2 / gamma of MacKay (1992, Neural Computation 4, 415), gamma the number of colour terms that
//! the data determine, as for surfaces ([`crate::surfaces`]). Frames whose colours differ by more than the noise keep them; where what differs
//! could be noise, all channels together say what the gain is. The unknowns of a frame are the mean over its channels and two colours,
//! orthonormal combinations of its log gains. In each connected part they have mean zero.

use crate::normal::conjugate::{self, Goal};
use crate::normal::system::LinkBlocks;
use crate::normal::variance::{ROUGH_PROBES, variances};
use crate::normal::{Factor, Pattern, System, Unknowns};
use crate::observer::MatchObserver;
use crate::prior_width::next_width;
use crate::report::SolveHealth;
use crate::statistics::median;

/// Channels.
const CHANNELS: usize = 3;
/// Block products that an exact factor may take.
pub(crate) const EXACT_PRODUCTS: usize = 12_000_000;
/// Rounds at most.
const ROUNDS: usize = 12;
/// Change of ln tau^2 at which they end.
const SETTLED: f64 = 0.02;
/// First tau over the scatter of the colours that channels by themselves have.
const FIRST_WIDTH: f64 = 3.0;
/// Least tau over the error of a typical pair: keeps the matrix well conditioned.
const LEAST_WIDTH: f64 = 1e-3;
/// Residual of the solution over the right-hand side.
const TOLERANCE: f64 = 1e-12;

/// What a pair says of its log gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChannelDifference {
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Log gain per channel.
    pub(crate) value: [f64; CHANNELS],
    /// 1 / variance per channel; 0 where it was not measured.
    pub(crate) weight: [f64; CHANNELS],
}

/// Log gains of all channels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChannelGains {
    /// By frame and channel, to be added to the logarithm of its values; mean zero in each connected part.
    pub(crate) log_gain: Vec<[f64; CHANNELS]>,
    /// tau.
    pub(crate) width: f64,
    /// Share of the colours that the data determine, 0 to 1.
    pub(crate) determined: f64,
    pub(crate) health: SolveHealth,
}

/// Channel c is the sum over k of `combinations()[c][k]` times unknown k.
fn combinations() -> [Unknowns<CHANNELS>; CHANNELS] {
    let (third, half, sixth) = (3.0_f64.recip().sqrt(), 0.5_f64.sqrt(), 6.0_f64.recip().sqrt());
    [[third, half, sixth], [third, 0.0, -2.0 * sixth], [third, -half, sixth]]
}

/// Of `frames` frames; `alone`: the log gains that each channel has by itself. `observer` is told twice of every round: when it is
/// solved, and when what the data determine is counted.
pub(crate) fn solve_together(
    frames: usize,
    differences: &[ChannelDifference],
    alone: &[[f64; CHANNELS]],
    observer: &dyn MatchObserver,
) -> ChannelGains {
    let links: Vec<(usize, usize)> = differences.iter().map(|own| (own.a, own.b)).collect();
    let pattern = Pattern::new(frames, &links, EXACT_PRODUCTS);
    let told = system_of(&pattern, differences);
    let free = ((CHANNELS - 1) * (frames - pattern.size.len())) as f64;
    let weights = differences.iter().flat_map(|own| own.weight).filter(|weight| *weight > 0.0);
    let typical = median(&mut weights.map(f64::recip).collect::<Vec<_>>()).unwrap_or(1.0);
    let least = LEAST_WIDTH * LEAST_WIDTH * typical;
    let mut x = vec![[0.0; CHANNELS]; frames];
    for (place, own) in pattern.place.iter().zip(alone) {
        x[*place] = unknowns_of(own);
    }
    let mut width = (FIRST_WIDTH * FIRST_WIDTH * squares_of(&x) / free.max(1.0)).max(least);
    let (mut determined, mut health) = (1.0, SolveHealth::default());
    for round in 1..=ROUNDS {
        let mut system = told.clone();
        system.add_prior(&[0.0, width.recip(), width.recip()]);
        let factor = Factor::new(&pattern, &system);
        let parts = (&pattern, &system, &factor);
        let goal = Goal { tolerance: TOLERANCE, iterations: 10 * frames + 100 };
        let reached = conjugate::solve(parts, &system.right, &mut x, goal);
        observer.piece_done();
        health = SolveHealth::of(reached.is_solved, pattern.is_exact, Some(&factor));
        let known = |own: &Unknowns<CHANNELS>| own[1..].iter().map(|own| 1.0 - own / width).sum::<f64>();
        let gamma = variances(parts, ROUGH_PROBES).iter().map(known).sum::<f64>().clamp(0.0, free);
        observer.piece_done();
        determined = if free > 0.0 { gamma / free } else { 1.0 };
        let next = next_width(width, squares_of(&x), gamma, free).max(least);
        if round == ROUNDS || (next / width).ln().abs() <= SETTLED {
            break;
        }
        width = next;
    }
    // A colour that all frames of a part have in common is held by the prior alone, too weakly for the digits of the solution.
    pattern.centre_lanes(&mut x);
    let log_gain = pattern.to_nodes(&x).iter().map(gains_of).collect();
    ChannelGains { log_gain, width: width.sqrt(), determined, health }
}

/// Sum of the squares of the colours.
fn squares_of(x: &[Unknowns<CHANNELS>]) -> f64 {
    x.iter().flat_map(|own| &own[1..]).fold(0.0, |sum, colour| sum + colour * colour)
}

fn unknowns_of(gains: &[f64; CHANNELS]) -> Unknowns<CHANNELS> {
    let combinations = combinations();
    std::array::from_fn(|k| (0..CHANNELS).fold(0.0, |sum, c| sum + combinations[c][k] * gains[c]))
}

fn gains_of(own: &Unknowns<CHANNELS>) -> [f64; CHANNELS] {
    combinations().map(|terms| terms.iter().zip(own).fold(0.0, |sum, (term, own)| sum + term * own))
}

/// What the pairs say.
fn system_of(pattern: &Pattern, differences: &[ChannelDifference]) -> System<CHANNELS> {
    let combinations = combinations();
    let mut system = System::new(pattern);
    for (link, own) in differences.iter().enumerate() {
        let mut sums = LinkBlocks::NOTHING;
        for ((terms, weight), value) in combinations.iter().zip(own.weight).zip(own.value) {
            for (i, term) in terms.iter().enumerate() {
                let weighed = weight * term;
                let products = terms.map(|other| weighed * other);
                for (j, product) in products.into_iter().enumerate() {
                    sums.aa[i][j] += product;
                    sums.bb[i][j] += product;
                    sums.ab[i][j] -= product;
                }
                sums.a[i] -= weighed * value;
                sums.b[i] += weighed * value;
            }
        }
        system.add(pattern, link, &sums);
    }
    system
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use zemosaic_testkit::rng::Rng;

    use super::*;

    const FRAMES: usize = 60;
    /// Errors of a pair in the channels.
    const ERRORS: [f64; CHANNELS] = [0.02, 0.01, 0.03];

    struct Made {
        truth: Vec<[f64; CHANNELS]>,
        differences: Vec<ChannelDifference>,
    }

    /// Frames whose colours differ by `colours`, and pairs with `noise` times the errors.
    fn make(seed: u64, colours: f64, noise: f64) -> Made {
        let mut rng = Rng::for_keys(seed, &[1]);
        let mut truth: Vec<[f64; CHANNELS]> = Vec::new();
        for _ in 0..FRAMES {
            let level = 0.2 * rng.normal();
            truth.push(std::array::from_fn(|_| level + colours * rng.normal()));
        }
        for channel in 0..CHANNELS {
            let mean = truth.iter().map(|own| own[channel]).sum::<f64>() / FRAMES as f64;
            for own in &mut truth {
                own[channel] -= mean;
            }
        }
        let mut differences = Vec::new();
        for a in 0..FRAMES {
            for step in [1, 2, 7, 19] {
                let b = (a + step) % FRAMES;
                let measured =
                    |c: usize, rng: &mut Rng| truth[b][c] - truth[a][c] + noise * ERRORS[c] * rng.normal();
                let value = std::array::from_fn(|c| measured(c, &mut rng));
                differences.push(ChannelDifference {
                    a,
                    b,
                    value,
                    weight: ERRORS.map(|error| error.powi(-2)),
                });
            }
        }
        Made { truth, differences }
    }

    /// The log gains of every channel by itself.
    fn alone(made: &Made) -> Vec<[f64; CHANNELS]> {
        let of_channel = |c: usize| {
            let own = |d: &ChannelDifference| crate::solve::Difference {
                a: d.a,
                b: d.b,
                value: d.value[c],
                variance: d.weight[c].recip(),
            };
            let differences: Vec<_> = made.differences.iter().map(own).collect();
            crate::solve::solve_offsets(FRAMES, &differences).offsets
        };
        let all: [Vec<f64>; CHANNELS] = std::array::from_fn(of_channel);
        (0..FRAMES).map(|frame| std::array::from_fn(|c| all[c][frame])).collect()
    }

    fn rms(found: &[[f64; CHANNELS]], truth: &[[f64; CHANNELS]], of: impl Fn([f64; CHANNELS]) -> f64) -> f64 {
        let squares = found.iter().zip(truth).map(|(a, b)| of(std::array::from_fn(|c| a[c] - b[c])).powi(2));
        (squares.sum::<f64>() / FRAMES as f64).sqrt()
    }

    #[test]
    fn colours_that_are_noise_go_and_others_stay() {
        for seed in 0..4 {
            let blue = |own: [f64; CHANNELS]| own[2] - own[1];
            let made = make(seed, 0.0, 1.0);
            let before = alone(&made);
            let found = solve_together(FRAMES, &made.differences, &before, &());
            let (own, together) = (rms(&before, &made.truth, blue), rms(&found.log_gain, &made.truth, blue));
            assert!(together < 0.35 * own && found.width < 5e-3, "{seed}: {own} {together} {}", found.width);
            // The faintest channel has the gain of the others.
            assert!(rms(&found.log_gain, &made.truth, |d| d[2]) < 0.5 * rms(&before, &made.truth, |d| d[2]));
            let made = make(seed, 0.1, 1.0);
            let before = alone(&made);
            let found = solve_together(FRAMES, &made.differences, &before, &());
            let (own, together) = (rms(&before, &made.truth, blue), rms(&found.log_gain, &made.truth, blue));
            assert!(together < 1.02 * own, "{seed}: {own} {together}");
            assert!((0.08..0.12).contains(&found.width) && found.determined > 0.9, "{found:?}");
        }
    }

    #[test]
    fn without_noise_it_is_exact() {
        let made = make(9, 0.1, 0.0);
        for scale in [1.0, 1e10] {
            let scaled =
                |d: &ChannelDifference| ChannelDifference { weight: d.weight.map(|w| scale * w), ..*d };
            let differences: Vec<_> = made.differences.iter().map(scaled).collect();
            let found = solve_together(FRAMES, &differences, &made.truth, &());
            let error =
                (0..CHANNELS).map(|c| rms(&found.log_gain, &made.truth, |d| d[c])).fold(0.0, f64::max);
            // The prior pulls by the share (error / tau)^2.
            assert!(error < 2e-2 / scale && found.health.is_well(), "{scale}: {error}");
        }
    }

    /// Of every round a watchdog hears, and what is told changes nothing.
    #[test]
    fn rounds_are_told_of() {
        struct Count(AtomicUsize);
        impl MatchObserver for Count {
            fn piece_done(&self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let made = make(3, 0.0, 1.0);
        let before = alone(&made);
        let told = Count(AtomicUsize::new(0));
        let found = solve_together(FRAMES, &made.differences, &before, &told);
        // The width of colours that are noise falls by a step at a time.
        let told = told.0.into_inner();
        assert!((2 * 3..=2 * ROUNDS).contains(&told), "{told}");
        assert_eq!(found, solve_together(FRAMES, &made.differences, &before, &()));
    }

    #[test]
    fn a_channel_that_is_not_measured_follows() {
        let mut made = make(3, 0.0, 1.0);
        for own in &mut made.differences {
            own.weight[2] = 0.0;
        }
        let found = solve_together(FRAMES, &made.differences, &vec![[0.0; CHANNELS]; FRAMES], &());
        assert!(rms(&found.log_gain, &made.truth, |d| d[2]) < 0.01);
        // A frame without a pair stays; no pair at all is no problem.
        let found = solve_together(2, &[], &[[0.0; CHANNELS]; 2], &());
        assert_eq!(found.log_gain, [[0.0; CHANNELS]; 2]);
    }
}
