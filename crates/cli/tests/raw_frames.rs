//! Raw frames with steps between their levels, satellite trails and hot pixels become a clean mosaic: nothing of the
//! defects is left, and the cores of stars are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use common::*;
use zemosaic_fits::{FilePool, HduKind, ReadScratch, Window, read_window, scan};
use zemosaic_testkit::defects::{HOT, TRAIL};
use zemosaic_testkit::{SimulateOptions, Truth, load_truth, simulate};

/// Side of the cells whose median is the background, pixels.
const CELL_PX: usize = 24;

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

fn share_above(distances: &[f32], limit: f32) -> f64 {
    distances.iter().filter(|distance| **distance > limit).count() as f64 / distances.len() as f64
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
    let grid = product.grid();
    for channel in 0..3 {
        let judged = Judged::new(&product, &sim, &truth, channel);
        let sky = judged.distances(|all, at| !all.trail[at] && !all.hot[at]);
        let trail = judged.distances(|all, at| all.trail[at] && !all.hot[at]);
        let hot = judged.distances(|all, at| all.hot[at] && !all.trail[at]);
        let (mut samples, mut rejected) = (0.0, 0.0);
        for star in
            truth.stars.iter().filter(|star| star.isolated && (500.0..60_000.0).contains(&star.flux_adu[1]))
        {
            let Some(at) = grid.sky_to_pixel(star.ra_deg, star.dec_deg).filter(|at| grid.holds(*at, 6.0))
            else {
                continue;
            };
            let near = |reach: i64| {
                (-reach..=reach)
                    .flat_map(move |dy| {
                        (-reach..=reach).map(move |dx| (at.0.round() as i64 + dx, at.1.round() as i64 + dy))
                    })
                    .map(|(x, y)| y as usize * judged.width + x as usize)
            };
            if near(2).any(|at| judged.trail[at] || judged.hot[at]) {
                continue;
            }
            for at in near(1) {
                samples += f64::from(judged.depth[at]);
                rejected += f64::from(judged.rejected[at]);
            }
        }
        let expected = share_above(&sky, 3.0);
        println!(
            "channel {channel}: above 3 sigma sky {expected:.5} of {}, trail {:.5} of {}, hot {:.5} of {} (max {:.2}); cores {:.5} of {samples}",
            sky.len(),
            share_above(&trail, 3.0),
            trail.len(),
            share_above(&hot, 3.0),
            hot.len(),
            hot.iter().copied().fold(0.0, f32::max),
            rejected / samples
        );
    }
}
