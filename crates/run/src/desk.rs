//! Who works on what, and when something last finished: what a watchdog tells when a run stands still.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For tests: `TEXT=SECONDS` lets the first unit of work whose description has TEXT stand still for so long.
const STALL_VARIABLE: &str = "ZEMOSAIC_TEST_STALL";

/// The units of work that are under way.
pub(crate) struct Desk {
    open: Mutex<Open>,
    stall: Mutex<Option<(String, Duration)>>,
}

struct Open {
    next: u64,
    works: BTreeMap<u64, Work>,
    /// Units that are done.
    finished: u64,
    last_finished: Instant,
}

impl Open {
    fn something_finished(&mut self) {
        self.finished += 1;
        self.last_finished = Instant::now();
    }
}

struct Work {
    what: String,
    thread: String,
    since: Instant,
    /// Where it began: resolved only when it is printed.
    begun_at: Backtrace,
}

/// A unit of work is under way as long as this lives.
pub struct Working<'a> {
    desk: &'a Desk,
    number: u64,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut open = self.desk.lock();
        open.works.remove(&self.number);
        open.something_finished();
    }
}

fn wanted_stall() -> Option<(String, Duration)> {
    let value = std::env::var(STALL_VARIABLE).ok()?;
    let (what, seconds) = value.rsplit_once('=')?;
    Some((what.to_owned(), Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?))
}

impl Desk {
    pub(crate) fn new() -> Self {
        let open = Open { next: 0, works: BTreeMap::new(), finished: 0, last_finished: Instant::now() };
        Self { open: Mutex::new(open), stall: Mutex::new(wanted_stall()) }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // What a thread that panicked left is still worth telling.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread begins with `what`.
    pub(crate) fn working(&self, what: String) -> Working<'_> {
        let current = std::thread::current();
        let thread = format!("{} {:?}", current.name().unwrap_or("unnamed"), current.id());
        let work = Work { what, thread, since: Instant::now(), begun_at: Backtrace::force_capture() };
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        let is_meant = |stall: &mut (String, Duration)| work.what.contains(&stall.0);
        let stall =
            self.stall.lock().unwrap_or_else(PoisonError::into_inner).take_if(is_meant).map(|(_, time)| time);
        open.works.insert(number, work);
        drop(open);
        if let Some(time) = stall {
            std::thread::sleep(time);
        }
        Working { desk: self, number }
    }

    /// Whether a stand-still is still to come.
    pub(crate) fn is_stall_wanted(&self) -> bool {
        self.stall.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// A unit is done.
    pub(crate) fn something_finished(&self) {
        self.lock().something_finished();
    }

    /// How many units are done.
    pub(crate) fn finished(&self) -> u64 {
        self.lock().finished
    }

    /// Time since a unit was done.
    pub(crate) fn idle(&self) -> Duration {
        self.lock().last_finished.elapsed()
    }

    /// What is under way, longest first, with where each began.
    pub(crate) fn describe(&self) -> String {
        let open = self.lock();
        let mut text = String::new();
        if open.works.is_empty() {
            text.push_str("No worker has said what it is doing.\n");
        }
        for work in open.works.values() {
            let _ = writeln!(text, "worker {}", work.thread);
            let _ = writeln!(text, "  doing: {}", work.what);
            let _ = writeln!(text, "  for:   {:.1} s", work.since.elapsed().as_secs_f64());
            let _ = writeln!(text, "  begun at:");
            for line in work.begun_at.to_string().lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }
}
