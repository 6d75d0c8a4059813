//! Calibrated windows: against a plain definition with known masters, however they are cut; overscan; what a flat does to
//! noise; what saturation is tested on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::*;
use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::calibration::{
    CalibrationFile, CalibrationKind, Master, MasterUse, OverscanMode, Subtracted, measure_overscan,
    read_calibration_file, settle_photon_share,
};
use zemosaic_frames::pixels::{read_planes, read_planes_scaled};
use zemosaic_frames::{
    CalibrationOptions, Frame, FrameCalibration, FrameKind, IngestOptions, PixelScratch, WeightRescale,
    measure_noise,
};
use zemosaic_image::{CfaPattern, Region};
use zemosaic_testkit::{noise_image, write_test_frame};

const SIZE: (usize, usize) = (64, 48);
const N: usize = SIZE.0 * SIZE.1;

fn master(path: &Path, kind: CalibrationKind, index: usize) -> MasterUse {
    let file = read_calibration_file(path, OverscanMode::Off).unwrap();
    let CalibrationFile { path, layout, facts, .. } = file;
    let mut master = Master {
        kind,
        index,
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        pixels_path: path.clone(),
        path,
        layout,
        facts,
        statistics: None,
    };
    master.measure(&FilePool::new(2)).unwrap();
    MasterUse { master: Arc::new(master), offset_px: (0, 0) }
}

fn vignette(x: usize, y: usize) -> f64 {
    let (dx, dy) = (x as f64 / SIZE.0 as f64 - 0.5, y as f64 / SIZE.1 as f64 - 0.5);
    1.0 - 0.6 * (dx * dx + dy * dy)
}

/// Masters with structure, and what they say, by pixel.
struct Truth {
    bias: Vec<f32>,
    dark: Vec<f32>,
    flat: Vec<f32>,
    bad: Vec<u8>,
}

impl Truth {
    fn new(pattern: Option<CfaPattern>) -> Self {
        let at = |i: usize| (i % SIZE.0, i / SIZE.0);
        let colour = |i: usize| pattern.map_or(1, |p| p.colour_at(at(i).0 as i64, at(i).1 as i64));
        let mut flat: Vec<f32> = (0..N)
            .map(|i| (20_000.0 * vignette(at(i).0, at(i).1) * [0.5, 1.0, 0.7][colour(i)]) as f32)
            .collect();
        (flat[70], flat[71], flat[500]) = (0.0, f32::NAN, 100.0);
        let bias = (0..N).map(|i| 500.0 + (i % SIZE.0) as f32 * 0.5).collect::<Vec<f32>>();
        let dark = (0..N).map(|i| bias[i] + if i % 97 == 0 { 900.0 } else { 3.0 }).collect();
        let bad = (0..N).map(|i| u8::from(i % 301 == 7)).collect();
        Self { bias, dark, flat, bad }
    }

    fn write(&self, dir: &Path) {
        let dims = [SIZE.0, SIZE.1];
        let save = |name: &str, data: ImageData<'_>| {
            write_image(&dir.join(name), &Header::new(), data, &dims).unwrap();
        };
        save("bias.fits", ImageData::F32(&self.bias));
        save("dark.fits", ImageData::F32(&self.dark));
        save("flat.fits", ImageData::F32(&self.flat));
        save("bad.fits", ImageData::U8(&self.bad));
    }

    /// Mean of the flat's good pixels of each colour.
    fn levels(&self, pattern: Option<CfaPattern>) -> [f64; 3] {
        std::array::from_fn(|channel| {
            let of_colour = |i: &usize| {
                pattern.is_none_or(|p| p.colour_at((i % SIZE.0) as i64, (i / SIZE.0) as i64) == channel)
            };
            let good: Vec<f64> =
                (0..N).filter(of_colour).map(|i| f64::from(self.flat[i])).filter(|v| *v > 0.0).collect();
            good.iter().sum::<f64>() / good.len() as f64
        })
    }
}

fn frame_at(path: &Path, raw: &[f32], pattern: Option<CfaPattern>) -> Frame {
    write_test_frame(path, &wcs(SIZE.0, SIZE.1), ImageData::F32(raw), |header| {
        if let Some(pattern) = pattern {
            header.set_str("BAYERPAT", pattern.name(), "");
        }
        header.set_f64("SATURATE", 60_000.0, "");
    })
    .unwrap();
    only_frame(path, &IngestOptions::default())
}

fn calibrated(dir: &Path, mut frame: Frame) -> Frame {
    let at = |name: &str, kind, index| master(&dir.join(name), kind, index);
    let calibration = FrameCalibration {
        subtract: vec![
            Subtracted { of: at("bias.fits", CalibrationKind::Bias, 0), factor: 0.75 },
            Subtracted { of: at("dark.fits", CalibrationKind::Dark, 1), factor: 0.25 },
        ],
        pedestal_adu: 40.0,
        flat: Some(at("flat.fits", CalibrationKind::Flat, 2)),
        photon_share: [0.9, 0.8, 0.7],
        bad_pixels: vec![at("bad.fits", CalibrationKind::BadPixels, 3)],
        ..FrameCalibration::default()
    };
    frame.calibration = Some(Arc::new(calibration));
    frame
}

