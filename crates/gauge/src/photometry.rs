//! The stars of a frame for the gauge: fluxes per channel in two apertures for all stars of the frame, whose radii go with the width
//! of its own images, so that frames of different seeing measure the same share of the light.
//!
//! Candidates are the brightest pixels of blocks ([`crate::candidates`]); of each a small window is read once. The width of
//! the images is that of most of the brightest; aperture: 1.8 full widths (2.2 of CFA frames), local sky: clipped mean of the ring of
//! four times that area outside. A star is kept if it has the width of the others, no saturated pixel and no missing one, no neighbour of half its
//! height (of pairs of different seeing less, [`crate::gain`]), and lies wholly inside the frame.
//!
//! Fluxes are in units of the mosaic times pixels of the grid: sum of (value - sky) x flux scale x (scale of the frame over that of
//! the grid)^2. One scale counts for the whole frame: a detector counts the light of a star whatever the distortion does to
//! the area of its pixels.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::pixels::read_stored;
use zemosaic_frames::{FrameKind, PixelScratch};
use zemosaic_image::Region;

use crate::aperture::{
    Aperture, LocalSky, Moffat3, Moments, SIGMA_TO_FWHM, Sample, centroid, flux, local_sky, moments,
    place_share,
};
use crate::candidates::Candidate;
use crate::preview::PreviewJob;
use crate::star_list::{APERTURE_STEP, GridStar, MOST_STARS};

/// Radius of the aperture in full widths at half maximum, and that of a CFA frame, whose pixels of a colour are farther apart.
const RADIUS_FWHM: f64 = 1.8;
const CFA_RADIUS_FWHM: f64 = 2.2;
/// Variance of a pixel's area along an axis.
const PIXEL_VARIANCE: f64 = 1.0 / 12.0;
/// Smallest radius, and that of a CFA frame. Larger ones would be the same for frames of different width, and the share of the light
/// in them not.
const LEAST_RADIUS_PX: f64 = 3.0;
const CFA_LEAST_RADIUS_PX: f64 = 4.0;
/// Distance of the sky's ring from the aperture, pixels.
const GAP_PX: f64 = 1.5;
/// Area of the ring over that of the aperture.
const RING_AREA: f64 = 4.0;
/// Stars that the width is measured on, and half of their windows.
const WIDTH_STARS: usize = 40;
const WIDTH_HALF_PX: usize = 14;
/// Largest over smallest width of the images of most stars.
const ALIKE_WIDTHS: f64 = 1.5;
/// Width to start with, pixels.
const START_SIGMA_PX: f64 = 1.4;
/// Largest width that is believed: windows must stay small.
const MOST_SIGMA_PX: f64 = 6.0;
/// Narrowest width that is a star's.
const LEAST_SIGMA_PX: f64 = 0.45;
/// Second moment of a star within the weight of the frame's width, 1 for an image of this width: hot pixels have less.
const WIDTH_RANGE: (f64, f64) = (0.4, 2.0);
/// A neighbour within the aperture with this share of the height of the star makes it useless.
const NEIGHBOUR: f32 = 0.5;
/// Candidates that are measured together, highest first: hardly more than are kept.
const BATCH: usize = 272;
/// Windows on a row, on average, from which on rows are read once for all.
const MANY_WINDOWS: usize = 1;
/// Rows that are then kept.
pub(crate) const KEPT_ROWS: usize = 128;
/// Two places this close are one star, pixels of the grid.
const SAME_PX: f64 = 2.0;

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct StarScratch {
    samples: [Vec<Sample>; 3],
    sky: [Vec<f32>; 2],
}

/// The stars among `candidates`, highest first; sorted by y, then x of the grid.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub(crate) fn measure_stars(
    pool: &FilePool,
    job: &PreviewJob<'_>,
    candidates: &[Candidate],
    pixels: &mut PixelScratch,
    scratch: &mut StarScratch,
) -> Result<Vec<GridStar>, FitsError> {
    let mut reader = Reader { pool, job, pixels, scratch };
    let Some(sigma_px) = reader.width(candidates)? else { return Ok(Vec::new()) };
    let apertures = apertures_of(sigma_px, job.frame.kind);
    let half = (apertures[1].sky_to + 1.0).ceil() as usize;
    let mut stars: Vec<GridStar> = Vec::new();
    // Where most of the highest are no stars (cosmic rays, hot pixels) all others are looked at too.
    let (first, rest) = candidates.split_at(BATCH.min(candidates.len()));
    for batch in [first, rest] {
        for star in reader.batch(batch, half, sigma_px, apertures)?.into_iter().flatten() {
            if stars.len() < MOST_STARS && !stars.iter().any(|own| is_same(own, &star)) {
                stars.push(star);
            }
        }
        if stars.len() == MOST_STARS {
            break;
        }
    }
    stars.sort_by(|a, b| a.y_px.total_cmp(&b.y_px).then(a.x_px.total_cmp(&b.x_px)));
    Ok(stars)
}

