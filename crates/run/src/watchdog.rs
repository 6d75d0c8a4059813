//! The watchdog: when no unit of work has finished for a set time, a file says what every worker is doing and where its
//! threads are, and the run goes on or ends as the options say.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ExitCode;
use crate::events::{Event, LOGS_FOLDER, LastWords, Reporter, Voice};

/// What is done when a run stands still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StallAction {
    /// Tell, and wait on.
    #[default]
    Continue,
    /// Tell, and end the program with exit code 1.
    Abort,
}

/// Options of the watchdog; none changes pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WatchdogOptions {
    /// Seconds without anything finished; 0: no watchdog.
    pub after_s: f64,
    /// What is done then.
    pub on_stall: StallAction,
}

impl Default for WatchdogOptions {
    fn default() -> Self {
        Self { after_s: 600.0, on_stall: StallAction::default() }
    }
}

/// Where the files of stalls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StallFiles {
    /// Their names begin with this and end with a number from 1 and `.txt`; numbers that are taken are passed over.
    start: PathBuf,
    /// The folder of the run whose logs tell of stalls too, of a command that has one.
    run: Option<PathBuf>,
}

impl StallFiles {
    /// `logs/stall_N.txt` in the folder of a run.
    pub fn of_run(folder: &Path) -> Self {
        Self { start: folder.join(LOGS_FOLDER).join("stall_"), run: Some(folder.into()) }
    }

    /// `FILE.stall_N.txt` beside the only product of a command.
    pub fn beside(file: &Path) -> Self {
        let mut start = file.as_os_str().to_owned();
        start.push(".stall_");
        Self { start: start.into(), run: None }
    }

    /// Of a command without a folder: beside its `output`; where it has none in `scratch`, by default the system's folder
    /// for such files, with the number of the process in the name.
    pub fn of_command(output: Option<&Path>, scratch: Option<&Path>) -> Self {
        let name = || format!("zemosaic_{}_stall_", std::process::id());
        let in_scratch = || scratch.map_or_else(std::env::temp_dir, Path::to_path_buf).join(name());
        output.map_or_else(|| Self { start: in_scratch(), run: None }, Self::beside)
    }

    /// The file of this number.
    fn path(&self, number: usize) -> PathBuf {
        let mut name = self.start.as_os_str().to_owned();
        name.push(format!("{number}.txt"));
        name.into()
    }

    /// Write the file of the first number above `last`, which becomes that number, of which there is none: those of earlier
    /// runs stay. A run that stands still early may have no folder yet.
    fn write_next(&self, last: &mut usize, text: &str) -> std::io::Result<()> {
        if let (Some(_), Some(folder)) = (&self.run, self.start.parent()) {
            std::fs::create_dir_all(folder)?;
        }
        loop {
            *last += 1;
            match File::options().write(true).create_new(true).open(self.path(*last)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made?.write_all(text.as_bytes()),
            }
        }
    }
}

/// Watches as long as it lives.
pub struct Watchdog {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// How often is looked, of the time that is waited for.
const LOOKS: f64 = 4.0;
/// A look at least this often, seconds.
const LOOK_EVERY_S: f64 = 5.0;

impl Watchdog {
    /// Watch over the work that `reporter` hears of, and write to `files`; `None` where the options want none.
    pub fn start(options: WatchdogOptions, reporter: &Reporter, files: StallFiles) -> Option<Self> {
        if !(options.after_s > 0.0 && options.after_s.is_finite()) {
            return None;
        }
        let (stop, stopped) = channel();
        let watch = Watch { options, voice: reporter.voice(), last_words: reporter.last_words(), files };
        let look = Duration::from_secs_f64((options.after_s / LOOKS).min(LOOK_EVERY_S));
        let run = move || {
            let mut told = Told::default();
            while stopped.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
                watch.look(&mut told);
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(run).ok();
        Some(Self { stop, thread })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What was told before.
#[derive(Default)]
struct Told {
    /// Number of the last file.
    last_file: usize,
    /// How often of the stall that goes on.
    times: u64,
}

struct Watch {
    options: WatchdogOptions,
    voice: Voice,
    last_words: LastWords,
    files: StallFiles,
}

impl Watch {
    /// Look once. The same stall is told again when it has lasted as long once more.
    fn look(&self, told: &mut Told) {
        let idle_s = self.voice.desk().idle().as_secs_f64();
        let times = (idle_s / self.options.after_s) as u64;
        let is_new = times > told.times;
        told.times = times;
        if !is_new {
            return;
        }
        let written = self.files.write_next(&mut told.last_file, &self.text(idle_s));
        let path = self.files.path(told.last_file);
        let action = match self.options.on_stall {
            StallAction::Continue => "continue",
            StallAction::Abort => "abort",
        };
        let file = match written {
            Ok(()) => path.display().to_string(),
            Err(error) => format!("{} (cannot be written: {error})", path.display()),
        };
        self.voice.send(Event::Stalled { seconds: idle_s, file: file.clone(), action: action.into() });
        if self.options.on_stall == StallAction::Abort {
            let message =
                format!("nothing has finished for {idle_s:.0} s; {file} says what every worker was doing");
            let code = ExitCode::Internal as u8;
            if let Some(folder) = &self.files.run {
                // So that a log tells of the end; where it is open already this does nothing.
                let _ = self.voice.open_log(folder);
            }
            self.last_words.failed(code, "E-STALLED", &message);
            // Nobody else is left to tell.
            let _ = writeln!(std::io::stderr().lock(), "error E-STALLED: {message}");
            std::process::exit(i32::from(code));
        }
    }

    fn text(&self, idle_s: f64) -> String {
        let finished = self.voice.desk().finished();
        let mut text =
            format!("Nothing has finished for {idle_s:.1} s; {finished} units of work did before.\n\n");
        text += &self.voice.desk().describe();
        let _ = write!(text, "\nthreads of the process\n{}", threads());
        text
    }
}

/// Name, state and place in the kernel of every thread, as far as the system tells.
#[cfg(target_os = "linux")]
fn threads() -> String {
    let mut text = String::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return text };
    let mut folders: Vec<PathBuf> = tasks.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).map_or("?".into(), |text| text.trim().to_owned())
        };
        let status = read("status");
        let state =
            status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("?").trim().to_owned();
        let number = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let _ = writeln!(
            text,
            "  {number} {}: {state}; waits in {}; system call {}",
            read("comm"),
            read("wchan"),
            read("syscall")
        );
    }
    text
}

/// Not asked on this system.
#[cfg(not(target_os = "linux"))]
fn threads() -> String {
    "  not told by this system\n".into()
}
