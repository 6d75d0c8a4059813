//! The images of a file, HDU by HDU, from headers alone: frames and their maps begin here.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use zemosaic_fits::{
    FitsError, Hdu, HduKind, Header, ImageLayout, Packed, packed_kind, scan, scan_packed_hdus,
};

use crate::frame::{Packing, Reason};
use crate::ingest::reason_of;

/// FITS files are made of blocks of this length.
const FITS_BLOCK_BYTES: u64 = 2880;

/// An image of a file.
#[derive(Debug, Clone)]
pub(crate) struct ImagePart {
    pub hdu: usize,
    /// Its header, with what it inherits.
    pub header: Header,
    pub layout: ImageLayout,
    pub packing: Packing,
    pub unpacked_bytes: u64,
}

impl ImagePart {
    /// EXTNAME in capitals, and EXTVER (1 when not said).
    pub fn name(&self) -> Option<(String, i64)> {
        let name = self.header.get_str("EXTNAME")?.trim().to_uppercase();
        Some((name, self.header.get_i64("EXTVER").unwrap_or(1)))
    }
}

/// An image HDU, readable or not.
pub(crate) type Part = (usize, Result<ImagePart, Reason>);

/// All images of a file by HDU.
///
/// # Errors
/// A file that cannot be read, or without any image.
pub(crate) fn images_of(path: &Path) -> Result<Vec<Part>, Reason> {
    let at_fault = |error: FitsError| reason_of(&error);
    let (hdus, packing, file_bytes, truncated) = if let Some(packed) = packed_kind(path).map_err(at_fault)? {
        let stated = match packed {
            Packed::Gzip => gzip_length(path).map_err(|error| Reason::Unreadable(error.to_string()))?,
            // bzip2 states no length.
            Packed::Bzip2 => 0,
        };
        (scan_packed_hdus(path).map_err(at_fault)?, Packing::WholeFile, stated, None)
    } else {
        let file = scan(path).map_err(at_fault)?;
        (file.hdus, Packing::Plain, file.len, file.truncated)
    };
    let primary = hdus.first().filter(|hdu| hdu.kind == HduKind::Empty).map(|hdu| hdu.header.clone());
    let mut parts = Vec::new();
    let mut others = Vec::new();
    for hdu in hdus {
        let index = hdu.index;
        match image_part(hdu, packing, file_bytes) {
            Found::Nothing => {}
            Found::Other(what) => others.push(what),
            Found::Unreadable(reason) => parts.push((index, Err(reason))),
            Found::Image(mut part) => {
                if let Some(primary) = &primary {
                    inherit(&mut part.header, primary);
                }
                let cut = truncated.as_ref().filter(|cut| cut.hdu == index);
                parts.push((
                    index,
                    cut.map_or(Ok(part), |cut| {
                        Err(Reason::Truncated(format!(
                            "HDU {} ends after {} of {} bytes; copy the file again",
                            cut.hdu, cut.found, cut.expected
                        )))
                    }),
                ));
            }
        }
    }
    if parts.is_empty() {
        others.dedup();
        return Err(Reason::NotAnImage(match others.join(", ") {
            what if what.is_empty() => "no image in the file".into(),
            what => format!("no image in the file (it holds {what})"),
        }));
    }
    Ok(parts)
}

/// What an HDU is to us.
enum Found {
    Image(ImagePart),
    Unreadable(Reason),
    Other(&'static str),
    Nothing,
}

fn image_part(hdu: Hdu, packing: Packing, file_bytes: u64) -> Found {
    let index = hdu.index;
    match (&hdu.kind, packing) {
        (HduKind::CompressedImage(compressed), _) => {
            let Some(header) = hdu.restored_header() else { return Found::Nothing };
            let layout = compressed.image.clone().as_planes();
            if layout.dims.len() < 2 {
                return Found::Nothing;
            }
            let unpacked_bytes =
                (layout.data_offset + layout.data_bytes()).next_multiple_of(FITS_BLOCK_BYTES);
            let packing = Packing::Compressed;
            Found::Image(ImagePart { hdu: index, header, layout, packing, unpacked_bytes })
        }
        (HduKind::Image(layout), _) if layout.dims.len() >= 2 => {
            let layout = layout.clone().as_planes();
            let unpacked_bytes = match packing {
                Packing::WholeFile => unpacked_length(&layout, file_bytes),
                Packing::Plain | Packing::Compressed => file_bytes,
            };
            Found::Image(ImagePart { hdu: index, header: hdu.header, layout, packing, unpacked_bytes })
        }
        (HduKind::BadCompressedImage(what), _) => {
            Found::Unreadable(Reason::NotAnImage(format!("HDU {index}, a tile-compressed image: {what}")))
        }
        (HduKind::RandomGroups, _) => Found::Other("random groups"),
        (HduKind::BinTable, _) => Found::Other("a binary table"),
        (HduKind::AsciiTable, _) => Found::Other("an ASCII table"),
        (HduKind::Other, _) => Found::Other("an extension of unknown type"),
        (HduKind::Image(_), _) => Found::Other("a one-dimensional image"),
        (HduKind::Empty, _) => Found::Nothing,
    }
}

/// Cards of a primary header that say nothing about the extensions.
const NOT_INHERITED: [&str; 13] = [
    "SIMPLE", "BITPIX", "NAXIS", "EXTEND", "CHECKSUM", "DATASUM", "EXTNAME", "EXTVER", "NEXTEND", "BSCALE",
    "BZERO", "COMMENT", "HISTORY",
];

/// Takes over what the primary header says for all extensions (INHERIT = T); an extension's own cards win.
fn inherit(header: &mut Header, primary: &Header) {
    if header.get_bool("INHERIT") != Some(true) {
        return;
    }
    let present: std::collections::HashSet<String> = header.keywords().map(str::to_owned).collect();
    header.extend_from(primary, |key| {
        !key.is_empty() && !NOT_INHERITED.contains(&key) && !present.contains(key)
    });
}

/// The length of the unpacked file. bzip2 states none (0), and what a gzip file states is not to be trusted
/// when it cannot be the length of this FITS file: the file is cut, has several members, or is longer than
/// 4 GiB. Whether the pixels are all there shows when it is unpacked.
fn unpacked_length(layout: &ImageLayout, stated: u64) -> u64 {
    let needed = layout.data_offset + layout.data_bytes();
    let padded = needed.next_multiple_of(FITS_BLOCK_BYTES);
    let whole_blocks = stated.is_multiple_of(FITS_BLOCK_BYTES) && stated > padded;
    if whole_blocks || (needed..=padded).contains(&stated) { stated } else { padded }
}

/// The uncompressed length a gzip file states in its last four bytes (modulo 2^32).
fn gzip_length(path: &Path) -> std::io::Result<u64> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::End(-4))?;
    let mut last = [0_u8; 4];
    file.read_exact(&mut last)?;
    Ok(u64::from(u32::from_le_bytes(last)))
}
