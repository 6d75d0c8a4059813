//! The adjustment of all frames against a simulated sky with truth.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs, angle_rad, lonlat_deg, unit_vector};
use zemosaic_stars::adjust::{
    AdjustError, AdjustFrame, AdjustOptions, Adjusted, Mount, MountPose, PlacedBy, Solver, adjust, mount_type,
};
use zemosaic_stars::{Detection, ReferenceStar};
use zemosaic_testkit::rng::Rng;

const SIZE_PX: [usize; 2] = [1080, 1920];
const CENTRE_PX: [f64; 2] = [539.5, 959.5];
const SCALE_ARCSEC: f64 = 2.37;

/// What to simulate.
#[derive(Clone, Copy)]
struct Scene {
    /// Frames of each of nine panels.
    per_panel: usize,
    /// Radial distortion at the corner of instrument 0; instrument 1 has the opposite.
    distortion_px: f64,
    instruments: usize,
    /// Share of detections that are somewhere else by 3 to 15 px, and of matches that are of another star.
    outliers: f64,
    start_error_px: f64,
    /// Catalogue matches of a frame at most.
    matches: usize,
    /// Star density, per frame.
    stars: f64,
    seed: u64,
}

const SCENE: Scene = Scene {
    per_panel: 6,
    distortion_px: 2.0,
    instruments: 2,
    outliers: 0.05,
    start_error_px: 1.5,
    matches: 40,
    stars: 90.0,
    seed: 1,
};

struct Frame {
    truth: Wcs,
    start: Wcs,
    stars: Vec<Detection>,
    matches: Vec<(usize, ReferenceStar)>,
    instrument: usize,
}

/// A mirrored frame, turned by `angle_deg`.
fn wcs(crval: (f64, f64), crpix: [f64; 2], angle_deg: f64, scale: f64, sip: Option<&SipCoefficients>) -> Wcs {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let d = scale * SCALE_ARCSEC / 3600.0;
    let cd = [[d * c, -d * s], [d * s, d * c]];
    match sip {
        Some(sip) => Wcs::tan_sip([crval.0, crval.1], crpix, cd, SkyFrame::Icrs, sip).unwrap(),
        None => Wcs::tan([crval.0, crval.1], crpix, cd, SkyFrame::Icrs).unwrap(),
    }
}

/// Radial: `corner_px` at the corner, with r^3.
fn radial(corner_px: f64) -> SipCoefficients {
    let k = corner_px / CENTRE_PX[0].hypot(CENTRE_PX[1]).powi(3);
    let mut sip = SipCoefficients::zero(3);
    // u (u^2 + v^2) and v (u^2 + v^2).
    (sip.a[3 * 4], sip.a[4 + 2]) = (k, k);
    (sip.b[3], sip.b[2 * 4 + 1]) = (k, k);
    sip
}

