//! Generalised extreme Studentised deviate test of 16 sorted pixels, eight at a time: [`crate::definition::esd`] says what is
//! done.
//!
//! The sample farthest from the mean is at one of the two ends, so what is left is a range of the sorted samples, and its
//! moments lose a sample per step. With m left, S and Q their sums of d and d^2, D = |m d - S| of the end that goes:
//! R > lambda is D^2 (m - 1) / (m lambda^2) > m Q - S^2, without roots or divisions. Where nearly all of m Q - S^2 was
//! lost on the way the lane is done again, with sums made anew.

use crate::centred::{PART, Part, centre, mask, only, select};
use crate::definition::{TIE, esd_critical_values, esd_most_outliers};
use crate::lanes::{Counts, LANES, Lane, Range};
use crate::options::{RejectMethod, RejectOptions};

/// Less than this share of the second moment left: sum anew.
const CANCELLED: f64 = 1e-6;

/// Critical values up to the frames of a stack.
#[derive(Debug, Default)]
pub struct CriticalValues {
    alpha: f64,
    /// (m - 1) / (m lambda^2) by the number m of samples left; 0, which no sample exceeds, below three.
    weight: Vec<f64>,
}

impl CriticalValues {
    /// For stacks of up to `frames` frames; nothing is done where that is so already, or the method is another.
    pub fn prepare(&mut self, frames: usize, reject: &RejectOptions) {
        let ready = self.weight.len() > frames && self.alpha == reject.esd_alpha;
        if reject.method != RejectMethod::Esd || ready {
            return;
        }
        self.alpha = reject.esd_alpha;
        let critical = esd_critical_values(reject.esd_alpha, frames);
        self.weight.clear();
        self.weight.extend(
            critical
                .iter()
                .enumerate()
                .map(|(m, lambda)| if m < 3 { 0.0 } else { (m as f64 - 1.0) / (m as f64 * lambda * lambda) }),
        );
    }
}

/// Survivors; `depth` valid samples come first in each lane of `sorted`.
#[inline(always)]
pub fn esd_clip(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    critical: &CriticalValues,
    rows: &mut Vec<Part>,
) -> Range {
    let mut range = Range::all(depth);
    for part in (0..LANES).step_by(PART) {
        let mut left = Left::all(sorted, depth, part, rows, reject.esd_outliers);
        let (survivors, cancelled) = left.test(rows, critical);
        for lane in 0..PART {
            let (mut low, mut high) = (survivors.low[lane] as i32, survivors.high[lane] as i32);
            if cancelled[lane] != 0 {
                let most = left.most[lane] as usize;
                (low, high) = one_by_one(sorted, part + lane, depth[part + lane], most, critical);
            }
            if high > low {
                range.narrow(sorted, part + lane, low, high);
            }
        }
    }
    range
}

/// Ranges of the sorted samples.
#[derive(Debug, Clone, Copy)]
struct Ends {
    low: [i64; PART],
    high: [i64; PART],
}

/// What is left of each lane, and sums over it.
struct Left {
    ends: Ends,
    /// How many may go.
    most: [i64; PART],
    /// Sum of d.
    first: Part,
    /// Sum of d^2.
    second: Part,
}

impl Left {
    #[inline(always)]
    fn all(sorted: &[Lane], depth: &Counts, part: usize, rows: &mut Vec<Part>, share: f64) -> Self {
        let (mut first, mut second) = ([0.0; PART], [0.0; PART]);
        centre(sorted, depth, part, rows, |_, d| {
            for lane in 0..PART {
                first[lane] += d[lane];
                second[lane] += d[lane] * d[lane];
            }
        });
        let (mut most, mut ends) = ([0; PART], Ends { low: [0; PART], high: [0; PART] });
        for lane in 0..PART {
            let n = depth[part + lane];
            ends.high[lane] = i64::from(n);
            most[lane] = esd_most_outliers(n as usize, share) as i64;
        }
        Self { ends, most, first, second }
    }

    /// m^2 x population variance.
    #[inline(always)]
    fn moment(&self, lane: usize, m: f64) -> f64 {
        let moment = m * self.second[lane] - self.first[lane] * self.first[lane];
        // Not `max`: that would make a NaN, of infinite samples, a 0.
        if moment < 0.0 { 0.0 } else { moment }
    }

