//! The compressed file, written in one pass: the heap of a table grows while batches of tiles are compressed by all
//! threads; the table before it and its header, whose lengths are known, follow when the heap is complete.

use super::header::{HeapSizes, TablePlan};
use super::tile::{Method, TileCode, compress};
use super::{CompressOptions, ProductCodec};
use crate::checksum::{add, stamp, sum_bytes};
use crate::error::FitsError;
use crate::hdu::{Hdu, HduKind, scan};
use crate::header::Header;
use crate::layout::{HduRole, ImageLayout, SampleType};
use crate::product::{Overwrite, PartialFile};
use crate::{BLOCK_BYTES, file_io};
use rayon::prelude::*;
use std::fs::File;
use std::path::Path;

/// A tile has at least this many samples where the plane has them: whole rows, more than one of a narrow image.
const LEAST_TILE_SAMPLES: usize = 4096;
/// More samples in one row are not read back by this crate.
const MAX_ROW_SAMPLES: usize = 1 << 30;
/// Samples compressed at a time, bytes; the results of a batch wait in memory for their turn.
const BATCH_BYTES: u64 = 16 << 20;
/// Images from this size on, in bytes, get 64-bit descriptors: 32-bit ones end at a heap of 2 GiB.
const WIDE_FROM_BYTES: u64 = 1 << 30;

/// Writes the product `plain` as a tile-compressed file to `dest` and returns its length in bytes.
///
/// Images become binary tables with their cards, names and order kept; one in the primary HDU moves behind an empty one.
/// Other HDUs are copied. All HDUs carry DATASUM and CHECKSUM. Tiles are whole rows, compressed by the threads of the
/// current rayon pool; the bytes do not depend on their number. Memory: 16 MiB of samples (or one row, if that is more),
/// about as much again of results, and up to 48 bytes a tile. `dest` may be `plain` itself. The work goes to
/// `<dest>.partial` and is renamed at the end.
///
/// # Errors
/// As [`scan`] for `plain`; [`FitsError::Truncated`]; [`FitsError::BadRequest`] for a quantisation that is no positive
/// number; [`FitsError::Unsupported`] for rows of more than 2^30 samples; [`FitsError::Exists`],
/// [`FitsError::DiskFull`], [`FitsError::Io`].
pub fn compress_product(
    plain: &Path,
    dest: &Path,
    options: &CompressOptions,
    policy: Overwrite,
) -> Result<u64, FitsError> {
    compress_with(plain, dest, options, policy, WIDE_FROM_BYTES)
}

fn compress_with(
    plain: &Path,
    dest: &Path,
    options: &CompressOptions,
    policy: Overwrite,
    wide_from_bytes: u64,
) -> Result<u64, FitsError> {
    if let (ProductCodec::Rice, Some(q)) = (options.codec, options.quantize)
        && !(q.is_finite() && q > 0.0)
    {
        return Err(FitsError::bad_request(
            dest,
            format!("quantisation by {q}; it must be a positive number"),
        ));
    }
    let product = scan(plain)?;
    product.require_complete()?;
    let file = File::open(plain).map_err(|e| FitsError::io(plain, "open", 0, e))?;
    let source = Source { file, path: plain };
    let mut output = Output { file: PartialFile::create(dest, 0, policy)?, at: 0 };
    if product.hdus.first().is_some_and(|hdu| hdu.image().is_some()) {
        let primary = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
        output.put(&stamped(&primary, 0, None, dest)?)?;
    }
    for hdu in &product.hdus {
        match &hdu.kind {
            HduKind::Image(image) => write_image(&source, hdu, image, options, wide_from_bytes, &mut output)?,
            _ => copy(&source, hdu, &mut output)?,
        }
    }
    // Windows renames only onto files that nobody reads.
    drop(source);
    output.file.publish()?;
    Ok(output.at)
}

struct Source<'a> {
    file: File,
    path: &'a Path,
}

impl Source<'_> {
    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), FitsError> {
        let got = file_io::read_at(&self.file, buffer, offset)
            .map_err(|e| FitsError::io(self.path, "read", 0, e))?;
        // The length was checked before; what is missing now was cut meanwhile, or is padding.
        buffer[got..].fill(0);
        Ok(())
    }
}

