//! What happens, as it happens: one thread (`event_log`) writes `events.jsonl` and `logs/run.log` and feeds whoever listens
//! (progress display, `--json`). Events never steer the run.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::desk::{Desk, Working};
use crate::event_log::{Logs, Message, write_events};
use crate::log_files::LogFiles;

/// The stages of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Headers of all inputs.
    Ingest,
    /// Stars are looked for.
    Detect,
    /// Frames find their place.
    Solve,
    /// Grid, tasks, budget.
    Plan,
    /// Masters of calibration frames.
    Calibrate,
    /// Packed files are unpacked, noise is measured.
    Prepare,
    /// Frames are brought to one level.
    Gauge,
    /// Stars are measured.
    Quality,
    /// Patches.
    Coadd,
    /// Master tiles are added up.
    Merge,
    /// Preview, tables, checksums.
    Finish,
}

impl Stage {
    /// What the stage counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Ingest => "files",
            Self::Detect | Self::Solve | Self::Prepare | Self::Quality | Self::Gauge => "frames",
            Self::Calibrate => "masters",
            Self::Plan | Self::Finish => "steps",
            Self::Coadd | Self::Merge => "px",
        }
    }

    /// Name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Detect => "detect",
            Self::Solve => "solve",
            Self::Plan => "plan",
            Self::Calibrate => "calibrate",
            Self::Prepare => "prepare",
            Self::Gauge => "gauge",
            Self::Quality => "quality",
            Self::Coadd => "coadd",
            Self::Merge => "merge",
            Self::Finish => "finish",
        }
    }
}

/// One event. Field names are part of the published format, version 1.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First event of a run.
    RunStarted {
        /// Format version of the events.
        version: u32,
        /// The command line.
        command: String,
        /// Worker threads.
        threads: usize,
    },
    /// A stage begins.
    StageStarted {
        /// Which.
        stage: Stage,
        /// Units of work in it.
        total: u64,
    },
    /// Work done in a stage.
    Progress {
        /// Which.
        stage: Stage,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// A stage is done.
    StageFinished {
        /// Which.
        stage: Stage,
        /// Wall time.
        seconds: f64,
    },
    /// A frame is not used.
    FrameLeftOut {
        /// Its id.
        frame: String,
        /// Reason code.
        code: String,
        /// Why.
        message: String,
    },
    /// The plan, for people and scripts.
    Planned {
        /// Frames that will be used.
        frames: usize,
        /// Canvas.
        width: usize,
        /// Canvas.
        height: usize,
        /// Output planes.
        channels: usize,
        /// Patches.
        patches: usize,
        /// Expected peak memory.
        memory_bytes: u64,
        /// Disk for products.
        disk_bytes: u64,
        /// Disk for unpacked copies, freed at the end.
        spill_bytes: u64,
    },
    /// Something the user should know.
    Warning {
        /// Stable code.
        code: String,
        /// What, why, what was done, what can be done.
        message: String,
    },
    /// A line of the log, as ZeMosaic's users and their tools know it.
    Log {
        /// The line.
        line: String,
    },
    /// Nothing has finished for a long time.
    Stalled {
        /// Seconds since a unit of work finished.
        seconds: f64,
        /// The file that says what every worker is doing.
        file: String,
        /// What is done about it: `continue` or `abort`.
        action: String,
    },
    /// The run is over and products are in place.
    Finished {
        /// Exit code.
        exit_code: u8,
        /// The main product.
        mosaic: String,
        /// Wall time.
        seconds: f64,
    },
    /// The run is over without a product.
    Failed {
        /// Exit code.
        exit_code: u8,
        /// Stable code.
        code: String,
        /// Why.
        message: String,
    },
}

/// An event with its time since the start of the run.
#[derive(Debug, Clone, Serialize)]
pub struct TimedEvent {
    /// Seconds since the reporter started.
    pub t_s: f64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Something the user should know, kept for the end of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable code.
    pub code: &'static str,
    /// What, why, what was done, what can be done.
    pub message: String,
}

/// Writes events from one thread. Cheap to share by reference; sending never blocks the work.
pub struct Reporter {
    voice: Voice,
    thread: Option<JoinHandle<()>>,
}

/// What sends events to the thread of a [`Reporter`] and notes what is being worked on; can be given to other threads.
#[derive(Clone)]
pub(crate) struct Voice {
    sender: Sender<Message>,
    start: Instant,
    desk: Arc<Desk>,
}

impl Voice {
    /// Tell of `event`.
    pub(crate) fn send(&self, event: Event) {
        if matches!(event, Event::Progress { .. } | Event::StageStarted { .. } | Event::StageFinished { .. })
        {
            self.desk.something_finished();
        }
        let timed = TimedEvent { t_s: self.start.elapsed().as_secs_f64(), event };
        // A reporter that has ended (its thread panicked) must not end the run.
        let _ = self.sender.send(Message::Event(timed));
    }

    /// Who works on what.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// See [`Reporter::open_log`].
    pub(crate) fn open_log(&self, folder: &Path) -> std::io::Result<()> {
        let logs = Logs::new(LogFiles::open(folder)?);
        self.sender.send(Message::Open(logs)).map_err(std::io::Error::other)
    }
}

