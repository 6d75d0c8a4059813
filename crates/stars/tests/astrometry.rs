//! Match, plate fit, verification and comparison of WCSs on simulated lists of stars with truth, and on real frames.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::Read;
use std::path::{Path, PathBuf};

use zemosaic_fits::Header;
use zemosaic_image::{CfaPattern, Sites};
use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs, lonlat_deg, unit_vector};
use zemosaic_stars::{
    Detection, FitError, FitOptions, FrameInfo, MemoryPixels, PlateFit, ReferenceList, ReferenceStar,
    SipOrder, StarOptions, Verdict, VerifyOptions, WcsDifference, find_stars, fit_plate, match_stars, verify,
};
use zemosaic_testkit::Catalogue;
use zemosaic_testkit::real_data;
use zemosaic_testkit::rng::Rng;

const SEESTAR: [usize; 2] = [1080, 1920];
const SEESTAR_ARCSEC: f64 = 2.374;
const LENS: [usize; 2] = [2600, 1730];
const LENS_ARCSEC: f64 = 10.0;

/// What a system is made of; tests change it and build another.
#[derive(Debug, Clone, Copy)]
struct Plate {
    size: [usize; 2],
    centre: [f64; 2],
    shift_px: [f64; 2],
    scale_arcsec: f64,
    turn_deg: f64,
    flip: f64,
    /// Radial distortion at the corner.
    radial_px: f64,
}

const PLATE: Plate = Plate {
    size: SEESTAR,
    centre: [192.78, 41.12],
    shift_px: [0.0, 0.0],
    scale_arcsec: SEESTAR_ARCSEC,
    turn_deg: 178.7,
    flip: -1.0,
    radial_px: 0.0,
};

impl Plate {
    fn wcs(&self) -> Wcs {
        let (sin, cos) = self.turn_deg.to_radians().sin_cos();
        let scale = self.scale_arcsec / 3600.0;
        let cd = [[self.flip * scale * cos, scale * sin], [-self.flip * scale * sin, scale * cos]];
        let [w, h] = self.size.map(|n| n as f64);
        let crpix = [0.5 * (w - 1.0) + self.shift_px[0], 0.5 * (h - 1.0) + self.shift_px[1]];
        if self.radial_px == 0.0 {
            return Wcs::tan(self.centre, crpix, cd, SkyFrame::Icrs).unwrap();
        }
        let k = self.radial_px / (0.5 * w.hypot(h)).powi(3);
        let mut sip = SipCoefficients::zero(3);
        (sip.a[3 * 4], sip.a[4 + 2], sip.b[3], sip.b[2 * 4 + 1]) = (k, k, k, k);
        Wcs::tan_sip(self.centre, crpix, cd, SkyFrame::Icrs, &sip).unwrap()
    }
}

/// A catalogue and what a frame has of it.
struct Field {
    reference: Vec<ReferenceStar>,
    stars: Vec<Detection>,
    size: [usize; 2],
}

impl Field {
    /// `catalogue` stars spread over the frame and 100 px around it; in the frame 12 % of them are missing; `spurious`
    /// detections of the catalogue's faint half and fainter. Position errors as stated.
    fn new(truth: &Wcs, size: [usize; 2], catalogue: usize, spurious: usize, seed: u64) -> Self {
        let mut rng = Rng::for_keys(seed, &[1]);
        let (mut reference, mut stars) = (Vec::new(), Vec::new());
        for id in 0..catalogue {
            let around = |rng: &mut Rng, n: usize| rng.range(-100.0, n as f64 + 100.0);
            let (x, y) = (around(&mut rng, size[0]), around(&mut rng, size[1]));
            let mag = 6.0 + 6.0 * ((id + 1) as f64 / catalogue as f64).powf(0.4);
            let sigma_arcsec = 0.03;
            let (ra, dec) = lonlat_deg(&truth.pixel_to_icrs(x, y).unwrap());
            let off = sigma_arcsec / 3600.0;
            let ra_deg = ra + off * rng.normal() / dec.to_radians().cos();
            let star =
                ReferenceStar { id: id as u32, ra_deg, dec_deg: dec + off * rng.normal(), mag, sigma_arcsec };
            reference.push(star);
            let inside = x >= 0.0 && y >= 0.0 && x < size[0] as f64 && y < size[1] as f64;
            if inside && rng.uniform() >= 0.12 {
                let sigma_px = rng.range(0.08, 0.25);
                let flux_adu = 10f64.powf(-0.4 * (mag - 20.0));
                let (x_px, y_px) = (x + sigma_px * rng.normal(), y + sigma_px * rng.normal());
                stars.push(Detection { x_px, y_px, flux_adu, sigma_px });
            }
        }
        for _ in 0..spurious {
            let at = [rng.range(0.0, size[0] as f64), rng.range(0.0, size[1] as f64)];
            let flux_adu = 10f64.powf(-0.4 * (rng.range(11.0, 14.0) - 20.0));
            stars.push(Detection { x_px: at[0], y_px: at[1], flux_adu, sigma_px: 0.2 });
        }
        stars.sort_by(|a, b| b.flux_adu.total_cmp(&a.flux_adu));
        Self { reference, stars, size }
    }

