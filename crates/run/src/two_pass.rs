//! ZeMosaic's two-pass coverage renormalisation in a run, where it is asked for: every tile's values are multiplied with a
//! gain from the coverage of the mosaic ([`zemosaic_gauge::compat::two_pass`]).
//!
//! A tile is a group of frames in classic mode, else a frame or a foreign master tile. A pixel of the grid is a tile's where
//! the map puts its centre inside a frame of it. The weight of a tile is, where numbers of frames are known, sqrt(n / median
//! n) within 0.75 to 1.35 as in ZeMosaic, else 1. The gain of a tile goes to all of its frames before anything is stacked:
//! the same as to the finished tile, as every step after it is linear in it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{CoaddError, Source};
use zemosaic_gauge::compat::coverage_scale::{Bands, scratch_bytes};
use zemosaic_gauge::compat::two_pass::{
    TileMask, TwoPassError, TwoPassGain, TwoPassOptions, TwoPassProgress, coverage_gains, coverage_of,
};
use zemosaic_image::Region;

use crate::desk::Working;
use crate::error::RunError;
use crate::events::{Event, Reporter, Stage, Warning};
use crate::options::{InputKind, MosaicRequest};
use crate::plan::{Placed, PlannedRun};
use crate::stats::Stats;
use crate::tiles::tile_jobs;
use crate::units::show_size;

/// Range of a tile's weight.
const WEIGHT_CLIP: [f64; 2] = [0.75, 1.35];
/// Side of a cell of the maps.
const CELL_PX: i64 = 256;
/// Rows between two lines of the log.
const LOG_ROWS: usize = 512;
/// Keys that say how many frames a master tile is made of, in the order of preference.
const COUNT_KEYS: [&str; 5] = ["MT_NFRAMES", "ZMT_NALGN", "ZMT_NRAW", "NCOMBINE", "STACKCNT"];

/// Multiply gain, offset and surface of `placed` with the gains of their tiles, if the options ask for it.
///
/// # Errors
/// Options out of range, too little memory for the canvas, cancelled.
pub(crate) fn two_pass(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    placed: &mut Placed,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let Some(options) = &request.options.two_pass else { return Ok(()) };
    let wrong = |error: TwoPassError| RunError::Usage(format!("--two-pass-coverage-renorm: {error}"));
    options.check().map_err(wrong)?;
    let size = (planned.layout.grid.width, planned.layout.grid.height);
    let threads = rayon::current_num_threads();
    let members = members_of(request, planned, &placed.sources);
    let bounds: Vec<Region> = placed.sources.iter().map(|source| source.bounds).collect();
    let canvas = size.0 * size.1 * size_of::<f32>() + scratch_bytes(size, options, Bands::default(), threads);
    let runs = run_bytes(&members, &bounds, threads);
    // The canvas comes when the runs are made.
    let needed = (runs.kept + runs.made_with.max(canvas)) as u64;
    if needed > planned.budget.total_bytes {
        return Err(RunError::Resource(format!(
            "--two-pass-coverage-renorm takes {} for the canvas and {} for the outlines of {} frames, the memory budget \
             is {}; raise --memory or leave the option out",
            show_size(canvas as u64),
            show_size(needed - canvas as u64),
            placed.sources.len(),
            show_size(planned.budget.total_bytes)
        )));
    }
    let total = members.len() as u64;
    let found = reporter.stage(Stage::Gauge, total, || {
        let stop = || {
            if cancel.load(Ordering::Relaxed) { Err(RunError::from(CoaddError::Cancelled)) } else { Ok(()) }
        };
        let weights = weights_of(request, &members, &placed.sources, reporter);
        let tiles = tile_coverages(&members, &placed.sources, &weights, reporter);
        stop()?;
        reporter.log(format!(
            "[TwoPass] start tiles={} canvas={}x{} sigma_px={} workers={threads}",
            tiles.len(),
            size.0,
            size.1,
            options.sigma_px
        ));
        let stats = Stats::new(reporter, (5, "Two-pass coverage renormalisation"), threads, tiles.len());
        stats.tell(0, (0, size.1));
        let works = Works::new(reporter, size.1);
        let tell = |progress| {
            works.go_on(progress);
            tell_progress(reporter, &stats, progress);
        };
        let mut plane = coverage_of(&tiles, size, &tell);
        stop()?;
        let found =
            coverage_gains(&mut plane, size, &tiles, options, Bands::default(), &tell).map_err(wrong)?;
        stop().map(|()| found)
    })?;
    for (index, gain) in found.iter().enumerate() {
        let TwoPassGain { gain, pixels, fell_back } = gain;
        reporter.log(format!(
            "[TwoPass] tile {} gain={gain:.6} pixels={pixels} fell_back={fell_back}",
            index + 1
        ));
    }
    let warning = warning_of(&found, options);
    reporter.warn(&warning);
    planned.warnings.push(warning);
    for (members, found) in members.iter().zip(&found) {
        for index in members {
            placed.sources[*index].multiply(found.gain);
        }
    }
    placed.set_weights(request.options.coadd.weights);
    Ok(())
}

