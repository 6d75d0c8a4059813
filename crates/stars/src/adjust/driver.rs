//! The rounds of the adjustment: match, solve, match closer, choose the order of distortion, solve to the end. Every round is
//! one Gauss-Newton step with new weights (iteratively re-weighted least squares).

use std::collections::BTreeMap;

use rayon::prelude::*;
use zemosaic_sky::unit_vector;

use super::distortion::{Distortion, MAX_TERMS, terms};
use super::objects::{Candidate, Group, Placed, cross_match};
use super::options::AdjustOptions;
use super::order::choose_orders;
use super::pose::{Pose, Shape};
use super::problem::{FrameState, InstrumentState, Problem, Tie};
use super::report::report;
use super::robust::{Kind, Weights, first_weights, freedom, median, set_floors, weights};
use super::solution::{AdjustError, AdjustFrame, Adjusted};
use super::solver::solve;
use super::system::{POSE, System};

/// Catalogue stars with which a frame needs no neighbours: a linear pose has three, one is for the check.
pub(super) const OWN_STARS: usize = 4;
/// Stars in common with which it hangs on neighbours: twice the unknowns.
pub(super) const COMMON_STARS: usize = 6;
/// Sights for each term of a distortion.
const SIGHTS_PER_TERM: usize = 10;
/// Frames with fewer catalogue stars do not tell the scale of their instrument.
const SCALE_STARS: usize = 10;
/// Rounds after each of the first matchings, and those of the last with Huber's weights.
const FIRST_ROUNDS: usize = 3;
const HUBER_ROUNDS: usize = 2;
/// The end: no correction is larger, pixels.
const LAST_STEP_PX: f64 = 1e-4;

