//! Whole-file gzip: a look at the first header without unpacking, and unpacking in bounded memory. A file may consist
//! of several gzip members (RFC 1952 §2.2); zeros or other bytes after the last member are ignored, as gzip does.

use crate::error::FitsError;
use crate::file_io;
use crate::hdu::{Hdu, HduKind, begins_hdu, describe, find_end};
use crate::header::Header;
use crate::{BLOCK_BYTES, CARD_BYTES};
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 18;
const MAX_HEADER_BYTES: usize = 64 << 20;

/// Whether the file begins with the gzip signature, whatever its name.
///
/// # Errors
/// [`FitsError::Io`].
pub fn is_gzip(path: &Path) -> Result<bool, FitsError> {
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let mut magic = [0; 2];
    let got = file_io::read_at(&file, &mut magic, 0).map_err(|e| FitsError::io(path, "read", 0, e))?;
    Ok(got == 2 && magic == [0x1f, 0x8b])
}

/// The header of the first HDU of a gzipped FITS file; unpacks no more than that.
///
/// # Errors
/// [`FitsError::NotFits`] when the contents are no FITS, [`FitsError::Damaged`], [`FitsError::BadHeader`],
/// [`FitsError::Io`].
pub fn scan_gzip_header(path: &Path) -> Result<Header, FitsError> {
    first_header(path).map(|(header, _)| header)
}

/// The first HDU of a gzipped FITS file, as it lies in the unpacked file; unpacks no more than its header.
///
/// # Errors
/// As [`scan_gzip_header`].
pub fn scan_gzip(path: &Path) -> Result<Hdu, FitsError> {
    let (header, length) = first_header(path)?;
    describe(0, header, 0, length as u64, path)
}

/// The HDUs of a gzipped FITS file, as they lie in the unpacked file. When the first one is an image only that is
/// read; otherwise the whole file is unpacked in memory, piece by piece, for the headers behind it.
///
/// # Errors
/// As [`scan_gzip_header`] for the first HDU; what cannot be read behind it ends the list.
pub fn scan_gzip_hdus(path: &Path) -> Result<Vec<Hdu>, FitsError> {
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let mut hdus = Vec::new();
    let mut offset = 0;
    loop {
        let index = hdus.len();
        let hdu = next_header(&mut decoder, path, index).and_then(|found| {
            let Some((header, length)) = found else { return Ok(None) };
            describe(index, header, offset, offset + length as u64, path).map(Some)
        });
        let hdu = match hdu {
            Ok(Some(hdu)) => hdu,
            Err(e) if index == 0 => return Err(e),
            Ok(None) | Err(_) => return Ok(hdus),
        };
        let is_alone = index == 0 && matches!(hdu.kind, HduKind::Image(_));
        let padded = hdu.data_len.checked_next_multiple_of(BLOCK_BYTES as u64);
        let end = padded.and_then(|n| hdu.data_offset.checked_add(n));
        hdus.push(hdu);
        let (Some(end), Some(padded), false) = (end, padded, is_alone) else { return Ok(hdus) };
        match io::copy(&mut (&mut decoder).take(padded), &mut io::sink()) {
            Ok(skipped) if skipped == padded => offset = end,
            _ => return Ok(hdus),
        }
    }
}

/// The first header and its length with padding.
fn first_header(path: &Path) -> Result<(Header, usize), FitsError> {
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 14, file));
    next_header(&mut decoder, path, 0)?.ok_or_else(|| FitsError::NotFits { path: path.to_path_buf() })
}

/// The header that starts here and its length with padding, which is read too; `None` when no HDU starts here.
fn next_header(
    stream: &mut impl Read,
    path: &Path,
    index: usize,
) -> Result<Option<(Header, usize)>, FitsError> {
    let mut bytes = Vec::new();
    loop {
        let have = bytes.len();
        let piece = stream.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut bytes);
        let got = piece.map_err(|e| stream_error(path, e))?;
        if have == 0 && !begins_hdu(&bytes, path, index)? {
            return Ok(None);
        }
        if let Some(end) = find_end(&bytes, have / CARD_BYTES) {
            return Header::parse(&bytes[..end]).map(Some).map_err(|e| e.at(path));
        }
        if got == 0 || bytes.len() > MAX_HEADER_BYTES {
            return Err(FitsError::bad_header(path, "there is no END card"));
        }
    }
}

/// The contents of a file from the first byte on, unpacked where it is gzipped.
///
/// # Errors
/// [`FitsError::Io`]; what is read from it fails as `std::io` does.
pub fn open_unpacked(path: &Path) -> Result<Box<dyn Read>, FitsError> {
    let packed = is_gzip(path)?;
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    if packed {
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file))))
    } else {
        Ok(Box::new(file))
    }
}

/// Unpacks a gzip file to `dest` (replacing it) and returns the bytes written. The work goes to `<dest>.partial` and
/// is renamed at the end, so a file under the final name is always complete.
///
/// # Errors
/// [`FitsError::Damaged`] for a broken or cut stream, [`FitsError::DiskFull`], [`FitsError::Io`].
pub fn unpack_gzip(path: &Path, dest: &Path) -> Result<u64, FitsError> {
    let partial = crate::product::partial_path(dest);
    let result = unpack_to(path, &partial).and_then(|n| {
        std::fs::rename(&partial, dest).map(|()| n).map_err(|e| FitsError::io(dest, "rename to", n, e))
    });
    if result.is_err() {
        // The unpacking error matters more than a failure to clean up after it.
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn unpack_to(path: &Path, dest: &PathBuf) -> Result<u64, FitsError> {
    let source = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let target = File::create(dest).map_err(|e| FitsError::io(dest, "create", 0, e))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut written = 0;
    loop {
        let mut member = GzDecoder::new(&mut source);
        loop {
            let got = match member.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(stream_error(path, e)),
            };
            file_io::write_all_at(&target, &buffer[..got], written)
                .map_err(|e| FitsError::io(dest, "write", written + got as u64, e))?;
            written += got as u64;
        }
        let rest = source.fill_buf().map_err(|e| FitsError::io(path, "read", 0, e))?;
        if rest.first() != Some(&0x1f) {
            return Ok(written);
        }
    }
}

/// Errors of the stream's format are about the file's contents, the others about the device.
fn stream_error(path: &Path, error: io::Error) -> FitsError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            FitsError::damaged(path, format!("the gzip stream cannot be unpacked ({error})"))
        }
        _ => FitsError::io(path, "read", 0, error),
    }
}