/// The sources of every tile.
fn members_of(request: &MosaicRequest, planned: &PlannedRun, sources: &[Source]) -> Vec<Vec<usize>> {
    if !request.makes_tiles() {
        return (0..sources.len()).map(|index| vec![index]).collect();
    }
    let jobs = tile_jobs(&planned.tiles, sources);
    jobs.into_iter().map(|job| job.members).filter(|members| !members.is_empty()).collect()
}

/// Weights of the tiles from their numbers of frames.
fn weights_of(
    request: &MosaicRequest,
    members: &[Vec<usize>],
    sources: &[Source],
    reporter: &Reporter,
) -> Vec<f32> {
    let counts: Vec<f64> = if request.makes_tiles() {
        members.iter().map(|members| members.len() as f64).collect()
    } else if request.input_kind == InputKind::MasterTiles {
        sources.iter().map(stated_count).inspect(|_| reporter.beat()).collect()
    } else {
        vec![1.0; members.len()]
    };
    let mut sorted = counts.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = |at: usize| sorted.get(at).copied().unwrap_or(1.0);
    let median = 0.5 * (middle(sorted.len().saturating_sub(1) / 2) + middle(sorted.len() / 2));
    let weight = |count: &f64| (count / median).sqrt().clamp(WEIGHT_CLIP[0], WEIGHT_CLIP[1]) as f32;
    counts.iter().map(weight).collect()
}

/// Frames that a master tile says it is made of, else 1.
fn stated_count(source: &Source) -> f64 {
    let Ok(file) = zemosaic_fits::scan(&source.frame.path) else { return 1.0 };
    let stated =
        |key: &&str| file.hdus.iter().find_map(|hdu| hdu.header.get_i64(key)).filter(|count| *count > 0);
    COUNT_KEYS.iter().find_map(stated).map_or(1.0, |count| count as f64)
}

/// Pixels of a row of the grid: the row, the first column, one past the last.
type Run = [u32; 3];

/// The pixels of a tile on the grid.
struct TileCoverage {
    region: Region,
    pixels: usize,
    weight: f32,
    /// By rows, then columns; apart from each other.
    runs: Vec<Run>,
}

/// What the runs of all tiles take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RunBytes {
    /// As long as gains are looked for.
    kept: usize,
    /// Besides, while they are made.
    made_with: usize,
}

/// Bytes of the runs of tiles with these `members`, of sources that lie at `bounds`. Outlines are convex (but where a map
/// folds), so that a source has one run in a row:
///
/// - kept: rows of all sources x 12
/// - while they are made, for each thread: rows of a source x cells of the map it crosses in a row x 12, twice because
///   lists grow by doubling; and the rows of a tile once more, x 12
fn run_bytes(members: &[Vec<usize>], bounds: &[Region], threads: usize) -> RunBytes {
    let rows = |index: &usize| bounds[*index].height;
    let tile_rows = members.iter().map(|members| members.iter().map(rows).sum::<usize>());
    let (all, largest) = tile_rows.fold((0, 0), |(all, largest), own| (all + own, largest.max(own)));
    let in_cells = |region: &Region| region.height * (region.width / CELL_PX as usize + 2);
    let cells = bounds.iter().map(in_cells).max().unwrap_or(0);
    let made_with =
        (threads * (2 * cells + largest)).min(2 * bounds.iter().map(in_cells).sum::<usize>() + all);
    RunBytes { kept: all * size_of::<Run>(), made_with: made_with * size_of::<Run>() }
}

impl TileMask for TileCoverage {
    fn region(&self) -> Region {
        self.region
    }

    fn pixels(&self) -> usize {
        self.pixels
    }

    fn weight(&self) -> f32 {
        self.weight
    }

    fn row(&self, y: i64, x0: i64, mask: &mut [f32]) {
        mask.fill(0.0);
        let first = self.runs.partition_point(|run| i64::from(run[0]) < y);
        let end = x0 + mask.len() as i64;
        for [_, from, to] in self.runs[first..].iter().take_while(|run| i64::from(run[0]) == y) {
            let (from, to) = (i64::from(*from).max(x0), i64::from(*to).min(end));
            if from < to {
                mask[(from - x0) as usize..(to - x0) as usize].fill(1.0);
            }
        }
    }
}

