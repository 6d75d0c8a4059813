//! The sums over taps in their one fixed order: rows first, then columns, eight columns at a time.

/// Eight neighbouring columns.
pub(crate) type Lanes = [f32; 8];

/// Sum of the first `TAPS` (4, 6 or 8) lanes: lanes 0+4, 2+6, 1+5, 3+7 in pairs, the other lanes left out.
#[inline(always)]
pub(super) fn sum_lanes<const TAPS: usize>(lanes: &Lanes) -> f32 {
    let mut fours = [lanes[0], lanes[1], lanes[2], lanes[3]];
    for lane in 4..TAPS {
        fours[lane - 4] += lanes[lane];
    }
    let pairs = [fours[0] + fours[2], fours[1] + fours[3]];
    // + 0.0: which zero a sum of zeros is would depend on padding beyond the taps.
    (pairs[0] + pairs[1]) + 0.0
}

/// Rows of an unstretched kernel of four taps and more; `row(j)` are the eight columns of row j.
#[inline(always)]
pub(super) fn sum_rows<const TAPS: usize>(wx: &Lanes, wy: &Lanes, row: impl Fn(usize) -> Lanes) -> Lanes {
    let mut sums = [0.0_f32; 8];
    for (j, weight) in wy.iter().enumerate().take(TAPS) {
        let values = row(j);
        for lane in 0..8 {
            sums[lane] += weight * values[lane];
        }
    }
    for lane in 0..8 {
        sums[lane] *= wx[lane];
    }
    sums
}

/// Any number of taps; `wx` is padded with zeros to whole lanes, `part(c, j)` are columns 8 c .. 8 c + 8 of
/// row j.
#[inline(always)]
pub(super) fn sum_many(wx: &[Lanes], wy: &[f32], part: impl Fn(usize, usize) -> Lanes) -> f32 {
    let mut total = [0.0_f32; 8];
    for (c, weights) in wx.iter().enumerate() {
        let mut sums = [0.0_f32; 8];
        for (j, weight) in wy.iter().enumerate() {
            let values = part(c, j);
            for lane in 0..8 {
                sums[lane] += weight * values[lane];
            }
        }
        for lane in 0..8 {
            total[lane] += sums[lane] * weights[lane];
        }
    }
    sum_lanes::<8>(&total)
}

/// Value from the four pixels (lower left, lower right, upper left, upper right).
#[inline(always)]
pub(super) fn bilinear(taps: [f32; 4], fx: f32, fy: f32) -> f32 {
    let (gx, gy) = (1.0 - fx, 1.0 - fy);
    (gy * (gx * taps[0] + fx * taps[1]) + fy * (gx * taps[2] + fx * taps[3])) + 0.0
}

/// Its variance factor.
#[inline(always)]
pub(super) fn bilinear_factor(fx: f32, fy: f32) -> f32 {
    let (gx, gy) = (1.0 - fx, 1.0 - fy);
    (gx * gx + fx * fx) * (gy * gy + fy * fy)
}

/// The fraction at which the weights (1 - f, f) are the squares of those at `f`, normalised.
#[inline(always)]
pub(super) fn square_fraction(f: f32) -> f32 {
    let g = 1.0 - f;
    f * f / (g * g + f * f)
}

/// The first `TAPS` weights squared and normalised to sum 1.
#[inline(always)]
pub(super) fn square_lanes<const TAPS: usize>(weights: &mut Lanes) {
    for weight in weights.iter_mut() {
        *weight *= *weight;
    }
    let scale = 1.0 / sum_lanes::<TAPS>(weights);
    for weight in weights {
        *weight *= scale;
    }
}

/// Any number of weights squared and normalised to sum 1.
#[inline(always)]
pub(super) fn square_weights(weights: &mut [f32]) {
    let mut sum = 0.0_f64;
    for weight in weights.iter_mut() {
        *weight *= *weight;
        sum += f64::from(*weight);
    }
    let scale = (1.0 / sum) as f32;
    for weight in weights {
        *weight *= scale;
    }
}
