//! The simulator end to end: determinism, levels, noise, positions, truth.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use zemosaic_testkit::options::{Noise, SampleFormat, Sensor, WcsCards};
use zemosaic_testkit::pointing::plan_frames;
use zemosaic_testkit::psf::enclosed_share;
use zemosaic_testkit::render::render_frame;
use zemosaic_testkit::sky_model::{ModelStar, SkyModel};
use zemosaic_testkit::truth::truth_stars;
use zemosaic_testkit::{
    Catalogue, CompareOptions, Preset, SimulateOptions, TestkitError, compare_stars, load_truth, simulate,
};

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::load().unwrap())
}

/// Every file below a folder with its content.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_string_lossy().replace('\\', "/");
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn small_demo() -> SimulateOptions {
    SimulateOptions { width_px: 300, height_px: 400, frames: 5, ..SimulateOptions::default() }
}

fn with_threads(threads: usize, options: &SimulateOptions, dir: &Path) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| simulate(options, dir, &|_, _| {})).unwrap();
}

#[test]
fn same_bytes_at_one_and_four_threads_and_other_bytes_for_another_seed() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    with_threads(1, &small_demo(), dirs[0].path());
    with_threads(4, &small_demo(), dirs[1].path());
    with_threads(4, &SimulateOptions { seed: 2, ..small_demo() }, dirs[2].path());
    let [one, four, other] = [0, 1, 2].map(|i| tree(dirs[i].path()));
    assert_eq!(one.len(), 12);
    assert!(one == four);
    let first =
        |t: &BTreeMap<String, Vec<u8>>| t.iter().find(|(k, _)| k.starts_with("frames/")).unwrap().1.clone();
    assert!(first(&one) != first(&other));
}

#[test]
fn truth_is_read_back_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let options = small_demo();
    let calls = std::sync::Mutex::new(Vec::new());
    let summary =
        simulate(&options, dir.path(), &|done, total| calls.lock().unwrap().push((done, total))).unwrap();
    let truth = load_truth(dir.path()).unwrap();
    assert_eq!(truth.file.options, options);
    assert_eq!(truth.stars.len(), summary.stars);
    assert_eq!(truth.stars.iter().filter(|s| s.isolated).count(), summary.isolated_stars);
    let plans = plan_frames(&options).unwrap();
    for (frame, plan) in truth.file.frames.iter().zip(&plans) {
        assert_eq!(frame.tan(), plan.tan);
        assert!(dir.path().join(&frame.file).is_file() && dir.path().join(&frame.mask).is_file());
        assert_eq!((frame.gain, frame.offset_adu), (plan.gain, plan.offset_adu));
        assert!(frame.defects.hot > 0 && frame.defects.any >= frame.defects.hot);
    }
    let mut calls = calls.into_inner().unwrap();
    calls.sort_unstable();
    assert_eq!(calls, (1..=5).map(|i| (i, 5)).collect::<Vec<_>>());
    // The same set may be written again, another one not on top of it.
    simulate(&options, dir.path(), &|_, _| {}).unwrap();
    let other = SimulateOptions { object: "Other".to_owned(), ..options };
    assert!(matches!(simulate(&other, dir.path(), &|_, _| {}), Err(TestkitError::Occupied { .. })));
}