    /// All steps: the survivors, and the lanes of which too little was left to trust them.
    #[inline(always)]
    fn test(&mut self, rows: &[Part], critical: &CriticalValues) -> (Ends, [u64; PART]) {
        let (mut survivors, mut cancelled) = (self.ends, [0; PART]);
        let steps = self.most.iter().copied().max().unwrap_or(0);
        if steps == 0 {
            return (survivors, cancelled);
        }
        let (mut least, mut greatest, mut start) = ([0.0; PART], [0.0; PART], [0.0; PART]);
        let (mut m, mut weight) = ([0.0; PART], [0.0; PART]);
        for lane in 0..PART {
            let n = self.ends.high[lane] as usize;
            m[lane] = n as f64;
            weight[lane] = critical.weight[n];
            least[lane] = rows[0][lane];
            greatest[lane] = rows[n.max(1) - 1][lane];
            start[lane] = self.moment(lane, m[lane]);
        }
        for step in 0..steps {
            let (mut low_goes, mut high_goes, mut passes) = ([0; PART], [0; PART], [0; PART]);
            let (mut gone, mut at) = ([0.0; PART], [0; PART]);
            for lane in 0..PART {
                let active = mask(step < self.most[lane]);
                let below = self.first[lane] - m[lane] * least[lane];
                let above = m[lane] * greatest[lane] - self.first[lane];
                let is_low = mask(below > above * (1.0 + TIE));
                let distance = select(is_low, below, above);
                let exceeds = distance * distance * weight[lane] > self.moment(lane, m[lane]);
                passes[lane] = active & mask(exceeds);
                low_goes[lane] = active & is_low;
                high_goes[lane] = active & !is_low;
                gone[lane] = select(is_low, least[lane], greatest[lane]);
                let value = only(active, gone[lane]);
                self.first[lane] -= value;
                self.second[lane] -= value * value;
                m[lane] -= only(active, 1.0);
                // A mask is -1 as a number.
                self.ends.low[lane] -= low_goes[lane] as i64;
                self.ends.high[lane] += high_goes[lane] as i64;
                let highest = (self.ends.high[lane] - 1) as u64;
                at[lane] = highest & high_goes[lane] | self.ends.low[lane] as u64 & !high_goes[lane];
            }
            let mut next = [0.0; PART];
            for lane in 0..PART {
                next[lane] = rows[at[lane] as usize][lane];
                weight[lane] = critical.weight[(self.ends.high[lane] - self.ends.low[lane]) as usize];
            }
            for lane in 0..PART {
                let counts = passes[lane] & mask(next[lane] != gone[lane]);
                least[lane] = select(low_goes[lane], next[lane], least[lane]);
                greatest[lane] = select(high_goes[lane], next[lane], greatest[lane]);
                let (old, new) = (&mut survivors, &self.ends);
                old.low[lane] = (new.low[lane] as u64 & counts | old.low[lane] as u64 & !counts) as i64;
                old.high[lane] = (new.high[lane] as u64 & counts | old.high[lane] as u64 & !counts) as i64;
            }
        }
        for lane in 0..PART {
            let kept = self.moment(lane, m[lane]) > CANCELLED * start[lane];
            cancelled[lane] = mask(start[lane] != 0.0) & !mask(kept);
        }
        (survivors, cancelled)
    }
}

/// Moments of one lane about a pivot.
#[derive(Clone, Copy)]
struct Moments {
    pivot: f64,
    first: f64,
    second: f64,
    /// m Q - S^2 when they were summed.
    start: f64,
}

impl Moments {
    /// Of the samples `low .. high`, about the middle one.
    fn of(sorted: &[Lane], lane: usize, low: i32, high: i32) -> Self {
        let sample = |k: i32| f64::from(sorted[k as usize].0[lane]);
        let pivot = sample(low + (high - low) / 2);
        let (mut first, mut second) = (0.0, 0.0);
        for k in low..high {
            let d = sample(k) - pivot;
            first += d;
            second += d * d;
        }
        let start = f64::from(high - low) * second - first * first;
        Self { pivot, first, second, start }
    }
}

/// The survivors of one lane of `n` samples of which `most` may go, with sums made anew where they cancel.
#[inline(never)]
fn one_by_one(sorted: &[Lane], lane: usize, n: i32, most: usize, critical: &CriticalValues) -> (i32, i32) {
    let sample = |k: i32| f64::from(sorted[k as usize].0[lane]);
    let (mut low, mut high) = (0, n);
    let (mut survivors, mut moments) = ((low, high), Moments::of(sorted, lane, low, high));
    for _ in 0..most {
        let m = f64::from(high - low);
        let mut moment = m * moments.second - moments.first * moments.first;
        let kept = moment > CANCELLED * moments.start;
        if !kept {
            moments = Moments::of(sorted, lane, low, high);
            moment = moments.start;
        }
        let below = moments.first - m * (sample(low) - moments.pivot);
        let above = m * (sample(high - 1) - moments.pivot) - moments.first;
        let is_low = below > above * (1.0 + TIE);
        let distance = if is_low { below } else { above };
        let exceeds = distance * distance * critical.weight[(high - low) as usize] > moment;
        let (gone, next) = if is_low {
            low += 1;
            (sample(low - 1), sample(low))
        } else {
            high -= 1;
            (sample(high), sample(high - 1))
        };
        if exceeds && gone != next {
            survivors = (low, high);
        }
        let d = gone - moments.pivot;
        moments.first -= d;
        moments.second -= d * d;
    }
    survivors
}
