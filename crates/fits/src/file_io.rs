//! Positional file access and preallocation, in unix and windows forms. Nothing else in the crate depends on the
//! platform.

use std::fs::File;
use std::io;
use std::path::Path;

/// Reads at `offset` until `buffer` is full or the file ends; returns the bytes read. Does not move the cursor on
/// unix and is safe from several threads.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match platform::read_at(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of `buffer` at `offset`.
pub(crate) fn write_all_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match platform::write_at(file, &buffer[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Gives the file `bytes` of real disk space, so that a full disk shows now and not hours later. Free space is asked
/// first: a preallocation that fails half-way would fill the disk for everybody else.
pub(crate) fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    if platform::available_bytes(file).is_some_and(|available| available < bytes) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    platform::allocate(file, bytes)?;
    file.set_len(bytes)
}

/// Whether the open file is what `path` names now (another run may have renamed it meanwhile).
pub(crate) fn is_same_file(file: &File, path: &Path) -> bool {
    platform::is_same_file(file, path)
}

/// Makes a rename in this folder durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    platform::sync_folder_of(path)
}

#[cfg(unix)]
mod platform {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::Path;

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub(super) fn write_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(buffer, offset)
    }

    pub(super) fn available_bytes(file: &File) -> Option<u64> {
        let volume = rustix::fs::fstatvfs(file).ok()?;
        // Some network volumes report no size at all; that says nothing about their room.
        (volume.f_blocks > 0).then(|| volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
    pub(super) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
        use rustix::io::Errno;
        if bytes == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // Not every volume can preallocate; the free space was checked above, so go on with a sparse file.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    pub(super) fn allocate(_file: &File, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_same_file(file: &File, path: &Path) -> bool {
        match (file.metadata(), std::fs::metadata(path)) {
            (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
            _ => false,
        }
    }

    pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        match File::open(folder)?.sync_all() {
            // Some network volumes cannot sync a folder; the rename itself has succeeded.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput || e.kind() == io::ErrorKind::Unsupported => {
                Ok(())
            }
            other => other,
        }
    }
}

#[cfg(windows)]
mod platform {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match file.seek_read(buffer, offset) {
            // ERROR_HANDLE_EOF: a read that starts beyond the end.
            Err(e) if e.raw_os_error() == Some(38) => Ok(0),
            other => other,
        }
    }

    pub(super) fn write_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(buffer, offset)
    }

    pub(super) fn available_bytes(_file: &File) -> Option<u64> {
        None
    }

    pub(super) fn allocate(_file: &File, _bytes: u64) -> io::Result<()> {
        // Setting the length allocates the clusters.
        Ok(())
    }

    pub(super) fn is_same_file(_file: &File, _path: &Path) -> bool {
        // An open file cannot be renamed by another process.
        true
    }

    pub(super) fn sync_folder_of(_path: &Path) -> io::Result<()> {
        Ok(())
    }
}