/// Frames of a 3 x 3 mosaic with a quarter overlap, about (83, 60).
fn simulate(scene: &Scene) -> Vec<Frame> {
    let mut rng = Rng::for_keys(scene.seed, &[1]);
    let (ra, dec) = (83.0_f64, 60.0_f64);
    let step_deg = SIZE_PX.map(|n| 0.75 * n as f64 * SCALE_ARCSEC / 3600.0);
    let width = SIZE_PX.map(|n| 2.8 * n as f64);
    let count = (scene.stars * 2.8 * 2.8) as usize;
    let sky: Vec<([f64; 3], f64)> = (0..count)
        .map(|_| {
            let along = (rng.uniform() - 0.5) * width[0] * SCALE_ARCSEC / 3600.0;
            let up = (rng.uniform() - 0.5) * width[1] * SCALE_ARCSEC / 3600.0;
            let flux = 10f64.powf(5.0 - 2.0 * rng.uniform());
            (unit_vector(ra + along / dec.to_radians().cos(), dec + up), flux)
        })
        .collect();
    let catalogue: Vec<ReferenceStar> = sky
        .iter()
        .enumerate()
        .map(|(id, (at, flux))| {
            let (ra, dec) = lonlat_deg(at);
            let error = 0.1 / 3600.0;
            ReferenceStar {
                id: id as u32 + 7,
                ra_deg: ra + error * rng.normal() / dec.to_radians().cos(),
                dec_deg: dec + error * rng.normal(),
                mag: -flux.log10(),
                sigma_arcsec: 0.1,
            }
        })
        .collect();
    let mut frames = Vec::new();
    for index in 0..9 * scene.per_panel {
        let (panel, instrument) = (index % 9, (index / 9) % scene.instruments);
        let column = (panel % 3) as f64 - 1.0 + 0.02 * rng.normal();
        let row = (panel / 3) as f64 - 1.0 + 0.02 * rng.normal();
        let crval = (ra + column * step_deg[0] / dec.to_radians().cos(), dec + row * step_deg[1]);
        let angle = 3.0 * rng.normal();
        let corner_px = if instrument == 0 { scene.distortion_px } else { -scene.distortion_px };
        let sip = (corner_px != 0.0).then(|| radial(corner_px));
        let truth = wcs(crval, CENTRE_PX, angle, 1.0, sip.as_ref());
        let mut off = || scene.start_error_px * rng.normal();
        let crpix = [CENTRE_PX[0] + off(), CENTRE_PX[1] + off()];
        let turn = off() / 1100.0;
        let start = wcs(crval, crpix, angle + turn.to_degrees(), 1.0 + 0.5 * off() / 1100.0, None);
        let mut stars: Vec<(Detection, usize)> = Vec::new();
        for (id, (at, flux)) in sky.iter().enumerate() {
            let Some((x, y)) = truth.icrs_to_pixel(at) else { continue };
            if !(x > 4.0 && y > 4.0 && x < SIZE_PX[0] as f64 - 5.0 && y < SIZE_PX[1] as f64 - 5.0) {
                continue;
            }
            let sigma_px = 0.05 + 0.1 * (5.0 - flux.log10()) / 2.0;
            let (mut x, mut y) = (x + sigma_px * rng.normal(), y + sigma_px * rng.normal());
            if rng.uniform() < scene.outliers {
                let (s, c) = (std::f64::consts::TAU * rng.uniform()).sin_cos();
                let far = 3.0 + 12.0 * rng.uniform();
                (x, y) = (x + far * c, y + far * s);
            }
            stars.push((Detection { x_px: x, y_px: y, flux_adu: *flux, sigma_px }, id));
        }
        stars.sort_by(|a, b| b.0.flux_adu.total_cmp(&a.0.flux_adu));
        let mut matches = Vec::new();
        for (star, (_, id)) in stars.iter().enumerate().take(scene.matches) {
            let wrong = rng.uniform() < 0.5 * scene.outliers;
            matches.push((star, catalogue[if wrong { (id + 1) % count } else { *id }]));
        }
        let stars = stars.into_iter().map(|(star, _)| star).collect();
        frames.push(Frame { truth, start, stars, matches, instrument });
    }
    frames
}

fn inputs(frames: &[Frame]) -> Vec<AdjustFrame<'_>> {
    frames
        .iter()
        .map(|frame| AdjustFrame {
            wcs: &frame.start,
            size_px: SIZE_PX,
            stars: &frame.stars,
            matches: &frame.matches,
            instrument: frame.instrument,
        })
        .collect()
}

fn corners() -> [(f64, f64); 4] {
    let [x, y] = SIZE_PX.map(|n| n as f64 - 1.0);
    [(0.0, 0.0), (x, 0.0), (0.0, y), (x, y)]
}

/// Offset of a place, pixels.
fn error_px(a: &Wcs, b: &Wcs, at: (f64, f64)) -> f64 {
    let angle = angle_rad(&a.pixel_to_icrs(at.0, at.1).unwrap(), &b.pixel_to_icrs(at.0, at.1).unwrap());
    angle.to_degrees() * 3600.0 / SCALE_ARCSEC
}

