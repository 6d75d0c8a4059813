//! The linear part of a WCS: CD, PC + CDELT or CDELT + CROTA, in degrees per pixel.

use zemosaic_fits::Header;

use super::axes::CelestialAxes;
use super::keys;
use crate::error::WcsError;

/// Scales outside this range (deg per px) are no image of the sky: 0.04 mas to 90 deg.
const SCALE_RANGE_DEG: (f64, f64) = (1e-8, 90.0);
/// Ratio of the longest to the shortest axis of a pixel above which the matrix counts as singular.
const MAX_AXIS_RATIO: f64 = 1e4;

/// How the header states the matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Pc,
    Cd,
    Crota,
}

/// Reads the 2x2 matrix d(lon plane, lat plane)/d(pixel axis 1, pixel axis 2), in degrees per pixel.
pub(crate) fn read(header: &Header, axes: &CelestialAxes) -> Result<[[f64; 2]; 2], WcsError> {
    let n = axes.count.max(2);
    let form = form(header, n);
    let given = form != Form::Crota || header.contains("CDELT1") || header.contains("CDELT2");
    if !given {
        // The standard's default of 1 deg per px is never what such a header means.
        return Err(WcsError::Incomplete { keyword: "CD, PC or CDELT".into() });
    }
    let mut matrix = [[0.0; 2]; 2];
    for (row, axis) in [axes.lon, axes.lat].into_iter().enumerate() {
        let unit = unit_deg(header, axis)?;
        let cdelt = match form {
            Form::Cd => 1.0,
            Form::Pc | Form::Crota => keys::float(header, &format!("CDELT{axis}"))?.unwrap_or(1.0),
        };
        for column in 1..=n {
            let element = match form {
                Form::Cd => element(header, "CD", axis, column)?.unwrap_or(0.0),
                Form::Pc => {
                    element(header, "PC", axis, column)?.unwrap_or(f64::from(u8::from(axis == column)))
                }
                Form::Crota => f64::from(u8::from(axis == column)),
            };
            match column {
                1 | 2 => matrix[row][column - 1] = element * cdelt * unit,
                _ if element == 0.0 => {}
                _ => return Err(WcsError::Axes { axis: column }),
            }
        }
    }
    if form == Form::Crota {
        rotate(header, axes, &mut matrix)?;
    }
    check(&matrix)?;
    Ok(matrix)
}

/// PC wins over CD, and both over CROTA, as in wcslib.
fn form(header: &Header, n: usize) -> Form {
    let any = |name: &str| {
        (1..=n).any(|i| {
            (1..=n).any(|j| {
                header.contains(&format!("{name}{i}_{j}")) || header.contains(&format!("{name}00{i}00{j}"))
            })
        })
    };
    if any("PC") {
        Form::Pc
    } else if any("CD") {
        Form::Cd
    } else {
        Form::Crota
    }
}

/// CDi_j or PCi_j, also in the old form CD00i00j.
fn element(header: &Header, name: &str, i: usize, j: usize) -> Result<Option<f64>, WcsError> {
    match keys::float(header, &format!("{name}{i}_{j}"))? {
        Some(v) => Ok(Some(v)),
        None => keys::float(header, &format!("{name}00{i}00{j}")),
    }
}

/// Applies CROTA of the latitude axis (FITS paper II, section 6.1).
fn rotate(header: &Header, axes: &CelestialAxes, matrix: &mut [[f64; 2]; 2]) -> Result<(), WcsError> {
    let rho = keys::float(header, &format!("CROTA{}", axes.lat))?.unwrap_or(0.0);
    if rho == 0.0 {
        return Ok(());
    }
    let (lon_column, lat_column) = (axes.lon - 1, axes.lat - 1);
    if lon_column > 1 || lat_column > 1 {
        return Ok(());
    }
    let (cdelt_lon, cdelt_lat) = (matrix[0][lon_column], matrix[1][lat_column]);
    let (sin, cos) = rho.to_radians().sin_cos();
    matrix[0][lon_column] = cdelt_lon * cos;
    matrix[0][lat_column] = -cdelt_lat * sin;
    matrix[1][lon_column] = cdelt_lon * sin;
    matrix[1][lat_column] = cdelt_lat * cos;
    Ok(())
}

/// Degrees per unit of an axis.
pub(crate) fn unit_deg(header: &Header, axis: usize) -> Result<f64, WcsError> {
    let keyword = format!("CUNIT{axis}");
    let Some(unit) = header.get_str(&keyword) else { return Ok(1.0) };
    match unit.trim().to_ascii_lowercase().as_str() {
        "" | "deg" | "degree" | "degrees" => Ok(1.0),
        "arcmin" => Ok(1.0 / 60.0),
        "arcsec" => Ok(1.0 / 3600.0),
        "mas" => Ok(1.0 / 3_600_000.0),
        "rad" | "radian" | "radians" => Ok(180.0 / std::f64::consts::PI),
        _ => Err(WcsError::Units { keyword, unit: unit.trim().to_string() }),
    }
}

/// Refuses singular matrices and impossible scales.
pub(crate) fn check(m: &[[f64; 2]; 2]) -> Result<(), WcsError> {
    let scale_deg = determinant(m).abs().sqrt();
    // Singular values s1 >= s2 from s1^2 + s2^2 = |m|^2 and s1 s2 = |det|.
    let half_norm = (m[0][0].powi(2) + m[0][1].powi(2) + m[1][0].powi(2) + m[1][1].powi(2)) / 2.0;
    let det2 = determinant(m).powi(2);
    let large = half_norm + (half_norm * half_norm - det2).max(0.0).sqrt();
    let axis_ratio = large / determinant(m).abs();
    let scale_ok = scale_deg >= SCALE_RANGE_DEG.0 && scale_deg <= SCALE_RANGE_DEG.1;
    if scale_ok && axis_ratio <= MAX_AXIS_RATIO {
        Ok(())
    } else {
        Err(WcsError::Degenerate { scale_arcsec: scale_deg * 3600.0, axis_ratio })
    }
}

/// Determinant of a 2x2 matrix.
pub(crate) fn determinant(m: &[[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

/// Inverse of a 2x2 matrix that passed [`check`].
pub(crate) fn inverse(m: &[[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let d = determinant(m);
    [[m[1][1] / d, -m[0][1] / d], [-m[1][0] / d, m[0][0] / d]]
}
