//! One compressed stream of a tile. RICE_1, HCOMPRESS_1 and PLIO_1 are decoded by `fitsio_pure`, which reads whole HDUs:
//! each stream is handed over as a table of one tile. gzip goes through `flate2` and is bounded while it inflates.

use crate::header::Header;
use crate::layout::SampleType;
use fitsio_pure::hdu::{Hdu, HduInfo};
use fitsio_pure::header::Card;
use fitsio_pure::image::ImageData;
use fitsio_pure::value::Value;
use std::io::Read;

/// Samples that an HCOMPRESS stream of any length may stand for; more must be paid for with bytes.
const HCOMPRESS_FREE_SAMPLES: u64 = 1 << 24;
/// Samples per byte beyond any real stream.
const MAX_SAMPLES_PER_BYTE: u64 = 4096;

/// ZCMPTYPE with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Rice { block: usize, sample_bytes: usize },
    Gzip,
    ShuffledGzip,
    Hcompress { smooth: bool },
    Plio,
    Stored,
}

/// What a stream holds.
pub(super) enum Decoded {
    /// Integers.
    Integers(Vec<i32>),
    /// Big-endian bytes, a whole number of them per sample.
    Bytes(Vec<u8>),
}

impl Codec {
    pub(super) fn from_header(header: &Header) -> Result<Self, String> {
        let name = header.get_str("ZCMPTYPE").unwrap_or_default().trim().to_uppercase();
        Ok(match name.as_str() {
            "RICE_1" | "RICE_ONE" => {
                let block = parameter(header, "BLOCKSIZE").unwrap_or(32);
                let bytes = parameter(header, "BYTEPIX").unwrap_or(4);
                if ![1, 2, 4].contains(&bytes) {
                    return Err(format!(
                        "RICE_1 of {bytes}-byte samples is not defined (BYTEPIX is 1, 2 or 4)"
                    ));
                }
                if !(1..=65_536).contains(&block) {
                    return Err(format!("RICE_1 with blocks of {block} samples is unknown"));
                }
                Self::Rice { block: block as usize, sample_bytes: bytes as usize }
            }
            "GZIP_1" => Self::Gzip,
            "GZIP_2" => Self::ShuffledGzip,
            "HCOMPRESS_1" => Self::Hcompress { smooth: parameter(header, "SMOOTH").unwrap_or(0) != 0 },
            "PLIO_1" => Self::Plio,
            "NOCOMPRESS" => Self::Stored,
            "" => return Err("ZCMPTYPE is missing".into()),
            other => return Err(format!("compression by ZCMPTYPE = '{other}' is not supported")),
        })
    }

    /// Decodes one stream of `samples` samples of an image of this type. The words of an error say what is wrong.
    pub(super) fn decode(self, stream: &[u8], samples: usize, sample: SampleType) -> Result<Decoded, String> {
        let length = stream.len() as u64;
        let most = match self {
            // An all-equal block costs the bits of its code alone: 3, 4 or 5.
            Self::Rice { block, .. } => (length * 8 / 3 + 1).saturating_mul(block as u64),
            Self::Hcompress { .. } => HCOMPRESS_FREE_SAMPLES + length * MAX_SAMPLES_PER_BYTE,
            Self::Plio => length * MAX_SAMPLES_PER_BYTE,
            Self::Gzip | Self::ShuffledGzip | Self::Stored => u64::MAX,
        };
        if samples as u64 > most {
            return Err(format!("{length} bytes cannot hold {samples} samples"));
        }
        match self {
            Self::Gzip => inflate(stream, samples).map(Decoded::Bytes),
            Self::ShuffledGzip => Ok(Decoded::Bytes(unshuffle(&inflate(stream, samples)?, samples))),
            Self::Stored => Ok(Decoded::Bytes(stream.to_vec())),
            Self::Plio => {
                by_fitsio_pure(stream, samples, "PLIO_1", 32, (32, 4), false).map(Decoded::Integers)
            }
            Self::Hcompress { smooth } => {
                // 8- and 16-bit images are decoded in 32-bit arithmetic, wider ones in 64 bits, as cfitsio does.
                let bitpix =
                    if matches!(sample, SampleType::U8 | SampleType::I16) { sample.bitpix() } else { 32 };
                by_fitsio_pure(stream, samples, "HCOMPRESS_1", bitpix, (32, 4), smooth).map(Decoded::Integers)
            }
            Self::Rice { block, sample_bytes } => {
                let how = (block, sample_bytes);
                let mut values = by_fitsio_pure(stream, samples, "RICE_1", 32, how, false)?;
                // Differences wrap in the width of the stored samples; fitsio_pure adds them in 32 bits.
                match sample_bytes {
                    1 => values.iter_mut().for_each(|v| *v = i32::from(*v as u8)),
                    2 => values.iter_mut().for_each(|v| *v = i32::from(*v as i16)),
                    _ => {}
                }
                Ok(Decoded::Integers(values))
            }
        }
    }
}

