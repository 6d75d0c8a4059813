//! Newton's method that cannot run away, in one and in two dimensions.

/// Steps after which a search gives up.
const MAX_STEPS: usize = 100;

/// Root of an increasing function in `[low, high]`; `f` gives value and slope.
///
/// A step that leaves the bracket is replaced by a bisection, so the method converges for every continuous function that
/// changes sign in the bracket.
pub(super) fn increasing(low: f64, high: f64, guess: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high, mut x) = (low, high, guess.clamp(low, high));
    for _ in 0..MAX_STEPS {
        let (value, slope) = f(x);
        if value == 0.0 {
            return x;
        }
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let newton = x - value / slope;
        let next = if newton > low && newton < high { newton } else { low.midpoint(high) };
        let step = (next - x).abs();
        x = next;
        if step <= 1e-16 * x.abs() || step < 1e-300 {
            break;
        }
    }
    x
}

/// Values and partial derivatives of a map of the plane: `(f, g, f_x, f_y, g_x, g_y)`.
pub(super) type Jet = (f64, f64, f64, f64, f64, f64);

/// Point where the map reaches `target`, by damped Newton steps from `guess`.
///
/// `last_step` ends the search; the error left is of the order of curvature x `last_step`^2. `None` where no step lowers
/// the miss, or where the root lies on a sheet of the map whose orientation is not `orientation`.
pub(super) fn plane(
    target: (f64, f64),
    guess: (f64, f64),
    last_step: f64,
    orientation: f64,
    map: impl Fn(f64, f64) -> Jet,
) -> Option<(f64, f64)> {
    let miss = |jet: &Jet| (target.0 - jet.0).hypot(target.1 - jet.1);
    let (mut x, mut y) = guess;
    let mut jet = map(x, y);
    for _ in 0..MAX_STEPS {
        let (f, g, f_x, f_y, g_x, g_y) = jet;
        let (r, s) = (target.0 - f, target.1 - g);
        let det = f_x * g_y - f_y * g_x;
        if det.is_nan() || det == 0.0 {
            return None;
        }
        let (dx, dy) = ((g_y * r - f_y * s) / det, (f_x * s - g_x * r) / det);
        let step = dx.hypot(dy);
        if step < last_step {
            return (det * orientation > 0.0).then_some((x + dx, y + dy));
        }
        let before = miss(&jet);
        let mut damping = 1.0;
        loop {
            let (tx, ty) = (x + damping * dx, y + damping * dy);
            jet = map(tx, ty);
            if miss(&jet) < before {
                (x, y) = (tx, ty);
                break;
            }
            damping *= 0.5;
            if damping < 1e-4 {
                return None;
            }
        }
    }
    None
}
