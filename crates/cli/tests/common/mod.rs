//! Small frames, runs of the built program, and what must hold after each run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod solving;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use zemosaic_fits::{FilePool, FitsFile, HduKind, Header, ImageData, ReadScratch, Window, read_window, scan};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, star_image, write_test_frame};

/// Size of ordinary test frames, pixels.
pub const WIDTH: usize = 200;
pub const HEIGHT: usize = 150;
/// Their scale, arcsec per pixel.
pub const SCALE_ARCSEC: f64 = 2.0;
/// Their noise and level.
pub const SIGMA_ADU: f64 = 10.0;
pub const LEVEL_ADU: f64 = 1000.0;
/// The present, for the program.
pub const EPOCH: &str = "1700000000";

/// A fresh folder that everybody may enter.
pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("zemosaic-test-").tempdir().unwrap();
    #[cfg(unix)]
    set_mode(dir.path(), 0o755);
    dir
}

#[cfg(unix)]
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The pointing of frame `index`: dithered by a few pixels, rotated by `rotation_deg` per frame.
pub fn pointing(index: usize, rotation_deg: f64) -> TanFrame {
    let dithers =
        [(0.0, 0.0), (7.3, -4.6), (-11.8, 9.1), (18.4, 13.7), (-5.2, -16.9), (24.6, -8.3), (-21.1, 3.4)];
    let (dx, dy) = dithers[index % dithers.len()];
    let grow = 1.0 + 0.37 * (index / dithers.len()) as f64;
    let pixel_deg = SCALE_ARCSEC / 3600.0;
    let dec = 41.0 + grow * dy * pixel_deg;
    let ra = 150.0 + grow * dx * pixel_deg / 41.0_f64.to_radians().cos();
    TanFrame::pointed_at((ra, dec), SCALE_ARCSEC, rotation_deg * index as f64, Parity::Sky, (WIDTH, HEIGHT))
}

/// Noise and a dozen stars fixed on the sky.
pub fn sky_image(frame: &TanFrame, seed: u64) -> Vec<f32> {
    let stars: Vec<(f64, f64, f64)> = (0..12)
        .filter_map(|i| {
            let (a, b) = (f64::from(i) * 2.399, f64::from(i) / 12.0);
            let ra = 150.0 + 0.06 * b * a.cos();
            let dec = 41.0 + 0.045 * b * a.sin();
            frame.sky_to_pixel(ra, dec).map(|(x, y)| (x, y, 2000.0 + 1500.0 * f64::from(i)))
        })
        .collect();
    let mut image = noise_image(frame.width_px, frame.height_px, LEVEL_ADU, SIGMA_ADU, seed);
    let light = star_image(frame.width_px, frame.height_px, &stars, 2.6);
    image.iter_mut().zip(light).for_each(|(pixel, light)| *pixel += light);
    image
}

/// Header cards every frame of a set shares.
pub fn observed(index: usize) -> impl FnOnce(&mut Header) {
    move |header| {
        header.set_str(
            "DATE-OBS",
            &format!("2025-03-2{}T01:20:{:02}.5", index / 5 % 10, 10 * (index % 5)),
            "",
        );
        header.set_str("TELESCOP", "Test scope", "");
        header.set_str("FILTER", "L", "");
    }
}

/// A mono float frame.
pub fn write_mono(path: &Path, frame: &TanFrame, index: usize) {
    let image = sky_image(frame, 100 + index as u64);
    write_test_frame(path, frame, ImageData::F32(&image), observed(index)).unwrap();
}

/// A raw Bayer frame of unsigned 16-bit integers.
pub fn write_cfa(path: &Path, frame: &TanFrame, index: usize) {
    let raw: Vec<u16> =
        sky_image(frame, 200 + index as u64).iter().map(|value| value.round() as u16).collect();
    write_test_frame(path, frame, ImageData::U16(&raw), |header| {
        observed(index)(header);
        header.set_str("BAYERPAT", "GRBG", "");
    })
    .unwrap();
}

