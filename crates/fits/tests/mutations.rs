//! 20,000 damaged files: whatever the bytes, reading ends with a result or an error, never with a panic, and never
//! allocates for sizes that the file cannot have. The mutations are seeded, so a failure repeats.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use common::tiled::{self, TileRow, Tiled};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use zemosaic_fits::{
    Column, ColumnData, CompressOptions, DataSpec, FilePool, HduKind, HduRole, HduSpec, Header, ImageData,
    Overwrite, ProductCodec, ProductWriter, ReadScratch, SampleType, TableSpec, Window, compress_product,
    is_packed, read_compressed_window, read_table, read_window, scan, scan_packed_hdus, scan_packed_header,
    unpack_compressed, unpack_packed, verify_checksums, write_image,
};

/// Damaged files in all.
const MUTATIONS: u64 = 20_000;
/// No file here is larger than 100 kB; nothing that is read from one may be larger than this.
const MAX_ALLOCATION_BYTES: usize = 64 << 20;
/// Larger windows and copies are not asked for.
const MAX_ASKED_BYTES: u64 = 1 << 20;

/// Notes the largest allocation.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counter has no effect on it.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's guarantees are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` or `realloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: `pointer` came from `alloc` or `realloc` above with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 11) % n.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Sound files of every kind.
fn bases(folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join("base.fits");
    let mut files = Vec::new();
    let mut header = Header::new();
    header.set_str("OBJECT", &"a long text ".repeat(12), "with CONTINUE");
    header.set_i64("BLANK", -5, "");
    header.set_f64("BSCALE", 0.5, "");
    let stored: Vec<i16> = (0..600).collect();
    write_image(&path, &header, ImageData::I16(&stored), &[20, 10, 3]).unwrap();
    files.push(std::fs::read(&path).unwrap());
    let floats: Vec<f64> = (0..240_u8).map(f64::from).collect();
    write_image(&path, &Header::new(), ImageData::F64(&floats), &[3, 20, 4]).unwrap();
    files.push(std::fs::read(&path).unwrap());

    let primary = Header::for_image(HduRole::Primary, SampleType::F32, &[8, 4]);
    let hdus = vec![HduSpec { header: primary, data: DataSpec::F32 { dims: vec![8, 4] } }];
    let writer = ProductWriter::create(&path, hdus, Overwrite::Replace).unwrap();
    writer.write_f32(0, 0, Window { x0: 0, y0: 0, width: 8, height: 4 }, &[1.5; 32]).unwrap();
    let column = |name: &str, data| Column { name: name.into(), unit: None, data };
    let columns = vec![
        column("ID", ColumnData::I32(vec![1, 2, 3])),
        column("NAME", ColumnData::Text(vec!["a".into(), "bc".into(), String::new()])),
        column("PAIR", ColumnData::F64Array { width: 2, values: vec![0.5; 6] }),
    ];
    writer.finish_with_table(Vec::new(), TableSpec { extname: "T".into(), columns }).unwrap();
    files.push(std::fs::read(&path).unwrap());
    for i in 0..2 {
        files.push(tiled::gzip(&files[i]));
        files.push(bzip2(&files[i]));
    }
    files.extend(compressed_products(&path));

    for codec in ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"] {
        for quantised in [false, true] {
            files.push(tiled_base(codec, quantised));
        }
    }
    files
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What our own writer makes of integers and of floats, quantised (one tile is not) and not.
fn compressed_products(path: &Path) -> Vec<Vec<u8>> {
    let dest = path.with_extension("fz");
    let mut files = Vec::new();
    let integers: Vec<i32> = (0..9_000).map(|i| i * 7919 % 65_521).collect();
    let floats: Vec<f32> =
        integers.iter().map(|&i| if i % 11 == 0 { f32::NAN } else { (i % 100) as f32 }).collect();
    let mut constant = floats.clone();
    constant[4_500..].fill(7.0);
    let lossless = CompressOptions { codec: ProductCodec::Gzip, quantize: None };
    for (data, options) in [
        (ImageData::I32(&integers), CompressOptions::default()),
        (ImageData::F32(&constant), CompressOptions::default()),
        (ImageData::F32(&floats), lossless),
    ] {
        write_image(path, &Header::new(), data, &[90, 50, 2]).unwrap();
        compress_product(path, &dest, &options, Overwrite::Replace).unwrap();
        files.push(std::fs::read(&dest).unwrap());
    }
    files
}

fn tiled_base(codec: &str, quantised: bool) -> Vec<u8> {
    let dims = [14, 11];
    let values: Vec<i32> = (0..154).map(|i| i * 37 % 101).collect();
    let mut rows = Vec::new();
    tiled::tiles(&dims, &[9, 6], &values, |extent, tile| {
        let bytes: Vec<u8> = tile.iter().flat_map(|v| v.to_be_bytes()).collect();
        let compressed = match codec {
            "RICE_1" => tiled::rice(&tile),
            "GZIP_1" => tiled::gzip(&bytes),
            "GZIP_2" => tiled::gzip(&tiled::shuffle(&bytes, 4)),
            "HCOMPRESS_1" => tiled::hcompress(&tile, extent),
            "PLIO_1" => tiled::plio(&tile),
            _ => bytes,
        };
        let scale_zero = quantised.then_some((0.5, 1.0));
        rows.push(TileRow { compressed, scale_zero, blank: quantised.then_some(7), ..TileRow::default() });
    });
    let mut extras = Header::new();
    extras.set_str("ZNAME1", "BLOCKSIZE", "");
    extras.set_i64("ZVAL1", 32, "");
    extras.set_str("ZNAME2", "SMOOTH", "");
    extras.set_i64("ZVAL2", 1, "");
    extras.set_str("ZQUANTIZ", "SUBTRACTIVE_DITHER_2", "");
    extras.set_i64("ZDITHER0", 9_999, "");
    let bitpix = if quantised { -32 } else { 32 };
    let element = if codec == "PLIO_1" { 'I' } else { 'B' };
    tiled::file_bytes(&Tiled { codec, bitpix, dims: &dims, tile: &[9, 6], element, extras }, &rows)
}