    fn list(&self) -> ReferenceList {
        ReferenceList::new(self.reference.clone())
    }

    fn fit(&self, start: &Wcs, order: SipOrder) -> Result<PlateFit, FitError> {
        let options = FitOptions { order, ..FitOptions::default() };
        fit_plate(&self.stars, self.size, &self.list(), start, &options)
    }

    fn verdict(&self, wcs: &Wcs) -> Verdict {
        verify(&self.stars, self.size, &self.list(), wcs, &VerifyOptions::default()).verdict
    }
}

/// Pixel by `wcs` of what `truth` has at a pixel, less that pixel.
fn error_px(wcs: &Wcs, truth: &Wcs, [x, y]: [f64; 2]) -> [f64; 2] {
    let (u, v) = wcs.icrs_to_pixel(&truth.pixel_to_icrs(x, y).unwrap()).unwrap();
    [u - x, v - y]
}

fn worst_corner_px(wcs: &Wcs, truth: &Wcs, [w, h]: [usize; 2]) -> f64 {
    let corners = [[0.0, 0.0], [w as f64, 0.0], [0.0, h as f64], [w as f64, h as f64]];
    corners.map(|at| error_px(wcs, truth, at)).map(|[x, y]| x.hypot(y)).into_iter().fold(0.0, f64::max)
}

/// The definition of a match, over all pairs.
fn plain_matches(
    stars: &[Detection],
    size: [usize; 2],
    reference: &[ReferenceStar],
    wcs: &Wcs,
    radius: f64,
) -> Vec<(usize, u32)> {
    let at: Vec<Option<(f64, f64)>> = reference
        .iter()
        .map(|star| wcs.icrs_to_pixel(&unit_vector(star.ra_deg, star.dec_deg)))
        .map(|at| {
            let near = |v: f64, n: usize| v >= -0.5 - radius && v <= n as f64 - 0.5 + radius;
            at.filter(|(x, y)| near(*x, size[0]) && near(*y, size[1]))
        })
        .collect();
    let distance = |r: usize, s: usize| {
        at[r].map_or(f64::INFINITY, |(x, y)| (stars[s].x_px - x).hypot(stars[s].y_px - y))
    };
    let first_least = |values: Vec<f64>| {
        (0..values.len()).fold(0, |best, i| if values[i] < values[best] { i } else { best })
    };
    let mut pairs = Vec::new();
    for r in 0..reference.len() {
        let s = first_least((0..stars.len()).map(|s| distance(r, s)).collect());
        let back = first_least((0..reference.len()).map(|r| distance(r, s)).collect());
        let d = distance(r, s);
        let reach = 1.5 * d + 1.0;
        let second = (0..stars.len())
            .any(|o| o != s && distance(r, o) <= reach && stars[o].flux_adu >= 0.4 * stars[s].flux_adu);
        let other = (0..reference.len())
            .any(|o| o != r && distance(o, s) <= reach && reference[o].mag <= reference[r].mag + 1.0);
        if back == r && d <= radius && !second && !other {
            pairs.push((s, reference[r].id));
        }
    }
    pairs
}