/// Root mean square over the corners of frames against the truth.
fn corner_rms_px(frames: &[Frame], adjusted: &Adjusted, which: impl Fn(usize) -> bool) -> f64 {
    let chosen: Vec<usize> = (0..frames.len()).filter(|i| which(*i)).collect();
    let error = |i: usize, at| error_px(&adjusted.frames[i].wcs, &frames[i].truth, at).powi(2);
    let sum: f64 = chosen.iter().flat_map(|&i| corners().map(|at| error(i, at))).sum();
    (sum / (4 * chosen.len()) as f64).sqrt()
}

/// How far apart frames put the same true place, root mean square about the mean, pixels.
fn relative_rms_px(frames: &[Frame], adjusted: &Adjusted) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (x, y) in [(300.0, 400.0), (800.0, 1500.0), (540.0, 960.0), (100.0, 100.0), (1000.0, 1800.0)] {
        for base in frames.iter().step_by(4) {
            let at = base.truth.pixel_to_icrs(x, y).unwrap();
            let mut seen = Vec::new();
            for (frame, solved) in frames.iter().zip(&adjusted.frames) {
                let Some((u, v)) = frame.truth.icrs_to_pixel(&at) else { continue };
                if u > 0.0 && v > 0.0 && u < SIZE_PX[0] as f64 && v < SIZE_PX[1] as f64 {
                    seen.push(solved.wcs.pixel_to_icrs(u, v).unwrap());
                }
            }
            let n = seen.len() as f64;
            let mean = [0, 1, 2].map(|k| seen.iter().map(|v| v[k]).sum::<f64>() / n);
            let px = |v: &[f64; 3]| angle_rad(v, &mean).to_degrees() * 3600.0 / SCALE_ARCSEC;
            sum += seen.iter().map(|v| px(v).powi(2)).sum::<f64>();
            count += n;
        }
    }
    (sum / count).sqrt()
}

fn report(name: &str, frames: &[Frame], a: &Adjusted) {
    eprintln!(
        "{name}: corners {:.3} px, relative {:.3} px, internal {:.3} px, external {:.3}\", {} objects, {} rounds, {:?}",
        corner_rms_px(frames, a, |_| true),
        relative_rms_px(frames, a),
        a.internal_rms_px,
        a.external_rms_arcsec,
        a.objects,
        a.rounds,
        a.instruments
    );
}

#[test]
fn a_mosaic_of_two_instruments() {
    let frames = simulate(&SCENE);
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    report("mosaic", &frames, &adjusted);
    assert!(corner_rms_px(&frames, &adjusted, |_| true) < 0.15);
    assert!(relative_rms_px(&frames, &adjusted) < 0.1);
    // Errors of 0.05 to 0.15 px and those of the catalogue.
    assert!((0.07..0.14).contains(&adjusted.internal_rms_px));
    assert!((0.05..0.13).contains(&adjusted.external_rms_arcsec));
    for instrument in &adjusted.instruments {
        assert_eq!(instrument.sip_order, 3);
        assert!(instrument.floor_px < 0.06, "{instrument:?}");
    }
    assert!(adjusted.frames.iter().all(|f| f.placed_by == PlacedBy::Catalogue && f.stars_used > 50));
    // The start was far worse.
    let start: f64 = frames.iter().map(|f| error_px(&f.start, &f.truth, (0.0, 0.0))).sum::<f64>() / 54.0;
    assert!(start > 1.5, "{start}");
}

#[test]
fn the_distortion_is_the_true_one() {
    let frames = simulate(&SCENE);
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    for (frame, solved) in frames.iter().zip(&adjusted.frames) {
        for at in [(0.0, 960.0), (540.0, 0.0), (540.0, 960.0), (270.0, 480.0)] {
            let error = error_px(&solved.wcs, &frame.truth, at);
            assert!(error < 0.3, "{at:?}: {error}");
        }
    }
}

#[test]
fn straight_frames_have_no_distortion() {
    let frames = simulate(&Scene { distortion_px: 0.0, per_panel: 3, instruments: 1, seed: 2, ..SCENE });
    let options = AdjustOptions { max_sip_order: 5, ..AdjustOptions::default() };
    let adjusted = adjust(&inputs(&frames), &options).unwrap();
    report("straight", &frames, &adjusted);
    assert_eq!(adjusted.instruments[0].sip_order, 0);
    assert!(!adjusted.frames[0].wcs.has_distortion());
    assert!(corner_rms_px(&frames, &adjusted, |_| true) < 0.15);
}

