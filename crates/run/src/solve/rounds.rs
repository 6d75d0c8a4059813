//! The order in which frames are tried. What is cheap comes first and for all frames; what is dear is tried on a few frames at
//! a time, spread over those that are left, and each success becomes a hint for the others. Rounds depend on the frames
//! alone, never on which thread was first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_sky::Wcs;
use zemosaic_stars::astrometry::{Evidence, Verdict};

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::solve::attempt::{
    How, NearbyFrame, Placement, Reach, Sky, Why, alike, blind, by_header, judge, near, register, settle,
};
use crate::solve::blind_search::{LazyIndex, NoIndex};
use crate::solve::options::{BlindSearch, SolveMode};
use crate::solve::subject::Subject;

/// Where a frame stands.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Its own WCS stays. `None`: it was believed without a look.
    Kept(Option<Evidence>),
    /// A WCS was found.
    Placed(Box<Placement>),
    /// Not yet, and why.
    Open(Why),
}

/// Frames that are tried at once with something dear.
const BATCH: usize = 8;
/// So many batches in a row without success, and the rest is not tried.
const FRUITLESS_BATCHES: usize = 3;
/// Neighbours that a frame is tried with.
const NEIGHBOURS: usize = 3;

/// All frames on the way.
pub(crate) struct Rounds<'a> {
    sky: &'a Sky<'a>,
    subjects: &'a [Subject],
    /// The WCSs they came with.
    given: &'a [Option<&'a Wcs>],
    states: Vec<State>,
    /// Frames whose own WCS the stars contradict.
    pub contradicted: Vec<Option<Evidence>>,
    reporter: &'a Reporter,
    /// Frames and neighbours that were tried together: what came of it would come of it again.
    tried: [BTreeSet<(usize, usize)>; 3],
}

/// What is tried with a neighbour.
#[derive(Debug, Clone, Copy)]
enum Together {
    Alike,
    Near,
    Register,
}

