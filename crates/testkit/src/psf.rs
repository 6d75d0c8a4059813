//! Star images: an elliptical Moffat profile of exponent 3, integrated over pixels.
//!
//! Surface brightness per unit flux (beta - 1)/(pi a b) (1 + q)^-beta with q = (u/a)² + (v/b)²; FWHM = 2 alpha
//! sqrt(2^(1/beta) - 1), alpha = sqrt(a b). Pixels are integrated by Gauss-Legendre points: 4 x 4 in the core (more
//! when the core is narrower than a pixel), 2 x 2 in the wings. The profile is followed until it holds 99.95 % of the
//! flux or until it falls below a given brightness, whichever is farther, and is not renormalised.

/// Exponent of the profile.
pub const BETA: i32 = 3;
/// Radius in units of alpha that holds 99.95 % of the flux: (1 + x²)^-2 = 5e-4.
const FLUX_RADIUS: f64 = 6.61;
const GAUSS_4: [(f64, f64); 4] = [
    (-0.861_136_311_594_052_6, 0.347_854_845_137_453_9),
    (-0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_9),
];
const GAUSS_2: [(f64, f64); 2] = [(-0.577_350_269_189_625_8, 1.0), (0.577_350_269_189_625_8, 1.0)];

/// Shape of a star image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moffat {
    alpha_px: f64,
    /// u²/a² + v²/b² written as xx dx² + 2 xy dx dy + yy dy².
    xx: f64,
    xy: f64,
    yy: f64,
    ellipticity: f64,
    angle_rad: f64,
}

impl Moffat {
    /// A profile with this mean FWHM; `angle_deg` is the direction of the major axis from +x towards +y.
    pub fn new(fwhm_px: f64, ellipticity: f64, angle_deg: f64) -> Self {
        let alpha_px = alpha_of_fwhm(fwhm_px);
        let stretch = (1.0 - ellipticity).sqrt();
        let (a, b) = (alpha_px / stretch, alpha_px * stretch);
        let angle_rad = angle_deg.to_radians();
        let (sin, cos) = angle_rad.sin_cos();
        let (ia, ib) = (1.0 / (a * a), 1.0 / (b * b));
        Self {
            alpha_px,
            xx: cos * cos * ia + sin * sin * ib,
            xy: sin * cos * (ia - ib),
            yy: sin * sin * ia + cos * cos * ib,
            ellipticity,
            angle_rad,
        }
    }

    /// The same shape with another size.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let f2 = 1.0 / (factor * factor);
        Self {
            alpha_px: self.alpha_px * factor,
            xx: self.xx * f2,
            xy: self.xy * f2,
            yy: self.yy * f2,
            ..*self
        }
    }

    /// Direction of the major axis, degrees from +x towards +y.
    pub fn angle_deg(&self) -> f64 {
        self.angle_rad.to_degrees()
    }

    fn density(&self, dx: f64, dy: f64) -> f64 {
        let q = 1.0 + self.xx * dx * dx + 2.0 * self.xy * dx * dy + self.yy * dy * dy;
        2.0 / (std::f64::consts::PI * self.alpha_px * self.alpha_px) / (q * q * q)
    }

    /// Radius to which a star of this flux is followed until its brightness per pixel is below `floor`.
    pub fn radius_px(&self, flux: f64, floor: f64) -> f64 {
        let peak = 2.0 * flux / (std::f64::consts::PI * self.alpha_px * self.alpha_px);
        let faint = (peak / floor).max(1.0).powf(1.0 / (2.0 * f64::from(BETA)));
        let long_axis = self.alpha_px / (1.0 - self.ellipticity).sqrt();
        long_axis * FLUX_RADIUS.max(faint)
    }

    /// Share of the flux that falls on the pixel whose centre is (`dx_px`, `dy_px`) from the star.
    pub fn pixel_share(&self, dx_px: f64, dy_px: f64) -> f64 {
        let near = dx_px.hypot(dy_px) < 3.0 * self.alpha_px + 1.0;
        if !near {
            return self.integrate(&GAUSS_2, dx_px, dy_px, 1.0);
        }
        let splits = (1.0 / self.alpha_px).ceil().clamp(1.0, 8.0) as usize;
        let side = 1.0 / splits as f64;
        let offset = |i: usize| (i as f64 + 0.5) * side - 0.5;
        let mut sum = 0.0;
        for j in 0..splits {
            for i in 0..splits {
                sum += self.integrate(&GAUSS_4, dx_px + offset(i), dy_px + offset(j), side);
            }
        }
        sum
    }

    fn integrate(&self, points: &[(f64, f64)], dx: f64, dy: f64, side: f64) -> f64 {
        let mut sum = 0.0;
        for (py, wy) in points {
            for (px, wx) in points {
                sum += wx * wy * self.density(dx + 0.5 * side * px, dy + 0.5 * side * py);
            }
        }
        sum * 0.25 * side * side
    }

    /// Adds a star at (`x_px`, `y_px`) to a row-major plane: `flux[colour(x, y)]` times the share of each pixel.
    pub fn add_star(
        &self,
        plane: &mut [f32],
        (width, height): (usize, usize),
        (x_px, y_px): (f64, f64),
        radius_px: f64,
        flux_of_pixel: impl Fn(usize, usize) -> f64,
    ) {
        let clip = |low: f64, high: f64, n: usize| {
            let first = low.ceil().max(0.0);
            let last = high.floor().min(n as f64 - 1.0);
            if first <= last { (first as usize, last as usize + 1) } else { (0, 0) }
        };
        let (x0, x1) = clip(x_px - radius_px, x_px + radius_px, width);
        let (y0, y1) = clip(y_px - radius_px, y_px + radius_px, height);
        for y in y0..y1 {
            let row = &mut plane[y * width..(y + 1) * width];
            for (x, pixel) in row.iter_mut().enumerate().take(x1).skip(x0) {
                let (dx, dy) = (x as f64 - x_px, y as f64 - y_px);
                if dx * dx + dy * dy <= radius_px * radius_px {
                    *pixel += (flux_of_pixel(x, y) * self.pixel_share(dx, dy)) as f32;
                }
            }
        }
    }
}

