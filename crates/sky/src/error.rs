//! Errors of this crate. Every WCS refusal carries a stable code that a user can look up.

/// Why a header gives no usable celestial coordinate system.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WcsError {
    /// No CTYPE cards at all.
    #[error(
        "the header has no WCS (no CTYPE cards): solve the frame first, or give its WCS in a side-car file"
    )]
    None,
    /// There are CTYPE cards, but no matching pair of celestial axes.
    #[error("the WCS axes ({found}) hold no pair of celestial axes, as RA---TAN and DEC--TAN would")]
    NotCelestial {
        /// The CTYPE values found.
        found: String,
    },
    /// The projection is not supported.
    #[error("projection {name} is not supported: {reason}")]
    Projection {
        /// Three-letter code of the projection.
        name: String,
        /// What exactly is missing.
        reason: String,
    },
    /// A distortion that is not supported, or inconsistent distortion cards.
    #[error("the distortion cannot be used: {reason}")]
    Distortion {
        /// What exactly is missing or wrong.
        reason: String,
    },
    /// The linear part is singular or of an impossible scale.
    #[error(
        "the WCS is degenerate: pixel scale {scale_arcsec:.3e} arcsec, axis ratio {axis_ratio:.3e}; solve the frame again"
    )]
    Degenerate {
        /// Square root of the determinant of the CD matrix, in arcsec.
        scale_arcsec: f64,
        /// Ratio of the singular values of the CD matrix.
        axis_ratio: f64,
    },
    /// The unit of a celestial axis is not an angle.
    #[error("{keyword} = '{unit}' is not an angle (deg, arcmin, arcsec or rad)")]
    Units {
        /// The keyword with the unit.
        keyword: String,
        /// Its value.
        unit: String,
    },
    /// The reference system is not supported.
    #[error("the reference system {name} is not supported: {reason}")]
    Frame {
        /// Name of the system.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The celestial axes depend on more than the first two pixel axes.
    #[error("the celestial axes depend on pixel axis {axis}: only the first two may carry the sky")]
    Axes {
        /// Pixel axis, from 1.
        axis: usize,
    },
    /// A keyword is missing.
    #[error("the WCS is incomplete: {keyword} is missing")]
    Incomplete {
        /// The keyword (or alternatives).
        keyword: String,
    },
    /// A keyword has an impossible value.
    #[error("{keyword} has an impossible value ({value})")]
    Value {
        /// The keyword.
        keyword: String,
        /// Its value.
        value: String,
    },
    /// The frame's outline cannot be placed on the sky.
    #[error("the outline of the frame cannot be placed on the sky: {reason}")]
    Footprint {
        /// Why not.
        reason: String,
    },
}

impl WcsError {
    /// The stable code of this error (`E-WCS-...`), as used in reports and by `zemosaic explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "E-WCS-NONE",
            Self::NotCelestial { .. } => "E-WCS-NOTCELESTIAL",
            Self::Projection { .. } => "E-WCS-PROJECTION",
            Self::Distortion { .. } => "E-WCS-DISTORTION",
            Self::Degenerate { .. } => "E-WCS-DEGENERATE",
            Self::Units { .. } => "E-WCS-UNITS",
            Self::Frame { .. } => "E-WCS-FRAME",
            Self::Axes { .. } => "E-WCS-AXES",
            Self::Incomplete { .. } => "E-WCS-INCOMPLETE",
            Self::Value { .. } => "E-WCS-VALUE",
            Self::Footprint { .. } => "E-WCS-FOOTPRINT",
        }
    }
}

/// Why no output grid can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// No frames were given.
    #[error("there is no frame to make a grid for")]
    NoFrames,
    /// A header has no image size.
    #[error("the grid header has no image size (NAXIS1 and NAXIS2)")]
    NoSize,
    /// The frames do not fit on one tangent plane.
    #[error(
        "the frames reach {distance_deg:.1} deg from the tangent point (limit {limit_deg:.0} deg): mosaic one group at a time, or drop the outliers"
    )]
    TooWide {
        /// Largest distance of a frame corner from the tangent point.
        distance_deg: f64,
        /// Largest distance that a tangent plane takes here.
        limit_deg: f64,
    },
    /// The grid would have too many pixels.
    #[error(
        "the grid would be {width} x {height} px: set a coarser --scale, or check the frames for outliers"
    )]
    TooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// An option has an impossible value.
    #[error("the grid option {name} has an impossible value ({value})")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A coordinate system cannot be used.
    #[error(transparent)]
    Wcs(#[from] WcsError),
}

impl GridError {
    /// The stable code of this error (`E-GRID-...`, or that of the WCS error inside).
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFrames => "E-GRID-EMPTY",
            Self::NoSize => "E-GRID-NOSIZE",
            Self::TooWide { .. } => "E-GRID-TOOWIDE",
            Self::TooLarge { .. } => "E-GRID-TOOLARGE",
            Self::Option { .. } => "E-GRID-OPTION",
            Self::Wcs(e) => e.code(),
        }
    }
}