#[test]
fn matches_are_those_of_the_plain_definition() {
    let truth = PLATE.wcs();
    let start = Plate { shift_px: [2.0, -1.5], ..PLATE }.wcs();
    let (mut pairs, mut left_out) = (0, 0);
    for seed in 0..4 {
        let field = Field::new(&truth, SEESTAR, 1200, 900, seed);
        for radius in [0.7, 4.0, 17.0] {
            let found = match_stars(&field.stars, SEESTAR, &field.reference, &start, radius);
            let found: Vec<_> = found.iter().map(|pair| (pair.star, pair.reference.id)).collect();
            let plain = plain_matches(&field.stars, SEESTAR, &field.reference, &start, radius);
            assert_eq!(found, plain, "seed {seed}, radius {radius}");
            pairs += found.len();
            left_out += field.reference.len() - found.len();
        }
    }
    assert!(pairs > 2500 && left_out > 2000, "{pairs} pairs, {left_out} left out: no test");
}

#[test]
fn of_two_like_stars_at_a_like_distance_neither_is_matched() {
    let wcs = PLATE.wcs();
    let star = |x_px: f64, flux_adu: f64| Detection { x_px, y_px: 500.0, flux_adu, sigma_px: 0.1 };
    let (ra_deg, dec_deg) = lonlat_deg(&wcs.pixel_to_icrs(400.0, 500.0).unwrap());
    let reference = [ReferenceStar { id: 7, ra_deg, dec_deg, mag: 9.0, sigma_arcsec: 0.1 }];
    let count = |stars: &[Detection]| match_stars(stars, SEESTAR, &reference, &wcs, 4.0).len();
    assert_eq!(count(&[star(401.0, 100.0)]), 1);
    assert_eq!(count(&[star(401.0, 100.0), star(398.0, 100.0)]), 0);
    assert_eq!(count(&[star(401.0, 100.0), star(398.0, 30.0)]), 1);
    assert_eq!(count(&[star(401.0, 100.0), star(396.0, 100.0)]), 1);
    assert_eq!(count(&[]), 0);
    assert_eq!(count(&[star(f64::NAN, 100.0)]), 0);
}

const TRIALS: u64 = 300;

#[test]
fn parameters_scatter_as_their_covariance_says() {
    let truth = PLATE.wcs();
    let probes = [[100.0, 100.0], [900.0, 300.0], [500.0, 1800.0]];
    let (mut sum, mut worst) = (0.0, 0.0_f64);
    for seed in 0..TRIALS {
        let field = Field::new(&truth, SEESTAR, 50, 30, 1000 + seed);
        let start = Plate { shift_px: [1.5, -2.0], turn_deg: PLATE.turn_deg + 0.05, ..PLATE }.wcs();
        let fit = field.fit(&start, SipOrder::Fixed(1)).unwrap();
        let terms = |x: f64, y: f64| nalgebra::Vector3::new(1.0, x, y);
        let mut normal = nalgebra::Matrix3::zeros();
        for pair in &fit.matches {
            let star = &field.stars[pair.star];
            let variance = star.sigma_px.powi(2) + (pair.reference.sigma_arcsec / SEESTAR_ARCSEC).powi(2);
            let t = terms(star.x_px, star.y_px);
            normal += t * t.transpose() / variance;
        }
        let rows = nalgebra::Matrix3::from_rows(&probes.map(|[x, y]| terms(x, y).transpose()));
        let covariance = rows * normal.try_inverse().unwrap() * rows.transpose();
        let inverse = covariance.try_inverse().unwrap();
        for axis in 0..2 {
            let error = nalgebra::Vector3::from(probes.map(|at| error_px(&fit.wcs, &truth, at)[axis]));
            let chi2 = (error.transpose() * inverse * error)[0];
            sum += chi2;
            worst = worst.max(chi2);
        }
    }
    let mean = sum / TRIALS as f64;
    eprintln!("chi2 of 6: mean {mean:.2}, worst of 3: {worst:.1}");
    // Standard error of the mean: sqrt(12 / 300) = 0.2; clipping and estimated weights cost some per cent.
    assert!((5.4..7.0).contains(&mean), "{mean}");
    assert!(worst < 30.0, "{worst}");
}

