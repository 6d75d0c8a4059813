//! Binary tables (FITS Standard 4.0 §7.3) of the column types that products carry. Rows are serialised by
//! `fitsio_pure`; the header is ours because it needs units and comments.

use crate::card::ascii;
use crate::error::FitsError;
use crate::file_io;
use crate::hdu::{HduKind, scan};
use crate::header::Header;
use fitsio_pure::bintable::{
    BinaryColumnData, BinaryColumnDescriptor, BinaryColumnType, parse_tform_binary, serialize_binary_table,
};
use std::fs::File;
use std::path::Path;

/// Values of one column, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// 32-bit integers (`1J`); read also from `B` and `I` columns.
    I32(Vec<i32>),
    /// 64-bit integers (`1K`).
    I64(Vec<i64>),
    /// Singles (`1E`), NaN = no value.
    F32(Vec<f32>),
    /// Doubles (`1D`), NaN = no value.
    F64(Vec<f64>),
    /// Text (`nA`); characters outside printable ASCII become `?`, trailing blanks are not kept.
    Text(Vec<String>),
    /// Logicals (`1L`).
    Logical(Vec<bool>),
    /// `width` doubles per row (`nD`), row by row.
    F64Array {
        /// Doubles per row.
        width: usize,
        /// rows x width values.
        values: Vec<f64>,
    },
}

impl ColumnData {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Logical(v) => v.len(),
            Self::F64Array { width, values } => values.len() / (*width).max(1),
        }
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// TTYPE: letters, digits and underscore.
    pub name: String,
    /// TUNIT.
    pub unit: Option<String>,
    /// The values.
    pub data: ColumnData,
}

/// A binary table to be written as the last HDU of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    /// EXTNAME.
    pub extname: String,
    /// The columns, all with the same number of rows.
    pub columns: Vec<Column>,
}

impl TableSpec {
    /// The extension's header and its data unit, padded to whole blocks.
    pub(crate) fn encode(&self, path: &Path) -> Result<(Header, Vec<u8>), FitsError> {
        let rows = self.columns.first().map_or(0, |c| c.data.rows());
        if let Some(odd) = self.columns.iter().find(|c| c.data.rows() != rows) {
            let what = format!("column {} has {} rows, the first column {rows}", odd.name, odd.data.rows());
            return Err(FitsError::bad_request(path, what));
        }
        if self.columns.len() > 999 {
            return Err(FitsError::bad_request(path, "a table holds at most 999 columns"));
        }
        if let Some(odd) = self.columns.iter().find(|c| is_ragged(&c.data)) {
            return Err(FitsError::bad_request(path, format!("column {} has an incomplete row", odd.name)));
        }
        let (descriptors, data): (Vec<_>, Vec<_>) = self.columns.iter().map(describe).unzip();
        let bytes = serialize_binary_table(&descriptors, &data, rows).map_err(|e| {
            FitsError::bad_request(path, format!("the table {} cannot be written ({e})", self.extname))
        })?;
        Ok((self.header(&descriptors, rows), bytes))
    }

    fn header(&self, descriptors: &[BinaryColumnDescriptor], rows: usize) -> Header {
        let row_bytes: usize = descriptors.iter().map(|d| d.byte_width).sum();
        let mut header = Header::new();
        header.set_str("XTENSION", "BINTABLE", "binary table extension");
        header.set_i64("BITPIX", 8, "bits per data value");
        header.set_i64("NAXIS", 2, "number of axes");
        header.set_i64("NAXIS1", row_bytes as i64, "bytes per row");
        header.set_i64("NAXIS2", rows as i64, "number of rows");
        header.set_i64("PCOUNT", 0, "");
        header.set_i64("GCOUNT", 1, "");
        header.set_i64("TFIELDS", descriptors.len() as i64, "number of columns");
        header.set_str("EXTNAME", &self.extname, "name of this table");
        for (i, (column, descriptor)) in self.columns.iter().zip(descriptors).enumerate() {
            let n = i + 1;
            header.set_str(&format!("TTYPE{n}"), &column.name, "");
            header.set_str(&format!("TFORM{n}"), &tform(descriptor), "");
            if let Some(unit) = &column.unit {
                header.set_str(&format!("TUNIT{n}"), unit, "");
            }
        }
        header
    }
}

