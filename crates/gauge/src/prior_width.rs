//! The width of a zero-mean prior from the data.

/// Widest step of the logarithm of its square.
const WIDEST_STEP: f64 = 4.0;
/// Widening of those steps where the fixed point is slow.
const FASTEST_STEP: f64 = 8.0;

/// The square of the width after a step to the fixed point width = squares / gamma of MacKay (1992, Neural Computation 4, 415): `squares`
/// is the sum of the squares of the unknowns, `gamma` the number of them that the data determine, of `all`.
pub(crate) fn next_width(width: f64, squares: f64, gamma: f64, all: f64) -> f64 {
    if gamma <= 0.0 || squares <= 0.0 {
        return width;
    }
    // Near the fixed point a step of MacKay's goes gamma / all of the way.
    let speed = (0.8 * all / gamma).clamp(1.0, FASTEST_STEP);
    let step = (speed * (squares / gamma / width).ln()).clamp(-WIDEST_STEP, WIDEST_STEP);
    width * step.exp()
}
