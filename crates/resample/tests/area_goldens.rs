//! The area kernels against reproject_exact, reproject_adaptive and STScI's drizzle (goldens/make_area_golden.py).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

#[path = "common/area.rs"]
mod area;
mod common;

use std::collections::HashMap;
use std::path::Path;

use area::{Corners, Sampled, drizzle, sample};
use common::Frame;
use zemosaic_resample::area::{
    Adaptive, AdaptiveOptions, AdaptiveShape, AreaKernel, AreaMethod, DropShape, SphereArea, SphereRows,
};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/goldens");

/// An image extension of a golden: sizes (fastest first), pixels and header cards.
struct Plane {
    dims: Vec<usize>,
    pixels: Vec<f64>,
    cards: HashMap<String, String>,
}

impl Plane {
    fn number(&self, key: &str) -> f64 {
        self.cards[key].parse().unwrap()
    }

    /// Rows of plane `k` of a cube.
    fn rows(&self, k: usize) -> Vec<Vec<f64>> {
        let area = self.dims[0] * self.dims[1];
        self.pixels[k * area..(k + 1) * area].chunks(self.dims[0]).map(<[f64]>::to_vec).collect()
    }

    fn frame(&self, k: usize) -> Frame {
        let data = self.rows(k).concat().iter().map(|v| *v as f32).collect();
        Frame { width: self.dims[0], height: self.dims[1], data }
    }
}

/// The images of a FITS file by name, in f64 whatever they are stored as.
fn read(path: &Path) -> HashMap<String, Plane> {
    let bytes = std::fs::read(path).unwrap();
    let mut planes = HashMap::new();
    let mut at = 0;
    while at < bytes.len() {
        let mut cards = HashMap::new();
        let end = bytes[at..].chunks(80).position(|card| card.starts_with(b"END     ")).unwrap();
        for card in bytes[at..at + 80 * end].chunks(80) {
            let card = String::from_utf8_lossy(card);
            if let (Some(key), Some(value)) = (card.get(..8), card.get(10..)) {
                let value = value.split('/').next().unwrap().trim().trim_matches('\'').trim();
                cards.insert(key.trim().to_owned(), value.to_owned());
            }
        }
        at += (80 * (end + 1)).div_ceil(2880) * 2880;
        let axes: usize = cards["NAXIS"].parse().unwrap();
        let dims: Vec<usize> = (1..=axes).map(|k| cards[&format!("NAXIS{k}")].parse().unwrap()).collect();
        let count: usize = if axes == 0 { 0 } else { dims.iter().product() };
        let bits: i64 = cards["BITPIX"].parse().unwrap();
        let size = bits.unsigned_abs() as usize / 8;
        let pixels = bytes[at..at + count * size]
            .chunks(size)
            .map(|b| match bits {
                -64 => f64::from_be_bytes(b.try_into().unwrap()),
                -32 => f64::from(f32::from_be_bytes(b.try_into().unwrap())),
                other => panic!("BITPIX {other}"),
            })
            .collect();
        at += (count * size).div_ceil(2880) * 2880;
        if let Some(name) = cards.get("EXTNAME").cloned() {
            planes.insert(name, Plane { dims, pixels, cards });
        }
    }
    planes
}

/// Goldens whose names begin so; none, with a line, where they were not made (which CI does not accept).
fn goldens(prefix: &str) -> Vec<(String, HashMap<String, Plane>)> {
    let list = Path::new(GOLDENS).join("area_goldens.txt");
    let Ok(names) = std::fs::read_to_string(&list) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "goldens are required in CI: {}",
            list.display()
        );
        eprintln!("skipped: {} is not there (make goldens; needs Python)", list.display());
        return Vec::new();
    };
    let found: Vec<_> = names
        .lines()
        .filter(|name| name.starts_with(prefix))
        .map(|name| (name.to_owned(), read(&Path::new(GOLDENS).join(name))))
        .collect();
    assert!(!found.is_empty(), "{prefix}");
    found
}

