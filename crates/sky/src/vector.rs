//! Three-vectors and 3x3 matrices, plain `f64` with one fixed order of operations.

/// A vector of three components.
pub(crate) type Vec3 = [f64; 3];
/// A 3x3 matrix, row by row.
pub(crate) type Mat3 = [[f64; 3]; 3];

/// The identity.
pub(crate) const IDENTITY: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Scalar product.
#[inline]
pub(crate) fn dot(a: &Vec3, b: &Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
#[inline]
pub(crate) fn cross(a: &Vec3, b: &Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Length.
#[inline]
pub(crate) fn norm(a: &Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// The vector of length 1 in the same direction; `None` for (nearly) zero or non-finite vectors.
pub(crate) fn normalised(a: &Vec3) -> Option<Vec3> {
    let n = norm(a);
    (n.is_finite() && n > 1e-300).then(|| [a[0] / n, a[1] / n, a[2] / n])
}

/// Matrix times vector.
#[inline]
pub(crate) fn mul_vec(m: &Mat3, v: &Vec3) -> Vec3 {
    [dot(&m[0], v), dot(&m[1], v), dot(&m[2], v)]
}

/// Matrix times matrix.
pub(crate) fn mul(a: &Mat3, b: &Mat3) -> Mat3 {
    let mut out = [[0.0; 3]; 3];
    for (row, a_row) in out.iter_mut().zip(a) {
        for (j, cell) in row.iter_mut().enumerate() {
            *cell = a_row[0] * b[0][j] + a_row[1] * b[1][j] + a_row[2] * b[2][j];
        }
    }
    out
}

/// The transpose; of a rotation, its inverse.
pub(crate) fn transposed(m: &Mat3) -> Mat3 {
    [[m[0][0], m[1][0], m[2][0]], [m[0][1], m[1][1], m[2][1]], [m[0][2], m[1][2], m[2][2]]]
}

/// Rotation of the axes about x by `angle_rad` (the passive rotation of astronomy texts).
pub(crate) fn rotate_x(angle_rad: f64) -> Mat3 {
    let (s, c) = angle_rad.sin_cos();
    [[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]]
}

/// Rotation of the axes about y by `angle_rad`.
pub(crate) fn rotate_y(angle_rad: f64) -> Mat3 {
    let (s, c) = angle_rad.sin_cos();
    [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]
}

/// Rotation of the axes about z by `angle_rad`.
pub(crate) fn rotate_z(angle_rad: f64) -> Mat3 {
    let (s, c) = angle_rad.sin_cos();
    [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]
}

/// Unit vector of a direction given by longitude and latitude in degrees.
pub fn unit_vector(lon_deg: f64, lat_deg: f64) -> [f64; 3] {
    let (sl, cl) = lon_deg.to_radians().sin_cos();
    let (sb, cb) = lat_deg.to_radians().sin_cos();
    [cb * cl, cb * sl, sb]
}

/// Longitude in `[0, 360)` and latitude, in degrees, of a direction of any length.
pub fn lonlat_deg(v: &[f64; 3]) -> (f64, f64) {
    let r = (v[0] * v[0] + v[1] * v[1]).sqrt();
    let mut lon = if r == 0.0 { 0.0 } else { v[1].atan2(v[0]).to_degrees() };
    if lon < 0.0 {
        lon += 360.0;
    }
    if lon >= 360.0 {
        lon = 0.0;
    }
    (lon, v[2].atan2(r).to_degrees())
}

/// Angle between two directions of any length, in radians; exact for tiny and for nearly opposite angles.
pub fn angle_rad(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    norm(&cross(a, b)).atan2(dot(a, b))
}
