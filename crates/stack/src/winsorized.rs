//! Winsorised clip of 16 sorted pixels, Huber's: the fast form of [`crate::definition`]'s.
//!
//! The centre is the median from the first round to the last: samples are held at equal distances from it. The spread of
//! the next round, f(s) = 1.134 x the standard deviation of the samples held within 1.5 s of the centre, never falls when
//! s rises. So a bound holds on:
//!
//! - s >= L and f(L) >= L: no later spread is below L, and what lies within kappa L stays;
//! - s <= L and f(L) <= L, or f(s) <= s = L: no later spread is above L, and what lies beyond kappa L goes;
//! - no spread is above 1.134 x the standard deviation of all.
//!
//! With L = what the outermost sample needs to stay, most pixels are decided by one evaluation, which one pass over all
//! lanes makes, and most others by two or three; only what these leave open goes through the rounds. Bounds count where
//! they are clear of rounding by [`CLEAR`].

use crate::definition::{FEWEST, HELD_ROUNDS, HELD_TO_SIGMA, HELD_WITHIN, SETTLED, interval, median};
use crate::lanes::{Counts, LANES, Lane, Range, median_of};
use crate::options::RejectOptions;
use crate::winsor::{Limits, gather, held_sums, sums, variance};

/// 1 plus a share far above the rounding of spreads.
const CLEAR: f64 = 1.0 + 1e-9;

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn winsorized_clip(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    samples: &mut Vec<f64>,
) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let keeps_all = keep_all(sorted, depth, reject);
    for lane in 0..LANES {
        let n = depth[lane];
        if n >= FEWEST as i32 && !keeps_all[lane] {
            gather(sorted, lane, n, samples);
            let (low, high) = refine(samples, reject);
            if high - low < n as usize {
                range.narrow(sorted, lane, low as i32, high as i32);
            }
        }
    }
    range
}

/// Lanes that certainly keep all of their samples.
#[inline(always)]
fn keep_all(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> [bool; LANES] {
    let mut limits = Limits { pivot: [0.0; LANES], low: [0.0; LANES], high: [0.0; LANES] };
    let mut needed = [0.0_f64; LANES];
    for lane in 0..LANES {
        if depth[lane] > 0 {
            let centre = median_of(sorted, 0, depth[lane], lane);
            let (least, most) = (sorted[0].0[lane], sorted[depth[lane] as usize - 1].0[lane]);
            limits.pivot[lane] = centre;
            needed[lane] = needed_spread(centre - f64::from(least), reject.kappa_low)
                .max(needed_spread(f64::from(most) - centre, reject.kappa_high));
        }
    }
    for lane in 0..LANES {
        limits.high[lane] = HELD_WITHIN * needed[lane];
        limits.low[lane] = -limits.high[lane];
    }
    let sums = sums(sorted, depth, &limits);
    let mut keeps_all = [false; LANES];
    for lane in 0..LANES {
        let n = f64::from(depth[lane].max(2));
        let of_sample = n / (n - 1.0);
        let all = of_sample * variance(n, sums.first[lane], sums.second[lane]);
        let held = of_sample * variance(n, sums.held_first[lane], sums.held_second[lane]);
        let least = (CLEAR * needed[lane]) * (CLEAR * needed[lane]);
        keeps_all[lane] = all >= least && HELD_TO_SIGMA * HELD_TO_SIGMA * held >= least;
    }
    keeps_all
}

/// The least spread that keeps a sample at `distance` from the centre on the side of `kappa`.
#[inline(always)]
fn needed_spread(distance: f64, kappa: f64) -> f64 {
    if distance > 0.0 { distance / kappa } else { 0.0 }
}

/// Whether a sample that needs this spread goes where no spread is above `most`.
#[inline(always)]
fn is_beyond(needed: f64, most: f64) -> bool {
    needed > 0.0 && needed >= most * CLEAR
}

/// All rounds of the sorted samples of one lane.
#[inline(never)]
fn refine(samples: &[f64], reject: &RejectOptions) -> (usize, usize) {
    let (mut low, mut high) = (0, samples.len());
    for _ in 0..reject.max_iterations {
        if high - low < FEWEST {
            break;
        }
        let survivors = &samples[low..high];
        let (first, last) = Round { samples: survivors, centre: median(survivors), reject }.survivors();
        if (first, last) == (0, survivors.len()) {
            break;
        }
        (low, high) = (low + first, low + last);
    }
    (low, high)
}

/// One round: sorted samples, at least [`FEWEST`].
struct Round<'a> {
    samples: &'a [f64],
    centre: f64,
    reject: &'a RejectOptions,
}

impl Round<'_> {
    /// As a range of the samples.
    fn survivors(&self) -> (usize, usize) {
        let (mut low, mut high) = (0, self.samples.len());
        let mut spread = self.deviation(f64::INFINITY);
        // No later spread is above this.
        let mut most = HELD_TO_SIGMA * spread;
        let mut rounds = 0;
        loop {
            while low < high && is_beyond(self.needed_below(low), most) {
                low += 1;
            }
            while low < high && is_beyond(self.needed_above(high - 1), most) {
                high -= 1;
            }
            if low == high {
                return (low, high);
            }
            let needed = self.needed_below(low).max(self.needed_above(high - 1));
            let held = self.next(needed);
            if spread >= needed * CLEAR && held >= needed * CLEAR || needed == 0.0 {
                return (low, high);
            }
            if spread * CLEAR <= needed && held * CLEAR <= needed {
                most = held;
                continue;
            }
            let next = self.next(spread);
            rounds += 1;
            let is_settled = (next - spread).abs() <= SETTLED * spread;
            if next <= spread && next < most {
                most = next;
            }
            spread = next;
            if is_settled || rounds == HELD_ROUNDS {
                return self.within(interval(self.centre, spread, self.reject), low, high);
            }
        }
    }

    /// The spread after `spread`.
    #[inline(always)]
    fn next(&self, spread: f64) -> f64 {
        HELD_TO_SIGMA * self.deviation(HELD_WITHIN * spread)
    }

    /// Standard deviation (n - 1) of the samples held within `limit` of the centre.
    #[inline(always)]
    fn deviation(&self, limit: f64) -> f64 {
        let n = self.samples.len() as f64;
        let (first, second) = held_sums(self.samples, self.centre, -limit, limit);
        (variance(n, first, second) * (n / (n - 1.0))).sqrt()
    }

    #[inline(always)]
    fn needed_below(&self, k: usize) -> f64 {
        needed_spread(self.centre - self.samples[k], self.reject.kappa_low)
    }

    #[inline(always)]
    fn needed_above(&self, k: usize) -> f64 {
        needed_spread(self.samples[k] - self.centre, self.reject.kappa_high)
    }

    /// What of `low .. high` lies in the interval.
    #[inline(always)]
    fn within(&self, (least, most): (f64, f64), mut low: usize, mut high: usize) -> (usize, usize) {
        while low < high && self.samples[low] < least {
            low += 1;
        }
        while high > low && self.samples[high - 1] > most {
            high -= 1;
        }
        (low, high)
    }
}
