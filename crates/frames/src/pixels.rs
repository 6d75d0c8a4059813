//! Windows of a frame as float planes: decoded rows, a Bayer frame demosaiced. Scratch memory is
//! reused; nothing larger than the window is ever held.

use zemosaic_fits::{FilePool, FitsError, ReadScratch, Window, read_window};
use zemosaic_image::{Region, demosaic_bilinear};

use crate::frame::{Frame, FrameKind};

/// Buffers of one thread.
#[derive(Default)]
pub struct PixelScratch {
    read: ReadScratch,
    raw: Vec<f32>,
    planes: [Vec<f32>; 3],
}

impl PixelScratch {
    /// Bytes a window of `pixels` of a frame of `kind` takes, all buffers together, where `row_bytes` is
    /// the length of a stored row and `rows` how many are read.
    pub fn bytes_for(kind: FrameKind, pixels: usize, row_bytes: usize, rows: usize) -> usize {
        let planes = match kind {
            FrameKind::Mono => 1,
            FrameKind::Rgb => 3,
            FrameKind::Cfa(_) => 4,
        };
        planes * pixels * 4 + row_bytes * rows
    }
}

/// A window's pixels.
pub struct FramePixels<'a> {
    /// One plane per channel, each `region.area()` long, row-major.
    pub planes: [&'a [f32]; 3],
    /// How many of `planes` hold data: 1 or 3.
    pub channels: usize,
    /// The window, in frame pixels.
    pub region: Region,
    /// What saturation is tested on: the raw CFA plane, else nothing (test the planes themselves).
    pub raw: Option<(&'a [f32], Region)>,
}

/// Read `region` (inside the frame) of `frame`.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn read_planes<'a>(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    scratch: &'a mut PixelScratch,
) -> Result<FramePixels<'a>, FitsError> {
    let PixelScratch { read, raw, planes } = scratch;
    let frame_region = Region { x0: 0, y0: 0, width: frame.width, height: frame.height };
    let mut read_plane = |plane: usize, region: Region, out: &mut Vec<f32>| {
        out.clear();
        out.reserve_exact(region.area());
        out.resize(region.area(), 0.0);
        read_window(pool, &frame.pixels_path, &frame.layout, plane, window_of(region), read, out)
    };
    match frame.kind {
        FrameKind::Mono => {
            read_plane(0, region, &mut planes[0])?;
            Ok(FramePixels { planes: [&planes[0], &[], &[]], channels: 1, region, raw: None })
        }
        FrameKind::Rgb => {
            for (index, plane) in planes.iter_mut().enumerate() {
                read_plane(index, region, plane)?;
            }
            let [r, g, b] = planes;
            Ok(FramePixels { planes: [r, g, b], channels: 3, region, raw: None })
        }
        FrameKind::Cfa(pattern) => {
            let grown = Region {
                x0: region.x0 - 1,
                y0: region.y0 - 1,
                width: region.width + 2,
                height: region.height + 2,
            };
            let raw_region = grown.intersect(&frame_region).unwrap_or(region);
            read_plane(0, raw_region, raw)?;
            for plane in planes.iter_mut() {
                plane.clear();
                plane.reserve_exact(region.area());
                plane.resize(region.area(), 0.0);
            }
            let [r, g, b] = planes;
            demosaic_bilinear(raw, raw_region, pattern, region, frame.width, frame.height, [r, g, b]);
            Ok(FramePixels { planes: [r, g, b], channels: 3, region, raw: Some((raw, raw_region)) })
        }
    }
}

/// A region inside a frame as a window of its rows.
pub fn window_of(region: Region) -> Window {
    Window { x0: region.x0 as usize, y0: region.y0 as usize, width: region.width, height: region.height }
}