/// The file in the making and the place of the next byte.
struct Output {
    file: PartialFile,
    at: u64,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<(), FitsError> {
        self.file.write(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Zeros up to a whole block.
    fn pad(&mut self) -> Result<(), FitsError> {
        let missing = self.at.next_multiple_of(BLOCK_BYTES as u64) - self.at;
        self.put(&vec![0; missing as usize])
    }
}

fn stamped(header: &Header, datasum: u32, length: Option<usize>, path: &Path) -> Result<Vec<u8>, FitsError> {
    stamp(header, datasum, length).ok_or_else(|| FitsError::bad_header(path, "a header cannot be written"))
}

/// Copies an HDU; only a header without sums is changed: it gets them.
fn copy(source: &Source<'_>, hdu: &Hdu, output: &mut Output) -> Result<(), FitsError> {
    let length = hdu.data_len.next_multiple_of(BLOCK_BYTES as u64);
    let mut buffer = vec![0; BATCH_BYTES.min(length.max(BLOCK_BYTES as u64)) as usize];
    let pieces = |buffer: &mut [u8], each: &mut dyn FnMut(&[u8]) -> Result<(), FitsError>| {
        let mut done = 0;
        while done < length {
            let part = (buffer.len() as u64).min(length - done) as usize;
            // Padding that the file may lack, or fills oddly, is zeros here.
            let data = (hdu.data_len - done.min(hdu.data_len)).min(part as u64) as usize;
            source.read(&mut buffer[..data], hdu.data_offset + done)?;
            buffer[data..part].fill(0);
            each(&buffer[..part])?;
            done += part as u64;
        }
        Ok(())
    };
    if hdu.header.contains("DATASUM") && hdu.header.contains("CHECKSUM") {
        let mut header = vec![0; (hdu.data_offset - hdu.header_offset) as usize];
        source.read(&mut header, hdu.header_offset)?;
        output.put(&header)?;
    } else {
        let mut sum = 0;
        pieces(&mut buffer, &mut |bytes| {
            sum = add(sum, sum_bytes(bytes));
            Ok(())
        })?;
        output.put(&stamped(&hdu.header, sum, None, source.path)?)?;
    }
    pieces(&mut buffer, &mut |bytes| output.put(bytes))
}

/// Tiles of whole rows of one plane; as many in a plane as it takes.
fn tile_shape(image: &ImageLayout) -> Vec<usize> {
    let rows = LEAST_TILE_SAMPLES.div_ceil(image.width().max(1)).min(image.height());
    image
        .dims
        .iter()
        .enumerate()
        .map(|(axis, &n)| match axis {
            0 => n,
            1 => rows,
            _ => 1,
        })
        .collect()
}

/// Where ZDITHER0 starts the random numbers: 1..10000, by the sum of the data, so that equal data give equal bytes and
/// different products do not share their dither.
fn dither_seed(hdu: &Hdu) -> usize {
    let sum = hdu.header.get_str("DATASUM").and_then(|text| text.trim().parse::<u32>().ok());
    1 + (sum.unwrap_or(0) % 10_000) as usize
}

fn write_image(
    source: &Source<'_>,
    hdu: &Hdu,
    image: &ImageLayout,
    options: &CompressOptions,
    wide_from_bytes: u64,
    output: &mut Output,
) -> Result<(), FitsError> {
    let path = output.file.final_path().to_path_buf();
    if image.width() > MAX_ROW_SAMPLES {
        let what = format!("compressing rows of {} samples", image.width());
        return Err(FitsError::unsupported(source.path, what));
    }
    let tile = tile_shape(image);
    let rows = tile.get(1).copied().unwrap_or(1);
    let plan = TablePlan {
        method: Method::new(image.sample, options, dither_seed(hdu)),
        tiles: image.height().div_ceil(rows) * image.planes(),
        tile,
        wide: image.data_bytes() >= wide_from_bytes,
    };
    let header_at = output.at;
    let header_len = stamped(&plan.header(hdu, image, HeapSizes::default()), 0, None, &path)?.len();
    let table_at = header_at + header_len as u64;
    output.at = table_at + plan.table_bytes() as u64;
    let mut heap =
        Heap { table: Vec::with_capacity(plan.table_bytes()), sizes: HeapSizes::default(), sum: 0 };
    let tiles = Tiles { image, rows };
    let mut buffer = Vec::new();
    let mut next = 0;
    while next < plan.tiles {
        let batch = tiles.batch(next, plan.tiles);
        let from = tiles.offset(batch.start);
        buffer.resize((tiles.offset(batch.end) - from) as usize, 0);
        source.read(&mut buffer, image.data_offset + from)?;
        let codes: Vec<TileCode> = batch
            .clone()
            .into_par_iter()
            .map(|tile| {
                let bytes =
                    &buffer[(tiles.offset(tile) - from) as usize..(tiles.offset(tile + 1) - from) as usize];
                compress(bytes, image.sample, image.width(), tile, plan.method)
            })
            .collect::<Result<_, _>>()
            .map_err(|e| FitsError::io(&path, "compress", 0, e))?;
        for code in &codes {
            heap.append(code, &plan, output)?;
        }
        next = batch.end;
    }
    output.pad()?;
    let datasum = add(sum_bytes(&heap.table), heap.sum);
    output.file.write(&heap.table, table_at)?;
    let header = stamped(&plan.header(hdu, image, heap.sizes), datasum, Some(header_len), &path)?;
    output.file.write(&header, header_at)
}

/// The tiles of an image in the order of its samples.
struct Tiles<'a> {
    image: &'a ImageLayout,
    /// Rows of a tile; the last one of a plane may have fewer.
    rows: usize,
}

impl Tiles<'_> {
    /// Where tile number `tile` starts (or the tile before it ends) in the image's data, bytes.
    fn offset(&self, tile: usize) -> u64 {
        let per_plane = self.image.height().div_ceil(self.rows);
        let (plane, tile) = (tile / per_plane, tile % per_plane);
        (plane * self.image.height() + tile * self.rows) as u64 * self.image.row_bytes()
    }

