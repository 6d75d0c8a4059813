//! Maps from the grid to a source: stated errors, equality with the exact definition, bounds, sub-rows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use proptest::prelude::{Strategy, prop_assert, proptest};
use proptest::test_runner::Config;
use zemosaic_fits::Header;
use zemosaic_sky::{CELL_PX, Grid, MapKind, MapOptions, PixelMap, SkyFrame, Wcs, grid_bounds};

const SOURCE_PX: (usize, usize) = (1080, 1920);

fn tan(
    crval: [f64; 2],
    crpix: [f64; 2],
    scale_arcsec: f64,
    angle_deg: f64,
    parity: f64,
    frame: SkyFrame,
) -> Wcs {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let scale = scale_arcsec / 3600.0;
    let cd = [[parity * scale * c, scale * s], [-parity * scale * s, scale * c]];
    Wcs::tan(crval, crpix, cd, frame).unwrap()
}

fn with_sip(wcs: &Wcs, strength: f64) -> Wcs {
    let mut header = Header::new();
    wcs.write_to(&mut header);
    for key in ["CTYPE1", "CTYPE2"] {
        let plain = header.get_str(key).unwrap();
        header.set_str(key, &format!("{plain}-SIP"), "");
    }
    for (key, value) in [
        ("A_2_0", 1.1e-5),
        ("A_1_1", -4.0e-6),
        ("A_0_2", 3.0e-6),
        ("A_3_0", 2.2e-8),
        ("A_1_2", 1.9e-8),
        ("B_2_0", -2.0e-6),
        ("B_1_1", 9.0e-6),
        ("B_0_2", 7.0e-6),
        ("B_0_3", 2.0e-8),
        ("B_2_1", 2.1e-8),
    ] {
        header.set_f64(key, value * strength, "");
    }
    header.set_i64("A_ORDER", 3, "");
    header.set_i64("B_ORDER", 3, "");
    Wcs::from_header(&header).unwrap()
}

/// Grid of 2.4 arcsec round a point, north up.
fn grid(crval: [f64; 2], side: usize) -> Grid {
    let middle = (side as f64 - 1.0) / 2.0;
    let wcs = tan(crval, [middle, middle], 2.4, 0.0, -1.0, SkyFrame::Icrs);
    Grid { wcs, width: side, height: side }
}

struct Pair {
    name: &'static str,
    grid: Grid,
    source: Wcs,
}

fn pairs() -> Vec<Pair> {
    let centre = [539.5, 959.5];
    let make = |name, at: [f64; 2], offset: [f64; 2], angle: f64, parity: f64| Pair {
        name,
        grid: grid(at, 2000),
        source: tan(
            [(at[0] + offset[0]).rem_euclid(360.0), at[1] + offset[1]],
            centre,
            2.374,
            angle,
            parity,
            SkyFrame::Icrs,
        ),
    };
    vec![
        make("plain", [192.7, 41.1], [0.1, -0.1], 0.0, -1.0),
        make("rotated 69 deg, mirrored", [192.7, 41.1], [-0.2, 0.15], 69.0, 1.0),
        make("RA wrap", [0.05, -20.0], [-0.2, 0.1], -12.0, -1.0),
        make("near the pole", [30.0, 89.8], [90.0, 0.0], 33.0, -1.0),
        make("far tangent points", [100.0, 10.0], [8.0, 6.0], 5.0, -1.0),
        Pair {
            name: "galactic source",
            grid: grid([266.4, -28.9], 2000),
            source: tan([0.0, 0.0], centre, 2.374, 20.0, -1.0, SkyFrame::Galactic),
        },
        Pair {
            name: "FK5 source",
            grid: grid([315.4, 68.1], 2000),
            source: tan([315.4, 68.1], centre, 2.374, 200.0, 1.0, SkyFrame::Fk5 { equinox: 2000.0 }),
        },
    ]
}

/// A small reproducible generator (splitmix64) of numbers in [0, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() * n as f64) as usize).min(n - 1)
    }
}

fn near_frame(x: f64, y: f64, size: (usize, usize)) -> bool {
    x > -9.0 && y > -9.0 && x < size.0 as f64 + 8.0 && y < size.1 as f64 + 8.0
}

