//! One celestial coordinate system: pixel offsets, SIP, linear part, projection, rotation.

mod axes;
mod celestial;
mod distortion;
mod dss;
mod keys;
mod linear;
mod parse;
mod polynomial;
mod projection;
mod root;
mod sip;
mod sip_inverse;
mod tnx;
mod tpv;
mod write;

use self::celestial::Pole;
use self::distortion::Distortion;
use self::projection::Projection;
use crate::error::WcsError;
use crate::fk4;
use crate::frame::SkyFrame;
use crate::vector::{Mat3, Vec3, lonlat_deg, mul, mul_vec, transposed, unit_vector};

pub(crate) use self::keys::float as header_float;
pub use self::sip::SipCoefficients;

/// Directions this near to the native meridian of 180 deg (radians) lie on the seam of a map.
const SEAM: f64 = 1e-12;

/// A celestial world coordinate system. Immutable and cheap to clone.
///
/// Pixel coordinates are 0-based with pixel centres at integers.
#[derive(Debug, Clone, PartialEq)]
pub struct Wcs {
    crpix0_px: [f64; 2],
    /// Rows: longitude and latitude plane; columns: pixel axes.
    cd_deg: [[f64; 2]; 2],
    cd_rad: [[f64; 2]; 2],
    cd_inverse_rad: [[f64; 2]; 2],
    projection: Projection,
    distortion: Distortion,
    /// Plane position of the reference point (PVi_0), radians; (0, 0) but for rare headers.
    offset_rad: (f64, f64),
    pole: Pole,
    /// Centre of the image, where the header tells its size: decides on which side of a map its seam is shown.
    centre_px: Option<[f64; 2]>,
    names: [String; 2],
    frame: SkyFrame,
    native_to_frame: Mat3,
    native_to_icrs: Option<Mat3>,
    /// FK4 only: to be taken off directions of the frame before `frame_to_icrs`.
    e_terms: Option<Vec3>,
    frame_to_icrs: Option<Mat3>,
}

/// How directions of one native sphere are brought to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Link {
    /// `n_other = M n_self`.
    Rotation(Mat3),
    /// Through ICRS: one of the frames is FK4, whose E-terms are no rotation.
    ThroughIcrs,
}

/// Everything that defines a [`Wcs`].
struct Parts {
    crpix0_px: [f64; 2],
    cd_deg: [[f64; 2]; 2],
    projection: Projection,
    distortion: Distortion,
    /// Plane position of the reference point (PVi_0), radians; (0, 0) but for rare headers.
    offset_rad: (f64, f64),
    pole: Pole,
    centre_px: Option<[f64; 2]>,
    names: [String; 2],
    frame: SkyFrame,
}

impl Wcs {
    /// Reads the primary WCS of a header.
    ///
    /// All projections of FITS paper II, HPX and XPH are supported, and the distortions SIP, TPV (also SCAMP's form on TAN),
    /// TNX, ZPX and DSS plates; the linear part may be CD, PC + CDELT or CDELT + CROTA. Extra axes (spectral, Stokes ...) are ignored where they do not mix with the sky.
    ///
    /// # Errors
    /// A [`WcsError`] with a stable [`WcsError::code`] says why a header is refused.
    pub fn from_header(header: &zemosaic_fits::Header) -> Result<Self, WcsError> {
        parse::from_header(header)
    }

    /// A TAN system without distortion, LONPOLE 180 deg.
    ///
    /// `crval_deg` is the tangent point in `frame`, `crpix0_px` its 0-based pixel, `cd_deg` the matrix in degrees per
    /// pixel with rows (longitude, latitude).
    ///
    /// # Errors
    /// [`WcsError::Degenerate`] for a singular matrix, [`WcsError::Value`] for numbers that are no position.
    pub fn tan(
        crval_deg: [f64; 2],
        crpix0_px: [f64; 2],
        cd_deg: [[f64; 2]; 2],
        frame: SkyFrame,
    ) -> Result<Self, WcsError> {
        Self::projected("TAN", crval_deg, crpix0_px, cd_deg, frame)
    }

