//! Scan all inputs: header-only reads in parallel, one verdict per file, results in frame order.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_fits::{FitsError, HduKind, Header, ImageLayout, is_gzip, open_unpacked, scan, scan_gzip};

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
    let verdicts: Vec<Result<Frame, Reason>> = files
        .par_iter()
        .map(|file| {
            let verdict = ingest_one(file, options);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            verdict
        })
        .collect();
    let mut result = Ingested::default();
    for (file, verdict) in files.iter().zip(verdicts) {
        match verdict {
            Ok(frame) => result.frames.push(frame),
            Err(reason) => {
                result.left_out.push(LeftOut { id: file.id.clone(), path: file.path.clone(), reason });
            }
        }
    }
    result
}

fn ingest_one(file: &InputFile, options: &IngestOptions) -> Result<Frame, Reason> {
    let part = image_part(&file.path)?;
    let is_own = part.header.get_str("SWCREATE").is_some_and(|name| name.starts_with("zemosaic"))
        && part.header.contains("RUNID");
    if is_own && !file.named {
        return Err(Reason::OwnProduct("a mosaic made by zemosaic; name the file itself to use it".into()));
    }
    let kind = frame_kind(&part.header, &part.layout).map_err(Reason::NotAnImage)?;
    let (wcs, wcs_origin) = find_wcs(&file.path, &part.header, &options.wcs)?;
    let mut hasher = blake3::Hasher::new();
    for card in part.header.cards() {
        hasher.update(card);
    }
    let file_bytes =
        std::fs::metadata(&file.path).map_err(|error| Reason::Unreadable(error.to_string()))?.len();
    Ok(Frame {
        id: if part.hdu == 0 { file.id.clone() } else { format!("{}[{}]", file.id, part.hdu) },
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

/// The first image of a file.
fn image_part(path: &Path) -> Result<ImagePart, Reason> {
    if is_gzip(path).map_err(|error| reason_of(&error))? {
        let hdu = scan_gzip(path).map_err(|error| reason_of(&error))?;
        let HduKind::Image(layout) = hdu.kind else {
            return Err(Reason::NotAnImage(
                "the first HDU of this packed file holds no image; unpack the file to use a later one".into(),
            ));
        };
        let stated = gzip_length(path).map_err(|error| Reason::Unreadable(error.to_string()))?;
        let unpacked_bytes = unpacked_length(&layout, stated);
        return Ok(ImagePart { hdu: 0, header: hdu.header, layout, packing: Packing::Gzip, unpacked_bytes });
    }
    let file = scan(path).map_err(|error| reason_of(&error))?;
    let mut other = None;
    for hdu in file.hdus {
        match hdu.kind {
            HduKind::Image(layout) if layout.dims.len() >= 2 => {
                if let Some(cut) = file.truncated.as_ref().filter(|cut| cut.hdu == hdu.index) {
                    return Err(Reason::Truncated(format!(
                        "HDU {} ends after {} of {} bytes; copy the file again",
                        cut.hdu, cut.found, cut.expected
                    )));
                }
                return Ok(ImagePart {
                    hdu: hdu.index,
                    header: hdu.header,
                    layout,
                    packing: Packing::Plain,
                    unpacked_bytes: file.len,
                });
            }
            HduKind::Empty | HduKind::Image(_) => {}
            kind => other = other.or(Some(format!("{kind:?}"))),
        }
    }
    Err(Reason::NotAnImage(match other {
        Some(kind) => format!("no plain image in the file (it holds {kind}, which is not read yet)"),
        None => "no image in the file".into(),
    }))
}

/// The length of the unpacked file. What a gzip file states is not to be trusted when it cannot be the
/// length of this FITS file: the file is cut, has several members, or is longer than 4 GiB. Whether the
/// pixels are all there shows when it is unpacked.
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
    let mut first: BTreeMap<[u8; 32], String> = BTreeMap::new();
    let mut kept = Vec::with_capacity(ingested.frames.len());
    for (index, frame) in std::mem::take(&mut ingested.frames).into_iter().enumerate() {
        if let Some(Some(hash)) = hashes.get(&index) {
            if let Some(original) = first.get(hash) {
                let reason = Reason::Duplicate(format!("same content as {original}, which is used"));
                ingested.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
                continue;
            }
            first.insert(*hash, frame.id.clone());
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
