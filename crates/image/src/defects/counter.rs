//! How often each pixel of a sensor is found bad.

use super::{Defect, DefectKind, PersistenceOptions};
use std::collections::BTreeMap;

/// Counts over frames; which frames come first does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DefectCounter {
    frames: u32,
    /// By row, column and kind: how often, and the largest excess.
    found: BTreeMap<(i64, i64, DefectKind), (u32, f32)>,
}

impl DefectCounter {
    /// Without frames.
    pub fn new() -> Self {
        Self::default()
    }

    /// Frames so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// The defects of one more frame, each pixel once.
    pub fn add_frame(&mut self, defects: &[Defect]) {
        self.frames += 1;
        for defect in defects {
            self.add((defect.y, defect.x, defect.kind), (1, defect.excess_sigma));
        }
    }

    fn add(&mut self, pixel: (i64, i64, DefectKind), (count, excess): (u32, f32)) {
        let entry = self.found.entry(pixel).or_insert((0, 0.0));
        *entry = (entry.0 + count, entry.1.max(excess));
    }

    /// The frames of another counter of the same sensor.
    pub fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        for (pixel, count) in &other.found {
            self.add(*pixel, *count);
        }
    }

    /// Pixels that are bad for the whole run, rows first, with their largest excess.
    pub fn bad_pixels(&self, options: &PersistenceOptions) -> Vec<Defect> {
        let needed = (options.share * f64::from(self.frames)).max(f64::from(options.min_frames));
        let often = self.found.iter().filter(|(_, (count, _))| f64::from(*count) >= needed);
        often
            .map(|((y, x, kind), (_, excess))| Defect { x: *x, y: *y, kind: *kind, excess_sigma: *excess })
            .collect()
    }
}
