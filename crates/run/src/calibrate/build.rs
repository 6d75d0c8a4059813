//! Masters: raw frames combined row band by row band into the spill folder, given ones unpacked and measured.
//!
//! Bias and dark: clipped mean. Flat: of each raw flat its dark or bias is subtracted, each of its colours divided by its
//! mean, then the clipped mean. Clip: sigma (3, 3) from 12 frames on; MAD (5, 5) from 3 to 11, where a single outlier
//! makes the standard deviation too large to be found by it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{CoaddError, MemoryBudget};
use zemosaic_fits::{
    DataSpec, FilePool, FitsError, HduRole, HduSpec, Header, ImageLayout, Overwrite, ProductWriter,
    ReadScratch, SampleType, Window, read_window, scan, unpack_image, unpack_packed,
};
use zemosaic_frames::calibration::apply::{CalibratedImage, CalibrationBuffers};
use zemosaic_frames::calibration::overscan::overscan_levels;
use zemosaic_frames::calibration::{CalibrationFile, CalibrationKind, Master, MasterStatistics};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{Frame, FrameCalibration, FramesError, Packing};
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::stats::{mad_sigma, median};
use zemosaic_stack::{Combine, RejectMethod, RejectOptions, StackBlock, StackOutput, StackScratch, stack};

use crate::calibrate::plan::{CalibrationPlan, MasterSet, SetFile};
use crate::error::RunError;
use crate::events::{Event, Reporter, Stage, Warning};
use crate::units::show_size;

/// Rows of a band at most.
const BAND_ROWS: usize = 64;
/// Share of the memory budget that bands take.
const MEMORY_SHARE: u64 = 2;

/// What building needs.
struct Builder<'a> {
    spill: &'a Path,
    pool: &'a FilePool,
    budget: MemoryBudget,
    cancel: &'a AtomicBool,
}