    /// The tiles from `from` on that are compressed together.
    fn batch(&self, from: usize, count: usize) -> std::ops::Range<usize> {
        let tile_bytes = (self.rows as u64 * self.image.row_bytes()).max(1);
        let together = (BATCH_BYTES / tile_bytes).max(1) as usize;
        from..count.min(from + together)
    }
}

/// The rows of the table and the state of the heap.
struct Heap {
    table: Vec<u8>,
    sizes: HeapSizes,
    sum: u32,
}

impl Heap {
    /// Appends the streams of a tile to the heap and its row to the table.
    fn append(&mut self, code: &TileCode, plan: &TablePlan, output: &mut Output) -> Result<(), FitsError> {
        self.stream(&code.compressed, plan, output)?;
        self.sizes.longest_compressed = self.sizes.longest_compressed.max(code.compressed.len());
        if plan.is_quantized() {
            self.stream(&code.gzip, plan, output)?;
            self.sizes.longest_gzip = self.sizes.longest_gzip.max(code.gzip.len());
            self.table.extend(code.scale.to_be_bytes());
            self.table.extend(code.zero.to_be_bytes());
        }
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8], plan: &TablePlan, output: &mut Output) -> Result<(), FitsError> {
        // An empty array points nowhere.
        let start = if bytes.is_empty() { 0 } else { self.sizes.heap_bytes };
        if plan.wide {
            self.table.extend((bytes.len() as u64).to_be_bytes());
            self.table.extend(start.to_be_bytes());
        } else {
            let end = start + bytes.len() as u64;
            if i32::try_from(end).is_err() {
                let what = format!("a heap of {end} bytes has no 32-bit offsets");
                return Err(FitsError::bad_request(output.file.final_path(), what));
            }
            self.table.extend((bytes.len() as u32).to_be_bytes());
            self.table.extend((start as u32).to_be_bytes());
        }
        self.sum = add(self.sum, sum_from(bytes, self.sizes.heap_bytes));
        self.sizes.heap_bytes += bytes.len() as u64;
        output.put(bytes)
    }
}

/// Sum of the words of bytes that do not start at a word: `offset` is their place in the data.
fn sum_from(bytes: &[u8], offset: u64) -> u32 {
    let lead = (offset % 4) as usize;
    let (head, rest) = bytes.split_at(bytes.len().min((4 - lead) % 4));
    let mut word = [0; 4];
    word[lead % 4..][..head.len()].copy_from_slice(head);
    add(u32::from_be_bytes(word), sum_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FilePool, ImageData, ReadScratch, Window, read_compressed_window, read_window, verify_checksums,
    };

    #[test]
    fn sums_of_pieces_are_the_sum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_003).map(|i: u8| i.wrapping_mul(37)).collect();
        for cuts in [[1, 2], [3, 4], [5, 500], [7, 1_002], [0, 0]] {
            let parts = [(0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], bytes.len())];
            let sum =
                parts.iter().fold(0, |sum, &(from, to)| add(sum, sum_from(&bytes[from..to], from as u64)));
            assert_eq!(sum, sum_bytes(&bytes), "{cuts:?}");
        }
    }

    /// 64-bit descriptors, as an image of more than 1 GiB gets them.
    #[test]
    fn wide_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, dest) = (folder.path().join("plain.fits"), folder.path().join("dest.fits"));
        let values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 1_013) as f32).collect();
        crate::write_image(&plain, &Header::new(), ImageData::F32(&values), &[100, 100]).unwrap();
        let options = CompressOptions { codec: ProductCodec::Rice, quantize: Some(4.0) };
        compress_with(&plain, &dest, &options, Overwrite::Refuse, 0).unwrap();
        assert!(
            verify_checksums(&dest).unwrap().iter().all(|check| check.checksum == crate::CheckState::Good)
        );
        let hdu = scan(&dest).unwrap().hdus.remove(1);
        assert!(hdu.header.get_str("TFORM1").unwrap().starts_with("1QB("));
        let (pool, mut read, mut original) = (FilePool::new(2), vec![0.0; 10_000], vec![0.0; 10_000]);
        let window = Window { x0: 0, y0: 0, width: 100, height: 100 };
        read_compressed_window(&pool, &dest, hdu.compressed().unwrap(), 0, window, &mut read).unwrap();
        let image = scan(&plain).unwrap().hdus.remove(0).image().unwrap().clone();
        read_window(&pool, &plain, &image, 0, window, &mut ReadScratch::default(), &mut original).unwrap();
        // Third-order differences of these values are 0 or 1013, mostly 1013: the step is 0.60527 * 1013 / 4.
        assert!(read.iter().zip(&original).all(|(a, b)| (a - b).abs() < 77.0) && read != original);
        if let Ok(output) = std::process::Command::new("fitsverify").arg("-q").arg(&dest).output() {
            assert!(String::from_utf8_lossy(&output.stdout).contains("verification OK"));
        }
    }
}
