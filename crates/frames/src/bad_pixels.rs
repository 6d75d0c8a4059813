//! Pixels of a frame that are bad, known before its windows are read: a list, or a search in each window.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_image::defects::{CfaDefectOptions, HALO_PX, SensorNoise, cfa_defects, mono_defects};
use zemosaic_image::{CfaWindow, Region};

use crate::frame::{Frame, FrameKind};

/// Whether hot and cold pixels of raw frames are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HotPixels {
    /// By persistence over the run, or in each frame where there are too few.
    Auto,
    /// No.
    #[default]
    Off,
}

/// Bad pixels of a sensor, rows first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadPixels {
    /// (row, column), sorted, each once.
    sorted: Vec<(u32, u32)>,
}

impl BadPixels {
    /// Of (column, row) pairs in any order.
    pub fn new(pixels: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let rows_first =
            pixels.into_iter().filter_map(|(x, y)| Some((y.try_into().ok()?, x.try_into().ok()?)));
        Self { sorted: rows_first.collect::<BTreeSet<(u32, u32)>>().into_iter().collect() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Make those of `region` NaN in its `plane`.
    pub fn mask(&self, region: Region, plane: &mut [f32]) {
        let first = self.sorted.partition_point(|(y, _)| i64::from(*y) < region.y0);
        for (y, x) in &self.sorted[first..] {
            let (x, y) = (i64::from(*x) - region.x0, i64::from(*y) - region.y0);
            if y >= region.height as i64 {
                break;
            }
            if (0..region.width as i64).contains(&x) {
                plane[y as usize * region.width + x as usize] = f32::NAN;
            }
        }
    }
}

/// What is known of the bad pixels of a frame.
#[derive(Debug, Clone, Default)]
pub enum Defects {
    /// Nothing; none is looked for.
    #[default]
    Unknown,
    /// Those of its camera, found over the run.
    Listed(Arc<BadPixels>),
    /// They are looked for in every window that is read, with the frame's noise.
    InWindows(SensorNoise),
}

impl Frame {
    /// The stored region that must be read to know the bad pixels of `region`.
    pub fn defect_region(&self, region: Region) -> Region {
        let Defects::InWindows(_) = self.defects else { return region };
        let halo = HALO_PX as i64;
        let grown = Region {
            x0: region.x0 - halo,
            y0: region.y0 - halo,
            width: region.width + 2 * HALO_PX,
            height: region.height + 2 * HALO_PX,
        };
        let whole = Region { x0: 0, y0: 0, width: self.width, height: self.height };
        grown.intersect(&whole).unwrap_or(region)
    }

    /// Make the bad pixels of `region` NaN in the `plane` of `read`, which is at least [`Self::defect_region`] of it.
    pub(crate) fn mask_defects(&self, region: Region, read: Region, plane: &mut [f32]) {
        let found = match &self.defects {
            Defects::Unknown => return,
            Defects::Listed(bad) => {
                bad.mask(read, plane);
                return;
            }
            Defects::InWindows(noise) => {
                let options = CfaDefectOptions::default();
                match self.kind {
                    FrameKind::Cfa(pattern) => {
                        let window = CfaWindow { raw: plane, region: read, pattern };
                        cfa_defects(&window, region, noise, &options)
                    }
                    FrameKind::Mono => mono_defects(plane, read, region, noise, &options),
                    FrameKind::Rgb => return,
                }
            }
        };
        for defect in found {
            let (x, y) = ((defect.x - read.x0) as usize, (defect.y - read.y0) as usize);
            plane[y * read.width + x] = f32::NAN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_loses_its_own_bad_pixels() {
        let bad = BadPixels::new([(5, 9), (2, 3), (5, 9), (-1, 4), (7, 4), (1000, 3), (3, 12)]);
        assert_eq!(bad.len(), 5);
        let region = Region { x0: 2, y0: 3, width: 5, height: 7 };
        let mut plane = vec![0.0; region.area()];
        bad.mask(region, &mut plane);
        let masked: Vec<usize> = (0..plane.len()).filter(|i| plane[*i].is_nan()).collect();
        assert_eq!(masked, [0, 33]);
    }
}
