//! Other programs as plate solvers: stand-ins that succeed, fail, hang and write rubbish, and `solve-field` where it is
//! installed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zemosaic_fits::{FilePool, Header, ImageData, ReadScratch, Window, read_window, scan, unpack_packed};
use zemosaic_frames::{Frame, IngestOptions, WcsNeed, discover, ingest};
use zemosaic_run::solve::external::{
    ExternalError, ExternalHint, ExternalProgram, ExternalSolver, find_program, solve_external,
};
use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs};
use zemosaic_testkit::noise_image;
use zemosaic_testkit::real_data;

const SIZE: (usize, usize) = (64, 48);
const HINT: ExternalHint = ExternalHint {
    centre_deg: Some((195.0, 41.5)),
    radius_deg: 3.0,
    scale_arcsec: Some(2.5),
    scale_tolerance: 0.2,
};

/// Scripts are written and run one at a time: a child that another thread starts meanwhile would hold a script open for
/// writing, which then cannot be run.
static SCRIPTS: Mutex<()> = Mutex::new(());

/// A folder with a frame, a script as the solver, and a scratch folder.
struct Bench {
    dir: tempfile::TempDir,
    frame: Frame,
    _guard: MutexGuard<'static, ()>,
}

impl Bench {
    fn new(edit: impl FnOnce(&mut Header)) -> Self {
        let guard = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("light.fit");
        let mut header = Header::new();
        header.set_str("OBJECT", "M 94", "");
        header.set_str("OBSERVER", "somebody", "");
        header.set_f64("SITELAT", 48.1, "");
        edit(&mut header);
        let pixels: Vec<u16> =
            noise_image(SIZE.0, SIZE.1, 1000.0, 20.0, 7).iter().map(|v| v.round() as u16).collect();
        write_image_at(&path, &header, &pixels);
        std::fs::create_dir(dir.path().join("scratch")).unwrap();
        let frame = only_frame(&path);
        Self { dir, frame, _guard: guard }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn solve_by(
        &self,
        solver: ExternalSolver,
        script: &str,
        timeout_s: f64,
        cancel: &AtomicBool,
    ) -> Result<Wcs, ExternalError> {
        let program = self.at("solver.sh");
        let text = format!("#!/bin/sh\nbench='{}'\n{script}\n", self.dir.path().display());
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let before = facts_of(&self.frame.path);
        let own = ExternalProgram {
            solver,
            program,
            scratch: self.at("scratch"),
            timeout: Duration::from_secs_f64(timeout_s),
        };
        let result = solve_external(&own, &self.frame, &FilePool::new(4), &HINT, cancel);
        assert_eq!(facts_of(&self.frame.path), before, "the frame was touched");
        assert_eq!(std::fs::read_dir(self.at("scratch")).unwrap().count(), 0, "the copy was left");
        result
    }

    fn solve(&self, solver: ExternalSolver, script: &str) -> Result<Wcs, ExternalError> {
        self.solve_by(solver, script, 20.0, &AtomicBool::new(false))
    }

    /// Arguments that the script kept.
    fn arguments(&self) -> Vec<String> {
        std::fs::read_to_string(self.at("arguments")).unwrap().lines().map(String::from).collect()
    }
}

fn write_image_at(path: &Path, header: &Header, pixels: &[u16]) {
    zemosaic_fits::write_image(path, header, ImageData::U16(pixels), &[SIZE.0, SIZE.1]).unwrap();
}

fn only_frame(path: &Path) -> Frame {
    let options = IngestOptions { wcs_need: WcsNeed::Optional, ..IngestOptions::default() };
    let mut found = ingest(&discover(&[path.to_path_buf()], &[]).unwrap(), &options, &|_| {});
    assert_eq!(found.frames.len(), 1, "{:?}", found.left_out);
    found.frames.remove(0)
}

/// Bytes and time of change.
fn facts_of(path: &Path) -> (Vec<u8>, std::time::SystemTime) {
    (std::fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap())
}

/// A solution of an image as the program sees it.
fn solution() -> Wcs {
    let mut sip = SipCoefficients::zero(2);
    sip.a[2 * 3] = 3e-5;
    sip.b[3 + 1] = -2e-5;
    let cd_deg = [[-7e-4, 1e-5], [1.2e-5, 6.9e-4]];
    Wcs::tan_sip([195.02, 41.47], [20.3, 11.8], cd_deg, SkyFrame::Icrs, &sip).unwrap()
}

/// The value behind an argument.
fn after<'a>(arguments: &'a [String], name: &str) -> &'a str {
    let at = arguments.iter().position(|own| own == name);
    assert!(at.is_some(), "no {name} in {arguments:?}");
    &arguments[at.unwrap() + 1]
}

