//! What the header of a tile-compressed image says: the image, its tiles, the columns of the table and the codec.
//! Everything is checked here, so that the readers can trust it: sizes multiply without overflow, columns lie inside
//! the row, the table has a row for every tile.

use super::codec::Codec;
use super::quantize::{Dither, Quantization};
use super::restore;
use crate::header::Header;
use crate::layout::{ImageLayout, axes, sample_type};
use std::path::Path;

/// More samples than this in one tile are not believed.
const MAX_TILE_SAMPLES: u64 = 1 << 30;

/// A tile-compressed image: what it is when unpacked, and where its tiles lie.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressedLayout {
    /// The image as [`crate::unpack_compressed`] writes it: sample type, axes, scaling; its `data_offset` is the offset
    /// in the unpacked file.
    pub image: ImageLayout,
    /// Tile lengths, first axis first, one per axis of the image, clipped to it. The last tiles of an axis may be
    /// shorter.
    pub tile: Vec<usize>,
    pub(super) codec: Codec,
    pub(super) quantization: Option<Quantization>,
    pub(super) table: TileTable,
}

/// The binary table that holds the tiles: tile n is in row n.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TileTable {
    pub(super) data_offset: u64,
    pub(super) data_len: u64,
    pub(super) row_bytes: usize,
    pub(super) heap_offset: u64,
    pub(super) compressed: HeapColumn,
    pub(super) gzip: Option<HeapColumn>,
    pub(super) uncompressed: Option<HeapColumn>,
    pub(super) scale: Option<NumberColumn>,
    pub(super) zero: Option<NumberColumn>,
    pub(super) blank: Option<NumberColumn>,
}

/// A column of array descriptors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeapColumn {
    pub(super) offset: usize,
    /// 64-bit descriptors (`Q`) rather than 32-bit ones (`P`).
    pub(super) wide: bool,
    pub(super) element_bytes: u64,
}

/// A column with one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NumberColumn {
    pub(super) offset: usize,
    pub(super) form: u8,
}

impl CompressedLayout {
    /// Reads the header of HDU `hdu`, whose table starts at `data_offset`; the error is the reason in words.
    pub(crate) fn from_header(
        hdu: usize,
        header: &Header,
        data_offset: u64,
        data_len: u64,
        path: &Path,
    ) -> Result<Self, String> {
        let restored = restore::header(header)?;
        let words = |error: crate::FitsError| error.to_string();
        let dims = axes(&restored, path).map_err(words)?;
        let sample = sample_type(&restored, path).map_err(words)?;
        if dims.is_empty() || dims.contains(&0) {
            return Err("the compressed image has no pixels (ZNAXISn)".into());
        }
        let samples = dims.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64));
        samples
            .and_then(|n| n.checked_mul(sample.bytes() as u64))
            .filter(|&bytes| i64::try_from(bytes).is_ok())
            .ok_or("the size of the compressed image exceeds 63 bits")?;
        let tile = tile_shape(header, &dims)?;
        let tile_samples = tile.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64));
        if tile_samples.is_none_or(|n| n > MAX_TILE_SAMPLES) {
            return Err(format!("tiles of {tile:?} samples are larger than {MAX_TILE_SAMPLES}"));
        }
        let restored_len = restored.to_bytes().len() as u64;
        let image = ImageLayout::from_header(hdu, &restored, dims, restored_len, path).map_err(words)?;
        let table = TileTable::from_header(header, data_offset, data_len)?;
        let layout = Self {
            codec: Codec::from_header(header)?,
            quantization: quantization(header, &table, sample.is_float())?,
            image,
            tile,
            table,
        };
        let rows = header.get_i64("NAXIS2").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        match layout.tile_count() {
            Some(tiles) if tiles <= rows => Ok(layout),
            _ => Err(format!("the table has {rows} rows, fewer than the image has tiles")),
        }
    }

    /// Tiles along each axis.
    pub(super) fn counts(&self) -> impl Iterator<Item = usize> {
        self.image.dims.iter().zip(&self.tile).map(|(&n, &t)| n.div_ceil(t))
    }

    fn tile_count(&self) -> Option<u64> {
        self.counts().try_fold(1_u64, |product, n| product.checked_mul(n as u64))
    }

    /// Lengths of the tile at these tile coordinates.
    pub(super) fn extent<'a>(&'a self, coordinates: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let axes = self.image.dims.iter().zip(&self.tile).zip(coordinates);
        axes.map(|((&n, &t), &c)| t.min(n.saturating_sub(c * t)))
    }

    /// Table row of the tile at these tile coordinates.
    pub(super) fn row_of(&self, coordinates: &[usize]) -> usize {
        let mut stride = 1;
        let mut row = 0;
        for (count, &c) in self.counts().zip(coordinates) {
            row += c * stride;
            stride *= count;
        }
        row
    }
}

/// ZTILEn; the default is a row of the image (standard §10.1.1).
fn tile_shape(header: &Header, dims: &[usize]) -> Result<Vec<usize>, String> {
    let axis = |(i, &n): (usize, &usize)| {
        let key = format!("ZTILE{}", i + 1);
        match header.get_i64(&key) {
            None if header.contains(&key) => Err(format!("{key} is no integer")),
            None => Ok(if i == 0 { n } else { 1 }),
            Some(t) if t > 0 => Ok(usize::try_from(t).map_or(n, |t| t.min(n))),
            Some(t) => Err(format!("{key} = {t} is not positive")),
        }
    };
    dims.iter().enumerate().map(axis).collect()
}

