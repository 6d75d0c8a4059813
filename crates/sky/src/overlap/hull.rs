//! A convex region around some footprints: what does not reach it overlaps none of them.

use crate::footprint::Footprint;
use crate::vector::{Vec3, cross, dot};

/// The sides of a hull, from the four corners of one frame.
const SIDES: usize = 4;

/// Half-spaces, parallel to the edges of one of the footprints, that hold all of them.
#[derive(Debug, Clone)]
pub struct FootprintHull {
    sides: Vec<(Vec3, f64)>,
}

impl FootprintHull {
    /// The hull of `footprints`.
    pub fn around(footprints: &[&Footprint]) -> Self {
        let Some(first) = footprints.first() else { return Self { sides: Vec::new() } };
        let corners = first.vertices();
        let step = (corners.len() / SIDES).max(1);
        let side = |i: usize| {
            let (from, to) = (&corners[i], &corners[(i + step) % corners.len()]);
            let chord = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
            let mut normal = cross(from, &chord);
            if dot(&normal, &first.centre()) < 0.0 {
                normal = normal.map(|part| -part);
            }
            let outwards = normal.map(|part| -part);
            let lowest = footprints.iter().map(|f| -extent(f, &outwards)).fold(f64::INFINITY, f64::min);
            (normal, lowest)
        };
        Self { sides: (0..corners.len()).step_by(step).map(side).collect() }
    }

    /// False when the footprint overlaps none of those of the hull.
    pub fn is_reached_by(&self, footprint: &Footprint) -> bool {
        self.sides.iter().all(|(normal, lowest)| extent(footprint, normal) >= *lowest)
    }
}

/// A bound of the product of `normal` with all directions inside the footprint, from its vertices: a point inside is a sum
/// of vertices with positive factors, made longer to a unit vector by 1 / cos(radius) at most.
fn extent(footprint: &Footprint, normal: &Vec3) -> f64 {
    let highest = footprint.vertices().iter().map(|v| dot(normal, v)).fold(f64::NEG_INFINITY, f64::max);
    if highest > 0.0 { highest / footprint.radius_rad().cos() } else { highest }
}
