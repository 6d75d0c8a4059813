//! The built-in plate solver on real frames, on wrong hints, and on lists that show no sky.
//!
//! Truth of the real frames: astrometry.net's solutions beside them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use zemosaic_fits::{FilePool, Header, ReadScratch, Window, read_window, scan, unpack_packed};
use zemosaic_image::{CfaPattern, Sites};
use zemosaic_sky::{Wcs, angle_rad, unit_vector};
use zemosaic_stars::{
    BlindIndex, Catalogue, Detection, FrameInfo, Hint, Limits, MemoryPixels, ReferenceList, ReferenceStar,
    ReferenceStars, RoughWcs, ScaleRange, SolveError, StarOptions, find_stars, solve_blind, solve_hinted,
};
use zemosaic_testkit::TanFrame;
use zemosaic_testkit::real_data;
use zemosaic_testkit::rng::Rng;
use zemosaic_testkit::tan::Parity;

const SIZE_PX: [usize; 2] = [1080, 1920];
const SCALE_ARCSEC: f64 = 206.265 * 2.9 / 250.0;
static NEVER: AtomicBool = AtomicBool::new(false);
const LIMITS: Limits<'static> = Limits { within: Duration::from_mins(1), cancel: &NEVER };
const NAMES: [&str; 5] = [
    "seestar_m94/Light_M_94_10.0s_IRCUT_20250326-212046",
    "seestar_m94/Light_M_94_10.0s_IRCUT_20250326-212454",
    "seestar_m94/Light_M_94_10.0s_IRCUT_20250409-225435",
    "seestar_ngc7023/Light_NGC_7023_10.0s_IRCUT_20240730-224436",
    "seestar_ngc7023/Light_NGC_7023_20.0s_IRCUT_20250630-023420",
];

struct Frame {
    name: &'static str,
    stars: Vec<Detection>,
    truth: Wcs,
    centre_deg: (f64, f64),
    year: f64,
}

fn repository() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).to_path_buf()
}

fn frame(name: &'static str) -> Option<Frame> {
    let packed = real_data(&format!("{name}.fit.gz"))?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.fit");
    unpack_packed(&packed, &path).unwrap();
    let file = scan(&path).unwrap();
    let layout = file.images().next().unwrap().image().unwrap().clone();
    let [width, height] = SIZE_PX;
    let mut pixels = vec![0.0; width * height];
    let window = Window { x0: 0, y0: 0, width, height };
    read_window(&FilePool::new(1), &path, &layout, 0, window, &mut ReadScratch::default(), &mut pixels)
        .unwrap();
    let info = FrameInfo { width, height, sites: Sites::Cfa(CfaPattern::Grbg), saturation_adu: None };
    let field =
        find_stars(&mut MemoryPixels { width, pixels: &pixels }, &info, &StarOptions::default()).unwrap();
    let side_car = std::fs::read(real_data(&format!("{name}.wcs"))?).unwrap();
    let truth = Wcs::from_header(&Header::parse(&side_car).unwrap().0).unwrap();
    let centre_deg = truth.pixel_to_sky(539.5, 959.5).unwrap();
    let year = if name.contains("2024") { 2024.58 } else { 2025.3 };
    Some(Frame { name, stars: Detection::of(&field, 200), truth, centre_deg, year })
}

fn frames() -> &'static [Frame] {
    static FRAMES: OnceLock<Vec<Frame>> = OnceLock::new();
    FRAMES.get_or_init(|| NAMES.into_iter().filter_map(frame).collect())
}

fn tycho() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::embedded().unwrap())
}

fn hint(centre_deg: (f64, f64)) -> Hint {
    Hint { centre_deg, radius_deg: 1.0, scale_arcsec: SCALE_ARCSEC, scale_tolerance: 0.1 }
}

fn separation_arcsec(a: (f64, f64), b: (f64, f64)) -> f64 {
    angle_rad(&unit_vector(a.0, a.1), &unit_vector(b.0, b.1)).to_degrees() * 3600.0
}

const CORNERS: [(f64, f64); 4] = [(0.0, 0.0), (1079.0, 0.0), (0.0, 1919.0), (1079.0, 1919.0)];

/// Middle, and worst corner, arcsec.
fn offsets(found: &RoughWcs, truth: &Wcs) -> (f64, f64) {
    let off = |(x, y): (f64, f64)| {
        separation_arcsec(found.wcs.pixel_to_sky(x, y).unwrap(), truth.pixel_to_sky(x, y).unwrap())
    };
    (off((539.5, 959.5)), CORNERS.map(off).into_iter().fold(0.0, f64::max))
}

