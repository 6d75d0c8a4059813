//! Raw frames with steps between their levels, satellite trails and hot pixels become a clean mosaic: nothing of the
//! defects is left, and the cores of stars are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use common::*;
use zemosaic_fits::{FilePool, HduKind, ReadScratch, Window, read_window, scan};
use zemosaic_testkit::defects::{HOT, TRAIL};
use zemosaic_testkit::{SimulateOptions, TanFrame, Truth, TruthStar, load_truth, simulate};

/// Side of the cells whose median is the background, pixels.
const CELL_PX: usize = 24;

/// Flux of a faint star, ADU: signal to noise 3 to 25 in a frame.
const FAINT_ADU: std::ops::Range<f64> = 300.0..5000.0;

/// 40 frames with steps of 250 ADU between them, one trail in 20 frames, 200 hot pixels.
fn options() -> SimulateOptions {
    SimulateOptions {
        seed: 77,
        width_px: 400,
        height_px: 500,
        frames: 40,
        offset_spread_adu: 250.0,
        trails: 2,
        hot_pixels: 200,
        cosmic_rays_per_frame: 0.0,
        nebula_brightness: 0.0,
        transparency_min: 1.0,
        sky_gradient: 0.0,
        vignetting: 0.0,
        ..SimulateOptions::default()
    }
}

/// A mosaic, and where on it what is to be expected.
struct Judged {
    width: usize,
    value: Vec<f32>,
    sigma: Vec<f32>,
    depth: Vec<f32>,
    rejected: Vec<f32>,
    /// Background, by cell.
    background: Vec<f32>,
    trail: Vec<bool>,
    hot: Vec<bool>,
    star: Vec<bool>,
}

fn read_mask(path: &Path) -> (usize, Vec<f32>) {
    let file = scan(path).unwrap();
    let HduKind::Image(layout) = &file.hdus[0].kind else { unreachable!("a mask is an image") };
    let mut pixels = vec![0.0; layout.width() * layout.height()];
    let (pool, mut scratch) = (FilePool::new(1), ReadScratch::default());
    read_window(&pool, path, layout, 0, Window::full(layout), &mut scratch, &mut pixels).unwrap();
    (layout.width(), pixels)
}

impl Judged {
    fn new(product: &Mosaic, sim: &Path, truth: &Truth, channel: usize) -> Self {
        let grid = product.grid();
        let (width, height) = (grid.width_px, grid.height_px);
        let (low, high) = (product.plane("REJLO", channel), product.plane("REJHI", channel));
        let mut judged = Self {
            width,
            value: product.plane("SCI", channel),
            sigma: product.plane("VAR", channel).iter().map(|variance| variance.sqrt()).collect(),
            depth: product.plane("DEPTH", 0),
            rejected: low.iter().zip(&high).map(|(low, high)| low + high).collect(),
            background: Vec::new(),
            trail: vec![false; width * height],
            hot: vec![false; width * height],
            star: vec![false; width * height],
        };
        for frame in &truth.file.frames {
            let (columns, mask) = read_mask(&sim.join(&frame.mask));
            let tan = frame.tan();
            for (index, bits) in mask.iter().enumerate().filter(|(_, bits)| **bits != 0.0) {
                let (ra, dec) = tan.pixel_to_sky((index % columns) as f64, (index / columns) as f64);
                let Some((x, y)) = grid.sky_to_pixel(ra, dec).filter(|at| grid.holds(*at, 1.0)) else {
                    continue;
                };
                let at = y.round() as usize * width + x.round() as usize;
                judged.trail[at] |= *bits as u8 & TRAIL != 0;
                judged.hot[at] |= *bits as u8 & HOT != 0;
            }
        }
        for star in truth.stars.iter().filter(|star| star.flux_adu[1] > 60.0) {
            let Some((x, y)) = grid.sky_to_pixel(star.ra_deg, star.dec_deg) else { continue };
            let radius = (3.0 + 2.0 * (star.flux_adu[1] / 300.0).sqrt()).min(40.0);
            let near = |centre: f64, limit: usize| {
                let first = (centre - radius).max(0.0) as usize;
                first..((centre + radius + 1.0).clamp(0.0, limit as f64) as usize).max(first)
            };
            for row in near(y, height) {
                for column in near(x, width) {
                    judged.star[row * width + column] |= (column as f64 - x).hypot(row as f64 - y) < radius;
                }
            }
        }
        judged.background = judged.cell_medians(height);
        judged
    }

