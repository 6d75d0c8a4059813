//! The walk over the HDUs of a file: headers are read by position, data units are skipped.
//! Own code instead of `fitsio_pure::hdu::parse_fits_headers`, which refuses a truncated file as a whole, rejects
//! headers with bytes outside UTF-8 and stops at extensions of unknown type.

use crate::card;
use crate::error::FitsError;
use crate::header::Header;
use crate::layout::{self, ImageLayout};
use crate::packed::refuse_packed;
use crate::tiles::CompressedLayout;
use crate::{BLOCK_BYTES, CARD_BYTES, file_io};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Longest header that is believed, bytes; a larger one is a damaged file.
const MAX_HEADER_BYTES: usize = 256 << 20;
/// First piece read of a header; most fit.
const FIRST_READ_BYTES: usize = 4 * BLOCK_BYTES;

/// What an HDU holds.
#[derive(Debug, Clone, PartialEq)]
pub enum HduKind {
    /// An image with pixels.
    Image(ImageLayout),
    /// An image HDU without data (NAXIS = 0, or an axis of length 0).
    Empty,
    /// A binary table.
    BinTable,
    /// An ASCII table.
    AsciiTable,
    /// A tile-compressed image in a binary table (ZIMAGE = T).
    CompressedImage(Box<CompressedLayout>),
    /// A tile-compressed image that cannot be read, and why.
    BadCompressedImage(String),
    /// The deprecated random groups structure.
    RandomGroups,
    /// An extension of another type; its data are skipped.
    Other,
}

/// One HDU: its header and where its data lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Hdu {
    /// Position in the file, primary = 0.
    pub index: usize,
    /// The header.
    pub header: Header,
    /// What it holds.
    pub kind: HduKind,
    /// Offset of the header in the file, bytes.
    pub header_offset: u64,
    /// Offset of the data unit in the file, bytes.
    pub data_offset: u64,
    /// Length of the data unit without padding, bytes.
    pub data_len: u64,
}

impl Hdu {
    /// The image layout, if this is a plain image with pixels.
    pub fn image(&self) -> Option<&ImageLayout> {
        match &self.kind {
            HduKind::Image(layout) => Some(layout),
            _ => None,
        }
    }

    /// The layout of a tile-compressed image.
    pub fn compressed(&self) -> Option<&CompressedLayout> {
        match &self.kind {
            HduKind::CompressedImage(layout) => Some(layout),
            _ => None,
        }
    }
}

/// Where a file ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Index of the HDU that is cut, primary = 0.
    pub hdu: usize,
    /// File length needed, bytes; for a cut header the least that could be.
    pub expected: u64,
    /// File length found, bytes.
    pub found: u64,
}

/// The headers of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FitsFile {
    /// The file.
    pub path: PathBuf,
    /// Its length, bytes.
    pub len: u64,
    /// Its HDUs in order; a cut one is listed when its header is whole.
    pub hdus: Vec<Hdu>,
    /// Set when the file ends before the data its headers announce (missing padding does not count).
    pub truncated: Option<Truncation>,
}

impl FitsFile {
    /// The plain images with pixels, in order.
    pub fn images(&self) -> impl Iterator<Item = &Hdu> {
        self.hdus.iter().filter(|h| h.image().is_some())
    }

    /// Turns a truncation into the error for it.
    ///
    /// # Errors
    /// [`FitsError::Truncated`].
    pub fn require_complete(&self) -> Result<(), FitsError> {
        match self.truncated {
            None => Ok(()),
            Some(Truncation { hdu, expected, found }) => {
                Err(FitsError::Truncated { path: self.path.clone(), hdu, expected, found })
            }
        }
    }
}

/// Reads the headers of all HDUs. Trailing bytes that are no extension are ignored, as the standard allows.
///
/// # Errors
/// [`FitsError::NotFits`], [`FitsError::BadHeader`] for the first HDU, [`FitsError::Truncated`] when the file ends
/// within its first header, [`FitsError::Unsupported`] for a packed file (unpack it first), [`FitsError::Io`].
pub fn scan(path: &Path) -> Result<FitsFile, FitsError> {
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let len = file.metadata().map_err(|e| FitsError::io(path, "read", 0, e))?.len();
    let mut result = FitsFile { path: path.to_path_buf(), len, hdus: Vec::new(), truncated: None };
    let mut offset = 0;
    while offset < len {
        let index = result.hdus.len();
        let header = match read_header(&file, path, offset, index)? {
            HeaderRead::Whole(header) => header,
            HeaderRead::NoHeader => break,
            HeaderRead::Cut => {
                let truncation =
                    Truncation { hdu: index, expected: (len + 1).next_multiple_of(2880), found: len };
                result.truncated = Some(truncation);
                break;
            }
        };
        let data_offset = offset + header.length as u64;
        let hdu = match describe(index, header.header, offset, data_offset, path) {
            Ok(hdu) => hdu,
            // What follows a readable HDU may be anything; only the first header must be sound.
            Err(_) if index > 0 => break,
            Err(e) => return Err(e),
        };
        let end = data_offset.saturating_add(hdu.data_len);
        result.hdus.push(hdu);
        if end > len {
            result.truncated = Some(Truncation { hdu: index, expected: end, found: len });
            break;
        }
        offset = end.next_multiple_of(BLOCK_BYTES as u64);
    }
    if result.hdus.is_empty() {
        result.require_complete()?;
        return Err(FitsError::NotFits { path: path.to_path_buf() });
    }
    Ok(result)
}

