//! What a component is: one star or several, a hot pixel, a piece of a line, something large.

use crate::components::{Component, Lit};
use crate::half::RawBand;
use crate::options::StarOptions;
use crate::source::FrameInfo;
use crate::star::StarFlags;

/// A star as the detection plane shows it, in raw pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub x_px: f64,
    pub y_px: f64,
    /// Of the pixels above the threshold, ADU summed over raw pixels.
    pub flux_adu: f64,
    /// Largest 2 x 2 mean above the background.
    pub peak_adu: f64,
    /// Flux over its noise.
    pub snr: f64,
    /// Root mean square extents along the axes.
    pub axes_px: [f64; 2],
    /// Direction of the major axis from +x towards +y.
    pub angle_rad: f64,
    pub flags: StarFlags,
}

/// What became of a component.
pub(crate) struct Judged {
    pub stars: Vec<Candidate>,
    /// Whether it may be a part of a line: it is then left in the picture that lines are looked for in.
    pub may_be_line: bool,
}

/// What judging needs.
pub(crate) struct Judge<'a> {
    pub info: FrameInfo,
    pub options: &'a StarOptions,
    /// Level of the sky, ADU.
    pub level_adu: f64,
    /// Noise of a raw pixel, ADU.
    pub noise_adu: f64,
}

/// One pixel of the detection plane needs this many sigma to be a star.
const LONE_SIGMA: f32 = 7.0;
/// So small may a component of hot pixels be.
const HOT_PIXELS: usize = 4;
/// The brightest neighbour of a hot pixel has at most this share of it; of a star with a FWHM of 1.3 px the least is 0.2.
const HOT_SHARE: f64 = 0.15;
/// Larger ones are no stars, in pixels of the detection plane.
const MAX_STAR_PIXELS: usize = 3000;
/// From this length on, and as wide at most, a component is a line; pixels of the detection plane.
const LINE_LENGTH: f64 = 24.0;
const LINE_WIDTH: f64 = 5.0;
/// Components of so few pixels, or so long for their width, may be pieces of a line.
const PIECE_PIXELS: usize = 5;
const PIECE_ELONGATION: f64 = 2.5;
/// The core of a star is what has this share of its peak.
const CORE_SHARE: f64 = 0.2;
/// A second peak counts from this share of the first.
const PEAK_SHARE: f32 = 0.15;
/// Peaks are told apart in components whose bounding box is not larger.
const MAX_SPLIT_AREA: usize = 4096;
const MAX_PEAKS: usize = 16;

impl Judge<'_> {
    /// Judge `component`; `band` holds the raw rows around it.
    pub fn judge(&self, mut component: Component, band: &RawBand) -> Judged {
        let pixels = &mut component.pixels;
        pixels.sort_unstable_by_key(|lit| (lit.y, lit.x));
        let peak = pixels.iter().fold(0.0_f32, |peak, lit| peak.max(lit.sigmas));
        let none = |may_be_line| Judged { stars: Vec::new(), may_be_line };
        if component.is_cut || pixels.len() > MAX_STAR_PIXELS && !Shape::of(pixels).is_line() {
            return none(false);
        }
        if f64::from(peak) < self.options.peak_sigma || (pixels.len() == 1 && peak < LONE_SIGMA) {
            return none(true);
        }
        if pixels.len() <= HOT_PIXELS && self.is_hot(pixels, band) {
            return none(false);
        }
        let shape = Shape::of(pixels);
        if shape.is_line() {
            return none(true);
        }
        let may_be_line =
            pixels.len() < PIECE_PIXELS || shape.axes[0] > PIECE_ELONGATION * shape.axes[1].max(0.3);
        let peaks = peaks_of(pixels, peak);
        let stars = if peaks.len() < 2 {
            vec![self.star(pixels, &shape, StarFlags::default())]
        } else {
            split(pixels, &peaks)
                .iter()
                .map(|part| self.star(part, &Shape::of(part), StarFlags::BLENDED))
                .collect()
        };
        Judged { stars, may_be_line }
    }

    fn star(&self, pixels: &[Lit], shape: &Shape, flags: StarFlags) -> Candidate {
        let sum = pixels.iter().map(|lit| f64::from(lit.value)).sum::<f64>();
        let sigmas = pixels.iter().map(|lit| f64::from(lit.sigmas)).sum::<f64>();
        let peak_adu = pixels.iter().fold(0.0_f64, |peak, lit| peak.max(f64::from(lit.value)));
        // How wide it is its core tells: the wings of a bright star are above the threshold too.
        let is_core = |lit: &&Lit| f64::from(lit.value) >= CORE_SHARE * peak_adu;
        let core: Vec<Lit> = pixels.iter().filter(is_core).copied().collect();
        let core = Shape::of(&core);
        let mut flags = flags;
        let (last_x, last_y) = (self.info.width as u32 / 2 - 1, self.info.height as u32 / 2 - 1);
        if pixels.iter().any(|lit| lit.x == 0 || lit.y == 0 || lit.x >= last_x || lit.y >= last_y) {
            flags = flags.with(StarFlags::EDGE);
        }
        if self.info.saturation_adu.is_some_and(|level| peak_adu + self.level_adu >= 0.9 * level) {
            flags = flags.with(StarFlags::SATURATED);
        }
        Candidate {
            x_px: 2.0 * shape.centre[0] + 0.5,
            y_px: 2.0 * shape.centre[1] + 0.5,
            flux_adu: 4.0 * sum,
            peak_adu,
            snr: sigmas / (pixels.len() as f64).sqrt(),
            axes_px: core.axes.map(|axis| 2.0 * axis),
            angle_rad: core.angle_rad,
            flags,
        }
    }

    /// Whether the light is that of one raw pixel, with next to nothing in the pixels beside it.
    fn is_hot(&self, pixels: &[Lit], band: &RawBand) -> bool {
        let reach = |of: fn(&Lit) -> u32| {
            let low = pixels.iter().map(of).min().unwrap_or(0);
            let high = pixels.iter().map(of).max().unwrap_or(0);
            2 * i64::from(low)..2 * i64::from(high) + 2
        };
        let mut peak: Option<(f64, i64, i64)> = None;
        for y in reach(|lit| lit.y) {
            for x in reach(|lit| lit.x) {
                let Some(excess) = Self::excess(band, x, y) else { continue };
                if peak.is_none_or(|(best, ..)| excess > best) {
                    peak = Some((excess, x, y));
                }
            }
        }
        let Some((peak, x, y)) = peak else { return false };
        let beside = [(1, 0), (-1, 0), (0, 1), (0, -1)].into_iter();
        let beside = beside.filter_map(|(dx, dy)| Self::excess(band, x + dx, y + dy));
        let beside = beside.fold(f64::NEG_INFINITY, f64::max);
        beside < HOT_SHARE * peak + 1.5 * self.noise_adu
    }

    /// A raw pixel above the mean of eight pixels of the same colour four pixels away.
    fn excess(band: &RawBand, x: i64, y: i64) -> Option<f64> {
        const AWAY: i64 = 4;
        let value = band.pixel(x, y)?;
        let (mut sum, mut count) = (0.0, 0);
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
            if let Some(neighbour) = band.pixel(x + AWAY * dx, y + AWAY * dy) {
                sum += neighbour;
                count += 1;
            }
        }
        (count > 0).then(|| value - sum / f64::from(count))
    }
}