fn is_same(a: &GridStar, b: &GridStar) -> bool {
    (a.x_px - b.x_px).hypot(a.y_px - b.y_px) < SAME_PX
}

/// Pixels of the frame that a pixel of each colour stands for.
fn areas(kind: FrameKind) -> [f64; 3] {
    if matches!(kind, FrameKind::Cfa(_)) { [4.0, 2.0, 4.0] } else { [1.0; 3] }
}

/// The channel that stars are found and centred in.
pub(crate) fn leading_channel(kind: FrameKind) -> usize {
    usize::from(kind != FrameKind::Mono)
}

/// Sigma of an image before it falls on square pixels, which widen its middle but not its wings.
fn without_pixel(sigma_px: f64) -> f64 {
    (sigma_px * sigma_px - PIXEL_VARIANCE).max(0.25 * sigma_px * sigma_px).sqrt()
}

/// The last step of the ladder of apertures that is no larger.
fn on_ladder(length_px: f64) -> f64 {
    ((length_px.ln() / APERTURE_STEP).floor() * APERTURE_STEP).exp()
}

/// Inner and outer aperture of a frame with images of this width.
fn apertures_of(sigma_px: f64, kind: FrameKind) -> [Aperture; 2] {
    let pitch = areas(kind)[0].sqrt();
    let (of_fwhm, least) =
        if pitch > 1.0 { (CFA_RADIUS_FWHM, CFA_LEAST_RADIUS_PX) } else { (RADIUS_FWHM, LEAST_RADIUS_PX) };
    let inner = on_ladder((of_fwhm * SIGMA_TO_FWHM * without_pixel(sigma_px)).max(least));
    [inner, inner * APERTURE_STEP.exp()].map(|radius| {
        let sky_from = radius + GAP_PX * pitch;
        Aperture { radius, sky_from, sky_to: (sky_from * sky_from + RING_AREA * radius * radius).sqrt() }
    })
}

/// Median of the densest part of `widths`: those of stars are alike; those of cosmic rays, of which there may be more, are not. Of equally
/// dense parts the widest.
fn typical_width(widths: &mut [f64]) -> Option<f64> {
    widths.sort_by(f64::total_cmp);
    let alike = |first: usize| widths.partition_point(|width| *width <= ALIKE_WIDTHS * widths[first]) - first;
    let densest = (0..widths.len()).max_by_key(|first| (alike(*first), *first))?;
    widths.get(densest + alike(densest) / 2).copied()
}

struct Reader<'a> {
    pool: &'a FilePool,
    job: &'a PreviewJob<'a>,
    pixels: &'a mut PixelScratch,
    scratch: &'a mut StarScratch,
}

