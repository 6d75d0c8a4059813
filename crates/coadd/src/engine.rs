//! All patches of a plan, on all threads, to a sink.
//!
//! Threads take the next patch of the plan from one counter, so the order of visits is the plan's. A
//! panic is caught at the patch boundary: that patch is written as failed, the run goes on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_image::simd::SimdLevel;

use crate::error::CoaddError;
use crate::options::CoaddOptions;
use crate::patch::{Patch, PatchPlan};
use crate::result::PatchResult;
use crate::sink::PatchSink;
use crate::source::{ReadFailure, Source};
use crate::worker::{Shared, Worker, rejection_of};

/// Everything a coadd works on.
pub struct CoaddJob<'a> {
    /// Sources in frame order.
    pub sources: &'a [Source],
    /// Output planes: 1 or 3.
    pub channels: usize,
    /// Options.
    pub options: &'a CoaddOptions,
    /// The patches.
    pub plan: &'a PatchPlan,
    /// Worker threads.
    pub threads: usize,
    /// Open files.
    pub pool: &'a FilePool,
}

/// Is told about the work as it goes on; called from many threads.
pub trait CoaddObserver: Sync {
    /// A thread begins with a patch.
    fn patch_started(&self, _patch: &Patch) {}
    /// A patch is written, or is known to have failed.
    fn patch_done(&self, patch: &Patch);
    /// A patch failed with a panic.
    fn patch_failed(&self, patch: &Patch, message: &str);
    /// A source could not be read for a patch.
    fn read_failed(&self, source: usize, patch: &Patch, message: &str);
}

/// What came out, apart from the planes. Counts do not depend on the order of work.
#[derive(Debug, Default)]
pub struct CoaddSummary {
    /// Pixels by depth: how many have 0, 1, 2 … samples.
    pub depth_histogram: BTreeMap<i32, u64>,
    /// Valid samples, all channels.
    pub samples: u64,
    /// Samples rejected as too low, all channels.
    pub rejected_low: u64,
    /// Samples rejected as too high, all channels.
    pub rejected_high: u64,
    /// Reads that failed.
    pub read_failures: Vec<ReadFailure>,
    /// Ids of patches that failed.
    pub failed_patches: Vec<usize>,
}

impl CoaddSummary {
    fn add_patch(&mut self, result: &PatchResult) {
        let pixels = result.region.area();
        let mut histogram =
            vec![0_u64; result.depth[..pixels].iter().max().map_or(0, |max| *max as usize + 1)];
        for depth in &result.depth[..pixels] {
            histogram[*depth as usize] += 1;
        }
        for (depth, count) in histogram.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            *self.depth_histogram.entry(depth as i32).or_default() += count;
        }
        self.samples += result.samples;
        let sum = |planes: &[Vec<i32>]| -> u64 {
            planes.iter().flat_map(|plane| &plane[..pixels]).map(|count| *count as u64).sum()
        };
        self.rejected_low += sum(&result.rejected_low);
        self.rejected_high += sum(&result.rejected_high);
    }

    /// Adds the figures of another part of the work.
    pub fn merge(&mut self, other: Self) {
        for (depth, count) in other.depth_histogram {
            *self.depth_histogram.entry(depth).or_default() += count;
        }
        self.samples += other.samples;
        self.rejected_low += other.rejected_low;
        self.rejected_high += other.rejected_high;
        self.read_failures.extend(other.read_failures);
        self.failed_patches.extend(other.failed_patches);
    }
}

/// Run `job`, write every patch to `sink`.
///
/// # Errors
/// When the sink cannot write, threads cannot start, or `cancel` is set. Sources that cannot be read and
/// patches that panic are in the summary.
pub fn coadd(
    job: &CoaddJob<'_>,
    sink: &dyn PatchSink,
    observer: &dyn CoaddObserver,
    cancel: &AtomicBool,
) -> Result<CoaddSummary, CoaddError> {
    let shared = Shared {
        sources: job.sources,
        channels: job.channels,
        options: job.options,
        reject: rejection_of(job.sources, &job.options.reject),
        pool: job.pool,
        level: SimdLevel::detect(),
        cancel,
    };
    let worker = || CoaddWorker { shared: &shared, worker: Worker::default() };
    run_patches(job.plan, job.channels, job.threads, &worker, sink, observer)
}

