//! What counts as a star: faint ones, hot pixels, saturated ones, doubles, edges, holes, odd frames.

mod common;

use common::*;
use zemosaic_image::Sites;
use zemosaic_stars::{FrameInfo, FrameQuality, MemoryPixels, StarFlags, StarOptions, StarsError, find_stars};
use zemosaic_testkit::psf::Moffat;
use zemosaic_testkit::rng::Rng;

#[test]
fn faint_stars_are_found_and_noise_is_not() {
    for sites in BOTH {
        let empty = Picture::sky(1080, 960, sites, 20.0, 11);
        assert!(empty.field().stars.len() <= 1, "{sites:?}: {:?}", empty.field().stars);
        for fwhm in [1.8, 2.5, 4.0] {
            let mut picture = Picture::sky(1080, 960, sites, 20.0, 12);
            let psf = Moffat::new(fwhm, 0.0, 0.0);
            let truth = places(1080, 960, 40, 5);
            // Twenty sigma in an aperture of the size of the FWHM, whatever the colour.
            let flux = 20.0 * 20.0 * 2.0 * fwhm / 0.6;
            for at in &truth {
                picture.star(&psf, *at, flux);
            }
            let field = picture.field();
            let found = truth
                .iter()
                .filter(|at| field.stars.iter().any(|s| (s.x_px - at.0).hypot(s.y_px - at.1) < 1.5))
                .count();
            eprintln!("{sites:?} {fwhm}: {found} of {}, {} in all", truth.len(), field.stars.len());
            assert!(found as f64 > 0.93 * truth.len() as f64, "{sites:?} {fwhm}: {found} of {}", truth.len());
            assert!(field.stars.len() <= found + found / 50 + 2);
        }
    }
}

#[test]
fn hot_pixels_are_no_stars() {
    for sites in BOTH {
        let mut picture = Picture::sky(800, 600, sites, 15.0, 21);
        let mut rng = Rng::for_keys(4, &[]);
        for _ in 0..200 {
            let at = rng.below(picture.pixels.len());
            picture.pixels[at] += rng.range(300.0, 20_000.0) as f32;
        }
        let stars = picture.field().stars;
        assert!(stars.len() <= 4, "{sites:?}: {} {:?}", stars.len(), stars);
    }
}

#[test]
fn what_is_special_is_told() {
    let mut picture = Picture::sky(400, 300, Sites::All, 10.0, 3);
    picture.info.saturation_adu = Some(40_000.0);
    let psf = Moffat::new(2.6, 0.0, 0.0);
    for at in places(400, 300, 70, 1) {
        picture.star(&psf, at, 20_000.0);
    }
    picture.star(&psf, (105.0, 105.0), 2e6);
    picture.star(&psf, (180.0, 110.0), 15_000.0);
    picture.star(&psf, (186.0, 112.0), 9_000.0);
    picture.star(&psf, (250.3, 1.0), 20_000.0);
    picture.pixels.iter_mut().for_each(|pixel| *pixel = pixel.min(40_000.0));
    let field = picture.field();
    let at = |x: f64, y: f64| field.stars.iter().find(|s| (s.x_px - x).hypot(s.y_px - y) < 2.0);
    assert!(at(105.0, 105.0).is_some_and(|star| star.flags.has(StarFlags::SATURATED)));
    assert!(at(180.0, 110.0).is_some_and(|star| star.flags.has(StarFlags::BLENDED)));
    assert!(at(186.0, 112.0).is_some_and(|star| star.flags.has(StarFlags::BLENDED)));
    assert!(at(250.3, 1.0).is_some_and(|star| star.flags.has(StarFlags::EDGE)));
    assert!(field.stars.windows(2).all(|pair| pair[0].flux_adu >= pair[1].flux_adu));
    assert_eq!(field.trails, []);
    // Without a level a flat top tells.
    picture.info.saturation_adu = None;
    let field = picture.field();
    let top = field.stars.iter().find(|s| (s.x_px - 105.0).hypot(s.y_px - 105.0) < 2.0);
    assert!(top.is_some_and(|star| star.flags.has(StarFlags::SATURATED)));
}

#[test]
fn holes_and_gradients_do_no_harm() {
    let mut picture = Picture::sky(700, 500, BOTH[1], 10.0, 31);
    let psf = Moffat::new(2.6, 0.0, 0.0);
    for at in places(700, 500, 50, 1) {
        picture.star(&psf, at, 20_000.0);
    }
    let whole = FrameQuality::of(&picture.field());
    let mut rng = Rng::for_keys(9, &[]);
    for (index, pixel) in picture.pixels.iter_mut().enumerate() {
        let (x, y) = ((index % 700) as f32, (index / 700) as f32);
        *pixel += 0.3 * x + 0.2 * y;
        let lone = rng.uniform() < 0.01;
        if lone || (300.0..340.0).contains(&x) {
            *pixel = f32::NAN;
        }
    }
    let holed = FrameQuality::of(&picture.field());
    assert!((holed.fwhm_px / whole.fwhm_px - 1.0).abs() < 0.02, "{holed:?}");
    assert!((holed.gradient_adu / (0.3 * 700.0 + 0.2 * 500.0) - 1.0).abs() < 0.1, "{holed:?}");
    assert!((holed.noise_adu / 10.0 - 1.0).abs() < 0.1 && (whole.noise_adu / 10.0 - 1.0).abs() < 0.05);
    assert!(holed.stars * 10 > whole.stars * 7 && holed.trails.is_empty(), "{holed:?}");
    assert!((whole.background_adu / (LEVEL * 0.825) - 1.0).abs() < 0.01, "{whole:?}");
}

#[test]
fn odd_frames_are_no_panic() {
    let find = |width: usize, height: usize, value: f32| {
        let pixels = vec![value; width * height];
        let info = FrameInfo { width, height, sites: Sites::All, saturation_adu: None };
        find_stars(&mut MemoryPixels { width, pixels: &pixels }, &info, &StarOptions::default())
    };
    assert!(matches!(find(10, 100, 1.0), Err(StarsError::Small { .. })));
    assert!(matches!(find(100, 100, f32::NAN), Err(StarsError::Background(_))));
    for (width, height) in [(33, 32), (131, 97), (400, 33)] {
        assert!(find(width, height, 0.0).is_ok_and(|field| field.stars.is_empty()), "{width} {height}");
        assert!(find(width, height, 1e30).is_ok_and(|field| field.stars.is_empty()), "{width} {height}");
    }
}
