//! TPV: polynomials of up to order 7 with radial terms on the projection plane (as SCAMP and DECam write them).
//!
//! Source: the TPV convention of the FITS registry; coordinates in degrees. On the latitude axis x and y change places.

use zemosaic_fits::Header;

use super::axes::CelestialAxes;
use super::keys;
use super::polynomial::Polynomial;
use super::root::Jet;
use crate::error::WcsError;

const ORDER: usize = 7;
/// Index of r, r^3, r^5 and r^7.
const RADIAL: [usize; 4] = [3, 11, 23, 39];
/// Highest index of a TPV coefficient.
pub(super) const LAST: usize = 39;

/// Index to powers (of x, of y) of the terms that are not radial.
fn powers() -> impl Iterator<Item = (usize, usize, usize)> {
    let terms = (0..=ORDER).flat_map(|n| (0..=n).map(move |q| (n - q, q)));
    (0..=LAST).filter(|j| !RADIAL.contains(j)).zip(terms).map(|(j, (p, q))| (j, p, q))
}

/// The polynomial of one axis.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    polynomial: Polynomial,
    radial: [f64; 4],
    coefficients: Vec<f64>,
}

impl Axis {
    fn new(coefficients: Vec<f64>, swapped: bool) -> Self {
        let mut polynomial = Polynomial::zero(ORDER);
        for (j, p, q) in powers() {
            let (p, q) = if swapped { (q, p) } else { (p, q) };
            polynomial.add(p, q, coefficients[j]);
        }
        let radial = RADIAL.map(|j| coefficients[j]);
        Self { polynomial, radial, coefficients }
    }

    #[inline]
    fn value_and_slopes(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let (mut f, mut f_x, mut f_y) = self.polynomial.value_and_slopes(x, y);
        let [a, b, c, d] = self.radial;
        if self.radial != [0.0; 4] {
            let r2 = x * x + y * y;
            let r = r2.sqrt();
            f += r * (a + r2 * (b + r2 * (c + r2 * d)));
            if r > 0.0 {
                let slope = (a + r2 * (3.0 * b + r2 * (5.0 * c + r2 * 7.0 * d))) / r;
                f_x += slope * x;
                f_y += slope * y;
            }
        }
        (f, f_x, f_y)
    }
}

/// A TPV distortion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tpv {
    lon: Axis,
    lat: Axis,
}

impl Tpv {
    /// Reads the PV cards; coefficients that are missing are those of the identity.
    pub(super) fn read(header: &Header, axes: &CelestialAxes) -> Result<Self, WcsError> {
        let axis = |i: usize, swapped: bool| -> Result<Axis, WcsError> {
            let coefficients = (0..=LAST)
                .map(|j| {
                    let default = if j == 1 { 1.0 } else { 0.0 };
                    Ok(keys::float(header, &format!("PV{i}_{j}"))?.unwrap_or(default))
                })
                .collect::<Result<Vec<_>, WcsError>>()?;
            Ok(Axis::new(coefficients, swapped))
        };
        Ok(Self { lon: axis(axes.lon, false)?, lat: axis(axes.lat, true)? })
    }

    /// Distorted position and its derivatives, degrees.
    #[inline]
    pub(super) fn jet(&self, x: f64, y: f64) -> Jet {
        let (f, f_x, f_y) = self.lon.value_and_slopes(x, y);
        let (g, g_x, g_y) = self.lat.value_and_slopes(x, y);
        (f, g, f_x, f_y, g_x, g_y)
    }

    /// Writes the PV cards.
    pub(super) fn write_to(&self, header: &mut Header) {
        for (i, axis) in [&self.lon, &self.lat].into_iter().enumerate() {
            for (j, value) in axis.coefficients.iter().enumerate() {
                if *value != 0.0 || j == 1 {
                    header.set_f64(&format!("PV{}_{j}", i + 1), *value, "TPV coefficient");
                }
            }
        }
    }
}