#[test]
fn a_frame_without_catalogue_stars_hangs_on_its_neighbours() {
    let mut frames = simulate(&SCENE);
    for index in [4, 13, 22] {
        frames[index].matches.clear();
    }
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    for index in [4, 13, 22] {
        assert_eq!(adjusted.frames[index].placed_by, PlacedBy::Neighbours);
        let rms = corner_rms_px(&frames, &adjusted, |i| i == index);
        eprintln!("neighbours {index}: {rms:.3} px");
        assert!(rms < 0.2, "{rms}");
    }
}

#[test]
fn a_wrong_start_harms_nobody() {
    let mut frames = simulate(&Scene { outliers: 0.02, ..SCENE });
    let (crval, crpix) = (frames[4].truth.crval_deg(), [CENTRE_PX[0] + 20.0, CENTRE_PX[1] - 7.0]);
    frames[4].start = wcs(crval, crpix, 2.0, 1.0, None);
    frames[4].matches.clear();
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    report("wrong start", &frames, &adjusted);
    assert_eq!(adjusted.frames[4].placed_by, PlacedBy::Start);
    assert_eq!(adjusted.frames[4].max_shift_px, 0.0);
    assert!(corner_rms_px(&frames, &adjusted, |i| i != 4) < 0.15);
    // With catalogue stars it is put right.
    let matched = simulate(&Scene { outliers: 0.02, ..SCENE });
    frames[4].matches.clone_from(&matched[4].matches);
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    let rms = corner_rms_px(&frames, &adjusted, |i| i == 4);
    assert!(rms < 0.2 && adjusted.frames[4].max_shift_px > 15.0, "{rms}");
}

#[test]
fn without_any_catalogue_the_mean_pose_stays() {
    let mut frames = simulate(&Scene { distortion_px: 0.0, instruments: 1, start_error_px: 0.5, ..SCENE });
    for frame in &mut frames {
        frame.matches.clear();
    }
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    report("free", &frames, &adjusted);
    assert!(adjusted.frames.iter().all(|frame| frame.placed_by == PlacedBy::Neighbours));
    assert!(adjusted.external_rms_arcsec.is_nan());
    assert!(relative_rms_px(&frames, &adjusted) < 0.1);
    let mut mean = [0.0; 2];
    for (frame, solved) in frames.iter().zip(&adjusted.frames) {
        let at = frame.start.pixel_to_icrs(CENTRE_PX[0], CENTRE_PX[1]).unwrap();
        let (x, y) = solved.wcs.icrs_to_pixel(&at).unwrap();
        mean = [mean[0] + (x - CENTRE_PX[0]) / 54.0, mean[1] + (y - CENTRE_PX[1]) / 54.0];
    }
    assert!(mean[0].hypot(mean[1]) < 0.01, "{mean:?}");
}

#[test]
fn few_stars_and_none() {
    let mut frames = simulate(&Scene { per_panel: 1, instruments: 1, ..SCENE });
    frames[0].matches.truncate(5);
    frames[0].stars.truncate(5);
    frames[1].matches.clear();
    frames[1].stars.clear();
    let adjusted = adjust(&inputs(&frames), &AdjustOptions::default()).unwrap();
    assert_eq!(adjusted.frames[1].placed_by, PlacedBy::Start);
    assert_eq!(adjusted.frames[1].stars_used, 0);
    assert!(corner_rms_px(&frames, &adjusted, |i| i == 0) < 1.0);
    let nothing = adjust(&[], &AdjustOptions::default()).unwrap();
    assert!(nothing.frames.is_empty() && nothing.internal_rms_px.is_nan());
    // A lone frame is its own plate solution.
    let alone = adjust(&inputs(&frames[2..3]), &AdjustOptions::default()).unwrap();
    assert_eq!(alone.frames[0].placed_by, PlacedBy::Catalogue);
    let bad = [(frames[0].stars.len(), frames[2].matches[0].1)];
    let input = AdjustFrame { matches: &bad, ..inputs(&frames)[0] };
    assert!(matches!(
        adjust(&[input], &AdjustOptions::default()),
        Err(AdjustError::Match { frame: 0, star: 5 })
    ));
    let sizes = [inputs(&frames)[2], AdjustFrame { size_px: [10, 10], ..inputs(&frames)[3] }];
    assert!(matches!(adjust(&sizes, &AdjustOptions::default()), Err(AdjustError::Size { frame: 1, .. })));
}

