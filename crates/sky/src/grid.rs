//! The output grid: a WCS and a size.

use zemosaic_fits::Header;

use crate::error::GridError;
use crate::vector::lonlat_deg;
use crate::wcs::{Wcs, header_float};

/// An output grid: coordinate system, width and height in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Coordinate system of the grid.
    pub wcs: Wcs,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Grid {
    /// The grid that a header describes (an image, a compressed image or a bare text header with NAXIS1 and NAXIS2).
    ///
    /// # Errors
    /// [`GridError::NoSize`] without a size, or the error of the WCS.
    pub fn from_header(header: &Header) -> Result<Self, GridError> {
        let size = |axis: usize| -> Result<usize, GridError> {
            let value = match header_float(header, &format!("ZNAXIS{axis}"))? {
                Some(v) => Some(v),
                None => header_float(header, &format!("NAXIS{axis}"))?,
            };
            match value {
                Some(v) if (1.0..=2_147_483_647.0).contains(&v) && v.fract() == 0.0 => Ok(v as usize),
                _ => Err(GridError::NoSize),
            }
        };
        Ok(Self { wcs: Wcs::from_header(header)?, width: size(1)?, height: size(2)? })
    }

    /// Right ascension and declination (ICRS, degrees) of the middle, whatever frame the grid itself is in;
    /// `None` off the sky.
    pub fn centre_deg(&self) -> Option<(f64, f64)> {
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        self.wcs.pixel_to_icrs(middle(self.width), middle(self.height)).map(|v| lonlat_deg(&v))
    }
}