fn is_ragged(data: &ColumnData) -> bool {
    matches!(data, ColumnData::F64Array { width, values } if *width == 0 || values.len() % width != 0)
}

fn tform(descriptor: &BinaryColumnDescriptor) -> String {
    let letter = match descriptor.col_type {
        BinaryColumnType::Int => 'J',
        BinaryColumnType::Long => 'K',
        BinaryColumnType::Float => 'E',
        BinaryColumnType::Logical => 'L',
        BinaryColumnType::Ascii => 'A',
        _ => 'D',
    };
    format!("{}{letter}", descriptor.repeat)
}

fn describe(column: &Column) -> (BinaryColumnDescriptor, BinaryColumnData) {
    let (col_type, repeat, size, data) = match &column.data {
        ColumnData::I32(v) => (BinaryColumnType::Int, 1, 4, BinaryColumnData::Int(v.clone())),
        ColumnData::I64(v) => (BinaryColumnType::Long, 1, 8, BinaryColumnData::Long(v.clone())),
        ColumnData::F32(v) => (BinaryColumnType::Float, 1, 4, BinaryColumnData::Float(v.clone())),
        ColumnData::F64(v) => (BinaryColumnType::Double, 1, 8, BinaryColumnData::Double(v.clone())),
        ColumnData::Logical(v) => (BinaryColumnType::Logical, 1, 1, BinaryColumnData::Logical(v.clone())),
        ColumnData::F64Array { width, values } => {
            (BinaryColumnType::Double, *width, 8, BinaryColumnData::Double(values.clone()))
        }
        ColumnData::Text(v) => {
            let texts: Vec<String> = v.iter().map(|t| ascii(t)).collect();
            let longest = texts.iter().map(String::len).max().unwrap_or(0).max(1);
            (BinaryColumnType::Ascii, longest, 1, BinaryColumnData::Ascii(texts))
        }
    };
    let name = Some(column.name.clone());
    (BinaryColumnDescriptor { name, repeat, col_type, byte_width: repeat * size, tdim: None }, data)
}

/// Reads a binary table whose columns have the types of [`ColumnData`].
///
/// # Errors
/// As [`scan`]; [`FitsError::BadRequest`] when the HDU is no binary table, [`FitsError::Unsupported`] for other
/// column types and scaled columns, [`FitsError::Truncated`].
pub fn read_table(path: &Path, hdu: usize) -> Result<Vec<Column>, FitsError> {
    let fits = scan(path)?;
    let Some(table) = fits.hdus.get(hdu).filter(|h| h.kind == HduKind::BinTable) else {
        return Err(FitsError::bad_request(path, format!("HDU {hdu} is not a binary table")));
    };
    if fits.truncated.is_some_and(|t| t.hdu == hdu) {
        fits.require_complete()?;
    }
    let count = |key: &str| {
        let n = table.header.get_i64(key).and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| FitsError::bad_header(path, format!("{key} of HDU {hdu} is missing or negative")))
    };
    let (row_bytes, rows, fields) = (count("NAXIS1")?, count("NAXIS2")?, count("TFIELDS")?);
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    // NAXISn may disagree with NAXIS; rows without bytes could be any number.
    let length = row_bytes.checked_mul(rows).filter(|&n| n as u64 <= table.data_len && (n > 0 || rows == 0));
    let length = length.ok_or_else(|| {
        FitsError::bad_header(path, format!("{rows} rows of {row_bytes} bytes are not the data of HDU {hdu}"))
    })?;
    let mut bytes = vec![0; length];
    let got = file_io::read_at(&file, &mut bytes, table.data_offset)
        .map_err(|e| FitsError::io(path, "read", 0, e))?;
    if got < bytes.len() {
        return Err(FitsError::Truncated {
            path: path.to_path_buf(),
            hdu,
            expected: table.data_offset + bytes.len() as u64,
            found: table.data_offset + got as u64,
        });
    }
    let mut offset = 0;
    let mut columns = Vec::with_capacity(fields.min(999));
    for n in 1..=fields {
        let text = table.header.get_str(&format!("TFORM{n}")).unwrap_or_default();
        let unsupported =
            || FitsError::unsupported(path, format!("column {n} of HDU {hdu} (TFORM{n} = '{text}')"));
        // `fitsio_pure` cuts the text at bytes, which only ASCII survives.
        let form = if text.is_ascii() { parse_tform_binary(&text).ok() } else { None };
        let (repeat, kind) = form.ok_or_else(unsupported)?;
        if table.header.contains(&format!("TZERO{n}")) || table.header.contains(&format!("TSCAL{n}")) {
            return Err(unsupported());
        }
        let width = repeat.saturating_mul(element_bytes(kind).ok_or_else(unsupported)?);
        let cells = Cells { bytes: &bytes, row_bytes, rows, offset, width };
        if width > row_bytes - offset {
            return Err(FitsError::bad_header(path, format!("the columns of HDU {hdu} exceed NAXIS1")));
        }
        columns.push(Column {
            name: table.header.get_str(&format!("TTYPE{n}")).unwrap_or_default(),
            unit: table.header.get_str(&format!("TUNIT{n}")),
            data: cells.decode(kind, repeat).ok_or_else(unsupported)?,
        });
        offset += width;
    }
    Ok(columns)
}

