//! Frames that would blow up the canvas: far from the others, or of a wildly different scale.

use crate::automatic_grid::FrameGeometry;
use crate::vector::{Vec3, angle_rad, normalised};

/// Why a frame is an outlier.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OutlierReason {
    /// Its centre lies far from the median direction of all frames.
    Far {
        /// Distance from the median direction.
        distance_deg: f64,
        /// The limit for this set of frames.
        limit_deg: f64,
    },
    /// Its pixel scale differs from the median by more than a factor of 4.
    Scale {
        /// Scale of the frame divided by the median scale.
        ratio: f64,
    },
    /// Its centre has no place in ICRS.
    OffSky,
}

impl std::fmt::Display for OutlierReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Far { distance_deg, limit_deg } => {
                write!(f, "{distance_deg:.2} deg from the median position (limit {limit_deg:.2} deg)")
            }
            Self::Scale { ratio } => write!(f, "pixel scale {ratio:.3} times the median"),
            Self::OffSky => write!(f, "centre not on the sky, or in a system without a rotation to ICRS"),
        }
    }
}

/// A centre may lie this many times the typical distance (or frame diameter) from the median direction.
const FAR_FACTOR: f64 = 8.0;
const SCALE_FACTOR: f64 = 4.0;
/// Of two frames nobody can say which is the outlier.
const MIN_FRAMES: usize = 3;

/// For every frame the reason why it is an outlier, if it is one.
///
/// The distance limit is 8 times the larger of the median distance from the median direction and the median frame
/// diameter: evenly filled mosaics and strips of any length pass. Nothing is flagged among fewer than 3 frames.
pub fn canvas_outliers(frames: &[FrameGeometry]) -> Vec<Option<OutlierReason>> {
    let centres: Vec<Option<Vec3>> = frames.iter().map(FrameGeometry::centre).collect();
    let known: Vec<Vec3> = centres.iter().flatten().copied().collect();
    let direction = median_direction(&known);
    let distances: Vec<Option<f64>> =
        centres.iter().map(|c| Some(angle_rad(&c.as_ref().copied()?, &direction?))).collect();
    let typical = median(distances.iter().flatten().copied().collect()).unwrap_or(0.0);
    let diameter = median(frames.iter().map(FrameGeometry::diameter_rad).collect()).unwrap_or(0.0);
    let scale = median(frames.iter().map(|f| f.wcs.scale_deg()).collect()).unwrap_or(f64::NAN);
    let limit = FAR_FACTOR * typical.max(diameter);
    let enough = known.len() >= MIN_FRAMES;
    frames
        .iter()
        .zip(&distances)
        .map(|(frame, distance)| {
            let Some(distance) = *distance else { return Some(OutlierReason::OffSky) };
            let ratio = frame.wcs.scale_deg() / scale;
            if enough && distance > limit {
                let (distance_deg, limit_deg) = (distance.to_degrees(), limit.to_degrees());
                Some(OutlierReason::Far { distance_deg, limit_deg })
            } else if enough && !(1.0 / SCALE_FACTOR..=SCALE_FACTOR).contains(&ratio) {
                Some(OutlierReason::Scale { ratio })
            } else {
                None
            }
        })
        .collect()
}

/// Component-wise median, normalised: robust and independent of the order of the frames.
fn median_direction(centres: &[Vec3]) -> Option<Vec3> {
    let component = |i: usize| median(centres.iter().map(|c| c[i]).collect());
    normalised(&[component(0)?, component(1)?, component(2)?])
}

/// Median; of an even number the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|v| !v.is_nan());
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let n = values.len();
    Some(if n % 2 == 1 { values[n / 2] } else { values[n / 2 - 1].midpoint(values[n / 2]) })
}
