//! The reference stars a frame should show under a WCS.

use zemosaic_sky::{Wcs, angle_rad, lonlat_deg, unit_vector};

use crate::reference::{ReferenceStar, ReferenceStars};

/// Stars asked for beyond what the areas of cone and frame tell, because stars are not spread evenly.
const CONE_SURPLUS: f64 = 1.5;

/// A reference star and where the WCS has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// The star.
    pub star: ReferenceStar,
    /// Its pixel.
    pub at_px: [f64; 2],
}

/// Centre of a frame, 0-based pixels.
pub(super) fn centre_px(size_px: [usize; 2]) -> [f64; 2] {
    size_px.map(|n| 0.5 * (n as f64 - 1.0))
}

/// Corners of a frame: the outer corners of its corner pixels.
pub(super) fn corners_px([width, height]: [usize; 2]) -> [[f64; 2]; 4] {
    let (right, top) = (width as f64 - 0.5, height as f64 - 0.5);
    [[-0.5, -0.5], [right, -0.5], [-0.5, top], [right, top]]
}

/// Where `wcs` has `star`.
pub(super) fn place(star: &ReferenceStar, wcs: &Wcs) -> Option<Placed> {
    let (x, y) = wcs.icrs_to_pixel(&unit_vector(star.ra_deg, star.dec_deg))?;
    (x.is_finite() && y.is_finite()).then_some(Placed { star: *star, at_px: [x, y] })
}

/// Is a position inside the frame, or at most `margin_px` outside?
pub(super) fn inside(at_px: [f64; 2], size_px: [usize; 2], margin_px: f64) -> bool {
    at_px.iter().zip(size_px).all(|(at, n)| *at >= -0.5 - margin_px && *at <= n as f64 - 0.5 + margin_px)
}

/// The brightest `limit` reference stars inside the frame or at most `margin_px` outside, brightest first; `None` where
/// the WCS has no sky at the centre of the frame.
pub(super) fn stars_in_frame(
    reference: &dyn ReferenceStars,
    wcs: &Wcs,
    size_px: [usize; 2],
    margin_px: f64,
    limit: usize,
) -> Option<Vec<Placed>> {
    let [x, y] = centre_px(size_px);
    let centre = wcs.pixel_to_icrs(x, y)?;
    let mut radius_deg: f64 = 0.0;
    for [x, y] in corners_px(size_px) {
        let outward = |at: f64, middle: f64| at + margin_px * (at - middle).signum();
        let corner = wcs.pixel_to_icrs(outward(x, centre_px(size_px)[0]), outward(y, centre_px(size_px)[1]));
        // A frame that reaches beyond the sky sees half of it at most.
        radius_deg = radius_deg.max(corner.map_or(90.0, |corner| angle_rad(&centre, &corner).to_degrees()));
    }
    let [width, height] = size_px.map(|n| n as f64);
    let cone_area = 0.25 * std::f64::consts::PI * (width * width + height * height);
    let asked = (limit as f64 * CONE_SURPLUS * cone_area / (width * height)).ceil() as usize + 20;
    let cone = reference.cone(lonlat_deg(&centre), radius_deg, asked);
    let placed = cone.iter().filter_map(|star| place(star, wcs));
    Some(placed.filter(|placed| inside(placed.at_px, size_px, margin_px)).take(limit).collect())
}
