//! Two-pass coverage renormalisation against its definition, and against what is known of ZeMosaic's.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use zemosaic_gauge::compat::coverage_scale::{
    Bands, ScaleProgress, coverage_scale, coverage_scale_definition,
};
use zemosaic_gauge::compat::two_pass::{
    TileMask, TwoPassError, TwoPassGain, TwoPassOptions, coverage_gains, coverage_of,
};
use zemosaic_image::Region;

/// A whole rectangle.
struct Tile {
    region: Region,
    weight: f32,
}

impl TileMask for Tile {
    fn region(&self) -> Region {
        self.region
    }
    fn pixels(&self) -> usize {
        self.region.area()
    }
    fn weight(&self) -> f32 {
        self.weight
    }
    fn row(&self, _: i64, _: i64, mask: &mut [f32]) {
        mask.fill(1.0);
    }
}

fn gains(tiles: &[Tile], size: (usize, usize), bands: usize, threads: usize) -> (Vec<f32>, Vec<TwoPassGain>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let options = TwoPassOptions::default();
        let mut plane = coverage_of(tiles, size, &|_| {});
        let found = coverage_gains(&mut plane, size, tiles, &options, Bands { rows: bands }, &|_| {});
        (plane, found.unwrap())
    })
}

/// Three tiles of 300 x 300 px in a row.
fn row_of_three(overlap_px: i64, weights: [f32; 3]) -> (Vec<Tile>, (usize, usize)) {
    let step = 300 - overlap_px;
    let tile = |(index, weight)| Tile {
        region: Region { x0: index * step, y0: 0, width: 300, height: 300 },
        weight,
    };
    ((0..).zip(weights).map(tile).collect(), (2 * step as usize + 300, 300))
}

/// What ZeMosaic was seen to give for identical constant tiles, where 1, 1, 1 would be right.
#[test]
fn gains_are_those_of_zemosaic() {
    let cases = [
        (100, [40.0, 3.0, 40.0], [1.0001, 0.9165, 1.0001]),
        (100, [1.0; 3], [1.0; 3]),
        (150, [1.0; 3], [1.0; 3]),
        (200, [1.0; 3], [0.888, 0.948, 0.888]),
        (150, [1.35, 0.75, 1.35], [0.993, 0.993, 0.993]),
        (200, [1.35, 0.75, 1.35], [0.873, 0.997, 0.873]),
    ];
    for (overlap, weights, expected) in cases {
        let (tiles, size) = row_of_three(overlap, weights);
        let (_, found) = gains(&tiles, size, 64, 2);
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found.gain - expected).abs() < 1e-3,
                "overlap {overlap}, {weights:?}: {found:?}, {expected}"
            );
        }
    }
}

#[test]
fn bytes_do_not_depend_on_bands_or_threads() {
    let tiles: Vec<Tile> = (0..7)
        .map(|k| Tile {
            region: Region { x0: 90 * k - 20, y0: 70 * (k % 3), width: 260 + 3 * k as usize, height: 230 },
            weight: 1.0 + 0.37 * k as f32,
        })
        .collect();
    let size = (733, 541);
    let expected = gains(&tiles, size, 541, 1);
    let bits = |plane: &[f32]| plane.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (bands, threads) in [(64, 1), (512, 1), (64, 4), (7, 4), (10_000, 3)] {
        let found = gains(&tiles, size, bands, threads);
        assert!(bits(&found.0) == bits(&expected.0), "bands of {bands}, {threads} threads");
        assert_eq!(found.1, expected.1);
    }
    assert!(expected.1.iter().all(|gain| !gain.fell_back));
    assert!(expected.1.iter().any(|gain| (gain.gain - 1.0).abs() > 0.02));
}

#[test]
fn scales_are_those_of_the_definition() {
    let options = TwoPassOptions { sigma_px: 4.0, min_blur: 0.5, ..TwoPassOptions::default() };
    // The second is smaller than the Gaussian: it is reflected more than once.
    for size in [(61, 47), (9, 5), (1, 40)] {
        let noise = zemosaic_testkit::noise_image(size.0, size.1, 2.0, 1.5, 3);
        let mut plane: Vec<f32> =
            noise.iter().map(|value| if *value < 0.8 { 0.0 } else { value.round() }).collect();
        plane[3] = f32::NAN;
        plane[4] = -1.0;
        let expected = coverage_scale_definition(&plane, size, &options);
        coverage_scale(&mut plane, size, &options, Bands { rows: 8 }, &|_| {}).unwrap();
        for (found, expected) in plane.iter().zip(&expected) {
            assert_eq!(found.is_nan(), expected.is_nan());
            assert!(expected.is_nan() || (f64::from(*found) - expected).abs() < 2e-6, "{found} {expected}");
        }
        assert!(expected.iter().any(|value| *value > 0.5 && *value < 2.0));
    }
}

