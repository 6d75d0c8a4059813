//! Tangent (gnomonic) projection of a plain TAN header with a CD matrix, both ways, in degrees.
//!
//! Formulas: Calabretta and Greisen 2002 (FITS Paper II) §5.1.3 for LONPOLE 180, written with `atan2` so that no
//! precision is lost near the poles. Pixels are 0-based here: FITS CRPIX is `crpix_px` + 1. Checked against astropy
//! (`goldens/make_tan_golden.py`); nothing of `zemosaic-sky` is used.

use crate::error::TestkitError;
use serde::{Deserialize, Serialize};
use zemosaic_fits::Header;

/// Handedness of an image on the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// East is left when north is up and the first row is at the bottom (negative determinant of CD).
    Sky,
    /// East is right when north is up and the first row is at the bottom: raw Seestar frames (positive determinant).
    Mirrored,
}

/// A frame on the sky: tangent projection and size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TanFrame {
    /// ICRS right ascension and declination of the tangent point, degrees.
    pub crval_deg: [f64; 2],
    /// Pixel of the tangent point, 0-based (centre of the first pixel is 0, 0).
    pub crpix_px: [f64; 2],
    /// Matrix from pixels to tangent-plane degrees (east, north): `cd_deg[i][j]` is FITS CD(i+1)_(j+1).
    pub cd_deg: [[f64; 2]; 2],
    /// Width in pixels.
    pub width_px: usize,
    /// Height in pixels.
    pub height_px: usize,
}

impl TanFrame {
    /// A frame whose middle looks at (`ra_deg`, `dec_deg`), with +y at `position_angle_deg` east of north.
    pub fn pointed_at(
        (ra_deg, dec_deg): (f64, f64),
        scale_arcsec: f64,
        position_angle_deg: f64,
        parity: Parity,
        (width_px, height_px): (usize, usize),
    ) -> Self {
        let s = scale_arcsec / 3600.0;
        let (sin, cos) = position_angle_deg.to_radians().sin_cos();
        let x_sign = match parity {
            Parity::Sky => -1.0,
            Parity::Mirrored => 1.0,
        };
        Self {
            crval_deg: [ra_deg.rem_euclid(360.0), dec_deg],
            crpix_px: [(width_px as f64 - 1.0) / 2.0, (height_px as f64 - 1.0) / 2.0],
            cd_deg: [[x_sign * s * cos, s * sin], [-x_sign * s * sin, s * cos]],
            width_px,
            height_px,
        }
    }