/// Worst deviation from the exact position over random pixels near the frame, and how many were near.
fn worst_error(
    map: &PixelMap,
    size: (usize, usize),
    side: usize,
    samples_per_cell: usize,
    random: &mut Random,
) -> (f64, usize) {
    let (mut worst, mut near) = (0.0_f64, 0);
    let (mut px, mut py) = ([0.0], [0.0]);
    for cell_y in 0..side.div_ceil(CELL_PX) {
        for cell_x in 0..side.div_ceil(CELL_PX) {
            let cell = map.cell(cell_x, cell_y);
            for _ in 0..samples_per_cell {
                let (x, y) =
                    (cell_x * CELL_PX + random.below(CELL_PX), cell_y * CELL_PX + random.below(CELL_PX));
                cell.row(y, x, 1, &mut px, &mut py);
                let Some((ex, ey)) = map.exact(x as f64, y as f64) else { continue };
                if near_frame(ex, ey, size) {
                    near += 1;
                    let error = (px[0] - ex).abs().max((py[0] - ey).abs());
                    assert!(
                        error <= cell.stated_error_px() + 1e-9,
                        "({x}, {y}): {error:e} > {:e}",
                        cell.stated_error_px()
                    );
                    worst = worst.max(error);
                } else {
                    // Where accuracy is not promised, positions must at least stay off the frame.
                    let on_frame =
                        (0.0..size.0 as f64).contains(&px[0]) && (0.0..size.1 as f64).contains(&py[0]);
                    assert!(!on_frame, "({x}, {y}) lands at ({}, {}), exactly ({ex}, {ey})", px[0], py[0]);
                }
            }
        }
    }
    (worst, near)
}

#[test]
fn homography_equals_exact() {
    for pair in pairs() {
        let map =
            PixelMap::new(&pair.grid, &pair.source, SOURCE_PX.0, SOURCE_PX.1, MapOptions::default()).unwrap();
        assert_eq!(map.kind(), MapKind::Homography);
        let (worst, near) = worst_error(&map, SOURCE_PX, 2000, 500, &mut Random(1));
        assert!(worst < 1e-9, "{}: {worst:e}", pair.name);
        assert!(near > 1000 || pair.name == "far tangent points", "{}: {near}", pair.name);
    }
}

#[test]
fn node_grids_keep_their_stated_error() {
    for pair in pairs() {
        for strength in [0.3, 1.0, 10.0] {
            let source = with_sip(&pair.source, strength);
            for max_error_px in [1e-4, 1e-3] {
                let opts = MapOptions { max_error_px };
                let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, opts).unwrap();
                assert_eq!(map.kind(), MapKind::NodeGrid);
                let (worst, near) = worst_error(&map, SOURCE_PX, 2000, 2000, &mut Random(2));
                assert!(worst <= max_error_px, "{} x {strength}: {worst:e} of {max_error_px:e}", pair.name);
                assert!(near > 1000 || pair.name == "far tangent points", "{}: {near}", pair.name);
            }
        }
    }
}

/// Corners of pixels, those on and beyond the borders of a cell included, against exact positions.
#[test]
fn corners_keep_the_stated_error_too() {
    for pair in pairs() {
        for (strength, max_error_px) in [(0.0, 1e-4), (1.0, 1e-4), (10.0, 1e-4), (10.0, 1e-6), (1.0, 0.0)] {
            let source = if strength > 0.0 { with_sip(&pair.source, strength) } else { pair.source.clone() };
            let opts = MapOptions { max_error_px };
            let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, opts).unwrap();
            let (mut worst, mut near) = (0.0_f64, 0);
            let (mut xs, mut ys) = (vec![0.0; CELL_PX + 1], vec![0.0; CELL_PX + 1]);
            for (cx, cy) in [(3, 3), (3, 4), (4, 3), (1, 5), (0, 0), (7, 2)] {
                let cell = map.cell(cx, cy);
                for y in [0, 1, 2, 31, 32, 33, 100, 255, 256].map(|y| y + cy * CELL_PX) {
                    cell.corner_row(y, cx * CELL_PX, CELL_PX, &mut xs, &mut ys);
                    for i in [0, 1, 2, 16, 32, 33, 77, 254, 255, 256] {
                        let Some((ex, ey)) = map.exact((cx * CELL_PX + i) as f64 - 0.5, y as f64 - 0.5)
                        else {
                            continue;
                        };
                        if near_frame(ex, ey, SOURCE_PX) {
                            near += 1;
                            let error = (xs[i] - ex).abs().max((ys[i] - ey).abs());
                            assert!(
                                error <= cell.stated_error_px() + 1e-9,
                                "{} {i} {y}: {error:e}",
                                pair.name
                            );
                            worst = worst.max(error);
                        }
                    }
                }
            }
            println!("{} x {strength}: {worst:.1e} of {max_error_px:.0e}, {near} corners", pair.name);
            assert!(near > 100 || pair.name == "far tangent points", "{}: {near}", pair.name);
        }
    }
}

