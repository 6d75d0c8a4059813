//! A rough WCS where scale and parity are known well, as they are once a frame of the same camera is solved: pairs of bright
//! stars as far apart as pairs of catalogue stars propose a shift and a turn, and the one under which most bright stars fall
//! on catalogue stars is taken.
//!
//! A pair fixes the four parameters of a similarity; with the scale known to a percent few pairs of the catalogue have the
//! right length, so that this costs a millisecond where matching triangles of unknown scale costs a hundred. Pair voting is as
//! old as Groth (1986, AJ 91, 1244), who uses triangles because his scale is free.

use nalgebra::Complex;
use zemosaic_sky::{SkyFrame, Wcs, unit_vector};

use crate::detection::Detection;
use crate::reference::ReferenceStars;

/// What is known of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoseHint {
    /// ICRS right ascension and declination of its centre, degrees.
    pub centre_deg: (f64, f64),
    /// How far off that may be, degrees.
    pub slack_deg: f64,
    /// Arcsec per pixel.
    pub scale_arcsec: f64,
    /// Relative error of the scale.
    pub scale_tolerance: f64,
    /// Whether the frame is mirrored against the sky: the sign of its parity, as [`Wcs::parity`] has it.
    pub parity: f64,
}

/// Brightest stars that are looked at; of the catalogue as many for each area of a frame.
const STARS: usize = 40;
/// Catalogue stars, at most.
const MAX_REFERENCES: usize = 160;
/// Pairs closer than this say too little of the turn, in pixels.
const LEAST_LENGTH_PX: f64 = 100.0;
/// A star falls on a catalogue star within this.
const RADIUS_PX: f64 = 5.0;
/// Proposals that are tested at most.
const MAX_PROPOSALS: usize = 30_000;
/// Share of the stars that fall on catalogue stars under a proposal that ends the search.
const CLEAR_SHARE: f64 = 0.5;
/// With fewer the best proposal is none.
const LEAST_STARS: usize = 7;
/// After so many stars a proposal without another match than its own pair is given up.
const EARLY_STARS: usize = 12;

/// The rough WCS of the frame of `size_px` (columns, rows) with these stars, brightest first; `None` where no proposal has
/// enough of them on catalogue stars. Whether it is right must be judged by the whole frame ([`crate::verify()`]).
pub fn solve_by_pairs(
    stars: &[Detection],
    size_px: [usize; 2],
    reference: &dyn ReferenceStars,
    hint: &PoseHint,
) -> Option<Wcs> {
    let scale_deg = hint.scale_arcsec / 3600.0;
    let usable = scale_deg.is_finite() && scale_deg > 0.0 && hint.slack_deg >= 0.0;
    if !usable || stars.len() < LEAST_STARS {
        return None;
    }
    let middle = size_px.map(|side| 0.5 * (side as f64 - 1.0));
    let places = stars
        .iter()
        .take(STARS)
        .map(|star| Point { re: hint.parity.signum() * (star.x_px - middle[0]), im: star.y_px - middle[1] });
    let places: Vec<Point> = places.collect();
    let sky = Sky::around(reference, size_px, hint)?;
    let (turn, shift) = best_proposal(&places, &sky, hint)?;
    to_wcs(turn, shift, middle, hint)
}

/// A place, or a turn with a stretch.
type Point = Complex<f64>;

/// Catalogue stars on the tangent plane of the hint's centre, in pixels, sorted by their first coordinate; and their pairs by
/// length.
struct Sky {
    places: Vec<Point>,
    pairs: Vec<(f64, usize, usize)>,
}

