//! The product writer: a multi-HDU file whose pixels arrive in blocks, in any order, from any thread.
//!
//! The file grows up as `<name>.partial` with its full size allocated at the start, carries DATASUM and CHECKSUM, and
//! gets its name only when every pixel has been written. Equal pixels and headers give equal bytes whatever the order.

mod file;
mod planes;

pub(crate) use file::{PartialFile, partial_path};

use crate::checksum::{add, fold, stamp, sum_bytes};
use crate::error::FitsError;
use crate::hdu::{HduKind, describe};
use crate::header::Header;
use crate::layout::SampleType;
use crate::table::TableSpec;
use crate::window::Window;
use crate::{BLOCK_BYTES, CARD_BYTES};
use planes::Planes;
use std::path::Path;

/// What to do when the product's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse with [`FitsError::Exists`].
    Refuse,
    /// Replace the old file at the end, when the new one is complete.
    Replace,
}

/// The data unit of an HDU to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSpec {
    /// No data (NAXIS = 0).
    None,
    /// 32-bit float image, filled with [`ProductWriter::write_f32`].
    F32 {
        /// Axis lengths, NAXIS1 first.
        dims: Vec<usize>,
    },
    /// 32-bit integer image, filled with [`ProductWriter::write_i32`].
    I32 {
        /// Axis lengths, NAXIS1 first.
        dims: Vec<usize>,
    },
    /// Ready data bytes, for instance of a table; padded with zeros.
    Bytes(Vec<u8>),
}

/// An HDU to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct HduSpec {
    /// The complete header, mandatory cards first (see [`Header::for_image`]), without CHECKSUM and DATASUM, which
    /// the writer adds. Blank cards at its end ([`Header::push_blank`]) are room for keywords set at the finish.
    pub header: Header,
    /// The data unit.
    pub data: DataSpec,
}

struct HduState {
    header: Header,
    header_offset: u64,
    /// Header bytes in the file, with the room for the two sums.
    header_bytes: usize,
    data_len: u64,
    content: Content,
}

enum Content {
    /// Written at the start, with this sum.
    Fixed {
        datasum: u32,
    },
    Image(Planes),
}

/// Writes a product; see the module's first lines. `Sync`: blocks may be written from any number of threads.
/// Dropped without a finish it removes its partial file.
pub struct ProductWriter {
    file: PartialFile,
    hdus: Vec<HduState>,
}

impl ProductWriter {
    /// Creates `<path>.partial` with all headers and the disk space of all data.
    ///
    /// # Errors
    /// [`FitsError::Exists`] when the product exists (and may not be replaced) or another run is writing it,
    /// [`FitsError::DiskFull`], [`FitsError::BadHeader`] when a header does not describe its data, [`FitsError::Io`].
    pub fn create(path: &Path, hdus: Vec<HduSpec>, policy: Overwrite) -> Result<Self, FitsError> {
        let mut offset = 0;
        let mut states = Vec::with_capacity(hdus.len());
        let mut fixed = Vec::new();
        for (index, spec) in hdus.into_iter().enumerate() {
            check_spec(index, &spec, path)?;
            let header_bytes = stamp(&spec.header, 0, None)
                .ok_or_else(|| {
                    FitsError::bad_header(path, format!("the header of HDU {index} cannot be written"))
                })?
                .len();
            let data_offset = offset + header_bytes as u64;
            let (data_len, content) = match spec.data {
                DataSpec::None => (0, Content::Fixed { datasum: 0 }),
                DataSpec::F32 { dims } => image(index, SampleType::F32, &dims, data_offset),
                DataSpec::I32 { dims } => image(index, SampleType::I32, &dims, data_offset),
                DataSpec::Bytes(bytes) => {
                    let sum = sum_bytes(&bytes);
                    let length = bytes.len() as u64;
                    fixed.push((data_offset, bytes));
                    (length, Content::Fixed { datasum: sum })
                }
            };
            states.push(HduState {
                header: spec.header,
                header_offset: offset,
                header_bytes,
                data_len,
                content,
            });
            offset = data_offset + data_len.next_multiple_of(BLOCK_BYTES as u64);
        }
        if states.is_empty() {
            return Err(FitsError::bad_request(path, "a product needs at least one HDU"));
        }
        let file = PartialFile::create(path, offset, policy)?;
        for state in &states {
            // Provisional sums, so that a look at the partial file meets well-formed headers.
            file.write(&header_block(path, state, &state.header, 0)?, state.header_offset)?;
        }
        for (offset, bytes) in fixed {
            file.write(&bytes, offset)?;
        }
        Ok(Self { file, hdus: states })
    }

