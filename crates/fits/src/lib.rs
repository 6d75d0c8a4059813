//! FITS input and output for ZeMosaic: headers kept byte for byte, row-window reads, a positional product writer,
//! binary tables and checksums. Format: FITS Standard 4.0 (IAU FITS Working Group, 2018); checksums: its appendix J.
//!
//! Planes are row-major with row 0 the first row of the file. "No data" is NaN in every float plane.
//! `docs/methods/fits.md` describes what is read tolerantly and what is written strictly.

mod card;
mod checksum;
mod compress;
mod decode;
mod error;
mod file_io;
mod hdu;
mod header;
mod image_writer;
mod kept_rows;
mod layout;
mod packed;
mod pool;
mod product;
mod table;
mod text;
mod tiles;
mod window;

pub use checksum::{CheckState, HduCheck, verify_checksums};
pub use compress::{CompressOptions, ProductCodec, compress_product};
pub use error::FitsError;
pub use hdu::{FitsFile, Hdu, HduKind, Truncation, scan};
pub use header::Header;
pub use image_writer::{ImageData, write_image};
pub use layout::{HduRole, ImageLayout, SampleType};
pub use packed::{
    Packed, is_packed, open_unpacked, packed_kind, scan_packed, scan_packed_hdus, scan_packed_header,
    unpack_image, unpack_packed,
};
pub use pool::FilePool;
pub use product::{DataSpec, HduSpec, Overwrite, ProductWriter};
pub use table::{Column, ColumnData, TableSpec, read_table};
pub use tiles::{CompressedLayout, read_compressed_window, unpack_compressed};
pub use window::{ReadScratch, Window, read_window};

/// Bytes of a FITS block; headers and data units are padded to whole blocks.
pub const BLOCK_BYTES: usize = 2880;
/// Bytes of a header card.
pub const CARD_BYTES: usize = 80;
