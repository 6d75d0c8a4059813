//! Footprints at awkward places, groups, the automatic grid and canvas outliers.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use zemosaic_fits::Header;
use zemosaic_sky::{
    Footprint, FrameGeometry, Grid, GridError, GridOptions, GridProjection, OutlierReason, Rotation,
    SkyFrame, Wcs, angle_rad, automatic_grid, canvas_outliers, grid_bounds, overlap_groups, unit_vector,
};

fn frame(lon: f64, lat: f64, angle_deg: f64) -> FrameGeometry {
    scaled_frame(lon, lat, angle_deg, 2.4)
}

/// 1000 x 1500 px; at 2.4 arcsec it is 0.67 x 1.0 deg.
fn scaled_frame(lon: f64, lat: f64, angle_deg: f64, scale_arcsec: f64) -> FrameGeometry {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let k = scale_arcsec / 3600.0;
    let wcs =
        Wcs::tan([lon, lat], [499.5, 749.5], [[-k * c, k * s], [k * s, k * c]], SkyFrame::Icrs).unwrap();
    FrameGeometry { wcs, width: 1000, height: 1500 }
}

fn footprint(f: &FrameGeometry) -> Footprint {
    Footprint::of(&f.wcs, f.width, f.height).unwrap()
}

#[test]
fn contains_at_the_pole_and_across_zero() {
    let pole = footprint(&frame(0.0, 89.9, 20.0));
    assert!(pole.contains(&unit_vector(0.0, 90.0)));
    assert!(pole.contains(&unit_vector(180.0, 89.9)));
    assert!(!pole.contains(&unit_vector(180.0, 88.9)));
    let wrap = footprint(&frame(0.0, -30.0, 0.0));
    for (lon, lat, inside) in [
        (359.8, -30.0, true),
        (0.2, -30.2, true),
        (0.0, -29.51, true),
        (1.0, -30.0, false),
        (180.0, 30.0, false),
    ] {
        assert_eq!(wrap.contains(&unit_vector(lon, lat)), inside, "{lon} {lat}");
    }
    assert_eq!(wrap.vertices().len(), 4);
    assert!(angle_rad(&wrap.centre(), &unit_vector(0.0, -30.0)) < 1e-12);
    assert!((wrap.radius_rad().to_degrees() - 0.601).abs() < 1e-3);
}

#[test]
fn contains_agrees_with_pixels() {
    for (lon, lat, angle) in
        [(10.0, 20.0, 69.0), (359.9, 0.0, 0.0), (77.0, 89.7, 12.0), (77.0, -89.99, -100.0)]
    {
        let f = frame(lon, lat, angle);
        let outline = footprint(&f);
        for j in -20..120 {
            for i in -20..120 {
                let (x, y) = (f64::from(i) * 10.0 + 0.3, f64::from(j) * 15.0 + 0.3);
                let inside = x < 999.5 && y < 1499.5 && x > -0.5 && y > -0.5;
                assert_eq!(
                    outline.contains(&f.wcs.pixel_to_icrs(x, y).unwrap()),
                    inside,
                    "{lon} {lat}: {x} {y}"
                );
            }
        }
    }
}

#[test]
fn overlaps() {
    let at = |lon, lat, angle| footprint(&frame(lon, lat, angle));
    assert!(at(359.8, 10.0, 0.0).overlaps(&at(0.2, 10.0, 0.0)));
    assert!(!at(359.6, 10.0, 0.0).overlaps(&at(0.4, 10.0, 0.0)));
    assert!(at(0.0, 89.8, 0.0).overlaps(&at(180.0, 89.8, 0.0)));
    assert!(at(50.0, 50.0, 0.0).overlaps(&at(50.0, 50.0, 0.0)));
    // A cross: no corner of either lies in the other.
    assert!(at(50.0, 0.0, 0.0).overlaps(&at(50.0, 0.0, 90.0)));
    // One inside the other.
    let small = footprint(&scaled_frame(50.1, 0.1, 10.0, 0.2));
    assert!(small.overlaps(&at(50.0, 0.0, 0.0)) && at(50.0, 0.0, 0.0).overlaps(&small));
    // Neighbours with a gap whose edges lie on one great circle: cut-outs of one grid.
    let f = frame(50.0, 40.0, 0.0);
    let left = Footprint::of(&f.wcs, 400, 300).unwrap();
    let right = Footprint::of(&f.wcs.shifted(410.0, 0.0), 400, 300).unwrap();
    assert!(!left.overlaps(&right) && !right.overlaps(&left));
    // Opposite points of the sky.
    assert!(!at(10.0, 10.0, 0.0).overlaps(&at(190.0, -10.0, 0.0)));
}