#[test]
fn one_bad_catalogue_star_does_not_move_the_corners() {
    let truth = PLATE.wcs();
    let (mut tried, mut far, mut worst) = (0, 0, 0.0_f64);
    for seed in 0..60 {
        let mut field = Field::new(&truth, SEESTAR, 28, 25, 2000 + seed);
        let Ok(clean) = field.fit(&truth, SipOrder::Auto) else { continue };
        let centre_distance = |pair: &&zemosaic_stars::Match| {
            let star = &field.stars[pair.star];
            (star.x_px - 539.5).hypot(star.y_px - 959.5)
        };
        let outermost =
            clean.matches.iter().max_by(|a, b| centre_distance(a).total_cmp(&centre_distance(b))).unwrap();
        let bad = outermost.reference.id as usize;
        field.reference[bad].dec_deg += 6.0 / 3600.0;
        let fit = field.fit(&truth, SipOrder::Auto).unwrap();
        assert!(fit.matches.iter().all(|pair| pair.reference.id as usize != bad), "seed {seed}: kept");
        assert!(fit.clipped >= 1, "seed {seed}: {}", fit.clipped);
        field.reference.remove(bad);
        let without = field.fit(&truth, SipOrder::Auto).unwrap();
        let moved = worst_corner_px(&fit.wcs, &without.wcs, SEESTAR);
        far += usize::from(moved > 1e-3);
        worst = worst.max(moved);
        tried += 1;
    }
    eprintln!("corners moved in {far} of {tried} frames, by {worst:.2} px at most");
    // A star at the limit of the clip may go one way or the other.
    assert!(tried > 50 && far <= 2 && worst < 0.4, "{far} of {tried}, {worst} px");
}

#[test]
fn distortion_is_found_where_it_is_and_not_where_it_is_not() {
    for (catalogue, needed) in [(80, 25), (150, 38), (400, 40)] {
        let bent = Plate { radial_px: 2.0, ..PLATE };
        let (mut found, mut worst) = (0, 0.0_f64);
        for seed in 0..40 {
            let field = Field::new(&bent.wcs(), SEESTAR, catalogue, catalogue / 2, 3000 + seed);
            let fit = field.fit(&PLATE.wcs(), SipOrder::Auto).unwrap();
            found += usize::from(fit.sip_order == 3);
            if fit.sip_order == 3 {
                worst = worst.max(worst_corner_px(&fit.wcs, &bent.wcs(), SEESTAR));
            }
        }
        eprintln!("{catalogue} stars, 2 px: order 3 in {found} of 40, corners within {worst:.2} px");
        assert!(found >= needed, "{catalogue}: {found} of 40");
        assert!(worst < 1.2, "{catalogue}: {worst}");
    }
    let mut false_ones = 0;
    for seed in 0..200 {
        let field = Field::new(&PLATE.wcs(), SEESTAR, [60, 100, 250][seed as usize % 3], 60, 4000 + seed);
        false_ones += usize::from(field.fit(&PLATE.wcs(), SipOrder::Auto).unwrap().sip_order > 1);
    }
    eprintln!("no distortion: an order above 1 in {false_ones} of 200");
    assert!(false_ones <= 2, "{false_ones} of 200");
}

#[test]
fn a_lens_that_a_linear_system_misses_by_many_pixels() {
    for (radial_px, stars) in [(12.0, 500), (-12.0, 500), (25.0, 500), (12.0, 3000)] {
        let lens = Plate { size: LENS, scale_arcsec: LENS_ARCSEC, radial_px, ..PLATE };
        // Scale of the inner two thirds, where solvers match.
        let start =
            Plate { scale_arcsec: LENS_ARCSEC * (1.0 + 0.004 * radial_px / 12.0), radial_px: 0.0, ..lens };
        let off = worst_corner_px(&start.wcs(), &lens.wcs(), LENS);
        for seed in 0..4 {
            let field = Field::new(&lens.wcs(), LENS, stars, 100, 5000 + seed);
            let fit = field.fit(&start.wcs(), SipOrder::Auto).unwrap();
            let corner = worst_corner_px(&fit.wcs, &lens.wcs(), LENS);
            eprintln!(
                "{radial_px} px, start off by {off:.1}: {} stars, rms {:.2}, corner {corner:.2}",
                fit.matches.len(),
                fit.rms_px
            );
            assert_eq!(fit.sip_order, 3);
            assert!(corner < 0.5 && fit.rms_px < 0.35, "{corner} {}", fit.rms_px);
            assert!(fit.matches.len() * 10 > stars * 6, "{} of {stars}", fit.matches.len());
        }
    }
}