fn tile_coverages(
    members: &[Vec<usize>],
    sources: &[Source],
    weights: &[f32],
    reporter: &Reporter,
) -> Vec<TileCoverage> {
    let of_source = |index: &usize| {
        let source = &sources[*index];
        let _working = reporter.working(format!("two-pass: outline of {}", source.frame.id));
        runs_of(source)
    };
    let tile = |(members, weight): (&Vec<usize>, &f32)| {
        let of_sources: Vec<Vec<Run>> = members.par_iter().map(of_source).collect();
        let runs = united(of_sources.concat());
        let pixels = members.iter().map(|index| {
            let (width, height) = sources[*index].frame.plane_size();
            width * height
        });
        TileCoverage { region: region_of(&runs), pixels: pixels.max().unwrap_or(0), weight: *weight, runs }
    };
    members.par_iter().zip(weights).map(tile).collect()
}

/// Runs in order; those that touch or overlap are one.
fn united(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable();
    runs.dedup_by(|next, run| {
        let joins = run[0] == next[0] && next[1] <= run[2];
        if joins {
            run[2] = run[2].max(next[2]);
        }
        joins
    });
    runs.shrink_to_fit();
    runs
}

fn region_of(runs: &[Run]) -> Region {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Region::default() };
    let x0 = runs.iter().map(|run| run[1]).min().unwrap_or(0);
    let x1 = runs.iter().map(|run| run[2]).max().unwrap_or(0);
    Region {
        x0: i64::from(x0),
        y0: i64::from(first[0]),
        width: (x1 - x0) as usize,
        height: (last[0] + 1 - first[0]) as usize,
    }
}

