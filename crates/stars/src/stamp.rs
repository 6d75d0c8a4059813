//! The raw pixels around a star: its local sky per colour, the pixels of its core for the fit, its growth curve.

use zemosaic_image::{Region, stats};

use crate::fit::Sample;
use crate::source::{FrameInfo, Pixels};

/// Pixels around a star. Coordinates are those of the frame.
#[derive(Debug)]
pub(crate) struct Stamp {
    region: Region,
    pixels: Vec<f32>,
    info: FrameInfo,
    centre: [f64; 2],
    /// Sky per colour.
    sky: [f64; 3],
    /// Largest raw value.
    pub highest: f32,
    /// How many pixels have it.
    pub at_highest: usize,
}

/// Sub-pixels per pixel and axis in the growth curve.
const SUB: usize = 4;
/// Width of a ring of the growth curve.
const RING_PX: f64 = 0.05;
/// Half-flux radius squared that the square of a pixel adds to a Gaussian: 2 ln 2 / 12. The pixel has done so once, the
/// even light within pixels does so once more.
const PIXEL_HFR2: f64 = 2.0 * std::f64::consts::LN_2 / 12.0;

/// Flux in an aperture and the radius of half of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub flux_adu: f64,
    pub hfr_px: f64,
}

impl Stamp {
    /// Pixels within `radius_px` of (`x`, `y`); the sky from those beyond `inner_px`.
    pub fn read<P: Pixels>(
        source: &mut P,
        info: FrameInfo,
        [x, y]: [f64; 2],
        radius_px: usize,
        inner_px: f64,
    ) -> Result<Option<Self>, P::Error> {
        let side = 2 * radius_px + 1;
        let (x0, y0) = (x.round() as i64 - radius_px as i64, y.round() as i64 - radius_px as i64);
        let wanted = Region { x0, y0, width: side, height: side };
        let Some(region) = wanted.intersect(&info.whole()) else { return Ok(None) };
        let mut pixels = vec![0.0; region.area()];
        source.read(region, &mut pixels)?;
        let mut stamp =
            Self { region, pixels, info, centre: [x, y], sky: [0.0; 3], highest: f32::MIN, at_highest: 0 };
        let mut around: [Vec<f32>; 3] = Default::default();
        for (x, y, value) in stamp.places() {
            let distance = (x as f64 - stamp.centre[0]).hypot(y as f64 - stamp.centre[1]);
            if distance > inner_px {
                around[info.colour_at(x, y)].push(value);
            }
        }
        for (sky, values) in stamp.sky.iter_mut().zip(&mut around).take(info.colours()) {
            let Some(level) = clipped_median(values) else { return Ok(None) };
            *sky = level;
        }
        let reach = (inner_px * 0.5).max(2.0);
        let near = |x: i64, y: i64| (x as f64 - stamp.centre[0]).hypot(y as f64 - stamp.centre[1]) <= reach;
        let (mut highest, mut count) = (f32::MIN, 0);
        for (_, _, value) in stamp.places().filter(|(x, y, _)| near(*x, *y)) {
            if value > highest {
                (highest, count) = (value, 1);
            } else if value == highest {
                count += 1;
            }
        }
        (stamp.highest, stamp.at_highest) = (highest, count);
        Ok(Some(stamp))
    }

    /// Whether the star's reach of `radius_px` is inside the frame.
    pub fn holds(&self, radius_px: f64) -> bool {
        let [x, y] = self.centre;
        let whole = self.info.whole();
        x - radius_px >= 0.0
            && y - radius_px >= 0.0
            && x + radius_px <= (whole.x1() - 1) as f64
            && y + radius_px <= (whole.y1() - 1) as f64
    }

    /// A raw value above the sky of its faintest colour.
    pub fn above_sky(&self, value: f64) -> f64 {
        value - self.sky.iter().take(self.info.colours()).fold(f64::INFINITY, |low, sky| low.min(*sky))
    }

    /// Pixels with data, row by row.
    fn places(&self) -> impl Iterator<Item = (i64, i64, f32)> {
        let width = self.region.width as i64;
        let place = move |(index, value): (usize, &f32)| {
            let (x, y) = (index as i64 % width, index as i64 / width);
            (self.region.x0 + x, self.region.y0 + y, *value)
        };
        self.pixels.iter().enumerate().map(place).filter(|(_, _, value)| value.is_finite())
    }

    /// The pixels within `radius_px`, above the sky, about the middle of the star.
    pub fn samples(&self, radius_px: f64) -> Vec<Sample> {
        let [cx, cy] = self.centre;
        self.places()
            .map(|(x, y, value)| {
                let colour = self.info.colour_at(x, y);
                let value = f64::from(value) - self.sky[colour];
                Sample { x: x as f64 - cx, y: y as f64 - cy, value, colour }
            })
            .filter(|sample| sample.x * sample.x + sample.y * sample.y <= radius_px * radius_px)
            .collect()
    }

    /// Growth about (`x`, `y`) out to `radius_px`, which holds `share` of the light; `None` without light.
    pub fn growth(&self, [x, y]: [f64; 2], radius_px: f64, share: f64) -> Option<Growth> {
        let mut rings = vec![0.0; (radius_px / RING_PX).ceil() as usize];
        let sub_share = 1.0 / (SUB * SUB) as f64;
        let offset = |index: usize| (index as f64 + 0.5) / SUB as f64 - 0.5;
        for (px, py, value) in self.places() {
            let (dx, dy) = (px as f64 - x, py as f64 - y);
            if dx.abs() > radius_px + 1.0 || dy.abs() > radius_px + 1.0 {
                continue;
            }
            let light = (f64::from(value) - self.sky[self.info.colour_at(px, py)]) * sub_share;
            for j in 0..SUB {
                for i in 0..SUB {
                    let (u, v) = (dx + offset(i), dy + offset(j));
                    if let Some(ring) = rings.get_mut(((u * u + v * v).sqrt() / RING_PX) as usize) {
                        *ring += light;
                    }
                }
            }
        }
        let flux = rings.iter().sum::<f64>() / share;
        if flux.is_nan() || flux <= 0.0 {
            return None;
        }
        let (mut sum, mut radius) = (0.0, f64::NAN);
        for (index, ring) in rings.iter().enumerate() {
            if sum + ring >= 0.5 * flux {
                radius = RING_PX * (index as f64 + (0.5 * flux - sum) / ring);
                break;
            }
            sum += ring;
        }
        let hfr_px = (radius * radius - 2.0 * PIXEL_HFR2).max(0.0).sqrt();
        Some(Growth { flux_adu: flux, hfr_px })
    }
}

/// Median of what is within 3 sigma of the median.
fn clipped_median(values: &mut Vec<f32>) -> Option<f64> {
    let centre = stats::median(values)?;
    let sigma = stats::mad_sigma(&mut values.clone(), centre);
    if sigma > 0.0 {
        values.retain(|value| (value - centre).abs() <= 3.0 * sigma);
    }
    stats::median(values).map(f64::from)
}
