//! Trails of satellites and aircraft: lines of even brightness, some pixels wide, that are no spikes of a bright star and no
//! defects of the sensor.

use serde::Serialize;
use zemosaic_image::{Region, stats};

use crate::candidate::Candidate;
use crate::hough::Segment;
use crate::source::{FrameInfo, Pixels};

/// A trail; coordinates in raw pixels, (0, 0) the centre of the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trail {
    /// One end.
    pub from_px: [f64; 2],
    /// The other.
    pub to_px: [f64; 2],
    /// Direction, degrees from +x towards +y, in [0, 180).
    pub angle_deg: f64,
    /// Flux across it over its height.
    pub width_px: f64,
    /// Height above the sky over the noise of a pixel.
    pub peak_sigma: f64,
}

/// Places along a trail that are looked at.
const PLACES: usize = 48;
/// Half of a window around a place.
const REACH_PX: i64 = 14;
/// Half of the profile across, in pixels.
const ACROSS: i64 = 10;
/// How far the place of the line may be off; it comes from blocks.
const OFF_PX: f64 = 7.0;
/// A wider line is no trail.
const MAX_WIDTH_PX: f64 = 12.0;
/// A fainter one is not believed.
const LEAST_SIGMA: f64 = 0.8;
/// Lines nearer to an axis are rows or columns of the sensor.
const AXIS_DEG: f64 = 0.2;
/// Brightest third of a spike over its faintest, at least.
const SPIKE_CONTRAST: f64 = 3.0;
/// A star from so many sigma on may have spikes.
const SPIKE_STAR_SIGMA: f64 = 100.0;

/// Measure the line of `segment`, whose blocks are `block_px` raw pixels wide; `None` if it is no trail.
pub(crate) fn measure_trail<P: Pixels>(
    source: &mut P,
    info: FrameInfo,
    segment: &Segment,
    block_px: f64,
    noise_adu: f64,
    stars: &[Candidate],
) -> Result<Option<Trail>, P::Error> {
    let to_px = |[x, y]: [f64; 2]| [(x + 0.5) * block_px - 0.5, (y + 0.5) * block_px - 0.5];
    let (from, to) = (to_px(segment.from), to_px(segment.to));
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let length = dx.hypot(dy);
    let along = [dx / length, dy / length];
    let mut places = Vec::new();
    for index in 0..PLACES {
        let t = (index as f64 + 0.5) / PLACES as f64;
        let place = [from[0] + t * dx, from[1] + t * dy];
        if let Some(profile) = across(source, info, place, along)? {
            places.push((t, profile));
        }
    }
    let Some((shift, tilt)) = straightened(&places) else { return Ok(None) };
    // The line as the pixels have it.
    let moved = |t: f64| shift + tilt * (t - 0.5);
    let heights: Vec<f64> = places.iter().map(|(t, profile)| height(profile, moved(*t))).collect();
    let profile = mean_profile(&places, moved);
    let peak = profile.iter().fold(f64::NEG_INFINITY, |peak, value| peak.max(*value));
    let width_px = profile.iter().sum::<f64>() / peak;
    let normal = [-along[1], along[0]];
    let end = |point: [f64; 2], t: f64| [point[0] + moved(t) * normal[0], point[1] + moved(t) * normal[1]];
    let (from_px, to_px) = (end(from, 0.0), end(to, 1.0));
    let angle = (to_px[1] - from_px[1]).atan2(to_px[0] - from_px[0]).to_degrees();
    let angle_deg = angle.rem_euclid(180.0) % 180.0;
    let trail = Trail { from_px, to_px, angle_deg, width_px, peak_sigma: peak / noise_adu };
    let along_axis = (angle_deg + AXIS_DEG).rem_euclid(90.0) < 2.0 * AXIS_DEG;
    let is_trail = peak > LEAST_SIGMA * noise_adu && width_px > 0.5 && width_px <= MAX_WIDTH_PX;
    let is_spike = varies(&heights) && trail.meets_bright_star(stars, noise_adu);
    Ok((is_trail && !is_spike && !along_axis).then_some(trail))
}

impl Trail {
    /// Distance of a place from the line between the ends; infinite beyond them.
    pub fn distance_px(&self, [x, y]: [f64; 2]) -> f64 {
        let [dx, dy] = [self.to_px[0] - self.from_px[0], self.to_px[1] - self.from_px[1]];
        let length = dx.hypot(dy).max(f64::MIN_POSITIVE);
        let (u, v) = (x - self.from_px[0], y - self.from_px[1]);
        let along = (u * dx + v * dy) / length;
        if along < -OFF_PX || along > length + OFF_PX {
            return f64::INFINITY;
        }
        ((u * dy - v * dx) / length).abs()
    }

    fn meets_bright_star(&self, stars: &[Candidate], noise_adu: f64) -> bool {
        let bright = |star: &&Candidate| star.peak_adu > SPIKE_STAR_SIGMA * noise_adu;
        stars.iter().filter(bright).any(|star| self.distance_px([star.x_px, star.y_px]) < OFF_PX)
    }
}

/// Light across the line by distance from it, one pixel each, above the sky beside it.
type Across = [f64; 2 * ACROSS as usize + 1];