struct WholeHeader {
    header: Header,
    length: usize,
}

enum HeaderRead {
    Whole(WholeHeader),
    NoHeader,
    Cut,
}

/// Reads the header at `offset` in growing pieces until its END card.
fn read_header(file: &File, path: &Path, offset: u64, index: usize) -> Result<HeaderRead, FitsError> {
    let mut bytes = Vec::new();
    let mut wanted = FIRST_READ_BYTES;
    let mut searched = 0;
    loop {
        let have = bytes.len();
        bytes.resize(wanted, 0);
        let got = file_io::read_at(file, &mut bytes[have..], offset + have as u64)
            .map_err(|e| FitsError::io(path, "read", 0, e))?;
        bytes.truncate(have + got);
        if have == 0 && !begins_hdu(&bytes, path, index)? {
            return Ok(HeaderRead::NoHeader);
        }
        if let Some(end) = find_end(&bytes, searched) {
            let (header, length) = Header::parse(&bytes[..end]).map_err(|e| e.at(path))?;
            return Ok(HeaderRead::Whole(WholeHeader { header, length }));
        }
        if bytes.len() < wanted {
            return Ok(HeaderRead::Cut);
        }
        searched = bytes.len() / CARD_BYTES;
        wanted *= 2;
        if wanted > MAX_HEADER_BYTES {
            return Err(FitsError::bad_header(path, format!("HDU {index} has no END card")));
        }
    }
}

/// Length up to and including the END card, searching from card number `from`.
pub(crate) fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut cards = bytes.chunks_exact(CARD_BYTES).enumerate().skip(from);
    cards
        .find(|(_, c)| c.starts_with(b"END") && card::is_end(&card::to_card(c)))
        .map(|(i, _)| (i + 1) * CARD_BYTES)
}

/// Whether an HDU starts here. For the first HDU anything else is an error.
pub(crate) fn begins_hdu(bytes: &[u8], path: &Path, index: usize) -> Result<bool, FitsError> {
    if index > 0 {
        return Ok(bytes.starts_with(b"XTENSION"));
    }
    refuse_packed(bytes, path)?;
    if !bytes.starts_with(b"SIMPLE") {
        return Err(FitsError::NotFits { path: path.to_path_buf() });
    }
    Ok(true)
}

/// Kind and size of an HDU from its header.
pub(crate) fn describe(
    index: usize,
    header: Header,
    header_offset: u64,
    data_offset: u64,
    path: &Path,
) -> Result<Hdu, FitsError> {
    let dims = layout::axes(&header, path)?;
    let sample = layout::sample_type(&header, path)?;
    let groups = index == 0 && dims.first() == Some(&0) && header.get_bool("GROUPS") == Some(true);
    let data_len = data_length(&header, &dims, sample.bytes(), index > 0 || groups, groups)
        .ok_or_else(|| FitsError::bad_header(path, "the data size exceeds 64 bits"))?;
    let extension = header.get_str("XTENSION").unwrap_or_default();
    let image_like = index == 0 || matches!(extension.as_str(), "IMAGE" | "IUEIMAGE");
    let kind = match extension.as_str() {
        _ if groups => HduKind::RandomGroups,
        _ if image_like && data_len == 0 => HduKind::Empty,
        _ if image_like => HduKind::Image(ImageLayout::from_header(index, &header, dims, data_offset, path)?),
        "BINTABLE" | "A3DTABLE" if header.get_bool("ZIMAGE") == Some(true) => {
            match CompressedLayout::from_header(index, &header, data_offset, data_len, path) {
                Ok(layout) => HduKind::CompressedImage(Box::new(layout)),
                Err(reason) => HduKind::BadCompressedImage(reason),
            }
        }
        "BINTABLE" | "A3DTABLE" => HduKind::BinTable,
        "TABLE" => HduKind::AsciiTable,
        _ => HduKind::Other,
    };
    Ok(Hdu { index, header, kind, header_offset, data_offset, data_len })
}

/// Data unit length in bytes: |BITPIX|/8 · GCOUNT · (PCOUNT + Π NAXISn), equation 1 and 2 of the standard.
fn data_length(
    header: &Header,
    dims: &[usize],
    sample_bytes: usize,
    counts: bool,
    groups: bool,
) -> Option<u64> {
    if dims.is_empty() {
        return Some(0);
    }
    let axes = if groups { &dims[1..] } else { dims };
    let pixels = axes.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64))?;
    let count = |key: &str, default: i64| u64::try_from(header.get_i64(key).unwrap_or(default)).ok();
    let (pcount, gcount) = if counts { (count("PCOUNT", 0)?, count("GCOUNT", 1)?) } else { (0, 1) };
    pcount.checked_add(pixels)?.checked_mul(gcount)?.checked_mul(sample_bytes as u64)
}