#[test]
fn headers_are_those_of_a_seestar_with_the_true_wcs() {
    let dir = tempfile::tempdir().unwrap();
    let summary = simulate(&small_demo(), dir.path(), &|_, _| {}).unwrap();
    let bytes = std::fs::read(&summary.frames[0]).unwrap();
    let (header, _) = zemosaic_fits::Header::parse(&bytes).unwrap();
    assert_eq!(header.get_str("CREATOR").unwrap().trim(), "ZWO Seestar S50");
    assert_eq!(header.get_str("BAYERPAT").unwrap().trim(), "GRBG");
    assert_eq!(header.get_i64("BITPIX"), Some(16));
    assert_eq!(header.get_f64("BZERO"), Some(32768.0));
    assert_eq!(header.get_f64("EXPTIME"), Some(10.0));
    let tan = zemosaic_testkit::TanFrame::from_header(&header).unwrap();
    let plan = &plan_frames(&small_demo()).unwrap()[0];
    let (a, b) = (tan.pixel_to_sky(7.0, 390.0), plan.tan.pixel_to_sky(7.0, 390.0));
    assert!((a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9);
    // And the product's own WCS code reads the same.
    let wcs = zemosaic_sky::Wcs::from_header(&header).unwrap();
    let (lon, lat) = wcs.pixel_to_sky(7.0, 390.0).unwrap();
    assert!((a.0 - lon).abs() < 1e-9 && (a.1 - lat).abs() < 1e-9);

    let dir = tempfile::tempdir().unwrap();
    let blind = SimulateOptions { wcs_cards: WcsCards::Absent, frames: 1, ..small_demo() };
    let summary = simulate(&blind, dir.path(), &|_, _| {}).unwrap();
    let (header, _) = zemosaic_fits::Header::parse(&std::fs::read(&summary.frames[0]).unwrap()).unwrap();
    assert!(!header.contains("CTYPE1") && header.contains("RA"));
}

/// Empty sky of a given brightness.
fn flat_options(sky_e_per_s: f64) -> SimulateOptions {
    SimulateOptions {
        width_px: 400,
        height_px: 400,
        frames: 1,
        sky_e_per_s,
        faint_limit_mag: 12.0,
        nebula_brightness: 0.0,
        vignetting: 0.0,
        sky_gradient: 0.0,
        offset_spread_adu: 0.0,
        transparency_min: 1.0,
        hot_pixels: 0,
        cosmic_rays_per_frame: 0.0,
        trails: 0,
        ..SimulateOptions::default()
    }
}

fn render_without_stars(options: &SimulateOptions) -> Vec<f32> {
    let plans = plan_frames(options).unwrap();
    let mut sky = SkyModel::new(options, catalogue(), &plans).unwrap();
    sky.stars.clear();
    render_frame(options, &sky, &plans[0]).adu
}

/// Mean and variance of the pixels of one colour of the pattern.
fn moments(options: &SimulateOptions, adu: &[f32], colour: usize) -> (f64, f64) {
    let colours = options.sensor.colours();
    let of_colour =
        |(i, _): &(usize, &f32)| colours[(i / options.width_px) & 1][(i % options.width_px) & 1] == colour;
    let values: Vec<f64> = adu.iter().enumerate().filter(of_colour).map(|(_, &v)| f64::from(v)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64)
}

#[test]
fn noise_grows_by_14_1_adu_per_adu_from_the_pedestal() {
    let measured: Vec<(f64, f64)> = [4.0, 16.0, 64.0]
        .map(|rate| {
            let options = flat_options(rate);
            moments(&options, &render_without_stars(&options), 1)
        })
        .to_vec();
    let slope = (measured[2].1 - measured[0].1) / (measured[2].0 - measured[0].0);
    assert!((slope / 14.1 - 1.0).abs() < 0.05, "{slope}");
    // Zero variance lies at the pedestal, but for the read noise: 1 e- squared is 198 ADU squared.
    let zero = measured[0].0 - (measured[0].1 - 198.0) / slope;
    assert!((zero - 433.0).abs() < 30.0, "{zero}");
}

#[test]
fn sky_levels_follow_the_colour_shares() {
    let options = flat_options(4.0);
    let adu = render_without_stars(&options);
    let level = [0, 1, 2].map(|c| moments(&options, &adu, c).0 - 433.0);
    let green = 40.0 / 0.071;
    for (measured, expected) in level.iter().zip([0.73 * green, green, 0.64 * green]) {
        assert!((measured / expected - 1.0).abs() < 0.01, "{measured} {expected}");
    }
    let rms = moments(&options, &adu, 1).1.sqrt();
    assert!((61.0..111.0).contains(&rms), "sky rms of a real Seestar is 61 to 111 ADU in G: {rms}");
    assert!(adu.iter().all(|v| v.fract() == 0.0));
}

#[test]
fn converter_steps_and_saturation_are_kept() {
    let options = SimulateOptions { adc_step_adu: 16.0, saturation_adu: 960.0, ..flat_options(4.0) };
    let adu = render_without_stars(&options);
    assert!(adu.iter().all(|v| v % 16.0 == 0.0 && *v <= 960.0));
    assert!(adu.contains(&960.0));
}

/// Noise-free mono frame.
fn clean_mono() -> SimulateOptions {
    SimulateOptions {
        sensor: Sensor::Mono,
        sample: SampleFormat::F32,
        noise: Noise::Off,
        saturation_adu: 1e9,
        ..flat_options(4.0)
    }
}

#[test]
fn a_rendered_star_holds_its_flux() {
    let options = clean_mono();
    let plans = plan_frames(&options).unwrap();
    let mut sky = SkyModel::new(&options, catalogue(), &plans).unwrap();
    sky.stars.clear();
    let empty: f64 = render_frame(&options, &sky, &plans[0]).adu.iter().map(|&v| f64::from(v)).sum();
    let (ra_deg, dec_deg) = plans[0].tan.pixel_to_sky(200.3, 180.8);
    for flux in [1e3, 1e5, 1e8] {
        sky.stars = vec![ModelStar { ra_deg, dec_deg, mag: 0.0, flux_adu: [flux; 3] }];
        let frame = render_frame(&options, &sky, &plans[0]).adu;
        let sum: f64 = frame.iter().map(|&v| f64::from(v)).sum();
        assert!(((sum - empty) / flux - 1.0).abs() < 1e-3, "{flux}: {}", (sum - empty) / flux);
    }
}

#[test]
fn compare_recovers_fluxes_and_positions_of_a_noise_free_render() {
    let options = SimulateOptions {
        faint_limit_mag: 15.0,
        width_px: 1080,
        height_px: 1920,
        ellipticity: 0.0,
        ..clean_mono()
    };
    let plans = plan_frames(&options).unwrap();
    let plan = &plans[0];
    let sky = SkyModel::new(&options, catalogue(), &plans).unwrap();
    let frame = render_frame(&options, &sky, plan).adu;
    let predicted: Vec<(f64, f64)> = sky
        .stars
        .iter()
        .map(|s| plan.tan.sky_to_pixel(s.ra_deg, s.dec_deg).unwrap_or((f64::NAN, f64::NAN)))
        .collect();
    let flux: Vec<f64> = sky.stars.iter().map(|s| s.flux_adu[1]).collect();
    let compare = CompareOptions {
        psf_fwhm_px: Some(plan.fwhm_px),
        isolation_share: 1e-3,
        ..CompareOptions::default()
    };
    let result = compare_stars(&frame, 1080, 1920, &predicted, &flux, &compare);
    assert!(result.n >= 20, "{result:?}");
    assert!(result.flux_bias_median.abs() < 1e-3, "{result:?}");
    assert!(result.flux_scatter < 2e-3, "{result:?}");
    assert!(result.position_rms_px < 0.01, "{result:?}");
    assert!(result.mean_dx.abs() < 3e-3 && result.mean_dy.abs() < 3e-3, "{result:?}");

    // A shift and a gain are found again.
    let shifted: Vec<(f64, f64)> = predicted.iter().map(|(x, y)| (x - 0.2, y + 0.1)).collect();
    let doubled: Vec<f64> = flux.iter().map(|f| f * 2.0).collect();
    let wrong = compare_stars(&frame, 1080, 1920, &shifted, &doubled, &compare);
    assert!((wrong.mean_dx - 0.2).abs() < 5e-3 && (wrong.mean_dy + 0.1).abs() < 5e-3, "{wrong:?}");
    assert!((wrong.flux_bias_median + 0.5).abs() < 2e-3, "{wrong:?}");
}

#[test]
fn compare_measures_the_bayer_planes_of_a_noisy_frame_well_enough() {
    // Green of one raw frame by the crudest debayer: a star's sum over G pixels is half its flux.
    let options = SimulateOptions { ellipticity: 0.0, frames: 1, ..SimulateOptions::demo() };
    let plans = plan_frames(&options).unwrap();
    let sky = SkyModel::new(&options, catalogue(), &plans).unwrap();
    let frame = render_frame(&options, &sky, &plans[0]);
    let colours = options.sensor.colours();
    let (w, h) = (options.width_px, options.height_px);
    let mut green = frame.adu.clone();
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            if colours[y & 1][x & 1] != 1 {
                let i = y * w + x;
                green[i] = (frame.adu[i - 1] + frame.adu[i + 1] + frame.adu[i - w] + frame.adu[i + w]) / 4.0;
            }
        }
    }
    let predicted: Vec<(f64, f64)> = sky
        .stars
        .iter()
        .map(|s| plans[0].tan.sky_to_pixel(s.ra_deg, s.dec_deg).unwrap_or((f64::NAN, f64::NAN)))
        .collect();
    let flux: Vec<f64> = sky.stars.iter().map(|s| s.flux_adu[1]).collect();
    let compare = CompareOptions { saturation_adu: 50_000.0, min_snr: 30.0, ..CompareOptions::default() };
    let result = compare_stars(&green, w, h, &predicted, &flux, &compare);
    assert!(result.n >= 10, "{result:?}");
    assert!(result.flux_bias_median.abs() < 0.03, "{result:?}");
    assert!(result.position_rms_px < 0.15, "{result:?}");
}

