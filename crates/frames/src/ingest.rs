//! Scan all inputs: header-only reads in parallel, one verdict per file, results in frame order.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_fits::{
    FitsError, Hdu, HduKind, Header, ImageLayout, Packed, open_unpacked, packed_kind, scan, scan_packed_hdus,
};

use crate::dialect::{frame_kind, frame_meta};
use crate::discover::InputFile;
use crate::frame::{Frame, LeftOut, Packing, Reason};
use crate::wcs_source::{WcsPolicy, find_wcs};

/// What to do while scanning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IngestOptions {
    /// Where WCSs come from.
    pub wcs: WcsPolicy,
}

/// The verdict on all inputs.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Usable frames in frame order.
    pub frames: Vec<Frame>,
    /// All others, in the same order.
    pub left_out: Vec<LeftOut>,
}

/// FITS files are made of blocks of this length.
const FITS_BLOCK_BYTES: u64 = 2880;

/// The image part of a file, before its WCS is known.
struct ImagePart {
    hdu: usize,
    header: Header,
    layout: ImageLayout,
    packing: Packing,
    unpacked_bytes: u64,
}

/// Scan `files` (in frame order). `progress` is told how many are done; it is called from many threads.
pub fn ingest(files: &[InputFile], options: &IngestOptions, progress: &(dyn Fn(usize) + Sync)) -> Ingested {
    let done = AtomicUsize::new(0);
    let verdicts: Vec<Vec<Verdict>> = files
        .par_iter()
        .map(|file| {
            let verdicts = ingest_file(file, options);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            verdicts
        })
        .collect();
    let mut result = Ingested::default();
    for (file, verdicts) in files.iter().zip(verdicts) {
        for (hdu, verdict) in verdicts {
            match verdict {
                Ok(frame) => result.frames.push(*frame),
                Err(reason) => {
                    result.left_out.push(LeftOut { id: id_of(file, hdu), path: file.path.clone(), reason });
                }
            }
        }
    }
    result
}

/// An HDU of a file, and the frame it is or the reason why not.
type Verdict = (usize, Result<Box<Frame>, Reason>);

fn id_of(file: &InputFile, hdu: usize) -> String {
    if hdu == 0 { file.id.clone() } else { format!("{}[{hdu}]", file.id) }
}

/// One verdict for each image of the file, or a single one for the file.
fn ingest_file(file: &InputFile, options: &IngestOptions) -> Vec<Verdict> {
    let parts = match image_parts(&file.path) {
        Ok(parts) => parts,
        Err(reason) => return vec![(0, Err(reason))],
    };
    let is_own = |header: &Header| {
        header.get_str("SWCREATE").is_some_and(|name| name.starts_with("zemosaic"))
            && header.contains("RUNID")
    };
    if !file.named && parts.iter().any(|(_, part)| part.as_ref().is_ok_and(|part| is_own(&part.header))) {
        let reason = Reason::OwnProduct("a mosaic made by zemosaic; name the file itself to use it".into());
        return vec![(0, Err(reason))];
    }
    let frame = |part| ingest_part(file, part, options).map(Box::new);
    let mut verdicts: Vec<Verdict> =
        parts.into_iter().map(|(hdu, part)| (hdu, part.and_then(frame))).collect();
    if verdicts.iter().any(|(_, verdict)| verdict.is_ok()) {
        for (_, verdict) in &mut verdicts {
            if matches!(verdict, Err(Reason::NoWcs(_))) {
                let message = "an image without a WCS beside one that has it: taken for its mask or map";
                *verdict = Err(Reason::Auxiliary(message.into()));
            }
        }
    }
    verdicts
}

