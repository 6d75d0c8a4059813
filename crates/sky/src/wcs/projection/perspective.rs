//! Perspective zenithal projections: AZP and SZP.

use super::sphere::EDGE;
use crate::vector::Vec3;

/// Zenithal perspective with tilt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Azp {
    pub mu: f64,
    pub gamma: f64,
}

impl Azp {
    /// `None` where the projection degenerates.
    pub(super) fn new(mu: f64, gamma: f64) -> Option<Self> {
        (mu != -1.0 && gamma.cos().abs() > 1e-10).then_some(Self { mu, gamma })
    }

    /// True on the side of the sphere that the projection shows.
    fn shows(&self, sin_theta: f64) -> bool {
        self.mu.abs() <= 1.0 || sin_theta >= -1.0 / self.mu - EDGE
    }

    pub(super) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        let scale = self.mu + 1.0;
        let depth = (self.mu + n[2] + n[0] * self.gamma.tan()) / scale;
        (depth > 0.0 && self.shows(n[2])).then(|| (n[1] / depth, -n[0] / (depth * self.gamma.cos())))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let (s, c) = self.gamma.sin_cos();
        let (yc, den) = (y * c, self.mu + 1.0 + y * s);
        // cos(theta) / (mu + sin(theta)) = rho / den gives a quadratic in sin(theta).
        let rho2 = x * x + yc * yc;
        let (den2, mu) = (den * den, self.mu);
        let root = (den2 * (den2 + rho2 * (1.0 - mu * mu))).max(-EDGE * den2 * den2);
        if root.is_nan() || root < 0.0 || den == 0.0 {
            return None;
        }
        let root = root.sqrt();
        [root, -root].into_iter().find_map(|root| {
            let z = (-rho2 * mu + root) / (den2 + rho2);
            let k = (mu + z) / den;
            (k >= 0.0 && z.abs() <= 1.0 && self.shows(z)).then_some([-yc * k, x * k, z])
        })
    }
}

/// Slant zenithal perspective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Szp {
    pub mu: f64,
    pub phi_c: f64,
    pub theta_c: f64,
    /// The point of projection.
    p: Vec3,
}

impl Szp {
    /// `None` where the projection degenerates.
    pub(super) fn new(mu: f64, phi_c: f64, theta_c: f64) -> Option<Self> {
        let ((sp, cp), (st, ct)) = (phi_c.sin_cos(), theta_c.sin_cos());
        let p = [-mu * ct * sp, mu * ct * cp, mu * st + 1.0];
        (p[2].abs() > 1e-12).then_some(Self { mu, phi_c, theta_c, p })
    }

    /// Coefficients (a, b, c) of a w^2 - 2 b w + c = 0 for w = 1 - sin(theta) on the ray through (x, y).
    fn quadratic(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let (u, v) = self.slopes(x, y);
        (u * u + v * v + 1.0, x * u + y * v + 1.0, x * x + y * y)
    }

    fn slopes(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.p[0]) / self.p[2], (y - self.p[1]) / self.p[2])
    }

    pub(super) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        let w = 1.0 - n[2];
        let depth = (self.p[2] - w) / self.p[2];
        if depth <= 0.0 {
            return None;
        }
        let x = (n[1] - self.p[0] / self.p[2] * w) / depth;
        let y = -(n[0] + self.p[1] / self.p[2] * w) / depth;
        // Of the two points on the ray, the one nearer to the plane is shown.
        let (a, b, _) = self.quadratic(x, y);
        (w <= b / a + EDGE).then_some((x, y))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let (a, b, c) = self.quadratic(x, y);
        let discriminant = b * b - a * c;
        if !(discriminant >= -EDGE * b * b && b > 0.0) {
            return None;
        }
        let w = c / (b + discriminant.max(0.0).sqrt());
        let (u, v) = self.slopes(x, y);
        ((self.p[2] - w) / self.p[2] > 0.0 && w <= 2.0 + EDGE).then_some([w * v - y, x - w * u, 1.0 - w])
    }
}
