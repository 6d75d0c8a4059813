//! The pose of a frame: a tangent plane at a fixed point, a similarity, and six small corrections in pixels.
//!
//! A star at the pixel offset d from the centre of the frame has the place s T (d + t + E d / R + D(d)) in the plane (east,
//! north), s the scale, T a rotation or a reflected one, t the shift, R the half diagonal, E = [[a + c, d - b], [d + b, a - c]]
//! scale, rotation and two shears (pixels at the corner), D the distortion of the instrument.

use zemosaic_sky::{SkyFrame, Wcs, WcsError, lonlat_deg, unit_vector};

use super::distortion::{self, Distortion, MAX_ORDER, MAX_TERMS, basis, moved, sip, terms, value};

type Mat2 = [[f64; 2]; 2];

/// Points per axis at which a start is read.
const GRID: i32 = 8;

/// Geometry of the frames of an instrument.
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub centre_px: [f64; 2],
    pub half_px: [f64; 2],
    /// Half diagonal.
    pub radius_px: f64,
}

impl Shape {
    pub(super) fn of(size_px: [usize; 2]) -> Self {
        let half_px = size_px.map(|n| 0.5 * n as f64);
        Self { centre_px: half_px.map(|h| h - 0.5), half_px, radius_px: half_px[0].hypot(half_px[1]) }
    }

    /// The distortion terms at an offset.
    pub(super) fn basis(&self, d: [f64; 2]) -> [f64; MAX_TERMS] {
        basis([d[0] / self.half_px[0], d[1] / self.half_px[1]])
    }
}

/// The pose of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    crval_deg: (f64, f64),
    /// East, north, outwards.
    axes: [[f64; 3]; 3],
    pub scale_rad: f64,
    turn: Mat2,
    /// Shift (2), scale, rotation, shear (2), pixels at the corner.
    pub small: [f64; 6],
    /// Rotation since the start, pixels at the corner.
    pub turned_px: f64,
    pub start_shift_px: [f64; 2],
}

/// East, north and the direction itself.
pub(super) fn axes_at(lon_deg: f64, lat_deg: f64) -> [[f64; 3]; 3] {
    let (sl, cl) = lon_deg.to_radians().sin_cos();
    let (sb, cb) = lat_deg.to_radians().sin_cos();
    [[-sl, cl, 0.0], [-sb * cl, -sb * sl, cb], unit_vector(lon_deg, lat_deg)]
}

pub(super) fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `centre + x east + y north`, of length 1.
pub(super) fn direction(axes: &[[f64; 3]; 3], x: f64, y: f64) -> [f64; 3] {
    let [e, n, c] = axes;
    let v = [0, 1, 2].map(|k| c[k] + x * e[k] + y * n[k]);
    let length = dot(&v, &v).sqrt();
    v.map(|k| k / length)
}