/// The value of a ZNAMEn/ZVALn pair; a logical is 1 or 0.
fn parameter(header: &Header, name: &str) -> Option<i64> {
    let n = (1..=9).find(|n| {
        header.get_str(&format!("ZNAME{n}")).is_some_and(|text| text.trim().eq_ignore_ascii_case(name))
    })?;
    let key = format!("ZVAL{n}");
    header.get_i64(&key).or_else(|| header.get_bool(&key).map(i64::from))
}

/// Inflates a gzip or zlib stream to at most 8 bytes a sample, without believing any size it states.
pub(super) fn inflate(stream: &[u8], samples: usize) -> Result<Vec<u8>, String> {
    let limit = samples as u64 * 8 + 1;
    let mut bytes = Vec::with_capacity((stream.len() * 3).min(limit as usize));
    let read = if stream.starts_with(&[0x1f, 0x8b]) {
        flate2::bufread::GzDecoder::new(stream).take(limit).read_to_end(&mut bytes)
    } else {
        flate2::bufread::ZlibDecoder::new(stream).take(limit).read_to_end(&mut bytes)
    };
    read.map_err(|e| format!("its gzip stream cannot be unpacked ({e})"))?;
    if bytes.len() as u64 == limit {
        return Err(format!("its gzip stream holds more than {samples} samples"));
    }
    Ok(bytes)
}

/// Puts the bytes of each sample together again: GZIP_2 stores all first bytes, then all second bytes, ...
fn unshuffle(bytes: &[u8], samples: usize) -> Vec<u8> {
    if samples == 0 || !bytes.len().is_multiple_of(samples) {
        return bytes.to_vec();
    }
    let width = bytes.len() / samples;
    let mut out = vec![0; bytes.len()];
    for (place, plane) in bytes.chunks_exact(samples).enumerate() {
        for (sample, &byte) in out.chunks_exact_mut(width.max(1)).zip(plane) {
            sample[place] = byte;
        }
    }
    out
}

/// Decodes a stream of integers as the only tile of an image with `bitpix`; `rice` is block size and sample bytes.
fn by_fitsio_pure(
    stream: &[u8],
    samples: usize,
    codec: &str,
    bitpix: i64,
    rice: (usize, usize),
    smooth: bool,
) -> Result<Vec<i32>, String> {
    const DESCRIPTOR_BYTES: usize = 8;
    let length = u32::try_from(stream.len()).map_err(|_| "the stream exceeds 4 GiB")?;
    let mut data = Vec::with_capacity(DESCRIPTOR_BYTES + stream.len());
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(&0_u32.to_be_bytes());
    data.extend_from_slice(stream);
    let card = |keyword: &[u8; 8], value| Card { keyword: *keyword, value: Some(value), comment: None };
    let text = |text: &str| Value::String(text.to_string());
    let hdu = Hdu {
        info: HduInfo::CompressedImage {
            zbitpix: bitpix,
            znaxes: vec![samples],
            zcmptype: codec.to_string(),
            ztile: vec![samples],
            blocksize: rice.0,
            rice_bytepix: rice.1,
            naxis1: DESCRIPTOR_BYTES,
            naxis2: 1,
            pcount: stream.len(),
            tfields: 1,
        },
        header_start: 0,
        data_start: 0,
        data_len: data.len(),
        cards: vec![
            card(b"TTYPE1  ", text("COMPRESSED_DATA")),
            card(b"TFORM1  ", text("1PB")),
            card(b"ZNAME1  ", text("SMOOTH")),
            card(b"ZVAL1   ", Value::Integer(i64::from(smooth))),
        ],
    };
    let values = match fitsio_pure::tiled::read_tiled_image(&data, &hdu) {
        Ok(ImageData::U8(v)) => v.into_iter().map(i32::from).collect(),
        Ok(ImageData::I16(v)) => v.into_iter().map(i32::from).collect(),
        Ok(ImageData::I32(v)) => v,
        Ok(_) => return Err(format!("its {codec} stream holds no integers")),
        Err(e) => return Err(format!("its {codec} stream cannot be decoded ({e})")),
    };
    if values.len() == samples { Ok(values) } else { Err(format!("its {codec} stream is short")) }
}