#[test]
fn a_catalogue_much_deeper_or_much_shallower_than_the_frame() {
    let truth = PLATE.wcs();
    let start = Plate { shift_px: [2.0, 2.0], ..PLATE }.wcs();
    for seed in 0..20 {
        // 60 detections of 4,000 stars; 250 detections with 25 stars of the catalogue.
        let mut deep = Field::new(&truth, SEESTAR, 4000, 0, 9000 + seed);
        deep.stars.truncate(60);
        let shallow = Field::new(&truth, SEESTAR, 33, 250, 9100 + seed);
        for (field, least) in [(deep, 50), (shallow, 12)] {
            assert_eq!(field.verdict(&truth), Verdict::Confirmed, "seed {seed}");
            let fit = field.fit(&start, SipOrder::Auto).unwrap();
            let corner = worst_corner_px(&fit.wcs, &truth, SEESTAR);
            assert!(
                fit.matches.len() >= least && corner < 0.5,
                "seed {seed}: {} {corner}",
                fit.matches.len()
            );
        }
    }
}

#[test]
fn a_poor_start_is_enough_and_a_wrong_one_is_refused() {
    let truth = PLATE.wcs();
    let field = Field::new(&truth, SEESTAR, 60, 40, 6);
    let near = Plate { shift_px: [7.0, 5.0], ..PLATE }.wcs();
    let fit = field.fit(&near, SipOrder::Auto).unwrap();
    assert!(worst_corner_px(&fit.wcs, &truth, SEESTAR) < 0.4);
    assert_eq!(fit.wcs.crpix0_px(), [539.5, 959.5]);
    assert!((fit.rms_arcsec / fit.rms_px - SEESTAR_ARCSEC).abs() < 0.01);
    assert!((0.1..0.25).contains(&fit.robust_sigma_px), "{}", fit.robust_sigma_px);
    for seed in 0..100 {
        let field = Field::new(&truth, SEESTAR, 250, 200, 6000 + seed);
        let far = Plate { shift_px: [300.0, -200.0], ..PLATE }.wcs();
        let fit = field.fit(&far, SipOrder::Auto);
        assert!(
            matches!(
                fit,
                Err(FitError::TooFew { .. } | FitError::Scatter { .. } | FitError::Undetermined { .. })
            ),
            "seed {seed}: {fit:?}"
        );
    }
    let few = Field { stars: field.stars[..7].to_vec(), reference: field.reference.clone(), size: SEESTAR };
    assert!(matches!(few.fit(&truth, SipOrder::Auto), Err(FitError::TooFew { needed: 8, .. })));
    let eleven =
        Field { stars: field.stars[..11].to_vec(), reference: field.reference.clone(), size: SEESTAR };
    assert!(matches!(eleven.fit(&truth, SipOrder::Fixed(2)), Err(FitError::TooFew { needed: 12, .. })));
    let few = Field { stars: Vec::new(), ..few };
    assert!(matches!(few.fit(&truth, SipOrder::Auto), Err(FitError::TooFew { detected: 0, .. })));
}

#[test]
fn poles_and_the_meridian_of_zero_are_no_special_places() {
    for centre in [[10.0, 89.95], [0.0, 0.0], [359.999, -89.9], [359.99, 60.0]] {
        let truth = Plate { centre, ..PLATE };
        let start = Plate { shift_px: [-3.0, 2.0], turn_deg: PLATE.turn_deg - 0.05, ..truth }.wcs();
        let field = Field::new(&truth.wcs(), SEESTAR, 90, 40, 11);
        assert_eq!(field.verdict(&truth.wcs()), Verdict::Confirmed, "{centre:?}");
        let fit = field.fit(&start, SipOrder::Auto).unwrap();
        let corner = worst_corner_px(&fit.wcs, &truth.wcs(), SEESTAR);
        assert!(
            corner < 0.4 && fit.matches.len() > 50,
            "{centre:?}: {corner} px, {} stars",
            fit.matches.len()
        );
    }
}

