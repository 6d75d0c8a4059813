//! Finished patches go by position into the product file.

use zemosaic_fits::{FitsError, ProductWriter};
use zemosaic_image::Region;

use crate::result::{DepthPlanes, PatchResult};

/// Takes patches in any order from any thread.
pub trait PatchSink: Sync {
    /// Store a finished patch.
    ///
    /// # Errors
    /// When it cannot be written; the coadd then stops.
    fn write(&self, patch: &PatchResult) -> Result<(), FitsError>;
}

/// The planes of a product, in the order of its HDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductPlane {
    /// Science.
    Sci,
    /// Sum of weights.
    Wht,
    /// Variance.
    Var,
    /// Valid samples before rejection.
    Depth,
    /// Quality bits.
    Dq,
    /// Samples rejected as too low.
    RejLo,
    /// Samples rejected as too high.
    RejHi,
}

impl ProductPlane {
    /// The planes a product has.
    pub fn of_product(rejecting: Rejecting) -> Vec<Self> {
        let mut planes = vec![Self::Sci, Self::Wht, Self::Var, Self::Depth, Self::Dq];
        if rejecting == Rejecting::Yes {
            planes.extend([Self::RejLo, Self::RejHi]);
        }
        planes
    }

    /// EXTNAME.
    pub fn extname(self) -> &'static str {
        match self {
            Self::Sci => "SCI",
            Self::Wht => "WHT",
            Self::Var => "VAR",
            Self::Depth => "DEPTH",
            Self::RejLo => "REJLO",
            Self::RejHi => "REJHI",
            Self::Dq => "DQ",
        }
    }

    /// Images of the plane in a product of `channels` channels.
    pub fn images(self, channels: usize, depth: DepthPlanes) -> usize {
        match (self, depth) {
            (Self::Dq, _) | (Self::Depth, DepthPlanes::Shared) => 1,
            _ => channels,
        }
    }

    /// Whether the samples are 32-bit integers (else 32-bit floats).
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Depth | Self::RejLo | Self::RejHi | Self::Dq)
    }
}

/// Whether a coadd rejects outliers and so has rejection planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejecting {
    /// REJLO and REJHI are written.
    Yes,
    /// They are not.
    No,
}

/// Patches into a FITS file whose HDUs are `planes` in order.
pub struct ProductSink<'a> {
    /// The file.
    pub writer: &'a ProductWriter,
    /// Its planes.
    pub planes: &'a [ProductPlane],
    /// 1 or 3.
    pub channels: usize,
    /// Pixel of the mosaic grid that is the file's first: not (0, 0) for a cut-out.
    pub origin_px: (i64, i64),
    /// Whether DEPTH has an image per channel.
    pub depth: DepthPlanes,
}

impl PatchSink for ProductSink<'_> {
    fn write(&self, patch: &PatchResult) -> Result<(), FitsError> {
        let Region { x0, y0, width, height } = patch.region;
        let pixels = width * height;
        let (x0, y0) = ((x0 - self.origin_px.0) as usize, (y0 - self.origin_px.1) as usize);
        let window = zemosaic_fits::Window { x0, y0, width, height };
        for (hdu, plane) in self.planes.iter().enumerate() {
            for channel in 0..plane.images(self.channels, self.depth) {
                let float = |values: &[f32]| self.writer.write_f32(hdu, channel, window, &values[..pixels]);
                let integer = |values: &[i32]| self.writer.write_i32(hdu, channel, window, &values[..pixels]);
                match plane {
                    ProductPlane::Sci => float(&patch.value[channel]),
                    ProductPlane::Wht => float(&patch.weight[channel]),
                    ProductPlane::Var => float(&patch.variance[channel]),
                    // A patch that failed has the same depth everywhere.
                    ProductPlane::Depth => {
                        integer(patch.depth_by_channel.get(channel).unwrap_or(&patch.depth))
                    }
                    ProductPlane::RejLo => integer(&patch.rejected_low[channel]),
                    ProductPlane::RejHi => integer(&patch.rejected_high[channel]),
                    ProductPlane::Dq => integer(&patch.quality),
                }?;
            }
        }
        Ok(())
    }
}