const KEEP: &str =
    "for a in \"$@\"; do echo \"$a\" >> \"$bench/arguments\"; done; cp frame.fits \"$bench/copy.fits\"";

#[test]
fn solve_field_gets_a_bare_copy_and_its_wcs_comes_back() {
    let bench = Bench::new(|_| {});
    let mut header = Header::new();
    header.set_bool("SIMPLE", true, "");
    solution().write_to(&mut header);
    std::fs::write(bench.at("known.wcs"), header.to_bytes()).unwrap();
    let script = format!("{KEEP}; test -t 0 && exit 9; cat; cp \"$bench/known.wcs\" frame.wcs");
    let wcs = bench.solve(ExternalSolver::SolveField, &script).unwrap();
    assert_eq!(wcs, Wcs::from_header(&header).unwrap());

    let arguments = bench.arguments();
    for (name, value) in [
        ("--ra", 195.0),
        ("--dec", 41.5),
        ("--radius", 3.0),
        ("--scale-low", 2.0),
        ("--scale-high", 3.0),
        ("--cpulimit", 20.0),
    ] {
        assert_eq!(after(&arguments, name).parse::<f64>().unwrap(), value, "{name}");
    }
    assert_eq!(after(&arguments, "--scale-units"), "arcsecperpix");
    assert!(
        ["--no-plots", "--overwrite", "--no-verify"].iter().all(|name| arguments.contains(&(*name).into()))
    );
    assert!(arguments.last().unwrap().ends_with("/frame.fits"));

    let copy = scan(&bench.at("copy.fits")).unwrap().hdus.remove(0).header;
    for key in ["OBJECT", "OBSERVER", "SITELAT", "CTYPE1"] {
        assert!(!copy.contains(key), "the copy tells {key}");
    }
    assert_eq!((copy.get_i64("NAXIS1"), copy.get_i64("NAXIS2")), (Some(64), Some(48)));
}

#[test]
fn astap_is_told_hours_and_polar_distance() {
    let bench = Bench::new(|_| {});
    let mut header = Header::new();
    solution().write_to(&mut header);
    let lines: Vec<String> =
        header.cards().iter().map(|card| String::from_utf8_lossy(card).trim_end().to_string()).collect();
    std::fs::write(bench.at("known.wcs"), format!("{}\nEND\n", lines.join("\n"))).unwrap();
    let script = format!("{KEEP}; cp \"$bench/known.wcs\" frame.wcs; echo PLTSOLVD=T > frame.ini");
    let wcs = bench.solve(ExternalSolver::Astap, &script).unwrap();
    let (x, y) = wcs.sky_to_pixel(195.02, 41.47).unwrap();
    assert!((x - 20.3).hypot(y - 11.8) < 1e-9);
    let arguments = bench.arguments();
    for (name, value) in [("-ra", 13.0), ("-spd", 131.5), ("-r", 3.0), ("-fov", 48.0 * 2.5 / 3600.0)] {
        assert!((after(&arguments, name).parse::<f64>().unwrap() - value).abs() < 1e-12, "{name}");
    }
    assert!(after(&arguments, "-f").ends_with("/frame.fits") && arguments.contains(&"-wcs".into()));
}

#[test]
fn the_summary_of_astap_is_enough_and_its_no_is_a_no() {
    let bench = Bench::new(|_| {});
    let ini = "PLTSOLVD=T\\nCRPIX1= 3.25E+001\\nCRPIX2= 2.45E+001\\nCRVAL1= 1.95E+002\\nCRVAL2= 4.15E+001\\n\
               CD1_1=-7.0E-004\\nCD1_2= 0\\nCD2_1= 0\\nCD2_2= 7.0E-004\\n";
    let wcs = bench.solve(ExternalSolver::Astap, &format!("printf '{ini}' > frame.ini")).unwrap();
    let (x, y) = wcs.sky_to_pixel(195.0, 41.5).unwrap();
    assert!((x - 31.5).hypot(y - 23.5) < 1e-9, "{x} {y}");

    let script = "printf 'PLTSOLVD=F\\nERROR=No star database found\\n' > frame.ini";
    let error = bench.solve(ExternalSolver::Astap, script).unwrap_err();
    assert!(matches!(error, ExternalError::NotSolved { .. }), "{error:?}");
    assert!(error.to_string().contains("No star database found"), "{error}");
}