fn check(case: &str, frame: &Frame, found: &RoughWcs) {
    let (middle, corner) = offsets(found, &frame.truth);
    eprintln!(
        "{case} {}: {} stars, {} matched, rms {:.2}\", middle {middle:.2}\", corner {:.2} px, chance {:.0e}",
        frame.name,
        frame.stars.len(),
        found.matched,
        found.rms_arcsec,
        corner / SCALE_ARCSEC,
        found.chance
    );
    assert!(middle < 3.0 && corner < 4.0 * SCALE_ARCSEC, "{case} {}: {middle} {corner}", frame.name);
    assert!(found.chance <= 1e-9);
}

#[test]
fn real_frames_solve_near_a_hint() {
    for frame in frames() {
        let start = Instant::now();
        let found =
            solve_hinted(&frame.stars, SIZE_PX, &tycho().at(frame.year), &hint(frame.centre_deg), &LIMITS);
        eprintln!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        check("hinted", frame, &found.unwrap());
    }
}

#[test]
fn real_frames_solve_with_wrong_hints() {
    for frame in frames() {
        let (ra, dec) = frame.centre_deg;
        let sky = tycho().at(frame.year);
        let off = Hint { radius_deg: 2.5, ..hint((ra, dec + 2.0)) };
        check("2 deg off", frame, &solve_hinted(&frame.stars, SIZE_PX, &sky, &off, &LIMITS).unwrap());
        for factor in [0.9, 1.1] {
            let scale =
                Hint { scale_arcsec: factor * SCALE_ARCSEC, scale_tolerance: 0.15, ..hint((ra, dec)) };
            check("scale", frame, &solve_hinted(&frame.stars, SIZE_PX, &sky, &scale, &LIMITS).unwrap());
        }
        let mirrored: Vec<Detection> =
            frame.stars.iter().map(|s| Detection { x_px: 1079.0 - s.x_px, ..*s }).collect();
        let found = solve_hinted(&mirrored, SIZE_PX, &sky, &hint((ra, dec)), &LIMITS).unwrap();
        let at = |x: f64| found.wcs.pixel_to_sky(1079.0 - x, 100.0).unwrap();
        for x in [0.0, 1079.0] {
            assert!(separation_arcsec(at(x), frame.truth.pixel_to_sky(x, 100.0).unwrap()) < 10.0);
        }
        let far = Hint { radius_deg: 0.5, ..hint((ra, dec + 4.0)) };
        let refused = solve_hinted(&frame.stars, SIZE_PX, &sky, &far, &LIMITS);
        assert!(matches!(refused, Err(SolveError::NoMatch(_))), "{refused:?}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let Some(frame) = frames().first() else { return };
    let solve = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let sky = tycho().at(frame.year);
        let solve = || solve_hinted(&frame.stars, SIZE_PX, &sky, &hint(frame.centre_deg), &LIMITS);
        pool.install(solve).unwrap().wcs.pixel_to_sky(3.0, 5.0).unwrap()
    };
    assert_eq!(solve(1), solve(3));
}

/// Stars on the sky and as a frame sees them, without noise.
fn truth_field(parity: Parity) -> (TanFrame, ReferenceList, Vec<Detection>) {
    let tan = TanFrame::pointed_at((359.98, -47.0), 2.4, 33.0, parity, (1080, 1920));
    let mut rng = Rng::for_keys(7, &[1]);
    let (mut sky, mut stars) = (Vec::new(), Vec::new());
    for id in 0..80 {
        let (x, y) = (rng.range(0.0, 1080.0), rng.range(0.0, 1920.0));
        let (ra_deg, dec_deg) = tan.pixel_to_sky(x, y);
        sky.push(ReferenceStar { id, ra_deg, dec_deg, mag: f64::from(id), sigma_arcsec: 0.1 });
        stars.push(Detection { x_px: x, y_px: y, flux_adu: f64::from(1000 - id), sigma_px: 0.1 });
    }
    (tan, ReferenceList::new(sky), stars)
}

#[test]
fn a_list_of_stars_serves_as_reference_in_both_parities() {
    for parity in [Parity::Sky, Parity::Mirrored] {
        let (tan, sky, stars) = truth_field(parity);
        let near = Hint { scale_arcsec: 2.3, ..hint((359.7, -47.2)) };
        let found = solve_hinted(&stars, SIZE_PX, &sky, &near, &LIMITS).unwrap();
        for (x, y) in CORNERS {
            let off = separation_arcsec(found.wcs.pixel_to_sky(x, y).unwrap(), tan.pixel_to_sky(x, y));
            assert!(off < 0.01, "{parity:?} {x} {y}: {off}");
        }
        assert!(found.matched > 40 && found.rms_arcsec < 0.01, "{found:?}");
    }
}

/// Lists that show no sky.
fn impostors() -> Vec<(&'static str, Vec<Detection>)> {
    let star = |x_px: f64, y_px: f64, i: usize| Detection {
        x_px,
        y_px,
        flux_adu: 1e4 / (i + 1) as f64,
        sigma_px: 0.1,
    };
    let mut rng = Rng::for_keys(3, &[2]);
    let noise = (0..100).map(|i| star(rng.range(0.0, 1080.0), rng.range(0.0, 1920.0), i)).collect();
    vec![
        ("noise", noise),
        ("three", (0..3).map(|i| star(100.0 + 50.0 * i as f64, 300.0 + (i * i) as f64, i)).collect()),
        ("none", Vec::new()),
        ("identical", (0..50).map(|i| star(500.0, 700.0, i)).collect()),
        ("in a line", (0..50).map(|i| star(10.0 + 20.0 * i as f64, 20.0 + 37.0 * i as f64, i)).collect()),
        ("not a number", (0..50).map(|i| star(f64::NAN, 3.0, i)).collect()),
    ]
}

fn is_refusal(result: &Result<RoughWcs, SolveError>) -> bool {
    matches!(result, Err(SolveError::NoMatch(_) | SolveError::TooFewStars { .. }))
}

#[test]
fn impostors_are_refused() {
    for (name, stars) in impostors() {
        for centre in [(192.8, 41.1), (300.0, 35.0), (12.0, 90.0)] {
            let near = Hint { radius_deg: 2.5, scale_tolerance: 0.25, ..hint(centre) };
            let result = solve_hinted(&stars, SIZE_PX, &tycho().at(2025.0), &near, &LIMITS);
            assert!(is_refusal(&result), "{name} {centre:?}: {result:?}");
        }
    }
}

#[test]
fn hints_without_sense_are_named_and_wishes_to_stop_obeyed() {
    let (_, sky, stars) = truth_field(Parity::Sky);
    let good = hint((359.98, -47.0));
    let nan = f64::NAN;
    for bad in [
        Hint { centre_deg: (nan, 0.0), ..good },
        Hint { centre_deg: (0.0, 95.0), ..good },
        Hint { radius_deg: nan, ..good },
        Hint { radius_deg: -1.0, ..good },
        Hint { scale_arcsec: 0.0, ..good },
        Hint { scale_arcsec: -2.4, ..good },
        Hint { scale_arcsec: nan, ..good },
        Hint { scale_arcsec: f64::INFINITY, ..good },
        Hint { scale_tolerance: nan, ..good },
        Hint { scale_tolerance: 5.0, ..good },
    ] {
        let result = solve_hinted(&stars, SIZE_PX, &sky, &bad, &LIMITS);
        assert!(matches!(result, Err(SolveError::Hint(_))), "{bad:?}: {result:?}");
    }
    assert!(matches!(solve_hinted(&stars, [0, 5], &sky, &good, &LIMITS), Err(SolveError::Hint(_))));
    let wide = Hint { radius_deg: 180.0, ..good };
    assert!(solve_hinted(&stars, SIZE_PX, &sky, &wide, &LIMITS).is_ok());
    let stop = AtomicBool::new(true);
    let cancelled = Limits { cancel: &stop, ..LIMITS };
    assert!(matches!(solve_hinted(&stars, SIZE_PX, &sky, &good, &cancelled), Err(SolveError::Cancelled)));
    let no_time = Limits { within: Duration::ZERO, ..LIMITS };
    assert!(matches!(solve_hinted(&stars, SIZE_PX, &sky, &good, &no_time), Err(SolveError::TimedOut { .. })));
}

/// A watched list that sets the flag when it is asked.
struct Stopper<'a>(&'a ReferenceList, &'a AtomicBool);

impl ReferenceStars for Stopper<'_> {
    fn cone(&self, centre_deg: (f64, f64), radius_deg: f64, limit: usize) -> Vec<ReferenceStar> {
        self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(200));
        self.0.cone(centre_deg, radius_deg, limit)
    }
}

