//! One tile as native big-endian samples, and a window of a plane from the tiles it touches.

use super::codec::{Codec, Decoded, inflate};
use super::layout::{CompressedLayout, HeapColumn, NumberColumn};
use super::quantize::{TileScale, restore};
use crate::decode::decode;
use crate::error::FitsError;
use crate::file_io;
use crate::layout::SampleType;
use crate::pool::FilePool;
use crate::window::Window;
use std::fs::File;
use std::path::Path;

/// Reads a window of one plane of a tile-compressed image as physical values into `out`, as [`crate::read_window`] does
/// for a plain one; decodes the tiles that the window touches and no other.
///
/// # Errors
/// [`FitsError::BadRequest`] for a window, plane or buffer that does not fit, [`FitsError::Damaged`] for a stream that
/// cannot be decoded, [`FitsError::Truncated`], [`FitsError::Io`].
pub fn read_compressed_window(
    pool: &FilePool,
    path: &Path,
    layout: &CompressedLayout,
    plane: usize,
    window: Window,
    out: &mut [f32],
) -> Result<(), FitsError> {
    let image = &layout.image;
    window.check(path, image, plane, out.len())?;
    if out.is_empty() {
        return Ok(());
    }
    let file = pool.get(path)?;
    let file_len = file.metadata().map_err(|e| FitsError::io(path, "read", 0, e))?.len();
    let mut reader = TileReader::new(&file, path, layout, file_len);
    let (tile_width, tile_height) = (layout.tile[0], layout.tile.get(1).copied().unwrap_or(1));
    let (mut coordinates, plane_in_tile) = tile_of_plane(layout, plane);
    for ty in window.y0 / tile_height..=(window.y0 + window.height - 1) / tile_height {
        for tx in window.x0 / tile_width..=(window.x0 + window.width - 1) / tile_width {
            coordinates[0] = tx;
            if let Some(y) = coordinates.get_mut(1) {
                *y = ty;
            }
            let bytes = reader.tile(&coordinates)?;
            let (x0, y0) = (tx * tile_width, ty * tile_height);
            let (width, height) = (tile_width.min(image.width() - x0), tile_height.min(image.height() - y0));
            let (from_x, to_x) = (window.x0.max(x0), (window.x0 + window.width).min(x0 + width));
            for y in window.y0.max(y0)..(window.y0 + window.height).min(y0 + height) {
                let first = (plane_in_tile * height + y - y0) * width + from_x - x0;
                let size = image.sample.bytes();
                let at = (y - window.y0) * window.width + from_x - window.x0;
                let row = &mut out[at..at + to_x - from_x];
                decode(image, &bytes[first * size..(first + row.len()) * size], row);
            }
        }
    }
    Ok(())
}

/// Coordinates of the first tile of a plane, and how many planes precede it in that tile.
fn tile_of_plane(layout: &CompressedLayout, plane: usize) -> (Vec<usize>, usize) {
    let mut coordinates = vec![0; layout.tile.len()];
    let (mut rest, mut plane_in_tile, mut stride) = (plane, 0, 1);
    let axes = layout.image.dims.iter().zip(&layout.tile).zip(&mut coordinates).skip(2);
    for ((&n, &t), coordinate) in axes {
        let at = rest % n;
        rest /= n;
        *coordinate = at / t;
        plane_in_tile += at % t * stride;
        stride *= t.min(n - at / t * t);
    }
    (coordinates, plane_in_tile)
}

/// Reads tiles of one image; one per thread.
pub(super) struct TileReader<'a> {
    file: &'a File,
    path: &'a Path,
    layout: &'a CompressedLayout,
    file_len: u64,
    row: Vec<u8>,
    stream: Vec<u8>,
}

impl<'a> TileReader<'a> {
    /// `file_len` is the length of the file: nothing is allocated for bytes that it does not have.
    pub(super) fn new(file: &'a File, path: &'a Path, layout: &'a CompressedLayout, file_len: u64) -> Self {
        Self { file, path, layout, file_len, row: Vec::new(), stream: Vec::new() }
    }

