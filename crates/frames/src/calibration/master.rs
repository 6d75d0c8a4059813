//! A master: the calibration image that frames are corrected with; and what is used of which master for one frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zemosaic_fits::{FilePool, FitsError, ImageLayout, ReadScratch, Window, read_window};
use zemosaic_image::CfaPattern;

use crate::calibration::facts::ImageFacts;
use crate::calibration::files::CalibrationKind;

/// What a master's own pixels say.
#[derive(Debug, Clone, PartialEq)]
pub struct MasterStatistics {
    /// Mean of the good pixels and their number, by plane, then by phase 2 (y mod 2) + x mod 2 of the master's pixels;
    /// finite ones are good, of a flat those above 0.
    pub phases: Vec<[(f64, u64); 4]>,
    /// blake3 of the physical values as 32-bit floats: equal for equal pixels however they are stored.
    pub content_hash: [u8; 32],
}

impl MasterStatistics {
    /// Mean of the good pixels of `plane` in those phases that `counts`; NaN where there are none.
    fn mean_of(&self, plane: usize, counts: impl Fn(usize) -> bool) -> f64 {
        let Some(phases) = self.phases.get(plane) else { return f64::NAN };
        let (mut sum, mut pixels) = (0.0, 0);
        for (_, (mean, count)) in phases.iter().enumerate().filter(|(phase, (_, n))| *n > 0 && counts(*phase))
        {
            sum += mean * *count as f64;
            pixels += count;
        }
        sum / pixels as f64
    }

    /// Mean of all good pixels of the first plane.
    pub fn mean(&self) -> f64 {
        self.mean_of(0, |_| true)
    }

    /// What a flat is divided by to be 1 on average, by phase: with a `pattern` (of the master's own pixels) the mean of
    /// each colour, else that of the plane. 1 where there is no good pixel.
    pub fn flat_levels(&self, plane: usize, pattern: Option<CfaPattern>) -> [f64; 4] {
        let colour =
            |phase: usize| pattern.map(|pattern| pattern.colour_at(phase as i64 % 2, phase as i64 / 2));
        std::array::from_fn(|phase| {
            let level = self.mean_of(plane, |other| colour(other) == colour(phase));
            if level > 0.0 { level } else { 1.0 }
        })
    }
}

/// A calibration image.
#[derive(Debug, Clone)]
pub struct Master {
    /// What it is used as.
    pub kind: CalibrationKind,
    /// Number in the run's list of masters.
    pub index: usize,
    /// File name of a master that was given; of one that was made, of how many frames.
    pub name: String,
    /// The file as given, the first one of those it was made of.
    pub path: PathBuf,
    /// The file whose rows are read.
    pub pixels_path: PathBuf,
    /// Where and how the pixels lie in it.
    pub layout: ImageLayout,
    /// What frames are matched with.
    pub facts: ImageFacts,
    /// What its pixels say; `None` until it is made or read.
    pub statistics: Option<MasterStatistics>,
}

/// Rows read at a time.
const BAND_ROWS: usize = 64;

impl Master {
    /// Reads all pixels once for [`Master::statistics`].
    ///
    /// # Errors
    /// As `zemosaic_fits::read_window`.
    pub fn measure(&mut self, pool: &FilePool) -> Result<(), FitsError> {
        let (width, height) = (self.layout.width(), self.layout.height());
        let mut hasher = blake3::Hasher::new();
        let mut read = ReadScratch::default();
        let (mut rows, mut bytes) = (Vec::new(), Vec::new());
        let mut phases = Vec::new();
        for plane in 0..self.layout.planes() {
            let mut sums = [(0.0_f64, 0_u64); 4];
            for y0 in (0..height).step_by(BAND_ROWS) {
                let window = Window { x0: 0, y0, width, height: BAND_ROWS.min(height - y0) };
                rows.clear();
                rows.resize(window.area(), 0.0_f32);
                read_window(pool, &self.pixels_path, &self.layout, plane, window, &mut read, &mut rows)?;
                bytes.clear();
                // All NaN are one.
                let one_nan = |value: &f32| if value.is_nan() { f32::NAN } else { *value };
                bytes.extend(rows.iter().flat_map(|value| one_nan(value).to_le_bytes()));
                hasher.update(&bytes);
                for (y, row) in rows.chunks_exact(width).enumerate() {
                    for (x, value) in row.iter().enumerate() {
                        if value.is_finite() && (self.kind != CalibrationKind::Flat || *value > 0.0) {
                            let (sum, count) = &mut sums[(y0 + y) % 2 * 2 + x % 2];
                            *sum += f64::from(*value);
                            *count += 1;
                        }
                    }
                }
            }
            phases.push(sums.map(|(sum, count)| (sum / count.max(1) as f64, count)));
        }
        self.statistics = Some(MasterStatistics { phases, content_hash: *hasher.finalize().as_bytes() });
        Ok(())
    }

