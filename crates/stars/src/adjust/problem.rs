//! All observations of the adjustment and the state of its unknowns.

use rayon::prelude::*;

use super::distortion::Distortion;
use super::objects::{Candidate, Group};
use super::pose::{Pose, Shape, axes_at, direction, dot};
use zemosaic_sky::{UnionFind, lonlat_deg};

/// A frame.
#[derive(Debug, Clone)]
pub(super) struct FrameState {
    pub pose: Pose,
    pub instrument: usize,
}

/// An instrument.
#[derive(Debug, Clone)]
pub(super) struct InstrumentState {
    pub shape: Shape,
    pub distortion: Distortion,
    /// Its terms of this order are unknowns; 0 for none.
    pub solved_order: usize,
    pub scale_rad: f64,
    pub floor_px: f64,
}

/// A detection of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub frame: u32,
    pub object: u32,
    pub d: [f64; 2],
    pub sigma_px: f64,
    /// Whether the frame itself has it matched with the catalogue.
    pub matched: bool,
}

/// The catalogue's position of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tie {
    pub at: [f64; 3],
    pub sigma_rad: f64,
}

/// A star of the sky.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub at: [f64; 3],
    pub tie: Option<(u32, Tie)>,
}

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub frames: Vec<FrameState>,
    pub instruments: Vec<InstrumentState>,
    /// By frame, then by object.
    pub sights: Vec<Sight>,
    /// First sight of each frame, and their number.
    pub frame_start: Vec<usize>,
    pub objects: Vec<Object>,
    /// First entry of each object in `seen`, and their number.
    pub object_start: Vec<usize>,
    /// Sights by object.
    pub seen: Vec<u32>,
    /// Frames that hang on a catalogue star, if only through others.
    pub anchored: Vec<bool>,
    /// Steps of objects are in this unit, the median scale.
    pub unit_rad: f64,
    /// Factor on the errors of the catalogue.
    pub tie_factor: f64,
}

/// A sight about the present state: residual, pixels, and how it grows with a step of its object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    pub residual: [f64; 2],
    pub slope: [[f64; 2]; 2],
}

impl Problem {
    /// Takes over the groups of a cross-match; `candidate` gives a star of a frame.
    pub(super) fn set_groups(
        &mut self,
        groups: &[Group],
        ties: &[Tie],
        candidate: impl Fn(u32, u32) -> Candidate,
    ) {
        let tie = |slot: u32| (slot, ties[slot as usize]);
        self.objects = groups.iter().map(|g| Object { at: g.at, tie: g.catalogue.map(tie) }).collect();
        self.sights.clear();
        for (object, group) in groups.iter().enumerate() {
            for &(frame, star) in &group.seen {
                let Candidate { d, sigma_px, catalogue } = candidate(frame, star);
                let matched = catalogue.is_some();
                self.sights.push(Sight { frame, object: object as u32, d, sigma_px, matched });
            }
        }
        self.sights.sort_by_key(|s| (s.frame, s.object));
        self.frame_start = starts(self.frames.len(), self.sights.iter().map(|s| s.frame as usize));
        self.object_start = starts(self.objects.len(), self.sights.iter().map(|s| s.object as usize));
        let mut next = self.object_start.clone();
        self.seen = vec![0; self.sights.len()];
        for (index, sight) in self.sights.iter().enumerate() {
            let slot = &mut next[sight.object as usize];
            self.seen[*slot] = index as u32;
            *slot += 1;
        }
        self.anchored = self.anchored_frames();
    }

    /// Which frames are in a component with a catalogue star.
    fn anchored_frames(&self) -> Vec<bool> {
        let mut parts = UnionFind::new(self.frames.len());
        let frame_of = |s: &u32| self.sights[*s as usize].frame as usize;
        for object in 0..self.objects.len() {
            let seen = self.of_object(object);
            for pair in seen.windows(2) {
                parts.join(frame_of(&pair[0]), frame_of(&pair[1]));
            }
        }
        let mut tied = vec![false; self.frames.len()];
        for (index, object) in self.objects.iter().enumerate() {
            if let (Some(_), Some(first)) = (&object.tie, self.of_object(index).first()) {
                tied[parts.root(frame_of(first))] = true;
            }
        }
        (0..self.frames.len()).map(|frame| tied[parts.root(frame)]).collect()
    }

    /// Sights of a frame.
    pub(super) fn of_frame(&self, frame: usize) -> std::ops::Range<usize> {
        self.frame_start[frame]..self.frame_start[frame + 1]
    }

    /// Indices of the sights of an object.
    pub(super) fn of_object(&self, object: usize) -> &[u32] {
        &self.seen[self.object_start[object]..self.object_start[object + 1]]
    }

    /// The instrument of a frame.
    pub(super) fn instrument_of(&self, frame: usize) -> &InstrumentState {
        &self.instruments[self.frames[frame].instrument]
    }

    /// Residuals and slopes of all sights.
    pub(super) fn linear(&self) -> Vec<Linear> {
        self.sights
            .par_iter()
            .map(|sight| {
                let frame = &self.frames[sight.frame as usize];
                let instrument = &self.instruments[frame.instrument];
                let at = &self.objects[sight.object as usize].at;
                let (place, slope) = frame.pose.place(at, &self.steps(at));
                let linear = frame.pose.linear(sight.d, instrument.shape.radius_px);
                let more = instrument.distortion.value(&instrument.shape.basis(sight.d));
                let residual = [place[0] - linear[0] - more[0], place[1] - linear[1] - more[1]];
                Linear { residual, slope }
            })
            .collect()
    }

    /// The two steps of an object: east and north by one unit.
    fn steps(&self, at: &[f64; 3]) -> [[f64; 3]; 2] {
        let (lon, lat) = lonlat_deg(at);
        let [east, north, _] = axes_at(lon, lat);
        [east, north].map(|axis| axis.map(|k| k * self.unit_rad))
    }

    /// Moves an object by a step in units.
    pub(super) fn step(&mut self, object: usize, step: [f64; 2]) {
        let at = self.objects[object].at;
        let (lon, lat) = lonlat_deg(&at);
        let axes = axes_at(lon, lat);
        self.objects[object].at = direction(&axes, step[0] * self.unit_rad, step[1] * self.unit_rad);
    }

    /// An object minus its catalogue position, in units, and the catalogue's error in units with its factor.
    pub(super) fn tie(&self, object: usize) -> Option<([f64; 2], f64)> {
        let Object { at, tie } = &self.objects[object];
        let (_, tie) = tie.as_ref()?;
        let (lon, lat) = lonlat_deg(at);
        let [east, north, _] = axes_at(lon, lat);
        let apart = [0, 1, 2].map(|k| (at[k] - tie.at[k]) / self.unit_rad);
        Some(([dot(&apart, &east), dot(&apart, &north)], self.tie_factor * tie.sigma_rad / self.unit_rad))
    }
}

/// Where each of `count` bins begins in items sorted by bin.
fn starts(count: usize, bins: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = vec![0; count + 1];
    bins.for_each(|bin| starts[bin + 1] += 1);
    for bin in 0..count {
        starts[bin + 1] += starts[bin];
    }
    starts
}
