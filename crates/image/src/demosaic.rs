//! Bilinear demosaic of a window of a Bayer frame.
//!
//! A pixel keeps its own colour; each other colour is the mean of its valid neighbours of that colour in
//! the 3 x 3 around it (two or four of them inside the frame). Pixels outside the frame and NaN pixels do
//! not count; a pixel whose own value is NaN has no data in any plane. The result depends on the frame
//! alone, never on the window.

use crate::cfa::CfaPattern;
use crate::region::Region;

/// Demosaic `out_region` of a frame of `frame_width` x `frame_height` pixels.
///
/// `raw` holds `raw_region`, which covers `out_region` grown by one pixel and clipped to the frame. Each
/// plane of `out` (red, green, blue) is `out_region.area()` long.
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
    let [red, green, blue] = out;
    let width = out_region.width;
    let taps = |y: i64| -> [Option<&[f32]>; 3] {
        [y - 1, y, y + 1].map(|row| {
            (row >= raw_region.y0.max(frame.y0) && row < raw_region.y1().min(frame.y1())).then(|| {
                let start = (row - raw_region.y0) as usize * raw_region.width;
                &raw[start..start + raw_region.width]
            })
        })
    };
    for (index, y) in (out_region.y0..out_region.y1()).enumerate() {
        let span = index * width..(index + 1) * width;
        let mut planes = [&mut red[span.clone()], &mut green[span.clone()], &mut blue[span]];
        let rows = taps(y);
        let row = Row { rows, x0: raw_region.x0, pattern, y };
        let inner = row.inner_columns(raw_region, out_region);
        for x in (out_region.x0..inner.0).chain(inner.1..out_region.x1()) {
            row.slow(x, (x - out_region.x0) as usize, raw_region, &mut planes);
        }
        row.fast(inner, out_region.x0, raw_region, &mut planes);
    }
}

/// One output row with the three raw rows around it.
struct Row<'a> {
    rows: [Option<&'a [f32]>; 3],
    x0: i64,
    pattern: CfaPattern,
    y: i64,
}

impl Row<'_> {
    /// Columns whose 3 x 3 lies wholly inside the raw window, as `[start, end)`.
    fn inner_columns(&self, raw: Region, out: Region) -> (i64, i64) {
        if self.rows.iter().any(Option::is_none) {
            return (out.x0, out.x0);
        }
        let start = out.x0.max(raw.x0 + 1);
        (start, out.x1().min(raw.x1() - 1).max(start))
    }

    /// The definition: any pixel, any neighbourhood.
    fn slow(&self, x: i64, at: usize, raw: Region, planes: &mut [&mut [f32]; 3]) {
        let value = |dx: i64, dy: i64| -> f32 {
            let column = x + dx - self.x0;
            match self.rows[(dy + 1) as usize] {
                Some(row) if column >= 0 && column < raw.width as i64 => row[column as usize],
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
                let (mut sum, mut count) = (0.0_f32, 0.0_f32);
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

    /// Inner columns with all neighbours: plain sums in the order of [`ORDER`]; a NaN anywhere sends the
    /// pixel to [`Self::slow`].
    fn fast(&self, (start, end): (i64, i64), out_x0: i64, raw: Region, planes: &mut [&mut [f32]; 3]) {
        let [Some(above), Some(row), Some(below)] = self.rows else { return };
        for x in start..end {
            let i = (x - self.x0) as usize;
            let at = (x - out_x0) as usize;
            let centre = row[i];
            let sides = row[i - 1] + row[i + 1];
            let ends = above[i] + below[i];
            let corners = above[i - 1] + above[i + 1] + below[i - 1] + below[i + 1];
            if (centre + sides + ends + corners).is_nan() {
                self.slow(x, at, raw, planes);
                continue;
            }
            let own = self.pattern.colour_at(x, self.y);
            if own == 1 {
                let beside = self.pattern.colour_at(x + 1, self.y);
                planes[1][at] = centre;
                planes[beside][at] = sides / 2.0;
                planes[2 - beside][at] = ends / 2.0;
            } else {
                planes[own][at] = centre;
                planes[1][at] = (above[i] + row[i - 1] + row[i + 1] + below[i]) / 4.0;
                planes[2 - own][at] = corners / 4.0;
            }
        }
    }
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
        let raw = vec![10.0, 20.0, 10.0, 20.0, 30.0, 40.0, 30.0, 40.0, 10.0, 20.0, 10.0, 20.0, 30.0, 40.0, 30.0, 40.0];
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
}