    /// The samples of the tile at these tile coordinates, first axis fastest, as they are stored in a plain image.
    pub(super) fn tile(&mut self, coordinates: &[usize]) -> Result<Vec<u8>, FitsError> {
        let row = self.layout.row_of(coordinates);
        let samples: usize = self.layout.extent(coordinates).product();
        let table = &self.layout.table;
        let mut cells = std::mem::take(&mut self.row);
        self.read((row as u64) * table.row_bytes as u64, table.row_bytes as u64, &mut cells)?;
        let mut stream = std::mem::take(&mut self.stream);
        let bytes = self.decode(row, samples, &cells, &mut stream);
        (self.row, self.stream) = (cells, stream);
        bytes
    }

    fn decode(
        &self,
        row: usize,
        samples: usize,
        cells: &[u8],
        stream: &mut Vec<u8>,
    ) -> Result<Vec<u8>, FitsError> {
        let (layout, table, sample) = (self.layout, &self.layout.table, self.layout.image.sample);
        let damaged = |what: String| {
            FitsError::damaged(self.path, format!("tile {} of HDU {}: {what}", row + 1, layout.image.hdu))
        };
        let native = |bytes: Vec<u8>| {
            if bytes.len() == samples * sample.bytes() {
                Ok(bytes)
            } else {
                Err("its samples are incomplete".into())
            }
        };
        let result = if self.stream(cells, table.compressed, stream)? {
            layout.codec.decode(stream, samples, sample).and_then(|decoded| match &layout.quantization {
                None => to_native(decoded, samples, sample, layout.codec),
                Some(quantization) => {
                    let stored = integers(decoded, samples)?;
                    let tile = TileScale {
                        scale: table.scale.map_or(quantization.scale, |c| number(cells, c)),
                        zero: table.zero.map_or(quantization.zero, |c| number(cells, c)),
                        blank: table.blank.map_or(quantization.blank, |c| Some(number(cells, c) as i64)),
                    };
                    let mut bytes = Vec::with_capacity(samples * sample.bytes());
                    restore(quantization, tile, row, &stored, |value| match sample {
                        SampleType::F64 => bytes.extend_from_slice(&value.to_be_bytes()),
                        _ => bytes.extend_from_slice(&(value as f32).to_be_bytes()),
                    });
                    Ok(bytes)
                }
            })
        } else if self.optional(cells, table.uncompressed, stream)? {
            native(stream.clone())
        } else if self.optional(cells, table.gzip, stream)? {
            inflate(stream, samples).and_then(native)
        } else {
            Err("it is empty".into())
        };
        result.map_err(damaged)
    }

    fn optional(
        &self,
        cells: &[u8],
        column: Option<HeapColumn>,
        out: &mut Vec<u8>,
    ) -> Result<bool, FitsError> {
        column.map_or(Ok(false), |column| self.stream(cells, column, out))
    }

    /// Reads the array of a cell from the heap; `false` when it is empty.
    fn stream(&self, cells: &[u8], column: HeapColumn, out: &mut Vec<u8>) -> Result<bool, FitsError> {
        let word = |from: usize, to: usize| {
            cells[column.offset + from..column.offset + to].iter().fold(0_u64, |n, &b| n << 8 | u64::from(b))
        };
        let (count, offset) = if column.wide { (word(0, 8), word(8, 16)) } else { (word(0, 4), word(4, 8)) };
        let table = &self.layout.table;
        let length = count.checked_mul(column.element_bytes);
        let start = table.heap_offset.checked_add(offset);
        match (start, length) {
            (_, Some(0)) => Ok(false),
            (Some(start), Some(length))
                if start.checked_add(length).is_some_and(|end| end <= table.data_len) =>
            {
                self.read(start, length, out).map(|()| true)
            }
            _ => Err(FitsError::damaged(
                self.path,
                format!("HDU {}: a tile lies outside the heap of the table", self.layout.image.hdu),
            )),
        }
    }

