//! The whole image as a plain FITS file, so that the rows of any patch can be read by position.

use super::layout::CompressedLayout;
use super::read::TileReader;
use super::restore;
use crate::BLOCK_BYTES;
use crate::error::FitsError;
use crate::hdu::{Hdu, HduKind};
use crate::header::Header;
use crate::layout::ImageLayout;
use crate::product::{Overwrite, PartialFile};
use rayon::prelude::*;
use std::fs::File;
use std::path::Path;

impl Hdu {
    /// The header of a tile-compressed image before its compression, as a primary header; `None` for other HDUs.
    pub fn restored_header(&self) -> Option<Header> {
        matches!(self.kind, HduKind::CompressedImage(_)).then(|| restore::header(&self.header).ok()).flatten()
    }
}

/// Unpacks one tile-compressed image of the file to `dest`, a FITS file with this image alone: samples as they were
/// before compression, the header restored. Rows of tiles are decoded in parallel; a thread holds one of them. The work
/// goes to `<dest>.partial` and is renamed at the end. Returns the layout of the unpacked image.
///
/// # Errors
/// [`FitsError::BadRequest`] when the HDU is no tile-compressed image, [`FitsError::Damaged`],
/// [`FitsError::Truncated`], [`FitsError::DiskFull`], [`FitsError::Io`].
pub fn unpack_compressed(path: &Path, hdu: &Hdu, dest: &Path) -> Result<ImageLayout, FitsError> {
    let (HduKind::CompressedImage(layout), Some(header)) = (&hdu.kind, hdu.restored_header()) else {
        let what = format!("HDU {} is no tile-compressed image", hdu.index);
        return Err(FitsError::bad_request(path, what));
    };
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let file_len = file.metadata().map_err(|e| FitsError::io(path, "read", 0, e))?.len();
    let image = ImageLayout { hdu: 0, ..layout.image.clone() };
    let total = image.data_offset + image.data_bytes().next_multiple_of(BLOCK_BYTES as u64);
    let target = PartialFile::create(dest, total, Overwrite::Replace)?;
    target.write(&header.to_bytes(), 0)?;
    let bands: usize = layout.counts().skip(1).product();
    (0..bands).into_par_iter().try_for_each_init(
        || TileReader::new(&file, path, layout, file_len),
        |reader, band| unpack_band(layout, reader, band, &target),
    )?;
    target.publish_unsynced()?;
    Ok(image)
}

/// Decodes the tiles that differ only along the first axis and writes their rows.
fn unpack_band(
    layout: &CompressedLayout,
    reader: &mut TileReader<'_>,
    band: usize,
    target: &PartialFile,
) -> Result<(), FitsError> {
    let image = &layout.image;
    let size = image.sample.bytes();
    let mut coordinates = vec![0; layout.tile.len()];
    let mut rest = band;
    for (c, count) in coordinates.iter_mut().zip(layout.counts()).skip(1) {
        *c = rest % count;
        rest /= count;
    }
    let across = layout.counts().next().unwrap_or(1);
    let row_bytes = image.width() * size;
    let rows: usize = layout.extent(&coordinates).skip(1).product();
    let mut bytes = Vec::new();
    for tx in 0..across {
        coordinates[0] = tx;
        let tile = reader.tile(&coordinates)?;
        if across == 1 {
            bytes = tile;
            break;
        }
        bytes.resize(row_bytes * rows, 0);
        let tile_row = tile.len() / rows;
        let left = tx * layout.tile[0] * size;
        for (row, part) in bytes.chunks_exact_mut(row_bytes).zip(tile.chunks_exact(tile_row)) {
            row[left..left + tile_row].copy_from_slice(part);
        }
    }
    // Rows along the second axis lie together in the file; beyond it every step is a jump.
    let extent: Vec<usize> = layout.extent(&coordinates).collect();
    let together = extent.get(1).copied().unwrap_or(1);
    let mut inner = vec![0; extent.len()];
    for part in bytes.chunks_exact(row_bytes * together) {
        let mut offset = 0;
        for axis in (1..extent.len()).rev() {
            offset = offset * image.dims[axis] as u64
                + (coordinates[axis] * layout.tile[axis] + inner[axis]) as u64;
        }
        target.write(part, image.data_offset + offset * row_bytes as u64)?;
        for axis in 2..extent.len() {
            inner[axis] += 1;
            if inner[axis] < extent[axis] {
                break;
            }
            inner[axis] = 0;
        }
    }
    Ok(())
}