fn corners(planes: &HashMap<String, Plane>, k: usize) -> Corners {
    let (x, y) = (&planes["CORNER_X"], &planes["CORNER_Y"]);
    Corners { width: x.dims[0] - 1, height: x.dims[1] - 1, xs: x.rows(k), ys: y.rows(k) }
}

/// Range of the frame about an output pixel, for tolerances: over its box and a pixel around.
fn local_range(frame: &Frame, quad: &[[f64; 2]; 4], around: i64) -> f64 {
    let span = |axis: usize| {
        let (low, high) =
            quad.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
        (low.round() as i64 - around)..=(high.round() as i64 + around)
    };
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for y in span(1) {
        for x in span(0) {
            if let Some(v) = frame.at(x, y) {
                (low, high) = (low.min(v), high.max(v));
            }
        }
    }
    f64::from(high - low)
}

/// Worst difference of the values beyond the rounding of f32, in units of the local range, and of the weights, over
/// pixels of some weight; pixels that only one of the two has must have next to none.
fn compare(
    name: &str,
    frame: &Frame,
    corners: &Corners,
    found: &Sampled,
    expected: &HashMap<String, Plane>,
    weights: Option<&Plane>,
) -> (f64, f64, usize) {
    let value = &expected["VALUE"].pixels;
    let (mut worst, mut worst_weight, mut compared) = (0.0_f64, 0.0_f64, 0);
    for (k, value) in value.iter().enumerate() {
        let weight = f64::from(found.weight[k]);
        let their_weight = weights.map_or(weight, |plane| plane.pixels[k]);
        worst_weight = worst_weight.max((weight - their_weight).abs());
        if weight < 1e-4 || their_weight < 1e-4 {
            continue;
        }
        assert!(!value.is_nan(), "{name}: {k}");
        let quad = corners.quad(k % corners.width, k / corners.width);
        let range = local_range(frame, &quad, 4).max(1e-30);
        let rounding = 1.2e-7 * value.abs();
        let difference = (f64::from(found.value[k]) - value).abs();
        worst = worst.max((difference - rounding).max(0.0) / range);
        compared += 1;
    }
    (worst, worst_weight, compared)
}

#[test]
fn exact_is_reproject_exact() {
    for (name, planes) in goldens("area_exact") {
        let (frame, corners) = (planes["INPUT"].frame(0), corners(&planes, 0));
        let scale = planes["INPUT"].number("SCALE");
        let weights = &planes["FOOTPRINT"];
        let sphere = on_sphere(&planes, &frame, &corners, scale);
        let (value, weight, compared) = compare(&name, &frame, &corners, &sphere, &planes, Some(weights));
        println!("{name}: sphere: value {value:.1e} of the range, weight {weight:.1e}, {compared} pixels");
        assert!(value < 1e-6 && weight < 1e-6 && compared > 100, "{name}: {value:e} {weight:e} {compared}");
        let kernel = AreaKernel::new(AreaMethod::Exact, scale).unwrap();
        let plane = sample(&kernel, &frame, &corners);
        let (value, weight, compared) = compare(&name, &frame, &corners, &plane, &planes, Some(weights));
        println!("{name}: plane: value {value:.1e} of the range, weight {weight:.1e}, {compared} pixels");
        // In the plane, half a degree is too much.
        let limit = if name.contains("half_degree") { 2e-2 } else { 1e-6 };
        assert!(value < limit && weight < limit, "{name}: {value:e} {weight:e}");
    }
}

fn on_sphere(planes: &HashMap<String, Plane>, frame: &Frame, corners: &Corners, scale: f64) -> Sampled {
    let vectors = |name: &str| -> Vec<Vec<[f64; 3]>> {
        let [x, y, z] = [0, 1, 2].map(|k| planes[name].rows(k));
        (0..x.len()).map(|j| (0..x[j].len()).map(|i| [x[j][i], y[j][i], z[j][i]]).collect()).collect()
    };
    let (sky_in, sky_out) = (vectors("SKY_IN"), vectors("SKY_OUT"));
    let mut of_pixel = |x: f64, y: f64| Some(sky_in[(y + 0.5) as usize][(x + 0.5) as usize]);
    let mut sphere = SphereArea::new(scale, frame.region());
    let mut out = Sampled::new(corners.width * corners.height);
    for j in 0..corners.height {
        let sky = SphereRows { lower: &sky_out[j], upper: &sky_out[j + 1] };
        let row = out.row(j * corners.width, corners.width);
        sphere.row(&[frame.window()], None, corners.row(j), sky, &mut of_pixel, &mut [row]);
    }
    out
}

