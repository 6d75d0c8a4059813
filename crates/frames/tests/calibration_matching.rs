//! Which masters fit a frame, and what is said where none does.

use zemosaic_frames::calibration::matching::{Candidate, Choice, Remark, ZeroLevel, choose};
use zemosaic_frames::calibration::{
    AppliedSteps, CalibrationKind, CalibrationOptions, CameraSetup, DarkScaling, ImageFacts,
};
use zemosaic_image::CfaPattern;

const SIZE: (usize, usize) = (1080, 1920);

fn frame() -> ImageFacts {
    ImageFacts {
        stored_px: SIZE,
        trimmed_px: ((0, 0), SIZE),
        planes: 1,
        pattern: Some(CfaPattern::Grbg),
        setup: CameraSetup {
            camera: Some("ZWO ASI533MC Pro".into()),
            binning: Some((1, 1)),
            gain: Some(100.0),
            offset: Some(50.0),
            temperature_c: Some(-10.0),
        },
        exposure_s: Some(10.0),
        filter: Some("L".into()),
        applied: AppliedSteps::default(),
    }
}

fn with(change: impl FnOnce(&mut ImageFacts)) -> ImageFacts {
    let mut facts = frame();
    change(&mut facts);
    facts
}

fn nothing_said() -> ImageFacts {
    ImageFacts { stored_px: SIZE, trimmed_px: ((0, 0), SIZE), planes: 1, ..ImageFacts::default() }
}

fn chosen(
    own: &ImageFacts,
    masters: &[(CalibrationKind, ImageFacts)],
    options: &CalibrationOptions,
) -> Choice {
    let candidates: Vec<Candidate<'_>> =
        masters.iter().map(|(kind, facts)| Candidate { kind: *kind, facts }).collect();
    choose(own, &candidates, options, ZeroLevel::Unknown, None)
}

const BIAS: CalibrationKind = CalibrationKind::Bias;
const DARK: CalibrationKind = CalibrationKind::Dark;
const FLAT: CalibrationKind = CalibrationKind::Flat;

#[test]
fn what_must_agree() {
    type Change = fn(&mut ImageFacts);
    // What is changed in the master, what is said of it, and for which kinds it matters.
    let cases: [(Change, &str, [bool; 3]); 9] = [
        (|m| m.stored_px = (540, 960), "540 x 960 pixels instead of 1080 x 1920", [true; 3]),
        (|m| m.planes = 3, "3 planes instead of 1", [true; 3]),
        (|m| m.setup.binning = Some((2, 2)), "binning 2x2 instead of binning 1x1", [true; 3]),
        (|m| m.pattern = Some(CfaPattern::Rggb), "pattern RGGB instead of pattern GRBG", [true; 3]),
        (|m| m.setup.camera = Some("ASI294MC".into()), "camera ASI294MC instead of", [true; 3]),
        (|m| m.setup.gain = Some(80.0), "gain 80 instead of gain 100", [true, true, false]),
        (|m| m.setup.temperature_c = Some(-4.0), "-4 degrees instead of -10 degrees", [false, true, false]),
        (|m| m.exposure_s = Some(30.0), "30 s instead of 10 s", [false, true, false]),
        (|m| m.filter = Some("Ha".into()), "filter Ha instead of filter L", [false, false, true]),
    ];
    for (change, what, matters) in cases {
        for (kind, matters) in [BIAS, DARK, FLAT].into_iter().zip(matters) {
            let master = with(change);
            let choice = chosen(&frame(), &[(kind, master)], &CalibrationOptions::default());
            let used = !choice.subtract.is_empty() || choice.flat.is_some();
            assert_eq!(used, !matters, "{what} of a {kind:?}");
            let told = choice
                .remarks
                .iter()
                .any(|remark| matches!(remark, Remark::NoFit(of, why) if *of == kind && why.contains(what)));
            assert_eq!(told, matters, "{what}: {:?}", choice.remarks);
        }
    }
}

#[test]
fn what_is_near_enough_fits_and_the_nearest_wins() {
    let near = with(|m| (m.exposure_s, m.setup.temperature_c) = (Some(10.4), Some(-7.0)));
    let nearer = with(|m| (m.exposure_s, m.setup.temperature_c) = (Some(10.4), Some(-9.0)));
    let camera = with(|m| m.setup.camera = Some("ASI533MC Pro".into()));
    let options = CalibrationOptions::default();
    let choice = chosen(&frame(), &[(DARK, near.clone()), (DARK, nearer), (DARK, near.clone())], &options);
    assert_eq!((choice.subtract, choice.remarks), (vec![((1, (0, 0)), 1.0)], vec![]));
    // Who says more is preferred to who is silent, and the first of equals.
    let silent = nothing_said();
    let choice = chosen(&frame(), &[(DARK, silent.clone()), (DARK, camera), (DARK, frame())], &options);
    assert_eq!(choice.subtract[0].0.0, 1);
    assert_eq!(chosen(&frame(), &[(DARK, silent)], &options).subtract.len(), 1, "silence fits");
    let too_warm = with(|m| m.setup.temperature_c = Some(-3.0));
    let choice = chosen(&frame(), &[(DARK, too_warm), (DARK, near)], &options);
    assert_eq!(choice.subtract[0].0.0, 1);
}

