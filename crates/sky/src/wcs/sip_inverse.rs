//! The inverse polynomials AP and BP of SIP (Shupe et al. 2005), for programs that do not solve for the inverse.
//!
//! Least squares in Chebyshev polynomials on the tensor grid of Chebyshev nodes (Press et al., Numerical Recipes, 5.8):
//! there the basis is orthogonal, so no linear system is solved and the fit is near the minimax one.

use super::polynomial::Polynomial;
use super::sip::{MAX_ORDER, Sip};

/// Chebyshev nodes along an axis; more than twice the highest order.
const NODES: usize = 24;
/// Places along an axis where the fit is tested, corners of the image among them.
const TESTED: usize = 33;

/// AP and BP of an image, and how good they are.
pub(super) struct SipInverse {
    pub ap: Polynomial,
    pub bp: Polynomial,
    /// Largest miss over the image, pixels.
    pub max_error_px: f64,
}

/// Fits AP and BP, of an order one above that of A and B (at most 9), over an image whose outer edges are the offsets
/// `low` and `high` from CRPIX. `None` where the distortion folds in or near the image.
pub(super) fn fit(sip: &Sip, low: [f64; 2], high: [f64; 2]) -> Option<SipInverse> {
    let order = (sip.order() + 1).min(MAX_ORDER as usize);
    let [x, y] = undistorted_box(sip, low, high);
    let mut ap = Polynomial::zero(order);
    let mut bp = Polynomial::zero(order);
    let shifts = shifts_at_nodes(sip, x, y)?;
    let (x_bases, y_bases) = (power_bases(x, order), power_bases(y, order));
    for (i, x_basis) in x_bases.iter().enumerate() {
        for (j, y_basis) in y_bases.iter().enumerate().take(order - i + 1) {
            let (a, b) = chebyshev_coefficients(&shifts, i, j);
            for (p, x_factor) in x_basis.iter().enumerate().take(i + 1) {
                for (q, y_factor) in y_basis.iter().enumerate().take(j + 1) {
                    ap.add(p, q, a * x_factor * y_factor);
                    bp.add(p, q, b * x_factor * y_factor);
                }
            }
        }
    }
    let max_error_px = max_error_px(sip, &ap, &bp, low, high);
    max_error_px.is_finite().then_some(SipInverse { ap, bp, max_error_px })
}

/// Centre and half width of an interval.
#[derive(Clone, Copy)]
struct Span {
    centre: f64,
    half: f64,
}

/// The undistorted offsets that the image covers, along x and y.
fn undistorted_box(sip: &Sip, low: [f64; 2], high: [f64; 2]) -> [Span; 2] {
    let (mut least, mut most) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for (u, v) in places(low, high) {
        let (x, y) = sip.forward(u, v);
        for (axis, value) in [x, y].into_iter().enumerate() {
            least[axis] = least[axis].min(value);
            most[axis] = most[axis].max(value);
        }
    }
    [0, 1].map(|axis| Span {
        centre: least[axis].midpoint(most[axis]),
        half: (0.5 * (most[axis] - least[axis])).max(0.5),
    })
}

/// Places all over the image, as offsets.
fn places(low: [f64; 2], high: [f64; 2]) -> impl Iterator<Item = (f64, f64)> {
    let at =
        move |axis: usize, n: usize| low[axis] + (high[axis] - low[axis]) * n as f64 / (TESTED - 1) as f64;
    (0..TESTED * TESTED).map(move |n| (at(0, n % TESTED), at(1, n / TESTED)))
}

/// Angle whose cosine is node `k`.
fn node_angle(k: usize) -> f64 {
    std::f64::consts::PI * (k as f64 + 0.5) / NODES as f64
}

/// Shifts that the inverse makes at the nodes, those of y running fastest.
fn shifts_at_nodes(sip: &Sip, x: Span, y: Span) -> Option<Vec<(f64, f64)>> {
    let shift = |n: usize| {
        let (k, l) = (n / NODES, n % NODES);
        let at = (x.centre + x.half * node_angle(k).cos(), y.centre + y.half * node_angle(l).cos());
        let (u, v) = sip.inverse(at.0, at.1)?;
        Some((u - at.0, v - at.1))
    };
    (0..NODES * NODES).map(shift).collect()
}

