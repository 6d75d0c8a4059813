//! Shape and storage of an image HDU, taken from its header (FITS Standard 4.0 §4.4.1 and §4.4.2.5).

use crate::error::FitsError;
use crate::header::Header;
use std::path::Path;

/// Where an HDU stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HduRole {
    /// The first HDU.
    Primary,
    /// Any later HDU.
    Extension,
}

/// Stored sample type (BITPIX 8, 16, 32, 64, -32, -64).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleType {
    /// Unsigned byte.
    U8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
}

impl SampleType {
    /// The type for a BITPIX value.
    pub fn from_bitpix(bitpix: i64) -> Option<Self> {
        Some(match bitpix {
            8 => Self::U8,
            16 => Self::I16,
            32 => Self::I32,
            64 => Self::I64,
            -32 => Self::F32,
            -64 => Self::F64,
            _ => return None,
        })
    }

    /// BITPIX.
    pub fn bitpix(self) -> i64 {
        match self {
            Self::U8 => 8,
            Self::I16 => 16,
            Self::I32 => 32,
            Self::I64 => 64,
            Self::F32 => -32,
            Self::F64 => -64,
        }
    }

    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether samples are IEEE floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// An image HDU's storage: physical value = `bzero + bscale * stored`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageLayout {
    /// Index of the HDU in its file, primary = 0; used in messages.
    pub hdu: usize,
    /// Stored sample type.
    pub sample: SampleType,
    /// Axis lengths, NAXIS1 first; never empty, no zero.
    pub dims: Vec<usize>,
    /// BSCALE, default 1.
    pub bscale: f64,
    /// BZERO, default 0.
    pub bzero: f64,
    /// BLANK, the stored integer that means "no data"; `None` for float samples.
    pub blank: Option<i64>,
    /// Offset of the first sample in the file, bytes.
    pub data_offset: u64,
    /// Samples of one pixel that lie together: 1, or 3 when the colours vary fastest ([`ImageLayout::as_planes`]).
    pub interleave: usize,
}

impl ImageLayout {
    /// The layout that an image header announces; `dims` are the axes already read from it.
    pub(crate) fn from_header(
        hdu: usize,
        header: &Header,
        dims: Vec<usize>,
        data_offset: u64,
        path: &Path,
    ) -> Result<Self, FitsError> {
        let sample = sample_type(header, path)?;
        let blank = if sample.is_float() { None } else { header.get_i64("BLANK") };
        Ok(Self {
            hdu,
            sample,
            dims,
            bscale: header.get_f64("BSCALE").unwrap_or(1.0),
            bzero: header.get_f64("BZERO").unwrap_or(0.0),
            blank,
            data_offset,
            interleave: 1,
        })
    }

    /// An image whose colours vary fastest (NAXIS1 = 3, and no planar RGB) as three planes of the other two axes;
    /// [`crate::read_window`] picks the samples of a plane. Other images stay as they are.
    #[must_use]
    pub fn as_planes(self) -> Self {
        match self.dims[..] {
            [3, width, height] if height != 3 => Self { dims: vec![width, height, 3], interleave: 3, ..self },
            _ => self,
        }
    }

    /// Length of the first axis, pixels.
    pub fn width(&self) -> usize {
        self.dims.first().copied().unwrap_or(0)
    }

    /// NAXIS2, pixels; 1 for a one-dimensional image.
    pub fn height(&self) -> usize {
        self.dims.get(1).copied().unwrap_or(1)
    }

    /// Product of the axes beyond the second.
    pub fn planes(&self) -> usize {
        self.dims.iter().skip(2).product()
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> u64 {
        self.width() as u64 * self.sample.bytes() as u64
    }

    /// Bytes of one plane.
    pub fn plane_bytes(&self) -> u64 {
        self.row_bytes() * self.height() as u64
    }

    /// Bytes of all planes, without padding.
    pub fn data_bytes(&self) -> u64 {
        self.plane_bytes() * self.planes() as u64
    }

    /// Whether samples are unsigned 16-bit integers by the BZERO convention (BITPIX 16, BZERO 32768, BSCALE 1).
    pub fn is_unsigned16(&self) -> bool {
        self.sample == SampleType::I16 && self.bscale == 1.0 && self.bzero == 32768.0
    }
}

/// BITPIX of a header as a sample type.
pub(crate) fn sample_type(header: &Header, path: &Path) -> Result<SampleType, FitsError> {
    let bitpix = header.get_i64("BITPIX").ok_or_else(|| FitsError::bad_header(path, "BITPIX is missing"))?;
    SampleType::from_bitpix(bitpix).ok_or_else(|| {
        FitsError::bad_header(path, format!("BITPIX = {bitpix} is not one of 8, 16, 32, 64, -32, -64"))
    })
}

/// Axis lengths of a header, NAXIS1 first.
pub(crate) fn axes(header: &Header, path: &Path) -> Result<Vec<usize>, FitsError> {
    let axis = |key: &str| {
        let n =
            header.get_i64(key).ok_or_else(|| FitsError::bad_header(path, format!("{key} is missing")))?;
        usize::try_from(n).map_err(|_| FitsError::bad_header(path, format!("{key} = {n} is negative")))
    };
    let count = axis("NAXIS")?;
    if count > 999 {
        return Err(FitsError::bad_header(path, format!("NAXIS = {count} exceeds 999")));
    }
    (1..=count).map(|i| axis(&format!("NAXIS{i}"))).collect()
}
