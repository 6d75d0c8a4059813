//! Frames become groups of sky, an output grid and a cost; everything from headers alone.

use std::io::Read;
use std::path::Path;

use zemosaic_fits::{Header, is_packed, scan, scan_packed_header};
use zemosaic_frames::{Frame, LeftOut, Packing, Reason};
use zemosaic_sky::{
    Footprint, FrameGeometry, Grid, SkyFrame, automatic_grid, canvas_outliers, grid_bounds, overlap_groups,
};

use crate::error::RunError;
use crate::options::{GridSource, GroupChoice, MosaicOptions};
use crate::scan::{Scan, no_usable};
use crate::units::show_size;

/// A planned mosaic.
#[derive(Debug)]
pub struct Layout {
    /// Frames to be used, in frame order.
    pub frames: Vec<Frame>,
    /// All others, with reasons.
    pub left_out: Vec<LeftOut>,
    /// The output grid.
    pub grid: Grid,
    /// Output planes: 1 or 3.
    pub channels: usize,
    /// Frames per group of connected sky, largest first.
    pub group_sizes: Vec<usize>,
    /// The group that is mosaicked, from 1.
    pub group: usize,
}

/// Canvas above which its share of covered sky is looked at, pixels.
const LARGE_CANVAS_PX: u64 = 100_000_000;
/// A large canvas must not have more than this many pixels per pixel of input.
const MAX_CANVAS_PER_INPUT: f64 = 20.0;

const SUPPORTED_SYSTEMS: &str = "use ICRS, FK5 or Galactic coordinates";

/// Plan the mosaic of `scan`. `group` is the group's number when the choice is not the largest.
///
/// # Errors
/// No grid, no such group, or a canvas that cannot be meant.
pub fn plan_layout(scan: Scan, options: &MosaicOptions) -> Result<Layout, RunError> {
    let channels = scan.channels();
    let mut left_out = scan.left_out;
    let frames = drop_foreign(scan.frames, &mut left_out);
    if frames.is_empty() {
        return Err(no_usable(scan.files, &left_out));
    }
    let (frames, group_sizes, group) = choose_group(frames, &mut left_out, options.group)?;
    if frames.is_empty() {
        return Err(no_usable(scan.files, &left_out));
    }
    let (frames, grid) = match &options.grid_from {
        GridSource::Automatic => {
            let frames = drop_outliers(frames, &mut left_out);
            let grid = automatic_grid(&geometries(&frames), &options.grid)
                .map_err(|error| RunError::Grid(error.to_string()))?;
            (frames, grid)
        }
        GridSource::File(path) => {
            let grid = read_grid(path)?;
            let (on, off): (Vec<Frame>, Vec<Frame>) = frames
                .into_iter()
                .partition(|frame| grid_bounds(&grid, &frame.wcs, frame.width, frame.height).is_some());
            leave_out(off, &mut left_out, |_| Reason::OffGrid("outside the given grid".into()));
            (on, grid)
        }
    };
    left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    if frames.is_empty() {
        return Err(no_usable(scan.files, &left_out));
    }
    guard_canvas(&grid, &frames)?;
    Ok(Layout { frames, left_out, grid, channels, group_sizes, group })
}

impl Layout {
    /// Take out frames that turned out unusable and fit an automatic grid to the rest.
    ///
    /// # Errors
    /// None are left, or no grid.
    pub fn drop_unusable(&mut self, unusable: Vec<LeftOut>, options: &MosaicOptions) -> Result<(), RunError> {
        if unusable.is_empty() {
            return Ok(());
        }
        self.frames
            .retain(|frame| unusable.iter().all(|item| item.path != frame.path || item.id != frame.id));
        self.left_out.extend(unusable);
        self.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
        if self.frames.is_empty() {
            return Err(no_usable(self.left_out.len(), &self.left_out));
        }
        if options.grid_from == GridSource::Automatic {
            self.grid = automatic_grid(&geometries(&self.frames), &options.grid)
                .map_err(|error| RunError::Grid(error.to_string()))?;
        }
        Ok(())
    }

    /// Bytes of the unpacked copies that the run needs while it works.
    pub fn spill_bytes(&self) -> u64 {
        // The images of a packed file share one copy, and so do the frames of one map.
        let mut copied = std::collections::HashSet::new();
        let mut bytes = 0;
        let mut copy = |path: &Path, packing: Packing, hdu: usize, unpacked_bytes: u64| {
            let key = match packing {
                Packing::Plain => return,
                Packing::WholeFile => (path.to_path_buf(), None),
                Packing::Compressed => (path.to_path_buf(), Some(hdu)),
            };
            if copied.insert(key) {
                bytes += unpacked_bytes;
            }
        };
        for frame in &self.frames {
            copy(&frame.path, frame.packing, frame.hdu, frame.unpacked_bytes);
            for map in frame.maps.iter() {
                copy(&map.path, map.packing, map.hdu, map.unpacked_bytes);
            }
        }
        bytes
    }

    /// Pixels of all frames together.
    pub fn input_pixels(&self) -> u64 {
        self.frames.iter().map(|frame| (frame.width * frame.height) as u64).sum()
    }
}

/// Geometry of frames, for the grid.
pub fn geometries(frames: &[Frame]) -> Vec<FrameGeometry> {
    frames
        .iter()
        .map(|frame| FrameGeometry { wcs: (*frame.wcs).clone(), width: frame.width, height: frame.height })
        .collect()
}

fn leave_out(frames: Vec<Frame>, left_out: &mut Vec<LeftOut>, reason: impl Fn(&Frame) -> Reason) {
    left_out.extend(frames.into_iter().map(|frame| {
        let reason = reason(&frame);
        LeftOut { id: frame.id, path: frame.path, reason }
    }));
}

