//! The automatic output grid: TAN (wide fields: ZEA) or a chosen projection in ICRS, round all frames.
//!
//! Tangent point = normalised mean of the frame centres; scale = median scale; size = bounding box of all outlines
//! plus one pixel. Frames are sorted before anything is summed, so their order cannot change a bit.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{GridError, WcsError};
use crate::footprint::boundary;
use crate::frame::SkyFrame;
use crate::grid::Grid;
use crate::grid_projection::GridProjection;
use crate::outliers::median;
use crate::vector::{Vec3, angle_rad, dot, lonlat_deg, normalised, unit_vector};
use crate::wcs::Wcs;

/// Largest side and largest area of a grid, in pixels.
const MAX_SIDE_PX: f64 = 2_147_483_647.0;
const MAX_AREA_PX: f64 = 1e12;
/// Free rim round the outlines, in pixels.
const MARGIN_PX: f64 = 1.0;
/// Sampling step along the edges of frames whose edges are not straight in the grid.
const EDGE_STEP_PX: f64 = 64.0;

/// A frame as the grid sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameGeometry {
    /// Its coordinate system.
    pub wcs: Wcs,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl FrameGeometry {
    /// ICRS direction of the centre of the frame; `None` off the sky.
    pub fn centre(&self) -> Option<[f64; 3]> {
        self.wcs.pixel_to_icrs((self.width as f64 - 1.0) / 2.0, (self.height as f64 - 1.0) / 2.0)
    }

    /// Length of the diagonal, from the scale at the reference point.
    pub(crate) fn diameter_rad(&self) -> f64 {
        (self.width as f64).hypot(self.height as f64) * self.wcs.scale_deg().to_radians()
    }

    /// Directions along the outline; corners only where edges stay straight on the grid.
    fn outline(&self, projection: GridProjection) -> Result<Vec<Vec3>, WcsError> {
        let (w, h) = (self.width as f64, self.height as f64);
        let per_edge = |length: f64| {
            if self.wcs.is_plain_tan() && projection == GridProjection::Tan {
                1
            } else {
                ((length / EDGE_STEP_PX).ceil() as usize).max(8)
            }
        };
        boundary(w, h, per_edge(w), per_edge(h))
            .map(|(x, y)| self.wcs.pixel_to_icrs(x, y))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| WcsError::Footprint { reason: "a part of the frame is off the sky".into() })
    }
}

/// Orientation of the output grid.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// North up, east to the left.
    #[default]
    NorthUp,
    /// The orientation with the smallest area.
    Auto,
    /// Position angle of the +y axis, degrees east of north.
    Degrees(f64),
}

impl FromStr for Rotation {
    type Err = GridError;

    /// `north-up`, `auto` or a number of degrees.
    fn from_str(text: &str) -> Result<Self, GridError> {
        match text.trim() {
            "north-up" | "north" => Ok(Self::NorthUp),
            "auto" => Ok(Self::Auto),
            number => match number.parse::<f64>() {
                Ok(v) if v.is_finite() => Ok(Self::Degrees(v)),
                _ => Err(GridError::Option { name: "rotation", value: text.to_string() }),
            },
        }
    }
}

/// Options of [`automatic_grid`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GridOptions {
    /// Projection of the grid; TAN up to an extent of 10 deg and ZEA above it by default.
    pub projection: GridProjection,
    /// Pixel scale in arcsec; the median scale of the frames by default.
    pub scale_arcsec: Option<f64>,
    /// Tangent point (RA, Dec) in degrees, ICRS; the mean of the frame centres by default.
    pub centre_deg: Option<(f64, f64)>,
    /// Width and height in pixels; the bounding box of the frames by default. With a given tangent point the image is
    /// centred on it, otherwise on the bounding box.
    pub size_px: Option<(usize, usize)>,
    /// Orientation of the grid.
    pub rotation: Rotation,
}

