//! Facts of a mosaic that its header, its tables and its report all state: computed once.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

use zemosaic_coadd::noise::aperture_correlation;
use zemosaic_coadd::resampler::Resampler;
use zemosaic_coadd::{CoaddSummary, DepthPlanes, Measured, Source};
use zemosaic_frames::{Astrometry, Defects, FrameMeta, LeftOut, NoiseModel, WcsOrigin, time};
use zemosaic_gauge::{MatchMethod, NormalizeMethod};
use zemosaic_image::Background;
use zemosaic_image::rgb_equalize::RgbEqualize;
use zemosaic_sky::{Grid, lonlat_deg};
use zemosaic_stars::FrameQuality;

use crate::options::{MosaicOptions, RunMode};
use crate::products::applied_gauge::AppliedGauge;
use crate::products::gauge::GaugeFacts;
use crate::solve::SolveReport;

/// One used frame as products know it.
#[derive(Debug, Clone)]
pub struct UsedFrame {
    /// Frame id.
    pub id: String,
    /// Header facts.
    pub meta: FrameMeta,
    /// Columns and rows.
    pub size: (usize, usize),
    /// `mono`, `rgb`, `cfa GRBG`.
    pub kind: String,
    /// Centre, degrees ICRS.
    pub centre_deg: (f64, f64),
    /// Arcseconds per pixel.
    pub scale_arcsec: f64,
    /// Position angle of +y, degrees.
    pub rotation_deg: f64,
    /// Where its WCS came from.
    pub wcs_origin: WcsOrigin,
    /// What its stars say of that.
    pub astrometry: Option<Astrometry>,
    /// Noise per channel, in the frame's units.
    pub sigma_adu: Vec<f64>,
    /// Level of the sky per channel, in the frame's units: of the background that was subtracted, else the median.
    pub level_adu: Vec<f64>,
    /// What is known of its bad pixels.
    pub defects: Defects,
    /// Gain and what else is known of its noise.
    pub noise_model: NoiseModel,
    /// What its pixels were multiplied with.
    pub flux_scale: f64,
    /// Names and lengths of its weight map and mask.
    pub maps: Vec<(String, u64)>,
    /// Steps of its calibration, masters with the hash of their pixels.
    pub calibration: Vec<String>,
    /// Weight per channel.
    pub weight: Vec<f64>,
    /// What was done to its values after the flux scale.
    pub gauge: AppliedGauge,
    /// Its stars' figures, where they were measured.
    pub quality: Option<Arc<FrameQuality>>,
    /// Boundary on the sky, (RA, Dec) pairs in degrees, closed by its first vertex implicitly.
    pub footprint_deg: Vec<(f64, f64)>,
    /// blake3 of its header.
    pub header_hash: [u8; 32],
    /// Bytes on disk.
    pub file_bytes: u64,
    /// Number of the master tile it is in, where there are such.
    pub tile: Option<usize>,
}

/// What became of a planned master tile.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TileRecord {
    /// Its number, from 1.
    pub number: usize,
    /// Its file below the run folder, where it is kept, or the input it is.
    pub file: Option<String>,
    /// Frames of its group.
    pub frames: usize,
    /// Those that were used.
    pub used: usize,
    /// First column of the mosaic grid.
    pub x0: i64,
    /// First row.
    pub y0: i64,
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// Valid samples, all channels.
    pub samples: u64,
    /// Samples rejected as too low, all channels.
    pub rejected_low: u64,
    /// Samples rejected as too high, all channels.
    pub rejected_high: u64,
    /// Reads that failed.
    pub read_failures: usize,
    /// Ids of patches that failed.
    pub failed_patches: Vec<usize>,
    /// What RGB equalisation did to it, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rgb_equalize: Option<RgbEqualize>,
    /// What was done to its values, of a tile that was matched with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gauge: Option<AppliedGauge>,
    /// Why there is no such tile.
    pub missing: Option<String>,
}

/// Time facts of the used frames.
#[derive(Debug, Clone, Default)]
pub struct TimeFacts {
    /// Earliest start.
    pub begin: Option<Timestamp>,
    /// Latest end.
    pub end: Option<Timestamp>,
    /// Exposure-weighted mean of the mid-times.
    pub average: Option<Timestamp>,
    /// Nights (noon to noon UTC).
    pub nights: usize,
    /// Sum of exposures, seconds.
    pub total_exposure_s: Option<f64>,
    /// Exposure the pixel values refer to, seconds: that of the frames, or their mean.
    pub frame_exposure_s: Option<f64>,
}