/// Centroid and second moments, in pixels of the detection plane.
#[derive(Debug, Clone, Copy)]
struct Shape {
    centre: [f64; 2],
    axes: [f64; 2],
    angle_rad: f64,
    pixels: usize,
}

impl Shape {
    fn of(pixels: &[Lit]) -> Self {
        let (mut sum, mut first) = (0.0, [0.0; 2]);
        for lit in pixels {
            let value = f64::from(lit.value);
            sum += value;
            first = [first[0] + value * f64::from(lit.x), first[1] + value * f64::from(lit.y)];
        }
        let centre = first.map(|first| first / sum);
        let [mut xx, mut xy, mut yy] = [0.0; 3];
        for lit in pixels {
            let (dx, dy) = (f64::from(lit.x) - centre[0], f64::from(lit.y) - centre[1]);
            let value = f64::from(lit.value);
            xx += value * dx * dx;
            xy += value * dx * dy;
            yy += value * dy * dy;
        }
        let [xx, xy, yy] = [xx / sum, xy / sum, yy / sum];
        let (mean, half) = (0.5 * (xx + yy), (0.25 * (xx - yy) * (xx - yy) + xy * xy).sqrt());
        let axes = [mean + half, (mean - half).max(0.0)].map(f64::sqrt);
        Self { centre, axes, angle_rad: 0.5 * (2.0 * xy).atan2(xx - yy), pixels: pixels.len() }
    }

    fn is_line(&self) -> bool {
        // The length of an evenly lit line of this extent.
        let length = 12.0_f64.sqrt() * self.axes[0];
        length > LINE_LENGTH && (self.pixels as f64) < LINE_WIDTH * length
    }
}

/// Local maxima that may be stars of their own.
fn peaks_of(pixels: &[Lit], peak_sigmas: f32) -> Vec<Lit> {
    let bounds = |of: fn(&Lit) -> u32| {
        let low = pixels.iter().map(of).min().unwrap_or(0);
        (low, (pixels.iter().map(of).max().unwrap_or(0) - low) as usize + 3)
    };
    let ((x0, width), (y0, height)) = (bounds(|lit| lit.x), bounds(|lit| lit.y));
    if pixels.len() < 2 * PIECE_PIXELS || width * height > MAX_SPLIT_AREA {
        return Vec::new();
    }
    // A frame of zeros around it.
    let mut plane = vec![0.0_f32; width * height];
    let at = |lit: &Lit| (lit.y - y0 + 1) as usize * width + (lit.x - x0 + 1) as usize;
    for lit in pixels {
        plane[at(lit)] = lit.sigmas;
    }
    let is_peak = |lit: &&Lit| {
        let (centre, value) = (at(lit), lit.sigmas);
        let before = [centre - width - 1, centre - width, centre - width + 1, centre - 1];
        let behind = [centre + 1, centre + width - 1, centre + width, centre + width + 1];
        value >= PEAK_SHARE * peak_sigmas
            && value >= 5.0
            && before.iter().all(|at| value > plane[*at])
            && behind.iter().all(|at| value >= plane[*at])
    };
    pixels.iter().filter(is_peak).take(MAX_PEAKS).copied().collect()
}

/// Each pixel to the nearest peak, the first of equally near ones.
fn split(pixels: &[Lit], peaks: &[Lit]) -> Vec<Vec<Lit>> {
    let mut parts = vec![Vec::new(); peaks.len()];
    for lit in pixels {
        let distance = |peak: &Lit| {
            (i64::from(peak.x) - i64::from(lit.x)).pow(2) + (i64::from(peak.y) - i64::from(lit.y)).pow(2)
        };
        let nearest = (0..peaks.len()).min_by_key(|index| distance(&peaks[*index]));
        if let Some(nearest) = nearest {
            parts[nearest].push(*lit);
        }
    }
    parts
}