impl Pose {
    /// The pose of a start, and its distortion of the highest order; `None` where it does not map the frame.
    pub(super) fn of(wcs: &Wcs, shape: &Shape) -> Option<(Self, Distortion)> {
        let [cx, cy] = shape.centre_px;
        let crval_deg = lonlat_deg(&wcs.pixel_to_icrs(cx, cy)?);
        let axes = axes_at(crval_deg.0, crval_deg.1);
        let mut points = Vec::new();
        for i in -GRID..=GRID {
            for j in -GRID..=GRID {
                let d = [f64::from(i), f64::from(j)].map(|k| k / f64::from(GRID));
                let d = [d[0] * shape.half_px[0], d[1] * shape.half_px[1]];
                let v = wcs.pixel_to_icrs(cx + d[0], cy + d[1])?;
                let z = dot(&v, &axes[2]);
                if z.is_nan() || z <= 0.0 {
                    return None;
                }
                points.push((d, [dot(&v, &axes[0]) / z, dot(&v, &axes[1]) / z]));
            }
        }
        // The grid is symmetric: the terms of the plane fit are independent.
        let count = points.len() as f64;
        let squares = |k: usize| points.iter().map(|(d, _)| d[k] * d[k]).sum::<f64>();
        let (xx, yy) = (squares(0), squares(1));
        let product = |row: usize, k: usize| points.iter().map(|(d, plane)| plane[row] * d[k]).sum::<f64>();
        let m = [0, 1].map(|row| [product(row, 0) / xx, product(row, 1) / yy]);
        let mean = [0, 1].map(|row| points.iter().map(|(_, plane)| plane[row]).sum::<f64>() / count);
        let flip = (m[0][0] * m[1][1] - m[0][1] * m[1][0]).signum();
        let (c, s) = (0.5 * (m[0][0] + flip * m[1][1]), 0.5 * (m[1][0] - flip * m[0][1]));
        let scale_rad = c.hypot(s);
        if !(scale_rad.is_finite() && scale_rad > 0.0) {
            return None;
        }
        let (c, s) = (c / scale_rad, s / scale_rad);
        let turn = [[c, -s * flip], [s, c * flip]];
        let inner = |v: [f64; 2]| transposed_times(&turn, v).map(|k| k / scale_rad);
        let columns = [inner([m[0][0], m[1][0]]), inner([m[0][1], m[1][1]])];
        let r = shape.radius_px;
        let shear = [0.5 * r * (columns[0][0] - columns[1][1]), 0.5 * r * (columns[0][1] + columns[1][0])];
        let shift = inner(mean);
        let small = [shift[0], shift[1], 0.0, 0.0, shear[0], shear[1]];
        let pose = Self { crval_deg, axes, scale_rad, turn, small, turned_px: 0.0, start_shift_px: shift };
        let residuals: Vec<([f64; 2], [f64; 2])> = points
            .iter()
            .map(|(d, plane)| {
                let (inner, linear) = (inner(*plane), pose.linear(*d, r));
                (*d, [inner[0] - linear[0], inner[1] - linear[1]])
            })
            .collect();
        Some((pose, start_distortion(&residuals, shape)))
    }

    /// Offset after shift and linear corrections.
    pub(super) fn linear(&self, d: [f64; 2], radius_px: f64) -> [f64; 2] {
        let [tx, ty, a, b, c, e] = self.small;
        let p = d.map(|k| k / radius_px);
        [d[0] + tx + (a + c) * p[0] + (e - b) * p[1], d[1] + ty + (e + b) * p[0] + (a - c) * p[1]]
    }

    /// Direction of an offset.
    pub(super) fn direction(&self, d: [f64; 2], shape: &Shape, distortion: &Distortion) -> [f64; 3] {
        let (linear, more) = (self.linear(d, shape.radius_px), distortion.value(&shape.basis(d)));
        let inner = [linear[0] + more[0], linear[1] + more[1]];
        let plane = self.turn.map(|row| self.scale_rad * (row[0] * inner[0] + row[1] * inner[1]));
        direction(&self.axes, plane[0], plane[1])
    }

    /// Where a direction is, pixels before distortion and corrections; and how that changes (columns) with a step along each
    /// of `steps`.
    pub(super) fn place(&self, at: &[f64; 3], steps: &[[f64; 3]; 2]) -> ([f64; 2], Mat2) {
        let z = dot(at, &self.axes[2]);
        let plane = [dot(at, &self.axes[0]) / z, dot(at, &self.axes[1]) / z];
        let inner = |v: [f64; 2]| transposed_times(&self.turn, v).map(|k| k / self.scale_rad);
        let columns = steps.map(|step| {
            let out = dot(&step, &self.axes[2]);
            inner([0, 1].map(|k| (dot(&step, &self.axes[k]) - plane[k] * out) / z))
        });
        (inner(plane), [[columns[0][0], columns[1][0]], [columns[0][1], columns[1][1]]])
    }