    /// Reads a TAN header with CD, or PC and CDELT, cards and NAXIS1/NAXIS2.
    ///
    /// # Errors
    /// [`TestkitError::Header`] for any other projection and for missing or singular terms.
    pub fn from_header(header: &Header) -> Result<Self, TestkitError> {
        let number =
            |key: &str| header.get_f64(key).ok_or_else(|| TestkitError::Header(format!("{key} is missing")));
        for (key, wanted) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
            if header.get_str(key).as_deref().map(str::trim) != Some(wanted) {
                return Err(TestkitError::Header(format!("{key} is not {wanted}")));
            }
        }
        // Without the card LONPOLE is 180, except 0 where the tangent point is the pole itself (Paper II §2.4).
        let lonpole_default = if number("CRVAL2")? >= 90.0 { 0.0 } else { 180.0 };
        if header.get_f64("LONPOLE").unwrap_or(lonpole_default) != 180.0 {
            return Err(TestkitError::Header("LONPOLE is not 180".to_owned()));
        }
        let cd_deg = if header.contains("CD1_1") {
            let cd = |key: &str| header.get_f64(key).unwrap_or(0.0);
            [[cd("CD1_1"), cd("CD1_2")], [cd("CD2_1"), cd("CD2_2")]]
        } else {
            let pc = |key: &str, default: f64| header.get_f64(key).unwrap_or(default);
            let (dx, dy) = (number("CDELT1")?, number("CDELT2")?);
            [[dx * pc("PC1_1", 1.0), dx * pc("PC1_2", 0.0)], [dy * pc("PC2_1", 0.0), dy * pc("PC2_2", 1.0)]]
        };
        let size = |key: &str| {
            let n = header.get_i64(key).and_then(|n| usize::try_from(n).ok());
            n.ok_or_else(|| TestkitError::Header(format!("{key} is missing")))
        };
        let frame = Self {
            crval_deg: [number("CRVAL1")?, number("CRVAL2")?],
            crpix_px: [number("CRPIX1")? - 1.0, number("CRPIX2")? - 1.0],
            cd_deg,
            width_px: size("NAXIS1")?,
            height_px: size("NAXIS2")?,
        };
        if frame.determinant() == 0.0 || !frame.determinant().is_finite() {
            return Err(TestkitError::Header("the CD matrix is singular".to_owned()));
        }
        Ok(frame)
    }

    fn determinant(&self) -> f64 {
        self.cd_deg[0][0] * self.cd_deg[1][1] - self.cd_deg[0][1] * self.cd_deg[1][0]
    }

    /// Side of a pixel at the tangent point, arc seconds.
    pub fn scale_arcsec(&self) -> f64 {
        self.determinant().abs().sqrt() * 3600.0
    }

    /// ICRS right ascension (0..360) and declination of a pixel, degrees.
    pub fn pixel_to_sky(&self, x_px: f64, y_px: f64) -> (f64, f64) {
        let (dx, dy) = (x_px - self.crpix_px[0], y_px - self.crpix_px[1]);
        let xi = (self.cd_deg[0][0] * dx + self.cd_deg[0][1] * dy).to_radians();
        let eta = (self.cd_deg[1][0] * dx + self.cd_deg[1][1] * dy).to_radians();
        let (sin0, cos0) = self.crval_deg[1].to_radians().sin_cos();
        let toward = cos0 - eta * sin0;
        let ra_deg = self.crval_deg[0] + xi.atan2(toward).to_degrees();
        let dec_deg = (sin0 + eta * cos0).atan2(xi.hypot(toward)).to_degrees();
        (ra_deg.rem_euclid(360.0), dec_deg)
    }

    /// 0-based pixel of a sky position; `None` for the far hemisphere. The pixel may lie outside the frame.
    pub fn sky_to_pixel(&self, ra_deg: f64, dec_deg: f64) -> Option<(f64, f64)> {
        let (sin0, cos0) = self.crval_deg[1].to_radians().sin_cos();
        let (sin_d, cos_d) = dec_deg.to_radians().sin_cos();
        let (sin_a, cos_a) = (ra_deg - self.crval_deg[0]).to_radians().sin_cos();
        let depth = sin_d * sin0 + cos_d * cos0 * cos_a;
        if depth <= 0.0 {
            return None;
        }
        let xi = (cos_d * sin_a / depth).to_degrees();
        let eta = ((sin_d * cos0 - cos_d * sin0 * cos_a) / depth).to_degrees();
        let det = self.determinant();
        let dx = (self.cd_deg[1][1] * xi - self.cd_deg[0][1] * eta) / det;
        let dy = (self.cd_deg[0][0] * eta - self.cd_deg[1][0] * xi) / det;
        Some((self.crpix_px[0] + dx, self.crpix_px[1] + dy))
    }

    /// Does the frame, grown by `margin_px` on every side, hold this pixel?
    pub fn holds(&self, (x_px, y_px): (f64, f64), margin_px: f64) -> bool {
        let low = -0.5 - margin_px;
        x_px >= low
            && y_px >= low
            && x_px < self.width_px as f64 - 0.5 + margin_px
            && y_px < self.height_px as f64 - 0.5 + margin_px
    }

    /// Sky positions of the four outer corners, degrees.
    pub fn corners_deg(&self) -> [(f64, f64); 4] {
        let (right, top) = (self.width_px as f64 - 0.5, self.height_px as f64 - 0.5);
        [(-0.5, -0.5), (right, -0.5), (right, top), (-0.5, top)].map(|(x, y)| self.pixel_to_sky(x, y))
    }

    /// Writes the WCS cards (TAN, CD, ICRS) into a header.
    pub fn write_to(&self, header: &mut Header) {
        header.set_i64("WCSAXES", 2, "number of coordinate axes");
        header.set_str("CTYPE1", "RA---TAN", "right ascension, tangent projection");
        header.set_str("CTYPE2", "DEC--TAN", "declination, tangent projection");
        header.set_str("CUNIT1", "deg", "");
        header.set_str("CUNIT2", "deg", "");
        header.set_f64("CRPIX1", self.crpix_px[0] + 1.0, "[pix] tangent point, first pixel is 1");
        header.set_f64("CRPIX2", self.crpix_px[1] + 1.0, "[pix] tangent point, first pixel is 1");
        header.set_f64("CRVAL1", self.crval_deg[0], "[deg] tangent point");
        header.set_f64("CRVAL2", self.crval_deg[1], "[deg] tangent point");
        header.set_f64("CD1_1", self.cd_deg[0][0], "[deg/pix]");
        header.set_f64("CD1_2", self.cd_deg[0][1], "[deg/pix]");
        header.set_f64("CD2_1", self.cd_deg[1][0], "[deg/pix]");
        header.set_f64("CD2_2", self.cd_deg[1][1], "[deg/pix]");
        header.set_f64("LONPOLE", 180.0, "[deg]");
        header.set_str("RADESYS", "ICRS", "");
    }
}

/// Unit vector of a sky position.
pub fn unit_vector(ra_deg: f64, dec_deg: f64) -> [f64; 3] {
    let (sin_a, cos_a) = ra_deg.to_radians().sin_cos();
    let (sin_d, cos_d) = dec_deg.to_radians().sin_cos();
    [cos_d * cos_a, cos_d * sin_a, sin_d]
}

/// Angle between two sky positions, degrees.
pub fn separation_deg(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (u, v) = (unit_vector(a.0, a.1), unit_vector(b.0, b.1));
    let chord = ((u[0] - v[0]).powi(2) + (u[1] - v[1]).powi(2) + (u[2] - v[2]).powi(2)).sqrt();
    2.0 * (chord / 2.0).min(1.0).asin().to_degrees()
}