#[test]
fn cancelling_while_it_works_stops_it() {
    let (_, sky, stars) = truth_field(Parity::Sky);
    let stop = AtomicBool::new(false);
    let limits = Limits { cancel: &stop, ..LIMITS };
    let result = solve_hinted(&stars, SIZE_PX, &Stopper(&sky, &stop), &hint((359.98, -47.0)), &limits);
    assert!(matches!(result, Err(SolveError::Cancelled)), "{result:?}");
}

fn index() -> BlindIndex {
    let cache = std::env::var_os("ZEMOSAIC_CACHE").map(PathBuf::from);
    let folder = cache.unwrap_or_else(|| repository().join("target").join("zemosaic-cache"));
    let start = Instant::now();
    let index = BlindIndex::open_or_build(&folder, tycho(), u64::MAX, &|text| eprintln!("{text}")).unwrap();
    eprintln!("index there after {:.2} s", start.elapsed().as_secs_f64());
    index
}

#[test]
fn real_frames_solve_blind_and_impostors_do_not() {
    if frames().is_empty() {
        return;
    }
    let index = index();
    let wide = ScaleRange { min_arcsec: 0.3, max_arcsec: 20.0 };
    let narrow = ScaleRange { min_arcsec: SCALE_ARCSEC / 1.2, max_arcsec: SCALE_ARCSEC * 1.2 };
    // Of one field near the pole the index has no pattern; a refusal says so, and nothing wrong is found.
    for range in [wide, narrow] {
        let mut refused = 0;
        for frame in frames() {
            let start = Instant::now();
            let found = solve_blind(&frame.stars, SIZE_PX, &tycho().at(frame.year), &index, &range, &LIMITS);
            eprintln!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3);
            if let Ok(rough) = found {
                check("blind", frame, &rough);
            } else {
                assert!(is_refusal(&found), "{found:?}");
                refused += 1;
            }
        }
        assert!(refused <= 1, "{refused} of {} refused", frames().len());
    }
    for (name, stars) in impostors() {
        let start = Instant::now();
        let result = solve_blind(&stars, SIZE_PX, &tycho().at(2025.0), &index, &narrow, &LIMITS);
        eprintln!("{name}: refused after {:.2} s", start.elapsed().as_secs_f64());
        assert!(is_refusal(&result), "{name}: {result:?}");
    }
    let range = ScaleRange { min_arcsec: f64::NAN, ..wide };
    let stars = &frames()[0].stars;
    let result = solve_blind(stars, SIZE_PX, &tycho().at(2025.0), &index, &range, &LIMITS);
    assert!(matches!(result, Err(SolveError::Hint(_))));
}