#[test]
fn verdicts_on_wrong_systems() {
    let wrong: Vec<(&str, Plate)> = vec![
        ("1 arcmin", Plate { shift_px: [18.0, 18.0], ..PLATE }),
        ("half a frame", Plate { shift_px: [540.0, 300.0], ..PLATE }),
        ("turned by 1 deg", Plate { turn_deg: PLATE.turn_deg + 1.0, ..PLATE }),
        ("turned by -3 deg", Plate { turn_deg: PLATE.turn_deg - 3.0, ..PLATE }),
        ("turned by 180 deg", Plate { turn_deg: PLATE.turn_deg + 180.0, ..PLATE }),
        ("scale 1 % large", Plate { scale_arcsec: 1.01 * SEESTAR_ARCSEC, ..PLATE }),
        ("scale 3 % small", Plate { scale_arcsec: 0.97 * SEESTAR_ARCSEC, ..PLATE }),
        ("scale half", Plate { scale_arcsec: 0.5 * SEESTAR_ARCSEC, ..PLATE }),
        ("mirrored", Plate { flip: 1.0, ..PLATE }),
    ];
    for (catalogue, spurious) in [(24, 25), (90, 60), (300, 200)] {
        let (mut right, mut contradicted) = (0, vec![0; wrong.len()]);
        for seed in 0..60 {
            let field = Field::new(&PLATE.wcs(), SEESTAR, catalogue, spurious, 7000 + seed);
            let verdict = field.verdict(&PLATE.wcs());
            assert_ne!(verdict, Verdict::Contradicted, "seed {seed}: {catalogue} stars");
            right += usize::from(verdict == Verdict::Confirmed);
            for ((name, plate), count) in wrong.iter().zip(&mut contradicted) {
                let verdict = field.verdict(&plate.wcs());
                assert_ne!(verdict, Verdict::Confirmed, "seed {seed}: {name}, {catalogue} stars");
                *count += usize::from(verdict == Verdict::Contradicted);
            }
        }
        eprintln!(
            "{catalogue} stars: right ones confirmed {right} of 60, wrong ones contradicted {contradicted:?}"
        );
        assert!(right >= 58, "{catalogue}: {right} of 60");
        for ((name, _), count) in wrong.iter().zip(&contradicted) {
            let needed = match (catalogue, *name) {
                // A quarter of the sky: fewer than 8 stars of the catalogue.
                (24, "scale half") => 0,
                (24, _) => 45,
                _ => 57,
            };
            assert!(*count >= needed, "{catalogue} stars, {name}: contradicted in {count} of 60");
        }
    }
}

#[test]
fn a_right_system_a_little_off_is_not_contradicted_and_small_turns_are_not_confirmed() {
    for seed in 0..40 {
        let field = Field::new(&PLATE.wcs(), SEESTAR, 90, 60, 8000 + seed);
        let off = |shift: f64| field.verdict(&Plate { shift_px: [shift, 0.0], ..PLATE }.wcs());
        assert_eq!(off(1.5), Verdict::Confirmed, "seed {seed}");
        // Corners off by 1 px and by 7.7 px.
        let turned = |deg: f64| field.verdict(&Plate { turn_deg: PLATE.turn_deg + deg, ..PLATE }.wcs());
        assert_eq!(turned(0.05), Verdict::Confirmed, "seed {seed}");
        assert_ne!(turned(0.4), Verdict::Confirmed, "seed {seed}");
    }
}