/// Means of 2 x 2 pixels go to the program; what it says of them holds for the whole frame.
#[test]
fn colour_frames_are_solved_as_super_pixels() {
    let bench = Bench::new(|header| header.set_str("BAYERPAT", "GRBG", ""));
    let mut file = Header::new();
    file.set_bool("SIMPLE", true, "");
    solution().write_to(&mut file);
    std::fs::write(bench.at("known.wcs"), file.to_bytes()).unwrap();
    let script = format!("{KEEP}; cp \"$bench/known.wcs\" frame.wcs");
    let wcs = bench.solve(ExternalSolver::SolveField, &script).unwrap();
    for (x, y) in [(0.0, 0.0), (31.0, 23.0), (12.25, 3.75)] {
        let (ra, dec) = solution().pixel_to_sky(x, y).unwrap();
        let (fx, fy) = wcs.sky_to_pixel(ra, dec).unwrap();
        let miss = (fx - 2.0 * x - 0.5).hypot(fy - 2.0 * y - 0.5);
        assert!(miss < 1e-9, "{miss} px");
    }
    assert_eq!(after(&bench.arguments(), "--scale-low").parse::<f64>().unwrap(), 4.0);

    let copy = bench.at("copy.fits");
    let hdu = scan(&copy).unwrap().hdus.remove(0);
    assert_eq!((hdu.header.get_i64("NAXIS1"), hdu.header.get_i64("NAXIS2")), (Some(32), Some(24)));
    let layout = only_frame(&copy).layout;
    let raw = pixels_of(&bench.frame.path, SIZE, &bench.frame.layout);
    let binned = pixels_of(&copy, (32, 24), &layout);
    let at = |x: usize, y: usize| raw[y * SIZE.0 + x];
    let wanted = (at(10, 6) + at(11, 6) + at(10, 7) + at(11, 7)) / 4.0;
    assert!((binned[3 * 32 + 5] - wanted).abs() <= 0.5);
}

fn pixels_of(path: &Path, (width, height): (usize, usize), layout: &zemosaic_fits::ImageLayout) -> Vec<f32> {
    let mut pixels = vec![0.0; width * height];
    let window = Window { x0: 0, y0: 0, width, height };
    read_window(&FilePool::new(1), path, layout, 0, window, &mut ReadScratch::default(), &mut pixels)
        .unwrap();
    pixels
}

