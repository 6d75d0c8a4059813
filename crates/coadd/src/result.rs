//! The planes of a finished patch, and the bits of its quality plane.

use zemosaic_image::Region;

/// Bits of the DQ plane.
pub mod dq {
    /// No sample at this pixel.
    pub const NO_DATA: i32 = 1;
    /// Some sample's kernel reached over the edge of its frame.
    pub const EDGE: i32 = 2;
    /// Some sample sits on a saturated pixel.
    pub const SATURATED: i32 = 4;
    /// Some sample was rejected as an outlier.
    pub const REJECTED: i32 = 8;
    /// Some sample met masked (NaN) input.
    pub const MASKED: i32 = 16;
    /// Rejection was asked for, but nothing could judge: one sample, or two without the noise clip (because it is off, or
    /// noise or level of a frame is unknown).
    pub const LOW_DEPTH: i32 = 32;
    /// The patch failed; the run says why.
    pub const FAILED: i32 = 64;
}

/// Whether DEPTH is one plane for all channels or one for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DepthPlanes {
    /// The largest of the channels, which differ only where pixels are masked.
    #[default]
    Shared,
    /// Each its own: CFA drizzle, where the channels come from different pixels.
    PerChannel,
}

/// The planes of a finished patch, row-major, one after the other by channel where there are several.
#[derive(Debug, Default)]
pub struct PatchResult {
    /// Where it belongs.
    pub region: Region,
    /// Science, weight, variance per channel.
    pub value: Vec<Vec<f32>>,
    /// Sum of weights.
    pub weight: Vec<Vec<f32>>,
    /// Variance of the value.
    pub variance: Vec<Vec<f32>>,
    /// Samples rejected as too low, per channel.
    pub rejected_low: Vec<Vec<i32>>,
    /// Samples rejected as too high, per channel.
    pub rejected_high: Vec<Vec<i32>>,
    /// Valid samples before rejection; the largest over channels.
    pub depth: Vec<i32>,
    /// The same per channel; empty where the channels share one.
    pub depth_by_channel: Vec<Vec<i32>>,
    /// Quality bits, see [`dq`].
    pub quality: Vec<i32>,
    /// Valid samples of all channels together.
    pub samples: u64,
}

impl PatchResult {
    /// Make room for a patch; counts and bits are zero, floats are whatever they were.
    pub(crate) fn reset(&mut self, region: Region, channels: usize, stride: usize, depth: DepthPlanes) {
        self.region = region;
        self.samples = 0;
        for planes in [&mut self.value, &mut self.weight, &mut self.variance] {
            planes.resize_with(channels, Vec::new);
            for plane in planes.iter_mut() {
                resize_exact(plane, stride, 0.0);
            }
        }
        let depths = if depth == DepthPlanes::PerChannel { channels } else { 0 };
        for (planes, count) in [
            (&mut self.rejected_low, channels),
            (&mut self.rejected_high, channels),
            (&mut self.depth_by_channel, depths),
        ] {
            planes.resize_with(count, Vec::new);
            for plane in planes.iter_mut() {
                plane.clear();
                plane.resize(stride, 0);
            }
        }
        for plane in [&mut self.depth, &mut self.quality] {
            plane.clear();
            plane.resize(stride, 0);
        }
    }

    /// Copy the planes of a column into this patch.
    pub(crate) fn place(&mut self, column: &Self) {
        let (patch, part) = (self.region, column.region);
        self.samples += column.samples;
        for row in 0..part.height {
            let start = (part.y0 - patch.y0) as usize + row;
            let to = start * patch.width + (part.x0 - patch.x0) as usize;
            let from = row * part.width;
            let (to, from) = (to..to + part.width, from..from + part.width);
            let floats = [
                (&mut self.value, &column.value),
                (&mut self.weight, &column.weight),
                (&mut self.variance, &column.variance),
            ];
            for (target, source) in
                floats.into_iter().flat_map(|(target, source)| target.iter_mut().zip(source))
            {
                target[to.clone()].copy_from_slice(&source[from.clone()]);
            }
            let counts = [
                (&mut self.rejected_low, &column.rejected_low),
                (&mut self.rejected_high, &column.rejected_high),
                (&mut self.depth_by_channel, &column.depth_by_channel),
            ];
            for (target, source) in
                counts.into_iter().flat_map(|(target, source)| target.iter_mut().zip(source))
            {
                target[to.clone()].copy_from_slice(&source[from.clone()]);
            }
            self.depth[to.clone()].copy_from_slice(&column.depth[from.clone()]);
            self.quality[to].copy_from_slice(&column.quality[from]);
        }
    }

    /// The result of a patch that failed: no data, and the bit that says so.
    pub fn failed(region: Region, channels: usize) -> Self {
        let mut result = Self::default();
        result.reset(region, channels, region.area(), DepthPlanes::Shared);
        for plane in result.value.iter_mut().chain(&mut result.variance) {
            plane.fill(f32::NAN);
        }
        result.quality.fill(dq::NO_DATA | dq::FAILED);
        result
    }
}

/// Resize without the slack of amortised growth, which the memory budget does not know of.
pub(crate) fn resize_exact<T: Clone>(plane: &mut Vec<T>, length: usize, fill: T) {
    if plane.capacity() < length {
        *plane = Vec::new();
        plane.reserve_exact(length);
    }
    plane.resize(length, fill);
}
