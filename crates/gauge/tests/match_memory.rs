//! The peak of a whole match against what was said it would take: alone in its file, so that nothing else counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use zemosaic_gauge::{
    BlockGrid, ChannelsAtOnce, MatchBytes, MatchJob, MatchMethod, MatchOptions, Preview, choose_pairs,
    match_frames,
};
use zemosaic_image::Region;
use zemosaic_testkit::rng::Rng;

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

/// Frames of three channels over each other, with noise and offsets.
fn previews(count: usize, side: usize) -> Vec<Preview> {
    let make = |index: usize| {
        let mut rng = Rng::for_keys(5, &[index as u64]);
        let region = Region {
            x0: rng.below(side / 4) as i64,
            y0: rng.below(side / 4) as i64,
            width: side,
            height: side,
        };
        let level = |_| (0..region.area()).map(|_| (100.0 * index as f64 + rng.normal()) as f32).collect();
        let level: Vec<Vec<f32>> = (0..3).map(level).collect();
        Preview { region, variance: vec![vec![1.0; region.area()]; 3], level, stars: Vec::new() }
    };
    (0..count).map(make).collect()
}

/// For the process of a case: method, threads, frames, side, channels at once.
const CASE: &str = "ZEMOSAIC_TEST_MATCH_MEMORY";

fn options(method: &str) -> MatchOptions {
    let method = match method {
        "surface" => MatchMethod::Surface,
        "offset" => MatchMethod::Offset,
        _ => MatchMethod::Zemosaic,
    };
    // The dense system of the last takes its time for each pair.
    let pairs_per_frame = if method == MatchMethod::Zemosaic { 1 } else { 16 };
    MatchOptions { method, pairs_per_frame, ..MatchOptions::default() }
}

/// Do one case and print what it took over what was there before.
fn work(case: &str) {
    let words: Vec<&str> = case.split(' ').collect();
    let [threads, count, side] = [1, 2, 3].map(|at| words[at].parse().unwrap());
    let channels_at_once = if words[4] == "One" { ChannelsAtOnce::One } else { ChannelsAtOnce::All };
    let (previews, options) = (previews(count, side), options(words[0]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let before = peak_bytes();
    pool.install(|| {
        let pairs = choose_pairs(&previews, &options);
        let blocks = BlockGrid { block_px: 64 };
        let job = MatchJob { previews: &previews, blocks, pairs: &pairs, reference: None, channels_at_once };
        match_frames(&job, &options, &())
    });
    println!("taken={}", peak_bytes() - before);
}

/// What a case takes in a process of its own, and what is told of it.
fn taken(
    method: &str,
    threads: usize,
    (count, side): (usize, usize),
    channels_at_once: ChannelsAtOnce,
) -> (u64, MatchBytes) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_match_takes_what_was_told", "--nocapture"]);
    child.env(CASE, format!("{method} {threads} {count} {side} {channels_at_once:?}"));
    let told = String::from_utf8(child.output().unwrap().stdout).unwrap();
    let line = told.lines().find_map(|line| line.split_once("taken=")).map(|(_, taken)| taken);
    let (previews, options) = (previews(count, side), options(method));
    let bytes = MatchBytes::of(&previews, &choose_pairs(&previews, &options), &options);
    (line.unwrap_or_else(|| panic!("{told}")).parse().unwrap(), bytes)
}

#[test]
fn a_match_takes_what_was_told() {
    if let Ok(case) = std::env::var(CASE) {
        return work(&case);
    }
    let (found, told) = taken("zemosaic", 2, (500, 8), ChannelsAtOnce::All);
    println!("zemosaic: {found} of {told:?}");
    assert!(found <= told.at_once(3) && 2 * found > told.at_once(3), "{found} of {told:?}");
    // Many pairs of few blocks: what is told of each, and the noise that they share.
    let (found, told) = taken("offset", 1, (1500, 8), ChannelsAtOnce::One);
    println!("offsets: {found} of {told:?}");
    assert!(found <= told.at_once(1) && 4 * found > told.at_once(1), "{found} of {told:?}");
    // However many threads do so, channels are solved one after another.
    let (one, told) = taken("surface", 3, (30, 40), ChannelsAtOnce::One);
    println!("surfaces, one channel at once: {one} of {told:?}");
    assert!(one <= told.at_once(1) && 3 * one > told.at_once(1), "{one} of {told:?}");
    let (three, _) = taken("surface", 3, (30, 40), ChannelsAtOnce::All);
    println!("surfaces, three: {three}");
    assert!(three <= told.at_once(3) && three > one, "{one} and {three} of {told:?}");
}