#[test]
fn a_dark_has_its_bias_in_it() {
    let options = CalibrationOptions::default();
    let masters = [(BIAS, frame()), (DARK, frame())];
    assert_eq!(chosen(&frame(), &masters, &options).subtract, [((1, (0, 0)), 1.0)]);
    let without = with(|m| m.applied.bias = true);
    let masters = [(BIAS, frame()), (DARK, without.clone())];
    assert_eq!(chosen(&frame(), &masters, &options).subtract, [((0, (0, 0)), 1.0), ((1, (0, 0)), 1.0)]);
    // A frame that lost its bias before: the dark's own is given back.
    let own = with(|own| own.applied.bias = true);
    assert_eq!(chosen(&own, &masters, &options).subtract, [((1, (0, 0)), 1.0)]);
    let masters = [(BIAS, frame()), (DARK, frame())];
    assert_eq!(chosen(&own, &masters, &options).subtract, [((0, (0, 0)), -1.0), ((1, (0, 0)), 1.0)]);
    // No dark fits: the bias is better than nothing.
    let masters = [(BIAS, frame()), (DARK, with(|m| m.exposure_s = Some(300.0)))];
    let choice = chosen(&frame(), &masters, &options);
    assert_eq!(choice.subtract, [((0, (0, 0)), 1.0)]);
    assert!(matches!(&choice.remarks[..], [Remark::NoFit(DARK, why)] if why.contains("300 s")));
}

#[test]
fn darks_are_scaled_when_asked_and_only_above_a_bias() {
    let scaling = CalibrationOptions { dark_scaling: DarkScaling::Exposure, ..CalibrationOptions::default() };
    let long = with(|m| m.exposure_s = Some(40.0));
    let longer = with(|m| m.exposure_s = Some(400.0));
    let masters = [(BIAS, frame()), (DARK, longer), (DARK, long.clone())];
    assert_eq!(chosen(&frame(), &masters, &scaling).subtract, [((0, (0, 0)), 0.75), ((2, (0, 0)), 0.25)]);
    let exact = [(BIAS, frame()), (DARK, long.clone()), (DARK, frame())];
    assert_eq!(chosen(&frame(), &exact, &scaling).subtract, [((2, (0, 0)), 1.0)]);
    let no_bias = [(BIAS, with(|m| m.setup.gain = Some(1.0))), (DARK, long)];
    let choice = chosen(&frame(), &no_bias, &scaling);
    assert!(choice.subtract.is_empty() && choice.remarks.len() == 2, "{:?}", choice.remarks);
}

#[test]
fn what_was_done_before_is_not_done_again() {
    let masters = [(BIAS, nothing_said()), (DARK, nothing_said()), (FLAT, nothing_said())];
    let options = CalibrationOptions::default();
    let seestar = with(|own| {
        own.applied = AppliedSteps { bias: true, dark: true, flat: false, on_board: true };
    });
    let choice = chosen(&seestar, &masters, &options);
    assert_eq!((choice.subtract.len(), choice.level, choice.flat), (0, Some((0, (0, 0))), Some((2, (0, 0)))));
    assert_eq!(choice.remarks, [Remark::OnBoard]);
    // Without a bias the level without light must be said, else it is told.
    let choice = chosen(&seestar, &masters[1..], &options);
    assert_eq!((choice.pedestal_adu, choice.remarks), (0.0, vec![Remark::OnBoard, Remark::NoZero]));
    let told = CalibrationOptions { pedestal_adu: Some(433.0), ..CalibrationOptions::default() };
    let choice = chosen(&seestar, &masters[2..], &told);
    assert_eq!((choice.pedestal_adu, choice.remarks), (433.0, vec![]));
    let done = with(|own| own.applied = AppliedSteps { bias: true, dark: true, flat: true, on_board: false });
    let choice = chosen(&done, &masters, &options);
    assert!(choice.subtract.is_empty() && choice.flat.is_none());
    assert!(choice.remarks.contains(&Remark::Done(DARK)) && choice.remarks.contains(&Remark::Done(FLAT)));
}

#[test]
fn a_master_of_the_trimmed_size_fits_too() {
    let own = with(|own| {
        own.stored_px = (1100, 1920);
        own.trimmed_px = ((20, 1), SIZE);
        own.pattern = Some(CfaPattern::Grbg);
    });
    let whole = with(|m| m.stored_px = (1100, 1920));
    let options = CalibrationOptions::default();
    assert_eq!(chosen(&own, &[(FLAT, whole)], &options).flat, Some((0, (20, 1))));
    // The pattern of the trimmed frame begins one row later.
    let trimmed = with(|m| m.pattern = Some(CfaPattern::Grbg.shifted(20, 1)));
    assert_eq!(chosen(&own, &[(FLAT, trimmed)], &options).flat, Some((0, (0, 0))));
    assert_eq!(chosen(&own, &[(FLAT, frame())], &options).flat, None);
}

#[test]
fn all_bad_pixel_maps_of_the_size_count() {
    let small = with(|m| m.stored_px = (10, 10));
    let kind = CalibrationKind::BadPixels;
    let options = CalibrationOptions::default();
    let masters = [(kind, nothing_said()), (kind, small.clone()), (kind, nothing_said())];
    let choice = chosen(&frame(), &masters, &options);
    assert_eq!((choice.bad_pixels, choice.remarks), (vec![(0, (0, 0)), (2, (0, 0))], vec![]));
    let choice = chosen(&frame(), &[(kind, small)], &options);
    assert!(matches!(choice.remarks.first().unwrap(), Remark::NoFit(CalibrationKind::BadPixels, _)));
}