    /// As [`Wcs::tan`], with the SIP distortion `sip` (u, v are offsets from `crpix0_px`).
    ///
    /// # Errors
    /// As [`Wcs::tan`]; [`WcsError::Distortion`] for polynomials that are none.
    pub fn tan_sip(
        crval_deg: [f64; 2],
        crpix0_px: [f64; 2],
        cd_deg: [[f64; 2]; 2],
        frame: SkyFrame,
        sip: &SipCoefficients,
    ) -> Result<Self, WcsError> {
        let mut wcs = Self::tan(crval_deg, crpix0_px, cd_deg, frame)?;
        let sip = sip::Sip::of(sip).ok_or_else(|| WcsError::Distortion {
            reason: format!(
                "SIP of order {} without its coefficients, or with such as are no numbers",
                sip.order
            ),
        })?;
        wcs.distortion = Distortion::Sip(sip.into());
        Ok(wcs)
    }

    /// A system without distortion in the projection of a FITS code, with the standard's LONPOLE and LATPOLE and no
    /// parameters; arguments as for [`Wcs::tan`].
    ///
    /// # Errors
    /// As [`Wcs::tan`]; [`WcsError::Projection`] for an unknown code, or one that needs parameters.
    pub fn projected(
        code: &str,
        crval_deg: [f64; 2],
        crpix0_px: [f64; 2],
        cd_deg: [[f64; 2]; 2],
        frame: SkyFrame,
    ) -> Result<Self, WcsError> {
        let projection = projection::from_code(code, crval_deg[1], |_| Ok(None))?;
        let names = match &frame {
            SkyFrame::Galactic => ["GLON".to_string(), "GLAT".to_string()],
            SkyFrame::Ecliptic { .. } => ["ELON".to_string(), "ELAT".to_string()],
            SkyFrame::Icrs | SkyFrame::Fk5 { .. } | SkyFrame::Fk4 { .. } | SkyFrame::Fk4NoE { .. } => {
                ["RA".to_string(), "DEC".to_string()]
            }
            SkyFrame::Other(name) => {
                return Err(WcsError::Frame {
                    name: name.clone(),
                    reason: "only systems with a known way to ICRS can be made".into(),
                });
            }
        };
        let native_ref_deg = projection::native_ref_deg(&projection);
        let zenithal = native_ref_deg.1 == 90.0;
        let pole = Pole {
            native_ref_deg,
            crval_deg: (crval_deg[0], crval_deg[1]),
            lonpole_deg: if zenithal {
                180.0
            } else {
                Pole::default_lonpole_deg(native_ref_deg, crval_deg[1])
            },
            latpole_deg: if zenithal { crval_deg[1] } else { 90.0 },
        };
        Self::build(Parts {
            crpix0_px,
            cd_deg,
            projection,
            distortion: Distortion::None,
            offset_rad: (0.0, 0.0),
            pole,
            centre_px: None,
            names,
            frame,
        })
    }

    /// The same system with the centre of its image known (for the side of a seam).
    pub(crate) fn with_centre(mut self, centre_px: [f64; 2]) -> Self {
        self.centre_px = Some(centre_px);
        self
    }

    /// True for maps whose native poles and seam may lie inside a frame.
    pub(crate) fn has_seam(&self) -> bool {
        self.projection.has_seam()
    }

    fn build(parts: Parts) -> Result<Self, WcsError> {
        let (lon, lat) = parts.pole.crval_deg;
        if !(lon.is_finite() && lat.is_finite() && lat.abs() <= 90.0) {
            return Err(WcsError::Value { keyword: "CRVAL".into(), value: format!("{lon}, {lat}") });
        }
        let [x, y] = parts.crpix0_px;
        if !(x.is_finite() && y.is_finite()) {
            return Err(WcsError::Value { keyword: "CRPIX".into(), value: format!("{x}, {y}") });
        }
        if !parts.cd_deg.iter().flatten().all(|v| v.is_finite()) {
            return Err(WcsError::Value { keyword: "CD".into(), value: format!("{:?}", parts.cd_deg) });
        }
        linear::check(&parts.cd_deg)?;
        let cd_rad = parts.cd_deg.map(|row| row.map(f64::to_radians));
        let native_to_frame = parts.pole.native_to_celestial()?;
        let e_terms = parts.frame.e_terms();
        let frame_to_icrs = parts.frame.matrix_to_icrs();
        let native_to_icrs = parts.frame.to_icrs().map(|m| mul(&m, &native_to_frame));
        Ok(Self {
            crpix0_px: parts.crpix0_px,
            cd_deg: parts.cd_deg,
            cd_rad,
            cd_inverse_rad: linear::inverse(&cd_rad),
            projection: parts.projection,
            distortion: parts.distortion,
            offset_rad: parts.offset_rad,
            pole: parts.pole,
            centre_px: parts.centre_px,
            names: parts.names,
            frame: parts.frame,
            native_to_frame,
            native_to_icrs,
            e_terms,
            frame_to_icrs,
        })
    }