/// All facts.
#[derive(Debug)]
pub struct Facts {
    /// Used frames, in frame order.
    pub used: Vec<UsedFrame>,
    /// Frames not used.
    pub left_out: Vec<LeftOut>,
    /// Files looked at.
    pub offered: usize,
    /// How the used frames were brought to one level, if they were.
    pub gauge: Option<GaugeFacts>,
    /// How the used frames were, where `gauge` is of the master tiles that were made of them.
    pub frame_gauge: Option<GaugeFacts>,
    /// How frames found their place, where that was asked.
    pub solve: Option<Arc<SolveReport>>,
    /// Output grid.
    pub grid: Grid,
    /// 1 or 3.
    pub channels: usize,
    /// Whether DEPTH has an image per channel.
    pub depth: DepthPlanes,
    /// What RGB equalisation did.
    pub rgb_equalize: RgbEqualize,
    /// Time facts.
    pub time: TimeFacts,
    /// Width of an aperture in pixels, and the variance of sums over it over the sum of VAR; empty where not known.
    pub noise_correlation: Vec<(usize, f64)>,
    /// Of the engine.
    pub summary: CoaddSummary,
    /// Time of the product.
    pub date: Timestamp,
    /// Hash of options that change pixels.
    pub parameter_hash: String,
    /// Hash of the input list.
    pub input_hash: String,
    /// Master tiles, where there are such.
    pub tiles: Vec<TileRecord>,
    /// Whether the tiles were there before the run.
    pub from_existing_tiles: bool,
}

impl Facts {
    /// How this run brought the frames to one level.
    pub fn gauge_of_frames(&self) -> Option<&GaugeFacts> {
        self.frame_gauge.as_ref().or(self.gauge.as_ref().filter(|gauge| !gauge.is_of_tiles()))
    }

    /// Identity of the run: from inputs, parameters and date.
    pub fn run_id(&self) -> String {
        let text = format!("{}{}{}", self.input_hash, self.parameter_hash, time::iso(self.date));
        short_hash(text.as_bytes())
    }

    /// The value all used frames share, or `None`.
    pub fn common(&self, of: impl Fn(&FrameMeta) -> Option<String>) -> Option<String> {
        let first = of(&self.used.first()?.meta)?;
        self.used.iter().all(|frame| of(&frame.meta).as_ref() == Some(&first)).then_some(first)
    }

    /// Unit of the pixel values: that of the frames, adu where none states one, `None` where they differ.
    pub fn unit(&self) -> Option<String> {
        if self.used.iter().all(|frame| frame.meta.unit.is_none()) {
            return Some("adu".into());
        }
        self.common(|meta| meta.unit.clone())
    }

    /// Median and largest depth over pixels that have data.
    pub fn depth_median_and_max(&self) -> (i32, i32) {
        let histogram = &self.summary.depth_histogram;
        let covered: u64 = histogram.iter().filter(|(depth, _)| **depth > 0).map(|(_, count)| count).sum();
        let mut below = 0;
        let mut median = 0;
        for (depth, count) in histogram.iter().filter(|(depth, _)| **depth > 0) {
            below += count;
            median = *depth;
            if below * 2 >= covered {
                break;
            }
        }
        (median, histogram.keys().last().copied().unwrap_or(0))
    }
}

/// Widths of the apertures whose noise correlation is stated, pixels.
pub(crate) const APERTURES_PX: [usize; 3] = [3, 5, 11];

/// Noise correlation of a mosaic: the mean over its sources.
pub fn noise_correlation(sources: &[Source]) -> Vec<(usize, f64)> {
    let mean = |aperture_px: usize| {
        // Sources of one kind and scale have one figure, which takes a while to compute.
        let mut known: BTreeMap<(bool, bool, i64), Option<f64>> = BTreeMap::new();
        let mut sum = 0.0;
        for source in sources {
            let stretches = matches!(&source.resampler, Resampler::Point(table) if table.stretch() > 1.0);
            let is_cfa = source.frame.is_interpolated() || source.frame.raw_cfa().is_some();
            let key = (is_cfa, stretches, (source.scale_ratio * 1e3).round() as i64);
            sum += (*known.entry(key).or_insert_with(|| aperture_correlation(source, aperture_px)))?;
        }
        Some((aperture_px, sum / sources.len() as f64))
    };
    APERTURES_PX.into_iter().filter_map(mean).collect()
}