    /// Bytes of the table's data unit. Nothing is allocated for bytes that the file does not have.
    fn read(&self, offset: u64, length: u64, out: &mut Vec<u8>) -> Result<(), FitsError> {
        let table = &self.layout.table;
        let start = table.data_offset + offset;
        let cut = || FitsError::Truncated {
            path: self.path.to_path_buf(),
            hdu: self.layout.image.hdu,
            expected: table.data_offset + table.data_len,
            found: self.file_len,
        };
        if start.checked_add(length).is_none_or(|end| end > self.file_len) {
            return Err(cut());
        }
        out.resize(length as usize, 0);
        let got =
            file_io::read_at(self.file, out, start).map_err(|e| FitsError::io(self.path, "read", 0, e))?;
        if got < out.len() { Err(cut()) } else { Ok(()) }
    }
}

/// A number of a cell as f64.
fn number(cells: &[u8], column: NumberColumn) -> f64 {
    let cell = cells.get(column.offset..).unwrap_or_default();
    let number = match column.form {
        b'D' => cell.first_chunk().map(|b| f64::from_be_bytes(*b)),
        b'E' => cell.first_chunk().map(|b| f64::from(f32::from_be_bytes(*b))),
        b'K' => cell.first_chunk().map(|b| i64::from_be_bytes(*b) as f64),
        b'J' => cell.first_chunk().map(|b| f64::from(i32::from_be_bytes(*b))),
        b'I' => cell.first_chunk().map(|b| f64::from(i16::from_be_bytes(*b))),
        _ => cell.first().map(|b| f64::from(*b)),
    };
    number.unwrap_or(f64::NAN)
}

/// The integers of a quantised tile; byte streams hold 1, 2 or 4 bytes a sample.
fn integers(decoded: Decoded, samples: usize) -> Result<Vec<i32>, String> {
    let bytes = match decoded {
        Decoded::Integers(values) => return Ok(values),
        Decoded::Bytes(bytes) => bytes,
    };
    match bytes.len() {
        n if n == samples * 4 => Ok(bytes.as_chunks().0.iter().map(|b| i32::from_be_bytes(*b)).collect()),
        n if n == samples * 2 => {
            Ok(bytes.as_chunks().0.iter().map(|b| i32::from(i16::from_be_bytes(*b))).collect())
        }
        n if n == samples => Ok(bytes.into_iter().map(i32::from).collect()),
        n => Err(format!("{n} bytes are not {samples} integers")),
    }
}

/// Samples of an image that was not quantised.
fn to_native(decoded: Decoded, samples: usize, sample: SampleType, codec: Codec) -> Result<Vec<u8>, String> {
    if let Decoded::Bytes(bytes) = decoded {
        if bytes.len() == samples * sample.bytes() {
            return Ok(bytes);
        }
        // cfitsio may widen 8- and 16-bit samples to 32 bits before it compresses them.
        let widened = matches!(sample, SampleType::U8 | SampleType::I16) && bytes.len() == samples * 4;
        if !widened {
            return Err(format!("{} bytes are not {samples} samples", bytes.len()));
        }
        return to_native(
            Decoded::Integers(integers(Decoded::Bytes(bytes), samples)?),
            samples,
            sample,
            codec,
        );
    }
    let values = integers(decoded, samples)?;
    let mut bytes = Vec::with_capacity(samples * sample.bytes());
    match sample {
        SampleType::U8 => bytes.extend(values.iter().map(|&v| v as u8)),
        SampleType::I16 => bytes.extend(values.iter().flat_map(|&v| (v as i16).to_be_bytes())),
        SampleType::I32 => bytes.extend(values.iter().flat_map(|&v| v.to_be_bytes())),
        SampleType::I64 => bytes.extend(values.iter().flat_map(|&v| i64::from(v).to_be_bytes())),
        SampleType::F32 | SampleType::F64 => {
            return Err(format!("{codec:?} cannot hold floats without ZSCALE and ZZERO"));
        }
    }
    Ok(bytes)
}
