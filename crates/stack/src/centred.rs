//! Sorted samples of eight pixels less a pivot of each, in f64.

use crate::lanes::{Counts, Lane};

/// Lanes at a time: what a method keeps per lane then fits the registers.
pub const PART: usize = 8;

/// A number per lane of a part.
pub type Part = [f64; PART];

/// All bits where `yes`.
#[inline(always)]
pub fn mask(yes: bool) -> u64 {
    u64::from(yes).wrapping_neg()
}

/// `value` where the mask is set, else 0.
#[inline(always)]
pub fn only(mask: u64, value: f64) -> f64 {
    f64::from_bits(value.to_bits() & mask)
}

/// `yes` where the mask is set, else `no`.
#[inline(always)]
pub fn select(mask: u64, yes: f64, no: f64) -> f64 {
    f64::from_bits(yes.to_bits() & mask | no.to_bits() & !mask)
}

/// The valid samples of the lanes from `part` on, less the middle one of each lane, to `rows`; 0 above them. `each` gets
/// the rows in order, with their rank.
#[inline(always)]
pub fn centre(
    sorted: &[Lane],
    depth: &Counts,
    part: usize,
    rows: &mut Vec<Part>,
    mut each: impl FnMut(f64, &Part),
) {
    let (mut pivot, mut least, mut most) = ([0.0_f64; PART], i32::MAX, 0);
    for lane in 0..PART {
        let n = depth[part + lane];
        (least, most) = (least.min(n), most.max(n));
        if n > 0 {
            pivot[lane] = f64::from(sorted[n as usize / 2].0[part + lane]);
        }
    }
    let (all, some) = (least as usize, most as usize);
    if rows.len() < some {
        rows.resize(some, [0.0; PART]);
    }
    let difference = |samples: &Lane| -> Part {
        let mut d = [0.0; PART];
        for lane in 0..PART {
            d[lane] = f64::from(samples.0[part + lane]) - pivot[lane];
        }
        d
    };
    let mut rank = 0.0;
    for (row, samples) in rows[..all].iter_mut().zip(sorted) {
        *row = difference(samples);
        each(rank, row);
        rank += 1.0;
    }
    for (row, samples) in rows[all..some].iter_mut().zip(&sorted[all..some]) {
        *row = difference(samples);
        for lane in 0..PART {
            row[lane] = only(mask(rank < f64::from(depth[part + lane])), row[lane]);
        }
        each(rank, row);
        rank += 1.0;
    }
}
