//! One-shot image files for simulators and tests.

use crate::checksum::{add, fold, stamp, sum_bytes};
use crate::error::FitsError;
use crate::header::Header;
use crate::layout::{HduRole, SampleType};
use crate::product::{Overwrite, PartialFile};
use crate::{BLOCK_BYTES, card};
use std::path::Path;

/// Bytes encoded at a time; a whole number of words for every sample type.
const CHUNK_BYTES: usize = 1 << 20;

/// Samples to be stored, NAXIS1 fastest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ImageData<'a> {
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// Unsigned 16-bit integers, stored as BITPIX 16 with BZERO 32768.
    U16(&'a [u16]),
    /// Signed 16-bit integers.
    I16(&'a [i16]),
    /// Signed 32-bit integers.
    I32(&'a [i32]),
    /// Signed 64-bit integers.
    I64(&'a [i64]),
    /// IEEE singles.
    F32(&'a [f32]),
    /// IEEE doubles.
    F64(&'a [f64]),
}

impl ImageData<'_> {
    fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    fn sample(&self) -> SampleType {
        match self {
            Self::U8(_) => SampleType::U8,
            Self::U16(_) | Self::I16(_) => SampleType::I16,
            Self::I32(_) => SampleType::I32,
            Self::I64(_) => SampleType::I64,
            Self::F32(_) => SampleType::F32,
            Self::F64(_) => SampleType::F64,
        }
    }

    /// Samples `from..to` as stored bytes.
    fn encode(&self, from: usize, to: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        match self {
            Self::U8(v) => bytes.extend_from_slice(&v[from..to]),
            Self::U16(v) => bytes.extend(v[from..to].iter().flat_map(|s| (s ^ 0x8000).to_be_bytes())),
            Self::I16(v) => bytes.extend(v[from..to].iter().flat_map(|s| s.to_be_bytes())),
            Self::I32(v) => bytes.extend(v[from..to].iter().flat_map(|s| s.to_be_bytes())),
            Self::I64(v) => bytes.extend(v[from..to].iter().flat_map(|s| s.to_be_bytes())),
            Self::F32(v) => bytes.extend(v[from..to].iter().flat_map(|s| s.to_be_bytes())),
            Self::F64(v) => bytes.extend(v[from..to].iter().flat_map(|s| s.to_be_bytes())),
        }
    }
}

/// Writes a single-HDU file, replacing an old one only when the new one is complete. `extras` are added to the
/// mandatory cards byte for byte; structural keywords in it (SIMPLE, BITPIX, NAXISn, EXTEND, ...) are left out, and
/// BSCALE, BZERO for unsigned 16-bit data too. For other types `extras` may give BSCALE, BZERO and BLANK.
///
/// # Errors
/// [`FitsError::BadRequest`] when `dims` (NAXIS1 first) do not agree with the data, [`FitsError::DiskFull`],
/// [`FitsError::Io`].
pub fn write_image(
    path: &Path,
    extras: &Header,
    data: ImageData<'_>,
    dims: &[usize],
) -> Result<(), FitsError> {
    let pixels = dims.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    if dims.is_empty() || pixels != Some(data.len()) {
        let what = format!("{} samples do not make an image of {dims:?}", data.len());
        return Err(FitsError::bad_request(path, what));
    }
    let sample = data.sample();
    let mut header = Header::for_image(HduRole::Primary, sample, dims);
    let unsigned = matches!(data, ImageData::U16(_));
    if unsigned {
        header.set_i64("BSCALE", 1, "physical = BZERO + BSCALE * stored");
        header.set_i64("BZERO", 32768, "unsigned 16-bit integers");
    }
    header.extend_from(extras, |key| {
        let decided = unsigned && matches!(key, "BSCALE" | "BZERO");
        !decided && !is_structural(key)
    });

    // The header's length does not depend on the sums, so the data can be written first.
    let header_len = stamp(&header, 0, None).map_or(0, |bytes| bytes.len()) as u64;
    let data_len = (data.len() * sample.bytes()) as u64;
    let total = header_len + data_len.next_multiple_of(BLOCK_BYTES as u64);
    let file = PartialFile::create(path, total, Overwrite::Replace)?;
    let step = CHUNK_BYTES / sample.bytes();
    let mut bytes = Vec::with_capacity(CHUNK_BYTES.min(data_len as usize));
    let mut sum = 0;
    for from in (0..data.len()).step_by(step) {
        data.encode(from, data.len().min(from + step), &mut bytes);
        sum = add(sum, sum_bytes(&bytes));
        file.write(&bytes, header_len + (from * sample.bytes()) as u64)?;
    }
    let head = stamp(&header, fold(u64::from(sum)), None)
        .ok_or_else(|| FitsError::bad_header(path, "the header cannot be written"))?;
    file.write(&head, 0)?;
    file.publish()
}

/// Keywords that the writer itself decides.
fn is_structural(key: &str) -> bool {
    let axis = key.strip_prefix("NAXIS").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let fixed =
        ["SIMPLE", "XTENSION", "BITPIX", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "CHECKSUM", "DATASUM"];
    axis || fixed.contains(&key) || card::is_end(&card::to_card(key.as_bytes()))
}
