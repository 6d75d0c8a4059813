//! `STATS_UPDATE`: what a stage takes while it runs, in the words that ZeMosaic's users and their tools know.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use crate::events::Reporter;

/// Clock ticks per second in `/proc`, the same on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StatsUpdate<'a> {
    phase_index: usize,
    phase_name: &'a str,
    cpu_percent: f64,
    ram_used_mb: f64,
    gpu_used_mb: f64,
    cpu_workers: usize,
    use_gpu: bool,
    use_gpu_phase5: bool,
    tiles_done: usize,
    tiles_total: usize,
    chunk_index: usize,
    chunk_total: usize,
}

/// Writes the lines of a stage.
pub(crate) struct Stats<'a> {
    reporter: &'a Reporter,
    phase: (usize, &'static str),
    workers: usize,
    tiles_total: usize,
    /// When the last line was written, and the processor time of the process then.
    last: Mutex<(Instant, f64)>,
}

impl<'a> Stats<'a> {
    /// Of the phase of this number and name.
    pub(crate) fn new(
        reporter: &'a Reporter,
        phase: (usize, &'static str),
        workers: usize,
        tiles_total: usize,
    ) -> Self {
        let last = Mutex::new((Instant::now(), cpu_s().unwrap_or(0.0)));
        Self { reporter, phase, workers, tiles_total, last }
    }

    /// Write a line.
    pub(crate) fn tell(&self, tiles_done: usize, (chunk_index, chunk_total): (usize, usize)) {
        let cpu = cpu_s().unwrap_or(0.0);
        let Ok(mut last) = self.last.lock() else { return };
        let wall = last.0.elapsed().as_secs_f64();
        let cpu_percent = if wall > 0.0 { 100.0 * (cpu - last.1) / wall } else { 0.0 };
        *last = (Instant::now(), cpu);
        let (phase_index, phase_name) = self.phase;
        let update = StatsUpdate {
            phase_index,
            phase_name,
            cpu_percent: (10.0 * cpu_percent).round() / 10.0,
            ram_used_mb: (resident_mb().unwrap_or(0.0) * 10.0).round() / 10.0,
            gpu_used_mb: 0.0,
            cpu_workers: self.workers,
            use_gpu: false,
            use_gpu_phase5: false,
            tiles_done,
            tiles_total: self.tiles_total,
            chunk_index,
            chunk_total,
        };
        if let Ok(text) = serde_json::to_string(&update) {
            self.reporter.log(format!("STATS_UPDATE {text}"));
        }
    }
}

/// Processor time of this process so far, where the system tells.
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may have blanks: fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// Memory of this process, MB.
fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}
