//! Files packed as a whole, by gzip or bzip2: a look at the headers without unpacking to disk, and unpacking in bounded
//! memory. A file may consist of several members (RFC 1952 §2.2; bzip2 streams one behind the other); zeros or other
//! bytes after the last one are ignored, as gzip and bzip2 do. Files of `compress` (`.Z`) are refused by name.

use crate::error::FitsError;
use crate::file_io;
use crate::hdu::{Hdu, HduKind, begins_hdu, describe, find_end, scan};
use crate::header::Header;
use crate::layout::ImageLayout;
use crate::product::partial_path;
use crate::tiles::unpack_compressed;
use crate::{BLOCK_BYTES, CARD_BYTES};
use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 18;
const MAX_HEADER_BYTES: usize = 64 << 20;

/// How a whole file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
}

impl Packed {
    /// By the first bytes of a file or of one of its members.
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if bytes.starts_with(b"BZh") {
            Some(Self::Bzip2)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Refuses a file whose first bytes are those of a packer, for a reader that wants plain FITS.
pub(crate) fn refuse_packed(bytes: &[u8], path: &Path) -> Result<(), FitsError> {
    match Packed::of(bytes) {
        None => refuse_compress(bytes, path),
        Some(packed) => {
            let what = format!("reading pixels from a {} file that was not unpacked", packed.name());
            Err(FitsError::unsupported(path, what))
        }
    }
}

/// The old UNIX `compress` is LZW, for which there is hardly a file left.
fn refuse_compress(bytes: &[u8], path: &Path) -> Result<(), FitsError> {
    if bytes.starts_with(&[0x1f, 0x9d]) {
        return Err(FitsError::unsupported(path, "a file of compress (.Z; unpack it with gzip -d)"));
    }
    Ok(())
}

/// How the file is packed by its first bytes, whatever its name; `None` for any other file.
///
/// # Errors
/// [`FitsError::Unsupported`] for a file of `compress` (`.Z`), [`FitsError::Io`].
pub fn packed_kind(path: &Path) -> Result<Option<Packed>, FitsError> {
    let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
    let mut magic = [0; 3];
    let got = file_io::read_at(&file, &mut magic, 0).map_err(|e| FitsError::io(path, "read", 0, e))?;
    refuse_compress(&magic[..got], path)?;
    Ok(Packed::of(&magic[..got]))
}

/// Whether the file is packed; as [`packed_kind`].
///
/// # Errors
/// As [`packed_kind`].
pub fn is_packed(path: &Path) -> Result<bool, FitsError> {
    packed_kind(path).map(|kind| kind.is_some())
}

/// The header of the first HDU of a packed FITS file; unpacks no more than that.
///
/// # Errors
/// [`FitsError::NotFits`] when the contents are no FITS, [`FitsError::Damaged`], [`FitsError::BadHeader`],
/// [`FitsError::Io`].
pub fn scan_packed_header(path: &Path) -> Result<Header, FitsError> {
    first_header(path).map(|(header, _)| header)
}

/// The first HDU of a packed FITS file, as it lies in the unpacked file; unpacks no more than its header.
///
/// # Errors
/// As [`scan_packed_header`].
pub fn scan_packed(path: &Path) -> Result<Hdu, FitsError> {
    let (header, length) = first_header(path)?;
    describe(0, header, 0, length as u64, path)
}

/// The HDUs of a packed FITS file, as they lie in the unpacked file. When the first one is an image only that is
/// read; otherwise the whole file is unpacked in memory, piece by piece, for the headers behind it.
///
/// # Errors
/// As [`scan_packed_header`] for the first HDU; what cannot be read behind it ends the list.
pub fn scan_packed_hdus(path: &Path) -> Result<Vec<Hdu>, FitsError> {
    let mut stream = Members::open(path, BUFFER_BYTES)?;
    let mut hdus = Vec::new();
    let mut offset = 0;
    while hdus.len() < MAX_HDUS {
        let index = hdus.len();
        let hdu = next_header(&mut stream, path, index).and_then(|found| {
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
        match io::copy(&mut (&mut stream).take(padded), &mut io::sink()) {
            Ok(skipped) if skipped == padded => offset = end,
            _ => return Ok(hdus),
        }
    }
    Err(FitsError::bad_header(path, format!("more than {MAX_HDUS} HDUs in a packed file")))
}

/// HDUs of a packed file that are looked at; empty ones pack so well that a small file could hold millions.
const MAX_HDUS: usize = 10_000;

/// The first header and its length with padding.
fn first_header(path: &Path) -> Result<(Header, usize), FitsError> {
    let mut stream = Members::open(path, 1 << 14)?;
    next_header(&mut stream, path, 0)?.ok_or_else(|| FitsError::NotFits { path: path.to_path_buf() })
}

/// The header that starts here and its length with padding, which is read too; `None` when no HDU starts here.
fn next_header(
    stream: &mut Members,
    path: &Path,
    index: usize,
) -> Result<Option<(Header, usize)>, FitsError> {
    let mut bytes = Vec::new();
    loop {
        let have = bytes.len();
        let piece = stream.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut bytes);
        let got = piece.map_err(|e| stream_error(path, stream.packed, e))?;
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

/// The contents of a file from the first byte on, unpacked where it is packed.
///
/// # Errors
/// [`FitsError::Unsupported`] for a file of `compress`, [`FitsError::Io`]; what is read from it fails as `std::io` does.
pub fn open_unpacked(path: &Path) -> Result<Box<dyn Read>, FitsError> {
    if is_packed(path)? {
        Ok(Box::new(Members::open(path, BUFFER_BYTES)?))
    } else {
        let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
        Ok(Box::new(file))
    }
}

/// Unpacks a packed file to `dest` (replacing it) and returns the bytes written. The work goes to `<dest>.partial` and
/// is renamed at the end, so a file under the final name is always complete.
///
/// # Errors
/// [`FitsError::Damaged`] for a broken or cut stream, [`FitsError::DiskFull`], [`FitsError::Io`].
pub fn unpack_packed(path: &Path, dest: &Path) -> Result<u64, FitsError> {
    let partial = partial_path(dest);
    let result = unpack_to(path, &partial).and_then(|n| {
        std::fs::rename(&partial, dest).map(|()| n).map_err(|e| FitsError::io(dest, "rename to", n, e))
    });
    if result.is_err() {
        // The unpacking error matters more than a failure to clean up after it.
        let _ = std::fs::remove_file(&partial);
    }
    result
}

/// As [`unpack_compressed`] for HDU `hdu` of a file that may itself be packed; then the unpacked file stands beside
/// `dest` until the image is out of it.
///
/// # Errors
/// As [`scan`], [`unpack_packed`] and [`unpack_compressed`]; [`FitsError::BadRequest`] when there is no such HDU.
pub fn unpack_image(path: &Path, hdu: usize, dest: &Path) -> Result<ImageLayout, FitsError> {
    let from_plain = |plain: &Path| {
        let file = scan(plain)?;
        let found = file.hdus.get(hdu);
        let found = found.ok_or_else(|| {
            FitsError::bad_request(path, format!("there is no HDU {hdu}; the file has changed"))
        })?;
        unpack_compressed(plain, found, dest)
    };
    if !is_packed(path)? {
        return from_plain(path);
    }
    let mut name = dest.as_os_str().to_os_string();
    name.push(".unpacked");
    let plain = PathBuf::from(name);
    let result = unpack_packed(path, &plain).and_then(|_| from_plain(&plain));
    // A copy that stays behind lies in a folder for copies; the image is what was asked for.
    let _ = std::fs::remove_file(&plain);
    // The user knows the packed file, not the copy.
    result.map_err(|error| match error {
        FitsError::Damaged { path: at, what } if at == plain => FitsError::damaged(path, what),
        FitsError::Truncated { path: at, hdu, expected, found } if at == plain => {
            FitsError::Truncated { path: path.to_path_buf(), hdu, expected, found }
        }
        other => other,
    })
}

fn unpack_to(path: &Path, dest: &Path) -> Result<u64, FitsError> {
    let mut source = Members::open(path, BUFFER_BYTES)?;
    let target = File::create(dest).map_err(|e| FitsError::io(dest, "create", 0, e))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut written = 0;
    loop {
        let got = match source.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(stream_error(path, source.packed, e)),
        };
        file_io::write_all_at(&target, &buffer[..got], written)
            .map_err(|e| FitsError::io(dest, "write", written + got as u64, e))?;
        written += got as u64;
    }
}

/// The members of a packed file, unpacked one behind the other.
struct Members {
    packed: Packed,
    /// `None` only while a member gives way to the next one, and after an error.
    member: Option<Member>,
}

enum Member {
    Gzip(Box<GzDecoder<BufReader<File>>>),
    Bzip2(BzDecoder<BufReader<File>>),
}

impl Member {
    fn start(packed: Packed, source: BufReader<File>) -> Self {
        match packed {
            Packed::Gzip => Self::Gzip(Box::new(GzDecoder::new(source))),
            Packed::Bzip2 => Self::Bzip2(BzDecoder::new(source)),
        }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(out),
            Self::Bzip2(decoder) => decoder.read(out),
        }
    }

    fn into_source(self) -> BufReader<File> {
        match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
        }
    }
}

impl Members {
    fn open(path: &Path, buffer_bytes: usize) -> Result<Self, FitsError> {
        let packed = packed_kind(path)?;
        let packed = packed.ok_or_else(|| FitsError::damaged(path, "it is neither gzip nor bzip2"))?;
        let file = File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?;
        let source = BufReader::with_capacity(buffer_bytes, file);
        Ok(Self { packed, member: Some(Member::start(packed, source)) })
    }
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let got = member.read(out)?;
            if got > 0 || out.is_empty() {
                return Ok(got);
            }
            let Some(mut source) = self.member.take().map(Member::into_source) else { break };
            // The buffer may end within the signature of the next member; its first byte decides, as for gzip.
            let first = source.fill_buf()?.first().copied();
            let goes_on = match self.packed {
                Packed::Gzip => first == Some(0x1f),
                Packed::Bzip2 => first == Some(b'B'),
            };
            if goes_on {
                self.member = Some(Member::start(self.packed, source));
            }
        }
        Ok(0)
    }
}

/// Errors of the stream's format are about the file's contents, the others about the device.
fn stream_error(path: &Path, packed: Packed, error: io::Error) -> FitsError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            FitsError::damaged(path, format!("the {} stream cannot be unpacked ({error})", packed.name()))
        }
        _ => FitsError::io(path, "read", 0, error),
    }
}
