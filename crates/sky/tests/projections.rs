//! Every projection over the whole sky, also where it shows nothing, against astropy (`projections.json`); and there and
//! back on a dense set of directions.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::Value;
use zemosaic_fits::Header;
use zemosaic_sky::{Grid, MapOptions, PixelMap, Wcs, angle_rad, unit_vector};

fn header_of(case: &Value) -> Header {
    let mut header = Header::new();
    let code = case["code"].as_str().unwrap();
    header.set_str("CTYPE1", &format!("RA---{code}"), "");
    header.set_str("CTYPE2", &format!("DEC--{code}"), "");
    for (i, (crval, cdelt)) in [(&case["crval"][0], -1.0), (&case["crval"][1], 1.0)].into_iter().enumerate() {
        header.set_f64(&format!("CRVAL{}", i + 1), crval.as_f64().unwrap(), "");
        header.set_f64(&format!("CRPIX{}", i + 1), 1.0, "");
        header.set_f64(&format!("CDELT{}", i + 1), cdelt, "");
    }
    for (axis, list) in [(2, &case["pv"]), (1, &case["pv_lon"])] {
        for pv in list.as_array().unwrap() {
            header.set_f64(&format!("PV{axis}_{}", pv[0]), pv[1].as_f64().unwrap(), "");
        }
    }
    if let Some(lonpole) = case["lonpole"].as_f64() {
        header.set_f64("LONPOLE", lonpole, "");
    }
    header
}

fn two(v: &Value) -> Option<(f64, f64)> {
    Some((v[0].as_f64()?, v[1].as_f64()?))
}

type Point = (f64, f64);

fn pairs<'a>(case: &'a Value, from: &str, to: &str) -> Vec<(Point, Option<Point>)> {
    let list = |k: &str| -> &'a Vec<Value> { case[k].as_array().unwrap() };
    list(from).iter().zip(list(to)).map(|(a, b)| (two(a).unwrap(), two(b))).collect()
}

fn cases() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("projections.json")).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

fn name(case: &Value) -> String {
    format!("{} PV {} {} CRVAL {}", case["code"], case["pv"], case["pv_lon"], case["crval"])
}

#[test]
fn projections_agree_with_wcslib() {
    let mut problems = Vec::new();
    for case in &cases() {
        let wcs = match Wcs::from_header(&header_of(case)) {
            Ok(wcs) => wcs,
            Err(e) => {
                problems.push(format!("{}: {e}", name(case)));
                continue;
            }
        };
        // wcslib evaluates CSC in single precision.
        let limit_deg = if case["code"] == "CSC" { 2e-5 } else { 1e-9 };
        for ((x, y), world) in pairs(case, "pix", "world") {
            let ours = wcs.pixel_to_sky(x, y);
            let good = match (world, ours) {
                (Some(a), Some(b)) => {
                    angle_rad(&unit_vector(a.0, a.1), &unit_vector(b.0, b.1)).to_degrees() <= limit_deg
                }
                (a, b) => a.is_none() && b.is_none(),
            };
            if !good {
                problems.push(format!("{}: pixel ({x}, {y}): {world:?}, ours {ours:?}", name(case)));
            }
        }
        for ((lon, lat), pixel) in pairs(case, "lonlat", "pixel") {
            let ours = wcs.sky_to_pixel(lon, lat);
            let good = match (pixel, ours) {
                (Some(a), Some(b)) => (a.0 - b.0).hypot(a.1 - b.1) <= limit_deg.max(1e-9 * a.0.hypot(a.1)),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !good {
                problems.push(format!("{}: sky ({lon}, {lat}): {pixel:?}, ours {ours:?}", name(case)));
            }
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn there_and_back_over_the_sky() {
    let mut problems = Vec::new();
    for case in &cases() {
        let Ok(wcs) = Wcs::from_header(&header_of(case)) else { continue };
        if case["code"] == "CSC" {
            continue;
        }
        let mut worst = (0.0_f64, (0.0, 0.0));
        for i in 0..72 {
            for j in 0..37 {
                let (lon, lat) = (f64::from(i) * 5.0 + 0.013, f64::from(j) * 4.99 - 89.82);
                let Some((x, y)) = wcs.sky_to_pixel(lon, lat) else { continue };
                if x.hypot(y) > 1e4 {
                    continue;
                }
                let miss = wcs.pixel_to_sky(x, y).map_or(f64::INFINITY, |(a, b)| {
                    angle_rad(&unit_vector(a, b), &unit_vector(lon, lat)).to_degrees()
                });
                if miss > worst.0 {
                    worst = (miss, (lon, lat));
                }
            }
        }
        if worst.0 > 1e-9 {
            problems.push(format!("{}: {:.2e} deg at {:?}", name(case), worst.0, worst.1));
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

/// Maps onto a TAN grid keep their stated error, whatever the projection of the source.
#[test]
fn maps_keep_their_error() {
    for case in &cases() {
        let Ok(mut source) = Wcs::from_header(&header_of(case)) else { continue };
        source = source.shifted(-300.0, -300.0);
        let Some((lon, lat)) = source.pixel_to_sky(310.0, 304.0) else { continue };
        let cd = [[-0.05, 0.01], [0.01, 0.05]];
        let tan = Wcs::tan([lon, lat], [128.0, 128.0], cd, zemosaic_sky::SkyFrame::Icrs).unwrap();
        let grid = Grid { wcs: tan, width: 256, height: 256 };
        let map = PixelMap::new(&grid, &source, 600, 600, MapOptions::default()).unwrap();
        let cell = map.cell(0, 0);
        let (mut xs, mut ys) = (vec![0.0_f64; 256], vec![0.0_f64; 256]);
        let mut worst = 0.0_f64;
        for y in (0..256).step_by(5) {
            cell.row(y, 0, 256, &mut xs, &mut ys);
            for (x, (sx, sy)) in xs.iter().zip(&ys).enumerate() {
                if let Some((ex, ey)) = map.exact(x as f64, y as f64).filter(|_| sx.is_finite()) {
                    worst = worst.max((sx - ex).abs().max((sy - ey).abs()));
                }
            }
        }
        assert!(worst <= 1e-4, "{}: {worst:e} px, pitch {}", name(case), cell.pitch_px());
    }
}