#[test]
fn corners_of_a_tpv_source_keep_the_stated_error() {
    let header = Header::parse_text(
        "CTYPE1  = 'RA---TPV'\nCTYPE2  = 'DEC--TPV'\nCRVAL1  = 192.7\nCRVAL2  = 41.1\nCRPIX1  = 540.5\nCRPIX2  = 960.5\n\
         CD1_1   = -6.6E-4\nCD1_2   = 1.0E-5\nCD2_1   = 1.1E-5\nCD2_2   = 6.6E-4\nPV1_1   = 1.0\nPV1_4   = 2.0E-3\n\
         PV1_7   = 1.5E-2\nPV1_9   = 1.5E-2\nPV2_1   = 1.0\nPV2_5   = -1.0E-3\nPV2_7   = 1.5E-2\nPV2_9   = 1.5E-2",
    )
    .unwrap();
    let source = Wcs::from_header(&header).unwrap();
    assert!(source.has_distortion());
    let map =
        PixelMap::new(&grid([192.7, 41.1], 2000), &source, SOURCE_PX.0, SOURCE_PX.1, MapOptions::default())
            .unwrap();
    let (mut worst, mut near) = (0.0_f64, 0);
    let (mut xs, mut ys) = (vec![0.0; CELL_PX + 1], vec![0.0; CELL_PX + 1]);
    for (cx, cy) in [(3, 3), (4, 4), (2, 5)] {
        let cell = map.cell(cx, cy);
        for y in [0, 1, 17, 128, 255, 256].map(|y| y + cy * CELL_PX) {
            cell.corner_row(y, cx * CELL_PX, CELL_PX, &mut xs, &mut ys);
            for i in 0..=CELL_PX {
                let Some((ex, ey)) = map.exact((cx * CELL_PX + i) as f64 - 0.5, y as f64 - 0.5) else {
                    continue;
                };
                if near_frame(ex, ey, SOURCE_PX) {
                    near += 1;
                    worst = worst.max((xs[i] - ex).abs()).max((ys[i] - ey).abs());
                }
            }
        }
    }
    println!("{worst:.1e} over {near} corners");
    assert!(worst <= 1e-4 && near > 3000, "{worst:e} {near}");
}

#[test]
fn corner_rows_do_not_depend_on_where_they_begin() {
    for (k, pair) in pairs().iter().enumerate() {
        for (source, max_error_px) in [
            (pair.source.clone(), 1e-4),
            (with_sip(&pair.source, 1.0), 1e-4),
            (with_sip(&pair.source, 1.0), 0.0),
        ] {
            let opts = MapOptions { max_error_px };
            let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, opts).unwrap();
            let mut random = Random(50 + k as u64);
            let cell = map.cell(3, 4);
            let (mut fx, mut fy) = (vec![0.0; CELL_PX + 1], vec![0.0; CELL_PX + 1]);
            for _ in 0..10 {
                let y = 4 * CELL_PX + random.below(CELL_PX + 1);
                cell.corner_row(y, 3 * CELL_PX, CELL_PX, &mut fx, &mut fy);
                let start = random.below(CELL_PX);
                let n = 1 + random.below(CELL_PX - start);
                let (mut xs, mut ys) = (vec![0.0; n + 1], vec![0.0; n + 1]);
                cell.corner_row(y, 3 * CELL_PX + start, n, &mut xs, &mut ys);
                let bits = |v: &[f64]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&xs), bits(&fx[start..=start + n]));
                assert_eq!(bits(&ys), bits(&fy[start..=start + n]));
            }
        }
    }
}

#[test]
fn sin_sources_use_nodes() {
    let header = Header::parse_text(
        "CTYPE1  = 'RA---SIN'\nCTYPE2  = 'DEC--SIN'\nCRVAL1  = 275.0\nCRVAL2  = -16.2\nCRPIX1  = 256.5\nCRPIX2  = 512.5\n\
         CDELT1  = -2.7777E-4\nCDELT2  = 2.7777E-4\nCROTA2  = 0.0074\nEQUINOX = 2000.0",
    )
    .unwrap();
    let source = Wcs::from_header(&header).unwrap();
    let middle = 599.5;
    let wcs = tan([275.05, -16.25], [middle, middle], 1.0, 0.0, -1.0, SkyFrame::Icrs);
    let grid = Grid { wcs, width: 1200, height: 1200 };
    let map = PixelMap::new(&grid, &source, 512, 1024, MapOptions::default()).unwrap();
    let (worst, near) = worst_error(&map, (512, 1024), 1200, 2000, &mut Random(3));
    assert!(worst <= 1e-4 && near > 1000, "{worst:e} {near}");
    assert_eq!(map.cell(2, 2).pitch_px(), 32);
}

