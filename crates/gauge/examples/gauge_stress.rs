//! Runs of the global solver on random networks with outliers: `gauge_stress [RUNS] [offsets|surfaces]`. Prints the median and
//! longest time of networks of 4,400 and 20,000 pairs, that all ended well, and the peak memory of the process.

use std::time::Instant;

use zemosaic_gauge::solve::Difference;
use zemosaic_gauge::{BlockDifference, Surface, SurfaceOrder, SurfacePair, solve_offsets, solve_surfaces};

/// Blocks of a pair.
const BLOCKS: usize = 60;
/// Frames overlap up to this share of their side.
const REACH: f64 = 0.8;
const SIDE_PX: f64 = 1000.0;

/// Numbers from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

struct Network {
    frames: Vec<Surface>,
    level: Vec<f64>,
    pairs: Vec<(usize, usize)>,
}

/// Frames anywhere in a square that is wide enough for so many overlaps.
fn network(frames: usize, pairs: usize, random: &mut Random) -> Network {
    let side = (frames as f64 * frames as f64 * 2.0 * REACH * REACH / pairs as f64).sqrt();
    let corners: Vec<[f64; 2]> = (0..frames).map(|_| [side * random.next(), side * random.next()]).collect();
    let overlap = |a: usize, b: usize| (0..2).all(|axis| (corners[a][axis] - corners[b][axis]).abs() < REACH);
    let all = (0..frames).flat_map(|a| (a + 1..frames).map(move |b| (a, b)));
    let mut linked: Vec<(usize, usize)> = all.filter(|(a, b)| overlap(*a, *b)).collect();
    for at in (1..linked.len()).rev() {
        linked.swap(at, (random.next() * (at + 1) as f64) as usize);
    }
    linked.truncate(pairs);
    linked.sort_unstable();
    let over = |corner: &[f64; 2]| {
        let side = |axis: usize| [SIDE_PX * corner[axis], SIDE_PX * (corner[axis] + 1.0)];
        let mut surface = Surface::over(side(0), side(1));
        surface.coefficients = std::array::from_fn(|_| 5.0 * random.normal());
        surface
    };
    let surfaces: Vec<Surface> = corners.iter().map(over).collect();
    let level = (0..frames).map(|_| 300.0 * random.next()).collect();
    Network { frames: surfaces, level, pairs: linked }
}

/// Differences of pairs, one in thirty an outlier.
fn differences(network: &Network, random: &mut Random) -> Vec<Difference> {
    let measure = |(a, b): &(usize, usize)| {
        let outlier = if random.next() < 0.03 { 80.0 * random.normal() } else { 0.0 };
        let value = network.level[*b] - network.level[*a] + 0.3 * random.normal() + outlier;
        Difference { a: *a, b: *b, value, variance: 0.09 }
    };
    network.pairs.iter().map(measure).collect()
}

/// The same with surfaces, block by block.
fn blocks(network: &Network, random: &mut Random) -> Vec<SurfacePair> {
    let measure = |(a, b): &(usize, usize)| {
        let (first, second) = (&network.frames[*a], &network.frames[*b]);
        let place = |axis: usize, random: &mut Random| {
            let middle = 0.5 * (first.centre_px[axis] + second.centre_px[axis]);
            let common = SIDE_PX - (first.centre_px[axis] - second.centre_px[axis]).abs();
            middle + common * (random.next() - 0.5)
        };
        let block = |_| {
            let (x_px, y_px) = (place(0, random), place(1, random));
            let outlier = if random.next() < 0.03 { 40.0 * random.normal() } else { 0.0 };
            let level = |frame: usize| network.level[frame] + network.frames[frame].at(x_px, y_px);
            let value = level(*b) - level(*a) + 0.5 * random.normal() + outlier;
            BlockDifference { x_px, y_px, value, variance: 0.25 }
        };
        SurfacePair { a: *a, b: *b, blocks: (0..BLOCKS).map(block).collect() }
    };
    network.pairs.iter().map(measure).collect()
}

/// Seconds, rounds, and whether the solution is one.
fn run(frames: usize, pairs: usize, seed: u64, with_surfaces: &str) -> (f64, usize, bool) {
    let mut random = Random(seed);
    let network = network(frames, pairs, &mut random);
    let differences = differences(&network, &mut random);
    if with_surfaces != "surfaces" {
        let started = Instant::now();
        let solution = solve_offsets(frames, &differences);
        let seconds = started.elapsed().as_secs_f64();
        let is_well = solution.offsets.iter().chain(&solution.error).all(|value| value.is_finite());
        // A frame of few pairs of which as many are outliers as not can be anywhere.
        let misses = network.pairs.iter().filter(|(a, b)| {
            (solution.offsets[*b] - solution.offsets[*a] - network.level[*b] + network.level[*a]).abs() > 2.0
        });
        return (seconds, solution.rounds, is_well && misses.count() * 300 < pairs);
    }
    let start = solve_offsets(frames, &differences).offsets;
    let blocks = blocks(&network, &mut random);
    let started = Instant::now();
    let solution = solve_surfaces(&network.frames, &blocks, SurfaceOrder::Quadratic, &start);
    let seconds = started.elapsed().as_secs_f64();
    let values = solution.offsets.iter().chain(&solution.offset_error).chain(solution.error.iter().flatten());
    let is_well = values.chain(&solution.prior_width).all(|value| value.is_finite());
    (seconds, solution.rounds, is_well && (solution.prior_width[4] / 5.0 - 1.0).abs() < 0.2)
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs: u64 = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(10);
    let kind = arguments.next().unwrap_or_else(|| "offsets".to_owned());
    for (frames, pairs) in [(600, 4_400), (2_700, 20_000)] {
        let found: Vec<(f64, usize, bool)> =
            (0..runs).map(|seed| run(frames, pairs, seed + 1, &kind)).collect();
        let mut seconds: Vec<f64> = found.iter().map(|(seconds, _, _)| *seconds).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        let (middle, most) = (seconds.get(seconds.len() / 2), seconds.last());
        let well = found.iter().filter(|(_, _, is_well)| *is_well).count();
        let rounds = found.iter().map(|(_, rounds, _)| *rounds).max().unwrap_or(0);
        println!(
            "{kind}, {frames} frames, {pairs} pairs: {well} of {runs} runs well, median {:.3} s, longest {:.3} s, \
             {rounds} rounds at most, peak memory {}",
            middle.unwrap_or(&f64::NAN),
            most.unwrap_or(&f64::NAN),
            peak_memory()
        );
    }
}
