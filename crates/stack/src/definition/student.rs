//! Quantiles of Student's t, and the critical values of the extreme Studentised deviate test made of them.
//!
//! With x = nu / (nu + t^2) the probability of a greater |t| is the incomplete beta function I_x(nu/2, 1/2) (Abramowitz &
//! Stegun 26.7.1), taken from its continued fraction (26.5.8); the factor 1 / B(nu/2, 1/2) of whole nu is a product. The
//! quantile is found by Newton's method on the logarithm of that probability over ln t. Its slope is -nu / h with the
//! continued fraction h, and it is concave, so the steps come down to the root from above, wherever they began.

/// Least probability that is looked for; smaller ones are taken for it.
const LEAST_PROBABILITY: f64 = 1e-100;

/// The t with probability `q` (above 0, below 1) that |t| is greater, of `nu` (at least 1) degrees of freedom.
pub fn student_t(q: f64, nu: usize) -> f64 {
    let (ln_q, degrees) = (q.max(LEAST_PROBABILITY).ln(), nu as f64);
    let ln_factor = (inverse_beta(nu) / (0.5 * degrees)).ln();
    // Right of the root: the normal quantile is below sqrt(-2 ln q), and this is its image.
    let mut ln_t = 0.5 * (degrees * (-2.0 * ln_q / degrees).exp_m1()).ln();
    for _ in 0..100 {
        let square = (2.0 * ln_t).exp();
        let fraction = beta_fraction(degrees / (degrees + square), 0.5 * degrees);
        let ln_share = (square / (degrees + square)).ln();
        let ln_tail = ln_factor - 0.5 * degrees * (square / degrees).ln_1p() + 0.5 * ln_share + fraction.ln();
        let step = (ln_tail - ln_q) * fraction / degrees;
        ln_t += step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    ln_t.exp()
}

/// 1 / B(nu/2, 1/2).
fn inverse_beta(nu: usize) -> f64 {
    let start = if nu % 2 == 1 { std::f64::consts::FRAC_1_PI } else { 0.5 };
    let from = if nu % 2 == 1 { 1 } else { 2 };
    (from..nu).step_by(2).fold(start, |product, k| product * (k + 1) as f64 / k as f64)
}

/// a B(a, 1/2) I_x(a, 1/2) / (x^a sqrt(1 - x)): the continued fraction of the incomplete beta function, by the method of
/// Lentz.
fn beta_fraction(x: f64, a: f64) -> f64 {
    const B: f64 = 0.5;
    // The denominator 1 + d_1 / (1 + d_2 / (1 + ...)).
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for term in 1..100_000 {
        let m = f64::from(term / 2);
        let numerator = if term % 2 == 1 {
            -(a + m) * (a + B + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        } else {
            m * (B - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        };
        below = 1.0 / (1.0 + numerator * below);
        above = 1.0 + numerator / above;
        value *= above * below;
        if (above * below - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 / value
}

/// Critical values of the test at the level `alpha`, by the number of samples that are left, from 0 to `most` (below 3:
/// NaN).
///
/// Of m = n - i + 1 samples left at step i of n: lambda = t (m - 1) / sqrt((m - 2 + t^2) m), where t of m - 2 degrees of
/// freedom is exceeded with probability alpha / (2 m) (Rosner 1983, Technometrics 25, 165). It depends on n and i by m
/// alone.
pub fn esd_critical_values(alpha: f64, most: usize) -> Vec<f64> {
    let critical = |m: usize| {
        if m < 3 {
            return f64::NAN;
        }
        let (samples, degrees) = (m as f64, (m - 2) as f64);
        // Both sides of t together.
        let t = student_t(alpha.clamp(LEAST_PROBABILITY, 1.0) / samples, m - 2);
        (samples - 1.0) / (samples * (1.0 + degrees / (t * t))).sqrt()
    };
    (0..=most).map(critical).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_one_and_two_degrees_have_a_closed_form() {
        for exponent in 1..=30 {
            let q = 0.5_f64.powi(exponent);
            let one = 1.0 / (0.5 * std::f64::consts::PI * q).tan();
            assert!((student_t(q, 1) / one - 1.0).abs() < 1e-13, "{q}: {} {one}", student_t(q, 1));
            // 1 - q = t / sqrt(2 + t^2)
            let two = (1.0 - q) * (2.0 / (q * (2.0 - q))).sqrt();
            assert!((student_t(q, 2) / two - 1.0).abs() < 1e-13, "{q}: {} {two}", student_t(q, 2));
        }
    }

    #[test]
    fn many_degrees_are_nearly_normal() {
        // Beyond 1.959964 of a normal distribution lies 5 %; the quantile of t is greater by (z^3 + z) / (4 nu).
        let (z, nu) = (1.959_963_984_540_054_f64, 1_000_000);
        assert!((student_t(0.05, nu) - z - (z.powi(3) + z) / 4e6).abs() < 1e-10);
    }
}
