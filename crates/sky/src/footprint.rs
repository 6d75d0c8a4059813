//! The outline of a frame on the sky as a spherical polygon.
//!
//! The polygon's edges are great circles. A plain TAN frame is exactly such a polygon with four corners; any other
//! frame is sampled along its edges. Inside tests run in the gnomonic plane about the centre, where great circles are
//! straight lines, so poles and RA = 0 are ordinary places.

use crate::error::WcsError;
use crate::overlap::Ball;
use crate::overlap::area::{common_with_any_sr, common_with_convex_sr, is_convex, signed_area_sr};
use crate::vector::{Vec3, angle_rad, cross, dot, normalised};
use crate::wcs::Wcs;

/// Points per edge of a frame whose edges are not great circles.
const POINTS_PER_EDGE: usize = 8;
/// Largest radius; beyond it the gnomonic plane about the centre gets useless.
const MAX_RADIUS_DEG: f64 = 80.0;
/// Frames that share no more of the smaller one only touch: vertices have rounding errors.
const TOUCHING_SHARE: f64 = 1e-9;

/// The outline of a frame on the sky (ICRS).
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    vertices: Vec<Vec3>,
    centre: Vec3,
    radius_rad: f64,
    ball: Ball,
    /// Two axes spanning the tangent plane at the centre.
    plane: [Vec3; 2],
    /// Positive when the vertices run counter-clockwise as seen from outside the sphere.
    signed_area_sr: f64,
    is_convex: bool,
}

impl Footprint {
    /// The outline of a frame of `width` x `height` pixels, from outer pixel edge to outer pixel edge.
    ///
    /// # Errors
    /// [`WcsError::Footprint`] when a part of the outline is off the sky or farther than 80 deg from the centre,
    /// [`WcsError::Frame`] for a frame without a rotation to ICRS.
    pub fn of(wcs: &Wcs, width: usize, height: usize) -> Result<Self, WcsError> {
        if !wcs.frame().has_icrs() {
            return Err(WcsError::Frame {
                name: wcs.frame().to_string(),
                reason: "it has no fixed rotation to ICRS here".into(),
            });
        }
        if width == 0 || height == 0 {
            return Err(WcsError::Footprint { reason: "the frame is empty".into() });
        }
        let per_edge = if wcs.is_plain_tan() { 1 } else { POINTS_PER_EDGE };
        let off_sky = || WcsError::Footprint { reason: "a part of the frame is off the sky".into() };
        let (w, h) = (width as f64, height as f64);
        let centre = wcs.pixel_to_icrs((w - 1.0) / 2.0, (h - 1.0) / 2.0).ok_or_else(off_sky)?;
        let vertices = boundary(w, h, per_edge, per_edge)
            .map(|(x, y)| wcs.pixel_to_icrs(x, y))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(off_sky)?;
        Self::from_vertices(centre, vertices)
    }

    fn from_vertices(centre: Vec3, vertices: Vec<Vec3>) -> Result<Self, WcsError> {
        let radius_rad = vertices.iter().map(|v| angle_rad(&centre, v)).fold(0.0, f64::max);
        if radius_rad.is_nan() || radius_rad > MAX_RADIUS_DEG.to_radians() {
            return Err(WcsError::Footprint {
                reason: format!("it reaches {:.1} deg from its centre", radius_rad.to_degrees()),
            });
        }
        let helper = if centre[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let east = normalised(&cross(&helper, &centre))
            .ok_or_else(|| WcsError::Footprint { reason: "the centre is not a direction".into() })?;
        let north = cross(&centre, &east);
        let signed_area_sr = signed_area_sr(&vertices);
        let is_convex = is_convex(&vertices, signed_area_sr.signum());
        let ball = Ball { centre, radius: 2.0 * (radius_rad / 2.0).sin() };
        Ok(Self { vertices, centre, radius_rad, ball, plane: [east, north], signed_area_sr, is_convex })
    }

    /// The corners (and edge points) in order round the outline, ICRS unit vectors.
    pub fn vertices(&self) -> &[[f64; 3]] {
        &self.vertices
    }

    /// Direction of the centre pixel.
    pub fn centre(&self) -> [f64; 3] {
        self.centre
    }

    /// Largest distance of a vertex from the centre, radians.
    pub fn radius_rad(&self) -> f64 {
        self.radius_rad
    }

    fn in_plane(&self, v: &Vec3) -> Option<(f64, f64)> {
        let depth = dot(v, &self.centre);
        (depth > 0.0).then(|| (dot(v, &self.plane[0]) / depth, dot(v, &self.plane[1]) / depth))
    }

    /// True when the direction lies inside the outline.
    pub fn contains(&self, v: &[f64; 3]) -> bool {
        let Some((px, py)) = self.in_plane(v) else { return false };
        let mut inside = false;
        let corners = self.vertices.iter().zip(self.vertices.iter().cycle().skip(1));
        for (a, b) in corners {
            let (Some((ax, ay)), Some((bx, by))) = (self.in_plane(a), self.in_plane(b)) else { continue };
            if (ay > py) != (by > py) && px < ax + (py - ay) / (by - ay) * (bx - ax) {
                inside = !inside;
            }
        }
        inside
    }

    /// Area inside the outline, steradian.
    pub fn area_sr(&self) -> f64 {
        self.signed_area_sr.abs()
    }

    /// Area that lies inside both outlines, steradian.
    pub fn common_area_sr(&self, other: &Self) -> f64 {
        if !self.is_near(other) {
            return 0.0;
        }
        let common = if other.is_convex {
            common_with_convex_sr(&self.vertices, &other.vertices, other.signed_area_sr.signum())
        } else if self.is_convex {
            common_with_convex_sr(&other.vertices, &self.vertices, self.signed_area_sr.signum())
        } else {
            let turn = other.signed_area_sr.signum();
            common_with_any_sr(&self.vertices, &other.vertices, &other.centre, turn)
        };
        common.abs().min(self.area_sr()).min(other.area_sr())
    }

    /// Common area over that of the smaller of the two, from 0 to 1; 0 for frames that only touch.
    pub fn common_share(&self, other: &Self) -> f64 {
        let share = self.common_area_sr(other) / self.area_sr().min(other.area_sr());
        if share > TOUCHING_SHARE { share } else { 0.0 }
    }

    /// True when the two outlines share sky; frames that only touch do not.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_near(other) && (self.contains(&other.centre) || self.common_share(other) > 0.0)
    }

    /// The ball of the outline in a unit sphere: frames that share sky have balls that share space.
    pub fn ball(&self) -> Ball {
        self.ball
    }

    /// Whether the balls of the two touch.
    fn is_near(&self, other: &Self) -> bool {
        self.ball.touches(&other.ball)
    }
}

/// Points along the outer edge of a frame, in order, `nx` and `ny` per edge (corners first).
pub(crate) fn boundary(w: f64, h: f64, nx: usize, ny: usize) -> impl Iterator<Item = (f64, f64)> {
    let along = |i: usize, n: usize, length: f64| length * i as f64 / n as f64 - 0.5;
    let bottom = (0..nx).map(move |i| (along(i, nx, w), -0.5));
    let right = (0..ny).map(move |i| (w - 0.5, along(i, ny, h)));
    let top = (0..nx).map(move |i| (along(nx - i, nx, w), h - 0.5));
    let left = (0..ny).map(move |i| (-0.5, along(ny - i, ny, h)));
    bottom.chain(right).chain(top).chain(left)
}