    /// Adds corrections and takes scale and rotation into the similarity.
    pub(super) fn correct(&mut self, by: &[f64], radius_px: f64) {
        self.small.iter_mut().zip(by).for_each(|(small, by)| *small += by);
        let [tx, ty, a, b, c, e] = self.small;
        let (re, im) = (1.0 + a / radius_px, b / radius_px);
        let square = re * re + im * im;
        let back = |x: f64, y: f64| [(re * x + im * y) / square, (re * y - im * x) / square];
        let length = square.sqrt();
        let (cos, sin) = (re / length, im / length);
        self.turn = self.turn.map(|row| [row[0] * cos + row[1] * sin, row[1] * cos - row[0] * sin]);
        self.scale_rad *= length;
        self.turned_px += b;
        let (shift, shear) = (back(tx, ty), back(c, e));
        self.small = [shift[0], shift[1], 0.0, 0.0, shear[0], shear[1]];
    }

    /// As a TAN or TAN-SIP system, exactly.
    pub(super) fn wcs(&self, shape: &Shape, distortion: &Distortion) -> Result<Wcs, WcsError> {
        let mut polys = distortion.polynomials(shape.half_px);
        let corner = self.linear([0.0, 0.0], shape.radius_px);
        let unit = [self.linear([1.0, 0.0], shape.radius_px), self.linear([0.0, 1.0], shape.radius_px)];
        for k in 0..2 {
            polys[k][0][0] += corner[k];
            polys[k][1][0] += unit[0][k] - corner[k];
            polys[k][0][1] += unit[1][k] - corner[k];
        }
        // The pixel of the tangent point: the corrections are small and flat, so that fixed-point steps converge fast.
        let mut z = [0.0; 2];
        for _ in 0..50 {
            z = [z[0] - value(&polys[0], z[0], z[1]), z[1] - value(&polys[1], z[0], z[1])];
        }
        let polys = [moved(&polys[0], z[0], z[1]), moved(&polys[1], z[0], z[1])];
        let l = [0, 1].map(|k| [polys[k][1][0], polys[k][0][1]]);
        let degrees = self.scale_rad.to_degrees();
        let cd_deg = self.turn.map(|t| [0, 1].map(|k| degrees * (t[0] * l[0][k] + t[1] * l[1][k])));
        let crpix = [shape.centre_px[0] + z[0], shape.centre_px[1] + z[1]];
        let crval = [self.crval_deg.0, self.crval_deg.1];
        if distortion.order < 2 {
            return Wcs::tan(crval, crpix, cd_deg, SkyFrame::Icrs);
        }
        let det = l[0][0] * l[1][1] - l[0][1] * l[1][0];
        let inverse = [[l[1][1] / det, -l[0][1] / det], [-l[1][0] / det, l[0][0] / det]];
        Wcs::tan_sip(crval, crpix, cd_deg, SkyFrame::Icrs, &sip(distortion.order, &polys, &inverse))
    }
}

/// T^T v.
fn transposed_times(m: &Mat2, v: [f64; 2]) -> [f64; 2] {
    [m[0][0] * v[0] + m[1][0] * v[1], m[0][1] * v[0] + m[1][1] * v[1]]
}

/// Starts that bend less are straight, pixels.
const STRAIGHT_PX: f64 = 0.01;

/// The distortion of a start: each term by least squares in the normal equations of all.
fn start_distortion(residuals: &[([f64; 2], [f64; 2])], shape: &Shape) -> Distortion {
    let count = terms(MAX_ORDER);
    let mut normal = nalgebra::DMatrix::<f64>::zeros(count, count);
    let mut right = nalgebra::DMatrix::<f64>::zeros(count, 2);
    for (d, r) in residuals {
        let b = shape.basis(*d);
        for i in 0..count {
            for j in 0..count {
                normal[(i, j)] += b[i] * b[j];
            }
            right[(i, 0)] += b[i] * r[0];
            right[(i, 1)] += b[i] * r[1];
        }
    }
    let Some(cholesky) = normal.cholesky() else { return Distortion::NONE };
    let solved = cholesky.solve(&right);
    let mut distortion = Distortion { order: MAX_ORDER, ..Distortion::NONE };
    for i in 0..count {
        distortion.coefficients[0][i] = solved[(i, 0)];
        distortion.coefficients[1][i] = solved[(i, 1)];
    }
    if distortion.largest_px() < STRAIGHT_PX { distortion::Distortion::NONE } else { distortion }
}
