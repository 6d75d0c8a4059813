//! The lines that ZeMosaic's users and their tools know, and a heartbeat while pairs are measured.

use std::sync::Mutex;
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
    /// Pairs done that the last line told of: lines of several threads come in the order of their figures.
    told: Mutex<usize>,
}

impl<'a> MatchLog<'a> {
    pub(super) fn new(reporter: &'a Reporter, preview: usize) -> Self {
        Self { reporter, preview, done: AtomicUsize::new(0), pairs: AtomicUsize::new(0), told: Mutex::new(0) }
    }

    /// A line for `done` pairs, and before it those of threads that counted less and come later; none where there was one of
    /// as many.
    fn tell(&self, done: usize) {
        let Ok(mut told) = self.told.lock() else { return };
        while *told < done {
            *told = ((*told / EVERY_PAIRS + 1) * EVERY_PAIRS).min(done);
            self.line(*told);
        }
    }

    /// A line with the newest figure, be it that of the line before.
    fn tell_again(&self) {
        let Ok(mut told) = self.told.lock() else { return };
        *told = (*told).max(self.done.load(Ordering::Relaxed));
        self.line(*told);
    }

    fn line(&self, done: usize) {
        let pairs = self.pairs.load(Ordering::Relaxed);
        self.reporter.log(format!("[Intertile] progress pairs_done={done}/{pairs}"));
    }

    /// Do `work`, with a heartbeat beside it.
    pub(super) fn with_heartbeat<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            scope.spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    self.tell_again();
                }
            });
            let made = work();
            drop(stop);
            made
        })
    }
}

impl MatchObserver for MatchLog<'_> {
    fn pairs_chosen(&self, pairs: usize, _: usize) {
        // What the pool has that all of the match runs on.
        let threads = rayon::current_num_threads();
        self.pairs.store(pairs, Ordering::Relaxed);
        let preview = self.preview;
        self.reporter.log(if threads > 1 {
            format!("[Intertile] Parallel: threadpool workers={threads} pairs={pairs} preview={preview}")
        } else {
            format!("[Intertile] Sequential: workers=1 pairs={pairs} preview={preview}")
        });
    }

    fn piece_done(&self) {
        self.reporter.beat();
    }

    fn pair_done(&self, done: usize, pairs: usize) {
        self.done.fetch_max(done, Ordering::Relaxed);
        self.reporter.stall_where_wanted(|| format!("gauge: pair {done} of {pairs}"));
        self.reporter.beat();
        if done.is_multiple_of(EVERY_PAIRS) || done == pairs {
            self.tell(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::Event;

    /// Figures of the lines that `work` makes of a match of `pairs` pairs.
    fn figures(pairs: usize, work: impl FnOnce(&MatchLog<'_>)) -> Vec<usize> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let reporter = Reporter::start(Box::new(move |timed| {
            if let (Event::Log { line }, Ok(mut heard)) = (&timed.event, heard.lock()) {
                let figure = line.split_once("pairs_done=").and_then(|(_, own)| own.split('/').next());
                heard.extend(figure.and_then(|figure| figure.parse::<usize>().ok()));
            }
        }));
        let log = MatchLog::new(&reporter, 1);
        log.pairs_chosen(pairs, 1);
        work(&log);
        drop(reporter);
        lines.lock().unwrap().clone()
    }

    #[test]
    fn lines_never_go_back() {
        let found = figures(60, |log| {
            log.pair_done(50, 60);
            log.pair_done(25, 60);
            log.tell_again();
            log.pair_done(55, 60);
            log.tell_again();
            log.pair_done(60, 60);
            log.tell_again();
        });
        assert_eq!(found, [25, 50, 50, 55, 60, 60]);
        let found = figures(1000, |log| {
            let next = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while next.load(Ordering::Relaxed) < 1000 {
                            let done = next.fetch_add(1, Ordering::Relaxed) + 1;
                            if done.is_multiple_of(7) {
                                log.tell_again();
                            }
                            log.pair_done(done.min(1000), 1000);
                        }
                    });
                }
            });
        });
        assert!(found.is_sorted() && found.last() == Some(&1000), "{found:?}");
    }
}
