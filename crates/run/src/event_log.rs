//! The thread of a reporter: what comes in is held back until a log is open, then written to it, and told to a listener.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use crate::events::{Event, Stage, TimedEvent};
use crate::log_files::LogFiles;

/// Progress lines of one stage are written at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What the thread is sent.
pub(crate) enum Message {
    Event(TimedEvent),
    Open(Logs),
    /// With the last event of the log that is open.
    Close(TimedEvent),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
    End,
}

/// The files of a run's log.
pub(crate) struct Logs {
    events: BufWriter<File>,
    text: BufWriter<File>,
    /// Keeps the log of an earlier run locked.
    _earlier: Option<File>,
}

/// How far the stage is that was told of last.
#[derive(Default)]
struct Furthest(Option<(Stage, u64)>);

impl Furthest {
    /// Whether `event` tells of less than was told of its stage: threads may send in another order than they counted.
    fn is_behind(&mut self, event: &Event) -> bool {
        match event {
            Event::StageStarted { .. } => self.0 = None,
            Event::Progress { stage, done, .. } => {
                if self.0.is_some_and(|(told, most)| told == *stage && *done < most) {
                    return true;
                }
                self.0 = Some((*stage, *done));
            }
            _ => {}
        }
        false
    }
}

/// Until the end is sent.
pub(crate) fn write_events(receiver: &Receiver<Message>, mut listener: Box<dyn FnMut(&TimedEvent) + Send>) {
    let mut held: Vec<TimedEvent> = Vec::new();
    let mut logs: Option<Logs> = None;
    let mut beginning: Option<TimedEvent> = None;
    let mut last_progress: Option<Instant> = None;
    let mut furthest = Furthest::default();
    for message in receiver {
        match message {
            Message::End => break,
            Message::Flush(written) => {
                let _ = written.send(());
            }
            Message::Open(mut files) => {
                for event in held.drain(..) {
                    files.write(&event);
                }
                logs = Some(files);
            }
            Message::Close(last) => {
                if let Some(mut files) = logs.take() {
                    files.write(&last);
                }
                held = beginning.iter().cloned().collect();
            }
            Message::Event(event) => {
                if matches!(event.event, Event::RunStarted { .. }) {
                    beginning = Some(event.clone());
                }
                if furthest.is_behind(&event.event) {
                    continue;
                }
                listener(&event);
                let is_progress = matches!(event.event, Event::Progress { .. });
                if is_progress {
                    if last_progress.is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
                        continue;
                    }
                    last_progress = Some(Instant::now());
                }
                match &mut logs {
                    Some(logs) => logs.write(&event),
                    None if !is_progress => held.push(event),
                    None => {}
                }
            }
        }
    }
}

impl Logs {
    pub(crate) fn new(files: LogFiles) -> Self {
        let LogFiles { events, text, earlier } = files;
        Self { events: BufWriter::new(events), text: BufWriter::new(text), _earlier: earlier }
    }

    /// A full disk must not end the run through its log: the products' own errors will tell.
    fn write(&mut self, event: &TimedEvent) {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(self.events, "{line}");
            let _ = self.events.flush();
        }
        if let Some(line) = text_of(&event.event) {
            let _ = writeln!(self.text, "{:10.3} {line}", event.t_s);
            let _ = self.text.flush();
        }
    }
}

/// An event for people; `None` for those that are too many.
fn text_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Progress { .. } => return None,
        Event::RunStarted { command, threads, .. } => {
            format!("run started with {threads} threads: {command}")
        }
        Event::StageStarted { stage, total } => format!("{}: {total} {}", stage.label(), stage.unit()),
        Event::StageFinished { stage, seconds } => format!("{} done in {seconds:.3} s", stage.label()),
        Event::FrameLeftOut { frame, code, message } => format!("{code} {frame}: {message}"),
        Event::Planned { frames, width, height, channels, patches, .. } => {
            format!("planned: {frames} frames on {width} x {height} x {channels} pixels, {patches} patches")
        }
        Event::Warning { code, message } => format!("{code} {message}"),
        Event::Log { line } => line.clone(),
        Event::Stalled { seconds, file, action } => {
            format!("E-STALLED nothing has finished for {seconds:.0} s, see {file}: {action}")
        }
        Event::Finished { exit_code, mosaic, seconds } => {
            format!("finished in {seconds:.3} s with exit code {exit_code}: {mosaic}")
        }
        Event::Failed { exit_code, code, message } => {
            format!("failed with exit code {exit_code}: {code} {message}")
        }
    })
}