/// Three planes.
pub fn write_rgb(path: &Path, frame: &TanFrame, index: usize) {
    let cube: Vec<f32> = (0..3).flat_map(|plane| sky_image(frame, 300 + 3 * index as u64 + plane)).collect();
    write_test_frame(path, frame, ImageData::F32(&cube), observed(index)).unwrap();
}

/// `count` mono frames named `f0.fits`, `f1.fits` … in a new folder `frames` below `dir`.
pub fn mono_frames(dir: &Path, count: usize) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for index in 0..count {
        write_mono(&frames.join(format!("f{index}.fits")), &pointing(index, 0.0), index);
    }
    frames
}

/// Write `bytes` gzip-compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// The built program.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zemosaic"));
    quiet_environment(&mut command);
    command
}

/// Environment of every run.
pub fn quiet_environment(command: &mut Command) {
    command.env("SOURCE_DATE_EPOCH", EPOCH).env("NO_COLOR", "1").stdin(Stdio::null());
}

/// What a run did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Exit code and a code of the message; no panic.
    #[track_caller]
    pub fn expect(&self, code: i32, message_code: &str) -> &Self {
        assert_eq!(self.code, code, "exit code; stderr: {}\nstdout: {}", self.stderr, self.stdout);
        assert!(self.stderr.contains(message_code), "{message_code} is not in: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// The message tells this too.
    #[track_caller]
    pub fn tells(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "'{text}' is not in: {}", self.stderr);
        self
    }
}

pub fn run(command: &mut Command) -> Ran {
    Ran::of(&command.output().unwrap())
}

/// `zemosaic mosaic INPUT... -o OUT MORE...`
pub fn mosaic<P: AsRef<Path>>(inputs: &[P], out: &Path, more: &[&str]) -> Ran {
    run(program().arg("mosaic").args(inputs.iter().map(AsRef::as_ref)).arg("-o").arg(out).args(more))
}

/// All files and folders below `root`, by path below it.
pub fn listing(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = entry.path();
            found.push(path.strip_prefix(root).unwrap().to_path_buf());
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Nothing half-made is left below `root`.
#[track_caller]
pub fn assert_tidy(root: &Path) {
    let left: Vec<PathBuf> = listing(root)
        .into_iter()
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".partial") || name.contains(".spill-")
        })
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// A run that failed: at most its log is left in `out`, nothing half-made below `root`.
#[track_caller]
pub fn assert_no_product(root: &Path, out: &Path) {
    assert_tidy(root);
    if out.is_dir() {
        let products: Vec<PathBuf> =
            listing(out).into_iter().filter(|path| !LOGS.iter().any(|log| path == Path::new(log))).collect();
        assert!(products.is_empty(), "products of a failed run: {products:?}");
        if let Ok(events) = std::fs::read_to_string(out.join("events.jsonl")) {
            let last: serde_json::Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
            assert_eq!(last["event"], "failed", "{last}");
        }
    }
}

/// What every run leaves, however it ends.
pub const LOGS: [&str; 3] = ["events.jsonl", "logs", "logs/run.log"];

/// Names of all products of a finished run.
pub const PRODUCTS: [&str; 9] = [
    "mosaic.fits",
    "mosaic_preview.png",
    "frames.csv",
    "report.html",
    "report.json",
    "run.toml",
    "events.jsonl",
    "logs",
    "logs/run.log",
];

/// A run that finished: all products, nothing else.
#[track_caller]
pub fn assert_products(root: &Path, out: &Path) {
    assert_tidy(root);
    let mut expected: Vec<PathBuf> = PRODUCTS.iter().map(PathBuf::from).collect();
    expected.sort();
    assert_eq!(listing(out), expected);
}

