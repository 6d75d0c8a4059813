//! What is in a frame: background, noise, stars, trails. Two passes over its rows, then windows around bright stars.

use zemosaic_image::{Background, BackgroundOptions, MeshBuilder, Region, Sites, stats};

use crate::candidate::{Candidate, Judge};
use crate::components::{Component, Labeller};
use crate::error::StarsError;
use crate::half::RawBand;
use crate::hough::segments;
use crate::lines::LinePicture;
use crate::measure::measure_stars;
use crate::options::StarOptions;
use crate::profile::Profile;
use crate::source::{FrameInfo, Pixels};
use crate::star::{Star, by_brightness};
use crate::trail::{Trail, measure_trail};

/// All of a frame that is looked for.
#[derive(Debug, Clone)]
pub struct Field {
    /// Columns and rows of the frame.
    pub size_px: [usize; 2],
    /// Background of the detection plane (2 x 2 means), in its own pixels.
    pub background: Background,
    /// Noise of a raw pixel from differences of neighbours of one colour, ADU; NaN where there are none.
    pub noise_adu: f64,
    /// Stars, brightest first; equal ones by row, then column.
    pub stars: Vec<Star>,
    /// The profile that the shapes were fitted with.
    pub profile: Profile,
    /// Trails, the most obvious first.
    pub trails: Vec<Trail>,
}

/// The least side of a frame.
const LEAST_SIDE_PX: usize = 32;
/// The mesh cannot be finer, in pixels of the detection plane.
const LEAST_MESH: usize = 16;
/// Raw rows that the noise is measured on.
const NOISE_ROWS: usize = 64;
/// A cell's noise is not below this share of the frame's: a cell of saturated pixels has none.
const LEAST_SIGMA_SHARE: f64 = 0.1;
/// Stars within this of a trail are pieces of it, unless they are much brighter.
const TRAIL_REACH_PX: f64 = 4.0;
const BRIGHTER: f64 = 5.0;

/// Find stars and trails.
///
/// # Errors
/// [`StarsError`].
pub fn find_stars<P: Pixels>(
    pixels: &mut P,
    info: &FrameInfo,
    options: &StarOptions,
) -> Result<Field, StarsError<P::Error>> {
    let (width, height) = (info.width, info.height);
    if width.min(height) < LEAST_SIDE_PX {
        return Err(StarsError::Small { width, height });
    }
    let (background, noise_adu) = first_pass(pixels, *info, options)?;
    let (mut candidates, lines) = second_pass(pixels, *info, options, &background, noise_adu)?;
    candidates.sort_by(|a, b| by_brightness((a.flux_adu, a.x_px, a.y_px), (b.flux_adu, b.x_px, b.y_px)));
    let mut lamps = lines.finish();
    let block_px = 2.0 * lamps.block as f64;
    let mut trails = Vec::new();
    for segment in segments(&mut lamps) {
        let trail = measure_trail(pixels, *info, &segment, block_px, noise_adu, &candidates);
        trails.extend(trail.map_err(StarsError::Read)?);
    }
    candidates.retain(|candidate| !trails.iter().any(|trail| is_piece(candidate, trail, noise_adu)));
    let (stars, profile) =
        measure_stars(pixels, *info, options, noise_adu, &candidates).map_err(StarsError::Read)?;
    Ok(Field { size_px: [width, height], background, noise_adu, stars, profile, trails })
}

fn is_piece(candidate: &Candidate, trail: &Trail, noise_adu: f64) -> bool {
    trail.distance_px([candidate.x_px, candidate.y_px]) < TRAIL_REACH_PX + 0.5 * trail.width_px
        && candidate.peak_adu < BRIGHTER * trail.peak_sigma * noise_adu
}