fn ingest_part(file: &InputFile, part: ImagePart, options: &IngestOptions) -> Result<Frame, Reason> {
    let kind = frame_kind(&part.header, &part.layout).map_err(Reason::NotAnImage)?;
    let (wcs, wcs_origin) = find_wcs(&file.path, &part.header, &options.wcs)?;
    let mut hasher = blake3::Hasher::new();
    for card in part.header.cards() {
        hasher.update(card);
    }
    let file_bytes =
        std::fs::metadata(&file.path).map_err(|error| Reason::Unreadable(error.to_string()))?.len();
    Ok(Frame {
        id: id_of(file, part.hdu),
        path: file.path.clone(),
        pixels_path: file.path.clone(),
        packing: part.packing,
        hdu: part.hdu,
        width: part.layout.width(),
        height: part.layout.height(),
        kind,
        wcs: Arc::new(wcs),
        wcs_origin,
        meta: frame_meta(&part.header, &part.layout),
        layout: part.layout,
        file_bytes,
        unpacked_bytes: part.unpacked_bytes,
        header_hash: *hasher.finalize().as_bytes(),
    })
}

/// An image HDU, readable or not.
type Part = (usize, Result<ImagePart, Reason>);

/// The images of a file by HDU. Where some are named SCI only those count: the others are their weights, masks
/// and errors.
fn image_parts(path: &Path) -> Result<Vec<Part>, Reason> {
    let at_fault = |error: FitsError| reason_of(&error);
    let (hdus, packing, file_bytes, truncated) = if let Some(packed) = packed_kind(path).map_err(at_fault)? {
        let stated = match packed {
            Packed::Gzip => gzip_length(path).map_err(|error| Reason::Unreadable(error.to_string()))?,
            // bzip2 states no length.
            Packed::Bzip2 => 0,
        };
        (scan_packed_hdus(path).map_err(at_fault)?, Packing::Gzip, stated, None)
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
    let is_science = |part: &Result<ImagePart, Reason>| {
        let name = part.as_ref().ok().and_then(|part| part.header.get_str("EXTNAME"));
        name.is_some_and(|name| name.trim().eq_ignore_ascii_case("SCI"))
    };
    if parts.iter().any(|(_, part)| is_science(part)) {
        parts.retain(|(_, part)| part.is_err() || is_science(part));
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
                Packing::Gzip => unpacked_length(&layout, file_bytes),
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

/// The reason a file error gives.
pub fn reason_of(error: &FitsError) -> Reason {
    let text = error.to_string();
    match error {
        FitsError::Truncated { .. } => Reason::Truncated(text),
        FitsError::Damaged { .. } => Reason::Damaged(text),
        FitsError::Io { .. } => Reason::Unreadable(text),
        _ => Reason::NotAnImage(text),
    }
}

/// Take out frames whose file content, unpacked, equals an earlier frame's. Only files of equal length and
/// equal header are read, so ordinary runs pay nothing.
pub fn find_duplicates(ingested: &mut Ingested) {
    let mut candidates: BTreeMap<(u64, [u8; 32]), Vec<usize>> = BTreeMap::new();
    for (index, frame) in ingested.frames.iter().enumerate() {
        candidates.entry((frame.unpacked_bytes, frame.header_hash)).or_default().push(index);
    }
    let suspects: Vec<usize> = candidates.into_values().filter(|group| group.len() > 1).flatten().collect();
    let hashes: BTreeMap<usize, Option<[u8; 32]>> = suspects
        .par_iter()
        .map(|&index| (index, content_hash(&ingested.frames[index].path)))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    let mut first: BTreeMap<([u8; 32], usize), String> = BTreeMap::new();
    let mut kept = Vec::with_capacity(ingested.frames.len());
    for (index, frame) in std::mem::take(&mut ingested.frames).into_iter().enumerate() {
        if let Some(Some(hash)) = hashes.get(&index) {
            // Two images of one file are no copies of each other.
            let key = (*hash, frame.hdu);
            if let Some(original) = first.get(&key) {
                let reason = Reason::Duplicate(format!("same content as {original}, which is used"));
                ingested.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
                continue;
            }
            first.insert(key, frame.id.clone());
        }
        kept.push(frame);
    }
    ingested.frames = kept;
    ingested.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
}

fn content_hash(path: &Path) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(open_unpacked(path).ok()?).ok()?;
    Some(*hasher.finalize().as_bytes())
}