    /// Longitude in `[0, 360)` and latitude of a pixel position, in degrees in the header's own frame.
    /// `None` where the position is not on the sky.
    pub fn pixel_to_sky(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some(lonlat_deg(&mul_vec(&self.native_to_frame, &self.pixel_to_native(x, y)?)))
    }

    /// Pixel position of a longitude and latitude in degrees in the header's own frame.
    /// `None` where the projection does not show it.
    pub fn sky_to_pixel(&self, lon_deg: f64, lat_deg: f64) -> Option<(f64, f64)> {
        let v = unit_vector(lon_deg, lat_deg);
        self.native_to_pixel(&mul_vec(&transposed(&self.native_to_frame), &v))
    }

    /// ICRS unit vector of a pixel position; `None` off the sky or for [`SkyFrame::Other`].
    pub fn pixel_to_icrs(&self, x: f64, y: f64) -> Option<[f64; 3]> {
        self.native_to_icrs(&self.pixel_to_native(x, y)?)
    }

    /// Pixel position of an ICRS direction; `None` where the projection does not show it or for [`SkyFrame::Other`].
    pub fn icrs_to_pixel(&self, icrs: &[f64; 3]) -> Option<(f64, f64)> {
        self.native_to_pixel(&self.icrs_to_native(icrs)?)
    }

    fn native_to_icrs(&self, n: &Vec3) -> Option<Vec3> {
        if let Some(m) = &self.native_to_icrs {
            return Some(mul_vec(m, n));
        }
        let (e, m) = (self.e_terms.as_ref()?, self.frame_to_icrs.as_ref()?);
        Some(mul_vec(m, &fk4::without_e_terms(&mul_vec(&self.native_to_frame, n), e)))
    }

    fn icrs_to_native(&self, icrs: &Vec3) -> Option<Vec3> {
        if let Some(m) = &self.native_to_icrs {
            return Some(mul_vec(&transposed(m), icrs));
        }
        let (e, m) = (self.e_terms.as_ref()?, self.frame_to_icrs.as_ref()?);
        let v = fk4::with_e_terms(&mul_vec(&transposed(m), icrs), e);
        Some(mul_vec(&transposed(&self.native_to_frame), &v))
    }

    /// Native unit vector of a pixel position.
    #[inline]
    pub(crate) fn pixel_to_native(&self, x: f64, y: f64) -> Option<Vec3> {
        let (mut u, mut v) = (x - self.crpix0_px[0], y - self.crpix0_px[1]);
        if let Distortion::Sip(sip) = &self.distortion {
            (u, v) = sip.forward(u, v);
        }
        let m = &self.cd_rad;
        let (mut x, mut y) = (m[0][0] * u + m[0][1] * v, m[1][0] * u + m[1][1] * v);
        if let Distortion::Plane(plane) = &self.distortion {
            (x, y) = plane.forward(x, y);
        }
        self.projection.unproject(x + self.offset_rad.0, y + self.offset_rad.1)
    }

    /// Pixel position of a native unit vector.
    #[inline]
    pub(crate) fn native_to_pixel(&self, n: &Vec3) -> Option<(f64, f64)> {
        let (x, y) = self.projection.project(n)?;
        let position = self.plane_to_pixel(x, y);
        if n[1].abs() < -SEAM * n[0] && self.projection.has_seam() {
            return self.nearer_to_centre(position, self.plane_to_pixel(-x, y));
        }
        position
    }

    /// Of the two images of a point on the seam (native longitude 180 deg) the one nearer to the image.
    fn nearer_to_centre(&self, a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
        let Some([cx, cy]) = self.centre_px else { return a.or(b) };
        let distance = |p: &(f64, f64)| (p.0 - cx).hypot(p.1 - cy);
        match (a, b) {
            (Some(p), Some(q)) if distance(&q) < distance(&p) => b,
            _ => a.or(b),
        }
    }