/// The grid round a set of frames. Its bytes do not depend on the order of the frames.
///
/// # Errors
/// [`GridError::NoFrames`], [`GridError::TooWide`] when the frames do not fit a tangent plane, [`GridError::TooLarge`],
/// [`GridError::Option`] for impossible options, [`GridError::Wcs`] for a frame that has no place in ICRS.
pub fn automatic_grid(frames: &[FrameGeometry], opts: &GridOptions) -> Result<Grid, GridError> {
    check_options(opts)?;
    if frames.is_empty() {
        return Err(GridError::NoFrames);
    }
    for frame in frames {
        if !frame.wcs.frame().has_icrs() {
            return Err(GridError::Wcs(WcsError::Frame {
                name: frame.wcs.frame().to_string(),
                reason: "frames of a mosaic need coordinates with a known way to ICRS".into(),
            }));
        }
    }
    let centre_deg = match opts.centre_deg {
        Some(centre) => centre,
        None => mean_centre_deg(frames)?,
    };
    let projection = opts.projection.chosen(farthest_deg(frames, centre_deg)?);
    let tangent_deg = if projection.is_equatorial() { (centre_deg.0, 0.0) } else { centre_deg };
    let scale_deg = match opts.scale_arcsec {
        Some(arcsec) => arcsec / 3600.0,
        None => median(frames.iter().map(|f| f.wcs.scale_deg()).collect()).unwrap_or(f64::NAN),
    };
    let points = outlines_in_plane(frames, projection, tangent_deg, scale_deg)?;
    let angle_deg = match opts.rotation {
        Rotation::NorthUp => 0.0,
        Rotation::Degrees(angle) => angle,
        Rotation::Auto => smallest_box_angle_deg(&points),
    };
    let base = (projection, tangent_deg, scale_deg);
    place(&points, base, angle_deg, opts)
}

fn check_options(opts: &GridOptions) -> Result<(), GridError> {
    let fail = |name, value: String| Err(GridError::Option { name, value });
    if let Some(s) = opts.scale_arcsec
        && !(s.is_finite() && s > 1e-4 && s < 3.6e5)
    {
        return fail("scale-arcsec", format!("{s}"));
    }
    if let Some((lon, lat)) = opts.centre_deg
        && !(lon.is_finite() && lat.abs() <= 90.0)
    {
        return fail("centre-deg", format!("{lon}, {lat}"));
    }
    if let Some((w, h)) = opts.size_px
        && (w == 0 || h == 0)
    {
        return fail("size-px", format!("{w} x {h}"));
    }
    if let Rotation::Degrees(a) = opts.rotation
        && !a.is_finite()
    {
        return fail("rotation", format!("{a}"));
    }
    Ok(())
}

fn mean_centre_deg(frames: &[FrameGeometry]) -> Result<(f64, f64), GridError> {
    let mut centres = frames
        .iter()
        .map(FrameGeometry::centre)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| WcsError::Footprint { reason: "the centre of a frame is off the sky".into() })?;
    centres.sort_by(|a, b| {
        a[0].total_cmp(&b[0]).then_with(|| a[1].total_cmp(&b[1])).then_with(|| a[2].total_cmp(&b[2]))
    });
    let sum = centres.iter().fold([0.0; 3], |s, c| [s[0] + c[0], s[1] + c[1], s[2] + c[2]]);
    let too_wide = GridError::TooWide { distance_deg: 180.0, limit_deg: GridProjection::Zea.limit_deg() };
    if dot(&sum, &sum).sqrt() < 1e-3 * centres.len() as f64 {
        return Err(too_wide);
    }
    normalised(&sum).map(|v| lonlat_deg(&v)).ok_or(too_wide)
}

/// Distance of the farthest corner from a direction, in degrees.
fn farthest_deg(frames: &[FrameGeometry], centre_deg: (f64, f64)) -> Result<f64, GridError> {
    let centre = unit_vector(centre_deg.0, centre_deg.1);
    let mut farthest: f64 = 0.0;
    for frame in frames {
        for v in frame.outline(GridProjection::Tan)? {
            farthest = farthest.max(angle_rad(&v, &centre).to_degrees());
        }
    }
    Ok(farthest)
}

