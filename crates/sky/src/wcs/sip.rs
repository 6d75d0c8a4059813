//! The SIP distortion (Shupe et al. 2005, ASP Conf. 347, 491): polynomials on the pixel offsets from CRPIX.
//!
//! Forward: u' = u + A(u, v), v' = v + B(u, v). Inverse: Newton's method on the forward polynomials; the header's
//! AP/BP only give a first guess, because they are fits and not inverses.

use zemosaic_fits::Header;

use super::keys;
use super::polynomial::Polynomial;
use crate::error::WcsError;

/// Highest order of the convention.
pub(super) const MAX_ORDER: i64 = 9;
/// Newton stops after a step below this; the error left is then of the order of curvature x step^2, far below 1e-11 px.
const LAST_STEP_PX: f64 = 1e-7;
const MAX_STEPS: usize = 30;

/// The polynomials A and B of a SIP distortion.
#[derive(Debug, Clone, PartialEq)]
pub struct SipCoefficients {
    /// Highest power, from 2 to 9.
    pub order: usize,
    /// Coefficient of u^p v^q in A at `p * (order + 1) + q`, pixels; those of p + q < 2 or > order are 0.
    pub a: Vec<f64>,
    /// Likewise B.
    pub b: Vec<f64>,
}

impl SipCoefficients {
    /// Without any distortion yet.
    pub fn zero(order: usize) -> Self {
        let count = (order + 1) * (order + 1);
        Self { order, a: vec![0.0; count], b: vec![0.0; count] }
    }
}

/// A SIP distortion.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sip {
    a: Polynomial,
    b: Polynomial,
    /// AP and BP, the first guess of the inverse.
    guess: Option<(Polynomial, Polynomial)>,
}

impl Sip {
    /// Reads the SIP cards; `None` where the header has none that act (orders below 2 do not act, as in astropy).
    pub(crate) fn read(header: &Header) -> Result<Option<Self>, WcsError> {
        let Some((a, b)) = read_pair(header, "A", "B")? else { return Ok(None) };
        let guess = read_pair(header, "AP", "BP").unwrap_or(None);
        Ok(Some(Self { a, b, guess }))
    }

    /// The distortion of given polynomials; `None` where they do not have their order's length or an order that acts.
    pub(super) fn of(coefficients: &SipCoefficients) -> Option<Self> {
        let SipCoefficients { order, a, b } = coefficients;
        let (order, count) = (*order, (order + 1) * (order + 1));
        let fits = (2..=MAX_ORDER as usize).contains(&order) && a.len() == count && b.len() == count;
        let finite = a.iter().chain(b).all(|c| c.is_finite());
        let polynomial = |values: &[f64]| Polynomial { order, coefficients: values.to_vec() };
        (fits && finite).then(|| Self { a: polynomial(a), b: polynomial(b), guess: None })
    }

    /// The distortion whose undistorted offsets, times the matrix that `cd_inverse` inverts, are the polynomials `x` and
    /// `y` (coefficient of u^p v^q at `[p][q]`); their linear terms must be that matrix.
    pub(super) fn from_plane<const N: usize>(
        x: &[[f64; N]; N],
        y: &[[f64; N]; N],
        cd_inverse: &[[f64; 2]; 2],
    ) -> Self {
        let mut pair = [vec![0.0; N * N], vec![0.0; N * N]];
        for p in 0..N {
            for q in 0..N - p {
                if p + q != 1 {
                    for (coefficients, row) in pair.iter_mut().zip(cd_inverse) {
                        coefficients[p * N + q] = row[0] * x[p][q] + row[1] * y[p][q];
                    }
                }
            }
        }
        let [a, b] = pair.map(|coefficients| Polynomial { order: N - 1, coefficients });
        Self { a, b, guess: None }
    }

    /// Pixel offset from CRPIX to the undistorted offset.
    #[inline]
    pub(crate) fn forward(&self, u: f64, v: f64) -> (f64, f64) {
        (u + self.a.value(u, v), v + self.b.value(u, v))
    }