/// Makes the masters of `plan` in `spill` and gives them to `frames`. Returns which raw frames could not be used.
///
/// # Errors
/// When cancelled, when the spill folder cannot be written, a master that cannot be read, a set without a readable frame,
/// too little memory.
pub fn build_masters(
    plan: &CalibrationPlan,
    frames: &mut [Frame],
    (spill, pool): (&Path, &FilePool),
    budget: MemoryBudget,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Vec<Warning>, RunError> {
    let total = plan.used().count() as u64;
    if total == 0 {
        return Ok(Vec::new());
    }
    let builder = Builder { spill, pool, budget, cancel };
    let mut warnings = Vec::new();
    let mut masters: Vec<Option<Arc<Master>>> = vec![None; plan.sets.len()];
    reporter.stage(Stage::Calibrate, total, || {
        let used = plan.sets.iter().enumerate().filter(|(_, set)| set.is_used);
        for (done, (index, set)) in used.enumerate() {
            let master = builder.master_of(set, &masters, &mut warnings)?;
            masters[index] = Some(Arc::new(master));
            reporter.send(Event::Progress { stage: Stage::Calibrate, done: done as u64 + 1, total });
        }
        Ok::<(), RunError>(())
    })?;
    for calibration in frames.iter_mut().filter_map(|frame| frame.calibration.as_mut()) {
        Arc::make_mut(calibration).use_masters(&masters);
    }
    Ok(warnings)
}

/// A raw frame, unpacked.
struct Raw {
    pixels_path: PathBuf,
    layout: ImageLayout,
    /// Stored pixel under its first one.
    origin_px: (usize, usize),
    calibration: FrameCalibration,
    zero_adu: f64,
    /// What values are multiplied with by plane and phase: of flats 1 over the level of their colour.
    scale: Vec<[f32; 4]>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    read: ReadScratch,
    buffers: CalibrationBuffers,
    stack: StackScratch,
    rows: Vec<f32>,
    values: Vec<f32>,
    ones: Vec<f32>,
    planes: [Vec<f32>; 3],
    counts: [Vec<i32>; 3],
}

impl Builder<'_> {
    fn master_of(
        &self,
        set: &MasterSet,
        masters: &[Option<Arc<Master>>],
        warnings: &mut Vec<Warning>,
    ) -> Result<Master, RunError> {
        let mut master = (*set.master).clone();
        if set.is_made {
            let path = self.spill.join(format!("master{}.fits", master.index));
            let raws = self.open_raws(set, masters, warnings)?;
            self.combine(&master, &raws, &path)?;
            master.layout = only_layout(&path)?;
            master.pixels_path = path;
        } else {
            let file = &set.files[0].file;
            let unpacked = self.unpacked(file, master.index, 0).map_err(unreadable)?;
            (master.pixels_path, master.layout) = unpacked;
        }
        master.measure(self.pool).map_err(unreadable)?;
        match self.useless(&master).map_err(unreadable)? {
            None => Ok(master),
            Some(why) => Err(RunError::Usage(format!("{} {why}", master.path.display()))),
        }
    }

    /// Why a master would leave nothing of any frame.
    fn useless(&self, master: &Master) -> Result<Option<String>, FitsError> {
        let name = master.kind.name();
        Ok(match master.kind {
            CalibrationKind::Flat => {
                let mean = master.statistics.as_ref().map_or(f64::NAN, MasterStatistics::mean);
                (!mean.is_finite()).then(|| "has no pixel above 0: it is no flat".to_owned())
            }
            CalibrationKind::Bias | CalibrationKind::Dark => {
                let planes = master.statistics.iter().flat_map(|own| &own.phases);
                let is_empty = planes.flatten().all(|(_, count)| *count == 0);
                is_empty.then(|| format!("has no pixel with a value: it is no {name}"))
            }
            CalibrationKind::BadPixels => self
                .marks_everything(master)?
                .then(|| format!("marks every pixel as bad: it is no {name} (0 is a good pixel)")),
        })
    }

    /// Whether no pixel of a bad-pixel map is good.
    fn marks_everything(&self, map: &Master) -> Result<bool, FitsError> {
        let (width, height) = (map.layout.width(), map.layout.height());
        let mut scratch = Scratch::default();
        for plane in 0..map.layout.planes() {
            for y0 in (0..height).step_by(BAND_ROWS) {
                let window = Window { x0: 0, y0, width, height: BAND_ROWS.min(height - y0) };
                let Scratch { read, rows, .. } = &mut scratch;
                rows.resize(window.area(), 0.0);
                read_window(self.pool, &map.pixels_path, &map.layout, plane, window, read, rows)?;
                if rows.contains(&0.0) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The file whose rows can be read by position.
    fn unpacked(
        &self,
        file: &CalibrationFile,
        set: usize,
        number: usize,
    ) -> Result<(PathBuf, ImageLayout), FitsError> {
        let copy = self.spill.join(format!("calibration{set}.{number}.fits"));
        match file.packing {
            Packing::Plain => Ok((file.path.clone(), file.layout.clone())),
            Packing::WholeFile => unpack_packed(&file.path, &copy).map(|_| (copy, file.layout.clone())),
            Packing::Compressed => {
                unpack_image(&file.path, file.hdu, &copy).map(|layout| (copy, layout.as_planes()))
            }
        }
    }

    /// The raw frames of a set, unpacked, overscan and (of flats) levels measured.
    fn open_raws(
        &self,
        set: &MasterSet,
        masters: &[Option<Arc<Master>>],
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Raw>, RunError> {
        let open = |(number, own): (usize, &SetFile)| {
            let cancelled = self.cancel.load(Ordering::Relaxed);
            (!cancelled).then(|| self.open_raw(set, own, number, masters))
        };
        let opened: Option<Vec<Result<Raw, FitsError>>> =
            set.files.par_iter().enumerate().map(open).collect();
        let opened = opened.ok_or(CoaddError::Cancelled)?;
        let mut raws = Vec::with_capacity(opened.len());
        let mut last = None;
        for (opened, own) in opened.into_iter().zip(&set.files) {
            match opened {
                Ok(raw) => raws.push(raw),
                Err(error) if is_of_spill(&error, &own.file.path) => return Err(error.into()),
                Err(error) => {
                    let (path, why) = (own.file.path.display(), reason_of(&error));
                    let message = format!("{path} is not used for calibration: {}", why.message());
                    warnings.push(Warning { code: "W-CALIB-FILE", message });
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if raws.is_empty() => Err(unreadable(error)),
            _ => Ok(raws),
        }
    }

    fn open_raw(
        &self,
        set: &MasterSet,
        own: &SetFile,
        number: usize,
        masters: &[Option<Arc<Master>>],
    ) -> Result<Raw, FitsError> {
        let (pixels_path, layout) = self.unpacked(&own.file, set.master.index, number)?;
        let needed = layout.data_offset + layout.data_bytes();
        let found = std::fs::metadata(&pixels_path).map_or(0, |meta| meta.len());
        if found < needed {
            let path = own.file.path.clone();
            return Err(FitsError::Truncated { path, hdu: layout.hdu, expected: needed, found });
        }
        let mut calibration = own.calibration.clone();
        calibration.use_masters(masters);
        let ((x0, y0), (width, height)) = own.file.facts.trimmed_px;
        if let Some(section) = own.file.overscan {
            let data = Region { x0: x0 as i64, y0: y0 as i64, width, height };
            let levels = overscan_levels(self.pool, &pixels_path, &layout, section, data)?;
            calibration.overscan_adu = levels.map(Into::into);
        }
        let scale = vec![[1.0; 4]; set.master.layout.planes()];
        let mut raw =
            Raw { pixels_path, layout, origin_px: (x0, y0), calibration, zero_adu: own.zero_adu, scale };
        if set.master.kind == CalibrationKind::Flat {
            raw.scale = self.flat_scale(&raw, &set.master)?;
        }
        Ok(raw)
    }

    /// 1 over the mean of the good pixels of each colour, by plane and phase.
    fn flat_scale(&self, raw: &Raw, master: &Master) -> Result<Vec<[f32; 4]>, FitsError> {
        let (width, height) = master.facts.stored_px;
        let mut scratch = Scratch::default();
        let mut scales = Vec::new();
        for plane in 0..master.layout.planes() {
            let mut sums = [(0.0_f64, 0_u64); 4];
            for y0 in (0..height).step_by(BAND_ROWS) {
                let region = Region { x0: 0, y0: y0 as i64, width, height: BAND_ROWS.min(height - y0) };
                raw.read(self.pool, plane, region, &mut scratch)?;
                for (y, row) in scratch.rows.chunks_exact(width).enumerate() {
                    for (x, value) in row.iter().enumerate() {
                        if value.is_finite() && *value > 0.0 {
                            let (sum, count) = &mut sums[(y0 + y) % 2 * 2 + x % 2];
                            *sum += f64::from(*value);
                            *count += 1;
                        }
                    }
                }
            }
            let phases = sums.map(|(sum, count)| (sum / count.max(1) as f64, count));
            let levels = MasterStatistics { phases: vec![phases], content_hash: [0; 32] }
                .flat_levels(0, master.facts.pattern);
            scales.push(levels.map(|level| (1.0 / level) as f32));
        }
        Ok(scales)
    }

    /// Writes the clipped mean of `raws` to `path`.
    fn combine(&self, master: &Master, raws: &[Raw], path: &Path) -> Result<(), RunError> {
        let (width, height) = master.facts.stored_px;
        let rows = self.band_rows(raws.len(), width)?;
        let dims = master.layout.dims.clone();
        let mut header = Header::for_image(HduRole::Primary, SampleType::F32, &dims);
        header.set_str("IMAGETYP", &format!("Master {}", master.kind.name()), "");
        header.set_i64("NCOMBINE", raws.len() as i64, "frames combined");
        if let Some(noise) = self.noise_of(master, raws).map_err(unreadable)? {
            header.set_f64("NOISE", noise, "standard deviation of a pixel");
        }
        let spec = HduSpec { header, data: DataSpec::F32 { dims } };
        let writer = ProductWriter::create(path, vec![spec], Overwrite::Replace)?;
        let bands: Vec<(usize, Region)> = (0..master.layout.planes())
            .flat_map(|plane| {
                (0..height).step_by(rows).map(move |y0| {
                    (plane, Region { x0: 0, y0: y0 as i64, width, height: rows.min(height - y0) })
                })
            })
            .collect();
        let reject = clip_for(raws.len());
        bands.into_par_iter().try_for_each_init(Scratch::default, |scratch, (plane, region)| {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(RunError::from(CoaddError::Cancelled));
            }
            stack_band(self.pool, raws, plane, region, &reject, scratch).map_err(unreadable)?;
            let window = Window { x0: 0, y0: region.y0 as usize, width, height: region.height };
            Ok(writer.write_f32(0, plane, window, &scratch.planes[0][..region.area()])?)
        })?;
        Ok(writer.finish(Vec::new())?)
    }

    /// Rows of a band, so that the bands of all workers stay within their share of the memory.
    fn band_rows(&self, frames: usize, width: usize) -> Result<usize, RunError> {
        // Values and their variance factors.
        let row_bytes = (frames * (width + 32) * 2 * size_of::<f32>()) as u64;
        let share = self.budget.total_bytes / MEMORY_SHARE / self.budget.workers.max(1) as u64;
        if row_bytes > share {
            return Err(RunError::Resource(format!(
                "a row of {frames} calibration frames takes {}, of the memory there are {} for it; raise --memory or \
                 lower --threads",
                show_size(row_bytes),
                show_size(share)
            )));
        }
        Ok(((share / row_bytes.max(1)) as usize).clamp(1, BAND_ROWS))
    }

    /// Noise of a pixel of the master: that of the difference of the first two raw frames in the middle rows, over
    /// sqrt(2 n). `None` for a single frame.
    fn noise_of(&self, master: &Master, raws: &[Raw]) -> Result<Option<f64>, FitsError> {
        let [first, second, ..] = raws else { return Ok(None) };
        let (width, height) = master.facts.stored_px;
        let rows = BAND_ROWS.min(height);
        let region = Region { x0: 0, y0: ((height - rows) / 2) as i64, width, height: rows };
        let mut scratch = Scratch::default();
        first.read(self.pool, 0, region, &mut scratch)?;
        let mut difference = std::mem::take(&mut scratch.rows);
        second.read(self.pool, 0, region, &mut scratch)?;
        difference.iter_mut().zip(&scratch.rows).for_each(|(a, b)| *a -= b);
        let Some(centre) = median(&mut difference) else { return Ok(None) };
        let sigma = f64::from(mad_sigma(&mut difference, centre));
        Ok(Some(sigma / (2.0 * raws.len() as f64).sqrt()))
    }
}

impl Raw {
    /// Reads rows of a plane into `scratch.rows`: calibrated, of flats over their level.
    fn read(
        &self,
        pool: &FilePool,
        plane: usize,
        region: Region,
        scratch: &mut Scratch,
    ) -> Result<(), FitsError> {
        let Scratch { read, buffers, rows, .. } = scratch;
        rows.clear();
        rows.resize(region.area(), 0.0);
        let image = CalibratedImage {
            pixels_path: &self.pixels_path,
            layout: &self.layout,
            origin_px: self.origin_px,
            pattern: None,
            calibration: &self.calibration,
        };
        image.read(pool, plane, region, (read, buffers), rows)?;
        let (zero, scale) = (self.zero_adu as f32, &self.scale[plane]);
        for (y, row) in rows.chunks_exact_mut(region.width).enumerate() {
            let phase = (region.y0 as usize + y) % 2 * 2;
            for (x, value) in row.iter_mut().enumerate() {
                *value = (*value - zero) * scale[phase + x % 2];
            }
        }
        Ok(())
    }
}

/// Outliers among `frames` raw frames.
fn clip_for(frames: usize) -> RejectOptions {
    let (method, kappa) = match frames {
        0..3 => (RejectMethod::None, 3.0),
        3..12 => (RejectMethod::Mad, 5.0),
        _ => (RejectMethod::Sigma, 3.0),
    };
    RejectOptions { method, kappa_low: kappa, kappa_high: kappa, ..RejectOptions::default() }
}

/// The clipped mean of a band, in the first of `scratch.planes`.
fn stack_band(
    pool: &FilePool,
    raws: &[Raw],
    plane: usize,
    region: Region,
    reject: &RejectOptions,
    scratch: &mut Scratch,
) -> Result<(), FitsError> {
    let pixels = region.area();
    let mut stride = pixels.next_multiple_of(16);
    if stride.is_multiple_of(1024) {
        stride += 16;
    }
    let samples = raws.len() * stride;
    let mut values = std::mem::take(&mut scratch.values);
    values.resize(samples, f32::NAN);
    for (raw, out) in raws.iter().zip(values.chunks_exact_mut(stride)) {
        raw.read(pool, plane, region, scratch)?;
        out[..pixels].copy_from_slice(&scratch.rows);
        out[pixels..].fill(f32::NAN);
    }
    scratch.values = values;
    scratch.ones.resize(samples, 1.0);
    for plane in &mut scratch.planes {
        plane.resize(pixels, 0.0);
    }
    for counts in &mut scratch.counts {
        counts.resize(pixels, 0);
    }
    let (weight, unknown) = (vec![1.0; raws.len()], vec![f64::NAN; raws.len()]);
    let block = StackBlock {
        frames: raws.len(),
        pixels,
        stride,
        value: &scratch.values,
        variance_factor: &scratch.ones,
        relative_weight: None,
        weight: &weight,
        noise_variance: &unknown,
        level: &unknown,
    };
    let [value, weight, variance] = &mut scratch.planes;
    let [depth, rejected_low, rejected_high] = &mut scratch.counts;
    let out = StackOutput { value, weight, variance, depth, rejected_low, rejected_high };
    stack(&block, Combine::Mean, reject, SimdLevel::detect(), &mut scratch.stack, out);
    Ok(())
}

fn only_layout(path: &Path) -> Result<ImageLayout, RunError> {
    let file = scan(path)?;
    let layout = file.hdus.first().and_then(|hdu| hdu.image().cloned());
    layout.ok_or_else(|| RunError::Encode { what: "a master", message: "it is no image".into() })
}

/// A calibration file that cannot be read ends the run: it was named to be used.
fn unreadable(error: FitsError) -> RunError {
    match error {
        FitsError::DiskFull { .. } => error.into(),
        other => FramesError::from(other).into(),
    }
}

/// Whether the spill folder is at fault, not the file `source`.
fn is_of_spill(error: &FitsError, source: &Path) -> bool {
    match error {
        FitsError::DiskFull { .. } => true,
        FitsError::Io { path, .. } => path != source,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_goes_with_the_number_of_frames() {
        for (frames, method) in [(2, RejectMethod::None), (5, RejectMethod::Mad), (30, RejectMethod::Sigma)] {
            assert_eq!(clip_for(frames).method, method);
        }
    }
}
