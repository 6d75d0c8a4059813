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
//! lanes makes in f32, and most others by two or three; only what these leave open goes through the rounds. Bounds count
//! where they are clear of rounding. Spreads are compared as squares, without roots.

use crate::definition::{FEWEST, HELD_ROUNDS, HELD_TO_SIGMA, HELD_WITHIN, SETTLED, interval, median};
use crate::lanes::{Counts, LANES, Lane, Range, median_of};
use crate::options::RejectOptions;
use crate::winsor::{HeldAt, OneLane, about_mean, clear_of_roughness, rough_moments};

/// 1 plus a share far above the rounding of squares of spreads.
const CLEAR: f64 = 1.0 + 1e-9;

/// The factor of the spread, squared.
const FACTOR: f64 = HELD_TO_SIGMA * HELD_TO_SIGMA;

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn winsorized_clip(sorted: &[Lane], depth: &Counts, reject: &RejectOptions, one: &mut OneLane) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let keeps_all = keep_all(sorted, depth, reject);
    for lane in 0..LANES {
        let n = depth[lane];
        if n >= FEWEST as i32 && !keeps_all[lane] {
            one.gather(sorted, lane, n);
            let (low, high) = refine(one, reject);
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
    let mut held_at = HeldAt { low: [0.0; LANES], high: [0.0; LANES] };
    let (per_low, per_high) = (reject.kappa_low.recip(), reject.kappa_high.recip());
    let mut needed = [0.0_f64; LANES];
    for lane in 0..LANES {
        if depth[lane] > 0 {
            let centre = median_of(sorted, 0, depth[lane], lane);
            let (least, most) = (sorted[0].0[lane], sorted[depth[lane] as usize - 1].0[lane]);
            let below = needed_spread(centre - f64::from(least), per_low);
            let above = needed_spread(f64::from(most) - centre, per_high);
            needed[lane] = if below > above { below } else { above };
            held_at.low[lane] = centre - HELD_WITHIN * needed[lane];
            held_at.high[lane] = centre + HELD_WITHIN * needed[lane];
        }
    }
    let moments = rough_moments(sorted, depth, &held_at);
    let clear = clear_of_roughness(sorted.len());
    let mut keeps_all = [false; LANES];
    for lane in 0..LANES {
        let n = f64::from(depth[lane].max(2));
        let least = (clear * needed[lane]) * (clear * needed[lane]) * (n - 1.0) / n;
        let is_sound = needed[lane] > 1e-14 && needed[lane] < 1e16;
        let holds = moments.variance[lane] >= least && FACTOR * moments.held_variance[lane] >= least;
        keeps_all[lane] = is_sound && holds || needed[lane] == 0.0;
    }
    keeps_all
}

/// The least spread that keeps a sample at `distance` from the centre.
#[inline(always)]
fn needed_spread(distance: f64, per_kappa: f64) -> f64 {
    if distance > 0.0 { distance * per_kappa } else { 0.0 }
}

/// All rounds of the samples of one lane.
#[inline(always)]
fn refine(one: &mut OneLane, reject: &RejectOptions) -> (usize, usize) {
    let (mut low, mut high) = (0, one.samples().len());
    for _ in 0..reject.max_iterations {
        if high - low < FEWEST {
            break;
        }
        let old = (low, high);
        let centre = median(&one.samples()[low..high]);
        one.centre(low, high, centre);
        (low, high) = Round::new(one, centre, high - low, reject).survivors(low, high);
        if (low, high) == old {
            break;
        }
    }
    (low, high)
}

/// One round of at least [`FEWEST`] samples.
struct Round<'a> {
    one: &'a OneLane,
    centre: f64,
    /// 1 / n and 1 / (n - 1).
    per_n: f64,
    per_freedom: f64,
    /// 1 / kappa.
    per_low: f64,
    per_high: f64,
    reject: &'a RejectOptions,
}

impl<'a> Round<'a> {
    #[inline(always)]
    fn new(one: &'a OneLane, centre: f64, n: usize, reject: &'a RejectOptions) -> Self {
        let (per_low, per_high) = (reject.kappa_low.recip(), reject.kappa_high.recip());
        let (per_n, per_freedom) = ((n as f64).recip(), (n as f64 - 1.0).recip());
        Self { one, centre, per_n, per_freedom, per_low, per_high, reject }
    }

    /// The survivors of `low .. high`, which are all samples of the round.
    #[inline(always)]
    fn survivors(&self, mut low: usize, mut high: usize) -> (usize, usize) {
        // Spreads squared: now, and what no later one exceeds.
        let mut now = self.variance(f64::INFINITY);
        let mut most = FACTOR * now;
        let mut rounds = 0;
        // The last spread tried as a bound, and the next one after it squared.
        let (mut tried, mut held) = (f64::NAN, f64::NAN);
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
            if needed == 0.0 {
                return (low, high);
            }
            if needed != tried {
                (tried, held) = (needed, FACTOR * self.variance(HELD_WITHIN * needed));
            }
            let squared = needed * needed;
            if now >= squared * CLEAR && held >= squared * CLEAR {
                return (low, high);
            }
            if now * CLEAR <= squared && held * CLEAR <= squared {
                most = held;
                continue;
            }
            let spread = now.sqrt();
            now = FACTOR * self.variance(HELD_WITHIN * spread);
            rounds += 1;
            let next = now.sqrt();
            if next <= spread && now < most {
                most = now;
            }
            if (next - spread).abs() <= SETTLED * spread || rounds == HELD_ROUNDS {
                return self.within(interval(self.centre, next, self.reject), low, high);
            }
        }
    }

    /// Variance (n - 1) of the samples held within `limit` of the centre.
    #[inline(always)]
    fn variance(&self, limit: f64) -> f64 {
        about_mean(self.per_n, self.one.held(-limit, limit)) * self.per_freedom
    }

    #[inline(always)]
    fn needed_below(&self, k: usize) -> f64 {
        needed_spread(self.centre - self.one.samples()[k], self.per_low)
    }

    #[inline(always)]
    fn needed_above(&self, k: usize) -> f64 {
        needed_spread(self.one.samples()[k] - self.centre, self.per_high)
    }

    /// What of `low .. high` lies in the interval.
    #[inline(always)]
    fn within(&self, (least, most): (f64, f64), mut low: usize, mut high: usize) -> (usize, usize) {
        while low < high && self.one.samples()[low] < least {
            low += 1;
        }
        while high > low && self.one.samples()[high - 1] > most {
            high -= 1;
        }
        (low, high)
    }
}

/// Whether a sample that needs this spread goes where no spread squared is above `most`.
#[inline(always)]
fn is_beyond(needed: f64, most: f64) -> bool {
    needed > 0.0 && needed * needed >= most * CLEAR
}