#[test]
fn neighbouring_frames_and_panels_see_the_same_faint_stars() {
    let options = SimulateOptions { panels_x: 3, frames: 3, ..small_demo() };
    let plans = plan_frames(&options).unwrap();
    let all = SkyModel::new(&options, catalogue(), &plans).unwrap();
    let one = SkyModel::new(&options, catalogue(), &plans[1..2]).unwrap();
    assert!(one.stars.len() > 20 && one.stars.len() < all.stars.len());
    assert!(one.stars.iter().all(|s| all.stars.contains(s)));
    assert_eq!(one.nebula(315.4, 68.2), all.nebula(315.4, 68.2));
}

#[test]
fn faint_counts_continue_those_of_tycho() {
    let options = SimulateOptions { frames: 1, faint_limit_mag: 15.0, ..SimulateOptions::default() };
    let plans = plan_frames(&options).unwrap();
    let sky = SkyModel::new(&options, catalogue(), &plans).unwrap();
    let count =
        |low: f64, high: f64| sky.stars.iter().filter(|s| s.mag >= low && s.mag < high).count() as f64;
    assert!(count(0.0, 11.5) > 10.0);
    let growth = count(14.0, 15.0) / count(13.0, 14.0);
    assert!((growth - 2.2).abs() < 0.6, "{growth}");
    let jump = count(13.0, 14.0) / count(9.0, 11.0);
    assert!((3.0..40.0).contains(&jump), "{jump}");
}