#[test]
fn zero_error_is_exact() {
    let pair = &pairs()[1];
    let source = with_sip(&pair.source, 1.0);
    let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, MapOptions { max_error_px: 0.0 })
        .unwrap();
    assert_eq!(map.kind(), MapKind::Exact);
    let (worst, near) = worst_error(&map, SOURCE_PX, 2000, 100, &mut Random(4));
    assert_eq!(worst, 0.0);
    assert!(near > 1000);
}

#[test]
fn sub_rows_equal_full_rows() {
    for (k, pair) in pairs().iter().enumerate() {
        for (source, max_error_px) in [
            (pair.source.clone(), 1e-4),
            (with_sip(&pair.source, 1.0), 1e-4),
            (with_sip(&pair.source, 1.0), 0.0),
        ] {
            let opts = MapOptions { max_error_px };
            let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, opts).unwrap();
            let mut random = Random(k as u64);
            let cell = map.cell(3, 4);
            let (mut fx, mut fy) = (vec![0.0; CELL_PX], vec![0.0; CELL_PX]);
            for _ in 0..20 {
                let y = 4 * CELL_PX + random.below(CELL_PX);
                cell.row(y, 3 * CELL_PX, CELL_PX, &mut fx, &mut fy);
                let start = random.below(CELL_PX);
                let n = 1 + random.below(CELL_PX - start);
                let (mut xs, mut ys) = (vec![0.0; n], vec![0.0; n]);
                // A cell made anew must not differ either.
                map.clone().cell(3, 4).row(y, 3 * CELL_PX + start, n, &mut xs, &mut ys);
                let bits = |v: &[f64]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&xs), bits(&fx[start..start + n]));
                assert_eq!(bits(&ys), bits(&fy[start..start + n]));
            }
        }
    }
}

#[test]
fn bounds_contain_every_position() {
    let mut random = Random(7);
    for pair in pairs() {
        for (source, max_error_px) in [
            (pair.source.clone(), 1e-4),
            (with_sip(&pair.source, 1.0), 1e-4),
            (with_sip(&pair.source, 10.0), 1e-4),
            (with_sip(&pair.source, 1.0), 0.0),
        ] {
            let opts = MapOptions { max_error_px };
            let map = PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, opts).unwrap();
            for _ in 0..6 {
                let (cx, cy) = (random.below(8), random.below(8));
                check_bounds(&map, cx, cy, &mut random, pair.name);
            }
        }
    }
}

fn check_bounds(map: &PixelMap, cx: usize, cy: usize, random: &mut Random, name: &str) {
    let cell = map.cell(cx, cy);
    let part = |random: &mut Random, origin: usize| {
        let a = random.below(CELL_PX);
        (origin + a, origin + a + 1 + random.below(CELL_PX - a))
    };
    let ((x0, x1), (y0, y1)) = (part(random, cx * CELL_PX), part(random, cy * CELL_PX));
    let bounds = cell.bounds(x0, y0, x1, y1);
    let (mut xs, mut ys) = (vec![0.0; x1 - x0], vec![0.0; x1 - x0]);
    for y in y0..y1 {
        cell.row(y, x0, x1 - x0, &mut xs, &mut ys);
        for (x, y) in xs.iter().zip(&ys).filter(|(x, _)| !x.is_nan()) {
            let (xmin, ymin, xmax, ymax) =
                bounds.unwrap_or_else(|| panic!("{name}: no bounds, but ({x}, {y})"));
            assert!(
                *x >= xmin && *x <= xmax && *y >= ymin && *y <= ymax,
                "{name}: ({x}, {y}) not in {bounds:?}"
            );
        }
    }
    assert!(cell.bounds(x0, y0, x0, y1).is_none());
}

