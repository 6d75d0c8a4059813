//! A child process that cannot outlive its time, with everything it starts in its process group.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::ExternalError;

/// Time between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);
/// What it prints goes to these files of its folder.
const OUTPUTS: [&str; 2] = ["stdout.txt", "stderr.txt"];
/// Lines of each that are told.
const TOLD_LINES: usize = 3;
/// Bytes at the end of an output that are looked at.
const TOLD_BYTES: u64 = 2048;
/// Characters of a line that are told.
const TOLD_CHARS: usize = 200;

/// How a run ended.
pub(super) enum Ended {
    Exited(ExitStatus),
    TimedOut,
    Cancelled,
}

/// Whether the file may be run.
pub(super) fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// Runs `command` in `folder` until it ends, `timeout` is over or `cancel` is set. Then its process group is killed, so
/// that nothing it started goes on (but for processes that left the group).
pub(super) fn run(
    command: &mut Command,
    folder: &Path,
    timeout: Duration,
    cancel: &AtomicBool,
) -> Result<Ended, ExternalError> {
    let started = Instant::now();
    let create = |name: &str| {
        let path = folder.join(name);
        File::create(&path).map_err(ExternalError::io(&path))
    };
    let [stdout, stderr] = OUTPUTS;
    command
        .current_dir(folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(create(stdout)?)
        .stderr(create(stderr)?)
        .process_group(0);
    let program = Path::new(command.get_program()).to_path_buf();
    let mut group = Group(command.spawn().map_err(ExternalError::io(&program))?);
    loop {
        // Looked at but not waited for: while the child is a zombie no other process can get the number of its group.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(group.pid()), options);
        let state = state.map_err(|error| ExternalError::io(&program)(error.into()))?;
        if state.is_some() {
            let status = group.end().map_err(ExternalError::io(&program))?;
            return Ok(Ended::Exited(status));
        }
        if cancel.load(Ordering::Relaxed) {
            return Ok(Ended::Cancelled);
        }
        if started.elapsed() >= timeout {
            return Ok(Ended::TimedOut);
        }
        std::thread::sleep(LOOK);
    }
}

/// A child that leads a process group; dropped it ends with its group.
struct Group(Child);

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Kills what is left of the group and waits for the child.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // A group that is gone already is what is wanted.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.0.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once waited for, the number may be another's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(self.pid()), options).is_ok() {
            let _ = self.end();
        }
    }
}

/// The last lines of what a program in `folder` printed.
pub(super) fn last_lines(folder: &Path) -> Vec<String> {
    let mut told = Vec::new();
    for name in OUTPUTS {
        let text = tail(&folder.join(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
        told.extend(last.iter().map(|line| printable(line)));
    }
    told
}

/// The end of a file as text.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TOLD_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TOLD_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line without control characters, which could do things to a terminal.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(TOLD_CHARS).collect()
}