impl<'a> Rounds<'a> {
    /// Every frame through every round that it needs.
    ///
    /// # Errors
    /// A blind index that the memory budget does not allow.
    pub(crate) fn run(
        sky: &'a Sky<'a>,
        subjects: &'a [Subject],
        given: &'a [Option<&'a Wcs>],
        index: &mut LazyIndex<'_>,
        reporter: &'a Reporter,
    ) -> Result<(Vec<State>, Vec<Option<Evidence>>), RunError> {
        let states = vec![State::Open(String::new()); subjects.len()];
        let mut rounds = Self {
            sky,
            subjects,
            given,
            states,
            contradicted: vec![None; subjects.len()],
            reporter,
            tried: Default::default(),
        };
        rounds.look_at_given();
        if sky.options.embedded() {
            rounds.search(index)?;
        }
        Ok((rounds.states, rounds.contradicted))
    }

    fn search(&mut self, index: &mut LazyIndex<'_>) -> Result<(), RunError> {
        let (sky, headers) = (self.sky, self.sky.options.blind != BlindSearch::Only);
        if headers {
            // A few frames of each camera tell of the others.
            let first = self.some_of_each_camera();
            let narrow = |_, subject: &Subject| by_header(sky, subject, Reach::Narrow);
            self.take(&first, self.attempts(&first, narrow));
            self.like_neighbours();
            let others: Vec<usize> = self.open().into_iter().filter(|index| !first.contains(index)).collect();
            self.take(&others, self.attempts(&others, narrow));
        }
        self.by_neighbours();
        if headers {
            self.in_batches(|subject| by_header(sky, subject, Reach::Wide));
        }
        if sky.options.blind != BlindSearch::Off && self.worth_a_search() {
            let found_any = self.states.iter().any(|state| !matches!(state, State::Open(_)));
            let may_do_without = found_any && sky.options.blind != BlindSearch::Only;
            match index.get() {
                Ok(index) => self.in_batches(|subject| blind(sky, subject, index)),
                Err(NoIndex::Memory(why)) if !may_do_without => return Err(RunError::Resource(why)),
                Err(NoIndex::Memory(why) | NoIndex::Unusable(why)) => self.say_of_open(&why),
            }
        }
        self.by_registration();
        Ok(())
    }

    fn open(&self) -> Vec<usize> {
        let open = |index: &usize| matches!(self.states[*index], State::Open(_));
        (0..self.states.len()).filter(open).collect()
    }

    /// Whether an open frame has enough stars for a search of the whole sky.
    fn worth_a_search(&self) -> bool {
        const LEAST_STARS: usize = 10;
        self.open().into_iter().any(|index| self.subjects[index].stars.len() >= LEAST_STARS)
    }

    fn say_of_open(&mut self, why: &str) {
        for index in self.open() {
            if let State::Open(reason) = &mut self.states[index] {
                why.clone_into(reason);
            }
        }
    }

    fn look_at_given(&mut self) {
        let (sky, given, subjects) = (self.sky, self.given, self.subjects);
        let verdicts: Vec<(State, Option<Evidence>)> = (0..subjects.len())
            .into_par_iter()
            .map(|index| {
                let (subject, Some(wcs)) = (&subjects[index], given[index]) else {
                    return (State::Open("it has no WCS".into()), None);
                };
                if sky.options.mode != SolveMode::Auto {
                    return (State::Kept(None), None);
                }
                let evidence = judge(sky, subject, wcs);
                if evidence.verdict != Verdict::Contradicted {
                    return (State::Kept(Some(evidence)), None);
                }
                // A WCS that is a little off is the best hint there is.
                let reference = sky.catalogue.at(subject.year);
                let found = settle(sky, subject, &reference, wcs, How::Hint).or_else(|why| {
                    if sky.options.embedded() {
                        near(sky, subject, &NearbyFrame { subject, wcs }, How::Hint)
                    } else {
                        Err(why)
                    }
                });
                let state = match found {
                    Ok(placement) => State::Placed(Box::new(placement)),
                    Err(why) => State::Open(why),
                };
                (state, Some(evidence))
            })
            .collect();
        (self.states, self.contradicted) = verdicts.into_iter().unzip();
        self.tell();
    }

    /// What comes of an attempt on these frames.
    fn attempts(
        &self,
        frames: &[usize],
        attempt: impl Fn(usize, &Subject) -> Result<Placement, Why> + Sync,
    ) -> Vec<Result<Placement, Why>> {
        let total = self.states.len() as u64;
        let done = AtomicU64::new(total - self.open().len() as u64);
        let one = |&index: &usize| {
            let working = self.reporter.working(format!("solve: {}", self.subjects[index].id));
            let found = attempt(index, &self.subjects[index]);
            drop(working);
            if found.is_ok() {
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                self.reporter.send(Event::Progress { stage: Stage::Solve, done, total });
            }
            found
        };
        frames.par_iter().map(one).collect()
    }

    /// Keep what was found; how many frames it helped. A frame whose attempt has nothing to say keeps its reason.
    fn take(&mut self, frames: &[usize], found: Vec<Result<Placement, Why>>) -> usize {
        let mut helped = 0;
        for (&index, found) in frames.iter().zip(found) {
            match found {
                Ok(placement) => {
                    self.states[index] = State::Placed(Box::new(placement));
                    helped += 1;
                }
                Err(why) if !why.is_empty() => self.states[index] = State::Open(why),
                Err(_) => {}
            }
        }
        helped
    }

    fn tell(&self) {
        let total = self.states.len() as u64;
        let done = total - self.open().len() as u64;
        self.reporter.send(Event::Progress { stage: Stage::Solve, done, total });
    }

    /// Try something dear, a few frames of each camera at a time.
    fn in_batches(&mut self, attempt: impl Fn(&Subject) -> Result<Placement, Why> + Sync) {
        for camera in 0..self.cameras() {
            let mut tried = vec![false; self.states.len()];
            let mut fruitless = 0;
            while fruitless < FRUITLESS_BATCHES {
                let left: Vec<usize> = self
                    .open()
                    .into_iter()
                    .filter(|&index| self.subjects[index].instrument == camera && !tried[index])
                    .collect();
                let batch = spread(&left, BATCH);
                if batch.is_empty() {
                    break;
                }
                for &index in &batch {
                    tried[index] = true;
                }
                let found = self.attempts(&batch, |_, subject| attempt(subject));
                if self.take(&batch, found) == 0 {
                    fruitless += 1;
                } else {
                    fruitless = 0;
                    self.by_neighbours();
                }
            }
        }
    }

    /// A few open frames of each camera.
    fn some_of_each_camera(&self) -> Vec<usize> {
        let open = self.open();
        let of = |camera: usize| {
            let own = open.iter().copied().filter(|&index| self.subjects[index].instrument == camera);
            spread(&own.collect::<Vec<usize>>(), BATCH)
        };
        (0..self.cameras()).flat_map(of).collect()
    }

    fn cameras(&self) -> usize {
        self.subjects.iter().map(|subject| subject.instrument + 1).max().unwrap_or(0)
    }

    /// Take frames to be turned and shifted against frames of the same camera that are solved.
    fn like_neighbours(&mut self) {
        let sky = self.sky;
        self.with_nearest(Together::Alike, |subject, place| {
            if subject.instrument == place.subject.instrument {
                alike(sky, subject, place)
            } else {
                Err(String::new())
            }
        });
    }

    /// Try the places of frames that are solved, until that helps no more.
    fn by_neighbours(&mut self) {
        let sky = self.sky;
        self.like_neighbours();
        while self.with_nearest(Together::Near, |subject, place| near(sky, subject, place, How::Neighbour))
            > 0
        {}
    }

    /// Place frames by the stars of frames that are placed, until that helps no more.
    fn by_registration(&mut self) {
        let sky = self.sky;
        // What the searches said is of more use than that no neighbour has the same stars.
        let quietly = |subject: &Subject, place: &NearbyFrame<'_>| {
            register(sky, subject, place).map_err(|_| String::new())
        };
        while self.with_nearest(Together::Register, quietly) > 0 {}
    }

    /// Try something on every open frame with each of its nearest frames whose place is known; how many it helped.
    fn with_nearest(
        &mut self,
        together: Together,
        attempt: impl Fn(&Subject, &NearbyFrame<'_>) -> Result<Placement, Why> + Sync,
    ) -> usize {
        let open = self.open();
        let placed: Vec<usize> =
            (0..self.states.len()).filter(|&index| self.place(index).is_some()).collect();
        let tried = &self.tried[together as usize];
        let nearest: BTreeMap<usize, Vec<usize>> = open
            .par_iter()
            .map(|&index| {
                let mut near = self.nearest(index, &placed);
                near.retain(|neighbour| !tried.contains(&(index, *neighbour)));
                (index, near)
            })
            .collect();
        let found = self.attempts(&open, |index, subject| {
            let mut why = String::new();
            for place in nearest[&index].iter().filter_map(|index| self.place(*index)) {
                match attempt(subject, &place) {
                    Ok(placement) => return Ok(placement),
                    Err(reason) => why = reason,
                }
            }
            Err(why)
        });
        for (index, near) in &nearest {
            self.tried[together as usize].extend(near.iter().map(|neighbour| (*index, *neighbour)));
        }
        self.take(&open, found)
    }

    fn place(&self, index: usize) -> Option<NearbyFrame<'_>> {
        let wcs = known(&self.states[index], self.given[index])?;
        Some(NearbyFrame { subject: &self.subjects[index], wcs })
    }

    /// The nearest of `placed`: of the frame's own camera first, then by time, else by order.
    fn nearest(&self, index: usize, placed: &[usize]) -> Vec<usize> {
        let own = &self.subjects[index];
        let rank = |other: usize| {
            let that = &self.subjects[other];
            let apart = (own.time_s - that.time_s).abs();
            let apart = if apart.is_finite() { apart } else { f64::MAX };
            (own.instrument != that.instrument, apart, index.abs_diff(other))
        };
        let mut ranked = placed.to_vec();
        ranked.sort_by(|&a, &b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
        });
        ranked.truncate(NEIGHBOURS);
        ranked
    }
}
/// The WCS of a frame whose place is known well enough to be a hint.
pub(crate) fn known<'a>(state: &'a State, given: Option<&'a Wcs>) -> Option<&'a Wcs> {
    match state {
        State::Placed(placement) => Some(&placement.wcs),
        State::Kept(None) => given,
        State::Kept(Some(evidence)) if evidence.verdict == Verdict::Confirmed => given,
        State::Kept(_) | State::Open(_) => None,
    }
}

/// At most `count` of `items`, evenly spread.
fn spread(items: &[usize], count: usize) -> Vec<usize> {
    if items.len() <= count {
        return items.to_vec();
    }
    (0..count).map(|part| items[part * items.len() / count]).collect()
}
