//! A bad pixel in the core of a star: no kernel may make up what stood there.

use zemosaic_image::Region;
use zemosaic_resample::{Kernel, SourceWindow, definition};

const SIDE: usize = 80;

#[test]
fn a_sample_on_a_lone_hole_is_no_sample() {
    let star = |x: f64, y: f64| 100.0 + 1000.0 * (-(x * x + y * y) / (2.0 * 1.44)).exp();
    let mut data: Vec<f32> =
        (0..SIDE * SIDE).map(|i| star((i % SIDE) as f64 - 40.0, (i / SIDE) as f64 - 40.0) as f32).collect();
    data[40 * SIDE + 40] = f32::NAN;
    let window = SourceWindow {
        data: &data,
        region: Region { x0: 0, y0: 0, width: SIDE, height: SIDE },
        frame_width: SIDE,
        frame_height: SIDE,
    };
    for kernel in [
        Kernel::Nearest,
        Kernel::Bilinear,
        Kernel::Keys,
        Kernel::BsplineCubic,
        Kernel::Lanczos2,
        Kernel::Lanczos3,
        Kernel::Lanczos4,
    ] {
        for (dx, dy) in [(0.0, 0.0), (0.1, 0.05), (-0.2, 0.1)] {
            let sample = definition::sample(kernel, 1.0, &window, 40.0 + dx, 40.0 + dy);
            assert!(sample.valid.is_none(), "{kernel:?} at {dx}, {dy}: {:?}", sample.valid.unwrap());
        }
        // A pixel farther everything is there.
        assert!(definition::sample(kernel, 1.0, &window, 46.0, 40.0).valid.is_some());
    }
}