/// Adjusts all frames at once.
///
/// # Errors
/// [`AdjustError`]: options or frames that cannot be used; frames with too few stars are no error, they keep their start.
pub fn adjust(frames: &[AdjustFrame<'_>], options: &AdjustOptions) -> Result<Adjusted, AdjustError> {
    options.check().map_err(AdjustError::Options)?;
    let mut problem = start(frames, options)?;
    let catalogue = Catalogue::of(frames)?;
    let candidates: Vec<Vec<Candidate>> =
        frames.iter().map(|frame| candidates(frame, &catalogue, options)).collect();
    let mut places = catalogue.at.clone();
    let mut at: Vec<Vec<[f64; 3]>> = places_at_start(frames, &problem, &candidates);
    let middle = (options.match_px * options.rematch_px).sqrt();
    let (mut rounds, mut used) = (0, Weights::default());
    for (stage, tolerance_px) in [options.match_px, middle, options.rematch_px].into_iter().enumerate() {
        let placed: Vec<Placed<'_>> = candidates
            .iter()
            .zip(at)
            .zip(&problem.frames)
            .map(|((stars, at), frame)| Placed { stars, at, scale_rad: frame.pose.scale_rad })
            .collect();
        let mut groups = cross_match(&placed, &places, tolerance_px);
        let last = stage == 2;
        if last {
            drop_loose_frames(&mut groups, &candidates);
        }
        problem.set_groups(&groups, &catalogue.ties, |frame, star| candidates[frame as usize][star as usize]);
        limit_orders(&mut problem, options.max_sip_order);
        used = first_weights(&problem);
        for _ in 0..FIRST_ROUNDS {
            round(&mut problem, &mut used, Kind::Huber, options)?;
            rounds += 1;
        }
        if last {
            choose_orders(&mut problem, &used, options)?;
            for index in 0..options.max_rounds {
                let kind = if index < HUBER_ROUNDS { Kind::Huber } else { Kind::Tukey };
                let step = round(&mut problem, &mut used, kind, options)?;
                rounds += 1;
                if kind == Kind::Tukey && step < LAST_STEP_PX {
                    break;
                }
            }
        }
        for object in &problem.objects {
            if let Some((slot, _)) = object.tie {
                places[slot as usize] = object.at;
            }
        }
        if !last {
            set_scales(&mut problem);
        }
        at = places_now(&problem, &candidates);
    }
    report(frames, &problem, &used, rounds)
}

/// One step; the largest correction of a pose, pixels.
fn round(
    problem: &mut Problem,
    used: &mut Weights,
    kind: Kind,
    options: &AdjustOptions,
) -> Result<f64, AdjustError> {
    let linear = problem.linear();
    let free = freedom(problem, &linear, used);
    set_floors(problem, &linear, &free);
    *used = weights(problem, &linear, &free, kind);
    let (x, steps, start) = {
        let system = System::new(problem, &linear, used, options);
        let x = solve(&system, options.solver)?;
        let steps = system.object_steps(&x);
        (x, steps, system.start.clone())
    };
    for (object, step) in steps.into_iter().enumerate() {
        problem.step(object, step);
    }
    for (frame, by) in problem.frames.iter_mut().zip(x.chunks_exact(POSE)) {
        frame.pose.correct(by, problem.instruments[frame.instrument].shape.radius_px);
    }
    for (instrument, from) in problem.instruments.iter_mut().zip(&start) {
        let count = terms(instrument.solved_order);
        for (axis, coefficients) in instrument.distortion.coefficients.iter_mut().enumerate() {
            let own = &x[from + axis * count..from + (axis + 1) * count];
            coefficients.iter_mut().zip(own).for_each(|(c, by)| *c += by);
        }
    }
    Ok(x[..start[0]].iter().fold(0.0, |most: f64, x| most.max(x.abs())))
}

/// The scale of an instrument: the median of its frames that are tied to the catalogue. Without such it stays: nothing but this
/// holds the scale then, and a median of its own doings would drift.
fn set_scales(problem: &mut Problem) {
    let tied = |frame: usize| {
        let own = problem.of_frame(frame).filter(|s| problem.sights[*s].matched).count();
        own >= SCALE_STARS
    };
    let mut scales = vec![Vec::new(); problem.instruments.len()];
    for (index, frame) in problem.frames.iter().enumerate() {
        if tied(index) {
            scales[frame.instrument].push(frame.pose.scale_rad);
        }
    }
    for (instrument, scales) in problem.instruments.iter_mut().zip(scales) {
        if !scales.is_empty() {
            instrument.scale_rad = median(scales);
        }
    }
}

/// Poses of the starts and the distortions that they have in common.
fn start(frames: &[AdjustFrame<'_>], options: &AdjustOptions) -> Result<Problem, AdjustError> {
    let count = frames.iter().map(|frame| frame.instrument + 1).max().unwrap_or(0);
    let mut sizes = vec![None; count];
    for (index, frame) in frames.iter().enumerate() {
        let size = sizes[frame.instrument].get_or_insert(frame.size_px);
        if *size != frame.size_px {
            return Err(AdjustError::Size { frame: index, instrument: frame.instrument });
        }
    }
    let shapes: Vec<Shape> = sizes.iter().map(|size| Shape::of(size.unwrap_or([1, 1]))).collect();
    let starts: Vec<Option<(Pose, Distortion)>> =
        frames.par_iter().map(|frame| Pose::of(frame.wcs, &shapes[frame.instrument])).collect();
    let mut states = Vec::with_capacity(frames.len());
    let mut distortions = vec![Vec::new(); count];
    for (index, (frame, start)) in frames.iter().zip(starts).enumerate() {
        let (pose, distortion) = start.ok_or(AdjustError::Start { frame: index })?;
        states.push(FrameState { pose, instrument: frame.instrument });
        distortions[frame.instrument].push(distortion);
    }
    let scale_of = |index: usize| {
        let own = states.iter().filter(|state| state.instrument == index);
        median(own.map(|state| state.pose.scale_rad).collect())
    };
    let instruments = shapes.into_iter().enumerate().map(|(index, shape)| InstrumentState {
        shape,
        distortion: typical(&distortions[index]),
        solved_order: 0,
        scale_rad: scale_of(index),
        floor_px: options.floor_px,
    });
    Ok(Problem {
        instruments: instruments.collect(),
        unit_rad: median(states.iter().map(|state| state.pose.scale_rad).collect()),
        frames: states,
        sights: Vec::new(),
        frame_start: Vec::new(),
        objects: Vec::new(),
        object_start: Vec::new(),
        seen: Vec::new(),
        anchored: Vec::new(),
        tie_factor: 1.0,
    })
}

/// The median of every term.
fn typical(distortions: &[Distortion]) -> Distortion {
    let order = distortions.iter().map(|d| d.order).max().unwrap_or(0);
    let mut out = Distortion { order, ..Distortion::NONE };
    for axis in 0..2 {
        for term in 0..MAX_TERMS {
            out.coefficients[axis][term] =
                median(distortions.iter().map(|d| d.coefficients[axis][term]).collect());
        }
    }
    if order < 2 { Distortion::NONE } else { out }
}

/// Opens the terms of every instrument that its sights allow; without any the distortion of the starts stays.
fn limit_orders(problem: &mut Problem, most: usize) {
    let mut sights = vec![0; problem.instruments.len()];
    for frame in 0..problem.frames.len() {
        sights[problem.frames[frame].instrument] += problem.of_frame(frame).len();
    }
    for (instrument, sights) in problem.instruments.iter_mut().zip(sights) {
        let allowed = (2..=most).rev().find(|order| sights >= SIGHTS_PER_TERM * terms(*order));
        if let Some(order) = allowed {
            instrument.solved_order = order;
            instrument.distortion = instrument.distortion.of_order(order);
        }
    }
}

/// The catalogue stars of all frames, by id.
struct Catalogue {
    slots: BTreeMap<u32, u32>,
    ties: Vec<Tie>,
    at: Vec<[f64; 3]>,
}

/// No catalogue is better, arcsec.
const LEAST_CATALOGUE_SIGMA_ARCSEC: f64 = 1e-3;

impl Catalogue {
    fn of(frames: &[AdjustFrame<'_>]) -> Result<Self, AdjustError> {
        let mut stars = BTreeMap::new();
        for (index, frame) in frames.iter().enumerate() {
            for (star, reference) in frame.matches {
                if *star >= frame.stars.len() {
                    return Err(AdjustError::Match { frame: index, star: *star });
                }
                stars.entry(reference.id).or_insert(*reference);
            }
        }
        let at: Vec<[f64; 3]> = stars.values().map(|star| unit_vector(star.ra_deg, star.dec_deg)).collect();
        let sigma = |arcsec: f64| (arcsec.max(LEAST_CATALOGUE_SIGMA_ARCSEC) / 3600.0).to_radians();
        let ties =
            stars.values().zip(&at).map(|(star, at)| Tie { at: *at, sigma_rad: sigma(star.sigma_arcsec) });
        let ties = ties.collect();
        let slots = stars.keys().enumerate().map(|(slot, id)| (*id, slot as u32)).collect();
        Ok(Self { slots, ties, at })
    }
}

/// The stars of a frame that take part: the brightest and those with a match.
fn candidates(frame: &AdjustFrame<'_>, catalogue: &Catalogue, options: &AdjustOptions) -> Vec<Candidate> {
    let shape = Shape::of(frame.size_px);
    let mut matches = BTreeMap::new();
    for (star, reference) in frame.matches {
        matches.entry(*star).or_insert_with(|| catalogue.slots.get(&reference.id).copied());
    }
    let takes_part = |(index, _): &(usize, _)| *index < options.max_stars || matches.contains_key(index);
    let stars = frame.stars.iter().enumerate().filter(takes_part);
    stars
        .map(|(index, star)| Candidate {
            d: [star.x_px - shape.centre_px[0], star.y_px - shape.centre_px[1]],
            sigma_px: star.sigma_px,
            catalogue: matches.get(&index).copied().flatten(),
        })
        .collect()
}

/// Directions of all candidates in the starts; where a start does not map one, in its pose.
fn places_at_start(
    frames: &[AdjustFrame<'_>],
    problem: &Problem,
    candidates: &[Vec<Candidate>],
) -> Vec<Vec<[f64; 3]>> {
    let place = |index: usize| {
        let (shape, pose) = (&problem.instrument_of(index).shape, &problem.frames[index].pose);
        let [x, y] = shape.centre_px;
        let at = |c: &Candidate| {
            let mapped = frames[index].wcs.pixel_to_icrs(x + c.d[0], y + c.d[1]);
            mapped.unwrap_or_else(|| pose.direction(c.d, shape, &Distortion::NONE))
        };
        candidates[index].iter().map(at).collect()
    };
    (0..frames.len()).into_par_iter().map(place).collect()
}

/// Directions of all candidates in the present solution.
fn places_now(problem: &Problem, candidates: &[Vec<Candidate>]) -> Vec<Vec<[f64; 3]>> {
    let place = |index: usize| {
        let (instrument, pose) = (problem.instrument_of(index), &problem.frames[index].pose);
        let at = |c: &Candidate| pose.direction(c.d, &instrument.shape, &instrument.distortion);
        candidates[index].iter().map(at).collect()
    };
    (0..candidates.len()).into_par_iter().map(place).collect()
}

/// Takes frames out whose stars do not hold them, until there are none.
fn drop_loose_frames(groups: &mut Vec<Group>, candidates: &[Vec<Candidate>]) {
    let mut loose = vec![false; candidates.len()];
    loop {
        let mut counts = vec![(0, 0); candidates.len()];
        for group in groups.iter() {
            for (frame, star) in &group.seen {
                let own = candidates[*frame as usize][*star as usize].catalogue.is_some();
                let count = &mut counts[*frame as usize];
                *count = (count.0 + usize::from(own), count.1 + 1);
            }
        }
        let mut more = false;
        for (loose, (own, all)) in loose.iter_mut().zip(counts) {
            if !*loose && own < OWN_STARS && all < COMMON_STARS {
                *loose = true;
                more |= all > 0;
            }
        }
        if !more {
            return;
        }
        for group in groups.iter_mut() {
            group.seen.retain(|(frame, _)| !loose[*frame as usize]);
        }
        groups.retain(|group| group.seen.len() > usize::from(group.catalogue.is_none()));
    }
}
