//! How one WCS of a frame differs from another, in figures and in words.

use std::fmt;

use zemosaic_sky::{Wcs, angle_rad};

use super::field::{centre_px, corners_px};
use super::fit::local_scale_arcsec;

/// What the old WCS of a frame is off by, the new one being right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WcsDifference {
    /// Distance on the sky between the places of the frame's centre, arcsec.
    pub centre_arcsec: f64,
    /// Angle by which the old WCS has the sky turned about the centre against the new one, degrees in (-180, 180], positive
    /// from north through east. Mirrored ones are compared after x has been reversed.
    pub rotation_deg: f64,
    /// Scale (arcsec per pixel at the centre) of the old WCS over that of the new one.
    pub scale_ratio: f64,
    /// One is the mirror image of the other.
    pub mirrored: bool,
    /// Largest distance on the sky between the places of a corner, in pixels of the new WCS.
    pub corner_px: f64,
}

type Vector = [f64; 3];

impl WcsDifference {
    /// Of `old` against `new`, for a frame of `size_px` (columns, rows). `None` where one of them has no sky at the centre
    /// or at a corner.
    pub fn between(old: &Wcs, new: &Wcs, size_px: [usize; 2]) -> Option<Self> {
        let centre = centre_px(size_px);
        let (a, b) = (Local::at(old, centre)?, Local::at(new, centre)?);
        let (from, to) = (a.directions(), b.directions_at(&a)?);
        let determinant = |m: [[f64; 2]; 2]| m[0][0] * m[1][1] - m[0][1] * m[1][0];
        let mirrored = determinant(from) * determinant(to) < 0.0;
        // Columns are the pixel axes; a mirrored frame is compared with x reversed.
        let flip = if mirrored { -1.0 } else { 1.0 };
        let to = to.map(|[x, y]| [flip * x, y]);
        // Best rotation from `to` to `from`: angle of the rotation nearest to from * to^-1.
        let d = determinant(to);
        let inverse = [[to[1][1] / d, -to[0][1] / d], [-to[1][0] / d, to[0][0] / d]];
        let product = |i: usize, j: usize| from[i][0] * inverse[0][j] + from[i][1] * inverse[1][j];
        let turned = (product(1, 0) - product(0, 1)).atan2(product(0, 0) + product(1, 1)).to_degrees();
        let scale_arcsec = local_scale_arcsec(new, centre)?;
        let mut corner_px: f64 = 0.0;
        for [x, y] in corners_px(size_px) {
            let apart = angle_rad(&old.pixel_to_icrs(x, y)?, &new.pixel_to_icrs(x, y)?);
            corner_px = corner_px.max(apart.to_degrees() * 3600.0 / scale_arcsec);
        }
        Some(Self {
            centre_arcsec: angle_rad(&a.centre, &b.centre).to_degrees() * 3600.0,
            rotation_deg: if turned <= -180.0 { turned + 360.0 } else { turned },
            scale_ratio: local_scale_arcsec(old, centre)? / scale_arcsec,
            mirrored,
            corner_px,
        })
    }
}

/// The sky at a place of a frame: direction, and its change along x and y.
struct Local {
    centre: Vector,
    along: [Vector; 2],
}

impl Local {
    fn at(wcs: &Wcs, [x, y]: [f64; 2]) -> Option<Self> {
        let step = |dx: f64, dy: f64| {
            let (a, b) = (wcs.pixel_to_icrs(x - dx, y - dy)?, wcs.pixel_to_icrs(x + dx, y + dy)?);
            Some([b[0] - a[0], b[1] - a[1], b[2] - a[2]])
        };
        Some(Self { centre: wcs.pixel_to_icrs(x, y)?, along: [step(0.5, 0.0)?, step(0.0, 0.5)?] })
    }

    /// Rows north and east, columns x and y.
    fn directions(&self) -> [[f64; 2]; 2] {
        let [north, east] = north_east(&self.centre);
        [north, east].map(|axis| [dot(&axis, &self.along[0]), dot(&axis, &self.along[1])])
    }

    /// The same by north and east at `other`, after the sky has been moved there along the great circle: near a pole north
    /// turns with the place, which is no rotation of the frame. `None` for opposite places.
    fn directions_at(&self, other: &Self) -> Option<[[f64; 2]; 2]> {
        let (a, b) = (self.centre, other.centre);
        let cosine = dot(&a, &b);
        let axis = cross(&a, &b);
        (cosine > -1.0 + 1e-9).then(|| {
            let along = self.along.map(|v| {
                let (w, share) = (cross(&axis, &v), dot(&axis, &v) / (1.0 + cosine));
                [0, 1, 2].map(|i| v[i] * cosine + w[i] + axis[i] * share)
            });
            Self { centre: b, along }.directions()
        })
    }
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: &Vector, b: &Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Unit vectors to the north and to the east; at a pole those of right ascension 0.
fn north_east(at: &Vector) -> [Vector; 2] {
    let along = at[0].hypot(at[1]);
    let (cos, sin) = if along > 0.0 { (at[0] / along, at[1] / along) } else { (1.0, 0.0) };
    [[-at[2] * cos, -at[2] * sin, along], [-sin, cos, 0.0]]
}

impl fmt::Display for WcsDifference {
    /// "off by 61.2 arcsec, turned by 1.00 deg, scale 0.4 % too large, mirrored"; small figures are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.centre_arcsec < 3600.0 {
            write!(f, "off by {:.1} arcsec", self.centre_arcsec)?;
        } else {
            write!(f, "off by {:.2} deg", self.centre_arcsec / 3600.0)?;
        }
        if self.rotation_deg.abs() >= 0.005 {
            write!(f, ", turned by {:.2} deg", self.rotation_deg)?;
        }
        let percent = 100.0 * (self.scale_ratio - 1.0);
        if percent.abs() >= 0.05 {
            let word = if percent > 0.0 { "large" } else { "small" };
            write!(f, ", scale {:.1} % too {word}", percent.abs())?;
        }
        if self.mirrored {
            f.write_str(", mirrored")?;
        }
        Ok(())
    }
}
