//! The peak of the whole process with a canvas renormalised: alone in its file, so that nothing else counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use zemosaic_gauge::compat::coverage_scale::{Bands, coverage_scale, scratch_bytes};
use zemosaic_gauge::compat::two_pass::TwoPassOptions;

fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}

#[test]
fn a_canvas_takes_less_than_a_fifth_more() {
    let size = (2500, 3000);
    let canvas = size.0 * size.1 * size_of::<f32>();
    // A narrow Gaussian for time; rows are kept all the same.
    let options = TwoPassOptions { sigma_px: 20.0, ..TwoPassOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let before = peak_bytes();
    let mut plane = vec![3.0_f32; size.0 * size.1];
    pool.install(|| coverage_scale(&mut plane, size, &options, Bands::default(), &|_| {})).unwrap();
    let taken = peak_bytes() - before;
    assert!(taken > canvas / 2, "{taken}");
    assert!((taken as f64) < 1.2 * canvas as f64, "{taken} of {canvas}");
    assert!(plane.iter().all(|value| (value - 1.0).abs() < 1e-5));
    let on_six = scratch_bytes((6000, 5000), &TwoPassOptions::default(), Bands::default(), 8);
    assert!((on_six as f64) < 0.1 * (6000 * 5000 * 4) as f64, "{on_six}");
}
