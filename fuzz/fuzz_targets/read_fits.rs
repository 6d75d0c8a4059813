//! Any bytes as a FITS file: headers, windows, tile-compressed images, tables, checksums, gzip, bzip2, compressing.
//! Start it with real files: `cargo +nightly fuzz run read_fits ../shared/data/fits_conformance`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use zemosaic_fits::{
    CompressOptions, FilePool, HduKind, ImageLayout, Overwrite, ReadScratch, Window, compress_product, is_packed, read_compressed_window, read_table, read_window,
    scan, scan_packed_hdus, unpack_compressed, unpack_packed, verify_checksums,
};

const MAX_COPY_BYTES: u64 = 1 << 20;

fn corner(layout: &ImageLayout) -> Window {
    Window { x0: 0, y0: 0, width: layout.width().min(64), height: layout.height().min(64) }
}

fuzz_target!(|data: &[u8]| {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let Some(folder) = FOLDER.get().or_else(|| tempfile::tempdir().ok().map(|new| FOLDER.get_or_init(|| new))) else {
        return;
    };
    let path: PathBuf = folder.path().join("input.fits");
    let copy = folder.path().join("copy.fits");
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_file(&copy);
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if is_packed(&path).unwrap_or(false) {
        let _ = scan_packed_hdus(&path);
        let _ = unpack_packed(&path, &copy);
        return;
    }
    let _ = verify_checksums(&path);
    let Ok(file) = scan(&path) else { return };
    // The data of a complete file are no longer than the input.
    let _ = compress_product(&path, &copy, &CompressOptions::default(), Overwrite::Replace);
    let pool = FilePool::new(1);
    let mut scratch = ReadScratch::default();
    for hdu in &file.hdus {
        match &hdu.kind {
            HduKind::Image(layout) => {
                let layout = layout.clone().as_planes();
                let window = corner(&layout);
                let mut out = vec![0.0; window.area()];
                let _ = read_window(&pool, &path, &layout, 0, window, &mut scratch, &mut out);
            }
            HduKind::CompressedImage(layout) => {
                let window = corner(&layout.image);
                let mut out = vec![0.0; window.area()];
                let _ = read_compressed_window(&pool, &path, layout, 0, window, &mut out);
                if layout.image.data_bytes() <= MAX_COPY_BYTES {
                    let _ = unpack_compressed(&path, hdu, &copy);
                }
            }
            _ => {
                let _ = read_table(&path, hdu.index);
            }
        }
    }
});
