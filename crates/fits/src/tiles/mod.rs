//! Tile-compressed images (FITS Standard 4.0 §10): an image cut into tiles that are compressed one by one into the rows
//! and the heap of a binary table.
//!
//! - `layout`: what the header says of tiles, columns and codec
//! - `codec`: one compressed stream to integers or bytes
//! - `quantize`: integers back to floats, with subtractive dithering
//! - `read`: one tile, or the window of a plane
//! - `restore`: the header of the image before compression
//! - `unpack`: the whole image as a plain FITS file

mod codec;
mod layout;
pub(crate) mod quantize;
mod read;
pub(crate) mod restore;
mod unpack;

pub use layout::CompressedLayout;
pub use read::read_compressed_window;
pub use unpack::unpack_compressed;
