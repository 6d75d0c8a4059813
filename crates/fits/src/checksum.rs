//! DATASUM and CHECKSUM (FITS Standard 4.0 §4.4.2.7 and appendix J): ones-complement sums of big-endian 32-bit words.
//! Ones-complement addition commutes, so the sums of blocks may be added in any order. The ASCII form is
//! `fitsio_pure`'s.

use crate::error::FitsError;
use crate::hdu::{FitsFile, Hdu, scan};
use crate::header::Header;
use crate::{card, file_io};
use fitsio_pure::checksum::encode_checksum;
use std::fs::File;
use std::path::Path;

const CHUNK_BYTES: usize = 1 << 20;

/// Ones-complement sum of the words of `bytes`; a last incomplete word is padded with zeros, as the block is.
pub(crate) fn sum_bytes(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total = 0_u64;
    // 2^31 words cannot overflow 64 bits; the fold keeps longer inputs safe as well.
    for part in words.chunks(1 << 31) {
        total = u64::from(fold(total)) + part.iter().map(|w| u64::from(u32::from_be_bytes(*w))).sum::<u64>();
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    fold(total + u64::from(u32::from_be_bytes(last)))
}

/// Adds the carries back (ones-complement).
pub(crate) fn fold(mut total: u64) -> u32 {
    while total >> 32 != 0 {
        total = (total & 0xffff_ffff) + (total >> 32);
    }
    total as u32
}

/// Ones-complement sum of two sums.
pub(crate) fn add(a: u32, b: u32) -> u32 {
    fold(u64::from(a) + u64::from(b))
}

/// Sets DATASUM and CHECKSUM for a data unit with this sum and returns the header's bytes, exactly `length` of them
/// when given. The comments carry no time, so equal data give equal bytes. `None` when the header does not fit.
pub(crate) fn stamp(header: &Header, datasum: u32, length: Option<usize>) -> Option<Vec<u8>> {
    let mut header = header.clone();
    header.remove("CHECKSUM");
    header.remove("DATASUM");
    if header.cards().iter().any(card::is_continue) && !header.contains("LONGSTRN") {
        // fitsverify asks for this mark of the long-string convention.
        header.set_str("LONGSTRN", "OGIP 1.0", "long strings continue on CONTINUE cards");
    }
    // A number in a string; the encoded sum must start at column 12, where a quoted text begins.
    header.set_str("DATASUM", &datasum.to_string(), "data unit checksum");
    header.set_str("CHECKSUM", "0000000000000000", "HDU checksum");
    let bytes = |header: &Header| match length {
        Some(length) => header.to_bytes_exactly(length),
        None => Some(header.to_bytes()),
    };
    let total = add(sum_bytes(&bytes(&header)?), datasum);
    let encoded = encode_checksum(total, true);
    header.set_str("CHECKSUM", std::str::from_utf8(&encoded).ok()?, "HDU checksum");
    bytes(&header)
}

/// Outcome of comparing a recorded sum with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// The sum agrees.
    Good,
    /// The sum differs, or the data end early.
    Bad,
    /// The header records no sum.
    Missing,
}

/// Sums of one HDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HduCheck {
    /// Position in the file, primary = 0.
    pub index: usize,
    /// EXTNAME, empty if none.
    pub extname: String,
    /// DATASUM: the data unit.
    pub datasum: CheckState,
    /// CHECKSUM: header and data unit.
    pub checksum: CheckState,
}

/// Recomputes the sums of every HDU, reading the file once in pieces.
///
/// # Errors
/// As [`scan`]; [`FitsError::Io`].
pub fn verify_checksums(path: &Path) -> Result<Vec<HduCheck>, FitsError> {
    let fits = scan(path)?;
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    fits.hdus.iter().map(|hdu| check(&fits, &file, hdu)).collect()
}

fn check(fits: &FitsFile, file: &File, hdu: &Hdu) -> Result<HduCheck, FitsError> {
    let complete = hdu.data_offset + hdu.data_len <= fits.len;
    let data = sum_range(&fits.path, file, hdu.data_offset, hdu.data_len)?;
    let head = sum_range(&fits.path, file, hdu.header_offset, hdu.data_offset - hdu.header_offset)?;
    let state = |good: bool| if good && complete { CheckState::Good } else { CheckState::Bad };
    // The standard has the number in quotes; some writers leave them out. A blank text means "not computed".
    let datasum = match (hdu.header.get_str("DATASUM"), hdu.header.get_i64("DATASUM")) {
        (Some(text), _) if text.trim().is_empty() => CheckState::Missing,
        (Some(text), _) => state(text.trim().parse() == Ok(data)),
        (None, Some(number)) => state(number == i64::from(data)),
        (None, None) => CheckState::Missing,
    };
    let stamped = hdu.header.get_str("CHECKSUM").is_some_and(|text| !text.trim().is_empty());
    let sums_to_zero = matches!(add(head, data), 0 | u32::MAX);
    let checksum = if stamped { state(sums_to_zero) } else { CheckState::Missing };
    Ok(HduCheck {
        index: hdu.index,
        extname: hdu.header.get_str("EXTNAME").unwrap_or_default(),
        datasum,
        checksum,
    })
}

/// Sum of a range of the file with the padding that follows it; bytes beyond the end count as zero.
fn sum_range(path: &Path, file: &File, offset: u64, length: u64) -> Result<u32, FitsError> {
    let end = offset + length.next_multiple_of(crate::BLOCK_BYTES as u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = offset;
    let mut total = 0;
    while at < end {
        let wanted = CHUNK_BYTES.min((end - at) as usize);
        let got = file_io::read_at(file, &mut buffer[..wanted], at)
            .map_err(|e| FitsError::io(path, "read", 0, e))?;
        total = add(total, sum_bytes(&buffer[..got]));
        if got < wanted {
            break;
        }
        at += got as u64;
    }
    Ok(total)
}