impl Reader<'_> {
    /// Read the window about a candidate; `None` where it is not wholly inside the frame.
    fn read(&mut self, candidate: &Candidate, half: usize) -> Result<Option<Region>, FitsError> {
        let frame = self.job.frame;
        let (x, y) = (candidate.x, candidate.y);
        if x < half || y < half || x + half >= frame.width || y + half >= frame.height {
            return Ok(None);
        }
        let side = 2 * half + 1;
        let region = Region { x0: (x - half) as i64, y0: (y - half) as i64, width: side, height: side };
        read_stored(self.pool, frame, region, [1.0; 3], self.pixels)?;
        Ok(Some(region))
    }

    /// The pixels of a colour in the window that was read.
    fn collect(&mut self, region: Region, channel: usize) {
        let samples = &mut self.scratch.samples[channel];
        samples.clear();
        let stored = self.pixels.stored(self.job.frame);
        let pattern = match self.job.frame.kind {
            FrameKind::Cfa(pattern) => Some(pattern),
            FrameKind::Mono | FrameKind::Rgb => None,
        };
        let Some(plane) = stored.get(if pattern.is_some() { 0 } else { channel }) else { return };
        for (row, values) in plane.chunks_exact(region.width).enumerate() {
            let y = region.y0 + row as i64;
            let at = |column: usize| ((region.x0 + column as i64) as f32, y as f32, values[column]);
            let Some(pattern) = pattern else {
                samples.extend((0..values.len()).map(at));
                continue;
            };
            if let Some(first) = (0..2).find(|dx| pattern.colour_at(region.x0 + dx, y) == channel) {
                samples.extend((first as usize..values.len()).step_by(2).map(at));
            }
        }
    }

    /// Typical width of the images of the highest candidates.
    fn width(&mut self, candidates: &[Candidate]) -> Result<Option<f64>, FitsError> {
        let channel = leading_channel(self.job.frame.kind);
        let mut widths = Vec::with_capacity(WIDTH_STARS);
        for candidate in candidates {
            if widths.len() == WIDTH_STARS {
                break;
            }
            let Some(region) = self.read(candidate, WIDTH_HALF_PX)? else { continue };
            if self.is_saturated(region, candidate, 3.0 * START_SIGMA_PX) {
                continue;
            }
            self.collect(region, channel);
            let centre = (candidate.x as f64, candidate.y as f64);
            let ring =
                Aperture { radius: 0.0, sky_from: WIDTH_HALF_PX as f64 - 4.0, sky_to: WIDTH_HALF_PX as f64 };
            let StarScratch { samples, sky } = &mut *self.scratch;
            let Some(sky) = local_sky(&samples[channel], centre, ring, sky) else { continue };
            let start = Moments { x: centre.0, y: centre.1, sigma_px: START_SIGMA_PX };
            let found = moments(&samples[channel], start, sky.level);
            widths.extend(found.map(|found| found.sigma_px).filter(|sigma| *sigma >= LEAST_SIGMA_PX));
        }
        Ok(typical_width(&mut widths).map(|sigma| sigma.min(MOST_SIGMA_PX)))
    }

    fn is_saturated(&self, region: Region, candidate: &Candidate, radius: f64) -> bool {
        let Some(limit) = self.job.frame.meta.saturation_adu else { return false };
        let near = |index: usize| {
            let x = region.x0 as f64 + (index % region.width) as f64 - candidate.x as f64;
            let y = region.y0 as f64 + (index / region.width) as f64 - candidate.y as f64;
            x.hypot(y) <= radius
        };
        let reaches = |plane: &[f32]| {
            plane.iter().enumerate().any(|(index, value)| f64::from(*value) >= limit && near(index))
        };
        match self.pixels.stored_uncalibrated(self.job.frame) {
            Some(plane) => reaches(plane),
            None => self.pixels.stored(self.job.frame).iter().any(|plane| reaches(plane)),
        }
    }

    /// Measure candidates, from bottom to top so that rows are read once where there are many.
    fn batch(
        &mut self,
        candidates: &[Candidate],
        half: usize,
        sigma_px: f64,
        apertures: [Aperture; 2],
    ) -> Result<Vec<Option<GridStar>>, FitsError> {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|index| (candidates[*index].y, *index));
        let are_many = candidates.len() * (2 * half + 1) > MANY_WINDOWS * self.job.frame.height;
        self.pixels.keep_rows(if are_many { KEPT_ROWS.max(2 * half + 1) } else { 0 });
        let mut measured = vec![None; candidates.len()];
        let done = order.into_iter().try_for_each(|index| {
            measured[index] = self.star(&candidates[index], half, on_ladder(sigma_px), apertures)?;
            Ok(())
        });
        // Of a frame that cannot be read too: the next one has the same buffers.
        self.pixels.keep_rows(0);
        done.map(|()| measured)
    }

    /// Measure a candidate.
    fn star(
        &mut self,
        candidate: &Candidate,
        half: usize,
        sigma_px: f64,
        apertures: [Aperture; 2],
    ) -> Result<Option<GridStar>, FitsError> {
        let kind = self.job.frame.kind;
        let leading = leading_channel(kind);
        let Some(region) = self.read(candidate, half)? else { return Ok(None) };
        if self.is_saturated(region, candidate, apertures[1].radius) {
            return Ok(None);
        }
        for channel in 0..kind.channels() {
            self.collect(region, channel);
        }
        let StarScratch { samples, sky } = &mut *self.scratch;
        let start = (candidate.x as f64, candidate.y as f64);
        let Some(leading_sky) = local_sky(&samples[leading], start, apertures[0], sky) else {
            return Ok(None);
        };
        let start = Moments { x: start.0, y: start.1, sigma_px };
        let Some((x, y, width)) = centroid(&samples[leading], start, leading_sky.level) else {
            return Ok(None);
        };
        if width < WIDTH_RANGE.0 || width > WIDTH_RANGE.1 {
            return Ok(None);
        }
        let neighbour = neighbour(&samples[leading], (x, y), apertures[1], &leading_sky, sigma_px);
        if neighbour > NEIGHBOUR {
            return Ok(None);
        }
        let own = moments(&samples[leading], Moments { x, y, sigma_px }, leading_sky.level);
        let at = own.map_or((x, y), |own| (own.x, own.y));
        let Some((grid, ratio)) = self.to_grid(at) else { return Ok(None) };
        let scale = self.job.frame.flux_scale * ratio * ratio;
        let mut star = GridStar {
            x_px: grid.0,
            y_px: grid.1,
            ln_sigma_px: own.map_or(f32::NAN, |own| (without_pixel(own.sigma_px) * ratio).ln() as f32),
            neighbour,
            ln_radius_px: (apertures[0].radius * ratio).ln() as f32,
            flux: [f32::NAN; 3],
            outer_flux: [f32::NAN; 3],
            variance: [f32::NAN; 3],
        };
        for channel in 0..kind.channels() {
            let area = areas(kind)[channel];
            let Some((light, variance)) = self.light(channel, at, apertures[0], sigma_px) else {
                return Ok(None);
            };
            let Some((outer, _)) = self.light(channel, at, apertures[1], sigma_px) else { return Ok(None) };
            let photons =
                self.job.frame.noise_model.gain_e_per_adu.map_or(0.0, |gain| light.max(0.0) * area / gain);
            star.flux[channel] = (light * scale) as f32;
            star.outer_flux[channel] = (outer * scale) as f32;
            star.variance[channel] = ((variance + photons) * scale * scale) as f32;
        }
        Ok(Some(star))
    }

    /// Flux of a channel in an aperture above the sky of its ring, and its variance by the noise of the sky.
    fn light(
        &mut self,
        channel: usize,
        at: (f64, f64),
        aperture: Aperture,
        sigma_px: f64,
    ) -> Option<(f64, f64)> {
        let StarScratch { samples, sky } = &mut *self.scratch;
        let samples = &samples[channel];
        let area = areas(self.job.frame.kind)[channel];
        let sky = local_sky(samples, at, aperture, sky)?;
        let (light, variance) = flux(samples, at, aperture, area, &sky)?;
        let share = if area > 1.0 { place_share(samples, at, aperture, area, sigma_px) } else { 1.0 };
        Some((light / share, variance / (share * share)))
    }

    /// Place on the grid, and how many pixels of the grid a pixel of the frame is long.
    fn to_grid(&self, at: (f64, f64)) -> Option<((f64, f64), f64)> {
        let job = self.job;
        let grid = job.grid.icrs_to_pixel(&job.frame.wcs.pixel_to_icrs(at.0, at.1)?)?;
        Some((grid, job.frame.wcs.scale_deg() / job.grid.scale_deg()))
    }
}

/// Height of what is highest in the aperture beside the image of the star itself, over that of the star; 0 where nothing is.
fn neighbour(samples: &[Sample], star: (f64, f64), aperture: Aperture, sky: &LocalSky, sigma_px: f64) -> f32 {
    let own = (SIGMA_TO_FWHM * sigma_px).max(2.0).powi(2);
    let reach = aperture.radius.powi(2);
    let image = Moffat3::of_sigma(sigma_px);
    let near = samples.iter().filter_map(|(x, y, value)| {
        let distance = (f64::from(*x) - star.0).powi(2) + (f64::from(*y) - star.1).powi(2);
        (distance <= reach).then_some((distance, f64::from(*value) - sky.level))
    });
    let highest =
        near.clone().filter(|(distance, _)| *distance <= own).fold(0.0, |most, own| own.1.max(most));
    let beside = near.filter(|(distance, _)| *distance > own);
    let beside =
        beside.fold(0.0_f64, |most, (distance, height)| most.max(height - highest * image.at(distance)));
    if beside > 0.0 { (beside / highest) as f32 } else { 0.0 }
}