/// Background of the detection plane and noise of a raw pixel.
fn first_pass<P: Pixels>(
    pixels: &mut P,
    info: FrameInfo,
    options: &StarOptions,
) -> Result<(Background, f64), StarsError<P::Error>> {
    let mesh =
        BackgroundOptions { mesh_px: (options.mesh_px / 2).max(LEAST_MESH), ..BackgroundOptions::default() };
    let mut builder = MeshBuilder::new(info.width / 2, info.height / 2, mesh, Sites::All)?;
    let mut band = RawBand::new(info);
    let mut half = Vec::new();
    let mut noise_rows: Vec<Vec<f32>> = Vec::new();
    let every = (info.height / NOISE_ROWS).max(1);
    while band.next(pixels).map_err(StarsError::Read)? {
        for (y, row) in (band.new..).zip(band.new_rows().chunks_exact(info.width)) {
            // Both rows of a pattern: steps of an even number would see one.
            if y % (2 * every) < 2 {
                noise_rows.push(row.to_vec());
            }
        }
        band.halve(&mut half);
        builder.add_rows(&half);
    }
    let rows: Vec<&[f32]> = noise_rows.iter().map(Vec::as_slice).collect();
    let noise = stats::difference_noise(&rows, info.step()).map_or(f64::NAN, f64::from);
    let background = builder.finish()?.pop();
    // One plane was given, so there is one background.
    let background = background.ok_or(StarsError::Background(zemosaic_image::BackgroundError::Empty {
        width: info.width,
        height: info.height,
    }))?;
    Ok((background, noise))
}

/// Candidates, and the picture of what is left.
fn second_pass<P: Pixels>(
    pixels: &mut P,
    info: FrameInfo,
    options: &StarOptions,
    background: &Background,
    noise_adu: f64,
) -> Result<(Vec<Candidate>, LinePicture), StarsError<P::Error>> {
    let width = info.width / 2;
    let sigmas = SigmaRows::new(background, options, width);
    let judge = Judge { info, options, level_adu: background.level(), noise_adu };
    let mut lines = LinePicture::new(width, info.height / 2);
    let mut labeller = Labeller::default();
    let mut candidates = Vec::new();
    let mut band = RawBand::new(info);
    let (mut half, mut scaled) = (Vec::new(), vec![0.0; width]);
    while band.next(pixels).map_err(StarsError::Read)? {
        band.halve(&mut half);
        let y0 = band.new / 2;
        let region = Region { x0: 0, y0: y0 as i64, width, height: half.len() / width };
        background.subtract(region, &mut half);
        for (y, row) in (y0..).zip(half.chunks_exact(width)) {
            sigmas.scale(y, row, &mut scaled);
            lines.add_row(y, &scaled);
            let mut close = |component| settle(component, &judge, &band, &mut candidates, &mut lines);
            labeller.add_row(y as u32, row, &scaled, options.threshold_sigma as f32, &mut close);
        }
    }
    labeller.finish(&mut |component| settle(component, &judge, &band, &mut candidates, &mut lines));
    Ok((candidates, lines))
}

fn settle(
    component: Component,
    judge: &Judge<'_>,
    band: &RawBand,
    candidates: &mut Vec<Candidate>,
    lines: &mut LinePicture,
) {
    let pixels = component.pixels.clone();
    let judged = judge.judge(component, band);
    if !judged.may_be_line {
        lines.remove(&pixels);
    }
    candidates.extend(judged.stars);
}

/// Rows over their noise, cell by cell of the mesh.
struct SigmaRows {
    mesh: usize,
    columns: usize,
    rows: usize,
    /// 1 / noise per cell.
    inverse: Vec<f32>,
}

impl SigmaRows {
    fn new(background: &Background, options: &StarOptions, width: usize) -> Self {
        let mesh = (options.mesh_px / 2).max(LEAST_MESH);
        let [columns, rows] = background.mesh_size();
        debug_assert_eq!(columns, width.div_ceil(mesh));
        let least = LEAST_SIGMA_SHARE * background.sigma();
        // A sky without noise: what differs in the last bits is none.
        let floor = 1e-6 * background.level().abs() + f64::from(f32::MIN_POSITIVE);
        let inverse = |sigma: &f64| (1.0 / sigma.max(least).max(floor)) as f32;
        Self { mesh, columns, rows, inverse: background.mesh_sigmas().iter().map(inverse).collect() }
    }

    fn scale(&self, y: usize, row: &[f32], scaled: &mut [f32]) {
        let cells = &self.inverse[(y / self.mesh).min(self.rows - 1) * self.columns..];
        let parts = row.chunks(self.mesh).zip(scaled.chunks_mut(self.mesh));
        for ((values, scaled), inverse) in parts.zip(cells) {
            for (scaled, value) in scaled.iter_mut().zip(values) {
                *scaled = value * inverse;
            }
        }
    }
}
