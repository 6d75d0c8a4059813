//! Files for the tests of frames and their maps.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use zemosaic_fits::{
    DataSpec, HduRole, HduSpec, Header, ImageData, Overwrite, ProductWriter, SampleType, Window, write_image,
};
use zemosaic_frames::{Frame, IngestOptions, Ingested, MapOptions, discover, ingest};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, tan_header, write_test_frame};

/// A WCS of an image of this size.
pub fn wcs(width: usize, height: usize) -> TanFrame {
    TanFrame::pointed_at((10.0, 20.0), 2.0, 30.0, Parity::Sky, (width, height))
}

/// Everything below `inputs`.
pub fn ingest_inputs(inputs: &[&Path], options: &IngestOptions) -> Ingested {
    let inputs: Vec<PathBuf> = inputs.iter().map(|path| path.to_path_buf()).collect();
    ingest(&discover(&inputs, &[]).unwrap(), options, &|_| {})
}

/// Options with these suffixes.
pub fn suffixes(weight: Option<&str>, mask: Option<&str>) -> IngestOptions {
    let own = |text: Option<&str>| text.map(str::to_owned);
    let maps = MapOptions { weight_suffix: own(weight), mask_suffix: own(mask), ..MapOptions::default() };
    IngestOptions { maps, ..IngestOptions::default() }
}

/// Ids of the frames, and ids with codes of what is left out.
pub fn verdicts(found: &Ingested) -> (Vec<&str>, Vec<(&str, &str)>) {
    let left_out = found.left_out.iter().map(|item| (item.id.as_str(), item.reason.code())).collect();
    (found.frames.iter().map(|frame| frame.id.as_str()).collect(), left_out)
}

/// The only frame of a file or folder.
pub fn only_frame(path: &Path, options: &IngestOptions) -> Frame {
    let mut found = ingest_inputs(&[path], options);
    assert_eq!(found.frames.len(), 1, "{:?}", found.left_out);
    found.frames.remove(0)
}

/// A frame of floats.
pub fn write_frame(path: &Path, size: (usize, usize), pixels: &[f32]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_test_frame(path, &wcs(size.0, size.1), ImageData::F32(pixels), |_| {}).unwrap();
}

/// A map of floats, without a WCS.
pub fn write_map(path: &Path, size: (usize, usize), pixels: &[f32]) {
    write_image(path, &Header::new(), ImageData::F32(pixels), &[size.0, size.1]).unwrap();
}

/// A file of an empty primary HDU and image extensions: name, EXTVER, pixels (of one plane or three), WCS or not.
pub fn write_extensions(path: &Path, size: (usize, usize), images: &[(&str, i64, Vec<f32>)]) {
    let (width, height) = size;
    let dims = |pixels: &[f32]| match pixels.len() / (width * height) {
        1 => vec![width, height],
        planes => vec![width, height, planes],
    };
    let primary = Header::for_image(HduRole::Primary, SampleType::F32, &[]);
    let mut hdus = vec![HduSpec { header: primary, data: DataSpec::None }];
    for (name, version, pixels) in images {
        let mut header = Header::for_image(HduRole::Extension, SampleType::F32, &dims(pixels));
        header.set_str("EXTNAME", name, "");
        header.set_i64("EXTVER", *version, "");
        let structural = |key: &str| {
            key.starts_with("NAXIS") || ["SIMPLE", "BITPIX", "EXTEND", "BZERO", "BSCALE"].contains(&key)
        };
        header.extend_from(&tan_header(&wcs(width, height)), |key| !structural(key));
        hdus.push(HduSpec { header, data: DataSpec::F32 { dims: dims(pixels) } });
    }
    let writer = ProductWriter::create(path, hdus, Overwrite::Replace).unwrap();
    for (index, (_, _, pixels)) in images.iter().enumerate() {
        for (plane, values) in pixels.chunks(width * height).enumerate() {
            writer.write_f32(index + 1, plane, Window { x0: 0, y0: 0, width, height }, values).unwrap();
        }
    }
    writer.finish(Vec::new()).unwrap();
}

/// Packs a file with gzip.
pub fn gzip(path: &Path, packed: &Path) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(path).unwrap()).unwrap();
    std::fs::write(packed, encoder.finish().unwrap()).unwrap();
}