#[test]
fn adaptive_is_reproject_adaptive() {
    for (name, planes) in goldens("area_adaptive") {
        let (frame, corners) = (planes["INPUT"].frame(0), corners(&planes, 0));
        let scale = planes["INPUT"].number("SCALE");
        let shape = if planes["INPUT"].cards["KERNEL"] == "hann" {
            AdaptiveShape::Hann
        } else {
            AdaptiveShape::Gaussian
        };
        let adaptive = Adaptive::new(AdaptiveOptions { shape, ..Default::default() }, scale).unwrap();
        let mut out = Sampled::new(corners.width * corners.height);
        for j in 0..corners.height {
            let row = out.row(j * corners.width, corners.width);
            adaptive.row(&[frame.window()], None, corners.row(j), &mut [row]);
        }
        let (value, _, compared) = compare(&name, &frame, &corners, &out, &planes, None);
        println!("{name}: value {value:.1e} of the range, {compared} pixels");
        assert!(value < 1e-5 && compared > 100, "{name}: {value:e} {compared}");
    }
}

#[test]
fn drizzle_is_that_of_stsci() {
    for (name, planes) in goldens("area_drizzle") {
        let input = &planes["INPUT"];
        let shape = match input.cards["SHAPE"].as_str() {
            "square" => DropShape::Square,
            "turbo" => DropShape::Turbo,
            _ => DropShape::Point,
        };
        let kernel = AreaKernel::new(drizzle(shape, input.number("PIXFRAC")), input.number("SCALE")).unwrap();
        let n = planes["VALUE"].pixels.len();
        let (mut sum, mut total, mut ranges) = (vec![0.0_f64; n], vec![0.0_f64; n], vec![0.0_f64; n]);
        for k in 0..input.dims[2] {
            let (frame, corners) = (input.frame(k), corners(&planes, k));
            let found = sample(&kernel, &frame, &corners);
            for i in 0..n {
                let q = f64::from(found.weight[i]);
                if q > 0.0 {
                    sum[i] += q * f64::from(found.value[i]);
                    total[i] += q;
                    let quad = corners.quad(i % corners.width, i / corners.width);
                    ranges[i] = ranges[i].max(local_range(&frame, &quad, 1));
                }
            }
        }
        let (mut worst, mut worst_weight, mut compared) = (0.0_f64, 0.0_f64, 0);
        let (width, height) = (planes["VALUE"].dims[0], planes["VALUE"].dims[1]);
        for i in 0..n {
            // drizzle leaves out some frame pixels that fall on the first and last rows of the output.
            let (x, y) = (i % width, i / width);
            if x < 2 || y < 2 || x + 2 >= width || y + 2 >= height {
                continue;
            }
            worst_weight = worst_weight.max((total[i] - planes["WEIGHT"].pixels[i]).abs());
            if total[i] > 1e-4 {
                // drizzle adds up in f32: some roundings of the level for each addition.
                let rounding = 6e-7 * (sum[i] / total[i]).abs();
                let difference = (sum[i] / total[i] - planes["VALUE"].pixels[i]).abs();
                worst = worst.max((difference - rounding).max(0.0) / ranges[i]);
                compared += 1;
            }
        }
        println!("{name}: value {worst:.1e} of the range, weight {worst_weight:.1e}, {compared} pixels");
        assert!(compared > 500 && worst < 1e-6 && worst_weight < 2e-6, "{name}: {worst:e} {worst_weight:e}");
    }
}
