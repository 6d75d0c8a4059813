//! The header of the table that holds a compressed image (FITS Standard 4.0 §10.1): the table's own cards, the Z cards,
//! then the cards of the image byte for byte.

use super::quantize::BLANK;
use super::rice::{BLOCK, Width};
use super::tile::Method;
use crate::hdu::Hdu;
use crate::header::Header;
use crate::layout::ImageLayout;
use crate::tiles::restore::is_dropped;

/// The table of one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TablePlan {
    pub(super) method: Method,
    /// Tile lengths, first axis first.
    pub(super) tile: Vec<usize>,
    /// Rows of the table: tiles of the image.
    pub(super) tiles: usize,
    /// 64-bit descriptors (`Q`) rather than 32-bit ones (`P`).
    pub(super) wide: bool,
}

/// What is known only when the heap is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeapSizes {
    pub(super) heap_bytes: u64,
    /// Longest stream of each array column.
    pub(super) longest_compressed: usize,
    pub(super) longest_gzip: usize,
}

impl TablePlan {
    pub(super) fn is_quantized(&self) -> bool {
        matches!(self.method, Method::Quantized { .. })
    }

    /// Bytes of a row: one descriptor, for floats another one and two doubles.
    pub(super) fn row_bytes(&self) -> usize {
        let descriptor = if self.wide { 16 } else { 8 };
        if self.is_quantized() { 2 * descriptor + 16 } else { descriptor }
    }

    pub(super) fn table_bytes(&self) -> usize {
        self.row_bytes() * self.tiles
    }

    /// The header for heap sizes; its number of cards does not depend on them.
    pub(super) fn header(&self, hdu: &Hdu, image: &ImageLayout, sizes: HeapSizes) -> Header {
        let mut header = Header::new();
        header.set_str("XTENSION", "BINTABLE", "binary table extension");
        header.set_i64("BITPIX", 8, "8-bit bytes");
        header.set_i64("NAXIS", 2, "2-dimensional table");
        header.set_i64("NAXIS1", self.row_bytes() as i64, "bytes per row");
        header.set_i64("NAXIS2", self.tiles as i64, "number of tiles");
        header.set_i64("PCOUNT", sizes.heap_bytes as i64, "bytes of the heap");
        header.set_i64("GCOUNT", 1, "");
        self.columns(&mut header, sizes);
        self.image(&mut header, hdu, image);
        self.codec(&mut header);
        if !hdu.header.contains("EXTNAME") {
            header.set_str("EXTNAME", "COMPRESSED_IMAGE", "name of this table");
        }
        header.extend_from(&hdu.header, |key| !is_dropped(&key.to_ascii_uppercase()));
        header
    }

    fn columns(&self, header: &mut Header, sizes: HeapSizes) {
        let letter = if self.wide { 'Q' } else { 'P' };
        let array = |longest: usize| format!("1{letter}B({longest})");
        let mut columns = vec![("COMPRESSED_DATA", array(sizes.longest_compressed))];
        if self.is_quantized() {
            columns.push(("GZIP_COMPRESSED_DATA", array(sizes.longest_gzip)));
            columns.push(("ZSCALE", "1D".into()));
            columns.push(("ZZERO", "1D".into()));
        }
        header.set_i64("TFIELDS", columns.len() as i64, "number of columns");
        for (index, (name, form)) in columns.iter().enumerate() {
            header.set_str(&format!("TTYPE{}", index + 1), name, "");
            header.set_str(&format!("TFORM{}", index + 1), form, "");
        }
    }

    fn image(&self, header: &mut Header, hdu: &Hdu, image: &ImageLayout) {
        header.set_bool("ZIMAGE", true, "this table holds a tile-compressed image");
        if hdu.index == 0 {
            header.set_bool("ZSIMPLE", true, "the image was a primary one");
        } else {
            header.set_str("ZTENSION", "IMAGE", "the image was an extension");
        }
        let comment = |key: &str| hdu.header.get_comment(key).unwrap_or_default();
        header.set_i64("ZBITPIX", image.sample.bitpix(), &comment("BITPIX"));
        header.set_i64("ZNAXIS", image.dims.len() as i64, &comment("NAXIS"));
        for (axis, &n) in image.dims.iter().enumerate() {
            let n_axis = format!("NAXIS{}", axis + 1);
            header.set_i64(&format!("Z{n_axis}"), n as i64, &comment(&n_axis));
        }
        if hdu.index == 0 {
            header.set_bool("ZEXTEND", hdu.header.get_bool("EXTEND").unwrap_or(true), "");
        } else {
            header.set_i64("ZPCOUNT", 0, "");
            header.set_i64("ZGCOUNT", 1, "");
        }
        for (axis, &n) in self.tile.iter().enumerate() {
            header.set_i64(&format!("ZTILE{}", axis + 1), n as i64, "");
        }
        // The sums of an image that cannot be restored exactly would only ever be wrong.
        if !self.is_quantized() {
            for (key, kept) in [("CHECKSUM", "ZHECKSUM"), ("DATASUM", "ZDATASUM")] {
                if let Some(sum) = hdu.header.get_str(key) {
                    header.set_str(kept, &sum, "of the image before compression");
                }
            }
        }
    }

    fn codec(&self, header: &mut Header) {
        let rice = |header: &mut Header, width: Width| {
            header.set_str("ZCMPTYPE", "RICE_1", "compression");
            header.set_str("ZNAME1", "BLOCKSIZE", "");
            header.set_i64("ZVAL1", BLOCK as i64, "samples per block");
            header.set_str("ZNAME2", "BYTEPIX", "");
            header.set_i64("ZVAL2", width.bytes() as i64, "bytes per sample");
        };
        match self.method {
            Method::Rice(width) => rice(header, width),
            Method::Quantized { seed, .. } => {
                rice(header, Width::Four);
                header.set_str("ZQUANTIZ", "SUBTRACTIVE_DITHER_2", "quantisation of the floats");
                header.set_i64("ZDITHER0", seed as i64, "where the random numbers start");
                header.set_i64("ZBLANK", i64::from(BLANK), "stored value of NaN");
            }
            Method::ShuffledGzip => {
                header.set_str("ZCMPTYPE", "GZIP_2", "compression");
                if header.get_i64("ZBITPIX").is_some_and(|bitpix| bitpix < 0) {
                    header.set_str("ZQUANTIZ", "NONE", "floats are stored without loss");
                }
            }
        }
    }
}
