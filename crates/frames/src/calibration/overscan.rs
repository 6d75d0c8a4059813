//! Overscan: pixels that were read without light. Where a header declares them their level is subtracted and they are cut
//! off.
//!
//! BIASSEC is the section with the level; TRIMSEC, else DATASEC where there is a BIASSEC, is what stays; where neither is
//! said, what is left beside a BIASSEC that runs along an edge. Sections that do not lie inside the image, or overlap each
//! other, are what an earlier program left of another image: they are not followed.

use std::sync::Arc;

use zemosaic_fits::{FilePool, FitsError, Header, ImageLayout, ReadScratch, Window, read_window};
use zemosaic_image::Region;
use zemosaic_image::stats::median;

use crate::calibration::master::FrameCalibration;
use crate::frame::Frame;

/// What a header declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// The overscan, in stored pixels.
    pub section: Option<Region>,
    /// What stays.
    pub data: Region,
}

/// The overscan that `header` declares for an image of `size`, if it is to be followed.
pub(crate) fn declared(header: &Header, size: (usize, usize)) -> Option<Declared> {
    let whole = Region { x0: 0, y0: 0, width: size.0, height: size.1 };
    let section = |key: &str| header.get_str(key).and_then(|text| parse_section(&text));
    let bias = section("BIASSEC");
    let data = match (section("TRIMSEC"), section("DATASEC"), bias) {
        (Some(trim), _, _) => trim,
        (None, Some(data), Some(_)) => data,
        (None, None, Some(bias)) => beside(whole, bias)?,
        (None, _, None) => return None,
    };
    let inside = whole.contains(&data) && bias.is_none_or(|bias| whole.contains(&bias));
    let apart = bias.is_none_or(|bias| bias.intersect(&data).is_none());
    let changes = bias.is_some() || data != whole;
    (inside && apart && changes).then_some(Declared { section: bias, data })
}

/// `[x1:x2,y1:y2]`, from 1, both ends included.
fn parse_section(text: &str) -> Option<Region> {
    let (x, y) = text.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
    let range = |text: &str| {
        let (a, b) = text.split_once(':')?;
        let (a, b): (i64, i64) = (a.trim().parse().ok()?, b.trim().parse().ok()?);
        let (low, high) = (a.min(b), a.max(b));
        (low >= 1 && high < i64::from(u32::MAX)).then_some((low - 1, (high - low + 1) as usize))
    };
    let ((x0, width), (y0, height)) = (range(x)?, range(y)?);
    Some(Region { x0, y0, width, height })
}

/// What is left of `whole` beside a section along one of its edges.
fn beside(whole: Region, section: Region) -> Option<Region> {
    let full_height = section.y0 == 0 && section.height == whole.height;
    let full_width = section.x0 == 0 && section.width == whole.width;
    let rest = match (full_height, full_width) {
        (true, false) if section.x0 == 0 => {
            Region { x0: section.x1(), width: whole.width.checked_sub(section.width)?, ..whole }
        }
        (true, false) if section.x1() == whole.x1() => Region { width: section.x0 as usize, ..whole },
        (false, true) if section.y0 == 0 => {
            Region { y0: section.y1(), height: whole.height.checked_sub(section.height)?, ..whole }
        }
        (false, true) if section.y1() == whole.y1() => Region { height: section.y0 as usize, ..whole },
        _ => return None,
    };
    (!rest.is_empty()).then_some(rest)
}

/// Rows that share a level; between the middles of two such blocks it is linear.
const BLOCK_ROWS: usize = 64;

/// Level of the overscan `section` for each row of `data`, ADU: medians of blocks of rows, linear in between, where the
/// section lies beside the data; one median where it lies above or below. `None` without a finite pixel.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn overscan_levels(
    pool: &FilePool,
    path: &std::path::Path,
    layout: &ImageLayout,
    section: Region,
    data: Region,
) -> Result<Option<Vec<f32>>, FitsError> {
    let mut scratch = ReadScratch::default();
    let mut pixels = Vec::new();
    let mut read = |part: Region| -> Result<Option<f32>, FitsError> {
        pixels.clear();
        pixels.resize(part.area(), 0.0);
        let window =
            Window { x0: part.x0 as usize, y0: part.y0 as usize, width: part.width, height: part.height };
        read_window(pool, path, layout, 0, window, &mut scratch, &mut pixels)?;
        Ok(median(&mut pixels))
    };
    let rows = Region { x0: section.x0, width: section.width, ..data };
    let Some(beside) = section.intersect(&rows).filter(|beside| beside.height == data.height) else {
        return Ok(read(section)?.map(|level| vec![level; data.height]));
    };
    let mut nodes: Vec<(f32, f32)> = Vec::new();
    for y0 in (0..data.height).step_by(BLOCK_ROWS) {
        let height = BLOCK_ROWS.min(data.height - y0);
        let block = Region { y0: beside.y0 + y0 as i64, height, ..beside };
        if let Some(level) = read(block)? {
            nodes.push((y0 as f32 + (height as f32 - 1.0) / 2.0, level));
        }
    }
    Ok(interpolate(&nodes, data.height))
}

