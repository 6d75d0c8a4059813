//! The planes of one image HDU of a product: where blocks go, which rows are full, and the running sum. Every pixel
//! is one 32-bit word of the ones-complement sum, so blocks add up to the same sum in any order.

use super::{PartialFile, add, fold, sum_bytes};
use crate::error::FitsError;
use crate::layout::SampleType;
use crate::window::Window;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes encoded at a time.
const CHUNK_BYTES: usize = 256 << 10;
const PIXEL_BYTES: usize = 4;

pub(super) struct Planes {
    hdu: usize,
    sample: SampleType,
    width: usize,
    height: usize,
    depth: usize,
    data_offset: u64,
    /// Sum of the folded sums of all blocks; 2^32 blocks fit.
    sum: AtomicU64,
    /// Pixels written per row of every plane.
    written: Vec<AtomicU32>,
}

impl Planes {
    pub(super) fn new(hdu: usize, sample: SampleType, dims: &[usize], data_offset: u64) -> Self {
        let width = dims.first().copied().unwrap_or(0);
        let height = dims.get(1).copied().unwrap_or(1);
        let depth = dims.iter().skip(2).product();
        let mut written = Vec::new();
        written.resize_with(height * depth, AtomicU32::default);
        Self { hdu, sample, width, height, depth, data_offset, sum: AtomicU64::new(0), written }
    }

    pub(super) fn sample(&self) -> SampleType {
        self.sample
    }

    pub(super) fn data_bytes(&self) -> u64 {
        (self.written.len() * self.width * PIXEL_BYTES) as u64
    }

    fn offset(&self, plane: usize, x: usize, y: usize) -> u64 {
        self.data_offset + (((plane * self.height + y) * self.width + x) * PIXEL_BYTES) as u64
    }

    pub(super) fn write<T: Copy>(
        &self,
        file: &PartialFile,
        plane: usize,
        window: Window,
        values: &[T],
        encode: impl Fn(T) -> [u8; PIXEL_BYTES],
    ) -> Result<(), FitsError> {
        if plane >= self.depth || !window.fits(self.width, self.height) || values.len() != window.area() {
            let what = format!("{window:?} with {} values does not fit plane {plane}", values.len());
            return Err(self.wrong(file.final_path(), &what));
        }
        if values.is_empty() {
            return Ok(());
        }
        // Full rows follow each other in the file; parts of rows are written one by one.
        let run = if window.width == self.width { values.len() } else { window.width };
        let mut bytes = Vec::with_capacity((run * PIXEL_BYTES).min(CHUNK_BYTES));
        let mut sum = 0;
        for (row, run) in values.chunks(run).enumerate() {
            let mut at = self.offset(plane, window.x0, window.y0 + row);
            for part in run.chunks(CHUNK_BYTES / PIXEL_BYTES) {
                bytes.clear();
                bytes.extend(part.iter().flat_map(|&v| encode(v)));
                sum = add(sum, sum_bytes(&bytes));
                file.write(&bytes, at)?;
                at += bytes.len() as u64;
            }
        }
        self.count(file.final_path(), plane, window)?;
        self.sum.fetch_add(u64::from(sum), Ordering::Relaxed);
        Ok(())
    }

    /// Writes other values into a row that is complete: the sum loses the old ones. Not for rows that other threads work on.
    pub(super) fn replace_row(
        &self,
        file: &PartialFile,
        plane: usize,
        y: usize,
        values: &[f32],
    ) -> Result<(), FitsError> {
        let path = file.final_path();
        let row = self.written.get(plane * self.height + y).filter(|_| plane < self.depth && y < self.height);
        if row.is_none_or(|row| row.load(Ordering::Acquire) as usize != self.width)
            || values.len() != self.width
        {
            return Err(
                self.wrong(path, &format!("row {y} of plane {plane} is not complete, or of another length"))
            );
        }
        let at = self.offset(plane, 0, y);
        let mut old = vec![0; self.width * PIXEL_BYTES];
        file.read(&mut old, at)?;
        let new: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        file.write(&new, at)?;
        // In ones' complement the negative is the complement.
        let change = u64::from(sum_bytes(&new)) + u64::from(!sum_bytes(&old));
        self.sum.fetch_add(change, Ordering::Relaxed);
        Ok(())
    }

    /// A pixel written twice would enter the sum twice, so it is an error rather than a silent bad checksum.
    fn count(&self, path: &Path, plane: usize, window: Window) -> Result<(), FitsError> {
        let first = plane * self.height + window.y0;
        for row in &self.written[first..first + window.height] {
            let before = row.fetch_add(window.width as u32, Ordering::Relaxed);
            if before as usize + window.width > self.width {
                return Err(
                    self.wrong(path, &format!("pixels of {window:?} in plane {plane} were written twice"))
                );
            }
        }
        Ok(())
    }

    pub(super) fn read_row<T>(
        &self,
        file: &PartialFile,
        plane: usize,
        y: usize,
        out: &mut [T],
        decode: impl Fn([u8; PIXEL_BYTES]) -> T,
    ) -> Result<(), FitsError> {
        if plane >= self.depth || y >= self.height || out.len() != self.width {
            let what = format!("row {y} of plane {plane} does not fit a buffer of {} values", out.len());
            return Err(self.wrong(file.final_path(), &what));
        }
        let mut bytes = vec![0; self.width * PIXEL_BYTES];
        // Bytes beyond the end of a sparse file were not written yet and count as zero.
        file.read(&mut bytes, self.offset(plane, 0, y))?;
        for (value, word) in out.iter_mut().zip(bytes.as_chunks().0) {
            *value = decode(*word);
        }
        Ok(())
    }

    /// The data sum, once every pixel is there.
    pub(super) fn finished_sum(&self, hdu: usize, path: &Path) -> Result<u32, FitsError> {
        let written = self.written.iter().map(|n| u64::from(n.load(Ordering::Acquire))).sum();
        let expected = (self.written.len() * self.width) as u64;
        if written != expected {
            return Err(FitsError::Incomplete { path: path.to_path_buf(), hdu, expected, written });
        }
        Ok(fold(self.sum.load(Ordering::Acquire)))
    }

    fn wrong(&self, path: &Path, what: &str) -> FitsError {
        FitsError::bad_request(path, format!("HDU {}: {what}", self.hdu))
    }
}
