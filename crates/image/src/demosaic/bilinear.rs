//! Bilinear demosaic of a window of a Bayer frame.
//!
//! A pixel keeps its own colour; each other colour is the mean of its valid neighbours of that colour in
//! the 3 x 3 around it (two or four of them inside the frame). Pixels outside the frame and NaN pixels do
//! not count; a pixel whose own value is NaN has no data in any plane. The result depends on the frame
//! alone, never on the window or the instruction set. [`crate::definition`] has the same in f64.

use crate::cfa::CfaPattern;
use crate::region::Region;
use crate::simd::SimdLevel;

/// A window of the raw pixels of a Bayer frame.
#[derive(Debug, Clone, Copy)]
pub struct CfaWindow<'a> {
    /// Row-major pixels of `region`.
    pub raw: &'a [f32],
    /// Where the window lies in the frame; a part of it.
    pub region: Region,
    /// Colours of the frame.
    pub pattern: CfaPattern,
}

/// Demosaic `out_region` of a frame of `frame_width` x `frame_height` pixels.
///
/// `raw` holds `raw_region`, which covers `out_region` grown by one pixel and clipped to the frame. Each
/// plane of `out` (red, green, blue) is `out_region.area()` long.
///
/// # Panics
/// When a slice is shorter than its region, or the raw window does not cover `out_region`.
pub fn demosaic_bilinear(
    raw: &[f32],
    raw_region: Region,
    pattern: CfaPattern,
    out_region: Region,
    frame_width: usize,
    frame_height: usize,
    out: [&mut [f32]; 3],
) {
    let frame = Region { x0: 0, y0: 0, width: frame_width, height: frame_height };
    debug_assert!(frame.contains(&raw_region), "the raw window is a part of the frame");
    let window = CfaWindow { raw, region: raw_region, pattern };
    demosaic_window(&window, SimdLevel::detect(), out_region, out);
}

