//! The adaptive kernel against its formulas written down once more, with a decomposition by angles.

#[path = "common/area.rs"]
mod area;
mod common;

use std::f64::consts::PI;

use area::{Corners, Sampled};
use common::{Frame, Random};
use zemosaic_image::Region;
use zemosaic_resample::SourceWindow;
use zemosaic_resample::area::{Adaptive, AdaptiveOptions, AdaptiveShape};

fn run(adaptive: &Adaptive, window: &SourceWindow<'_>, noise: Option<&[f32]>, corners: &Corners) -> Sampled {
    let mut out = Sampled::new(corners.width * corners.height);
    for j in 0..corners.height {
        let row = out.row(j * corners.width, corners.width);
        adaptive.row(std::slice::from_ref(window), noise, corners.row(j), &mut [row]);
    }
    out
}

/// Value, variance factor and share of good weight; `None` outside the frame.
fn formula(opts: &AdaptiveOptions, frame: &Frame, q: &[[f64; 2]; 4]) -> Option<(f64, f64, f64)> {
    let mean = |k: usize| q.iter().map(|p| p[k]).sum::<f64>() / 4.0;
    let (cx, cy) = (mean(0), mean(1));
    let inside = |p: f64, n: usize| p >= -0.5 && p < n as f64 - 0.5;
    if !(inside(cx, frame.width) && inside(cy, frame.height)) {
        return None;
    }
    let along =
        |a: usize, b: usize, c: usize, d: usize, k: usize| (q[a][k] - q[b][k] + q[c][k] - q[d][k]) / 2.0;
    let j = [[along(1, 0, 2, 3, 0), along(3, 0, 2, 1, 0)], [along(1, 0, 2, 3, 1), along(3, 0, 2, 1, 1)]];
    // J = R(phi) diag(s0, s1) R(theta); s1 is negative for mirrored maps, then the sign goes to the second axis.
    let (e, f) = (0.5 * (j[0][0] + j[1][1]), (j[0][0] - j[1][1]) / 2.0);
    let (g, h) = (0.5 * (j[1][0] + j[0][1]), (j[1][0] - j[0][1]) / 2.0);
    let (s0, s1) = (e.hypot(h) + f.hypot(g), e.hypot(h) - f.hypot(g));
    let (a1, a2) = (g.atan2(f), h.atan2(e));
    let (theta, phi) = ((a2 - a1) / 2.0, 0.5 * (a2 + a1));
    let (p0, p1) = (s0.max(1.0), s1.signum() * s1.abs().max(1.0));
    let to_output = |dx: f64, dy: f64| {
        let (u, v) = (phi.cos() * dx + phi.sin() * dy, -phi.sin() * dx + phi.cos() * dy);
        let (u, v) = (u / p0, v / p1);
        (theta.cos() * u + theta.sin() * v, -theta.sin() * u + theta.cos() * v)
    };
    let half = opts.sample_region_width / 2.0 * p0.max(p1.abs());
    let (mut k_good, mut k_all, mut kx, mut k2) = (0.0, 0.0, 0.0, 0.0);
    let reach = half.max(2.0 * p0) as i64 + 2;
    for y in cy as i64 - reach..=cy as i64 + reach {
        for x in cx as i64 - reach..=cx as i64 + reach {
            let Some(value) = frame.at(x, y) else { continue };
            let (dx, dy) = (x as f64 - cx, y as f64 - cy);
            let (u, v) = to_output(dx, dy);
            let k = match opts.shape {
                AdaptiveShape::Gaussian if dx.abs() <= half && dy.abs() <= half => {
                    (-2.0 * (u * u + v * v) / opts.kernel_width.powi(2)).exp()
                }
                AdaptiveShape::Hann if u.abs() < 1.0 && v.abs() < 1.0 => {
                    (1.0 + (PI * u).cos()) * (1.0 + (PI * v).cos()) / 4.0
                }
                _ => 0.0,
            };
            k_all += k;
            if !value.is_nan() {
                k_good += k;
                kx += k * f64::from(value);
                k2 += k * k;
            }
        }
    }
    Some((kx / k_good, k2 / (k_good * k_good), k_good / k_all))
}

fn cases() -> Vec<(f64, Corners)> {
    let mut all = Vec::new();
    for (scale, parity, angle) in [
        (1.0, 1.0, 3.0),
        (1.0, -1.0, 50.0),
        (0.4, 1.0, 20.0),
        (2.3, -1.0, 140.0),
        (3.13, 1.0, 0.0),
        (1.0, 1.0, 0.0),
    ] {
        all.push((scale, Corners::affine(31, 27, scale, angle, parity, [20.2, 17.3])));
        all.push((
            1.5 * scale,
            Corners::affine(31, 27, scale, angle, parity, [20.2, 17.3]).shaken(0.15 * scale, 4),
        ));
    }
    // Long in one direction, short in the other.
    all.push((3.0, Corners::new(20, 40, |x, y| (2.5 * x - 6.0 + 0.3 * y, 0.5 * y + 4.0 - 0.2 * x))));
    all
}

