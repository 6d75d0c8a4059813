//! What happens, as it happens: one thread writes `events.jsonl` and feeds whoever listens (progress
//! display, `--json`). Events never steer the run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

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

enum Message {
    Event(TimedEvent),
    Open(File),
    End,
}

/// Writes events from one thread. Cheap to share by reference; sending never blocks the work.
pub struct Reporter {
    sender: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    start: Instant,
}

/// Progress lines of one stage are written at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

impl Reporter {
    /// Start the thread. `listener` sees every event in order.
    pub fn start(listener: Box<dyn FnMut(&TimedEvent) + Send>) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("reporter".into())
            .spawn(move || write_events(&receiver, listener))
            .ok();
        Self { sender, thread, start: Instant::now() }
    }

    /// From now on events also go to `path`, those held back so far first. The file stays locked as long as
    /// the reporter lives, so that two runs never write into one folder.
    ///
    /// # Errors
    /// When the file cannot be made; [`std::io::ErrorKind::WouldBlock`] when another run holds it.
    pub fn open_log(&self, path: &Path) -> std::io::Result<()> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.try_lock()?;
        file.set_len(0)?;
        self.sender.send(Message::Open(file)).map_err(std::io::Error::other)
    }

    /// Tell of `event`.
    pub fn send(&self, event: Event) {
        let timed = TimedEvent { t_s: self.start.elapsed().as_secs_f64(), event };
        // A reporter that has ended (its thread panicked) must not end the run.
        let _ = self.sender.send(Message::Event(timed));
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
        self.start.elapsed().as_secs_f64()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_events(receiver: &Receiver<Message>, mut listener: Box<dyn FnMut(&TimedEvent) + Send>) {
    let mut held: Vec<TimedEvent> = Vec::new();
    let mut log: Option<BufWriter<File>> = None;
    let mut last_progress: Option<Instant> = None;
    for message in receiver {
        match message {
            Message::End => break,
            Message::Open(file) => {
                let mut writer = BufWriter::new(file);
                for event in held.drain(..) {
                    write_line(&mut writer, &event);
                }
                log = Some(writer);
            }
            Message::Event(event) => {
                listener(&event);
                let is_progress = matches!(event.event, Event::Progress { .. });
                if is_progress {
                    if last_progress.is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
                        continue;
                    }
                    last_progress = Some(Instant::now());
                }
                match &mut log {
                    Some(writer) => write_line(writer, &event),
                    None if !is_progress => held.push(event),
                    None => {}
                }
            }
        }
    }
}

/// A full disk must not end the run through its log: the products' own errors will tell.
fn write_line(writer: &mut BufWriter<File>, event: &TimedEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        let _ = writeln!(writer, "{line}");
        let _ = writer.flush();
    }
}