#[test]
fn few_stars_and_no_stars_are_undecided() {
    let field = Field::new(&PLATE.wcs(), SEESTAR, 60, 40, 9);
    let options = VerifyOptions::default();
    let far = Plate { shift_px: [18.0, 18.0], ..PLATE }.wcs();
    for count in [0, 1, 5, 14] {
        let evidence = verify(&field.stars[..count], SEESTAR, &field.list(), &far, &options);
        assert_eq!(evidence.verdict, Verdict::Undecided, "{count}: {evidence:?}");
    }
    let empty = verify(&field.stars, SEESTAR, &ReferenceList::default(), &PLATE.wcs(), &options);
    assert_eq!((empty.verdict, empty.tested, empty.log10_chance), (Verdict::Undecided, 0, 0.0));
    assert!(empty.rms_px.is_nan());
    // Half of the sky in the frame, and a place where the catalogue has nothing.
    for plate in [Plate { scale_arcsec: 3e5, ..PLATE }, Plate { scale_arcsec: 1e-3, ..PLATE }] {
        assert_ne!(field.verdict(&plate.wcs()), Verdict::Confirmed);
    }
}

#[test]
fn random_lists_are_never_confirmed() {
    let mut counts = [0; 3];
    for seed in 0..2000 {
        let catalogue = [15, 40, 120, 500][seed as usize % 4];
        let spurious = [20, 60, 250, 800][seed as usize / 4 % 4];
        let field = Field::new(&PLATE.wcs(), SEESTAR, catalogue, 0, 10_000 + seed);
        let other = Field::new(&PLATE.wcs(), SEESTAR, 1, spurious, 20_000 + seed);
        let evidence = verify(&other.stars, SEESTAR, &field.list(), &PLATE.wcs(), &VerifyOptions::default());
        assert!(evidence.log10_ratio < 4.0, "seed {seed}: {evidence:?}");
        counts[evidence.verdict as usize] += 1;
    }
    eprintln!("confirmed, undecided, contradicted: {counts:?}");
    assert_eq!(counts[0], 0);
}

#[test]
fn differences_in_figures_and_words() {
    let new = PLATE.wcs();
    let between = |plate: Plate| WcsDifference::between(&plate.wcs(), &new, SEESTAR).unwrap();
    let none = between(PLATE);
    assert!(none.centre_arcsec < 1e-6 && none.rotation_deg.abs() < 1e-9 && none.corner_px < 1e-6);
    assert_eq!(none.to_string(), "off by 0.0 arcsec");
    // The +y axis at position angle t; one more degree turns the sky of the old system by +1 from north through east.
    let turned = between(Plate { turn_deg: PLATE.turn_deg + 1.0, ..PLATE });
    let angle = Plate { turn_deg: PLATE.turn_deg + 1.0, ..PLATE }.wcs().position_angle_deg();
    let expected = (angle - new.position_angle_deg() + 540.0).rem_euclid(360.0) - 180.0;
    assert!(
        (turned.rotation_deg - expected).abs() < 1e-6 && (expected.abs() - 1.0).abs() < 1e-6,
        "{turned:?}"
    );
    assert!((turned.corner_px - 19.2).abs() < 0.2, "{turned:?}");
    let scaled = between(Plate { scale_arcsec: 1.004 * SEESTAR_ARCSEC, shift_px: [0.0, 25.8], ..PLATE });
    assert!(
        (scaled.scale_ratio - 1.004).abs() < 1e-5 && (scaled.centre_arcsec - 61.5).abs() < 0.2,
        "{scaled:?}"
    );
    assert_eq!(scaled.to_string(), "off by 61.5 arcsec, scale 0.4 % too large");
    let mirrored = between(Plate { flip: 1.0, ..PLATE });
    assert!(mirrored.mirrored && mirrored.to_string().ends_with("mirrored"), "{mirrored}");
    let both = between(Plate { flip: 1.0, turn_deg: PLATE.turn_deg + 2.0, ..PLATE });
    assert!(both.mirrored && (both.rotation_deg.abs() - 2.0).abs() < 1e-6, "{both}");
    // At the pole one arcmin turns north by a lot, and the frame by nothing.
    let at = |ra: f64| Plate { centre: [ra, 89.99], turn_deg: ra, ..PLATE }.wcs();
    let polar = WcsDifference::between(&at(0.0), &at(60.0), SEESTAR).unwrap();
    assert!(polar.rotation_deg.abs() < 0.01, "{polar:?}");
    assert!((polar.centre_arcsec - 36.0).abs() < 0.1, "{polar:?}");
}