#[test]
fn fast_code_is_the_formula() {
    let frame = Frame::noise(40, 34, 0.0, 1.0, 1).with_holes(2);
    for shape in [AdaptiveShape::Gaussian, AdaptiveShape::Hann] {
        let opts = AdaptiveOptions { shape, ..Default::default() };
        let (mut worst, mut worst_factor, mut compared) = (0.0_f64, 0.0_f64, 0);
        for (scale, corners) in cases() {
            let adaptive = Adaptive::new(opts, scale).unwrap();
            let found = run(&adaptive, &frame.window(), None, &corners);
            for k in 0..found.value.len() {
                let quad = corners.quad(k % corners.width, k / corners.width);
                let Some((value, factor, share)) = formula(&opts, &frame, &quad) else {
                    assert!(found.value[k].is_nan() && found.flags[k] == 0);
                    continue;
                };
                if (share - 0.5).abs() < 1e-5 {
                    continue;
                }
                assert_eq!(found.value[k].is_nan(), share < 0.5, "{shape:?} {quad:?} {share}");
                if share > 0.5 {
                    worst = worst.max((f64::from(found.value[k]) - value).abs());
                    worst_factor = worst_factor.max((f64::from(found.factor[k]) / factor - 1.0).abs());
                    assert_eq!(found.weight[k], 1.0);
                    compared += 1;
                }
            }
        }
        println!("{shape:?}: value {worst:.1e}, factor {worst_factor:.1e}, {compared} pixels");
        assert!(
            worst < 1e-6 && worst_factor < 1e-6 && compared > 3000,
            "{worst:e} {worst_factor:e} {compared}"
        );
    }
}

#[test]
fn a_constant_sky_stays_constant_and_windows_do_not_matter() {
    let sky = Frame::new(40, 34, |_, _| 1234.567).with_holes(3);
    let frame = Frame::noise(40, 34, 100.0, 10.0, 5).with_holes(6);
    let mut random = Random(7);
    for shape in [AdaptiveShape::Gaussian, AdaptiveShape::Hann] {
        let opts = AdaptiveOptions { shape, ..Default::default() };
        for (scale, corners) in cases() {
            let adaptive = Adaptive::new(opts, scale).unwrap();
            for value in run(&adaptive, &sky.window(), None, &corners).value.iter().filter(|v| !v.is_nan()) {
                assert!((value / 1234.567 - 1.0).abs() < 1.3e-7, "{value}");
            }
            let expected = run(&adaptive, &frame.window(), Some(&sky.data), &corners);
            for _ in 0..20 {
                let (i, j) = (random.below(corners.width), random.below(corners.height));
                let quad = corners.quad(i, j);
                let margin = adaptive.margin_px() as i64;
                let [x0, y0] = [0, 1]
                    .map(|k| (quad.iter().map(|p| p[k]).sum::<f64>() / 4.0 + 0.5).floor() as i64 - margin);
                let side = 2 * margin as usize + 1;
                let Some(region) = Region { x0, y0, width: side, height: side }.intersect(&frame.region())
                else {
                    continue;
                };
                let (data, noise) = (frame.cut(region), sky.cut(region));
                let window = SourceWindow { data: &data, region, ..frame.window() };
                let alone = Corners {
                    width: 1,
                    height: 1,
                    xs: (0..2).map(|k| corners.xs[j + k][i..i + 2].to_vec()).collect(),
                    ys: (0..2).map(|k| corners.ys[j + k][i..i + 2].to_vec()).collect(),
                };
                let found = run(&adaptive, &window, Some(&noise), &alone);
                assert_eq!(found.bits()[0], expected.bits()[j * corners.width + i]);
            }
        }
    }
}

#[test]
fn white_noise_has_the_variance_that_is_stated() {
    let mut random = Random(8);
    let relative: Vec<f32> = (0..300 * 300).map(|_| random.uniform(0.2, 3.0) as f32).collect();
    let data = relative.iter().map(|r| r.sqrt() * random.normal() as f32).collect();
    let frame = Frame { width: 300, height: 300, data };
    for shape in [AdaptiveShape::Gaussian, AdaptiveShape::Hann] {
        for scale in [1.0, 0.5, 2.0] {
            let adaptive = Adaptive::new(AdaptiveOptions { shape, ..Default::default() }, scale).unwrap();
            let n = (200.0 / scale) as usize;
            let corners = Corners::affine(n, n, scale, 20.0, 1.0, [149.6, 150.3]);
            let found = run(&adaptive, &frame.window(), Some(&relative), &corners);
            let squares: f64 = found.value.iter().map(|v| f64::from(*v).powi(2)).sum();
            let predicted: f64 =
                found.factor.iter().zip(&found.noise).map(|(f, r)| f64::from(*f) * f64::from(*r)).sum();
            assert!((squares / predicted - 1.0).abs() < 0.04, "{shape:?} x {scale}: {}", squares / predicted);
        }
    }
}