    /// Its name and the first digits of the hash of its pixels.
    fn label(&self) -> String {
        let hash =
            self.statistics.as_ref().map(|statistics| blake3::Hash::from_bytes(statistics.content_hash));
        let hash = hash.map_or(String::new(), |hash| format!("#{}", &hash.to_hex()[..16]));
        format!("{}{hash}", self.name)
    }
}

/// A master, and where a frame's first pixel lies on it.
#[derive(Debug, Clone)]
pub struct MasterUse {
    /// The master.
    pub master: Arc<Master>,
    /// Its pixel under pixel (0, 0) of the frame.
    pub offset_px: (usize, usize),
}

/// A master, and what its pixels are multiplied with before they are subtracted.
#[derive(Debug, Clone)]
pub struct Subtracted {
    /// The master.
    pub of: MasterUse,
    /// The factor.
    pub factor: f32,
}

/// The calibration of one frame: value = (stored - overscan - masters - level - pedestal) / flat + pedestal.
#[derive(Debug, Clone)]
pub struct FrameCalibration {
    /// Level of the overscan by row of the frame.
    pub overscan_adu: Option<Arc<[f32]>>,
    /// Masters that are subtracted.
    pub subtract: Vec<Subtracted>,
    /// A bias of which only the mean is subtracted: of a frame whose fixed pattern the camera removed.
    pub level: Option<MasterUse>,
    /// Level of a pixel without light that stays in the frame.
    pub pedestal_adu: f32,
    /// The flat.
    pub flat: Option<MasterUse>,
    /// Share of photons in the variance of the sky, per channel; what a flat does to noise depends on it
    /// ([`crate::calibration::noise`]).
    pub photon_share: [f32; 3],
    /// Maps of bad pixels.
    pub bad_pixels: Vec<MasterUse>,
}

impl Default for FrameCalibration {
    fn default() -> Self {
        Self {
            overscan_adu: None,
            subtract: Vec::new(),
            level: None,
            pedestal_adu: 0.0,
            flat: None,
            photon_share: [1.0; 3],
            bad_pixels: Vec::new(),
        }
    }
}

impl FrameCalibration {
    /// All masters.
    pub fn masters(&self) -> impl Iterator<Item = &MasterUse> {
        let subtracted = self.subtract.iter().map(|subtracted| &subtracted.of);
        subtracted.chain(&self.level).chain(&self.flat).chain(&self.bad_pixels)
    }

    /// The files it is made of, as given.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.masters().map(|used| used.master.path.as_path())
    }

    /// Replaces each master by that of the same number in `masters`; those that are not there stay.
    pub fn use_masters(&mut self, masters: &[Option<Arc<Master>>]) {
        let subtracted = self.subtract.iter_mut().map(|subtracted| &mut subtracted.of);
        for used in subtracted.chain(&mut self.level).chain(&mut self.flat).chain(&mut self.bad_pixels) {
            if let Some(Some(master)) = masters.get(used.master.index) {
                used.master = Arc::clone(master);
            }
        }
    }

    /// What is done, step by step, for tables and hashes: everything that tells two calibrations apart.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if self.overscan_adu.is_some() {
            steps.push("overscan".to_owned());
        }
        for Subtracted { of, factor } in &self.subtract {
            let times = if *factor == 1.0 { String::new() } else { format!("*{factor}") };
            steps.push(format!("{}:{}{times}", of.master.kind.name(), of.master.label()));
        }
        if let Some(used) = &self.level {
            steps.push(format!("level:{}", used.master.label()));
        }
        if self.pedestal_adu != 0.0 {
            steps.push(format!("pedestal:{}", self.pedestal_adu));
        }
        if let Some(used) = &self.flat {
            steps.push(format!("flat:{}", used.master.label()));
        }
        steps.extend(self.bad_pixels.iter().map(|used| format!("bad-pixels:{}", used.master.label())));
        steps
    }
}
