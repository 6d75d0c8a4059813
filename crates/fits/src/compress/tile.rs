//! One tile to its streams.

use super::quantize::quantize;
use super::rice::{Width, encode};
use super::{CompressOptions, ProductCodec};
use crate::layout::SampleType;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// zlib's level: with 1 a mosaic is 12 % larger, with 6 it is 1 % smaller and takes a third longer.
const GZIP_LEVEL: u32 = 4;

/// What becomes of the tiles of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Method {
    /// RICE_1 of the integers.
    Rice(Width),
    /// GZIP_2 of the samples.
    ShuffledGzip,
    /// RICE_1 of quantised floats.
    Quantized { q: f64, seed: usize },
}

impl Method {
    /// The method for samples of this type; `seed` is ZDITHER0.
    pub(super) fn new(sample: SampleType, options: &CompressOptions, seed: usize) -> Self {
        if options.codec == ProductCodec::Gzip {
            return Self::ShuffledGzip;
        }
        match (sample, options.quantize) {
            (SampleType::U8, _) => Self::Rice(Width::One),
            (SampleType::I16, _) => Self::Rice(Width::Two),
            (SampleType::I32, _) => Self::Rice(Width::Four),
            (SampleType::F32 | SampleType::F64, Some(q)) => Self::Quantized { q, seed },
            (SampleType::I64 | SampleType::F32 | SampleType::F64, _) => Self::ShuffledGzip,
        }
    }
}

/// The streams and numbers of one tile; one of the streams is empty.
#[derive(Debug, Default)]
pub(super) struct TileCode {
    /// For COMPRESSED_DATA.
    pub(super) compressed: Vec<u8>,
    /// For GZIP_COMPRESSED_DATA: a tile of floats that could not be quantised, gzip of its samples as they are.
    pub(super) gzip: Vec<u8>,
    pub(super) scale: f64,
    pub(super) zero: f64,
}

/// Compresses the big-endian samples of tile `row` (0-based table row), rows of `width` samples.
pub(super) fn compress(
    bytes: &[u8],
    sample: SampleType,
    width: usize,
    row: usize,
    method: Method,
) -> io::Result<TileCode> {
    match method {
        Method::ShuffledGzip => {
            Ok(TileCode { compressed: gzip(&shuffle(bytes, sample.bytes()))?, ..TileCode::default() })
        }
        Method::Rice(size) => {
            Ok(TileCode { compressed: encode(&integers(bytes, size), size), ..TileCode::default() })
        }
        Method::Quantized { q, seed } => match quantize(&floats(bytes, sample), width, q, seed, row) {
            Some(tile) => Ok(TileCode {
                compressed: encode(&tile.stored, Width::Four),
                gzip: Vec::new(),
                scale: tile.scale,
                zero: tile.zero,
            }),
            None => Ok(TileCode { gzip: gzip(bytes)?, ..TileCode::default() }),
        },
    }
}

fn integers(bytes: &[u8], width: Width) -> Vec<i32> {
    match width {
        Width::One => bytes.iter().map(|&b| i32::from(b)).collect(),
        Width::Two => bytes.as_chunks().0.iter().map(|b| i32::from(i16::from_be_bytes(*b))).collect(),
        Width::Four => bytes.as_chunks().0.iter().map(|b| i32::from_be_bytes(*b)).collect(),
    }
}

fn floats(bytes: &[u8], sample: SampleType) -> Vec<f64> {
    if sample == SampleType::F64 {
        bytes.as_chunks().0.iter().map(|b| f64::from_be_bytes(*b)).collect()
    } else {
        bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_be_bytes(*b))).collect()
    }
}

/// All first bytes, then all second bytes, ...
fn shuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let samples = bytes.len() / width;
    let mut out = vec![0; samples * width];
    for (place, plane) in out.chunks_exact_mut(samples.max(1)).enumerate() {
        for (byte, sample) in plane.iter_mut().zip(bytes.chunks_exact(width)) {
            *byte = sample[place];
        }
    }
    out
}

/// A gzip member without name and time, so that equal samples give equal bytes.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len()), Compression::new(GZIP_LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish()
}
