//! Which noise the differences of pairs share. The noise of a frame is in all of its pairs: where two of them compare the frame
//! at the same place it is the same noise, elsewhere it is not. Each frame is divided into 4 x 4 cells (16 places, as in
//! [`crate::location`]); the noise of a pair is that of the cells of both frames by the blocks it has there, in parts that
//! go with the variances of the frames. The size of a pair's noise is that of its own variance: only what is common comes from here.

use rayon::prelude::*;

use crate::common_blocks::common_area;
use crate::normal::shared::Sources;
use crate::pairs::Pair;
use crate::preview::Preview;

/// Cells of a frame along a side.
const SIDE: usize = 4;
/// Cells of a frame.
const CELLS: usize = SIDE * SIDE;

/// Where on its two frames a pair compares them: blocks per cell, each list of unit length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PairPlaces {
    a: [f32; CELLS],
    b: [f32; CELLS],
}

/// Of every pair.
pub(crate) fn places_of(previews: &[Preview], pairs: &[Pair]) -> Vec<PairPlaces> {
    let of_pair = |pair: &Pair| {
        let (a, b) = (&previews[pair.a], &previews[pair.b]);
        let mut places = PairPlaces { a: [0.0; CELLS], b: [0.0; CELLS] };
        for common in common_area(a, b) {
            places.a[cell(a, common.a)] += 1.0;
            places.b[cell(b, common.b)] += 1.0;
        }
        PairPlaces { a: unit(places.a), b: unit(places.b) }
    };
    pairs.par_iter().map(of_pair).collect()
}

fn cell(preview: &Preview, slot: usize) -> usize {
    let (width, height) = (preview.region.width, preview.region.height);
    (slot / width * SIDE / height) * SIDE + slot % width * SIDE / width
}

fn unit(blocks: [f32; CELLS]) -> [f32; CELLS] {
    let length = blocks.iter().fold(0.0, |sum, own| sum + own * own).sqrt();
    if length > 0.0 { blocks.map(|own| own / length) } else { blocks }
}

/// Mean variance of a block of each frame in a channel, times the square of its gain; 0 where none is known.
pub(crate) fn frame_variances(previews: &[Preview], channel: usize, gains: &[f64]) -> Vec<f64> {
    let of_frame = |(preview, gain): (&Preview, &f64)| {
        let known = preview.variance[channel].iter().filter(|variance| variance.is_finite());
        let (count, sum) =
            known.fold((0_usize, 0.0), |(count, sum), variance| (count + 1, sum + f64::from(*variance)));
        gain * gain * sum / count.max(1) as f64
    };
    previews.iter().zip(gains).map(of_frame).collect()
}

/// The sources of the noise of `pairs`, frames having `variances`.
pub(crate) fn sources_of<'a>(
    variances: &[f64],
    pairs: impl Iterator<Item = (&'a Pair, &'a PairPlaces)> + Clone,
) -> Sources {
    let parts_of = |(_, places): (&Pair, &PairPlaces)| {
        places.a.iter().chain(&places.b).filter(|blocks| **blocks > 0.0).count()
    };
    // As many as there are: a list that grows may take twice that.
    let parts = Vec::with_capacity(pairs.clone().map(parts_of).sum());
    let mut sources = Sources { count: CELLS * variances.len(), starts: vec![0], parts };
    for (pair, places) in pairs {
        let (a, b) = (variances[pair.a], variances[pair.b]);
        let share = if a + b > 0.0 && (a + b).is_finite() { a / (a + b) } else { 0.5 };
        for (frame, cells, size) in
            [(pair.a, &places.a, share.sqrt()), (pair.b, &places.b, -(1.0 - share).sqrt())]
        {
            let own = cells.iter().enumerate().filter(|(_, blocks)| **blocks > 0.0);
            sources
                .parts
                .extend(own.map(|(cell, blocks)| ((CELLS * frame + cell) as u32, size as f32 * blocks)));
        }
        sources.starts.push(sources.parts.len());
    }
    sources
}

#[cfg(test)]
mod tests {
    use zemosaic_image::Region;

    use super::*;

    #[test]
    fn pairs_share_the_noise_of_common_cells() {
        let preview = |x0: i64| {
            let region = Region { x0, y0: 0, width: 8, height: 8 };
            let plane = vec![vec![1.0; region.area()]];
            Preview { region, level: plane.clone(), variance: plane, stars: Vec::new() }
        };
        // The first two lie on each other; the third has the right half of both, the fourth the left half.
        let previews = [preview(0), preview(0), preview(4), preview(-4)];
        let pairs = [(0, 1), (0, 2), (1, 2), (0, 3)].map(|(a, b)| Pair { a, b, blocks: 1 });
        let sources = sources_of(&[1.0, 1.0, 1.0, 3.0], pairs.iter().zip(&places_of(&previews, &pairs)));
        let dense = |pair: usize| {
            let mut all = vec![0.0; sources.count];
            for (source, own) in &sources.parts[sources.starts[pair]..sources.starts[pair + 1]] {
                all[*source as usize] += f64::from(*own);
            }
            all
        };
        let product = |a: usize, b: usize| dense(a).iter().zip(&dense(b)).fold(0.0, |s, (a, b)| s + a * b);
        for (a, b, expected) in [
            (0, 0, 1.0),
            (3, 3, 1.0),
            // Half of the first frame's cells, one of the two frames: sqrt(1/2) / 2.
            (0, 1, 0.5f64.sqrt() / 2.0),
            (1, 2, 0.5),
            (1, 3, 0.0),
            // Of the fourth's pair a quarter of the variance is the first frame's.
            (0, 3, 0.5 * 0.5f64.sqrt() * 0.5f64.sqrt()),
            (0, 2, -(0.5f64.sqrt()) / 2.0),
        ] {
            // Of whole frames the outermost blocks do not count: cells have not all the same part.
            let limit = if a == b { 1e-6 } else { 0.04 };
            assert!((product(a, b) - expected).abs() < limit, "{a} {b}: {} {expected}", product(a, b));
        }
    }
}