    #[inline]
    fn plane_to_pixel(&self, mut x: f64, mut y: f64) -> Option<(f64, f64)> {
        (x, y) = (x - self.offset_rad.0, y - self.offset_rad.1);
        if let Distortion::Plane(plane) = &self.distortion {
            (x, y) = plane.inverse(x, y)?;
        }
        let m = &self.cd_inverse_rad;
        let (mut u, mut v) = (m[0][0] * x + m[0][1] * y, m[1][0] * x + m[1][1] * y);
        if let Distortion::Sip(sip) = &self.distortion {
            (u, v) = sip.inverse(u, v)?;
        }
        Some((u + self.crpix0_px[0], v + self.crpix0_px[1]))
    }

    /// The way from the native sphere of `self` to that of `other`.
    pub(crate) fn link_to(&self, other: &Self) -> Result<Link, WcsError> {
        if self.frame == other.frame {
            return Ok(Link::Rotation(mul(&transposed(&other.native_to_frame), &self.native_to_frame)));
        }
        if let (Some(a), Some(b)) = (&self.native_to_icrs, &other.native_to_icrs) {
            return Ok(Link::Rotation(mul(&transposed(b), a)));
        }
        if self.frame.has_icrs() && other.frame.has_icrs() {
            return Ok(Link::ThroughIcrs);
        }
        Err(WcsError::Frame {
            name: if self.frame.has_icrs() { &other.frame } else { &self.frame }.to_string(),
            reason: "it has no fixed rotation to ICRS here, so frames of other systems cannot be mapped"
                .into(),
        })
    }

    /// Pixel of `other` that shows the native direction `n` of `self`.
    #[inline]
    pub(crate) fn carry(&self, link: &Link, other: &Self, n: &Vec3) -> Option<(f64, f64)> {
        match link {
            Link::Rotation(m) => other.native_to_pixel(&mul_vec(m, n)),
            Link::ThroughIcrs => other.icrs_to_pixel(&self.native_to_icrs(n)?),
        }
    }

    /// For plain TAN: the matrix with n ~ M (x, y, 1), x and y in 0-based pixels.
    pub(crate) fn tan_matrix(&self) -> Mat3 {
        let m = &self.cd_rad;
        let [cx, cy] = self.crpix0_px;
        // Plane (X, Y) to native direction (-Y, X, 1).
        let x_row = [m[0][0], m[0][1], -(m[0][0] * cx + m[0][1] * cy)];
        let y_row = [m[1][0], m[1][1], -(m[1][0] * cx + m[1][1] * cy)];
        [[-y_row[0], -y_row[1], -y_row[2]], x_row, [0.0, 0.0, 1.0]]
    }

    /// For plain TAN: the matrix with (x w, y w, w) = M n, valid where w > 0.
    pub(crate) fn tan_inverse_matrix(&self) -> Mat3 {
        let m = &self.cd_inverse_rad;
        let [cx, cy] = self.crpix0_px;
        [[-m[0][1], m[0][0], cx], [-m[1][1], m[1][0], cy], [0.0, 0.0, 1.0]]
    }

    /// Pixel scale at the reference point in degrees: square root of the determinant of the CD matrix.
    pub fn scale_deg(&self) -> f64 {
        linear::determinant(&self.cd_deg).abs().sqrt()
    }

    /// Position angle of the +y axis at the reference point, degrees east of north of the own frame, in (-180, 180].
    pub fn position_angle_deg(&self) -> f64 {
        let up = self.cd_deg[0][1].atan2(self.cd_deg[1][1]);
        // The pole lies at native longitude LONPOLE, which is the plane direction (sin, -cos).
        let (s, c) = self.pole.lonpole_deg.to_radians().sin_cos();
        let angle = (up - s.atan2(-c)).to_degrees();
        if angle > 180.0 {
            angle - 360.0
        } else if angle <= -180.0 {
            angle + 360.0
        } else {
            angle
        }
    }

    /// Sign of the determinant of the CD matrix: -1.0 as seen on the sky (east to the left of north), +1.0 mirrored.
    pub fn parity(&self) -> f64 {
        linear::determinant(&self.cd_deg).signum()
    }

