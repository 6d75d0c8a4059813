//! A finished product as a tile-compressed FITS file (FITS Standard 4.0 §10, with the habits of fpack): every image
//! becomes a binary table with its tiles, everything else is copied.
//!
//! - `rice`: the RICE_1 encoder
//! - `quantize`: floats to integers in steps of a part of their noise
//! - `tile`: one tile to its streams
//! - `header`: the table's header
//! - `write`: the file

mod header;
mod quantize;
mod rice;
mod tile;
mod write;

pub use write::compress_product;

/// How the samples are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductCodec {
    /// RICE_1: integers without loss, floats quantised first ([`CompressOptions::quantize`]).
    Rice,
    /// GZIP_2 (bytes shuffled, then gzip): everything without loss.
    Gzip,
}

/// What [`compress_product`] does with the pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompressOptions {
    /// How the samples are compressed. 64-bit integers are always GZIP_2: RICE_1 is not defined for them.
    pub codec: ProductCodec,
    /// With [`ProductCodec::Rice`], floats are stored in steps of the noise of their tile divided by this number
    /// (finite and positive); `None` keeps them without loss, by GZIP_2.
    pub quantize: Option<f64>,
}

impl Default for CompressOptions {
    /// RICE_1 in steps of 1/16 of the noise: that adds a uniform error of variance step^2/12, which makes the noise
    /// larger by 0.016 % (fpack's 1/4: 0.26 %).
    fn default() -> Self {
        Self { codec: ProductCodec::Rice, quantize: Some(16.0) }
    }
}