/// Coefficients of T_i(x) T_j(y) in the shifts.
fn chebyshev_coefficients(shifts: &[(f64, f64)], i: usize, j: usize) -> (f64, f64) {
    let (mut a, mut b) = (0.0, 0.0);
    for (n, (du, dv)) in shifts.iter().enumerate() {
        let (k, l) = (n / NODES, n % NODES);
        let weight = (i as f64 * node_angle(k)).cos() * (j as f64 * node_angle(l)).cos();
        a += weight * du;
        b += weight * dv;
    }
    let norm = |index: usize| if index == 0 { 1.0 } else { 2.0 } / NODES as f64;
    (a * norm(i) * norm(j), b * norm(i) * norm(j))
}

/// T_0 ... T_order of (x - centre) / half as coefficients of powers of x.
fn power_bases(span: Span, order: usize) -> Vec<Vec<f64>> {
    let (slope, shift) = (1.0 / span.half, -span.centre / span.half);
    let mut bases = vec![vec![0.0; order + 1]; order + 1];
    bases[0][0] = 1.0;
    for n in 1..=order {
        // T_1 = s, T_n = 2 s T_(n-1) - T_(n-2) with s = slope x + shift.
        let factor = if n == 1 { 1.0 } else { 2.0 };
        for p in 0..=n {
            let lower = if p > 0 { bases[n - 1][p - 1] } else { 0.0 };
            let before = if n > 1 { bases[n - 2][p] } else { 0.0 };
            bases[n][p] = factor * (slope * lower + shift * bases[n - 1][p]) - before;
        }
    }
    bases
}

/// Largest miss of the polynomials as they are written, over the image.
fn max_error_px(sip: &Sip, ap: &Polynomial, bp: &Polynomial, low: [f64; 2], high: [f64; 2]) -> f64 {
    let miss = |(u, v): (f64, f64)| {
        let (x, y) = sip.forward(u, v);
        (x + ap.value(x, y) - u).hypot(y + bp.value(x, y) - v)
    };
    places(low, high).map(miss).fold(0.0, |worst: f64, own| if own <= worst { worst } else { own })
}

#[cfg(test)]
mod tests {
    use super::super::sip::SipCoefficients;
    use super::*;

    /// A lens of `share` at the corner, with a little of everything else.
    fn lens(order: usize, share: f64) -> Sip {
        let mut own = SipCoefficients::zero(order);
        let k = share / (1000.0 * 1000.0);
        let at = |p: usize, q: usize| p * (order + 1) + q;
        own.a[at(3, 0)] = k;
        own.a[at(1, 2)] = k;
        own.b[at(2, 1)] = k;
        own.b[at(0, 3)] = k;
        own.a[at(2, 0)] = 2e-6;
        own.b[at(1, 1)] = -1e-6;
        Sip::of(&own).unwrap()
    }

    #[test]
    fn inverse_polynomials_undo_the_distortion() {
        // Reference pixel in the middle, at a corner, and far outside the image.
        for (low, high) in [
            ([-960.0, -540.0], [960.0, 540.0]),
            ([0.0, 0.0], [1920.0, 1080.0]),
            ([2000.0, -3000.0], [3000.0, -2000.0]),
        ] {
            let share = if low[0] > 1000.0 { 1e-4 } else { 1e-3 };
            let sip = lens(3, share);
            let own = fit(&sip, low, high).unwrap();
            assert_eq!(own.ap.order, 4);
            assert!(own.max_error_px < 0.01, "{}", own.max_error_px);
            let (u, v) = (0.3 * low[0] + 0.7 * high[0], 0.6 * low[1] + 0.4 * high[1]);
            let (x, y) = sip.forward(u, v);
            assert!((x - u).hypot(y - v) > 0.1, "the test distorts nothing");
            let miss = (x + own.ap.value(x, y) - u).hypot(y + own.bp.value(x, y) - v);
            assert!(miss <= own.max_error_px, "{miss}");
        }
    }

    #[test]
    fn a_fold_has_no_inverse() {
        assert!(fit(&lens(3, -0.5), [-1200.0, -1200.0], [1200.0, 1200.0]).is_none());
    }
}
