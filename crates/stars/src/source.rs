//! Where the pixels of a frame come from: any window at a time, so that a frame need not be in memory.

use std::convert::Infallible;

use zemosaic_image::{Region, Sites};

/// Pixels of one plane.
pub trait Pixels {
    /// Why a window cannot be read.
    type Error: std::error::Error + 'static;

    /// Read `region`, which lies inside the frame, row by row into `pixels` (`region.area()` values). NaN is no data.
    ///
    /// # Errors
    /// The source's own.
    fn read(&mut self, region: Region, pixels: &mut [f32]) -> Result<(), Self::Error>;
}

/// What must be known of a plane besides its pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameInfo {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// One colour, or raw pixels behind a colour filter array.
    pub sites: Sites,
    /// Level at and above which a pixel is saturated.
    pub saturation_adu: Option<f64>,
}

impl FrameInfo {
    /// Colours with a brightness of their own: 1 or 3.
    pub(crate) fn colours(&self) -> usize {
        self.sites.colours()
    }

    /// Colour of a pixel, below [`FrameInfo::colours`].
    pub(crate) fn colour_at(&self, x: i64, y: i64) -> usize {
        match self.sites {
            Sites::All => 0,
            Sites::Cfa(pattern) => pattern.colour_at(x, y),
        }
    }

    /// Distance to the nearest pixel of the same colour in a row.
    pub(crate) fn step(&self) -> usize {
        match self.sites {
            Sites::All => 1,
            Sites::Cfa(_) => 2,
        }
    }

    /// The whole frame.
    pub(crate) fn whole(&self) -> Region {
        Region { x0: 0, y0: 0, width: self.width, height: self.height }
    }
}

/// A plane in memory, row-major.
#[derive(Debug, Clone, Copy)]
pub struct MemoryPixels<'a> {
    /// Columns.
    pub width: usize,
    /// `width` times the number of rows.
    pub pixels: &'a [f32],
}

impl Pixels for MemoryPixels<'_> {
    type Error = Infallible;

    fn read(&mut self, region: Region, pixels: &mut [f32]) -> Result<(), Infallible> {
        for (y, row) in (region.y0 as usize..).zip(pixels.chunks_exact_mut(region.width.max(1))) {
            let start = y * self.width + region.x0 as usize;
            row.copy_from_slice(&self.pixels[start..start + region.width]);
        }
        Ok(())
    }
}
