//! VNG in the numbering of its paper.

use super::filled_value;
use crate::demosaic::CfaWindow;

/// Red, green and blue of the frame's pixel (`x`, `y`) by VNG (Chang, Cheung & Pang 1999). `window` is the whole
/// frame, of two rows and columns at least. Bad pixels are filled and edges mirrored as `docs/methods/demosaic.md`
/// says; a bad neighbourhood that makes the fast code bilinear is not looked at here.
pub fn vng_pixel(window: &CfaWindow<'_>, x: i64, y: i64) -> [f64; 3] {
    // The 5 x 5, rows first, numbered from 1.
    let value = |n: i64| filled_value(window, x + (n - 1) % 5 - 2, y + (n - 1) / 5 - 2);
    let d = |a: i64, b: i64| (value(a) - value(b)).abs();
    let mean = |of: &[i64]| of.iter().map(|n| value(*n)).sum::<f64>() / of.len() as f64;
    let own = window.pattern.colour_at(x, y);
    let row_colour = window.pattern.colour_at(x + 1, y);
    let half = |a: f64| 0.5 * a;
    let mut gradients = vec![
        d(8, 18) + d(3, 13) + half(d(7, 17)) + half(d(9, 19)) + half(d(2, 12)) + half(d(4, 14)),
        d(14, 12) + d(15, 13) + half(d(9, 7)) + half(d(19, 17)) + half(d(10, 8)) + half(d(20, 18)),
        d(18, 8) + d(23, 13) + half(d(19, 9)) + half(d(17, 7)) + half(d(24, 14)) + half(d(22, 12)),
        d(12, 14) + d(11, 13) + half(d(17, 19)) + half(d(7, 9)) + half(d(16, 18)) + half(d(6, 8)),
    ];
    // Colours towards north, east, south, west, north-east, south-east, south-west, north-west: own, then two more.
    let sides: Vec<[f64; 3]>;
    let (second, third);
    if own == 1 {
        gradients.extend([
            d(9, 17) + d(5, 13) + d(4, 12) + d(10, 18),
            d(19, 7) + d(25, 13) + d(20, 8) + d(24, 12),
            d(17, 9) + d(21, 13) + d(22, 14) + d(16, 8),
            d(7, 19) + d(1, 13) + d(6, 18) + d(2, 14),
        ]);
        (second, third) = (row_colour, 2 - row_colour);
        sides = vec![
            [mean(&[3, 13]), mean(&[2, 4, 12, 14]), value(8)],
            [mean(&[13, 15]), value(14), mean(&[8, 10, 18, 20])],
            [mean(&[13, 23]), mean(&[12, 14, 22, 24]), value(18)],
            [mean(&[11, 13]), value(12), mean(&[6, 8, 16, 18])],
            [value(9), mean(&[4, 14]), mean(&[8, 10])],
            [value(19), mean(&[14, 24]), mean(&[18, 20])],
            [value(17), mean(&[12, 22]), mean(&[16, 18])],
            [value(7), mean(&[2, 12]), mean(&[6, 8])],
        ];
    } else {
        gradients.extend([
            d(9, 17) + d(5, 13) + half(d(8, 12)) + half(d(14, 18)) + half(d(4, 8)) + half(d(10, 14)),
            d(19, 7) + d(25, 13) + half(d(14, 8)) + half(d(18, 12)) + half(d(20, 14)) + half(d(24, 18)),
            d(17, 9) + d(21, 13) + half(d(18, 14)) + half(d(12, 8)) + half(d(22, 18)) + half(d(16, 12)),
            d(7, 19) + d(1, 13) + half(d(12, 18)) + half(d(8, 14)) + half(d(6, 12)) + half(d(2, 8)),
        ]);
        (second, third) = (1, 2 - own);
        sides = vec![
            [mean(&[3, 13]), value(8), mean(&[7, 9])],
            [mean(&[13, 15]), value(14), mean(&[9, 19])],
            [mean(&[13, 23]), value(18), mean(&[17, 19])],
            [mean(&[11, 13]), value(12), mean(&[7, 17])],
            [mean(&[5, 13]), mean(&[4, 8, 10, 14]), value(9)],
            [mean(&[25, 13]), mean(&[14, 18, 20, 24]), value(19)],
            [mean(&[21, 13]), mean(&[12, 16, 18, 22]), value(17)],
            [mean(&[1, 13]), mean(&[2, 6, 8, 12]), value(7)],
        ];
    }
    let least = gradients.iter().copied().fold(f64::INFINITY, f64::min);
    let most = gradients.iter().copied().fold(0.0, f64::max);
    let threshold = 1.5 * least + 0.5 * (most - least);
    let chosen: Vec<&[f64; 3]> = sides
        .iter()
        .zip(&gradients)
        .filter(|(_, gradient)| **gradient <= threshold)
        .map(|(side, _)| side)
        .collect();
    let total =
        |colour: usize| chosen.iter().map(|side| side[colour] - side[0]).sum::<f64>() / chosen.len() as f64;
    let mut out = [value(13); 3];
    out[second] += total(1);
    out[third] += total(2);
    out
}
