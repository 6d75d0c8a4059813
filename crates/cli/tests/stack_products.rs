//! `stack` says as much of the match as `mosaic`: tables in the file, a page in the folder, warnings that name what is there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{ColumnData, ImageData, read_table};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, write_test_frame};

/// Frames whose gradients have opposite signs, which no offset takes away.
fn tilted(dir: &Path) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for index in 0..2_u8 {
        let shift = 100.0 * f64::from(index) * SCALE_ARCSEC / 3600.0;
        let centre = (150.0 + shift / 41.0_f64.to_radians().cos(), 41.0);
        let frame = TanFrame::pointed_at(centre, SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT));
        let slope = if index == 0 { 2.0 } else { -2.0 };
        let mut image = sky_image(&frame, 900 + u64::from(index));
        image.chunks_exact_mut(WIDTH).for_each(|row| {
            row.iter_mut().enumerate().for_each(|(x, value)| *value += slope * x as f32);
        });
        let path = frames.join(format!("t{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&image), observed(index.into())).unwrap();
    }
    frames
}

fn numbers(mosaic: &Mosaic, table: &str, column: &str) -> Vec<f64> {
    let columns = read_table(&mosaic.file.path, mosaic.hdu(table)).unwrap();
    match &columns.iter().find(|own| own.name == column).unwrap().data {
        ColumnData::I32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        ColumnData::F64(values) | ColumnData::F64Array { values, .. } => values.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn a_stack_has_the_tables_and_the_page_that_warnings_name() {
    let dir = folder();
    let frames = tilted(dir.path());
    // A grid of which the frames touch the middle alone.
    let wide = dir.path().join("wide");
    mosaic(&[&frames], &wide, &["--center", "150.03,41", "--size", "600x500"]).expect(0, "");
    let grid = wide.join("mosaic.fits");
    let stack = |out: &Path| {
        let flags = ["--match", "offset", "--gate", "off"];
        run(program().arg("stack").arg(&frames).args(flags).arg("--grid").arg(&grid).arg("-o").arg(out))
    };
    let (file, night) = (dir.path().join("one.fits"), dir.path().join("night"));
    stack(&file).expect(0, "W-SEAMS").tells("table SEAMS of the file shows where");
    stack(&night).expect(0, "W-SEAMS").tells("report.html shows where");
    let page = std::fs::read_to_string(night.join("report.html")).unwrap();
    assert!(page.contains("Seams: FAIL") && page.matches("<svg").count() == 2, "{page}");
    run(program().arg("check").arg(&night)).expect(0, "");
    for path in [&file, &night.join("master_tile_001.fits")] {
        let tile = Mosaic::open(path);
        assert_eq!(numbers(&tile, "GAUGE", "INPUT_A"), [1.0]);
        assert_eq!(numbers(&tile, "GAUGE", "INPUT_B"), [2.0]);
        let header = tile.header("SCI");
        assert!(header.get_i64("ZMT_X0").unwrap() > 50, "a cut-out");
        // Places are those of the tile's own pixels.
        for (axis, size) in [("X", "NAXIS1"), ("Y", "NAXIS2")] {
            let most = header.get_i64(size).unwrap() as f64 + 0.5;
            let places = numbers(&tile, "SEAMS", axis);
            // A piece of a join is the side of a block, whose middle may lie half of it outside.
            assert!(places.iter().all(|at| (-32.0..=most + 32.0).contains(at)), "{axis} {places:?} {most}");
            assert!(!places.is_empty());
        }
    }
}