/// How floats were made integers; `None` when the tiles hold the samples themselves.
fn quantization(header: &Header, table: &TileTable, is_float: bool) -> Result<Option<Quantization>, String> {
    let method = header.get_str("ZQUANTIZ").unwrap_or_default().trim().to_uppercase();
    let scaled = (table.scale.is_some() || header.contains("ZSCALE"))
        && (table.zero.is_some() || header.contains("ZZERO"));
    if !is_float || method == "NONE" || !scaled {
        return Ok(None);
    }
    let dither = match method.as_str() {
        "" | "NO_DITHER" => Dither::None,
        "SUBTRACTIVE_DITHER_1" => Dither::Subtractive,
        "SUBTRACTIVE_DITHER_2" => Dither::SubtractiveKeepingZero,
        other => return Err(format!("quantisation by ZQUANTIZ = '{other}' is not supported")),
    };
    let seed = header.get_i64("ZDITHER0").and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    Ok(Some(Quantization {
        dither,
        seed: seed.max(1),
        scale: header.get_f64("ZSCALE").unwrap_or(1.0),
        zero: header.get_f64("ZZERO").unwrap_or(0.0),
        blank: header.get_i64("ZBLANK"),
    }))
}

impl TileTable {
    fn from_header(header: &Header, data_offset: u64, data_len: u64) -> Result<Self, String> {
        let length = |key: &str| header.get_i64(key).and_then(|n| u64::try_from(n).ok());
        let row_bytes = length("NAXIS1").and_then(|n| usize::try_from(n).ok()).ok_or("NAXIS1 is missing")?;
        let main = (row_bytes as u64).checked_mul(length("NAXIS2").ok_or("NAXIS2 is missing")?);
        let main = main.filter(|&n| n <= data_len).ok_or("the table is larger than its data")?;
        let heap_offset = length("THEAP").unwrap_or(main);
        if heap_offset < main || heap_offset > data_len {
            return Err(format!("THEAP = {heap_offset} is outside the data"));
        }
        let columns = columns(header, row_bytes)?;
        let find = |name: &str| columns.iter().find(|c| c.name == name);
        let heap = |name: &str| find(name).map(Column::heap).transpose();
        let number = |name: &str| find(name).map(|c| NumberColumn { offset: c.offset, form: c.form });
        Ok(Self {
            data_offset,
            data_len,
            row_bytes,
            heap_offset,
            compressed: heap("COMPRESSED_DATA")?.ok_or("there is no column COMPRESSED_DATA")?,
            gzip: heap("GZIP_COMPRESSED_DATA")?,
            uncompressed: heap("UNCOMPRESSED_DATA")?,
            scale: number("ZSCALE"),
            zero: number("ZZERO"),
            blank: number("ZBLANK"),
        })
    }
}

struct Column {
    name: String,
    offset: usize,
    /// Type letter of TFORMn.
    form: u8,
    /// Type letter behind `P` or `Q`.
    element: u8,
}

impl Column {
    fn heap(&self) -> Result<HeapColumn, String> {
        match (self.form, element_bytes(self.element)) {
            (b'P' | b'Q', Some(bytes)) => {
                Ok(HeapColumn { offset: self.offset, wide: self.form == b'Q', element_bytes: bytes as u64 })
            }
            _ => Err(format!("column {} is no column of arrays", self.name)),
        }
    }
}

/// Name, place and type of all columns; every column lies inside the row.
fn columns(header: &Header, row_bytes: usize) -> Result<Vec<Column>, String> {
    let count = header.get_i64("TFIELDS").filter(|n| (1..=999).contains(n)).ok_or("TFIELDS is not 1..999")?;
    let mut columns = Vec::new();
    let mut offset = 0_usize;
    for n in 1..=count {
        let form = header.get_str(&format!("TFORM{n}")).ok_or_else(|| format!("TFORM{n} is missing"))?;
        let bad = || format!("TFORM{n} = '{form}' is not understood");
        let digits = form.trim_start().bytes().take_while(u8::is_ascii_digit).count();
        let (repeat, rest) = form.trim_start().split_at(digits);
        let repeat: usize = if digits == 0 { 1 } else { repeat.parse().map_err(|_| bad())? };
        let mut letters = rest.bytes();
        let letter = letters.next().ok_or_else(bad)?;
        let width = match letter {
            b'X' => repeat.div_ceil(8),
            b'P' if repeat <= 1 => 8 * repeat,
            b'Q' if repeat <= 1 => 16 * repeat,
            other => element_bytes(other).and_then(|b| b.checked_mul(repeat)).ok_or_else(bad)?,
        };
        let end = offset.checked_add(width).filter(|&end| end <= row_bytes);
        let end = end.ok_or_else(|| format!("column {n} lies outside the row of {row_bytes} bytes"))?;
        let name = header.get_str(&format!("TTYPE{n}")).unwrap_or_default().trim().to_uppercase();
        // An empty column holds nothing; it is as if it were not there.
        if width > 0 {
            columns.push(Column { name, offset, form: letter, element: letters.next().unwrap_or(0) });
        }
        offset = end;
    }
    Ok(columns)
}

/// Bytes of one element of a type letter.
fn element_bytes(form: u8) -> Option<usize> {
    Some(match form {
        b'L' | b'B' | b'A' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' => 8,
        b'M' => 16,
        _ => return None,
    })
}
