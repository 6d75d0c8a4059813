//! Convex polygons on the unit sphere: clipping by great circles, and areas.
//!
//! Clipping after Sutherland & Hodgman 1974 with planes through the centre; area of a triangle: Van Oosterom, A. &
//! Strackee, J. 1983, IEEE Trans. Biomed. Eng. 30, 125. Differences of nearby vectors are taken before products, so that
//! polygons of an arcsecond keep their figures.

/// A unit vector.
pub(super) type Vector = [f64; 3];

fn minus(a: &Vector, b: &Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: &Vector, b: &Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Signed area in steradian; positive when counter-clockwise seen from outside the sphere.
pub(super) fn area(polygon: &[Vector]) -> f64 {
    let Some((a, rest)) = polygon.split_first() else { return 0.0 };
    rest.windows(2)
        .map(|pair| {
            let (b, c) = (&pair[0], &pair[1]);
            let triple = dot(a, &cross(&minus(b, a), &minus(c, a)));
            2.0 * triple.atan2(1.0 + dot(a, b) + dot(b, c) + dot(c, a))
        })
        .sum()
}

/// A half sphere: its points p have normal . (p - on) >= 0.
pub(super) struct Side {
    on: Vector,
    normal: Vector,
}

impl Side {
    /// To the left of the way from `a` to `b`.
    pub(super) fn left_of(a: &Vector, b: &Vector) -> Self {
        Self { on: *a, normal: cross(a, &minus(b, a)) }
    }

    /// Positive inside.
    pub(super) fn height(&self, p: &Vector) -> f64 {
        dot(&self.normal, &minus(p, &self.on))
    }
}

/// The part of `polygon` on the inner side; `out` is overwritten.
pub(super) fn clip(polygon: &[Vector], side: &Side, out: &mut Vec<Vector>) {
    out.clear();
    let Some(mut start) = polygon.last() else { return };
    let mut from = side.height(start);
    for end in polygon {
        let to = side.height(end);
        if (from < 0.0) != (to < 0.0) {
            // The great circle through start and end meets that of the side where the chord does.
            let t = from / (from - to);
            let step = minus(end, start);
            let chord = [0, 1, 2].map(|k| start[k] + t * step[k]);
            let scale = 1.0 / dot(&chord, &chord).sqrt();
            out.push(chord.map(|v| v * scale));
        }
        if to >= 0.0 {
            out.push(*end);
        }
        (start, from) = (end, to);
    }
}
