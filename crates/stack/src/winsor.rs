//! Moments of held samples: what lies beyond two limits counts as if it lay on them. Roughly for all lanes side by side,
//! and exactly for the samples of one lane.

use crate::lanes::{Counts, LANES, Lane};

/// Lanes summed at a time.
const PART: usize = 8;

/// One number per lane.
pub type Row = [f64; LANES];

/// Population moments of each lane, rough: sums were made in f32, about a sample near the median.
pub struct RoughMoments {
    /// Variance of the samples.
    pub variance: Row,
    /// Mean of the held samples.
    pub held_mean: Row,
    /// Variance of the held samples.
    pub held_variance: Row,
}

/// The least and the greatest value that samples of each lane are held at.
pub struct HeldAt {
    /// Least.
    pub low: Row,
    /// Greatest.
    pub high: Row,
}

/// 1 plus a share that is above the error of a rough standard deviation of `frames` samples, of values between 1e-14 and
/// 1e16 from each other: a rounding of 6e-8 per sum of a sample, of squares up to five times the variance.
#[inline(always)]
pub fn clear_of_roughness(frames: usize) -> f64 {
    1.001 + 1e-6 * frames as f64
}

/// Sums over the samples of [`PART`] lanes: d, d^2, and those of the held d.
type PartSums = [[f32; PART]; 4];

/// Moments of all samples and of the held ones.
#[inline(always)]
pub fn rough_moments(sorted: &[Lane], depth: &Counts, held_at: &HeldAt) -> RoughMoments {
    let all = depth.iter().copied().min().unwrap_or(0) as usize;
    let some = depth.iter().copied().max().unwrap_or(0) as usize;
    let (mut pivot, mut low, mut high) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    for lane in 0..LANES {
        if depth[lane] > 0 {
            // A sample, so that differences of neighbours are exact in f32 too.
            pivot[lane] = sorted[depth[lane] as usize / 2].0[lane];
        }
    }
    for lane in 0..LANES {
        low[lane] = (held_at.low[lane] - f64::from(pivot[lane])) as f32;
        high[lane] = (held_at.high[lane] - f64::from(pivot[lane])) as f32;
    }
    let zero = [0.0; LANES];
    let mut moments = RoughMoments { variance: zero, held_mean: zero, held_variance: zero };
    for part in (0..LANES).step_by(PART) {
        let (pivot, low, high) = (at(&pivot, part), at(&low, part), at(&high, part));
        let mut sums = [[0.0; PART]; 4];
        for samples in &sorted[..all] {
            let samples = at(&samples.0, part);
            let mut d = [0.0; PART];
            for lane in 0..PART {
                d[lane] = samples[lane] - pivot[lane];
            }
            add(&mut sums, &d, &low, &high);
        }
        for samples in &sorted[all..some] {
            let samples = at(&samples.0, part);
            let mut d = [0.0; PART];
            for lane in 0..PART {
                let there = samples[lane] < f32::INFINITY;
                d[lane] = if there { samples[lane] - pivot[lane] } else { 0.0 };
            }
            add(&mut sums, &d, &low, &high);
        }
        for lane in 0..PART {
            let n = f64::from(depth[part + lane].max(1));
            let [mean, square, held_mean, held_square] = sums.map(|sum| f64::from(sum[lane]) / n);
            moments.variance[part + lane] = square - mean * mean;
            moments.held_mean[part + lane] = f64::from(pivot[lane]) + held_mean;
            moments.held_variance[part + lane] = held_square - held_mean * held_mean;
        }
    }
    moments
}

#[inline(always)]
fn at(row: &[f32; LANES], part: usize) -> [f32; PART] {
    let mut lanes = [0.0; PART];
    lanes.copy_from_slice(&row[part..part + PART]);
    lanes
}

#[inline(always)]
fn add(sums: &mut PartSums, d: &[f32; PART], low: &[f32; PART], high: &[f32; PART]) {
    for lane in 0..PART {
        let held = if d[lane] > low[lane] { d[lane] } else { low[lane] };
        let held = if held < high[lane] { held } else { high[lane] };
        sums[0][lane] += d[lane];
        sums[1][lane] += d[lane] * d[lane];
        sums[2][lane] += held;
        sums[3][lane] += held * held;
    }
}

/// The samples of one lane, and their deviations from a pivot. Buffers only grow: setting their length anew costs more than
/// a lane.
#[derive(Debug, Default)]
pub struct OneLane {
    samples: Vec<f64>,
    deviations: Vec<f64>,
    /// Samples that count.
    n: usize,
    /// Deviations that count, then zeros up to whole parts.
    parts: usize,
}

/// Sums of d and d^2.
pub type Moments = (f64, f64);

impl OneLane {
    /// Take the first `n` samples of a lane.
    #[inline(always)]
    pub fn gather(&mut self, sorted: &[Lane], lane: usize, n: i32) {
        self.n = n as usize;
        if self.samples.len() < self.n {
            self.samples.resize(self.n, 0.0);
            self.deviations.resize(self.n.next_multiple_of(PART), 0.0);
        }
        for (sample, row) in self.samples[..self.n].iter_mut().zip(&sorted[..self.n]) {
            *sample = f64::from(row.0[lane]);
        }
    }

    /// Sorted samples.
    #[inline(always)]
    pub fn samples(&self) -> &[f64] {
        &self.samples[..self.n]
    }

    /// Only the samples `low .. high`, about `pivot`, count in the sums from now on.
    #[inline(always)]
    pub fn centre(&mut self, low: usize, high: usize, pivot: f64) {
        let n = high - low;
        self.parts = n.div_ceil(PART);
        let deviations = &mut self.deviations[..self.parts * PART];
        // First, because what remains of the last part is then written twice instead of in a loop of its own.
        if let Some(last) = deviations.last_chunk_mut::<PART>() {
            *last = [0.0; PART];
        }
        for (deviation, sample) in deviations.iter_mut().zip(&self.samples[low..high]) {
            *deviation = sample - pivot;
        }
    }

    /// Their sums, d held between `low` (not above 0) and `high` (not below it).
    #[inline(always)]
    pub fn held(&self, low: f64, high: f64) -> Moments {
        // A pass for each: in one pass the compiler pairs the two terms of a sample instead of neighbours, and branches
        // on each.
        (self.sum(|d| hold(d, low, high)), self.sum(|d| hold(d, low, high) * hold(d, low, high)))
    }

    /// Sum of what `term` makes of each deviation (0 of 0).
    #[inline(always)]
    fn sum(&self, term: impl Fn(f64) -> f64) -> f64 {
        // Eight sums side by side, always the same ones.
        let mut sums = [0.0; PART];
        let (parts, _) = self.deviations[..self.parts * PART].as_chunks::<PART>();
        for part in parts {
            for (sum, d) in sums.iter_mut().zip(part) {
                *sum += term(*d);
            }
        }
        let mut halves = [0.0; PART / 2];
        for k in 0..PART / 2 {
            halves[k] = sums[k] + sums[k + PART / 2];
        }
        (halves[0] + halves[2]) + (halves[1] + halves[3])
    }
}

#[inline(always)]
fn hold(d: f64, low: f64, high: f64) -> f64 {
    let d = if d > low { d } else { low };
    if d < high { d } else { high }
}

/// Sum of squares about the mean of n samples, given 1 / n, from sums about the median of the held ones: the mean is no further from
/// it than a standard deviation, so nothing cancels.
#[inline(always)]
pub fn about_mean(per_n: f64, (first, second): Moments) -> f64 {
    (second - first * (first * per_n)).max(0.0)
}