#[test]
fn behind_the_tangent_plane_nothing_is_defined() {
    let grid = grid([10.0, 10.0], 600);
    let source = tan([190.0, -10.0], [0.0, 0.0], 2.4, 0.0, -1.0, SkyFrame::Icrs);
    for source in [source.clone(), with_sip(&source, 1.0)] {
        let map = PixelMap::new(&grid, &source, 500, 500, MapOptions::default()).unwrap();
        let cell = map.cell(1, 1);
        let (mut xs, mut ys) = (vec![0.0; 256], vec![0.0; 256]);
        cell.row(300, 256, 256, &mut xs, &mut ys);
        assert!(xs.iter().chain(&ys).all(|v| v.is_nan()));
        assert!(cell.bounds(256, 256, 512, 512).is_none());
        assert!(grid_bounds(&grid, &source, 500, 500).is_none());
    }
}

#[test]
fn grid_bounds_contain_the_frame() {
    for pair in pairs() {
        for source in [pair.source.clone(), with_sip(&pair.source, 1.0)] {
            let map =
                PixelMap::new(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1, MapOptions::default()).unwrap();
            let region = grid_bounds(&pair.grid, &source, SOURCE_PX.0, SOURCE_PX.1);
            let mut random = Random(5);
            let mut hits = 0;
            for _ in 0..20_000 {
                let (x, y) = (random.below(2000), random.below(2000));
                let Some((sx, sy)) = map.exact(x as f64, y as f64) else { continue };
                if sx >= -0.5 && sy >= -0.5 && sx < SOURCE_PX.0 as f64 && sy < SOURCE_PX.1 as f64 {
                    hits += 1;
                    let r = region.unwrap_or_else(|| panic!("{}: no bounds", pair.name));
                    let inside = x as i64 >= r.x0
                        && y as i64 >= r.y0
                        && (x as i64) < r.x0 + r.width as i64
                        && (y as i64) < r.y0 + r.height as i64;
                    assert!(inside, "{}: ({x}, {y}) not in {r:?}", pair.name);
                }
            }
            assert_eq!(hits > 0, region.is_some(), "{}: {hits} {region:?}", pair.name);
        }
    }
}

fn sky_places() -> impl Strategy<Value = (f64, f64, f64, f64)> {
    (0.0..360.0_f64, -89.99..89.99_f64, -180.0..180.0_f64, 0.5..60.0_f64)
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    #[test]
    fn tan_round_trip((lon, lat, angle, scale) in sky_places(), x in -2000.0..6000.0_f64, y in -2000.0..6000.0_f64) {
        let wcs = tan([lon, lat], [1500.0, 1000.0], scale, angle, -1.0, SkyFrame::Fk5 { equinox: 2000.0 });
        let v = wcs.pixel_to_icrs(x, y).unwrap();
        let (bx, by) = wcs.icrs_to_pixel(&v).unwrap();
        prop_assert!((bx - x).abs() < 1e-7 && (by - y).abs() < 1e-7, "{bx} {by}");
        let (slon, slat) = wcs.pixel_to_sky(x, y).unwrap();
        prop_assert!((0.0..360.0).contains(&slon));
        let (bx, by) = wcs.sky_to_pixel(slon, slat).unwrap();
        prop_assert!((bx - x).abs() < 1e-7 && (by - y).abs() < 1e-7, "{bx} {by}");
        prop_assert!((wcs.scale_deg() * 3600.0 - scale).abs() < 1e-9);
        prop_assert!((wcs.position_angle_deg() - angle).abs() < 1e-9, "{} {angle}", wcs.position_angle_deg());
    }

    #[test]
    fn sip_round_trip((lon, lat, angle, scale) in sky_places(), x in 0.0..1080.0_f64, y in 0.0..1920.0_f64) {
        let wcs = with_sip(&tan([lon, lat], [539.5, 959.5], scale, angle, 1.0, SkyFrame::Icrs), 1.0);
        let v = wcs.pixel_to_icrs(x, y).unwrap();
        let (bx, by) = wcs.icrs_to_pixel(&v).unwrap();
        prop_assert!((bx - x).abs() < 1e-8 && (by - y).abs() < 1e-8, "{bx} {by}");
    }

    #[test]
    fn shifted_cut_outs_agree((lon, lat, angle, scale) in sky_places(), dx in -500..500_i32, dy in -500..500_i32) {
        let wcs = with_sip(&tan([lon, lat], [539.5, 959.5], scale, angle, 1.0, SkyFrame::Icrs), 1.0);
        let cut = wcs.shifted(f64::from(dx), f64::from(dy));
        let a = wcs.pixel_to_icrs(f64::from(dx) + 10.0, f64::from(dy) + 20.0);
        prop_assert!(a == cut.pixel_to_icrs(10.0, 20.0));
    }
}
