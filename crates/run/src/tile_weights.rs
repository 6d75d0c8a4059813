//! Which extension of a master tile holds its weights.

use std::io::Read;
use std::path::Path;

use zemosaic_fits::{FitsError, Header, is_packed, open_unpacked, scan};

/// Extensions that are the weights of a tile: ours, and ZeMosaic's.
const WEIGHTS: [&str; 2] = ["WHT", "ALPHA"];

const BLOCK_BYTES: u64 = 2880;
const CARD_BYTES: usize = 80;
/// Blocks of a header and HDUs of a file that are looked at: a small packed file can hold any number of them.
const MAX_BLOCKS: usize = 20_000;
const MAX_HDUS: usize = 1000;

/// The extension of `path` that holds its weights. Of a packed file ingest cannot read it where the first HDU is an
/// image; as it is named it is missed there, and the tile left out rather than taken without its weights.
pub(crate) fn weights_of(path: &Path) -> Option<String> {
    let names = if is_packed(path).ok()? { packed_extensions(path) } else { extensions(path).ok()? };
    let known = WEIGHTS.iter().find(|known| names.iter().any(|name| name.trim() == **known));
    known.map(|name| (*name).to_owned())
}

fn extensions(path: &Path) -> Result<Vec<String>, FitsError> {
    let hdus = scan(path)?.hdus;
    Ok(hdus.iter().filter_map(|hdu| hdu.header.get_str("EXTNAME")).collect())
}

/// Names of the extensions of a packed file, up to what cannot be read; it is unpacked in memory, piece by piece.
fn packed_extensions(path: &Path) -> Vec<String> {
    let Ok(mut stream) = open_unpacked(path) else { return Vec::new() };
    let mut names = Vec::new();
    for _ in 0..MAX_HDUS {
        let Some(header) = next_header(&mut *stream) else { break };
        names.extend(header.get_str("EXTNAME"));
        let Some(bytes) = padded_data_bytes(&header) else { break };
        let skipped = std::io::copy(&mut (&mut *stream).take(bytes), &mut std::io::sink());
        if skipped.ok() != Some(bytes) {
            break;
        }
    }
    names
}

fn next_header(stream: &mut dyn Read) -> Option<Header> {
    let is_end = |card: &[u8]| card.starts_with(b"END") && card[3..].iter().all(|byte| *byte == b' ');
    let mut bytes = Vec::new();
    for _ in 0..MAX_BLOCKS {
        let start = bytes.len();
        let got = stream.take(BLOCK_BYTES).read_to_end(&mut bytes).ok()?;
        if got as u64 != BLOCK_BYTES {
            return None;
        }
        if bytes[start..].chunks_exact(CARD_BYTES).any(is_end) {
            return Header::parse(&bytes).ok().map(|(header, _)| header);
        }
    }
    None
}

/// Bytes of the data behind a header (FITS 4.0, eq. 2), with padding.
fn padded_data_bytes(header: &Header) -> Option<u64> {
    let whole = |key: &str, default: u64| {
        header.get_i64(key).map_or(Some(default), |value| u64::try_from(value).ok())
    };
    let axes = whole("NAXIS", 0)?;
    if axes == 0 {
        return Some(0);
    }
    let mut pixels = 1_u64;
    for axis in 1..=axes.min(999) {
        pixels = pixels.checked_mul(whole(&format!("NAXIS{axis}"), 0)?)?;
    }
    let group = pixels.checked_add(whole("PCOUNT", 0)?)?.checked_mul(whole("GCOUNT", 1)?)?;
    let bytes = group.checked_mul(header.get_i64("BITPIX")?.unsigned_abs() / 8)?;
    bytes.checked_next_multiple_of(BLOCK_BYTES)
}
