//! Gain and offset of a source, against a frame that was made with them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{CoaddOptions, FluxConvention, KernelName};
use zemosaic_fits::ImageData;
use zemosaic_frames::IngestOptions;
use zemosaic_gauge::FrameGauge;
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIDE: usize = 120;
const SCALE_DEG: f64 = 1.0 / 3600.0;

fn grid() -> Grid {
    let cd = [[-1.3 * SCALE_DEG, 0.0], [0.0, 1.3 * SCALE_DEG]];
    let middle = [49.5, 49.5];
    Grid { wcs: Wcs::tan([150.0, 1.0], middle, cd, SkyFrame::Icrs).unwrap(), width: 100, height: 100 }
}

#[test]
fn a_gauge_does_what_a_scaled_frame_does() {
    let wcs = TanFrame::pointed_at((150.0, 1.0), 1.0, 17.0, Parity::Sky, (SIDE, SIDE));
    let write = |gain: f32, offset: f32| {
        let dir = tempfile::tempdir().unwrap();
        let pixels: Vec<f32> =
            noise_image(SIDE, SIDE, 400.0, 6.0, 3).iter().map(|value| gain * value + offset).collect();
        write_test_frame(&dir.path().join("a.fits"), &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
        dir
    };
    let (raw, made) = (write(1.0, 0.0), write(1.5, -70.0));
    for flux in [FluxConvention::Brightness, FluxConvention::Flux] {
        let options = CoaddOptions { kernel: KernelName::Bilinear, flux, ..CoaddOptions::default() };
        let ingest = IngestOptions::default();
        let mut sources = common::sources(raw.path(), &ingest, &grid(), &options);
        let gauge = FrameGauge { gain: [1.5; 3], offset: [-70.0; 3], ..FrameGauge::default() };
        sources[0].set_gauge(&gauge);
        let unknown = set_weights(&mut sources, options.weights);
        assert!(unknown.noise.is_empty() && unknown.weight.is_empty());
        let expected = common::sources(made.path(), &ingest, &grid(), &options);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs();
        let (own, other) = (&sources[0], &expected[0]);
        assert!(close(own.noise_variance[0], other.noise_variance[0]), "{flux:?}");
        assert!(close(own.level[0], other.level[0]), "{flux:?} {} {}", own.level[0], other.level[0]);
        assert!(close(own.weight[0], other.weight[0]), "{flux:?}");
        let own = common::mosaic(&sources, &grid(), &options, (100, 100), 1);
        let other = common::mosaic(&expected, &grid(), &options, (100, 100), 1);
        assert_eq!(own.depth(), other.depth());
        for plane in 0..3 {
            for (a, b) in own.float(plane).iter().zip(other.float(plane)) {
                assert!(
                    a.is_nan() && b.is_nan() || (a - b).abs() <= 3e-4 * b.abs(),
                    "{flux:?} {plane} {a} {b}"
                );
            }
        }
    }
}
