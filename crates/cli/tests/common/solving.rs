//! Real raw frames without a WCS, copies of them with other headers, and runs of `zemosaic solve`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::Value;
use zemosaic_fits::{
    FilePool, Header, ImageData, ReadScratch, Window, read_window, scan, unpack_packed, write_image,
};
use zemosaic_sky::Wcs;
use zemosaic_stars::{BlindIndex, Catalogue};

use super::{Ran, program, real_data, run};

pub const WIDTH_PX: usize = 1080;
pub const HEIGHT_PX: usize = 1920;

/// The real Seestar frames: set, name, and the scale of their telescope, arcsec per pixel.
pub const SEESTAR: [(&str, &str, f64); 5] = [
    ("seestar_m94", "Light_M_94_10.0s_IRCUT_20250326-212046", 2.3762),
    ("seestar_m94", "Light_M_94_10.0s_IRCUT_20250326-212454", 2.3762),
    ("seestar_m94", "Light_M_94_10.0s_IRCUT_20250409-225435", 2.3722),
    ("seestar_ngc7023", "Light_NGC_7023_10.0s_IRCUT_20240730-224436", f64::NAN),
    ("seestar_ngc7023", "Light_NGC_7023_20.0s_IRCUT_20250630-023420", f64::NAN),
];

/// Cards of a WCS that frames and side-cars may have.
const WCS_CARDS: [&str; 26] = [
    "WCSAXES", "CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CUNIT1", "CUNIT2", "CDELT1",
    "CDELT2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "LONPOLE", "LATPOLE",
    "RADESYS", "EQUINOX", "CROTA1", "CROTA2", "A_ORDER",
];

/// A file of a set of real data; `None` (with a note) where there are none.
fn real_file(set: &str, name: &str, suffix: &str) -> Option<PathBuf> {
    real_data(&format!("{set}/{name}.{suffix}"))
}

/// Copies of the frames of [`SEESTAR`] at `which` in `folder`, as they are but without side-cars.
pub fn copies(folder: &Path, which: &[usize]) -> Option<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).unwrap();
    let copy = |&index: &usize| {
        let (set, name, _) = SEESTAR[index];
        let to = folder.join(format!("{name}.fit.gz"));
        std::fs::write(&to, std::fs::read(real_file(set, name, "fit.gz")?).unwrap()).unwrap();
        Some(to)
    };
    which.iter().map(copy).collect()
}

/// The solution of astrometry.net of a frame of [`SEESTAR`].
pub fn truth(index: usize) -> Wcs {
    let (set, name, _) = SEESTAR[index];
    read_sidecar(&real_file(set, name, "wcs").unwrap())
}

/// The WCS of a side-car.
pub fn read_sidecar(path: &Path) -> Wcs {
    Wcs::from_header(&sidecar_header(path)).unwrap()
}

pub fn sidecar_header(path: &Path) -> Header {
    Header::parse(&std::fs::read(path).unwrap()).unwrap().0
}

/// A raw frame in memory.
#[derive(Clone)]
pub struct Raw {
    pub header: Header,
    pub pixels: Vec<u16>,
}

impl Raw {
    /// A frame of [`SEESTAR`], its header without WCS cards.
    pub fn seestar(index: usize) -> Option<Self> {
        let (set, name, _) = SEESTAR[index];
        let packed = real_file(set, name, "fit.gz")?;
        let folder = super::folder();
        let path = folder.path().join("frame.fit");
        unpack_packed(&packed, &path).unwrap();
        let file = scan(&path).unwrap();
        let hdu = file.images().next().unwrap();
        let layout = hdu.image().unwrap().clone();
        let mut pixels = vec![0.0; WIDTH_PX * HEIGHT_PX];
        let (pool, mut scratch) = (FilePool::new(1), ReadScratch::default());
        read_window(&pool, &path, &layout, 0, Window::full(&layout), &mut scratch, &mut pixels).unwrap();
        let mut raw = Self {
            header: hdu.header.clone(),
            pixels: pixels.into_iter().map(|value| value as u16).collect(),
        };
        raw.drop_wcs();
        Some(raw)
    }

    /// A frame that looks like the first of [`SEESTAR`] but has other pixels.
    pub fn made_of(pixels: &[f32]) -> Self {
        let mut header = Header::new();
        header.set_str("INSTRUME", "Seestar S50", "");
        header.set_str("BAYERPAT", "GRBG", "");
        header.set_str("DATE-OBS", "2025-03-27T01:20:32.9", "");
        header.set_i64("FOCALLEN", 250, "");
        header.set_f64("XPIXSZ", 2.9, "");
        header.set_f64("YPIXSZ", 2.9, "");
        header.set_f64("EXPTIME", 10.0, "");
        header.set_f64("RA", 193.041_66, "");
        header.set_f64("DEC", 40.970_556, "");
        Self { header, pixels: pixels.iter().map(|value| value.round().clamp(0.0, 65535.0) as u16).collect() }
    }

