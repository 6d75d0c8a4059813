//! Areas of spherical polygons and of what two of them have in common.
//!
//! A polygon is clipped by the half-spaces of the edges of a convex one (Sutherland & Hodgman 1974, Commun. ACM 17, 32, with
//! great circles for lines), and its area is the sum of the solid angles of a fan of triangles (Van Oosterom & Strackee
//! 1983, IEEE Trans. Biomed. Eng. 30, 125). All of it is made of differences of vertices, so that frames of an arcsecond
//! keep their figures, and no place on the sky is a special one.

use crate::vector::{Vec3, cross, dot, norm, normalised};

/// A corner may turn the wrong way by this sine before the polygon is no longer taken to be convex.
const STRAIGHT: f64 = 1e-9;

fn difference(a: &Vec3, b: &Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Solid angle of a polygon of unit vectors inside one hemisphere, steradian; positive when it runs counter-clockwise as
/// seen from outside the sphere.
pub(crate) fn signed_area_sr(vertices: &[Vec3]) -> f64 {
    let Some((first, rest)) = vertices.split_first() else { return 0.0 };
    // Half solid angles are arguments of complex numbers; their product has the sum, for one arctangent in all.
    let (mut real, mut imaginary) = (1.0, 0.0);
    for pair in rest.windows(2) {
        let (b, c) = (&pair[0], &pair[1]);
        let x = 1.0 + dot(first, b) + dot(b, c) + dot(c, first);
        let y = dot(first, &cross(&difference(b, first), &difference(c, first)));
        (real, imaginary) = (real * x - imaginary * y, real * y + imaginary * x);
    }
    2.0 * imaginary.atan2(real)
}

/// Whether a polygon that turns by the sign `turn` is convex.
pub(crate) fn is_convex(vertices: &[Vec3], turn: f64) -> bool {
    let n = vertices.len();
    (0..n).all(|i| {
        let (a, b, c) = (&vertices[i], &vertices[(i + 1) % n], &vertices[(i + 2) % n]);
        let (ab, bc) = (difference(b, a), difference(c, b));
        turn * dot(b, &cross(&ab, &bc)) >= -STRAIGHT * norm(&ab) * norm(&bc)
    })
}

/// Two buffers for clipping.
struct Clipper {
    polygon: Vec<Vec3>,
    next: Vec<Vec3>,
}

impl Clipper {
    /// For polygons of `sides` sides, windows included: each clip of a convex polygon adds one at most.
    fn new(sides: usize) -> Self {
        Self { polygon: Vec::with_capacity(sides), next: Vec::with_capacity(sides) }
    }

    fn start(&mut self, polygon: &[Vec3]) {
        self.polygon.clear();
        self.polygon.extend_from_slice(polygon);
    }

    /// Keep what is to the left of the great circle from `from` to `to` (to the right with a `turn` of -1).
    fn clip(&mut self, from: &Vec3, to: &Vec3, turn: f64) {
        let normal = cross(from, &difference(to, from)).map(|part| turn * part);
        let height = |v: &Vec3| dot(&normal, &difference(v, from));
        self.next.clear();
        let Some(mut before) = self.polygon.last().copied() else { return };
        let mut height_before = height(&before);
        for &vertex in &self.polygon {
            let height_here = height(&vertex);
            if (height_before >= 0.0) != (height_here >= 0.0) {
                let t = height_before / (height_before - height_here);
                let chord = difference(&vertex, &before);
                let crossing = [before[0] + t * chord[0], before[1] + t * chord[1], before[2] + t * chord[2]];
                self.next.extend(normalised(&crossing));
            }
            if height_here >= 0.0 {
                self.next.push(vertex);
            }
            (before, height_before) = (vertex, height_here);
        }
        std::mem::swap(&mut self.polygon, &mut self.next);
    }
}

/// What `polygon` and the convex `window`, which turns by the sign `turn`, have in common, steradian; signed as
/// [`signed_area_sr`] of `polygon`.
pub(crate) fn common_with_convex_sr(polygon: &[Vec3], window: &[Vec3], turn: f64) -> f64 {
    let mut clipper = Clipper::new(polygon.len() + window.len());
    clipper.start(polygon);
    clip_all(&mut clipper, window, turn)
}

fn clip_all(clipper: &mut Clipper, window: &[Vec3], turn: f64) -> f64 {
    for (i, from) in window.iter().enumerate() {
        clipper.clip(from, &window[(i + 1) % window.len()], turn);
        if clipper.polygon.is_empty() {
            return 0.0;
        }
    }
    signed_area_sr(&clipper.polygon)
}

/// The same for any `window`, which is cut into triangles that have one corner at `centre`; triangles that turn the wrong
/// way are subtracted, so that the centre may be anywhere.
pub(crate) fn common_with_any_sr(polygon: &[Vec3], window: &[Vec3], centre: &Vec3, turn: f64) -> f64 {
    let mut clipper = Clipper::new(polygon.len() + window.len());
    let of_edge = |(i, from): (usize, &Vec3)| {
        let triangle = [*centre, *from, window[(i + 1) % window.len()]];
        let own_turn = signed_area_sr(&triangle).signum();
        clipper.start(polygon);
        own_turn * turn * clip_all(&mut clipper, &triangle, own_turn)
    };
    window.iter().enumerate().map(of_edge).sum()
}