    /// Median over the cell of each pixel and its neighbours, of what is neither star nor defect.
    fn cell_medians(&self, height: usize) -> Vec<f32> {
        let (columns, rows) = (self.width.div_ceil(CELL_PX), height.div_ceil(CELL_PX));
        let mut medians = vec![f32::NAN; columns * rows];
        for (cell, median) in medians.iter_mut().enumerate() {
            let span =
                |at: usize, limit: usize| at.saturating_sub(1) * CELL_PX..((at + 2) * CELL_PX).min(limit);
            let mut values = Vec::new();
            for row in span(cell / columns, height) {
                for column in span(cell % columns, self.width) {
                    let at = row * self.width + column;
                    if !(self.star[at] || self.trail[at] || self.hot[at] || self.value[at].is_nan()) {
                        values.push(self.value[at]);
                    }
                }
            }
            if !values.is_empty() {
                values.sort_by(f32::total_cmp);
                *median = values[values.len() / 2];
            }
        }
        (0..self.value.len())
            .map(|at| medians[at / self.width / CELL_PX * columns + at % self.width / CELL_PX])
            .collect()
    }

    /// Distances from the background in sigma of the pixels that `pick` picks, away from stars, where many frames are.
    fn distances(&self, pick: impl Fn(&Self, usize) -> bool) -> Vec<f32> {
        let deep = self.depth.iter().copied().fold(0.0, f32::max) / 2.0;
        (0..self.value.len())
            .filter(|&at| !self.star[at] && self.depth[at] >= deep && pick(self, at))
            .map(|at| (self.value[at] - self.background[at]) / self.sigma[at])
            .filter(|distance| distance.is_finite())
            .collect()
    }
}

/// How many of `distances` are above 3 sigma, and how many may be where the sky has a share of `expected`: three standard
/// deviations more.
fn above(distances: &[f32], expected: f64) -> (usize, f64) {
    let found = distances.iter().filter(|distance| **distance > 3.0).count();
    let mean = expected * distances.len() as f64;
    (found, mean + 3.0 * mean.sqrt())
}

/// Samples at the cores (3 x 3 pixels) of isolated faint stars where no defect is near, and how many of them are rejected.
fn cores(judged: &Judged, grid: &TanFrame, truth: &Truth) -> (f64, f64) {
    let (mut samples, mut rejected) = (0.0, 0.0);
    let faint = |star: &&TruthStar| star.isolated && FAINT_ADU.contains(&star.flux_adu[1]);
    for star in truth.stars.iter().filter(faint) {
        let Some((x, y)) = grid.sky_to_pixel(star.ra_deg, star.dec_deg).filter(|at| grid.holds(*at, 6.0))
        else {
            continue;
        };
        let near = |reach: usize| {
            let (x, y) = (x.round() as usize, y.round() as usize);
            let rows = y - reach..=y + reach;
            rows.flat_map(move |row| (x - reach..=x + reach).map(move |column| row * judged.width + column))
        };
        if near(2).all(|at| !judged.trail[at] && !judged.hot[at]) {
            samples += near(1).map(|at| f64::from(judged.depth[at])).sum::<f64>();
            rejected += near(1).map(|at| f64::from(judged.rejected[at])).sum::<f64>();
        }
    }
    (samples, rejected)
}

#[test]
fn steps_trails_and_hot_pixels_leave_nothing_and_stars_stay() {
    let dir = folder();
    let sim = dir.path().join("sim");
    simulate(&options(), &sim, &|_, _| ()).unwrap();
    let truth = load_truth(&sim).unwrap();
    let out = dir.path().join("out");
    run(program().arg("run").arg(sim.join("frames")).arg("-o").arg(&out)).expect(0, "");
    let product = Mosaic::open(&out.join("mosaic.fits"));
    let (mut samples, mut rejected) = (0.0, 0.0);
    for channel in 0..3 {
        let judged = Judged::new(&product, &sim, &truth, channel);
        let sky = judged.distances(|all, at| !all.trail[at] && !all.hot[at]);
        let expected = above(&sky, 0.0).0 as f64 / sky.len() as f64;
        assert!(sky.len() > 100_000 && expected < 0.003, "{expected} of {} sky pixels", sky.len());
        let trail = judged.distances(|all, at| all.trail[at] && !all.hot[at]);
        let hot = judged.distances(|all, at| all.hot[at] && !all.trail[at]);
        for (name, distances) in [("trail", &trail), ("hot", &hot)] {
            let (found, allowed) = above(distances, expected);
            assert!(distances.len() > 3000, "{} {name} pixels", distances.len());
            assert!(found as f64 <= allowed, "{name}: {found} of {}, {allowed} allowed", distances.len());
        }
        assert!(hot.iter().all(|distance| distance.abs() < 5.0), "a hot pixel is left");
        let (own_samples, own_rejected) = cores(&judged, &product.grid(), &truth);
        (samples, rejected) = (samples + own_samples, rejected + own_rejected);
    }
    assert!(samples > 8000.0 && rejected < 0.003 * samples, "{rejected} of {samples} samples of cores");
}
