//! The files of a run's log. Those of an earlier run in a folder with products are moved aside when they are opened, and removed
//! when the new run's products are in place: a run that is refused, fails or is stopped leaves the products of the earlier one, and so
//! its log.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::events::{EVENTS_NAME, LOGS_FOLDER};
use crate::products::{COMPRESSED_NAME, PRODUCT_NAMES};

/// The log for people, in [`LOGS_FOLDER`].
const TEXT_NAME: &str = "run.log";
/// Where the log of an earlier run is meanwhile.
const EARLIER_EVENTS_NAME: &str = "events.earlier.jsonl";
/// The same of that for people.
const EARLIER_TEXT_NAME: &str = "run.earlier.log";

/// The files, open and empty.
pub(crate) struct LogFiles {
    /// Locked as long as it is open.
    pub(crate) events: File,
    pub(crate) text: File,
    /// That of the earlier run, locked: who opened it under its old name must not find it free.
    pub(crate) earlier: Option<File>,
}

impl LogFiles {
    /// Open them in `folder`.
    ///
    /// # Errors
    /// When a file cannot be made or moved; [`io::ErrorKind::WouldBlock`] when another run holds the log.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(EVENTS_NAME);
        let mut events = File::options().write(true).create(true).truncate(false).open(&path)?;
        events.try_lock()?;
        std::fs::create_dir_all(folder.join(LOGS_FOLDER))?;
        let [earlier_events, earlier_text] = earlier(folder);
        let text = folder.join(LOGS_FOLDER).join(TEXT_NAME);
        let has_log = events.metadata()?.len() > 0 || text.exists();
        // Without products it tells of nothing that is here.
        let has_product = [PRODUCT_NAMES[0], COMPRESSED_NAME].iter().any(|name| folder.join(name).exists());
        // Where one is aside already, what lies here is of a run that was refused.
        let mut earlier = None;
        if has_log && has_product && !earlier_events.exists() {
            // The events last: they say that all is moved.
            if text.exists() {
                std::fs::rename(&text, earlier_text)?;
            }
            std::fs::rename(&path, earlier_events)?;
            let fresh = File::options().write(true).create_new(true).open(&path).map_err(taken)?;
            fresh.try_lock()?;
            earlier = Some(std::mem::replace(&mut events, fresh));
        } else {
            events.set_len(0)?;
        }
        Ok(Self { events, text: File::create(text)?, earlier })
    }
}

/// Another run that made the file meanwhile holds it.
fn taken(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::WouldBlock.into() } else { error }
}

/// Remove the log of an earlier run that was moved aside.
///
/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn forget_earlier(folder: &Path) -> io::Result<()> {
    for path in earlier(folder) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Where the log of an earlier run is moved to: events, and text.
fn earlier(folder: &Path) -> [PathBuf; 2] {
    [folder.join(EARLIER_EVENTS_NAME), folder.join(LOGS_FOLDER).join(EARLIER_TEXT_NAME)]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn run(folder: &Path, what: &str) {
        let mut files = LogFiles::open(folder).unwrap();
        files.events.write_all(what.as_bytes()).unwrap();
        files.text.write_all(what.as_bytes()).unwrap();
    }

    fn texts(folder: &Path) -> [Option<String>; 4] {
        let [events, text] = earlier(folder);
        let own = [folder.join(EVENTS_NAME), folder.join(LOGS_FOLDER).join(TEXT_NAME)];
        let [own_events, own_text] = own;
        [own_events, own_text, events, text].map(|path| std::fs::read_to_string(path).ok())
    }

    #[test]
    fn an_earlier_log_stays_until_its_products_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let told = |own: &str, earlier: Option<&str>| {
            let all = [Some(own), Some(own), earlier, earlier];
            assert_eq!(texts(at), all.map(|text| text.map(str::to_owned)));
        };
        run(at, "of no product");
        run(at, "first");
        told("first", None);
        File::create(at.join(PRODUCT_NAMES[0])).unwrap();
        // Two that are refused.
        run(at, "second, which is longer");
        told("second, which is longer", Some("first"));
        run(at, "third");
        told("third", Some("first"));
        run(at, "fourth");
        forget_earlier(at).unwrap();
        told("fourth", None);
        forget_earlier(at).unwrap();
        run(at, "fifth");
        told("fifth", Some("fourth"));
    }

    #[test]
    fn a_log_that_is_held_is_not_moved() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        run(at, "first");
        File::create(at.join(PRODUCT_NAMES[0])).unwrap();
        // Opened under its old name, before it is moved.
        let early = File::options().write(true).open(at.join(EVENTS_NAME)).unwrap();
        let held = LogFiles::open(at).unwrap();
        assert!(early.try_lock().is_err());
        let refused = LogFiles::open(at).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::WouldBlock));
        drop(held);
        assert_eq!(texts(at)[2].as_deref(), Some("first"));
    }
}