    /// Undistorted offset to the pixel offset; `None` where Newton's method finds no root on the unfolded sheet.
    pub(crate) fn inverse(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (mut u, mut v) = self.first_guess(x, y);
        for _ in 0..MAX_STEPS {
            let (a, a_u, a_v) = self.a.value_and_slopes(u, v);
            let (b, b_u, b_v) = self.b.value_and_slopes(u, v);
            let (r, s) = (x - u - a, y - v - b);
            let (j11, j12, j21, j22) = (1.0 + a_u, a_v, b_u, 1.0 + b_v);
            let det = j11 * j22 - j12 * j21;
            // Beyond a fold of the polynomial (det <= 0) a root would be no image of this sky position.
            if det.is_nan() || det <= 1e-3 {
                return None;
            }
            let (du, dv) = ((j22 * r - j12 * s) / det, (j11 * s - j21 * r) / det);
            u += du;
            v += dv;
            if du.abs().max(dv.abs()) < LAST_STEP_PX {
                return Some((u, v));
            }
        }
        None
    }

    fn first_guess(&self, x: f64, y: f64) -> (f64, f64) {
        let Some((ap, bp)) = &self.guess else { return (x, y) };
        let (u, v) = (x + ap.value(x, y), y + bp.value(x, y));
        let miss = |u: f64, v: f64| {
            let (fx, fy) = self.forward(u, v);
            (fx - x).abs().max((fy - y).abs())
        };
        // A guess from far outside the fitted range may be wild; NaN loses the comparison.
        if miss(u, v) < miss(x, y) { (u, v) } else { (x, y) }
    }

    /// The higher of the orders of A and B.
    pub(super) fn order(&self) -> usize {
        self.a.order.max(self.b.order)
    }

    /// The distortion of an image whose pixels are `factor` times smaller: u' = factor u.
    pub(super) fn unbinned(&self, factor: f64) -> Self {
        let pair = |(a, b): &(Polynomial, Polynomial)| (a.unbinned(factor), b.unbinned(factor));
        let guess = self.guess.as_ref().map(pair);
        Self { a: self.a.unbinned(factor), b: self.b.unbinned(factor), guess }
    }

    /// Writes the forward polynomials (the inverse is always recomputed).
    pub(crate) fn write_to(&self, header: &mut Header) {
        write_pair(header, ["A", "B"], [&self.a, &self.b]);
    }
}

/// Writes two polynomials, but for coefficients of 0.
pub(super) fn write_pair(header: &mut Header, names: [&str; 2], polynomials: [&Polynomial; 2]) {
    for (name, polynomial) in names.into_iter().zip(polynomials) {
        header.set_i64(&format!("{name}_ORDER"), polynomial.order as i64, "SIP order");
        for p in 0..=polynomial.order {
            for q in 0..=polynomial.order - p {
                let c = polynomial.coefficients[p * (polynomial.order + 1) + q];
                if c != 0.0 {
                    header.set_f64(&format!("{name}_{p}_{q}"), c, "SIP coefficient");
                }
            }
        }
    }
}

fn read_polynomial(header: &Header, name: &str, order: usize) -> Result<Polynomial, WcsError> {
    let mut coefficients = vec![0.0; (order + 1) * (order + 1)];
    for p in 0..=order {
        for q in 0..=order - p {
            if let Some(c) = keys::float(header, &format!("{name}_{p}_{q}"))? {
                coefficients[p * (order + 1) + q] = c;
            }
        }
    }
    Ok(Polynomial { order, coefficients })
}

fn read_order(header: &Header, name: &str) -> Result<Option<usize>, WcsError> {
    let keyword = format!("{name}_ORDER");
    let Some(value) = keys::float(header, &keyword)? else { return Ok(None) };
    if !(value >= 0.0 && value <= MAX_ORDER as f64 && value.fract() == 0.0) {
        return Err(WcsError::Value { keyword, value: format!("{value}") });
    }
    Ok(Some(value as usize))
}

fn read_pair(
    header: &Header,
    first: &str,
    second: &str,
) -> Result<Option<(Polynomial, Polynomial)>, WcsError> {
    let (order_1, order_2) = (read_order(header, first)?, read_order(header, second)?);
    match (order_1, order_2) {
        (Some(m), None) if m > 1 => {
            Err(WcsError::Distortion { reason: format!("SIP has {first}_ORDER without {second}_ORDER") })
        }
        (None, Some(n)) if n > 1 => {
            Err(WcsError::Distortion { reason: format!("SIP has {second}_ORDER without {first}_ORDER") })
        }
        (Some(m), Some(n)) if m > 1 && n > 1 => {
            Ok(Some((read_polynomial(header, first, m)?, read_polynomial(header, second, n)?)))
        }
        _ => Ok(None),
    }
}