#[test]
fn isolation_looks_at_neighbours() {
    let star = |ra_deg: f64, flux: f64| ModelStar { ra_deg, dec_deg: 0.0, mag: 10.0, flux_adu: [flux; 3] };
    let px = 2.374 / 3600.0;
    let stars =
        [star(10.0, 100.0), star(10.0 + 5.0 * px, 1.0), star(20.0, 100.0), star(20.0 + 5.0 * px, 0.1)];
    let isolated: Vec<bool> = truth_stars(&stars, 2.374).iter().map(|s| s.isolated).collect();
    assert_eq!(isolated, [false, false, true, false]);
}

#[test]
fn effects_do_what_their_options_say() {
    let base = clean_mono();
    let mean = |options: &SimulateOptions| {
        let adu = render_without_stars(options);
        adu.iter().map(|&v| f64::from(v)).sum::<f64>() / adu.len() as f64 - 433.0
    };
    let plain = mean(&base);
    assert!((plain * 0.071 - 40.0).abs() < 1e-3);
    // u² + v² over 2 has a mean of 1/3.
    let dim = mean(&SimulateOptions { vignetting: 0.3, ..base.clone() });
    assert!((dim / plain - 0.9).abs() < 1e-3, "{dim}");
    let gradient = SimulateOptions { sky_gradient: 0.2, ..base.clone() };
    assert!((mean(&gradient) / plain - 1.0).abs() < 1e-3);
    let adu = render_without_stars(&gradient);
    let (low, high) = adu.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    assert!(f64::from(high - low) > 0.1 * plain && f64::from(high - low) < 0.3 * plain);
    assert!(mean(&SimulateOptions { nebula_brightness: 1.0, ..base.clone() }) > plain);
    let spread = SimulateOptions { offset_spread_adu: 50.0, transparency_min: 0.5, frames: 20, ..base };
    let plans = plan_frames(&spread).unwrap();
    assert!(plans.iter().all(|p| (0.5..=1.0).contains(&p.gain)));
    assert!(plans.iter().any(|p| p.offset_adu.abs() > 20.0) && plans.iter().any(|p| p.gain < 0.8));
}