    /// The frame of the celestial coordinates.
    pub fn frame(&self) -> &SkyFrame {
        &self.frame
    }

    /// Three-letter code of the projection.
    pub fn projection_name(&self) -> &'static str {
        self.projection.name()
    }

    /// True when a distortion (SIP, TPV, TNX, ZPX) acts.
    pub fn has_distortion(&self) -> bool {
        self.distortion != Distortion::None
    }

    /// True for TAN without distortion (nor the E-terms of FK4): straight lines are great circles, and two such systems differ by a homography.
    pub fn is_plain_tan(&self) -> bool {
        self.projection == Projection::Tan
            && self.distortion == Distortion::None
            && self.offset_rad == (0.0, 0.0)
            && self.e_terms.is_none()
    }

    /// Celestial coordinates of the reference point in the own frame, degrees.
    pub fn crval_deg(&self) -> (f64, f64) {
        self.pole.crval_deg
    }

    /// The 0-based reference pixel.
    pub fn crpix0_px(&self) -> [f64; 2] {
        self.crpix0_px
    }

    /// The CD matrix in degrees per pixel, rows (longitude, latitude).
    pub fn cd_deg(&self) -> [[f64; 2]; 2] {
        self.cd_deg
    }

    /// The system of a cut-out whose pixel (0, 0) is this one's pixel (`dx_px`, `dy_px`).
    #[must_use]
    pub fn shifted(&self, dx_px: f64, dy_px: f64) -> Self {
        let mut wcs = self.clone();
        wcs.crpix0_px = [self.crpix0_px[0] - dx_px, self.crpix0_px[1] - dy_px];
        wcs.centre_px = self.centre_px.map(|[x, y]| [x - dx_px, y - dy_px]);
        wcs
    }

    /// The system of the image whose means over `factor` x `factor` pixels, from its pixel (0, 0) on, are the image of this
    /// one: x = factor x_binned + (factor - 1) / 2. Exact but for rounding, and without any where `factor` is a power of 2.
    ///
    /// `factor` counts as 1 where it is 0.
    #[must_use]
    pub fn unbinned(&self, factor: usize) -> Self {
        let factor = factor.max(1) as f64;
        let unbinned_px = |[x, y]: [f64; 2]| [x, y].map(|v| factor * v + 0.5 * (factor - 1.0));
        let mut wcs = self.clone();
        wcs.crpix0_px = unbinned_px(self.crpix0_px);
        wcs.centre_px = self.centre_px.map(unbinned_px);
        wcs.cd_deg = self.cd_deg.map(|row| row.map(|v| v / factor));
        wcs.cd_rad = self.cd_rad.map(|row| row.map(|v| v / factor));
        wcs.cd_inverse_rad = self.cd_inverse_rad.map(|row| row.map(|v| v * factor));
        if let Distortion::Sip(sip) = &self.distortion {
            wcs.distortion = Distortion::Sip(sip.unbinned(factor).into());
        }
        wcs
    }

    /// As [`Wcs::write_to`], with the inverse polynomials AP and BP of SIP for an image of `size_px` (columns, rows), fitted
    /// with an order one above that of A and B. Returns their largest error over the image in pixels; `None`, and no
    /// AP and BP, without SIP or where the distortion folds in or near the image.
    pub fn write_with_inverse(&self, header: &mut zemosaic_fits::Header, size_px: [usize; 2]) -> Option<f64> {
        self.write_to(header);
        let Distortion::Sip(sip) = &self.distortion else { return None };
        let low = self.crpix0_px.map(|c| -0.5 - c);
        let high = [0, 1].map(|axis| low[axis] + size_px[axis] as f64);
        let inverse = sip_inverse::fit(sip, low, high)?;
        sip::write_pair(header, ["AP", "BP"], [&inverse.ap, &inverse.bp]);
        Some(inverse.max_error_px)
    }

    /// Writes the system: WCSAXES, CTYPE, CUNIT, CRPIX, CRVAL, CD, LONPOLE, LATPOLE, RADESYS (EQUINOX for FK5), SIP
    /// and slant parameters where they act; older WCS cards of the first two axes are removed.
    pub fn write_to(&self, header: &mut zemosaic_fits::Header) {
        write::write_to(self, header);
    }
}