/// Detections of a Seestar frame.
fn detections(path: &Path) -> (Vec<Detection>, [usize; 2]) {
    let mut bytes = Vec::new();
    zemosaic_fits::open_unpacked(path).unwrap().read_to_end(&mut bytes).unwrap();
    let (header, end) = Header::parse(&bytes).unwrap();
    let size = ["NAXIS1", "NAXIS2"].map(|key| header.get_i64(key).unwrap() as usize);
    let data = &bytes[end.next_multiple_of(2880)..][..2 * size[0] * size[1]];
    let pixels: Vec<f32> =
        data.chunks(2).map(|b| f32::from(i16::from_be_bytes([b[0], b[1]])) + 32768.0).collect();
    let sites = Sites::Cfa(CfaPattern::Grbg);
    let info = FrameInfo { width: size[0], height: size[1], sites, saturation_adu: None };
    let mut source = MemoryPixels { width: size[0], pixels: &pixels };
    let field = find_stars(&mut source, &info, &StarOptions::default()).unwrap();
    (Detection::of(&field, 400), size)
}

/// The catalogue at the date of a frame.
fn catalogue_at(catalogue: &Catalogue, wcs: &Wcs, size: [usize; 2], year: f64) -> ReferenceList {
    let (ra, dec) = wcs.pixel_to_sky(0.5 * size[0] as f64, 0.5 * size[1] as f64).unwrap();
    let stars = catalogue.cone((ra, dec), 1.5).into_iter().map(|star| {
        let (ra_deg, dec_deg) = star.at_epoch(year);
        ReferenceStar { id: star.index, ra_deg, dec_deg, mag: star.mag, sigma_arcsec: 0.15 }
    });
    ReferenceList::new(stars.collect())
}

#[test]
fn side_cars_of_real_frames_are_confirmed_and_fitted() {
    let folders = [("seestar_m94", 2025.24), ("seestar_ngc7023", 2025.0)];
    let mut catalogue = None;
    for (folder, year) in folders {
        let Some(folder) = real_data(folder) else { return };
        let catalogue = catalogue.get_or_insert_with(|| Catalogue::load().unwrap());
        let mut side_cars: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        side_cars.retain(|path| path.extension().is_some_and(|e| e == "wcs"));
        side_cars.sort();
        assert!(side_cars.len() >= 2);
        for path in side_cars {
            let wcs = Wcs::from_header(&Header::parse(&std::fs::read(&path).unwrap()).unwrap().0).unwrap();
            let (stars, size) = detections(&path.with_extension("fit.gz"));
            let list = catalogue_at(catalogue, &wcs, size, year);
            let evidence = verify(&stars, size, &list, &wcs, &VerifyOptions::default());
            let fit = fit_plate(&stars, size, &list, &wcs, &FitOptions::default()).unwrap();
            let difference = WcsDifference::between(&wcs, &fit.wcs, size).unwrap();
            eprintln!(
                "{}: {} detections, {} of {} found, 10^{:.0}, fit {} kept {} clipped rms {:.2} px {:.2} arcsec sigma {:.2} order {}; side-car {difference}, corner {:.1} px",
                path.file_stem().unwrap().to_string_lossy(),
                evidence.detections,
                evidence.found,
                evidence.tested,
                evidence.log10_ratio,
                fit.matches.len(),
                fit.clipped,
                fit.rms_px,
                fit.rms_arcsec,
                fit.robust_sigma_px,
                fit.sip_order,
                difference.corner_px
            );
            assert_eq!(evidence.verdict, Verdict::Confirmed, "{evidence:?}");
            assert!(fit.rms_px < 0.45 && fit.matches.len() >= 10, "{fit:?}");
            assert!(difference.corner_px < 3.5 && difference.centre_arcsec < 1.5, "{difference:?}");
            // One arcmin off.
            let wrong = verify(&stars, size, &list, &wcs.shifted(25.0, 0.0), &VerifyOptions::default());
            assert_eq!(wrong.verdict, Verdict::Contradicted, "{wrong:?}");
        }
    }
}