#[test]
fn whole_sky_and_solar_frames_have_no_footprint() {
    let wide = scaled_frame(0.0, 0.0, 0.0, 3600.0);
    assert_eq!(Footprint::of(&wide.wcs, 1000, 1500).unwrap_err().code(), "E-WCS-FOOTPRINT");
    let solar = Header::parse_text(
        "CTYPE1  = 'HPLN-TAN'\nCTYPE2  = 'HPLT-TAN'\nCRPIX1  = 1.0\nCRPIX2  = 1.0\nCRVAL1  = 0.0\nCRVAL2  = 0.0\n\
         CDELT1  = 1E-3\nCDELT2  = 1E-3",
    )
    .unwrap();
    let wcs = Wcs::from_header(&solar).unwrap();
    assert_eq!(wcs.frame(), &SkyFrame::Other("HPLN".into()));
    assert_eq!(Footprint::of(&wcs, 10, 10).unwrap_err().code(), "E-WCS-FRAME");
    let frames = [FrameGeometry { wcs, width: 10, height: 10 }];
    assert_eq!(automatic_grid(&frames, &GridOptions::default()).unwrap_err().code(), "E-WCS-FRAME");
}

#[test]
fn groups_by_size_then_first_frame() {
    let places = [(100.0, 0.0), (10.0, 0.0), (10.5, 0.0), (200.0, 0.0), (11.0, 0.3), (200.3, 0.2)];
    let outlines: Vec<_> = places.iter().map(|&(lon, lat)| footprint(&frame(lon, lat, 0.0))).collect();
    assert_eq!(overlap_groups(&outlines), vec![2, 0, 0, 1, 0, 1]);
    assert_eq!(overlap_groups(&[]), Vec::<usize>::new());
}

fn mosaic() -> Vec<FrameGeometry> {
    let mut frames = Vec::new();
    for j in 0..4 {
        for i in 0..5 {
            let (fi, fj) = (f64::from(i), f64::from(j));
            frames.push(frame((359.0 + 0.5 * fi).rem_euclid(360.0), 30.0 + 0.7 * fj, 17.0 * fi - 9.0 * fj));
        }
    }
    frames
}

fn grid_bytes(grid: &Grid) -> Vec<u8> {
    let mut header = Header::new();
    grid.wcs.write_to(&mut header);
    header.set_i64("NAXIS1", grid.width as i64, "");
    header.set_i64("NAXIS2", grid.height as i64, "");
    header.to_bytes()
}

#[test]
fn automatic_grid_does_not_depend_on_order() {
    let frames = mosaic();
    for rotation in [Rotation::NorthUp, Rotation::Auto, Rotation::Degrees(30.0)] {
        let opts = GridOptions { rotation, ..GridOptions::default() };
        let first = automatic_grid(&frames, &opts).unwrap();
        let mut shuffled = frames.clone();
        for k in 0..20 {
            let n = shuffled.len();
            shuffled.swap(k % n, (k * 7 + 3) % n);
            shuffled.rotate_left(3);
            let again = automatic_grid(&shuffled, &opts).unwrap();
            assert_eq!(grid_bytes(&again), grid_bytes(&first), "{rotation:?}");
        }
        // The grid can be written and read.
        let read = Grid::from_header(&Header::parse(&grid_bytes(&first)).unwrap().0).unwrap();
        assert_eq!((read.width, read.height), (first.width, first.height));
        assert_eq!(grid_bytes(&read), grid_bytes(&first));
    }
}

#[test]
fn automatic_grid_holds_all_frames_tightly() {
    let frames = mosaic();
    for rotation in [Rotation::NorthUp, Rotation::Auto, Rotation::Degrees(-60.0)] {
        let grid = automatic_grid(&frames, &GridOptions { rotation, ..GridOptions::default() }).unwrap();
        let (w, h) = (grid.width as f64, grid.height as f64);
        let mut rim = [f64::INFINITY; 4];
        for f in &frames {
            for v in footprint(f).vertices() {
                let (x, y) = grid.wcs.icrs_to_pixel(v).unwrap();
                let distance = [x + 0.5, y + 0.5, w - 0.5 - x, h - 0.5 - y];
                rim = std::array::from_fn(|k| rim[k].min(distance[k]));
            }
        }
        assert!(rim.iter().all(|d| (1.0 - 1e-6..2.0).contains(d)), "{rotation:?}: {rim:?}");
        assert!((grid.wcs.scale_deg() * 3600.0 - 2.4).abs() < 1e-12);
        assert_eq!(grid.wcs.parity(), -1.0);
        if let Rotation::Degrees(angle) = rotation {
            assert!((grid.wcs.position_angle_deg() - angle).abs() < 1e-9);
        }
    }
}

#[test]
fn rotation_auto_finds_a_tilted_frame() {
    let frames = [frame(120.0, 35.0, 20.0)];
    let grid =
        automatic_grid(&frames, &GridOptions { rotation: Rotation::Auto, ..GridOptions::default() }).unwrap();
    assert!((grid.wcs.position_angle_deg() - 20.0).abs() < 0.1, "{}", grid.wcs.position_angle_deg());
    assert!(grid.width <= 1003 && grid.height <= 1503, "{} x {}", grid.width, grid.height);
}