/// Value and relative variance of a stored pixel, in f64.
fn definition(
    truth: &Truth,
    levels: [f64; 3],
    pattern: Option<CfaPattern>,
    raw: f64,
    i: usize,
) -> (f64, f64) {
    let colour = pattern.map_or(0, |p| p.colour_at((i % SIZE.0) as i64, (i / SIZE.0) as i64));
    let share = [0.9, 0.8, 0.7][colour];
    let flat = f64::from(truth.flat[i]) / levels[colour];
    if truth.bad[i] != 0 || flat.is_nan() || flat < 0.05 {
        return (f64::NAN, f64::NAN);
    }
    let signal = raw - 0.75 * f64::from(truth.bias[i]) - 0.25 * f64::from(truth.dark[i]) - 40.0;
    (signal / flat + 40.0, share / flat + (1.0 - share) / (flat * flat))
}

#[test]
fn pixels_are_what_the_definition_says() {
    for pattern in [None, Some(CfaPattern::Grbg)] {
        let dir = tempfile::tempdir().unwrap();
        let truth = Truth::new(pattern);
        truth.write(dir.path());
        let raw = noise_image(SIZE.0, SIZE.1, 3000.0, 50.0, 1);
        let frame = calibrated(dir.path(), frame_at(&dir.path().join("a.fits"), &raw, pattern));
        // Of a mono frame the planes are the stored pixels; of a CFA frame those of its colour are.
        let pool = FilePool::new(4);
        let mut scratch = PixelScratch::default();
        let whole = Region { x0: 0, y0: 0, width: SIZE.0, height: SIZE.1 };
        let pixels = read_planes_scaled(&pool, &frame, whole, [2.0; 3], &mut scratch).unwrap();
        let levels = truth.levels(pattern);
        let mut compared = 0;
        for (i, raw) in raw.iter().enumerate() {
            let (x, y) = ((i % SIZE.0) as i64, (i / SIZE.0) as i64);
            let channel = pattern.map_or(0, |p| p.colour_at(x, y));
            let (value, r) = definition(&truth, levels, pattern, f64::from(*raw), i);
            let variance = f64::from(pixels.relative_variance.unwrap().of(channel)[i]);
            let found = f64::from(pixels.planes[channel][i]);
            if value.is_nan() {
                assert!(pattern.is_some() || found.is_nan(), "{i}");
                continue;
            }
            compared += 1;
            assert!((found - value).abs() < 2e-6 * value.abs() + 1e-3, "{i}: {found} {value}");
            assert!((variance / (2.0 * r) - 1.0).abs() < 1e-5, "{i}: {variance} {r}");
        }
        assert!(compared > N * 98 / 100);
    }
}

#[test]
fn windows_are_cut_from_one_picture() {
    for pattern in [None, Some(CfaPattern::Rggb)] {
        let dir = tempfile::tempdir().unwrap();
        Truth::new(pattern).write(dir.path());
        let raw = noise_image(SIZE.0, SIZE.1, 3000.0, 50.0, 2);
        let frame = calibrated(dir.path(), frame_at(&dir.path().join("a.fits"), &raw, pattern));
        let pool = FilePool::new(4);
        let mut scratch = PixelScratch::default();
        let mut read = |region: Region| {
            let pixels = read_planes_scaled(&pool, &frame, region, [1.5; 3], &mut scratch).unwrap();
            let of = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
            let mut planes: Vec<Vec<u32>> = pixels.planes[..pixels.channels].iter().map(|p| of(p)).collect();
            planes.push(of(pixels.relative_variance.unwrap().of(0)));
            planes
        };
        let whole = read(Region { x0: 0, y0: 0, width: SIZE.0, height: SIZE.1 });
        for (x0, y0, width, height) in
            [(0, 0, 17, 9), (5, 3, 40, 31), (63, 47, 1, 1), (1, 46, 63, 2), (8, 7, 2, 1)]
        {
            let part = read(Region { x0, y0, width, height });
            for (part, whole) in part.iter().zip(&whole) {
                for y in 0..height {
                    let start = (y0 as usize + y) * SIZE.0 + x0 as usize;
                    assert_eq!(part[y * width..][..width], whole[start..][..width], "{x0},{y0}");
                }
            }
        }
    }
}

#[test]
fn saturation_is_tested_on_what_the_camera_read() {
    let dir = tempfile::tempdir().unwrap();
    Truth::new(None).write(dir.path());
    let mut raw = vec![3000.0; N];
    // The second one is bad by the map.
    (raw[33], raw[308]) = (61_000.0, 61_000.0);
    let frame = frame_at(&dir.path().join("a.fits"), &raw, None);
    let pool = FilePool::new(4);
    let whole = Region { x0: 0, y0: 0, width: SIZE.0, height: SIZE.1 };
    let mut scratch = PixelScratch::default();
    assert!(read_planes(&pool, &frame, whole, &mut scratch).unwrap().raw.is_none());
    let frame = calibrated(dir.path(), frame);
    let pixels = read_planes(&pool, &frame, whole, &mut scratch).unwrap();
    let (stored, region) = pixels.raw.unwrap();
    assert_eq!((stored[33], stored[40], region), (61_000.0, 3000.0, whole));
    assert!(pixels.planes[0][33] != 61_000.0 && stored[308].is_nan());
}

