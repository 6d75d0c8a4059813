//! Box of exactly computed positions, from samples refined until the map is straight enough between them.

use super::Core;

const FIRST_STEP_PX: usize = 32;

/// Box of exact positions from `first` to `last`: samples on a lattice that is refined until bilinear interpolation is
/// good to a quarter pixel, padded by what that leaves; every pixel where that fails.
pub(super) fn exact_bounds(core: &Core, first: [usize; 2], last: [usize; 2]) -> Option<[f64; 4]> {
    let mut step = FIRST_STEP_PX;
    loop {
        let (found, deviation) = sampled_bounds(core, first, last, step);
        let pad = 2.0 * deviation;
        if deviation <= 0.25 || step == 1 {
            let pad = if step == 1 { 0.0 } else { pad };
            return found.map(|b| [b[0] - pad, b[1] - pad, b[2] + pad, b[3] + pad]);
        }
        step /= 2;
    }
}

/// Box of the positions every `step` px (first and last included) and the largest deviation of a sample from the mean of
/// its two neighbours along its row or column; infinite where some samples are undefined.
fn sampled_bounds(core: &Core, first: [usize; 2], last: [usize; 2], step: usize) -> (Option<[f64; 4]>, f64) {
    let axis = |k: usize| -> Vec<usize> {
        let mut v: Vec<usize> = (first[k]..last[k]).step_by(step).collect();
        v.push(last[k]);
        v
    };
    let (columns, rows) = (axis(0), axis(1));
    let points: Vec<Option<(f64, f64)>> = rows
        .iter()
        .flat_map(|&y| columns.iter().map(move |&x| (x, y)))
        .map(|(x, y)| core.exact(x as f64, y as f64))
        .collect();
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let found = points
        .iter()
        .flatten()
        .fold(start, |b, p| [b[0].min(p.0), b[1].min(p.1), b[2].max(p.0), b[3].max(p.1)]);
    let mut deviation: f64 = if points.iter().all(Option::is_some) { 0.0 } else { f64::INFINITY };
    let n = columns.len();
    for (j, &y) in rows.iter().enumerate() {
        for (i, &x) in columns.iter().enumerate() {
            let mut check = |k: Option<usize>, mx: f64, my: f64| {
                let Some(Some(b)) = k.map(|k| points[k]) else { return };
                let (Some(a), Some(m)) = (points[j * n + i], core.exact(mx, my)) else {
                    deviation = f64::INFINITY;
                    return;
                };
                deviation =
                    deviation.max((a.0.midpoint(b.0) - m.0).abs()).max((a.1.midpoint(b.1) - m.1).abs());
            };
            let (x_mid, y_mid) = (
                columns.get(i + 1).map_or(0.0, |&b| (x as f64).midpoint(b as f64)),
                rows.get(j + 1).map_or(0.0, |&b| (y as f64).midpoint(b as f64)),
            );
            check((i + 1 < n).then_some(j * n + i + 1), x_mid, y as f64);
            check((j + 1 < rows.len()).then_some((j + 1) * n + i), x as f64, y_mid);
        }
    }
    ((found[0] <= found[2]).then_some(found), deviation)
}