#[test]
fn failures_say_what_the_program_said() {
    let bench = Bench::new(|_| {});
    let script = "echo reading; echo 'no stars at all' >&2; exit 3";
    let error = bench.solve(ExternalSolver::SolveField, script).unwrap_err();
    assert!(matches!(error, ExternalError::NotSolved { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no stars at all") && text.contains("reading") && text.contains('3'), "{text}");
    // Done without a solution, as solve-field ends when it finds none.
    let error = bench.solve(ExternalSolver::SolveField, "echo 'Did not solve.'").unwrap_err();
    assert!(error.to_string().contains("Did not solve."), "{error}");
}

#[test]
fn rubbish_is_no_solution() {
    let bench = Bench::new(|_| {});
    for script in [
        "head -c 4000 /dev/urandom > frame.wcs",
        ": > frame.wcs",
        "echo 'CRVAL1 = 12' > frame.wcs",
        "head -c 2000000 /dev/zero > frame.wcs",
        "printf 'CTYPE1=RA---TAN\\nCTYPE2=DEC--TAN\\nCD1_1=0\\nCD2_2=0\\n' > frame.wcs",
    ] {
        let error = bench.solve(ExternalSolver::SolveField, script).unwrap_err();
        assert!(matches!(error, ExternalError::BadResult { .. }), "{script}: {error:?}");
    }
}

/// Whether a process runs; one that only waits to be collected does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

const HANG: &str = "sleep 300 & echo $! > \"$bench/pids\"; echo $$ >> \"$bench/pids\"; echo waiting; wait";

fn assert_children_gone(bench: &Bench) {
    let pids = std::fs::read_to_string(bench.at("pids")).unwrap();
    let pids: Vec<i32> = pids.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    let deadline = Instant::now() + Duration::from_secs(5);
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(Instant::now() < deadline, "children still run: {pids:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_that_hangs_ends_with_its_children() {
    let bench = Bench::new(|_| {});
    let started = Instant::now();
    let result = bench.solve_by(ExternalSolver::SolveField, HANG, 1.0, &AtomicBool::new(false));
    let error = result.unwrap_err();
    assert!(matches!(error, ExternalError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("waiting"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_children_gone(&bench);
}

#[test]
fn an_interrupt_ends_it_too() {
    let bench = Bench::new(|_| {});
    let cancel = AtomicBool::new(false);
    let pids = bench.at("pids");
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(20);
            let both = || std::fs::read_to_string(&pids).is_ok_and(|text| text.lines().count() == 2);
            while !both() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            cancel.store(true, Ordering::Relaxed);
        });
        bench.solve_by(ExternalSolver::SolveField, HANG, 60.0, &cancel)
    });
    assert!(matches!(result, Err(ExternalError::Cancelled)), "{result:?}");
    assert_children_gone(&bench);
}

/// A program that ends while what it started goes on.
#[test]
fn nothing_is_left_behind_by_a_program_that_ends() {
    let bench = Bench::new(|_| {});
    let script = "sleep 300 & echo $! > \"$bench/pids\"; echo $$ >> \"$bench/pids\"; exit 1";
    let error = bench.solve(ExternalSolver::SolveField, script).unwrap_err();
    assert!(matches!(error, ExternalError::NotSolved { .. }), "{error:?}");
    assert_children_gone(&bench);
}

#[test]
fn a_missing_program_is_told_with_a_way_to_get_it() {
    let bench = Bench::new(|_| {});
    let nowhere = bench.at("no-such-program");
    assert_eq!(find_program(ExternalSolver::Astap, Some(&nowhere)), None);
    assert_eq!(
        find_program(ExternalSolver::Astap, Some(&bench.frame.path)),
        None,
        "a file that is no program"
    );
    let own = ExternalProgram {
        solver: ExternalSolver::Astap,
        program: nowhere,
        scratch: bench.at("scratch"),
        timeout: Duration::from_secs(1),
    };
    let error =
        solve_external(&own, &bench.frame, &FilePool::new(1), &HINT, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, ExternalError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("install ASTAP"), "{error}");
}

/// The real program on a Seestar frame whose solution is known.
#[test]
fn solve_field_solves_a_seestar_frame() {
    const STEM: &str = "seestar_m94/Light_M_94_10.0s_IRCUT_20250326-212046";
    let Some(packed) = real_data(&format!("{STEM}.fit.gz")) else { return };
    let Some(program) = find_program(ExternalSolver::SolveField, None) else {
        eprintln!("skipped: solve-field is not installed");
        return;
    };
    let known =
        std::fs::read(packed.with_file_name(format!("{}.wcs", &STEM["seestar_m94/".len()..]))).unwrap();
    let known = Wcs::from_header(&Header::parse(&known).unwrap().0).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("light.fit");
    unpack_packed(&packed, &path).unwrap();
    let frame = only_frame(&path);
    let own = ExternalProgram {
        solver: ExternalSolver::SolveField,
        program,
        scratch: dir.path().to_path_buf(),
        timeout: Duration::from_mins(2),
    };
    let (x, y) = (frame.width as f64 / 2.0, frame.height as f64 / 2.0);
    let hint = ExternalHint {
        centre_deg: known.pixel_to_sky(x, y).map(|(ra, dec)| (ra + 0.3, dec - 0.2)),
        radius_deg: 2.0,
        scale_arcsec: Some(2.4),
        scale_tolerance: 0.1,
    };
    let started = Instant::now();
    let solved = solve_external(&own, &frame, &FilePool::new(4), &hint, &AtomicBool::new(false));
    if let Err(error) = &solved
        && error.to_string().contains("at least one index")
    {
        eprintln!("skipped: solve-field has no index files: {error}");
        return;
    }
    let wcs = solved.unwrap();
    let mut worst_px: f64 = 0.0;
    for (fx, fy) in [(0.5, 0.5), (0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)] {
        let (x, y) = (fx * frame.width as f64, fy * frame.height as f64);
        let (ra, dec) = known.pixel_to_sky(x, y).unwrap();
        let (sx, sy) = wcs.sky_to_pixel(ra, dec).unwrap();
        let miss_px = (sx - x).hypot(sy - y);
        // In the middle the two solutions differ little: super-pixels half a pixel off would be seen.
        assert!(fx != 0.5 || miss_px < 0.4, "{miss_px} px in the middle");
        worst_px = worst_px.max(miss_px);
    }
    eprintln!(
        "solve-field: {worst_px:.3} px from the known solution, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(worst_px < 1.5, "{worst_px} px");
}