    /// Writes a block of a float plane; `values` is row-major with `window.area()` values.
    ///
    /// # Errors
    /// [`FitsError::BadRequest`] for a wrong HDU, plane, window or buffer and for rows written twice,
    /// [`FitsError::DiskFull`], [`FitsError::Io`].
    pub fn write_f32(
        &self,
        hdu: usize,
        plane: usize,
        window: Window,
        values: &[f32],
    ) -> Result<(), FitsError> {
        self.planes(hdu, SampleType::F32)?.write(&self.file, plane, window, values, f32::to_be_bytes)
    }

    /// Writes a block of an integer plane; as [`ProductWriter::write_f32`].
    ///
    /// # Errors
    /// As [`ProductWriter::write_f32`].
    pub fn write_i32(
        &self,
        hdu: usize,
        plane: usize,
        window: Window,
        values: &[i32],
    ) -> Result<(), FitsError> {
        self.planes(hdu, SampleType::I32)?.write(&self.file, plane, window, values, i32::to_be_bytes)
    }

    /// Reads back a row of a float plane; pixels not yet written read as 0.
    ///
    /// # Errors
    /// [`FitsError::BadRequest`], [`FitsError::Io`].
    pub fn read_row_f32(&self, hdu: usize, plane: usize, y: usize, out: &mut [f32]) -> Result<(), FitsError> {
        self.planes(hdu, SampleType::F32)?.read_row(&self.file, plane, y, out, f32::from_be_bytes)
    }

    /// Replaces a row of a float plane that is complete, as a last step over a whole product does.
    ///
    /// # Errors
    /// [`FitsError::BadRequest`] for a row that is not complete or of another length, [`FitsError::Io`].
    pub fn replace_row_f32(
        &self,
        hdu: usize,
        plane: usize,
        y: usize,
        values: &[f32],
    ) -> Result<(), FitsError> {
        self.planes(hdu, SampleType::F32)?.replace_row(&self.file, plane, y, values)
    }

    /// Reads back a row of an integer plane; as [`ProductWriter::read_row_f32`].
    ///
    /// # Errors
    /// As [`ProductWriter::read_row_f32`].
    pub fn read_row_i32(&self, hdu: usize, plane: usize, y: usize, out: &mut [i32]) -> Result<(), FitsError> {
        self.planes(hdu, SampleType::I32)?.read_row(&self.file, plane, y, out, i32::from_be_bytes)
    }

    /// Completes the product: final headers (by HDU index; the others keep the one they were created with), sums,
    /// sync, rename. A final header may use the room of the first one and its blank cards, not more.
    ///
    /// # Errors
    /// [`FitsError::Incomplete`] when pixels are missing, [`FitsError::BadHeader`] when a final header needs more
    /// room or describes other data, [`FitsError::Exists`], [`FitsError::DiskFull`], [`FitsError::Io`]. After an
    /// error neither the product nor its partial file exists (an old product is untouched).
    pub fn finish(self, final_headers: Vec<(usize, Header)>) -> Result<(), FitsError> {
        self.complete(final_headers, Vec::new())
    }

    /// As [`ProductWriter::finish`], with a binary table appended as the last HDU.
    ///
    /// # Errors
    /// As [`ProductWriter::finish`]; [`FitsError::BadRequest`] for a malformed table.
    pub fn finish_with_table(
        self,
        final_headers: Vec<(usize, Header)>,
        table: TableSpec,
    ) -> Result<(), FitsError> {
        self.complete(final_headers, vec![table])
    }

    /// As [`ProductWriter::finish`], with binary tables appended as the last HDUs.
    ///
    /// # Errors
    /// As [`ProductWriter::finish_with_table`].
    pub fn finish_with_tables(
        self,
        final_headers: Vec<(usize, Header)>,
        tables: Vec<TableSpec>,
    ) -> Result<(), FitsError> {
        self.complete(final_headers, tables)
    }

    /// Name the product will have.
    pub fn path(&self) -> &Path {
        self.file.final_path()
    }

