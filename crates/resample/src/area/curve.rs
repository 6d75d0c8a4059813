//! A smooth function from a table of its Taylor polynomials, so that it is fast and depends on the machine's
//! mathematics library only through the table.

/// A function on 0 .. end; 0 beyond.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    per_unit: f64,
    end: f64,
    /// Polynomials of degree 4 about the middles of the steps.
    steps: Vec<[f64; 5]>,
}

impl Curve {
    /// `taylor(t)` are the function and its derivatives over their factorials.
    fn new(end: f64, per_unit: u32, taylor: impl Fn(f64) -> [f64; 5]) -> Self {
        let per_unit = f64::from(per_unit);
        let count = (end * per_unit).ceil() as usize + 1;
        let steps = (0..count).map(|i| taylor((i as f64 + 0.5) / per_unit)).collect();
        Self { per_unit, end, steps }
    }

    /// exp(-t), 0 from t = 100 on.
    pub(super) fn exponential() -> Self {
        Self::new(100.0, 32, |t| {
            let e = (-t).exp();
            [e, -e, e / 2.0, -e / 6.0, e / 24.0]
        })
    }

    /// (1 + cos(pi t)) / 2 up to t = 1.
    pub(super) fn hann() -> Self {
        use std::f64::consts::PI;
        Self::new(1.0, 256, |t| {
            let (s, c) = (PI * t).sin_cos();
            [
                0.5 + 0.5 * c,
                -0.5 * PI * s,
                -PI.powi(2) * c / 4.0,
                PI.powi(3) * s / 12.0,
                PI.powi(4) * c / 48.0,
            ]
        })
    }

    /// Value at `t`, which is not negative.
    #[inline(always)]
    pub(super) fn at(&self, t: f64) -> f64 {
        if t.is_nan() || t >= self.end {
            return 0.0;
        }
        let at = t * self.per_unit;
        let step = at as usize;
        let d = (at - step as f64 - 0.5) / self.per_unit;
        let p = &self.steps[step];
        p[0] + d * (p[1] + d * (p[2] + d * (p[3] + d * p[4])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_their_functions() {
        let (exponential, hann) = (Curve::exponential(), Curve::hann());
        for i in 0..40_000 {
            let t = f64::from(i) * 2.4e-3;
            assert!((exponential.at(t) / (-t).exp() - 1.0).abs() < 1e-10, "exp {t}");
            let t = f64::from(i) * 2.4e-5;
            assert!((hann.at(t) - 0.5 - 0.5 * (std::f64::consts::PI * t).cos()).abs() < 1e-12, "hann {t}");
        }
        assert_eq!((exponential.at(100.0), hann.at(1.0), hann.at(f64::NAN)), (0.0, 0.0, 0.0));
    }
}