/// Content of every file below `root`: name and hash.
pub fn hashes(root: &Path) -> BTreeMap<PathBuf, blake3::Hash> {
    listing(root)
        .into_iter()
        .filter(|path| root.join(path).is_file())
        .map(|path| {
            let hash = blake3::hash(&std::fs::read(root.join(&path)).unwrap());
            (path, hash)
        })
        .collect()
}

/// Rows of `frames.csv` as (frame, status, code).
pub fn frames_csv(out: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(out.join("frames.csv")).unwrap();
    let mut lines = text.lines();
    let columns = lines.next().unwrap().split(',').count();
    lines
        .map(|line| {
            let fields = csv_fields(line);
            assert_eq!(fields.len(), columns, "{line}");
            (fields[0].clone(), fields[1].clone(), fields[2].clone())
        })
        .collect()
}

/// A column of `frames.csv`, of the frames that were used.
pub fn csv_column(out: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(out.join("frames.csv")).unwrap();
    let mut rows = text.lines().map(csv_fields);
    let at = rows.next().unwrap().iter().position(|head| head == name).unwrap();
    rows.filter(|row| row[1] == "used").map(|row| row[at].clone()).collect()
}

/// Fields of a line as RFC 4180 has them.
fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

/// Frames of `frames.csv` that were used.
pub fn used_frames(out: &Path) -> Vec<String> {
    frames_csv(out).into_iter().filter(|row| row.1 == "used").map(|row| row.0).collect()
}

/// The code with which `frame` was left out.
#[track_caller]
pub fn left_out_code(out: &Path, frame: &str) -> String {
    let rows = frames_csv(out);
    let row = rows.iter().find(|row| row.0 == frame).unwrap_or_else(|| panic!("{frame} is not in {rows:?}"));
    assert_eq!(row.1, "left-out");
    row.2.clone()
}

/// A mosaic opened for reading.
pub struct Mosaic {
    pub file: FitsFile,
}

impl Mosaic {
    pub fn open(path: &Path) -> Self {
        Self { file: scan(path).unwrap() }
    }

    pub fn hdu(&self, name: &str) -> usize {
        let is_named = |header: &Header| header.get_str("EXTNAME").is_some_and(|own| own.trim() == name);
        self.file.hdus.iter().position(|hdu| is_named(&hdu.header)).unwrap_or_else(|| panic!("no {name}"))
    }

    pub fn header(&self, name: &str) -> &Header {
        &self.file.hdus[self.hdu(name)].header
    }

    pub fn plane(&self, name: &str, plane: usize) -> Vec<f32> {
        let HduKind::Image(layout) = &self.file.hdus[self.hdu(name)].kind else {
            panic!("{name} is no image")
        };
        let mut pixels = vec![0.0; layout.width() * layout.height()];
        let window = Window::full(layout);
        read_window(
            &FilePool::new(1),
            &self.file.path,
            layout,
            plane,
            window,
            &mut ReadScratch::default(),
            &mut pixels,
        )
        .unwrap();
        pixels
    }

    pub fn grid(&self) -> TanFrame {
        TanFrame::from_header(self.header("SCI")).unwrap()
    }
}

pub use zemosaic_testkit::real_data::{real_data, skipped};

/// A shell without the privileges that would open every door, running `script` with `arguments`; `None`
/// (with a note) where there is none.
#[cfg(unix)]
pub fn unprivileged(script: &str, arguments: &[&Path]) -> Option<Command> {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").map_or(true, |meta| meta.uid() == 0);
    let start = |script: &str| {
        let mut command = Command::new(if is_root { "setpriv" } else { "bash" });
        if is_root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash"]);
        }
        command.args(["-c", script, "bash", env!("CARGO_BIN_EXE_zemosaic")]);
        quiet_environment(&mut command);
        command
    };
    if !start("\"$1\" --version").output().is_ok_and(|output| output.status.success()) {
        skipped(
            "the program cannot be run without privileges here (no setpriv, or a folder that only root may enter)",
        );
        return None;
    }
    let mut command = start(script);
    command.args(arguments);
    Some(command)
}
