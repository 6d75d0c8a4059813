//! Keeps stars: could what lies around a deviating pixel be the wings of a star?

use super::options::CfaDefectOptions;

/// A neighbour's deviation from its own surroundings, signed so that the deviating pixel's is positive.
#[derive(Clone, Copy)]
pub(super) struct Wing {
    pub(super) value: f32,
    pub(super) sigma: f32,
}

/// An extreme star's wings are this share of what its profile says, at least.
const EXTREME_MARGIN: f32 = 0.7;
/// On a mono sensor all pixels see the same light: slack for the profile alone.
const MONO_RATIO: f32 = 1.25;
/// Share of the sum of squares of a whole template that good neighbours must have.
const ENOUGH: f32 = 0.6;

/// Least wings of a star of peak 1: at the sides and at the corners.
#[derive(Clone, Copy)]
struct Template {
    side: f32,
    corner: f32,
}

/// For pixels of one kind.
#[derive(Clone, Copy)]
pub(super) struct Guard {
    common: Template,
    extreme: Template,
    sigmas: f32,
}

/// Colours around a pixel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// All of its own colour.
    Same,
    /// Corners of its own colour, sides of others: green.
    CornersSame,
    /// All of other colours: red and blue.
    Others,
}

impl Guard {
    pub(super) fn new(options: &CfaDefectOptions, around: Around) -> Self {
        let (side, corner) = (options.share, options.share * options.share);
        let template = |ratio: f32| match around {
            Around::Same => Template { side: side / MONO_RATIO, corner: corner / MONO_RATIO },
            Around::CornersSame => Template { side: side / ratio, corner: corner / MONO_RATIO },
            Around::Others => Template { side: side / ratio, corner: corner / ratio },
        };
        Self {
            common: template(options.common_ratio),
            extreme: template(options.extreme_ratio),
            sigmas: options.guard_sigma,
        }
    }

    /// Whether no star explains a pixel that deviates by `excess`; `wings` in the order of `AROUND`, `None` for
    /// neighbours without data.
    pub(super) fn excludes_star(&self, excess: f32, wings: &[Option<Wing>; 8]) -> bool {
        let (Some((common, common_sigma)), Some((extreme, extreme_sigma))) =
            (self.common.peak(wings), self.extreme.peak(wings))
        else {
            return false;
        };
        excess - common > self.sigmas * common_sigma
            && extreme < (EXTREME_MARGIN * excess).max(self.sigmas * extreme_sigma)
    }
}

impl Template {
    /// Peak of the star that fits the wings best by least squares, and its standard deviation.
    fn peak(self, wings: &[Option<Wing>; 8]) -> Option<(f32, f32)> {
        let weights = [self.side, self.corner].into_iter().flat_map(|weight| [weight; 4]);
        let (mut product, mut square, mut variance, mut whole) = (0.0, 0.0, 0.0, 0.0);
        for (weight, wing) in weights.zip(wings) {
            whole += weight * weight;
            if let Some(wing) = wing {
                product += weight * wing.value;
                square += weight * weight;
                variance += (weight * wing.sigma) * (weight * wing.sigma);
            }
        }
        (square > ENOUGH * whole).then(|| (product / square, variance.sqrt() / square))
    }
}
