//! Native to celestial rotation of FITS paper II (Calabretta & Greisen 2002, section 2.4).

use crate::error::WcsError;
use crate::vector::Mat3;

/// The parameters that fix the rotation, all in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_field_names, reason = "the postfix is the unit")]
pub(crate) struct Pole {
    /// Native coordinates (phi0, theta0) of the reference point; (0, 90) for zenithal projections.
    pub native_ref_deg: (f64, f64),
    /// Celestial coordinates of the reference point (CRVAL).
    pub crval_deg: (f64, f64),
    /// Native longitude of the celestial pole (LONPOLE).
    pub lonpole_deg: f64,
    /// LATPOLE: chooses between two solutions where there are two.
    pub latpole_deg: f64,
}

impl Pole {
    /// LONPOLE where the header has none: 180 deg south of theta0, else 0, counted from phi0.
    pub(crate) fn default_lonpole_deg(native_ref_deg: (f64, f64), crval_lat_deg: f64) -> f64 {
        native_ref_deg.0 + if crval_lat_deg < native_ref_deg.1 { 180.0 } else { 0.0 }
    }

    /// Celestial coordinates (alpha_p, delta_p) of the native pole, in degrees (paper II, equations 8 to 10).
    fn native_pole_deg(&self) -> Result<(f64, f64), WcsError> {
        let (phi0, theta0) = self.native_ref_deg;
        let (alpha0, delta0) = self.crval_deg;
        if theta0 == 90.0 {
            return Ok((alpha0, delta0));
        }
        let dphi = (self.lonpole_deg - phi0).to_radians();
        let (sin_t, cos_t) = theta0.to_radians().sin_cos();
        let (sin_d, cos_d) = delta0.to_radians().sin_cos();
        let radicand = 1.0 - (cos_t * dphi.sin()).powi(2);
        let delta_p = if radicand <= 1e-20 {
            // theta0 = 0 and a quarter turn away: any pole latitude fits, LATPOLE decides.
            self.latpole_deg
        } else {
            let centre = sin_t.atan2(cos_t * dphi.cos()).to_degrees();
            let ratio = sin_d / radicand.sqrt();
            if ratio.abs() > 1.0 + 1e-12 {
                return Err(WcsError::Value {
                    keyword: "LONPOLE".into(),
                    value: format!("{} deg leaves no place for the native pole", self.lonpole_deg),
                });
            }
            nearest_latitude(centre, ratio.clamp(-1.0, 1.0).acos().to_degrees(), self.latpole_deg)
                .ok_or_else(|| WcsError::Value {
                    keyword: "LATPOLE".into(),
                    value: format!("{}", self.latpole_deg),
                })?
        };
        let alpha_p = if cos_d.abs() < 1e-12 {
            alpha0
        } else if delta_p >= 90.0 - 1e-12 {
            alpha0 + self.lonpole_deg - phi0 - 180.0
        } else if delta_p <= -90.0 + 1e-12 {
            alpha0 - self.lonpole_deg + phi0
        } else {
            let (sin_p, cos_p) = delta_p.to_radians().sin_cos();
            let y = dphi.sin() * cos_t / cos_d;
            let x = (sin_t - sin_p * sin_d) / (cos_p * cos_d);
            alpha0 - y.atan2(x).to_degrees()
        };
        Ok((alpha_p, delta_p))
    }

    /// Matrix M with v_celestial = M n_native.
    pub(crate) fn native_to_celestial(&self) -> Result<Mat3, WcsError> {
        let (alpha_p, delta_p) = self.native_pole_deg()?;
        let (sa, ca) = alpha_p.to_radians().sin_cos();
        let (sd, cd) = delta_p.to_radians().sin_cos();
        // With the two poles on each other the rotation must keep the longitude even of the pole itself.
        let (sd, cd) = if cd.abs() < 1e-15 { (sd.signum(), 0.0) } else { (sd, cd) };
        let (sp, cp) = self.lonpole_deg.to_radians().sin_cos();
        // Columns: images of the native axes. First turn by -phi_p about the native pole, then tilt, then turn by alpha_p.
        let tilt = |a0: f64, a1: f64, a2: f64| {
            let x = cd * a2 - sd * a0;
            let y = -a1;
            [ca * x - sa * y, sa * x + ca * y, cd * a0 + sd * a2]
        };
        let (e0, e1, e2) = (tilt(cp, -sp, 0.0), tilt(sp, cp, 0.0), tilt(0.0, 0.0, 1.0));
        Ok([[e0[0], e1[0], e2[0]], [e0[1], e1[1], e2[1]], [e0[2], e1[2], e2[2]]])
    }
}

/// Of `centre + spread` and `centre - spread` (folded to one turn) the one in [-90, 90] that is nearer to `wanted`.
fn nearest_latitude(centre: f64, spread: f64, wanted: f64) -> Option<f64> {
    let fold = |v: f64| {
        if v > 180.0 {
            v - 360.0
        } else if v < -180.0 {
            v + 360.0
        } else {
            v
        }
    };
    let candidates = [fold(centre + spread), fold(centre - spread)];
    let mut best: Option<f64> = None;
    for c in candidates {
        if c.abs() > 90.0 + 1e-9 {
            continue;
        }
        let c = c.clamp(-90.0, 90.0);
        if best.is_none_or(|b| (wanted - c).abs() < (wanted - b).abs()) {
            best = Some(c);
        }
    }
    best
}
