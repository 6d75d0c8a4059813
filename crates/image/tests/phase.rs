//! The phase of the pattern from the data: skies of a Seestar, grey skies, mono frames, row cuts.

mod common;

use common::Random;
use zemosaic_image::phase::{CfaVerdict, Diagonal, RedBlueOrder, infer_cfa_phase};
use zemosaic_image::{CfaPattern, Region};

const PATTERNS: [CfaPattern; 4] = [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg];
/// ADU per electron and pedestal of a Seestar.
const PER_ELECTRON: f64 = 14.1;
const PEDESTAL: f64 = 433.0;

/// Sky of `electrons` in red, green and blue, a gradient of 3 % over the frame, stars, 16-ADU steps.
fn frame(
    pattern: CfaPattern,
    electrons: [f64; 3],
    (width, height): (usize, usize),
    random: &mut Random,
) -> Vec<f32> {
    let mut raw: Vec<f64> = (0..width * height)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let slope = 1.0 + 0.03 * x as f64 / width as f64 + 0.02 * y as f64 / height as f64;
            let sky = electrons[pattern.colour_at(x as i64, y as i64)] * slope;
            sky + (sky + 2.0).sqrt() * random.normal()
        })
        .collect();
    for _ in 0..width * height / 2000 {
        let at = (random.bits() % (raw.len() as u64 - width as u64 - 2)) as usize;
        for offset in [0, 1, width, width + 1] {
            raw[at + offset] += 400.0 * random.uniform();
        }
    }
    raw.iter().map(|e| ((PEDESTAL + e * PER_ELECTRON) / 16.0).round().max(0.0) as f32 * 16.0).collect()
}

#[test]
fn a_seestar_sky_tells_its_greens() {
    let mut random = Random(1);
    let size = (200, 120);
    let region = Region { x0: 0, y0: 0, width: size.0, height: size.1 };
    for pattern in PATTERNS {
        let raw = frame(pattern, [29.2, 40.0, 25.6], size, &mut random);
        let evidence = infer_cfa_phase(&raw, region);
        assert_eq!(evidence.verdict, CfaVerdict::Green(Diagonal::of(pattern)), "{pattern:?} {evidence:?}");
        let [red, blue] = evidence.red_and_blue(pattern);
        assert!((red - blue - 3.6 * PER_ELECTRON).abs() < 10.0, "{red} {blue}");
        for claimed in PATTERNS {
            let told = evidence.contradicts(claimed);
            assert_eq!(
                told.is_some(),
                Diagonal::of(claimed) != Diagonal::of(pattern),
                "{pattern:?} {claimed:?}"
            );
            if let Some(told) = told {
                println!("{told}");
                assert!(told.contains(claimed.name()) && told.contains(pattern.name()));
                assert!(told.contains(&format!("{:.1}", evidence.levels[0])));
            }
            let exchanged = evidence.contradicts_order(claimed, RedBlueOrder::RedBrighter);
            let expected = claimed != pattern && Diagonal::of(claimed) == Diagonal::of(pattern);
            assert_eq!(exchanged.is_some(), expected, "{pattern:?} {claimed:?}");
            assert_eq!(
                evidence.contradicts_order(claimed, RedBlueOrder::BlueBrighter).is_some(),
                claimed == pattern
            );
        }
    }
}

#[test]
fn the_phase_is_that_of_the_frame_and_not_of_the_cut() {
    let mut random = Random(2);
    let size = (200, 120);
    let raw = frame(CfaPattern::Grbg, [29.2, 40.0, 25.6], size, &mut random);
    for (y0, rows) in [(0, 40), (1, 41), (7, 60)] {
        let rows = &raw[y0 * 200..(y0 + rows) * 200];
        let region = Region { x0: 0, y0: y0 as i64, width: 200, height: rows.len() / 200 };
        let evidence = infer_cfa_phase(rows, region);
        assert_eq!(evidence.verdict, CfaVerdict::Green(Diagonal::Main), "{y0}");
    }
}

#[test]
fn mono_and_grey_frames_contradict_nothing() {
    let mut random = Random(3);
    let size = (300, 200);
    let region = Region { x0: 0, y0: 0, width: size.0, height: size.1 };
    // Mono: one level.
    let evidence = infer_cfa_phase(&frame(CfaPattern::Rggb, [40.0; 3], size, &mut random), region);
    assert_eq!(evidence.verdict, CfaVerdict::Uniform, "{evidence:?}");
    // Red as bright as blue: surely Bayer, but either diagonal may be green.
    let evidence = infer_cfa_phase(&frame(CfaPattern::Rggb, [30.0, 40.0, 30.0], size, &mut random), region);
    assert_eq!(evidence.verdict, CfaVerdict::Undecided, "{evidence:?}");
    assert!(PATTERNS.iter().all(|pattern| evidence.contradicts(*pattern).is_none()));
    // Too little, or nothing.
    for raw in [vec![5.0; 20], vec![f32::NAN; 20], Vec::new()] {
        let region = Region { x0: 0, y0: 0, width: raw.len() / 2, height: 2 };
        let evidence = infer_cfa_phase(&raw, region);
        assert_eq!(evidence.verdict, CfaVerdict::Undecided);
        assert!(evidence.contradicts(CfaPattern::Rggb).is_none());
    }
    // A constant frame is uniform.
    let region = Region { x0: 0, y0: 0, width: 40, height: 40 };
    assert_eq!(infer_cfa_phase(&[7.0; 1600], region).verdict, CfaVerdict::Uniform);
}

#[test]
fn greens_that_differ_by_one_percent_are_still_the_greens() {
    // Gr and Gb of real sensors differ a little.
    let mut random = Random(4);
    let size = (400, 300);
    let mut raw = frame(CfaPattern::Grbg, [29.2, 40.0, 25.6], size, &mut random);
    for (i, value) in raw.iter_mut().enumerate() {
        if i / size.0 % 2 == 1 && i % 2 == 1 {
            *value += 5.6;
        }
    }
    let region = Region { x0: 0, y0: 0, width: size.0, height: size.1 };
    assert_eq!(infer_cfa_phase(&raw, region).verdict, CfaVerdict::Green(Diagonal::Main));
}