/// Demosaic `out_region` of a window that covers it and, inside the frame, one pixel around it.
///
/// # Panics
/// As [`demosaic_bilinear`].
pub fn demosaic_window(window: &CfaWindow<'_>, level: SimdLevel, out_region: Region, out: [&mut [f32]; 3]) {
    if out_region.is_empty() {
        return;
    }
    assert!(window.raw.len() >= window.region.area() && window.region.contains(&out_region), "raw window");
    assert!(out.iter().all(|plane| plane.len() >= out_region.area()), "planes as large as their region");
    match level {
        SimdLevel::Portable => demosaic_body(window, out_region, out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { demosaic_avx2(window, out_region, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => demosaic_body(window, out_region, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn demosaic_avx2(window: &CfaWindow<'_>, out_region: Region, out: [&mut [f32]; 3]) {
    demosaic_body(window, out_region, out);
}

#[inline(always)]
fn demosaic_body(window: &CfaWindow<'_>, out_region: Region, out: [&mut [f32]; 3]) {
    let [red, green, blue] = out;
    let width = out_region.width;
    for (index, y) in (out_region.y0..out_region.y1()).enumerate() {
        let span = index * width..(index + 1) * width;
        let mut planes = [&mut red[span.clone()], &mut green[span.clone()], &mut blue[span]];
        let row = Row::new(window, y);
        let (start, end) = row.inner_columns(out_region);
        for x in (out_region.x0..start).chain(end..out_region.x1()) {
            row.slow(x, (x - out_region.x0) as usize, &mut planes);
        }
        row.fast((start, end), out_region.x0, &mut planes);
    }
}

/// Pixels of a row that are made together; even, so that the colours of all blocks alternate alike.
const WIDE: usize = 8;
/// They and one pixel on each side.
const TAPS: usize = WIDE + 2;

/// One output row with the three raw rows around it.
struct Row<'a> {
    rows: [Option<&'a [f32]>; 3],
    window: Region,
    pattern: CfaPattern,
    y: i64,
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn new(window: &CfaWindow<'a>, y: i64) -> Self {
        let region = window.region;
        let rows = [y - 1, y, y + 1].map(|row| {
            (row >= region.y0 && row < region.y1()).then(|| {
                let start = (row - region.y0) as usize * region.width;
                &window.raw[start..start + region.width]
            })
        });
        Self { rows, window: region, pattern: window.pattern, y }
    }

    /// Columns whose 3 x 3 lies wholly inside the raw window, as `[start, end)`; none when too few for a
    /// block.
    #[inline(always)]
    fn inner_columns(&self, out: Region) -> (i64, i64) {
        let start = out.x0.max(self.window.x0 + 1);
        let end = out.x1().min(self.window.x1() - 1);
        if self.rows.iter().any(Option::is_none) || end - start < WIDE as i64 {
            return (out.x0, out.x0);
        }
        (start, end)
    }

    /// Any pixel, any neighbourhood.
    #[inline(never)]
    fn slow(&self, x: i64, at: usize, planes: &mut [&mut [f32]; 3]) {
        let value = |dx: i64, dy: i64| -> f32 {
            let column = x + dx - self.window.x0;
            match self.rows[(dy + 1) as usize] {
                Some(row) if column >= 0 && column < self.window.width as i64 => row[column as usize],
                _ => f32::NAN,
            }
        };
        let own = self.pattern.colour_at(x, self.y);
        let centre = value(0, 0);
        for (colour, plane) in planes.iter_mut().enumerate() {
            plane[at] = if centre.is_nan() {
                f32::NAN
            } else if colour == own {
                centre
            } else {
                // From -0, which changes no number that is added to it, not even another -0.
                let (mut sum, mut count) = (-0.0_f32, 0.0_f32);
                for (dx, dy) in ORDER {
                    if self.pattern.colour_at(x + dx, self.y + dy) == colour {
                        let v = value(dx, dy);
                        if !v.is_nan() {
                            sum += v;
                            count += 1.0;
                        }
                    }
                }
                // No neighbour of this colour: 0 / 0 is NaN, which is what it means.
                sum / count
            };
        }
    }

    /// Inner columns, a block at a time; the last block overlaps the one before it.
    #[inline(always)]
    fn fast(&self, (start, end): (i64, i64), out_x0: i64, planes: &mut [&mut [f32]; 3]) {
        let [Some(above), Some(row), Some(below)] = self.rows else { return };
        let mut x = start;
        while x < end {
            x = x.min(end - WIDE as i64);
            let from = (x - 1 - self.window.x0) as usize;
            let taps = [taps_at(above, from), taps_at(row, from), taps_at(below, from)];
            let green_first = self.pattern.colour_at(x, self.y) == 1;
            let row_colour = self.pattern.colour_at(x + i64::from(green_first), self.y);
            let block = if green_first { block::<0>(&taps) } else { block::<1>(&taps) };
            let at = (x - out_x0) as usize;
            planes[row_colour][at..at + WIDE].copy_from_slice(&block.row_colour);
            planes[1][at..at + WIDE].copy_from_slice(&block.green);
            planes[2 - row_colour][at..at + WIDE].copy_from_slice(&block.other);
            if block.sum.iter().any(|sum| sum.is_nan()) {
                for (lane, _) in block.sum.iter().enumerate().filter(|(_, sum)| sum.is_nan()) {
                    self.slow(x + lane as i64, at + lane, planes);
                }
            }
            x += WIDE as i64;
        }
    }
}

#[inline(always)]
fn taps_at(row: &[f32], from: usize) -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    taps.copy_from_slice(&row[from..from + TAPS]);
    taps
}

/// Pixels as if all their neighbours had data.
struct Block {
    /// The colour that this row has besides green.
    row_colour: [f32; WIDE],
    green: [f32; WIDE],
    /// The third colour.
    other: [f32; WIDE],
    /// Sum of the 3 x 3: NaN where something is missing.
    sum: [f32; WIDE],
}

/// `GREEN` is the parity of the green pixels. Sums in the order of [`ORDER`].
#[inline(always)]
fn block<const GREEN: usize>([above, row, below]: &[[f32; TAPS]; 3]) -> Block {
    let mut block =
        Block { row_colour: [0.0; WIDE], green: [0.0; WIDE], other: [0.0; WIDE], sum: [0.0; WIDE] };
    for lane in 0..WIDE {
        let (left, centre, right) = (row[lane], row[lane + 1], row[lane + 2]);
        let (up, down) = (above[lane + 1], below[lane + 1]);
        let sides = left + right;
        let ends = up + down;
        let cross = up + left + right + down;
        let corners = above[lane] + above[lane + 2] + below[lane] + below[lane + 2];
        let is_green = lane % 2 == GREEN;
        block.row_colour[lane] = if is_green { sides / 2.0 } else { centre };
        block.green[lane] = if is_green { centre } else { cross / 4.0 };
        block.other[lane] = if is_green { ends / 2.0 } else { corners / 4.0 };
        block.sum[lane] = centre + cross + corners;
    }
    block
}

/// The eight neighbours in the order their values are summed.
const ORDER: [(i64, i64); 8] = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)];

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, height: usize) -> Vec<f32> {
        (0..width * height).map(|i| ((i * 7919) % 1013) as f32).collect()
    }

    fn demosaic(raw: &[f32], size: (usize, usize), pattern: CfaPattern, out: Region) -> [Vec<f32>; 3] {
        let whole = Region { x0: 0, y0: 0, width: size.0, height: size.1 };
        let grown = Region { x0: out.x0 - 1, y0: out.y0 - 1, width: out.width + 2, height: out.height + 2 };
        let window = grown.intersect(&whole).unwrap();
        let part: Vec<f32> = (window.y0..window.y1())
            .flat_map(|y| (window.x0..window.x1()).map(move |x| (x, y)))
            .map(|(x, y)| raw[y as usize * size.0 + x as usize])
            .collect();
        let mut planes = [vec![0.0; out.area()], vec![0.0; out.area()], vec![0.0; out.area()]];
        let [r, g, b] = &mut planes;
        demosaic_bilinear(&part, window, pattern, out, size.0, size.1, [r, g, b]);
        planes
    }

    #[test]
    fn any_window_equals_the_crop_of_the_whole() {
        let (w, h) = (13, 11);
        let mut raw = frame(w, h);
        raw[40] = f32::NAN;
        for pattern in [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg] {
            let whole = demosaic(&raw, (w, h), pattern, Region { x0: 0, y0: 0, width: w, height: h });
            for (x0, y0, width, height) in [(0, 0, 4, 5), (3, 2, 7, 6), (9, 8, 4, 3), (12, 10, 1, 1)] {
                let part = demosaic(&raw, (w, h), pattern, Region { x0, y0, width, height });
                for (part, whole) in part.iter().zip(&whole) {
                    for (i, value) in part.iter().enumerate() {
                        let (x, y) = (x0 as usize + i % width, y0 as usize + i / width);
                        assert_eq!(value.to_bits(), whole[y * w + x].to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn known_values_and_flat_colours() {
        let raw = vec![
            10.0, 20.0, 10.0, 20.0, 30.0, 40.0, 30.0, 40.0, 10.0, 20.0, 10.0, 20.0, 30.0, 40.0, 30.0, 40.0,
        ];
        let planes = demosaic(&raw, (4, 4), CfaPattern::Rggb, Region { x0: 0, y0: 0, width: 4, height: 4 });
        assert!(planes[0].iter().all(|v| *v == 10.0) && planes[2].iter().all(|v| *v == 40.0));
        assert_eq!(planes[1][5], 25.0);
        assert_eq!(planes[1][1], 20.0);
    }

    #[test]
    fn a_masked_pixel_is_masked_and_its_neighbours_do_without_it() {
        let mut raw = vec![5.0; 25];
        raw[12] = f32::NAN;
        let planes = demosaic(&raw, (5, 5), CfaPattern::Grbg, Region { x0: 0, y0: 0, width: 5, height: 5 });
        for plane in &planes {
            assert!(plane[12].is_nan());
            assert!(plane.iter().enumerate().all(|(i, v)| i == 12 || *v == 5.0));
        }
    }

    #[test]
    fn instruction_sets_equal_the_definition_and_each_other() {
        let (w, h) = (61, 23);
        let mut raw: Vec<f32> = frame(w, h).iter().map(|v| v * 0.37 - 100.0).collect();
        for i in (5..raw.len()).step_by(53) {
            raw[i] = f32::NAN;
        }
        let region = Region { x0: 0, y0: 0, width: w, height: h };
        for pattern in [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg] {
            let window = CfaWindow { raw: &raw, region, pattern };
            let mut first: Option<[Vec<f32>; 3]> = None;
            for level in SimdLevel::available() {
                let mut planes = [vec![0.0; w * h], vec![0.0; w * h], vec![0.0; w * h]];
                let [r, g, b] = &mut planes;
                demosaic_window(&window, level, region, [r, g, b]);
                for i in 0..w * h {
                    let exact = crate::definition::demosaic_pixel(&window, (i % w) as i64, (i / w) as i64);
                    for (plane, exact) in planes.iter().zip(exact) {
                        let (found, nan) = (f64::from(plane[i]), exact.is_nan());
                        assert!(
                            found.is_nan() == nan && (nan || (found - exact).abs() < 3e-5),
                            "{found} {exact}"
                        );
                    }
                }
                if let Some(first) = &first {
                    let bits = |planes: &[Vec<f32>; 3]| {
                        planes.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
                    };
                    assert!(bits(first) == bits(&planes), "{pattern:?} {level:?}");
                }
                first.get_or_insert(planes);
            }
        }
    }
}