/// Largest difference of two solutions at the corners, pixels.
fn difference_px(a: &Adjusted, b: &Adjusted, order: impl Fn(usize) -> usize) -> f64 {
    let of = |i: usize| corners().map(|at| error_px(&a.frames[i].wcs, &b.frames[order(i)].wcs, at));
    (0..a.frames.len()).flat_map(of).fold(0.0, f64::max)
}

#[test]
fn both_solvers_agree() {
    let frames = simulate(&Scene { per_panel: 4, ..SCENE });
    let of = |solver| {
        let options = AdjustOptions { solver, max_sip_order: 5, ..AdjustOptions::default() };
        adjust(&inputs(&frames), &options).unwrap()
    };
    let (a, b) = (of(Solver::Cholesky), of(Solver::ConjugateGradients));
    let difference = difference_px(&a, &b, |i| i);
    eprintln!("solvers differ by {difference:.1e} px");
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn threads_change_no_bit_and_order_only_noise() {
    let frames = simulate(&Scene { per_panel: 4, ..SCENE });
    let options = AdjustOptions { solver: Solver::ConjugateGradients, ..AdjustOptions::default() };
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(|| adjust(&inputs(&frames), &options).unwrap()))
    };
    let one = of(1);
    assert!(one == of(2) && one == of(5));
    let forwards = adjust(&inputs(&frames), &options).unwrap();
    let mut turned = inputs(&frames);
    turned.reverse();
    let backwards = adjust(&turned, &options).unwrap();
    let difference = difference_px(&forwards, &backwards, |i| frames.len() - 1 - i);
    eprintln!("orders differ by {difference:.1e} px");
    assert!(difference < 0.01, "{difference}");
}

#[test]
fn mounts() {
    let pose = |minute: f64, angle: f64| MountPose {
        time_s: 60.0 * minute,
        position_angle_deg: angle,
        parity: 1.0,
        ra_deg: 10.0,
        dec_deg: 41.0,
    };
    let mut rng = Rng::for_keys(3, &[0]);
    let mut session = |rate_deg_h: f64, minutes: usize, noise_deg: f64| -> Vec<MountPose> {
        (0..minutes)
            .map(|m| pose(m as f64, 170.0 + rate_deg_h * m as f64 / 60.0 + noise_deg * rng.normal()))
            .collect()
    };
    assert_eq!(mount_type(&session(0.1, 90, 0.02)), Mount::Equatorial);
    assert_eq!(mount_type(&session(-12.0, 60, 0.02)), Mount::AltAz);
    assert_eq!(mount_type(&session(9.0, 120, 0.1)), Mount::AltAz);
    assert_eq!(mount_type(&session(9.0, 10, 0.1)), Mount::Unknown);
    assert_eq!(mount_type(&session(0.6, 60, 0.02)), Mount::Unknown);
    assert_eq!(mount_type(&session(0.0, 60, 20.0)), Mount::Unknown);
    assert_eq!(mount_type(&[]), Mount::Unknown);
    // A meridian flip.
    let mut flipped = session(0.05, 100, 0.02);
    for pose in &mut flipped[50..] {
        pose.position_angle_deg -= 180.0;
    }
    assert_eq!(mount_type(&flipped), Mount::Equatorial);
    // The camera turned between two nights.
    let mut nights = session(0.05, 60, 0.02);
    nights.extend(session(0.05, 60, 0.02).iter().map(|p| MountPose {
        time_s: p.time_s + 86_400.0,
        position_angle_deg: p.position_angle_deg + 37.0,
        ..*p
    }));
    nights.reverse();
    assert_eq!(mount_type(&nights), Mount::Equatorial);
}