/// A band of a wide Gaussian takes long: whoever looks on hears of every row and strip of columns.
#[test]
fn pieces_of_bands_are_told_of() {
    let options = TwoPassOptions { sigma_px: 4.0, ..TwoPassOptions::default() };
    let (pieces, bands) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let told = |progress: ScaleProgress| match progress {
        ScaleProgress::Piece => pieces.fetch_add(1, Ordering::Relaxed),
        ScaleProgress::Rows(_) => bands.fetch_add(1, Ordering::Relaxed),
    };
    let mut plane = vec![1.0_f32; 40 * 20];
    coverage_scale(&mut plane, (40, 20), &options, Bands { rows: 8 }, &|progress| {
        told(progress);
    })
    .unwrap();
    // 20 rows, and 3 strips of 16 columns in each of 3 bands.
    assert_eq!((pieces.into_inner(), bands.into_inner()), (20 + 3 * 3, 3));
}

#[test]
fn what_cannot_be_measured_keeps_its_level() {
    let far = Tile { region: Region { x0: 5000, y0: 0, width: 300, height: 300 }, weight: 1.0 };
    let thin = Tile { region: Region { x0: 0, y0: 0, width: 7, height: 9 }, weight: 9.0 };
    let (_, found) = gains(&[far, thin], (400, 300), 64, 2);
    assert_eq!(found[0], TwoPassGain { gain: 1.0, pixels: 0, fell_back: true });
    assert_eq!(found[1], TwoPassGain { gain: 1.0, pixels: 63, fell_back: true });
}

/// What a caller may get wrong is an error, of both steps, and never a panic.
#[test]
fn wrong_planes_and_options_are_errors() {
    let good = TwoPassOptions { sigma_px: 4.0, ..TwoPassOptions::default() };
    let (tiles, size) = row_of_three(100, [1.0; 3]);
    let all = |pixels: usize, size: (usize, usize), options: &TwoPassOptions| {
        let mut plane = vec![1.0_f32; pixels];
        let scaled = coverage_scale(&mut plane, size, options, Bands::default(), &|_| {});
        let found = coverage_gains(&mut plane, size, &tiles, options, Bands::default(), &|_| {});
        // As text: NaN is not equal to itself.
        assert_eq!(format!("{:?}", scaled.err()), format!("{:?}", found.as_ref().err()), "{options:?}");
        found
    };
    let pixels = size.0 * size.1;
    for (pixels, (width, height)) in
        [(0, size), (pixels - 1, size), (pixels + 1, size), (1, (0, 5)), (8, (usize::MAX, 9))]
    {
        let error = TwoPassError::Canvas { pixels, width, height };
        assert_eq!(all(pixels, (width, height), &good), Err(error));
    }
    for sigma_px in [0.0, -3.0, f64::NAN, f64::INFINITY, 1e300, 1000.1] {
        let found = all(pixels, size, &TwoPassOptions { sigma_px, ..good }).unwrap_err();
        assert!(matches!(found, TwoPassError::Sigma { .. }), "{found}");
    }
    for clip in [[1.2, 0.9], [f64::NAN, 1.0], [0.5, f64::NAN], [0.0, 1.0], [0.5, f64::INFINITY]] {
        let wrong = [TwoPassOptions { gain_clip: clip, ..good }, TwoPassOptions { scale_clip: clip, ..good }];
        for options in wrong {
            assert_eq!(all(pixels, size, &options), Err(TwoPassError::Clip));
        }
    }
    let options = TwoPassOptions { min_blur: f64::NAN, ..good };
    assert_eq!(all(pixels, size, &options), Err(TwoPassError::MinBlur));
    assert!(all(pixels, size, &good).unwrap().len() == 3 && all(0, (0, 0), &good).unwrap().len() == 3);
}
