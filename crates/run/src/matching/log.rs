//! The lines that ZeMosaic's users and their tools know, and a heartbeat while pairs are measured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use zemosaic_gauge::MatchObserver;

use crate::events::Reporter;

/// A line every so many pairs.
const EVERY_PAIRS: usize = 25;
/// And after so long, whether any is done or not.
const EVERY: Duration = Duration::from_secs(10);

/// Writes the lines of a match.
pub(super) struct MatchLog<'a> {
    reporter: &'a Reporter,
    /// Longest side of a preview, blocks.
    preview: usize,
    done: AtomicUsize,
    pairs: AtomicUsize,
}

impl<'a> MatchLog<'a> {
    pub(super) fn new(reporter: &'a Reporter, preview: usize) -> Self {
        Self { reporter, preview, done: AtomicUsize::new(0), pairs: AtomicUsize::new(0) }
    }

    fn tell(&self, done: usize, pairs: usize) {
        self.reporter.log(format!("[Intertile] progress pairs_done={done}/{pairs}"));
    }

    /// Do `work`, with a heartbeat beside it.
    pub(super) fn with_heartbeat<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            scope.spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    self.tell(self.done.load(Ordering::Relaxed), self.pairs.load(Ordering::Relaxed));
                }
            });
            let made = work();
            drop(stop);
            made
        })
    }
}

impl MatchObserver for MatchLog<'_> {
    fn pairs_chosen(&self, pairs: usize, threads: usize) {
        self.pairs.store(pairs, Ordering::Relaxed);
        let preview = self.preview;
        self.reporter.log(if threads > 1 {
            format!("[Intertile] Parallel: threadpool workers={threads} pairs={pairs} preview={preview}")
        } else {
            format!("[Intertile] Sequential: workers=1 pairs={pairs} preview={preview}")
        });
    }

    fn pair_done(&self, done: usize, pairs: usize) {
        self.done.fetch_max(done, Ordering::Relaxed);
        self.reporter.beat();
        if done.is_multiple_of(EVERY_PAIRS) || done == pairs {
            self.tell(done, pairs);
        }
    }
}