/// All outline points as (east, north) in pixels from the tangent point.
fn outlines_in_plane(
    frames: &[FrameGeometry],
    projection: GridProjection,
    tangent_deg: (f64, f64),
    scale_deg: f64,
) -> Result<Vec<(f64, f64)>, GridError> {
    let s = scale_deg;
    let plane = Wcs::projected(
        projection.code(),
        [tangent_deg.0, tangent_deg.1],
        [0.0, 0.0],
        [[s, 0.0], [0.0, s]],
        SkyFrame::Icrs,
    )?;
    let tangent = unit_vector(tangent_deg.0, tangent_deg.1);
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut farthest: f64 = 0.0;
    for frame in frames {
        let first = points.len();
        for v in frame.outline(projection)? {
            farthest = farthest.max(angle_rad(&v, &tangent).to_degrees());
            if let Some(p) = plane.icrs_to_pixel(&v) {
                points.push(p);
            }
        }
        if projection.is_equatorial() {
            let extra = seam_and_poles(frame, &plane, &points[first..], scale_deg);
            points.extend(extra);
        }
    }
    let limit_deg = projection.limit_deg();
    if farthest > limit_deg {
        return Err(GridError::TooWide { distance_deg: farthest, limit_deg });
    }
    Ok(points)
}

/// What the outline alone does not show on an equatorial map: the seam where it is crossed, and poles inside.
fn seam_and_poles(
    frame: &FrameGeometry,
    plane: &Wcs,
    outline: &[(f64, f64)],
    scale_deg: f64,
) -> Vec<(f64, f64)> {
    let mut extra = Vec::new();
    for (a, b) in outline.iter().zip(outline.iter().cycle().skip(1)) {
        if (a.0 - b.0).abs() * scale_deg > 90.0 {
            let edge = a.0.abs().max(b.0.abs()).max(180.0 / scale_deg * plane_width(plane, a.1, scale_deg));
            extra.extend([(-edge, a.1), (edge, b.1)]);
        }
    }
    for pole in [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]] {
        let inside = frame.wcs.icrs_to_pixel(&pole).is_some_and(|(x, y)| {
            x >= -0.5 && y >= -0.5 && x < frame.width as f64 && y < frame.height as f64
        });
        if let (true, Some(p)) = (inside, plane.icrs_to_pixel(&pole)) {
            extra.push(p);
        }
    }
    extra
}

/// Half width of the map at a height, relative to that of CAR.
fn plane_width(plane: &Wcs, y: f64, scale_deg: f64) -> f64 {
    if plane.projection_name() == "CAR" {
        return 1.0;
    }
    // The outline of AIT is an ellipse with the axes 4 sqrt(2) and 2 sqrt(2).
    let (a, b) = (8.0_f64.sqrt().to_degrees(), 2.0_f64.sqrt().to_degrees());
    a / 180.0 * (1.0 - (y * scale_deg / b).powi(2)).max(0.0).sqrt()
}

/// East/north offsets to grid axes turned by `angle_deg` (+x to the west for 0).
fn turned(points: &[(f64, f64)], angle_deg: f64) -> impl Iterator<Item = (f64, f64)> {
    let (s, c) = angle_deg.to_radians().sin_cos();
    points.iter().map(move |&(e, n)| (-e * c + n * s, e * s + n * c))
}

/// (x min, x max, y min, y max); the order of the points does not matter.
fn bounding_box(points: impl Iterator<Item = (f64, f64)>) -> [f64; 4] {
    let start = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY];
    points.fold(start, |b, (x, y)| [b[0].min(x), b[1].max(x), b[2].min(y), b[3].max(y)])
}