    fn complete(
        mut self,
        final_headers: Vec<(usize, Header)>,
        tables: Vec<TableSpec>,
    ) -> Result<(), FitsError> {
        let path = self.file.final_path().to_path_buf();
        for (index, header) in final_headers {
            let Some(state) = self.hdus.get_mut(index) else {
                return Err(FitsError::bad_request(&path, format!("there is no HDU {index}")));
            };
            let hdu = describe(index, header, 0, 0, &path)?;
            if hdu.data_len != state.data_len {
                let what =
                    format!("the final header of HDU {index} describes {} bytes of data", hdu.data_len);
                return Err(FitsError::bad_header(
                    &path,
                    format!("{what}, {} were announced", state.data_len),
                ));
            }
            state.header = hdu.header;
        }
        for (index, state) in self.hdus.iter().enumerate() {
            let datasum = match &state.content {
                Content::Fixed { datasum } => *datasum,
                Content::Image(planes) => planes.finished_sum(index, &path)?,
            };
            self.file.write(&header_block(&path, state, &state.header, datasum)?, state.header_offset)?;
        }
        let mut end = self.hdus.last().map_or(0, |last| {
            last.header_offset + last.header_bytes as u64 + last.data_len.next_multiple_of(BLOCK_BYTES as u64)
        });
        for table in tables {
            let (header, data) = table.encode(&path)?;
            let mut bytes = stamp(&header, sum_bytes(&data), None)
                .ok_or_else(|| FitsError::bad_header(&path, "the table's header cannot be written"))?;
            bytes.extend(data);
            self.file.write(&bytes, end)?;
            end += bytes.len() as u64;
        }
        self.file.publish()
    }

    fn planes(&self, hdu: usize, sample: SampleType) -> Result<&Planes, FitsError> {
        match self.hdus.get(hdu).map(|h| &h.content) {
            Some(Content::Image(planes)) if planes.sample() == sample => Ok(planes),
            _ => Err(FitsError::bad_request(self.path(), format!("HDU {hdu} is no {sample:?} image"))),
        }
    }
}

fn image(index: usize, sample: SampleType, dims: &[usize], data_offset: u64) -> (u64, Content) {
    let planes = Planes::new(index, sample, dims, data_offset);
    (planes.data_bytes(), Content::Image(planes))
}

fn header_block(path: &Path, state: &HduState, header: &Header, datasum: u32) -> Result<Vec<u8>, FitsError> {
    stamp(header, datasum, Some(state.header_bytes)).ok_or_else(|| {
        let room = state.header_bytes / CARD_BYTES;
        FitsError::bad_header(path, format!("{} cards do not fit the {room} reserved", header.cards().len()))
    })
}

/// The header must describe the data, with the mandatory cards in their order (standard §4.4.1).
fn check_spec(index: usize, spec: &HduSpec, path: &Path) -> Result<(), FitsError> {
    let wrong = |what: &str| Err(FitsError::bad_header(path, format!("HDU {index} to be written: {what}")));
    let first = if index == 0 { "SIMPLE" } else { "XTENSION" };
    let count = spec.header.get_i64("NAXIS").unwrap_or(0);
    let axes = (1..=count).map(|i| format!("NAXIS{i}"));
    let mandatory = [first, "BITPIX", "NAXIS"].into_iter().map(str::to_string).chain(axes);
    if !mandatory.eq(spec.header.keywords().take(3 + count.max(0) as usize)) {
        return wrong("the mandatory cards are missing or out of order");
    }
    let hdu = describe(index, spec.header.clone(), 0, 0, path)?;
    let image = |sample, wanted: &[usize]| match &hdu.kind {
        HduKind::Image(layout) => layout.sample == sample && layout.dims == wanted,
        _ => false,
    };
    let (matches, bytes) = match &spec.data {
        DataSpec::None => (true, 0),
        DataSpec::F32 { dims } => (image(SampleType::F32, dims), hdu.data_len),
        DataSpec::I32 { dims } => (image(SampleType::I32, dims), hdu.data_len),
        DataSpec::Bytes(bytes) => (true, bytes.len() as u64),
    };
    if !matches {
        return wrong("BITPIX and NAXISn do not describe the image");
    }
    if hdu.data_len != bytes {
        return wrong(&format!("it describes {} bytes of data, {bytes} are given", hdu.data_len));
    }
    Ok(())
}