#[test]
fn defects_are_marked_and_visible() {
    let base = clean_mono();
    let spoiled = SimulateOptions { hot_pixels: 30, cosmic_rays_per_frame: 20.0, trails: 1, ..base.clone() };
    let plans = plan_frames(&spoiled).unwrap();
    let mut sky = SkyModel::new(&spoiled, catalogue(), &plans).unwrap();
    sky.stars.clear();
    let clean = render_frame(&base, &sky, &plan_frames(&base).unwrap()[0]);
    let frame = render_frame(&spoiled, &sky, &plans[0]);
    assert!(clean.mask.iter().all(|&m| m == 0));
    let mut seen = 0;
    for i in 0..frame.adu.len() {
        if frame.mask[i] == 0 {
            assert!((frame.adu[i] - clean.adu[i]).abs() < 0.2 * 6.5 / 0.071, "an unmarked pixel is spoiled");
        } else {
            seen |= frame.mask[i];
            assert!(frame.adu[i] > clean.adu[i]);
        }
    }
    assert_eq!(seen, 7);
}

#[test]
fn senseless_options_are_named() {
    for (options, field) in [
        (SimulateOptions { frames: 0, ..SimulateOptions::default() }, "frames"),
        (SimulateOptions { fwhm_px: f64::NAN, ..SimulateOptions::default() }, "fwhm-px"),
        (SimulateOptions { panel_overlap: 1.0, ..SimulateOptions::default() }, "panel-overlap"),
        (SimulateOptions { start_utc: "now".to_owned(), ..SimulateOptions::default() }, "start-utc"),
        (SimulateOptions { dec_deg: 91.0, ..SimulateOptions::default() }, "ra-deg, dec-deg"),
    ] {
        match options.validate() {
            Err(TestkitError::Option { name, .. }) => assert_eq!(name, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    for preset in [Preset::Seestar, Preset::Ccd] {
        SimulateOptions::preset(preset).validate().unwrap();
    }
    SimulateOptions::demo().validate().unwrap();
}

#[test]
fn ccd_preset_has_stars_to_measure() {
    let options = SimulateOptions { frames: 1, ..SimulateOptions::preset(Preset::Ccd) };
    let plans = plan_frames(&options).unwrap();
    let sky = SkyModel::new(&options, catalogue(), &plans).unwrap();
    assert!(sky.stars.len() > 100, "{}", sky.stars.len());
    let adu = render_frame(&options, &sky, &plans[0]).adu;
    assert_eq!(adu.len(), 1024 * 1024);
    assert!(adu.iter().any(|v| v.fract() != 0.0));
    assert!(enclosed_share(options.fwhm_px, 10.0) > 0.98);
}