/// Frames on coordinate systems without a known rotation to ICRS.
fn drop_foreign(frames: Vec<Frame>, left_out: &mut Vec<LeftOut>) -> Vec<Frame> {
    let (kept, foreign): (Vec<Frame>, Vec<Frame>) =
        frames.into_iter().partition(|frame| !matches!(frame.wcs.frame(), SkyFrame::Other(_)));
    leave_out(foreign, left_out, |frame| {
        let system = frame.wcs.frame();
        Reason::BadWcs(
            "E-WCS-FRAME",
            format!("coordinate system {system} is not supported; {SUPPORTED_SYSTEMS}"),
        )
    });
    kept
}

/// The frames of the chosen group of connected sky.
fn choose_group(
    frames: Vec<Frame>,
    left_out: &mut Vec<LeftOut>,
    choice: GroupChoice,
) -> Result<(Vec<Frame>, Vec<usize>, usize), RunError> {
    let mut kept = Vec::with_capacity(frames.len());
    let mut footprints = Vec::with_capacity(frames.len());
    for frame in frames {
        match Footprint::of(&frame.wcs, frame.width, frame.height) {
            Ok(footprint) => {
                footprints.push(footprint);
                kept.push(frame);
            }
            Err(error) => {
                let reason = Reason::BadWcs(error.code(), error.to_string());
                left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
        }
    }
    let groups = match choice {
        GroupChoice::Together => vec![0; footprints.len()],
        _ => overlap_groups(&footprints),
    };
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let mut sizes = vec![0; count];
    for group in &groups {
        sizes[*group] += 1;
    }
    let group = match choice {
        GroupChoice::Largest | GroupChoice::All | GroupChoice::Together => 1,
        GroupChoice::Number(number) if number >= 1 && number <= count.max(1) => number,
        GroupChoice::Number(number) => {
            return Err(RunError::Usage(format!(
                "--group {number}: there are {count} groups of connected frames"
            )));
        }
    };
    let mut used = Vec::new();
    for (frame, own) in kept.into_iter().zip(groups) {
        if own + 1 == group {
            used.push(frame);
        } else {
            let message = format!(
                "in group {} ({} of {} frames), which does not touch group {group}; make it with --group {}",
                own + 1,
                sizes[own],
                sizes.iter().sum::<usize>(),
                own + 1
            );
            left_out.push(LeftOut { id: frame.id, path: frame.path, reason: Reason::OtherGroup(message) });
        }
    }
    Ok((used, sizes, group))
}

fn drop_outliers(frames: Vec<Frame>, left_out: &mut Vec<LeftOut>) -> Vec<Frame> {
    let verdicts = canvas_outliers(&geometries(&frames));
    let mut kept = Vec::with_capacity(frames.len());
    for (frame, verdict) in frames.into_iter().zip(verdicts) {
        match verdict {
            None => kept.push(frame),
            Some(reason) => {
                let reason = Reason::Outlier(reason.to_string());
                left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
        }
    }
    kept
}

/// The grid of a FITS file (its first HDU with a size and a WCS; of a packed file the first HDU) or of a text
/// header.
fn read_grid(path: &Path) -> Result<Grid, RunError> {
    let bad = |message: String| RunError::Grid(format!("{}: {message}", path.display()));
    let from_header = |header: &Header| Grid::from_header(header).map_err(|error| bad(error.to_string()));
    let grid = if is_packed(path).map_err(|error| RunError::Grid(error.to_string()))? {
        from_header(&scan_packed_header(path).map_err(|error| RunError::Grid(error.to_string()))?)?
    } else if let Some(file) = is_fits(path).then(|| scan(path).ok()).flatten() {
        let with_wcs = file.hdus.iter().find_map(|hdu| Grid::from_header(&hdu.header).ok());
        with_wcs.ok_or_else(|| bad("no HDU has both a size and a WCS that can be used".into()))?
    } else {
        let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let header =
            Header::parse_text(&String::from_utf8_lossy(&text)).map_err(|error| bad(error.to_string()))?;
        from_header(&header)?
    };
    match grid.wcs.frame() {
        SkyFrame::Other(system) => {
            Err(bad(format!("coordinate system {system} is not supported; {SUPPORTED_SYSTEMS}")))
        }
        _ => Ok(grid),
    }
}

/// Whether the file begins as FITS does: cards without line ends.
fn is_fits(path: &Path) -> bool {
    let mut start = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(2880).read_to_end(&mut start)).is_ok()
        && start.starts_with(b"SIMPLE  =")
        && !start.contains(&b'\n')
}

fn guard_canvas(grid: &Grid, frames: &[Frame]) -> Result<(), RunError> {
    let canvas = grid.width as u64 * grid.height as u64;
    let scale = grid.wcs.scale_deg();
    let input: f64 = frames
        .iter()
        .map(|frame| {
            let ratio = frame.wcs.scale_deg() / scale;
            (frame.width * frame.height) as f64 * ratio * ratio
        })
        .sum();
    if canvas > LARGE_CANVAS_PX && canvas as f64 > MAX_CANVAS_PER_INPUT * input {
        return Err(RunError::Resource(format!(
            "the canvas of {} x {} pixels ({}) is more than {MAX_CANVAS_PER_INPUT:.0} times what the frames cover; \
             a frame is placed wrongly or --scale is too fine; look at `zemosaic plan`, or give --grid",
            grid.width,
            grid.height,
            show_size(canvas * 4)
        )));
    }
    Ok(())
}
