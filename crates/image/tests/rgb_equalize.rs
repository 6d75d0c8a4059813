//! RGB equalisation against a definition that sorts, and its decisions.

use zemosaic_image::rgb_equalize::{RgbDecision, RgbEqualizeOptions, RgbSamples, rgb_equalize};

/// Something like noise in -1 .. 1.
fn random(i: usize, salt: u64) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ salt).rotate_left(29);
    (mixed.wrapping_mul(0xD134_2543_DE82_EF95) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn plane(n: usize, level: f32, salt: u64) -> Vec<f32> {
    (0..n)
        .map(|i| match i % 97 {
            // Stars, holes and what is below 0.
            3 => level * 20.0,
            7 => f32::NAN,
            11 => -level,
            _ => level + 10.0 * random(i, salt),
        })
        .collect()
}

/// Value at rank q (n - 1) of sorted values, between ranks linearly.
fn rank(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = q * (values.len() - 1) as f64;
    let (low, share) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(values.len() - 1);
    values[low] + share * (values[high] - values[low])
}

#[test]
fn gains_are_those_of_the_definition() {
    let n = 40_000;
    for (levels, clipped) in [([400.0, 410.0, 395.0], false), ([400.0, 500.0, 300.0], true)] {
        let planes: Vec<Vec<f32>> = (0..3).map(|c| plane(n, levels[c], c as u64)).collect();
        let found = rgb_equalize([&planes[0], &planes[1], &planes[2]], &RgbEqualizeOptions::default());
        let pixels: Vec<[f64; 3]> = (0..n)
            .map(|i| [planes[0][i], planes[1][i], planes[2][i]].map(f64::from))
            .filter(|pixel| pixel.iter().all(|value| value.is_finite() && *value > 0.0))
            .collect();
        let middle = |pixel: &[f64; 3]| {
            let mut sorted = *pixel;
            sorted.sort_by(f64::total_cmp);
            sorted[1]
        };
        let mut luminance: Vec<f64> = pixels.iter().map(middle).collect();
        let (low, high) = (rank(&mut luminance, 0.05), rank(&mut luminance, 0.85));
        let kept: Vec<&[f64; 3]> =
            pixels.iter().filter(|pixel| (low..=high).contains(&middle(pixel))).collect();
        let medians: Vec<f64> =
            (0..3).map(|c| rank(&mut kept.iter().map(|pixel| pixel[c]).collect::<Vec<_>>(), 0.5)).collect();
        let target = rank(&mut medians.clone(), 0.5);
        assert_eq!(found.decision, RgbDecision::Applied);
        assert!((found.samples as f64 / kept.len() as f64 - 1.0).abs() < 1e-3);
        for (channel, own) in medians.iter().enumerate() {
            assert!((found.medians[channel] / own - 1.0).abs() < 1e-4, "{found:?}");
            let gain = (target / own).clamp(0.95, 1.05);
            assert!((found.gains[channel] / gain - 1.0).abs() < 1e-4, "{found:?}");
        }
        assert_eq!(found.gains.iter().any(|gain| *gain == 0.95 || *gain == 1.05), clipped);
    }
}

#[test]
fn what_cannot_be_judged_is_left_alone_and_said() {
    let options = RgbEqualizeOptions::default();
    let flat = |n: usize, value: f32| vec![value; n];
    let decide = |n, r, g, b| {
        let planes = [flat(n, r), flat(n, g), flat(n, b)];
        rgb_equalize([&planes[0], &planes[1], &planes[2]], &options)
    };
    let idle = decide(100_000, 5.0, -1.0, 5.0);
    assert_eq!((idle.decision, idle.gains), (RgbDecision::NoValidPixels, [1.0; 3]));
    assert_eq!(decide(4000, 5.0, 4.0, 5.0).decision, RgbDecision::InsufficientSamples);
    assert_eq!(decide(6000, 5.0, 4.0, 5.0).decision, RgbDecision::Applied);
    let mut sparse = flat(700_000, f32::NAN);
    sparse[..6000].fill(3.0);
    let found = rgb_equalize([&sparse, &sparse, &sparse], &options);
    assert_eq!(found.decision, RgbDecision::InsufficientCoverage);
    assert_eq!(found.decision.name(), "insufficient_coverage");
}

#[test]
fn rows_of_any_length_and_large_images_give_the_same() {
    let n = 3_000_000;
    let planes: Vec<Vec<f32>> = (0..3).map(|c| plane(n, 400.0 + c as f32, c as u64)).collect();
    let of = |width: usize| {
        let mut samples = RgbSamples::new(n);
        for x in (0..n).step_by(width) {
            let row = x..(x + width).min(n);
            samples.add_row([&planes[0][row.clone()], &planes[1][row.clone()], &planes[2][row]]);
        }
        samples.decide(&RgbEqualizeOptions::default())
    };
    let whole = of(n);
    assert_eq!(whole, of(1001));
    assert_eq!(whole, of(2));
    for channel in 0..3 {
        // The brightest 15 % do not count.
        assert!((whole.medians[channel] - 399.3 - channel as f64).abs() < 1.0, "{whole:?}");
    }
}