/// Angle in (-45, 45] deg of the bounding box with the smallest area: one side lies along an edge of the convex hull.
fn smallest_box_angle_deg(points: &[(f64, f64)]) -> f64 {
    let hull = convex_hull(points);
    let mut best = (f64::INFINITY, 0.0_f64);
    for (a, b) in hull.iter().zip(hull.iter().cycle().skip(1)) {
        let direction = (b.1 - a.1).atan2(b.0 - a.0).to_degrees();
        // The angle is counted east of north; a box is the same every 90 deg.
        let mut angle = (-direction).rem_euclid(90.0);
        if angle > 45.0 {
            angle -= 90.0;
        }
        let [x0, x1, y0, y1] = bounding_box(turned(&hull, angle));
        let area = (x1 - x0) * (y1 - y0);
        // A rounding difference must not choose between equal boxes: prefer the smaller turn.
        let clearly = area < best.0 * (1.0 - 1e-9);
        let equal_but_smaller_turn = area <= best.0 * (1.0 + 1e-9) && angle.abs() < best.1.abs() - 1e-9;
        if clearly || equal_but_smaller_turn {
            best = (area, angle);
        }
    }
    best.1
}

/// Andrew's monotone chain.
fn convex_hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let turn =
        |o: (f64, f64), a: (f64, f64), b: (f64, f64)| (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0);
    let half = |order: &mut dyn Iterator<Item = (f64, f64)>| {
        let mut chain: Vec<(f64, f64)> = Vec::new();
        for p in order {
            while chain.len() >= 2 && turn(chain[chain.len() - 2], chain[chain.len() - 1], p) <= 0.0 {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut sorted.iter().copied());
    hull.extend(half(&mut sorted.iter().rev().copied()));
    hull
}

fn place(
    points: &[(f64, f64)],
    (projection, tangent_deg, scale_deg): (GridProjection, (f64, f64), f64),
    angle_deg: f64,
    opts: &GridOptions,
) -> Result<Grid, GridError> {
    let [x0, x1, y0, y1] = bounding_box(turned(points, angle_deg));
    // The tangent point falls on the centre of a pixel; the outline keeps MARGIN_PX from the outer pixel edge.
    let reference = |low: f64| (MARGIN_PX - 0.5 - low).ceil();
    let extent = |low: f64, high: f64| (high + reference(low) + MARGIN_PX + 0.5).ceil();
    let centred_on_reference = opts.centre_deg.filter(|_| !projection.is_equatorial());
    let (crpix, size) = match (opts.size_px, centred_on_reference) {
        (None, _) => ([reference(x0), reference(y0)], [extent(x0, x1), extent(y0, y1)]),
        (Some((w, h)), Some(_)) => ([(w as f64 - 1.0) / 2.0, (h as f64 - 1.0) / 2.0], [w as f64, h as f64]),
        (Some((w, h)), None) => {
            let centred =
                |n: usize, low: f64, high: f64| ((n as f64 - 1.0) / 2.0 - low.midpoint(high)).round();
            ([centred(w, x0, x1), centred(h, y0, y1)], [w as f64, h as f64])
        }
    };
    if !(size[0] <= MAX_SIDE_PX && size[1] <= MAX_SIDE_PX && size[0] * size[1] <= MAX_AREA_PX) {
        return Err(GridError::TooLarge { width: size[0] as u64, height: size[1] as u64 });
    }
    let (s, c) = angle_deg.to_radians().sin_cos();
    let cd = [[-scale_deg * c, scale_deg * s], [scale_deg * s, scale_deg * c]];
    let reference = [tangent_deg.0, tangent_deg.1];
    let wcs = Wcs::projected(projection.code(), reference, crpix, cd, SkyFrame::Icrs)?
        .with_centre([(size[0] - 1.0) / 2.0, (size[1] - 1.0) / 2.0]);
    Ok(Grid { wcs, width: size[0] as usize, height: size[1] as usize })
}