/// alpha of a Moffat profile of exponent 3.
pub fn alpha_of_fwhm(fwhm_px: f64) -> f64 {
    fwhm_px / (2.0 * (2_f64.powf(1.0 / f64::from(BETA)) - 1.0).sqrt())
}

/// Share of the flux of a round star within `radius_px`.
pub fn enclosed_share(fwhm_px: f64, radius_px: f64) -> f64 {
    let x = radius_px / alpha_of_fwhm(fwhm_px);
    1.0 - (1.0 + x * x).powi(1 - BETA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(fwhm: f64, ellipticity: f64, at: (f64, f64)) -> Vec<f32> {
        let psf = Moffat::new(fwhm, ellipticity, 25.0);
        let mut plane = vec![0.0; 101 * 101];
        psf.add_star(&mut plane, (101, 101), at, psf.radius_px(1000.0, 1e-3), |_, _| 1000.0);
        plane
    }

    #[test]
    fn flux_is_conserved_for_sharp_and_soft_stars_at_any_phase() {
        for fwhm in [0.6, 1.0, 1.5, 2.4, 4.0] {
            for ellipticity in [0.0, 0.3] {
                for at in [(50.0, 50.0), (50.5, 50.5), (49.7, 50.2), (50.13, 49.56)] {
                    let sum: f64 = render(fwhm, ellipticity, at).iter().map(|&v| f64::from(v)).sum();
                    assert!((sum / 1000.0 - 1.0).abs() < 1e-3, "{fwhm} {ellipticity} {at:?}: {sum}");
                }
            }
        }
    }

    #[test]
    fn profile_has_its_fwhm_and_enclosed_flux() {
        let psf = Moffat::new(8.0, 0.0, 0.0);
        assert!((psf.density(4.0, 0.0) / psf.density(0.0, 0.0) - 0.5).abs() < 1e-12);
        let inside: f64 = (-200..=200)
            .flat_map(|j| (-200..=200).map(move |i| (f64::from(i) / 20.0, f64::from(j) / 20.0)))
            .filter(|(x, y)| x * x + y * y <= 81.0)
            .map(|(x, y)| psf.density(x, y) / 400.0)
            .sum();
        assert!((inside - enclosed_share(8.0, 9.0)).abs() < 2e-3, "{inside}");
    }

    #[test]
    fn major_axis_points_where_it_should() {
        let psf = Moffat::new(6.0, 0.4, 90.0);
        assert!(psf.density(0.0, 3.0) > psf.density(3.0, 0.0));
        assert!((psf.scaled(2.0).density(0.0, 6.0) * 4.0 / psf.density(0.0, 3.0) - 1.0).abs() < 1e-12);
    }
}