impl Sky {
    fn around(reference: &dyn ReferenceStars, size_px: [usize; 2], hint: &PoseHint) -> Option<Self> {
        let scale_deg = hint.scale_arcsec / 3600.0;
        let half_diagonal = 0.5 * (size_px[0] as f64).hypot(size_px[1] as f64) * scale_deg;
        let radius = half_diagonal + hint.slack_deg;
        let frame = (size_px[0] * size_px[1]) as f64 * scale_deg * scale_deg;
        let fields = std::f64::consts::PI * radius * radius / frame;
        let count = ((STARS as f64 * fields).ceil() as usize).min(MAX_REFERENCES);
        let plane = Wcs::tan(
            [hint.centre_deg.0, hint.centre_deg.1],
            [0.0, 0.0],
            [[scale_deg, 0.0], [0.0, scale_deg]],
            SkyFrame::Icrs,
        )
        .ok()?;
        let mut places: Vec<Point> = reference
            .cone(hint.centre_deg, radius, count)
            .iter()
            .filter_map(|star| plane.icrs_to_pixel(&unit_vector(star.ra_deg, star.dec_deg)))
            .map(|(re, im)| Point { re, im })
            .collect();
        places.sort_by(|a, b| a.re.total_cmp(&b.re).then(a.im.total_cmp(&b.im)));
        let mut pairs = Vec::with_capacity(places.len() * places.len() / 2);
        for (second, b) in places.iter().enumerate() {
            for (first, a) in places[..second].iter().enumerate() {
                let length = (b - a).norm();
                if length >= LEAST_LENGTH_PX {
                    pairs.push((length, first, second));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        Some(Self { places, pairs })
    }

    /// Pairs from `low` to `high` pixels long.
    fn pairs_between(&self, low: f64, high: f64) -> &[(f64, usize, usize)] {
        let first = self.pairs.partition_point(|pair| pair.0 < low);
        let last = self.pairs.partition_point(|pair| pair.0 <= high);
        &self.pairs[first..last.max(first)]
    }

    /// The nearest star within [`RADIUS_PX`].
    fn nearest(&self, at: Point) -> Option<Point> {
        let first = self.places.partition_point(|place| place.re < at.re - RADIUS_PX);
        let near = self.places[first..].iter().take_while(|place| place.re <= at.re + RADIUS_PX);
        near.map(|place| ((place - at).norm_sqr(), *place))
            .filter(|(square, _)| *square <= RADIUS_PX * RADIUS_PX)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, place)| place)
    }
}

/// Turn and shift that put most stars on catalogue stars, improved by these.
fn best_proposal(places: &[Point], sky: &Sky, hint: &PoseHint) -> Option<(Point, Point)> {
    let slack_px = hint.slack_deg * 3600.0 / hint.scale_arcsec + RADIUS_PX;
    let clear = ((CLEAR_SHARE * places.len() as f64).ceil() as usize).max(LEAST_STARS);
    let mut best: Option<(usize, Point, Point)> = None;
    let mut tested = 0;
    // Brightest pairs first: 0-1, 0-2, 1-2, 0-3 ...
    'search: for second in 1..places.len() {
        for first in 0..second {
            let (from, to) = (places[first], places[second]);
            let step = to - from;
            let length = step.norm();
            if length < LEAST_LENGTH_PX {
                continue;
            }
            let margin = hint.scale_tolerance * length + RADIUS_PX;
            for &(_, one, other) in sky.pairs_between(length - margin, length + margin) {
                for (start, end) in [(one, other), (other, one)] {
                    let turn = (sky.places[end] - sky.places[start]) / step;
                    let shift = sky.places[start] - turn * from;
                    if shift.norm_sqr() > slack_px * slack_px {
                        continue;
                    }
                    tested += 1;
                    let count = count_matches(places, sky, turn, shift);
                    if best.is_none_or(|(most, ..)| count > most) {
                        best = Some((count, turn, shift));
                    }
                    if count >= clear || tested >= MAX_PROPOSALS {
                        break 'search;
                    }
                }
            }
        }
    }
    let (_, turn, shift) = best.filter(|(count, ..)| *count >= LEAST_STARS)?;
    improved(places, sky, turn, shift)
}

fn count_matches(places: &[Point], sky: &Sky, turn: Point, shift: Point) -> usize {
    let mut count = 0;
    for (index, place) in places.iter().enumerate() {
        count += usize::from(sky.nearest(turn * place + shift).is_some());
        if index + 1 == EARLY_STARS && count < 3 {
            break;
        }
    }
    count
}

/// Least squares of the similarity over the stars that are matched.
fn improved(places: &[Point], sky: &Sky, turn: Point, shift: Point) -> Option<(Point, Point)> {
    let pairs: Vec<(Point, Point)> = places
        .iter()
        .filter_map(|place| sky.nearest(turn * place + shift).map(|found| (*place, found)))
        .collect();
    let mean = |of: fn(&(Point, Point)) -> Point| pairs.iter().map(of).sum::<Point>() / pairs.len() as f64;
    let (mean_place, mean_found) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let (mut up, mut down) = (Point::ZERO, 0.0);
    for (place, found) in &pairs {
        let off = place - mean_place;
        up += (found - mean_found) * off.conj();
        down += off.norm_sqr();
    }
    if down < LEAST_LENGTH_PX * LEAST_LENGTH_PX {
        return None;
    }
    let turn = up / down;
    Some((turn, mean_found - turn * mean_place))
}

/// The WCS, with its reference point where the hint has the centre.
fn to_wcs(turn: Point, shift: Point, middle: [f64; 2], hint: &PoseHint) -> Option<Wcs> {
    let scale_deg = hint.scale_arcsec / 3600.0;
    let parity = hint.parity.signum();
    let cd = [
        [scale_deg * turn.re * parity, -scale_deg * turn.im],
        [scale_deg * turn.im * parity, scale_deg * turn.re],
    ];
    let zero = -shift / turn;
    let crpix = [middle[0] + zero.re * parity, middle[1] + zero.im];
    Wcs::tan([hint.centre_deg.0, hint.centre_deg.1], crpix, cd, SkyFrame::Icrs).ok()
}