fn element_bytes(kind: BinaryColumnType) -> Option<usize> {
    Some(match kind {
        BinaryColumnType::Logical | BinaryColumnType::Byte | BinaryColumnType::Ascii => 1,
        BinaryColumnType::Short => 2,
        BinaryColumnType::Int | BinaryColumnType::Float => 4,
        BinaryColumnType::Long | BinaryColumnType::Double => 8,
        _ => return None,
    })
}

/// The cells of one column in the table's bytes.
struct Cells<'a> {
    bytes: &'a [u8],
    row_bytes: usize,
    rows: usize,
    offset: usize,
    width: usize,
}

impl Cells<'_> {
    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.rows).map(|row| {
            let start = row * self.row_bytes + self.offset;
            &self.bytes[start..start + self.width]
        })
    }

    /// All elements of fixed size, row by row.
    fn elements<const N: usize, T>(&self, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        self.rows().flat_map(|cell| cell.as_chunks::<N>().0).map(|bytes| convert(*bytes)).collect()
    }

    fn decode(&self, kind: BinaryColumnType, repeat: usize) -> Option<ColumnData> {
        Some(match (kind, repeat) {
            (BinaryColumnType::Ascii, _) => ColumnData::Text(self.rows().map(text).collect()),
            (BinaryColumnType::Logical, 1) => ColumnData::Logical(self.elements(|[b]| b == b'T')),
            (BinaryColumnType::Byte, 1) => ColumnData::I32(self.elements(|[b]| i32::from(b))),
            (BinaryColumnType::Short, 1) => {
                ColumnData::I32(self.elements(|b| i32::from(i16::from_be_bytes(b))))
            }
            (BinaryColumnType::Int, 1) => ColumnData::I32(self.elements(i32::from_be_bytes)),
            (BinaryColumnType::Long, 1) => ColumnData::I64(self.elements(i64::from_be_bytes)),
            (BinaryColumnType::Float, 1) => ColumnData::F32(self.elements(f32::from_be_bytes)),
            (BinaryColumnType::Double, 1) => ColumnData::F64(self.elements(f64::from_be_bytes)),
            (BinaryColumnType::Double, width) if width > 1 => {
                ColumnData::F64Array { width, values: self.elements(f64::from_be_bytes) }
            }
            _ => return None,
        })
    }
}

/// A text cell ends at its first NUL; trailing blanks are padding.
fn text(cell: &[u8]) -> String {
    let end = cell.iter().position(|&b| b == 0).unwrap_or(cell.len());
    crate::card::latin1_or_utf8(&cell[..end]).trim_end_matches(' ').to_string()
}