/// A used frame's record.
pub fn used_frame(source: &Source, measured: &Measured, weight: &[f64], footprint: &[[f64; 3]]) -> UsedFrame {
    let frame = &source.frame;
    let level_adu = if measured.background.is_empty() {
        measured.noise.level_adu.clone()
    } else {
        measured.background.iter().map(Background::level).collect()
    };
    let map_name =
        |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let centre = frame.wcs.pixel_to_icrs((frame.width as f64 - 1.0) / 2.0, (frame.height as f64 - 1.0) / 2.0);
    UsedFrame {
        id: frame.id.clone(),
        meta: frame.meta.clone(),
        size: (frame.width, frame.height),
        kind: frame.kind.label(),
        centre_deg: centre.map_or((f64::NAN, f64::NAN), |vector| lonlat_deg(&vector)),
        scale_arcsec: frame.wcs.scale_deg() * 3600.0,
        rotation_deg: frame.wcs.position_angle_deg(),
        wcs_origin: frame.wcs_origin.clone(),
        astrometry: frame.astrometry.clone(),
        sigma_adu: measured.noise.sigma_adu.clone(),
        level_adu,
        defects: frame.defects.clone(),
        noise_model: frame.noise_model,
        flux_scale: frame.flux_scale,
        maps: frame.maps.iter().map(|map| (map_name(&map.path), map.unpacked_bytes)).collect(),
        calibration: frame.calibration.as_ref().map(|own| own.steps()).unwrap_or_default(),
        weight: weight.to_vec(),
        gauge: AppliedGauge::of(&source.gauge(), None, weight.len()),
        quality: measured.quality.clone(),
        footprint_deg: footprint.iter().map(lonlat_deg).collect(),
        header_hash: frame.header_hash,
        file_bytes: frame.file_bytes,
        tile: None,
    }
}

/// Time facts of `used`.
pub fn time_facts(used: &[UsedFrame]) -> TimeFacts {
    let exposures: Vec<f64> = used.iter().filter_map(|frame| frame.meta.exposure_s).collect();
    let all_known = !used.is_empty() && exposures.len() == used.len();
    let total: f64 = exposures.iter().sum();
    let mut facts = TimeFacts {
        total_exposure_s: all_known.then_some(total),
        frame_exposure_s: all_known.then(|| total / exposures.len() as f64),
        ..TimeFacts::default()
    };
    let mut nights = std::collections::BTreeSet::new();
    let (mut weighted, mut weight_sum) = (0.0, 0.0);
    for frame in used {
        let Some(start) = frame.meta.date_obs.as_deref().and_then(time::parse) else { continue };
        let exposure = frame.meta.exposure_s.unwrap_or(0.0);
        let end = time::later(start, exposure);
        facts.begin = Some(facts.begin.map_or(start, |begin| begin.min(start)));
        facts.end = Some(facts.end.map_or(end, |last| last.max(end)));
        nights.insert(time::night(start));
        let weight = if exposure > 0.0 { exposure } else { 1.0 };
        weighted += weight * (start.as_nanosecond() as f64 / 1e9 + exposure / 2.0);
        weight_sum += weight;
    }
    facts.nights = nights.len();
    if weight_sum > 0.0 {
        facts.average =
            Timestamp::from_nanosecond((weighted / weight_sum * 1e3).round() as i128 * 1_000_000).ok();
    }
    facts
}

/// Hash of the options that change pixels. Paths do not count: what they name does.
///
/// # Errors
/// Options that do not encode (a bug).
pub fn parameter_hash(options: &MosaicOptions, grid_header: &[u8]) -> Result<String, serde_json::Error> {
    let ingest = &options.ingest;
    let reading = (&ingest.maps, &ingest.flux_scale_key, ingest.calibration.without_paths());
    let camera = (ingest.demosaic, ingest.cfa, &ingest.noise, options.hot_pixels);
    let mut bytes = serde_json::to_vec(&(&options.coadd, reading, camera, options.rgb_equalize))?;
    if options.matching.method != MatchMethod::None {
        bytes.extend(serde_json::to_vec(&options.matching)?);
    }
    if options.normalize.method != NormalizeMethod::None {
        bytes.extend(serde_json::to_vec(&options.normalize)?);
    }
    if let Some(two_pass) = &options.two_pass {
        bytes.extend(serde_json::to_vec(two_pass)?);
    }
    bytes.extend_from_slice(grid_header);
    if options.mode == RunMode::Classic {
        bytes.extend(serde_json::to_vec(&options.cluster)?);
    }
    Ok(short_hash(&bytes))
}

/// Hash of the input list: id, length, header, flux scale, maps and calibration of every used frame, in frame order.
pub fn input_hash(used: &[UsedFrame]) -> String {
    let mut hasher = blake3::Hasher::new();
    for frame in used {
        hasher.update(frame.id.as_bytes());
        hasher.update(&frame.file_bytes.to_le_bytes());
        hasher.update(&frame.header_hash);
        hasher.update(&frame.flux_scale.to_le_bytes());
        for (name, bytes) in &frame.maps {
            hasher.update(name.as_bytes());
            hasher.update(&bytes.to_le_bytes());
        }
        for step in &frame.calibration {
            hasher.update(step.as_bytes());
            hasher.update(b";");
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