struct CoaddWorker<'a> {
    shared: &'a Shared<'a>,
    worker: Worker,
}

impl PatchWorker for CoaddWorker<'_> {
    fn process(&mut self, patch: &Patch) -> Option<Vec<(usize, FitsError)>> {
        self.worker.process(patch, self.shared)
    }

    fn result(&self) -> &PatchResult {
        &self.worker.result
    }
}

/// Computes patches on one thread.
pub(crate) trait PatchWorker {
    /// Compute a patch. Returns the sources whose pixels could not be read; `None` when the run was cancelled.
    fn process(&mut self, patch: &Patch) -> Option<Vec<(usize, FitsError)>>;
    /// What the last patch came to.
    fn result(&self) -> &PatchResult;
}

/// All patches of `plan` on `threads` threads, each with a worker of its own.
pub(crate) fn run_patches<W: PatchWorker>(
    plan: &PatchPlan,
    channels: usize,
    threads: usize,
    new_worker: &(impl Fn() -> W + Sync),
    sink: &dyn PatchSink,
    observer: &dyn CoaddObserver,
) -> Result<CoaddSummary, CoaddError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let outcome: Mutex<Result<CoaddSummary, CoaddError>> = Mutex::new(Ok(CoaddSummary::default()));
    std::thread::scope(|scope| -> Result<(), CoaddError> {
        for index in 0..threads.max(1) {
            let work = || {
                let take = || plan.patches.get(next.fetch_add(1, Ordering::Relaxed));
                let result = work_on(&take, channels, new_worker, sink, observer, &stop);
                let mut total = outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match (&mut *total, result) {
                    (Ok(total), Ok(part)) => total.merge(part),
                    (Ok(_), Err(error)) => *total = Err(error),
                    (Err(_), _) => {}
                }
            };
            std::thread::Builder::new()
                .name(format!("coadd-{index}"))
                .spawn_scoped(scope, work)
                .map_err(|error| CoaddError::Threads(error.to_string()))?;
        }
        Ok(())
    })?;
    let mut summary = outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)?;
    summary.read_failures.sort_by_key(|failure| (failure.source, failure.patch));
    summary.failed_patches.sort_unstable();
    Ok(summary)
}

fn work_on<'p, W: PatchWorker>(
    take: &dyn Fn() -> Option<&'p Patch>,
    channels: usize,
    new_worker: &impl Fn() -> W,
    sink: &dyn PatchSink,
    observer: &dyn CoaddObserver,
    stop: &AtomicBool,
) -> Result<CoaddSummary, CoaddError> {
    let mut summary = CoaddSummary::default();
    let mut worker = new_worker();
    while !stop.load(Ordering::Relaxed) {
        let Some(patch) = take() else { break };
        observer.patch_started(patch);
        let written = match catch_unwind(AssertUnwindSafe(|| worker.process(patch))) {
            Ok(None) => {
                stop.store(true, Ordering::Relaxed);
                return Err(CoaddError::Cancelled);
            }
            Ok(Some(failures)) => {
                for (source, error) in failures {
                    observer.read_failed(source, patch, &error.to_string());
                    summary.read_failures.push(ReadFailure { source, patch: patch.id, error });
                }
                summary.add_patch(worker.result());
                sink.write(worker.result())
            }
            Err(panic) => {
                worker = new_worker();
                observer.patch_failed(patch, panic_message(&*panic));
                summary.failed_patches.push(patch.id);
                let result = PatchResult::failed(patch.region, channels);
                summary.add_patch(&result);
                sink.write(&result)
            }
        };
        if let Err(error) = written {
            stop.store(true, Ordering::Relaxed);
            return Err(error.into());
        }
        observer.patch_done(patch);
    }
    Ok(summary)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