/// Values at 0, 1, ... between nodes; constant before the first and behind the last.
fn interpolate(nodes: &[(f32, f32)], count: usize) -> Option<Vec<f32>> {
    let (first, last) = (nodes.first()?, nodes.last()?);
    let mut after = 0;
    let value_at = |y: usize| {
        let y = y as f32;
        while after < nodes.len() && nodes[after].0 < y {
            after += 1;
        }
        match after {
            0 => first.1,
            n if n == nodes.len() => last.1,
            n => {
                let ((y0, a), (y1, b)) = (nodes[n - 1], nodes[n]);
                a + (b - a) * ((y - y0) / (y1 - y0))
            }
        }
    };
    Some((0..count).map(value_at).collect())
}

/// Measures the overscan of `frame`, once it is unpacked, and notes it in its calibration. Does nothing for a frame
/// without one.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn measure_overscan(pool: &FilePool, frame: &mut Frame) -> Result<(), FitsError> {
    let Some(section) = frame.overscan else { return Ok(()) };
    let (x0, y0) = frame.stored_origin;
    let data = Region { x0: x0 as i64, y0: y0 as i64, width: frame.width, height: frame.height };
    if let Some(levels) = overscan_levels(pool, &frame.pixels_path, &frame.layout, section, data)? {
        let calibration = frame.calibration.get_or_insert_with(|| Arc::new(FrameCalibration::default()));
        Arc::make_mut(calibration).overscan_adu = Some(levels.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cards: &[(&str, &str)]) -> Header {
        let mut header = Header::new();
        for (key, value) in cards {
            header.set_str(key, value, "");
        }
        header
    }

    #[test]
    fn sections_are_followed_only_where_they_make_sense() {
        let size = (120, 80);
        let region = |x0, y0, width, height| Region { x0, y0, width, height };
        let of = |cards: &[(&str, &str)]| declared(&header(cards), size);
        let both = of(&[("BIASSEC", "[101:120,1:80]"), ("TRIMSEC", "[1:100,3:78]")]).unwrap();
        assert_eq!((both.section, both.data), (Some(region(100, 0, 20, 80)), region(0, 2, 100, 76)));
        let data = of(&[("BIASSEC", "[1:20, 1:80]"), ("DATASEC", "[21:120,1:80]")]).unwrap();
        assert_eq!(data.data, region(20, 0, 100, 80));
        assert_eq!(of(&[("BIASSEC", "[1:20,1:80]")]).unwrap().data, region(20, 0, 100, 80));
        assert_eq!(of(&[("BIASSEC", "[1:120,71:80]")]).unwrap().data, region(0, 0, 120, 70));
        assert_eq!(of(&[("TRIMSEC", "[2:119,2:79]")]).unwrap().data, region(1, 1, 118, 78));
        // A section of another image, one that says nothing new, one in the data, one in the middle.
        assert_eq!(of(&[("BIASSEC", "[2049:2080,1:80]"), ("TRIMSEC", "[1:100,1:80]")]), None);
        assert_eq!(of(&[("TRIMSEC", "[1:120,1:80]")]), None);
        assert_eq!(of(&[("DATASEC", "[1:100,1:80]")]), None);
        assert_eq!(of(&[("BIASSEC", "[90:120,1:80]"), ("TRIMSEC", "[1:100,1:80]")]), None);
        assert_eq!(of(&[("BIASSEC", "[50:60,1:80]")]), None);
        assert_eq!(of(&[("BIASSEC", "[0:0,0:0]")]), None);
        assert_eq!(of(&[("BIASSEC", "none"), ("TRIMSEC", "")]), None);
    }

    #[test]
    fn levels_are_linear_between_blocks() {
        assert_eq!(interpolate(&[], 3), None);
        assert_eq!(interpolate(&[(1.0, 5.0)], 3), Some(vec![5.0; 3]));
        assert_eq!(
            interpolate(&[(1.0, 10.0), (3.0, 14.0)], 6),
            Some(vec![10.0, 10.0, 12.0, 14.0, 14.0, 14.0])
        );
    }
}