/// One to four kinds of damage.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = bytes.len().min(at + 1 + random.below(16));
                bytes[at..end].iter_mut().for_each(|b| *b = random.next() as u8);
            }
            4 => {
                // A card moves over another one.
                let (from, to) = (at / 80 * 80, random.below(bytes.len()) / 80 * 80);
                if from + 80 <= bytes.len() && to + 80 <= bytes.len() {
                    bytes.copy_within(from..from + 80, to);
                }
            }
            5 => set_number(bytes, random),
            _ => {
                let end = bytes.len().min(at + 1 + random.below(400));
                bytes.drain(at..end);
            }
        }
    }
}

/// A number of some card becomes another one.
fn set_number(bytes: &mut [u8], random: &mut Random) {
    const NUMBERS: [&str; 14] = [
        "0",
        "1",
        "-1",
        "3",
        "7",
        "255",
        "1000",
        "65536",
        "2147483647",
        "-2147483648",
        "4294967296",
        "9223372036854775807",
        "1E300",
        "-64",
    ];
    let cards: Vec<usize> = (0..bytes.len() / 80)
        .map(|n| n * 80)
        .filter(|&at| bytes[at..at + 30].ends_with(b" ") || bytes[at + 8] == b'=')
        .collect();
    if cards.is_empty() {
        return;
    }
    let at = cards[random.below(cards.len())];
    let number = random.pick(&NUMBERS);
    bytes[at + 10..at + 30].copy_from_slice(format!("{number:>20}").as_bytes());
}

/// Reads all there is; returns whether the first HDU was readable.
fn exercise(path: &Path, scratch: &mut ReadScratch) -> bool {
    let pool = FilePool::new(1);
    let dest = path.with_extension("out");
    let Ok(is_packed) = is_packed(path) else {
        // By its first bytes a file of `compress`; every reader must say so.
        assert!(scan(path).is_err());
        return false;
    };
    if is_packed {
        let _ = scan_packed_header(path);
        let _ = unpack_packed(path, &dest);
        return scan_packed_hdus(path).is_ok();
    }
    let _ = verify_checksums(path);
    let Ok(file) = scan(path) else { return false };
    for hdu in &file.hdus {
        for key in hdu.header.keywords().map(str::to_owned).collect::<Vec<_>>() {
            let _ = (hdu.header.get_str(&key), hdu.header.get_f64(&key), hdu.header.get_i64(&key));
        }
        match &hdu.kind {
            HduKind::Image(layout) => {
                let layout = layout.clone().as_planes();
                for (plane, window) in windows(&layout) {
                    let mut out = vec![0.0; window.area()];
                    let _ = read_window(&pool, path, &layout, plane, window, scratch, &mut out);
                }
            }
            HduKind::CompressedImage(layout) => {
                for (plane, window) in windows(&layout.image) {
                    let mut out = vec![0.0; window.area()];
                    let _ = read_compressed_window(&pool, path, layout, plane, window, &mut out);
                }
                if layout.image.data_bytes() <= MAX_ASKED_BYTES {
                    let _ = unpack_compressed(path, hdu, &dest);
                }
            }
            _ => {
                let _ = read_table(path, hdu.index);
            }
        }
    }
    true
}

/// The first and the last pixels of the first and the last plane.
fn windows(layout: &zemosaic_fits::ImageLayout) -> Vec<(usize, Window)> {
    let (width, height) = (layout.width().min(64), layout.height().min(64));
    let last = Window { x0: layout.width() - width, y0: layout.height() - height, width, height };
    vec![(0, Window { x0: 0, y0: 0, width, height }), (layout.planes() - 1, last)]
}

#[test]
fn no_damage_makes_the_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let bases = bases(folder.path());
    let path = folder.path().join("damaged.fits");
    let mut scratch = ReadScratch::default();
    for base in &bases {
        std::fs::write(&path, base).unwrap();
        assert!(exercise(&path, &mut scratch));
    }
    LARGEST.store(0, Ordering::Relaxed);
    let mut readable = 0;
    for seed in 1..=MUTATIONS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = bases[random.below(bases.len())].clone();
        mutate(&mut bytes, &mut random);
        // Replacing a file in place makes some volumes wait for the disk.
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(path.with_extension("out"));
        std::fs::write(&path, &bytes).unwrap();
        let Ok(is_readable) = catch_unwind(AssertUnwindSafe(|| exercise(&path, &mut scratch))) else {
            let kept = std::env::temp_dir().join(format!("zemosaic_mutation_{seed}.fits"));
            std::fs::write(&kept, &bytes).unwrap();
            unreachable!("mutation {seed} makes the reader panic; the file is {}", kept.display());
        };
        readable += u64::from(is_readable);
        let largest = LARGEST.load(Ordering::Relaxed);
        assert!(largest <= MAX_ALLOCATION_BYTES, "mutation {seed} makes the reader allocate {largest} bytes");
    }
    println!(
        "{MUTATIONS} damaged files, {readable} of them partly readable; largest allocation {} bytes",
        LARGEST.load(Ordering::Relaxed)
    );
    assert!(readable > MUTATIONS / 4);
}
