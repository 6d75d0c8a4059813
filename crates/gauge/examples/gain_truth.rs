//! Gains of a folder of frames against the gains they were made with: `gain_truth FOLDER TRUTH [--pairs N]`. TRUTH has
//! a line for each frame: file name and the gain of each channel. Frames are taken as they are: those that need a flat field are not for this.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for the terminal")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use zemosaic_fits::FilePool;
use zemosaic_frames::{Frame, IngestOptions, discover, ingest};
use zemosaic_gauge::solve::Difference;
use zemosaic_gauge::{
    BlockGrid, GainOrigin, MatchOptions, Pair, Preview, PreviewJob, PreviewScratch, choose_pairs,
    measure_preview, pair_gains, solve_offsets,
};
use zemosaic_image::Region;
use zemosaic_sky::{FrameGeometry, Grid, GridOptions, MapOptions, PixelMap, automatic_grid, grid_bounds};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(PathBuf::from)
    };
    let files = discover(&[PathBuf::from(&arguments[0])], &[]).unwrap();
    let ingested = ingest(&files, &IngestOptions::default(), &|_| {});
    let frames = &ingested.frames;
    println!("{} frames, {} left out", frames.len(), ingested.left_out.len());
    let truth = read_truth(&arguments[1]);
    let (grid, placed) = place(frames);
    let bounds: Vec<Region> = placed.iter().map(|(bounds, _)| *bounds).collect();
    let ratio = frames.iter().map(|f| grid.wcs.scale_deg() / f.wcs.scale_deg()).fold(f64::INFINITY, f64::min);
    let blocks = BlockGrid::for_frames(&bounds, ratio);
    let pool = FilePool::new(16);
    let mut previews = Vec::new();
    for with_stars in [false, true] {
        let start = Instant::now();
        previews = frames
            .par_iter()
            .zip(&placed)
            .map_init(PreviewScratch::default, |scratch, (frame, (bounds, map))| {
                let (grid, bounds) = (&grid.wcs, *bounds);
                let job = PreviewJob { frame, map, grid, bounds, background: &[], with_stars };
                measure_preview(&pool, &job, blocks, scratch).unwrap()
            })
            .collect::<Vec<Preview>>();
        let seconds = start.elapsed().as_secs_f64();
        let values: usize = frames.iter().map(|f| f.width * f.height * f.layout.planes()).sum();
        let threads = rayon::current_num_threads();
        println!(
            "blocks of {} px, stars {with_stars}: {seconds:.3} s, {:.2} ns per value and thread of {threads}",
            blocks.block_px,
            1e9 * seconds * threads as f64 / values as f64,
        );
    }
    let counts: Vec<usize> = previews.iter().map(|preview| preview.stars.len()).collect();
    println!("stars {} to {}", counts.iter().min().unwrap(), counts.iter().max().unwrap());
    let start = Instant::now();
    let per_frame = after("--pairs").and_then(|own| own.to_string_lossy().parse().ok());
    let pairs_per_frame = per_frame.unwrap_or(MatchOptions::default().pairs_per_frame);
    let pairs = choose_pairs(&previews, &MatchOptions { pairs_per_frame, ..MatchOptions::default() });
    println!("{} pairs in {:.3} s", pairs.len(), start.elapsed().as_secs_f64());
    for channel in 0..previews[0].channels() {
        tell(frames, &previews, &pairs, channel, &truth);
    }
}

/// Gains per file name.
fn read_truth(path: &str) -> BTreeMap<String, Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.map(|word| word.parse().unwrap()).collect()))
    };
    text.lines().filter_map(line).collect()
}

fn place(frames: &[Frame]) -> (Grid, Vec<(Region, PixelMap)>) {
    let geometry: Vec<FrameGeometry> = frames
        .iter()
        .map(|f| FrameGeometry { wcs: (*f.wcs).clone(), width: f.width, height: f.height })
        .collect();
    let grid = automatic_grid(&geometry, &GridOptions::default()).unwrap();
    let one = |frame: &Frame| {
        let bounds = grid_bounds(&grid, &frame.wcs, frame.width, frame.height).unwrap();
        let map = PixelMap::new(&grid, &frame.wcs, frame.width, frame.height, MapOptions::default()).unwrap();
        (bounds, map)
    };
    let placed = frames.iter().map(one).collect();
    (grid, placed)
}

/// Solve a channel and compare.
fn tell(
    frames: &[Frame],
    previews: &[Preview],
    pairs: &[Pair],
    channel: usize,
    truth: &BTreeMap<String, Vec<f64>>,
) {
    let start = Instant::now();
    let gains = pair_gains(previews, pairs, channel, &MatchOptions::default());
    let seconds = start.elapsed().as_secs_f64();
    let of_frame = |index: usize| {
        let frame: &Frame = &frames[index];
        let name = frame.path.file_name().unwrap().to_string_lossy().into_owned();
        (truth[&name][channel] * frame.flux_scale).ln()
    };
    let (mut chi2, mut squares, mut count, mut samples, mut structure) = (0.0, 0.0, 0, 0, 0);
    let mut differences = Vec::new();
    for (pair, gain) in pairs.iter().zip(&gains) {
        let Some(gain) = gain else { continue };
        let error = gain.value - of_frame(pair.a) + of_frame(pair.b);
        chi2 += error * error / gain.variance;
        squares += error * error;
        count += 1;
        samples += gain.samples;
        structure += usize::from(gain.origin == GainOrigin::Structure);
        differences.push(Difference { a: pair.a, b: pair.b, value: gain.value, variance: gain.variance });
    }
    let solution = solve_offsets(frames.len(), &differences);
    // The offset takes the gain away.
    let error: Vec<f64> = (0..frames.len()).map(|i| solution.offsets[i] + of_frame(i)).collect();
    // Of each connected part the mean is free.
    let parts = solution.part.iter().max().map_or(0, |last| last + 1);
    let part_of = &solution.part;
    let members = |part: usize| (0..frames.len()).filter(move |i| part_of[*i] == part);
    let alone = (0..parts).filter(|part| members(*part).count() == 1).count();
    let mut of_part: Vec<f64> = Vec::new();
    for part in 0..parts {
        let n = members(part).count();
        let mean = members(part).map(|i| error[i]).sum::<f64>() / n as f64;
        if n > 1 {
            of_part.extend(members(part).map(|i| error[i] - mean));
        }
    }
    let rms = (of_part.iter().map(|e| e * e).sum::<f64>() / of_part.len() as f64).sqrt();
    let most = of_part.iter().map(|e| e.abs()).fold(0.0, f64::max);
    println!("{parts} parts, {alone} frames alone");
    let n = f64::from(count.max(1));
    println!(
        "channel {channel}: {count} gains ({structure} of structure, {} samples each) in {seconds:.3} s, pair rms {:.4} %, \
         chi2 {:.2}; frames: rms {:.4} %, most {:.4} %, systematic {:.4} %",
        samples / count.max(1) as usize,
        100.0 * (squares / n).sqrt(),
        chi2 / n,
        100.0 * rms,
        100.0 * most,
        100.0 * solution.excess.sqrt(),
    );
}
