//! The gauge with one frame as reference: the same for all frames of its part, so that what frames have in common stays.

use crate::gauge::FrameGauge;
use crate::surface::Surface;

/// Make the gauge of frame `reference` gain 1, offset 0 and surface 0 in every channel; those of all frames of its connected
/// `part` (one number per frame) change with it. Corrected values become (corrected - offset - surface of the
/// reference) / gain of the reference: one linear change for all frames.
pub fn refer_to(frames: &mut [FrameGauge], part: &[usize], reference: usize) {
    let Some((origin, own)) = frames.get(reference).copied().zip(part.get(reference)) else { return };
    for (frame, _) in frames.iter_mut().zip(part).filter(|(_, part)| *part == own) {
        for channel in 0..frame.gain.len() {
            let scale = 1.0 / origin.gain[channel];
            let (constant, rest) = less(&frame.surface[channel], &origin.surface[channel]);
            frame.gain[channel] *= scale;
            frame.offset[channel] = (frame.offset[channel] - origin.offset[channel] + constant) * scale;
            frame.surface[channel] = rest.times(scale);
        }
    }
    let reference = &mut frames[reference];
    for channel in 0..reference.gain.len() {
        // To the last digit.
        (reference.gain[channel], reference.offset[channel]) = (1.0, 0.0);
        reference.surface[channel] = reference.surface[channel].times(0.0);
    }
}

/// A surface less that of the reference; one that is nothing has the reference's coordinates.
fn less(surface: &Surface, origin: &Surface) -> (f64, Surface) {
    if origin.is_zero() {
        return (0.0, *surface);
    }
    let own = if surface.is_zero() { origin.times(0.0) } else { *surface };
    own.less(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(k: f64) -> FrameGauge {
        let surface = Surface {
            coefficients: [k, 2.0 - k, 0.3 * k, -0.1 * k * k, 0.7],
            ..Surface::over([100.0 * k, 100.0 * k + 640.0], [30.0 * k, 30.0 * k + 480.0])
        };
        FrameGauge {
            gain: [1.0 + 0.1 * k, 0.8 + 0.05 * k, 1.3],
            offset: [5.0 * k, -3.0 * k, 7.0],
            surface: [surface, surface.times(0.5), surface.times(-1.5)],
        }
    }

    #[test]
    fn all_frames_change_alike() {
        let before: Vec<FrameGauge> = (0..5).map(|k| frame(f64::from(k))).collect();
        let part = [0, 0, 1, 0, 0];
        let mut after = before.clone();
        refer_to(&mut after, &part, 3);
        assert_eq!(after[2], before[2]);
        let origin = before[3];
        for channel in 0..3 {
            assert_eq!((after[3].gain[channel], after[3].offset[channel]), (1.0, 0.0));
            assert!(after[3].surface[channel].is_zero());
            for (x, y, value) in [(12.0, 700.0, 900.0), (333.0, -20.0, 15.0), (700.0, 400.0, 0.0)] {
                let corrected = |frame: &FrameGauge| {
                    frame.gain[channel] * value + frame.offset[channel] + frame.surface[channel].at(x, y)
                };
                for index in [0, 1, 3, 4] {
                    let common =
                        corrected(&before[index]) - origin.offset[channel] - origin.surface[channel].at(x, y);
                    let expected = common / origin.gain[channel];
                    assert!((corrected(&after[index]) - expected).abs() < 1e-9, "{index} {channel}");
                }
            }
        }
    }

    #[test]
    fn without_surfaces_none_appear() {
        let mut frames = [FrameGauge { offset: [4.0; 3], ..FrameGauge::default() }; 3];
        frames[1].offset = [1.5; 3];
        refer_to(&mut frames, &[0, 0, 0], 1);
        assert_eq!(frames[0].offset, [2.5; 3]);
        assert_eq!(frames[1], FrameGauge::default());
        assert!(frames.iter().all(|frame| frame.surface == [Surface::default(); 3]));
    }
}