/// The mean light across a line at `place`; `None` near the edge of the frame or where there is no data.
fn across<P: Pixels>(
    source: &mut P,
    info: FrameInfo,
    place: [f64; 2],
    along: [f64; 2],
) -> Result<Option<Across>, P::Error> {
    let side = 2 * REACH_PX as usize + 1;
    let (x0, y0) = (place[0].round() as i64 - REACH_PX, place[1].round() as i64 - REACH_PX);
    let wanted = Region { x0, y0, width: side, height: side };
    let Some(region) = wanted.intersect(&info.whole()).filter(|region| 2 * region.area() >= side * side)
    else {
        return Ok(None);
    };
    let mut pixels = vec![0.0; region.area()];
    source.read(region, &mut pixels)?;
    let mut colours: [Vec<f32>; 3] = Default::default();
    let places = pixels.iter().enumerate().map(|(index, value)| {
        (region.x0 + (index % region.width) as i64, region.y0 + (index / region.width) as i64, *value)
    });
    for (x, y, value) in places.clone() {
        colours[info.colour_at(x, y)].push(value);
    }
    let mut sky = [0.0; 3];
    for (sky, values) in sky.iter_mut().zip(&mut colours).take(info.colours()) {
        let Some(median) = stats::median(values) else { return Ok(None) };
        *sky = f64::from(median);
    }
    let mut bins: Vec<Vec<f32>> = vec![Vec::new(); 2 * ACROSS as usize + 1];
    for (x, y, value) in places.filter(|(_, _, value)| value.is_finite()) {
        let (u, v) = (x as f64 - place[0], y as f64 - place[1]);
        let bin = (v * along[0] - u * along[1]).round() as i64 + ACROSS;
        if let Some(bin) = usize::try_from(bin).ok().and_then(|bin| bins.get_mut(bin)) {
            bin.push((f64::from(value) - sky[info.colour_at(x, y)]) as f32);
        }
    }
    let mut profile = [0.0; 2 * ACROSS as usize + 1];
    for (mean, bin) in profile.iter_mut().zip(&mut bins) {
        *mean = robust_mean(bin);
    }
    Ok(profile.iter().all(|value| value.is_finite()).then_some(profile))
}

/// Mean of what is within 4 sigma of the median: a star in the way does not count.
fn robust_mean(values: &mut [f32]) -> f64 {
    let Some(centre) = stats::median(values) else { return f64::NAN };
    let sigma = stats::mad_sigma(&mut values.to_vec(), centre);
    let kept = || values.iter().filter(|value| (**value - centre).abs() <= 4.0 * sigma);
    kept().map(|value| f64::from(*value)).sum::<f64>() / kept().count().max(1) as f64
}

/// How far the light lies beside the line, in the middle and from end to end: least squares over the places, twice, the
/// second time without those far off.
fn straightened(places: &[(f64, Across)]) -> Option<(f64, f64)> {
    let centres: Vec<(f64, f64)> = places
        .iter()
        .filter_map(|(t, profile)| {
            let index = (0..profile.len()).max_by(|a, b| profile[*a].total_cmp(&profile[*b]))?;
            let near = index.saturating_sub(2)..(index + 3).min(profile.len());
            let weight = |at: usize| profile[at].max(0.0);
            let sum: f64 = near.clone().map(weight).sum();
            let first: f64 = near.map(|at| weight(at) * (at as f64 - ACROSS as f64)).sum();
            (sum > 0.0).then(|| (t - 0.5, first / sum))
        })
        .collect();
    if centres.len() < PLACES / 2 {
        return None;
    }
    let mut sorted: Vec<f64> = centres.iter().map(|(_, aside)| *aside).collect();
    sorted.sort_by(f64::total_cmp);
    let (mut shift, mut tilt, mut reach) = (sorted[sorted.len() / 2], 0.0, 4.0);
    for _ in 0..3 {
        let [mut n, mut st, mut stt, mut sa, mut sta] = [0.0; 5];
        for (t, aside) in centres.iter().filter(|(t, aside)| (aside - shift - tilt * t).abs() <= reach) {
            n += 1.0;
            st += t;
            stt += t * t;
            sa += aside;
            sta += t * aside;
        }
        let determinant = n * stt - st * st;
        if n < PLACES as f64 / 4.0 || determinant <= 0.0 {
            return None;
        }
        (shift, tilt) = ((stt * sa - st * sta) / determinant, (n * sta - st * sa) / determinant);
        reach = 2.0;
    }
    Some((shift, tilt))
}

/// The profile moved by `by` pixels, linear between pixels; NaN outside.
fn moved_by(profile: &Across, at: f64) -> f64 {
    let place = at + ACROSS as f64;
    let low = place.floor();
    let value = |index: f64| {
        if index < 0.0 { f64::NAN } else { profile.get(index as usize).copied().unwrap_or(f64::NAN) }
    };
    let part = place - low;
    if part == 0.0 { value(low) } else { value(low) * (1.0 - part) + value(low + 1.0) * part }
}

/// Light of the middle three pixels at one place.
fn height(profile: &Across, middle: f64) -> f64 {
    (moved_by(profile, middle - 1.0) + moved_by(profile, middle) + moved_by(profile, middle + 1.0)) / 3.0
}

/// Median over the places of the profile about the line, half of [`ACROSS`] to each side; what is below the sky counts as
/// none.
fn mean_profile(places: &[(f64, Across)], moved: impl Fn(f64) -> f64) -> Vec<f64> {
    let half = ACROSS / 2 + 2;
    let aside = (-half..=half).map(|aside| {
        let mut values: Vec<f32> =
            places.iter().map(|(t, profile)| moved_by(profile, moved(*t) + aside as f64) as f32).collect();
        stats::median(&mut values).map_or(0.0, |value| f64::from(value).max(0.0))
    });
    aside.collect()
}

/// Whether the brightest third of the heights is far above the faintest third.
fn varies(heights: &[f64]) -> bool {
    let mut sorted: Vec<f64> = heights.iter().copied().filter(|height| height.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let third = sorted.len() / 3;
    if third == 0 {
        return true;
    }
    let middle_of = |part: &[f64]| part[part.len() / 2];
    let (faint, bright) = (middle_of(&sorted[..third]), middle_of(&sorted[sorted.len() - third..]));
    bright > SPIKE_CONTRAST * faint.max(0.0)
}