#[test]
fn grid_options_are_honoured() {
    let frames = mosaic();
    let opts = GridOptions {
        scale_arcsec: Some(10.0),
        centre_deg: Some((0.25, 31.0)),
        size_px: Some((801, 601)),
        ..GridOptions::default()
    };
    let grid = automatic_grid(&frames, &opts).unwrap();
    assert_eq!((grid.width, grid.height), (801, 601));
    let (lon, lat) = grid.wcs.pixel_to_sky(400.0, 300.0).unwrap();
    assert!((lon - 0.25).abs() < 1e-12 && (lat - 31.0).abs() < 1e-12);
    assert_eq!("auto".parse::<Rotation>(), Ok(Rotation::Auto));
    assert_eq!("-12.5".parse::<Rotation>(), Ok(Rotation::Degrees(-12.5)));
    assert!("sideways".parse::<Rotation>().is_err());
    let bad = GridOptions { scale_arcsec: Some(-1.0), ..GridOptions::default() };
    assert_eq!(automatic_grid(&frames, &bad).unwrap_err().code(), "E-GRID-OPTION");
    assert_eq!(automatic_grid(&[], &opts).unwrap_err(), GridError::NoFrames);
    let spread = [frame(0.0, 0.0, 0.0), frame(170.0, 0.0, 0.0)];
    assert_eq!(
        automatic_grid(&spread, &GridOptions { projection: GridProjection::Tan, ..GridOptions::default() })
            .unwrap_err()
            .code(),
        "E-GRID-TOOWIDE"
    );
}

#[test]
fn canvas_outliers_are_flagged() {
    let mut frames = mosaic();
    assert!(canvas_outliers(&frames).iter().all(Option::is_none));
    frames.push(frame(0.0, 71.0, 0.0));
    frames.push(scaled_frame(0.0, 31.0, 0.0, 20.0));
    let found = canvas_outliers(&frames);
    assert!(found[..20].iter().all(Option::is_none));
    assert!(
        matches!(&found[20], Some(OutlierReason::Far { distance_deg, .. }) if (distance_deg - 40.0).abs() < 1.0)
    );
    assert!(matches!(&found[21], Some(OutlierReason::Scale { ratio }) if (ratio - 20.0 / 2.4).abs() < 1e-9));
    // A long strip is a mosaic, not a set of outliers.
    let strip: Vec<_> = (0..60).map(|i| frame(100.0 + 0.5 * f64::from(i), 0.0, 0.0)).collect();
    assert!(canvas_outliers(&strip).iter().all(Option::is_none));
}

/// Every pixel of every frame lies on the grid and in the bounds of the frame, also across the seam and round the pole.
#[test]
fn grids_of_other_projections_hold_their_frames() {
    let k = 0.1;
    let frame = |lon: f64, lat: f64| FrameGeometry {
        wcs: Wcs::tan([lon, lat], [60.0, 40.0], [[-k, 0.0], [0.0, k]], SkyFrame::Icrs).unwrap(),
        width: 121,
        height: 81,
    };
    let near = vec![frame(10.0, 20.0), frame(11.0, 21.0)];
    let wide = vec![frame(10.0, 20.0), frame(40.0, 30.0), frame(70.0, 60.0)];
    let around = vec![frame(10.0, 20.0), frame(188.0, 10.0), frame(120.0, 86.5), frame(300.0, -30.0)];
    let cases = [
        (&near, GridProjection::Auto, "ZEA"),
        (&wide, GridProjection::Auto, "ZEA"),
        (&wide, GridProjection::Tan, "TAN"),
        (&wide, GridProjection::Stg, "STG"),
        (&wide, GridProjection::Sin, "SIN"),
        (&around, GridProjection::Car, "CAR"),
        (&around, GridProjection::Ait, "AIT"),
    ];
    for (frames, projection, code) in cases {
        let grid = automatic_grid(frames, &GridOptions { projection, ..GridOptions::default() }).unwrap();
        assert_eq!(grid.wcs.projection_name(), code);
        let mut header = zemosaic_fits::Header::new();
        grid.wcs.write_to(&mut header);
        let again = Wcs::from_header(&header).unwrap();
        for frame in frames {
            let bounds = grid_bounds(&grid, &frame.wcs, frame.width, frame.height).unwrap();
            for (i, j) in (0..=120).flat_map(|i| (0..=80).map(move |j| (f64::from(i), f64::from(j)))) {
                let v = frame.wcs.pixel_to_icrs(i, j).unwrap();
                let (x, y) = grid.wcs.icrs_to_pixel(&v).unwrap();
                let inside = x > -0.5 && y > -0.5 && x < grid.width as f64 && y < grid.height as f64;
                assert!(inside, "{code}: ({i}, {j}) at ({x}, {y}) of {} x {}", grid.width, grid.height);
                let (px, py) = ((x + 0.5).floor() as i64, (y + 0.5).floor() as i64);
                let held = (bounds.x0..bounds.x1()).contains(&px) && (bounds.y0..bounds.y1()).contains(&py);
                assert!(held, "{code}: ({i}, {j}) at ({x}, {y}), bounds {bounds:?}");
                let back = again.pixel_to_icrs(x, y).unwrap();
                assert!(zemosaic_sky::angle_rad(&back, &v) < 1e-11, "{code}: ({i}, {j})");
            }
        }
    }
}
