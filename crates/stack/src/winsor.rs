//! Moments of held samples: what lies beyond two limits counts as if it lay on them. For all lanes side by side, and for
//! the samples of one lane.

use crate::lanes::{Counts, LANES, Lane};

/// Lanes summed at a time: four sums of eight doubles, the fewest that keep the adders busy.
const PART: usize = 8;

/// One number per lane.
pub type Row = [f64; LANES];

/// Sums over the valid samples of each lane, d = sample - pivot.
pub struct Sums {
    /// d.
    pub first: Row,
    /// d^2.
    pub second: Row,
    /// d, held.
    pub held_first: Row,
    /// d^2, held.
    pub held_second: Row,
}

/// The same of [`PART`] lanes: one after the other, in the order above.
type PartSums = [[f64; PART]; 4];

/// What the samples of a lane are compared with: the pivot, and limits of d.
pub struct Limits {
    /// d = sample - pivot.
    pub pivot: Row,
    /// Least d.
    pub low: Row,
    /// Greatest d.
    pub high: Row,
}

/// Sums of all samples and of the held ones.
#[inline(always)]
pub fn sums(sorted: &[Lane], depth: &Counts, limits: &Limits) -> Sums {
    let all = depth.iter().copied().min().unwrap_or(0) as usize;
    let some = depth.iter().copied().max().unwrap_or(0) as usize;
    let zero = [0.0; LANES];
    let mut sums = Sums { first: zero, second: zero, held_first: zero, held_second: zero };
    for part in (0..LANES).step_by(PART) {
        let mut found = [[0.0; PART]; 4];
        let (pivot, low, high) = (at(&limits.pivot, part), at(&limits.low, part), at(&limits.high, part));
        for samples in &sorted[..all] {
            let mut d = [0.0; PART];
            for lane in 0..PART {
                d[lane] = f64::from(samples.0[part + lane]) - pivot[lane];
            }
            add(&mut found, &d, &low, &high);
        }
        for samples in &sorted[all..some] {
            let mut d = [0.0; PART];
            for lane in 0..PART {
                let sample = samples.0[part + lane];
                d[lane] = if sample < f32::INFINITY { f64::from(sample) - pivot[lane] } else { 0.0 };
            }
            add(&mut found, &d, &low, &high);
        }
        let rows = [&mut sums.first, &mut sums.second, &mut sums.held_first, &mut sums.held_second];
        for (row, found) in rows.into_iter().zip(&found) {
            row[part..part + PART].copy_from_slice(found);
        }
    }
    sums
}

#[inline(always)]
fn at(row: &Row, part: usize) -> [f64; PART] {
    let mut lanes = [0.0; PART];
    lanes.copy_from_slice(&row[part..part + PART]);
    lanes
}

#[inline(always)]
fn add(sums: &mut PartSums, d: &[f64; PART], low: &[f64; PART], high: &[f64; PART]) {
    for lane in 0..PART {
        let held = hold(d[lane], low[lane], high[lane]);
        sums[0][lane] += d[lane];
        sums[1][lane] += d[lane] * d[lane];
        sums[2][lane] += held;
        sums[3][lane] += held * held;
    }
}

#[inline(always)]
fn hold(d: f64, low: f64, high: f64) -> f64 {
    let d = if d > low { d } else { low };
    if d < high { d } else { high }
}

/// Population variance from sums over `n` samples of d and d^2, where the pivot is the median of the held samples: the
/// mean is then no further from it than a standard deviation, and nothing cancels.
#[inline(always)]
pub fn variance(n: f64, first: f64, second: f64) -> f64 {
    let mean = first / n;
    (second / n - mean * mean).max(0.0)
}

/// The first `n` samples of a lane.
pub fn gather(sorted: &[Lane], lane: usize, n: i32, samples: &mut Vec<f64>) {
    samples.clear();
    samples.extend(sorted[..n as usize].iter().map(|row| f64::from(row.0[lane])));
}

/// Sums of d and d^2 of the held samples of one lane.
#[inline]
pub fn held_sums(samples: &[f64], pivot: f64, low: f64, high: f64) -> (f64, f64) {
    // Four sums side by side, always the same ones.
    let (mut first, mut second) = ([0.0; 4], [0.0; 4]);
    let (parts, rest) = samples.as_chunks::<4>();
    for part in parts {
        for k in 0..4 {
            let d = hold(part[k] - pivot, low, high);
            first[k] += d;
            second[k] += d * d;
        }
    }
    for (k, sample) in rest.iter().enumerate() {
        let d = hold(sample - pivot, low, high);
        first[k] += d;
        second[k] += d * d;
    }
    ((first[0] + first[1]) + (first[2] + first[3]), (second[0] + second[1]) + (second[2] + second[3]))
}