#[test]
fn a_damaged_index_is_not_opened_and_little_memory_refused() {
    let folder = tempfile::tempdir().unwrap();
    let build = || BlindIndex::open_or_build(folder.path(), tycho(), 1_000_000_000, &|_| {});
    assert!(matches!(build(), Err(SolveError::IndexMemory { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_small_catalogue_gets_an_index_and_damage_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "ra,dec,phot_g_mean_mag\n".to_owned();
    for star in tycho().at(2016.0).cone((100.0, 20.0), 6.0, 3000) {
        writeln!(text, "{},{},{}", star.ra_deg, star.dec_deg, star.mag).unwrap();
    }
    let path = folder.path().join("part.csv");
    std::fs::write(&path, text).unwrap();
    let catalogue = Catalogue::open(&path).unwrap();
    let cache = folder.path().join("cache");
    let told = std::cell::Cell::new(0);
    let open = |memory| BlindIndex::open_or_build(&cache, &catalogue, memory, &|_| told.set(told.get() + 1));
    let file = open(u64::MAX).unwrap().path().to_path_buf();
    assert_eq!(told.get(), 1);
    // Now little memory is enough, and nothing is built.
    open(0).unwrap();
    assert_eq!(told.get(), 1);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    open(u64::MAX).unwrap();
    assert_eq!((told.get(), std::fs::read(&file).unwrap() == whole), (2, true));
    let left = std::fs::read_dir(&cache).unwrap().count();
    assert_eq!(left, 1, "no partial files stay");
}