/// Where on the grid the centres of pixels are inside a source.
fn runs_of(source: &Source) -> Vec<Run> {
    let (width, height) = source.frame.plane_size();
    let (right, top) = (width as f64 - 0.5, height as f64 - 0.5);
    let is_inside = |x: f64, y: f64| x >= -0.5 && x < right && y >= -0.5 && y < top;
    let bounds = source.bounds;
    let mut runs: Vec<Run> = Vec::new();
    let (mut xs, mut ys) = (vec![0.0; CELL_PX as usize], vec![0.0; CELL_PX as usize]);
    let cells = |from: i64, to: i64| from.div_euclid(CELL_PX)..(to + CELL_PX - 1).div_euclid(CELL_PX);
    for cell_y in cells(bounds.y0, bounds.y1()) {
        for cell_x in cells(bounds.x0, bounds.x1()) {
            let cell = source.map.cell(cell_x as usize, cell_y as usize);
            let x0 = (cell_x * CELL_PX).max(bounds.x0);
            let count = (((cell_x + 1) * CELL_PX).min(bounds.x1()) - x0) as usize;
            for y in (cell_y * CELL_PX).max(bounds.y0)..((cell_y + 1) * CELL_PX).min(bounds.y1()) {
                cell.row(y as usize, x0 as usize, count, &mut xs, &mut ys);
                let mut open = None;
                for x in 0..=count {
                    let inside = x < count && is_inside(xs[x], ys[x]);
                    match (open, inside) {
                        (None, true) => open = Some(x),
                        (Some(from), false) => {
                            // Bounds are inside the grid.
                            runs.push([y, x0 + from as i64, x0 + x as i64].map(|at| at as u32));
                            open = None;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // Runs of neighbouring cells are one.
    united(runs)
}

/// Notes on the desk what the threads of the pool work at together, and that they get on: the stage counts tiles, which
/// are all done at its end.
struct Works<'a> {
    reporter: &'a Reporter,
    rows: usize,
    under_way: Mutex<Option<Working<'a>>>,
}

impl<'a> Works<'a> {
    /// Of a canvas of so many rows, whose coverage is to be found first.
    fn new(reporter: &'a Reporter, rows: usize) -> Self {
        let works = Self { reporter, rows, under_way: Mutex::new(None) };
        works.begin("two-pass: coverage of the canvas".into());
        works
    }

    fn begin(&self, what: String) {
        if let Ok(mut under_way) = self.under_way.lock() {
            // The old work ends before the new one begins.
            *under_way = None;
            *under_way = Some(self.reporter.working(what));
        }
    }

    fn go_on(&self, progress: TwoPassProgress) {
        let blur = |done: usize| format!("two-pass: blur of rows {done} to {}", self.rows);
        match progress {
            TwoPassProgress::Coverage(done, of) if done == of => self.begin(blur(0)),
            TwoPassProgress::Blur(done, of) if done == of => {
                self.begin("two-pass: gains of the tiles".into());
            }
            TwoPassProgress::Blur(done, _) => self.begin(blur(done)),
            TwoPassProgress::Coverage(..) | TwoPassProgress::BlurPiece | TwoPassProgress::Gains(..) => {
                self.reporter.beat();
            }
        }
    }
}

fn tell_progress(reporter: &Reporter, stats: &Stats<'_>, progress: TwoPassProgress) {
    match progress {
        TwoPassProgress::Coverage(rows, of) if rows == of => {
            reporter.log(format!("[TwoPass] coverage rows={rows}/{of}"));
        }
        TwoPassProgress::Coverage(..) | TwoPassProgress::BlurPiece => {}
        TwoPassProgress::Blur(rows, of) => {
            if rows == of || rows.is_multiple_of(LOG_ROWS) {
                reporter.log(format!("[TwoPass] blur rows(cpu/gpu)={rows}/0 of {of}"));
                stats.tell(0, (rows, of));
            }
        }
        TwoPassProgress::Gains(done, total) => {
            reporter.send(Event::Progress { stage: Stage::Gauge, done: done as u64, total: total as u64 });
            if done == total {
                stats.tell(done, (1, 1));
            }
        }
    }
}

fn warning_of(found: &[TwoPassGain], options: &TwoPassOptions) -> Warning {
    let mut gains: Vec<f64> = found.iter().map(|gain| gain.gain).collect();
    gains.sort_by(f64::total_cmp);
    let (least, most) = (gains.first().copied().unwrap_or(1.0), gains.last().copied().unwrap_or(1.0));
    let back = found.iter().filter(|gain| gain.fell_back).count();
    let message = format!(
        "--two-pass-coverage-renorm multiplied the values of {} tiles with {least:.4} to {most:.4} from how deep they are \
         covered (sigma {} px; {back} with too few pixels keep 1): this has no photometric meaning and is for comparison \
         with ZeMosaic only",
        found.len(),
        options.sigma_px
    );
    Warning { code: "W-TWO-PASS", message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_a_tile_are_one_where_its_frames_overlap() {
        let runs =
            vec![[5, 40, 60], [4, 0, 9], [5, 10, 30], [5, 30, 41], [5, 70, 80], [4, 2, 4], [6, 70, 80]];
        assert_eq!(united(runs), [[4, 0, 9], [5, 10, 60], [5, 70, 80], [6, 70, 80]]);
        assert_eq!(region_of(&[[4, 3, 9], [6, 1, 7]]), Region { x0: 1, y0: 4, width: 8, height: 3 });
    }

    /// A blur of a wide Gaussian takes minutes, in which no tile is done.
    #[test]
    fn every_piece_of_the_work_counts_for_the_watchdog() {
        let reporter = Reporter::start(Box::new(|_| {}));
        let works = Works::new(&reporter, 128);
        let voice = reporter.voice();
        let pause = std::time::Duration::from_millis(60);
        for progress in [
            TwoPassProgress::Coverage(16, 128),
            TwoPassProgress::Coverage(128, 128),
            TwoPassProgress::BlurPiece,
            TwoPassProgress::Blur(64, 128),
            TwoPassProgress::Blur(128, 128),
            TwoPassProgress::Gains(1, 2),
        ] {
            std::thread::sleep(pause);
            let before = voice.desk().idle();
            works.go_on(progress);
            assert!(before >= pause && voice.desk().idle() < before, "{progress:?}");
        }
        assert!(voice.desk().describe().contains("doing: two-pass: gains of the tiles"));
        drop(works);
        assert!(voice.desk().describe().contains("No worker"));
    }

    /// Ten thousand frames take more than any canvas of theirs would let one think.
    #[test]
    fn runs_are_counted() {
        let bounds = vec![Region { x0: 0, y0: 0, width: 1080, height: 1920 }; 10_000];
        let alone: Vec<Vec<usize>> = (0..10_000).map(|index| vec![index]).collect();
        let found = run_bytes(&alone, &bounds, 2);
        assert_eq!(found.kept, 10_000 * 1920 * 12);
        assert_eq!(found.made_with, 2 * (2 * 1920 * 6 + 1920) * 12);
        // All in one tile: once more while they are put together.
        let found = run_bytes(&[(0..10_000).collect()], &bounds, 1);
        assert_eq!(found.made_with, (2 * 1920 * 6 + 10_000 * 1920) * 12);
        assert_eq!(run_bytes(&[], &[], 4), RunBytes { kept: 0, made_with: 0 });
    }
}
