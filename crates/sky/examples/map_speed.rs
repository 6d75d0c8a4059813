//! Prints the cost of source positions in ns per pixel: `cargo run --release -p zemosaic-sky --example map_speed`.

use std::hint::black_box;
use std::time::Instant;

use zemosaic_fits::Header;
use zemosaic_sky::{CELL_PX, Grid, MapOptions, PixelMap, SkyFrame, Wcs, WcsError};

fn source(sip: &str) -> Result<Wcs, WcsError> {
    let text = format!(
        "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 192.7\nCRVAL2  = 41.1\nCRPIX1  = 540.5\nCRPIX2  = 960.5\n\
         CD1_1   = 2.4E-4\nCD1_2   = 6.1E-4\nCD2_1   = -6.1E-4\nCD2_2   = 2.4E-4\n{sip}"
    );
    let header = Header::parse_text(&text)
        .map_err(|e| WcsError::Value { keyword: "header".into(), value: e.to_string() })?;
    Wcs::from_header(&header)
}

const SIP: &str = "A_ORDER = 3\nB_ORDER = 3\nA_2_0   = 1.1E-5\nA_1_1   = -4E-6\nA_3_0   = 2E-8\nA_1_2   = 2E-8\n\
                   B_0_2   = 7E-6\nB_1_1   = 9E-6\nB_0_3   = 2E-8\nB_2_1   = 2E-8";

fn time(name: &str, source: &Wcs, max_error_px: f64) -> Result<(), WcsError> {
    let k = 2.4 / 3600.0;
    let wcs = Wcs::tan([192.75, 41.1], [1023.5, 1023.5], [[-k, 0.0], [0.0, k]], SkyFrame::Icrs)?;
    let grid = Grid { wcs, width: 2048, height: 2048 };
    let map = PixelMap::new(&grid, source, 1080, 1920, MapOptions { max_error_px })?;
    let (mut xs, mut ys) = (vec![0.0; CELL_PX], vec![0.0; CELL_PX]);
    let (mut cells_s, mut rows_s, mut pitch) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..5 {
        let (mut cells, mut rows) = (0.0, 0.0);
        for c in 0..64 {
            let (cx, cy) = (c % 8, c / 8);
            let start = Instant::now();
            let cell = map.cell(cx, cy);
            cells += start.elapsed().as_secs_f64();
            pitch = cell.pitch_px();
            let start = Instant::now();
            for y in cy * CELL_PX..(cy + 1) * CELL_PX {
                cell.row(y, cx * CELL_PX, CELL_PX, &mut xs, &mut ys);
                black_box((&mut xs, &mut ys));
            }
            rows += start.elapsed().as_secs_f64();
        }
        (cells_s, rows_s) = (cells_s.min(cells), rows_s.min(rows));
    }
    let per_px = 1e9 / (2048.0 * 2048.0);
    println!(
        "{name:<28} {:?}: rows {:.2} ns/px, cells {:.2} ns/px, last pitch {pitch} px",
        map.kind(),
        rows_s * per_px,
        cells_s * per_px
    );
    Ok(())
}

fn main() -> Result<(), WcsError> {
    time("TAN to TAN", &source("")?, 1e-4)?;
    time("TAN to SIP, 1e-4 px", &source(SIP)?, 1e-4)?;
    time("TAN to SIP, 1e-3 px", &source(SIP)?, 1e-3)?;
    time("TAN to SIP, exact", &source(SIP)?, 0.0)
}