    /// Without its WCS.
    pub fn drop_wcs(&mut self) {
        for key in WCS_CARDS {
            self.header.remove(key);
        }
    }

    /// With the linear WCS `wcs`.
    pub fn with_wcs(mut self, wcs: &Wcs) -> Self {
        self.drop_wcs();
        wcs.write_to(&mut self.header);
        self
    }

    /// Upside down, as programs write it that count rows from the top.
    pub fn flipped(mut self) -> Self {
        let rows: Vec<&[u16]> = self.pixels.chunks_exact(WIDTH_PX).rev().collect();
        self.pixels = rows.concat();
        self.header.set_str("BAYERPAT", "BGGR", "");
        self
    }

    pub fn write(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_image(path, &self.header, ImageData::U16(&self.pixels), &[WIDTH_PX, HEIGHT_PX]).unwrap();
    }
}

/// Folder of the index of the whole sky, which all tests of a checkout share.
fn cache() -> PathBuf {
    let given = std::env::var_os("ZEMOSAIC_CACHE").map(PathBuf::from);
    given.unwrap_or_else(|| {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("target").join("zemosaic-cache")
    })
}

/// [`cache`] with the index in it. Built once: several at a time would need a gigabyte each.
pub fn cache_with_index() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let start = Instant::now();
        let catalogue = Catalogue::embedded().unwrap();
        BlindIndex::open_or_build(&cache(), &catalogue, u64::MAX, &|text| eprintln!("{text}")).unwrap();
        eprintln!("index there after {:.1} s", start.elapsed().as_secs_f64());
        cache()
    })
}

/// The program where no other solver is installed.
pub fn program_alone() -> Command {
    let mut command = program();
    command.env("PATH", "");
    command
}

/// What `zemosaic solve --json` said.
pub struct Solved {
    pub ran: Ran,
    /// Frames.
    pub rows: Vec<Value>,
    /// All of them.
    pub summary: Value,
    pub seconds: f64,
}

impl Solved {
    /// The row of the frame whose name has `part`.
    #[track_caller]
    pub fn row(&self, part: &str) -> &Value {
        let has_name = |row: &&Value| row["frame"].as_str().unwrap().contains(part);
        let found = self.rows.iter().find(has_name);
        found.unwrap_or_else(|| panic!("{part} is not in {:?}: {}", self.rows, self.ran.stderr))
    }

    pub fn count(&self, outcome: &str) -> usize {
        self.rows.iter().filter(|row| row["outcome"] == outcome).count()
    }
}

/// One at a time: searches have time limits, and tests of one file would take the cores from each other.
static TURN: Mutex<()> = Mutex::new(());

/// `zemosaic solve INPUT... --json MORE...`, where the index of the whole sky is not needed or there.
pub fn solve<P: AsRef<Path>>(inputs: &[P], more: &[&str]) -> Solved {
    let mut command = program_alone();
    command.arg("solve").args(inputs.iter().map(AsRef::as_ref)).args(["--json", "--quiet"]).args(more);
    if !more.contains(&"off") {
        command.env("ZEMOSAIC_CACHE", cache_with_index());
    }
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let ran = run(&mut command);
    drop(turn);
    let seconds = start.elapsed().as_secs_f64();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let (summary, rows): (Vec<Value>, Vec<Value>) = lines.partition(|line: &Value| line["frame"].is_null());
    let summary = summary.into_iter().next().map_or(Value::Null, |line| line["summary"].clone());
    Solved { ran, rows, summary, seconds }
}

const CORNERS: [(f64, f64); 4] = [(0.0, 0.0), (1079.0, 0.0), (0.0, 1919.0), (1079.0, 1919.0)];

/// Distance of the worst corner of `found` from where `truth` has it, pixels; `to_truth` maps pixels of one to the other.
pub fn worst_corner_px(found: &Wcs, truth: &Wcs, to_truth: impl Fn((f64, f64)) -> (f64, f64)) -> f64 {
    let off = |corner: (f64, f64)| {
        let (x, y) = to_truth(corner);
        let (lon, lat) = truth.pixel_to_sky(x, y).unwrap();
        let (own_x, own_y) = found.sky_to_pixel(lon, lat).unwrap();
        (own_x - corner.0).hypot(own_y - corner.1)
    };
    CORNERS.map(off).into_iter().fold(0.0, f64::max)
}