/// How long the last event of a run that ends at once may take.
const LAST_EVENT: Duration = Duration::from_secs(2);

/// Writes the last event of a run that is ended at once.
#[derive(Clone)]
pub struct LastWords(Voice);

impl LastWords {
    /// Tell that the run failed, and wait until it is written.
    pub fn failed(&self, exit_code: u8, code: &str, message: &str) {
        self.0.send(Event::Failed { exit_code, code: code.into(), message: message.into() });
        let (written, wait) = sync_channel(1);
        if self.0.sender.send(Message::Flush(written)).is_ok() {
            let _ = wait.recv_timeout(LAST_EVENT);
        }
    }
}

/// The log of events in a run folder.
pub const EVENTS_NAME: &str = "events.jsonl";
/// The folder of the other logs.
pub const LOGS_FOLDER: &str = "logs";
impl Reporter {
    /// Start the thread. `listener` sees every event in order.
    pub fn start(listener: Box<dyn FnMut(&TimedEvent) + Send>) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("reporter".into())
            .spawn(move || write_events(&receiver, listener))
            .ok();
        let voice = Voice { sender, start: Instant::now(), desk: Arc::new(Desk::new()) };
        Self { voice, thread }
    }

    /// From now on events also go to `events.jsonl` and `logs/run.log` in `folder`, those held back so far first. The first
    /// file stays locked until the log is closed or the reporter is gone, so that two runs never write into one folder. The
    /// log of an earlier run is moved aside, to `events.earlier.jsonl` and `logs/run.earlier.log`.
    ///
    /// # Errors
    /// When a file cannot be made; [`std::io::ErrorKind::WouldBlock`] when another run holds it.
    pub fn open_log(&self, folder: &Path) -> std::io::Result<()> {
        self.voice.open_log(folder)
    }

    /// The part of the run that has the open log is over: `last` is the last event there, and nobody else hears of it. The log
    /// that is opened next begins as this one did.
    pub fn close_log(&self, last: Event) {
        let timed = TimedEvent { t_s: self.elapsed_s(), event: last };
        let _ = self.voice.sender.send(Message::Close(timed));
    }

    /// Tell of `event`.
    pub fn send(&self, event: Event) {
        self.voice.send(event);
    }

    /// A line of the log.
    pub fn log(&self, line: impl Into<String>) {
        self.send(Event::Log { line: line.into() });
    }

    /// Something finished that is too small for an event.
    pub fn beat(&self) {
        self.voice.desk.something_finished();
    }

    /// Note that this thread works on `what` as long as the returned guard lives; a watchdog tells of it.
    pub fn working(&self, what: impl Into<String>) -> Working<'_> {
        self.voice.desk.working(what.into())
    }

    /// For tests: this thread stands still here, where it is asked to at what `what` says; free where nobody asks.
    pub(crate) fn stall_where_wanted(&self, what: impl FnOnce() -> String) {
        if self.voice.desk.is_stall_wanted() {
            drop(self.working(what()));
        }
    }

    /// How many units are done, for tests.
    #[cfg(test)]
    pub(crate) fn finished(&self) -> u64 {
        self.voice.desk.finished()
    }

    /// What can be given to other threads.
    pub(crate) fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// For whoever may have to end the program at once.
    pub fn last_words(&self) -> LastWords {
        LastWords(self.voice.clone())
    }

    /// Tell of a warning.
    pub fn warn(&self, warning: &Warning) {
        self.send(Event::Warning { code: warning.code.into(), message: warning.message.clone() });
    }

    /// Run `work` as a stage, between its two events.
    pub fn stage<T, E>(&self, stage: Stage, total: u64, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let start = Instant::now();
        self.send(Event::StageStarted { stage, total });
        let result = work()?;
        self.send(Event::StageFinished { stage, seconds: start.elapsed().as_secs_f64() });
        Ok(result)
    }

    /// Seconds since the start.
    pub fn elapsed_s(&self) -> f64 {
        self.voice.start.elapsed().as_secs_f64()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let _ = self.voice.sender.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn progress_never_goes_back_within_a_stage() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let reporter = Reporter::start(Box::new(move |timed| {
            if let (Event::Progress { done, .. }, Ok(mut heard)) = (&timed.event, ears.lock()) {
                heard.push(*done);
            }
        }));
        let started = || reporter.send(Event::StageStarted { stage: Stage::Gauge, total: 9 });
        let tell = |stage: Stage, all: &[u64]| {
            for done in all {
                reporter.send(Event::Progress { stage, done: *done, total: 9 });
            }
        };
        started();
        tell(Stage::Gauge, &[1, 3, 2, 3, 4]);
        // A stage of the same name, and another, begin anew.
        started();
        tell(Stage::Gauge, &[1, 2]);
        tell(Stage::Merge, &[1]);
        drop(reporter);
        assert_eq!(*heard.lock().unwrap(), [1, 3, 3, 4, 1, 2, 1]);
    }
}