#[test]
fn a_flat_spreads_noise_and_flattens_the_sky() {
    let dir = tempfile::tempdir().unwrap();
    let truth = Truth::new(None);
    truth.write(dir.path());
    // Photons: the variance of what the sensor got is 4 ADU per ADU; no read noise.
    let unit = noise_image(SIZE.0, SIZE.1, 0.0, 1.0, 3);
    let level = truth.levels(None)[0];
    let raw: Vec<f32> = (0..N)
        .map(|i| {
            let flat = f64::from(truth.flat[i]).max(0.0) / level;
            let light = 1000.0 * if flat > 0.0 { flat } else { 1.0 };
            (f64::from(truth.bias[i]) + light + (4.0 * light).sqrt() * f64::from(unit[i])) as f32
        })
        .collect();
    let mut frame = frame_at(&dir.path().join("a.fits"), &raw, None);
    let at = |name: &str, kind, index| master(&dir.path().join(name), kind, index);
    frame.calibration = Some(Arc::new(FrameCalibration {
        subtract: vec![Subtracted { of: at("bias.fits", CalibrationKind::Bias, 0), factor: 1.0 }],
        flat: Some(at("flat.fits", CalibrationKind::Flat, 1)),
        ..FrameCalibration::default()
    }));
    let pool = FilePool::new(4);
    let noise = measure_noise(&pool, &frame).unwrap();
    assert!((noise.level_adu[0] - 1000.0).abs() < 5.0, "{}", noise.level_adu[0]);
    // The reference is the variance where the flat is at its median, here near 1.
    let reference = noise.reference(&frame, WeightRescale::Auto);
    let median = noise.map_variance[0];
    assert!((reference.variance[0] / (4000.0 * median) - 1.0).abs() < 0.08, "{reference:?}");
    // With a known gain and read noise the share of photons follows the level.
    (frame.noise_model.gain_e_per_adu, frame.noise_model.read_noise_e) = (Some(0.25), Some(10.0));
    assert!(settle_photon_share(&mut frame, &noise));
    let share = frame.calibration.as_ref().unwrap().photon_share[0];
    assert!((share - 250.0 / 350.0).abs() < 0.01, "{share}");
    let again = noise.clone();
    assert!(!settle_photon_share(&mut frame, &again));
}

#[test]
fn overscan_is_subtracted_and_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let (width, height) = SIZE;
    // Columns 56 to 63 are overscan, row 0 is dark; the level rises along the rows.
    let level = |y: usize| 100.0 + y as f32;
    let raw: Vec<u16> = (0..N)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let light = if x < 56 && y > 0 { 1000.0 + x as f32 } else { 0.0 };
            (level(y) + light).round() as u16
        })
        .collect();
    let frame_wcs = wcs(width, height);
    let write = |sections: bool| {
        write_test_frame(&path, &frame_wcs, ImageData::U16(&raw), |header| {
            header.set_str("BAYERPAT", "RGGB", "");
            if sections {
                header.set_str("BIASSEC", "[57:64,1:48]", "");
                header.set_str("TRIMSEC", "[1:56,2:48]", "");
            }
        })
        .unwrap();
    };
    write(true);
    let off = CalibrationOptions { overscan: OverscanMode::Off, ..CalibrationOptions::default() };
    let whole = only_frame(&path, &IngestOptions { calibration: off, ..IngestOptions::default() });
    assert_eq!((whole.width, whole.height, whole.kind), (64, 48, FrameKind::Cfa(CfaPattern::Rggb)));
    let mut frame = only_frame(&path, &IngestOptions::default());
    assert_eq!((frame.width, frame.height, frame.kind), (56, 47, FrameKind::Cfa(CfaPattern::Gbrg)));
    let (a, b) = (whole.wcs.pixel_to_sky(10.0, 21.0).unwrap(), frame.wcs.pixel_to_sky(10.0, 20.0).unwrap());
    assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12);
    let pool = FilePool::new(2);
    measure_overscan(&pool, &mut frame).unwrap();
    assert_eq!(frame.calibration.as_ref().unwrap().steps(), ["overscan"]);
    let region = Region { x0: 0, y0: 0, width: 56, height: 47 };
    let mut scratch = PixelScratch::default();
    let pixels = read_planes(&pool, &frame, region, &mut scratch).unwrap();
    // One block: a level of its rows' median in the whole frame.
    let expected = |x: usize, y: usize| 1000.0 + x as f32 + level(y + 1) - level(24);
    let (x, y) = (10, 20);
    let channel = CfaPattern::Gbrg.colour_at(x as i64, y as i64);
    assert!((pixels.planes[channel][y * 56 + x] - expected(x, y)).abs() < 0.51);
}
