//! Weights by the place of a sample in its frame: a taper along the edges, and ZeMosaic's radial weight.
//!
//! Taper (clause C-52 of the grid contract): a = clip(d / taper, 0, 1), d being the distance from the frame's own edge in
//! output pixels. It follows the footprint, so frames blend without a step where they end. Radial: w = max(floor,
//! cos(pi/2 clip(r / (feather x half diagonal), 0, 1))^power), r from the middle of the frame.
//!
//! Both multiply the share of the frame's weight that a sample has, in the sum of values and of weights alike: a constant
//! field stays constant. Rejection does not see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weights by place; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpatialOptions {
    /// Width of the taper along the edges of frames in output pixels; 0: none.
    pub taper_px: f64,
    /// Weight that falls from the middle of the frame outwards.
    pub radial: Option<RadialWeight>,
}

/// ZeMosaic's radial weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RadialWeight {
    /// Where it comes to its floor, in half diagonals of the frame, 0.1 to 1.
    pub feather: f64,
    /// Power of the cosine, above 0.
    pub power: f64,
    /// Least weight, 0 to 1.
    pub floor: f64,
}

impl Default for RadialWeight {
    fn default() -> Self {
        Self { feather: 0.8, power: 2.0, floor: 0.05 }
    }
}

impl SpatialOptions {
    /// Whether the options can be used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        if !(self.taper_px.is_finite() && self.taper_px >= 0.0) {
            return Err(format!("--taper {}: a width in output pixels of 0 or more", self.taper_px));
        }
        let Some(RadialWeight { feather, power, floor }) = self.radial else { return Ok(()) };
        let is_good = (0.1..=1.0).contains(&feather)
            && power.is_finite()
            && power > 0.0
            && (0.0..=1.0).contains(&floor);
        if is_good {
            return Ok(());
        }
        Err(format!(
            "--radial-weight {feather},{power},{floor}: a feather of 0.1 to 1, a power above 0, a floor of 0 to 1"
        ))
    }

    /// Whether any sample may have another weight than 1.
    pub fn is_active(&self) -> bool {
        self.taper_px > 0.0 || self.radial.is_some()
    }
}

/// The options for one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpatialWeight {
    size: [f64; 2],
    /// Width of the taper in pixels of the frame's planes.
    taper: f64,
    radial: Option<RadialWeight>,
}

impl SpatialWeight {
    /// For planes of `size` pixels, of which an output pixel covers `scale_ratio` a side; `None` where all weights are 1.
    pub fn new(options: SpatialOptions, size: (usize, usize), scale_ratio: f64) -> Option<Self> {
        options.is_active().then_some(Self {
            size: [size.0 as f64, size.1 as f64],
            taper: options.taper_px * scale_ratio,
            radial: options.radial,
        })
    }

    /// The weight at a position in the planes; 0 for NaN.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let [width, height] = self.size;
        let mut weight = 1.0;
        if self.taper > 0.0 {
            let inside = (x + 0.5).min(width - 0.5 - x).min((y + 0.5).min(height - 0.5 - y));
            weight = (inside / self.taper).clamp(0.0, 1.0);
        }
        if let Some(RadialWeight { feather, power, floor }) = self.radial {
            let (dx, dy) = (x - (width - 1.0) / 2.0, y - (height - 1.0) / 2.0);
            let reach = feather * (width * width + height * height).sqrt() / 2.0;
            let share = ((dx * dx + dy * dy).sqrt() / reach).clamp(0.0, 1.0);
            weight *= (std::f64::consts::FRAC_PI_2 * share).cos().powf(power).max(floor);
        }
        if x.is_nan() || y.is_nan() { 0.0 } else { weight }
    }

    /// Multiply the weights of a row of samples.
    pub(crate) fn weigh(&self, xs: &[f64], ys: &[f64], weight: &mut [f32]) {
        for ((weight, x), y) in weight.iter_mut().zip(xs).zip(ys) {
            *weight *= self.at(*x, *y) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(taper_px: f64, radial: Option<RadialWeight>) -> SpatialWeight {
        SpatialWeight::new(SpatialOptions { taper_px, radial }, (101, 61), 2.0).unwrap()
    }

    #[test]
    fn the_taper_grows_from_the_edge_in_output_pixels() {
        let taper = weight(8.0, None);
        // 16 frame pixels wide.
        assert_eq!(taper.at(-0.5, 30.0), 0.0);
        assert_eq!(taper.at(3.5, 30.0), 0.25);
        assert_eq!(taper.at(97.5, 30.0), 3.0 / 16.0);
        assert_eq!(taper.at(50.0, 58.5), 2.0 / 16.0);
        assert_eq!(taper.at(50.0, 30.0), 1.0);
        assert_eq!((taper.at(-2.0, 30.0), taper.at(f64::NAN, 3.0)), (0.0, 0.0));
        assert_eq!(SpatialWeight::new(SpatialOptions::default(), (10, 10), 1.0), None);
    }

    #[test]
    fn the_radial_weight_falls_to_its_floor() {
        let radial = weight(0.0, Some(RadialWeight::default()));
        assert_eq!(radial.at(50.0, 30.0), 1.0);
        let reach = 0.8 * 101.0_f64.hypot(61.0) / 2.0;
        assert!((radial.at(50.0 + reach / 2.0, 30.0) - 0.5).abs() < 1e-12, "cos^2 of 45 degrees");
        assert_eq!(radial.at(100.0, 60.0), 0.05);
        let both = weight(8.0, Some(RadialWeight::default()));
        assert!((both.at(3.5, 30.0) - 0.25 * radial.at(3.5, 30.0)).abs() < 1e-15);
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let options = |taper_px, feather, power, floor| SpatialOptions {
            taper_px,
            radial: Some(RadialWeight { feather, power, floor }),
        };
        assert!(options(0.0, 0.8, 2.0, 0.05).check().is_ok());
        for bad in [
            options(-1.0, 0.8, 2.0, 0.05),
            options(f64::NAN, 0.8, 2.0, 0.05),
            options(0.0, 0.05, 2.0, 0.05),
            options(0.0, 1.2, 2.0, 0.05),
            options(0.0, 0.8, 0.0, 0.05),
            options(0.0, 0.8, 2.0, 1.5),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
