//! Scan all inputs: header-only reads in parallel, one verdict per file, results in frame order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_fits::{FitsError, Header, ImageLayout, open_unpacked};

use crate::bad_pixels::Defects;
use crate::calibration::{CalibrationOptions, files::image_facts, image_type};
use crate::cfa::{CfaChoice, DemosaicMethod};
use crate::dialect::{frame_kind, frame_meta, is_own_product};
use crate::discover::InputFile;
use crate::flux_scale::flux_scale;
use crate::frame::{Frame, FrameKind, FrameMap, LeftOut, Reason, WcsOrigin};
use crate::images::{ImagePart, Part, images_of};
use crate::map_source::{FileMaps, Folders, MapOptions, why_maps};
use crate::noise_model::{NoiseModel, NoiseOptions};
use crate::pointing::{SkyHints, sky_hints};
use crate::wcs_source::{FoundWcs, Place, WcsNeed, WcsPolicy, find_wcs, placeholder_wcs};

/// What to do while scanning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IngestOptions {
    /// Where WCSs come from.
    pub wcs: WcsPolicy,
    /// Whether frames need one.
    pub wcs_need: WcsNeed,
    /// Where weight maps and masks come from.
    pub maps: MapOptions,
    /// The keyword of the factor that a frame's pixels are multiplied with; empty or `none`: no such keyword.
    pub flux_scale_key: String,
    /// Calibration of raw frames.
    pub calibration: CalibrationOptions,
    /// What becomes of the raw pixels of CFA frames.
    pub demosaic: DemosaicMethod,
    /// Which Bayer pattern counts.
    pub cfa: CfaChoice,
    /// Figures of the camera that are given.
    pub noise: NoiseOptions,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            wcs: WcsPolicy::default(),
            wcs_need: WcsNeed::default(),
            maps: MapOptions::default(),
            flux_scale_key: crate::flux_scale::DEFAULT_KEY.into(),
            calibration: CalibrationOptions::default(),
            demosaic: DemosaicMethod::default(),
            cfa: CfaChoice::default(),
            noise: NoiseOptions::default(),
        }
    }
}

/// The verdict on all inputs.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Usable frames in frame order.
    pub frames: Vec<Frame>,
    /// All others, in the same order.
    pub left_out: Vec<LeftOut>,
}

/// Scan `files` (in frame order). `progress` is told how many are done; it is called from many threads.
pub fn ingest(files: &[InputFile], options: &IngestOptions, progress: &(dyn Fn(usize) + Sync)) -> Ingested {
    let done = AtomicUsize::new(0);
    let maps = why_maps(files, &options.maps);
    let folders = Folders::default();
    let verdicts: Vec<Vec<Verdict>> = files
        .par_iter()
        .zip(maps)
        .map(|(file, why_map)| {
            let verdicts = match why_map {
                Some(why) => vec![(0, Err(Reason::Auxiliary(why)))],
                None => ingest_file(file, options, &folders),
            };
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

/// One verdict for each frame of the file, or a single one for the file.
fn ingest_file(file: &InputFile, options: &IngestOptions, folders: &Folders) -> Vec<Verdict> {
    let images = match images_of(&file.path) {
        Ok(images) => images,
        Err(reason) => return vec![(0, Err(reason))],
    };
    let maps = FileMaps::of(file, &options.maps, folders);
    let parts = match frame_parts(&images, file, &maps) {
        Ok(parts) => parts,
        Err(reason) => return vec![(0, Err(reason))],
    };
    let is_own = |part: &ImagePart| is_own_product(&part.header);
    if !file.named && parts.iter().any(|(_, part)| part.as_ref().is_ok_and(is_own)) {
        let reason = Reason::OwnProduct("a mosaic made by zemosaic; name the file itself to use it".into());
        return vec![(0, Err(reason))];
    }
    let count = parts.len();
    let mut verdicts: Vec<Verdict> = parts
        .into_iter()
        .enumerate()
        .map(|(index, (hdu, part))| {
            let ingested = |part| ingest_part(file, part, (index, count), &images, &maps, options);
            (*hdu, part.as_ref().map_err(Reason::clone).and_then(ingested).map(Box::new))
        })
        .collect();
    let has_wcs = |frame: &Frame| frame.wcs_origin != WcsOrigin::Absent;
    if verdicts.iter().any(|(_, verdict)| verdict.as_ref().is_ok_and(|frame| has_wcs(frame))) {
        for (_, verdict) in &mut verdicts {
            let without = match verdict {
                Ok(frame) => !has_wcs(frame),
                Err(reason) => matches!(reason, Reason::NoWcs(_)),
            };
            if without {
                let message = "an image without a WCS beside one that has it: taken for its mask or map";
                *verdict = Err(Reason::Auxiliary(message.into()));
            }
        }
    }
    verdicts
}

/// The images of a file that are frames: the one that a list names; where some are named SCI those, the others
/// being their weights, masks and errors; else all that no option names as a map.
fn frame_parts<'a>(images: &'a [Part], file: &InputFile, maps: &FileMaps) -> Result<Vec<&'a Part>, Reason> {
    let name = |part: &Part| part.1.as_ref().ok().and_then(ImagePart::name);
    if let Some(hdu) = file.given.hdu {
        let part = images.iter().find(|(index, _)| *index == hdu);
        let none = || Reason::NotAnImage(format!("HDU {hdu}, which the list names, is no image"));
        return part.map(|part| vec![part]).ok_or_else(none);
    }
    let is_science = |part: &Part| name(part).is_some_and(|(name, _)| name == "SCI");
    let parts: Vec<&Part> = if images.iter().any(is_science) {
        images.iter().filter(|part| part.1.is_err() || is_science(part)).collect()
    } else {
        images.iter().filter(|part| !name(part).is_some_and(|(name, _)| maps.has_extension(&name))).collect()
    };
    if parts.is_empty() {
        return Err(Reason::NotAnImage("all images of the file are named as weight maps or masks".into()));
    }
    Ok(parts)
}

fn ingest_part(
    file: &InputFile,
    part: &ImagePart,
    among_frames: Place,
    images: &[Part],
    maps: &FileMaps,
    options: &IngestOptions,
) -> Result<Frame, Reason> {
    let stored_kind = options.cfa.apply(frame_kind(&part.header, &part.layout).map_err(Reason::NotAnImage)?);
    refuse_calibration(part)?;
    let (facts, overscan) =
        image_facts(&part.header, &part.layout, stored_kind, options.calibration.overscan);
    let (stored_origin, (width, height)) = facts.trimmed_px;
    let kind = match stored_kind {
        FrameKind::Cfa(pattern) => {
            FrameKind::Cfa(pattern.shifted(stored_origin.0 as i64, stored_origin.1 as i64))
        }
        FrameKind::Mono | FrameKind::Rgb => stored_kind,
    };
    let among_images = images.iter().take_while(|(hdu, _)| *hdu < part.hdu).count();
    let places = [among_frames, (among_images, images.len())];
    let found = find_wcs(&file.path, &part.header, &options.wcs, file.given.wcs.as_deref(), &places);
    let found = found.or_else(|reason| without_wcs(reason, part, options.wcs_need))?;
    let flux_scale =
        flux_scale(file.given.flux_scale, &options.flux_scale_key, found.sidecar.as_ref(), &part.header)?;
    let maps = maps.for_frame(part, kind, images)?;
    let mut hasher = blake3::Hasher::new();
    for card in part.header.cards() {
        hasher.update(card);
    }
    let mut meta = frame_meta(&part.header, &part.layout);
    if options.wcs.ignore_wcs {
        meta.hints = hints_without_wcs(&part.header, &part.layout);
    }
    meta.saturation_adu = options.noise.saturation_adu.or(meta.saturation_adu);
    let file_bytes =
        std::fs::metadata(&file.path).map_err(|error| Reason::Unreadable(error.to_string()))?.len();
    Ok(Frame {
        id: id_of(file, part.hdu),
        path: file.path.clone(),
        pixels_path: file.path.clone(),
        packing: part.packing,
        hdu: part.hdu,
        width,
        height,
        stored_origin,
        overscan,
        calibration: None,
        kind,
        wcs: Arc::new(found.wcs.shifted(stored_origin.0 as f64, stored_origin.1 as f64)),
        wcs_origin: found.origin,
        wcs_fault: found.fault,
        astrometry: None,
        defects: Defects::Unknown,
        demosaic: options.demosaic,
        noise_model: NoiseModel::of_header(&meta, kind, &options.noise),
        meta,
        layout: part.layout.clone(),
        maps,
        flux_scale,
        file_bytes,
        unpacked_bytes: part.unpacked_bytes,
        header_hash: *hasher.finalize().as_bytes(),
    })
}

/// What the header says of the sky besides its WCS.
fn hints_without_wcs(header: &Header, layout: &ImageLayout) -> SkyHints {
    let mut header = header.clone();
    for keyword in ["CTYPE1", "CTYPE2"] {
        header.remove(keyword);
    }
    sky_hints(&header, layout)
}

/// What to do without a WCS that can be used.
fn without_wcs(reason: Reason, part: &ImagePart, need: WcsNeed) -> Result<FoundWcs, Reason> {
    if need == WcsNeed::Required {
        return Err(reason);
    }
    let wcs = placeholder_wcs(part.layout.width(), part.layout.height())?;
    let fault = Some(reason).filter(|reason| !matches!(reason, Reason::NoWcs(_)));
    Ok(FoundWcs { wcs, origin: WcsOrigin::Absent, sidecar: None, fault })
}

/// Bias, dark and flat frames are not the sky.
fn refuse_calibration(part: &ImagePart) -> Result<(), Reason> {
    let Some(said) = image_type(&part.header) else { return Ok(()) };
    let Some(option) = said.option() else { return Ok(()) };
    let name = said.name();
    Err(Reason::Calibration(format!(
        "a {name} frame by its header; to calibrate with it give it with {option}"
    )))
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
    let mut first: BTreeMap<([u8; 32], usize), usize> = BTreeMap::new();
    let mut kept: Vec<Frame> = Vec::with_capacity(ingested.frames.len());
    for (index, frame) in std::mem::take(&mut ingested.frames).into_iter().enumerate() {
        if let Some(Some(hash)) = hashes.get(&index) {
            // Two images of one file are no copies of each other.
            let key = (*hash, frame.hdu);
            if let Some(original) = first.get(&key) {
                let reason = Reason::Duplicate(why_duplicate(&frame, &kept[*original]));
                ingested.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
                continue;
            }
            first.insert(key, kept.len());
        }
        kept.push(frame);
    }
    ingested.frames = kept;
    ingested.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
}

/// What to say of a frame that has the content of `original`; that its maps or flux scale are others does not make it
/// another frame, as equal pixels must not count twice.
fn why_duplicate(frame: &Frame, original: &Frame) -> String {
    let place = |frame: &Frame, map: &FrameMap| {
        let own_file = map.path == frame.path;
        let path = (!own_file).then(|| map.path.canonicalize().unwrap_or_else(|_| map.path.clone()));
        (path, map.hdu, map.kind)
    };
    let (own, used) = (&frame.maps, &original.maps);
    let mut counts = Vec::new();
    for (what, own, used) in [("weight map", &own.weight, &used.weight), ("mask", &own.mask, &used.mask)] {
        if own.as_ref().map(|map| place(frame, map)) != used.as_ref().map(|map| place(original, map)) {
            counts.push(format!("{} {what}", if used.is_some() { "its own" } else { "no" }));
        }
    }
    if frame.flux_scale != original.flux_scale {
        counts.push(format!("flux scale {:?}, not {:?}", original.flux_scale, frame.flux_scale));
    }
    let same = format!("same content as {}, which is used", original.id);
    if counts.is_empty() { same } else { format!("{same}, with {}", counts.join(" and ")) }
}

fn content_hash(path: &Path) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(open_unpacked(path).ok()?).ok()?;
    Some(*hasher.finalize().as_bytes())
}
