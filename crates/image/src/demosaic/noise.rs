//! What each method does to white noise. Bilinear and super-pixel are linear: exact. VNG and RCD choose by the
//! noise itself: measured once on pure noise far above zero (`docs/methods/demosaic.md`), a test repeats it.

use super::Demosaic;

/// Covariances by lag, `[|dy|][|dx|]`.
type Lags = [[f64; 5]; 5];

/// Red and blue, green.
const VNG: [Lags; 2] = [
    [
        [0.8184, 0.2792, 0.0566, 0.0200, 0.0074],
        [0.2792, 0.1407, 0.0920, 0.0237, 0.0002],
        [0.0566, 0.0920, 0.0454, 0.0098, 0.0032],
        [0.0200, 0.0237, 0.0098, 0.0027, 0.0001],
        [0.0074, 0.0002, 0.0032, 0.0001, 0.0008],
    ],
    [
        [0.6994, 0.1929, 0.0132, 0.0001, 0.0055],
        [0.1929, 0.0491, 0.0287, 0.0064, 0.0000],
        [0.0132, 0.0287, -0.0094, 0.0001, 0.0036],
        [0.0001, 0.0064, 0.0001, 0.0007, -0.0001],
        [0.0055, 0.0000, 0.0036, -0.0001, 0.0014],
    ],
];

/// Red and blue, green.
const RCD: [Lags; 2] = [
    [
        [0.8620, 0.3236, 0.0548, 0.0490, 0.0192],
        [0.3236, 0.1263, 0.0398, 0.0284, 0.0127],
        [0.0548, 0.0398, 0.0344, 0.0229, 0.0112],
        [0.0490, 0.0284, 0.0229, 0.0188, 0.0062],
        [0.0192, 0.0127, 0.0112, 0.0062, 0.0028],
    ],
    [
        [0.7119, 0.2823, 0.0291, 0.0089, 0.0027],
        [0.2823, 0.0658, -0.0209, -0.0037, 0.0004],
        [0.0291, -0.0209, -0.0109, 0.0003, 0.0003],
        [0.0089, -0.0037, 0.0003, 0.0009, -0.0001],
        [0.0027, 0.0004, 0.0003, -0.0001, -0.0001],
    ],
];

impl Demosaic {
    /// Variance of a plane (0 red, 1 green, 2 blue) over that of a raw pixel for white noise, mean over the pattern.
    pub fn variance_gain(self, channel: usize) -> f64 {
        self.autocovariance(channel, 0, 0)
    }

    /// Covariance of two output pixels of a plane `dx_px`, `dy_px` apart, for white noise of variance 1 in the raw
    /// frame, mean over the pattern. Lags beyond 4 px count as 0; beyond 2 px they are for bilinear and super-pixel.
    pub fn autocovariance(self, channel: usize, dx_px: i64, dy_px: i64) -> f64 {
        let (dx, dy) = (dx_px.unsigned_abs() as usize, dy_px.unsigned_abs() as usize);
        if dx > 4 || dy > 4 {
            return 0.0;
        }
        let green = channel == 1;
        match self {
            Self::Bilinear if green => BILINEAR_GREEN[dy][dx],
            Self::Bilinear => {
                // The stencil (1/2, 1, 1/2) along each axis, a quarter of the pixels measured.
                const ALONG: [f64; 5] = [1.5, 1.0, 0.25, 0.0, 0.0];
                0.25 * ALONG[dx] * ALONG[dy]
            }
            Self::Vng => VNG[usize::from(green)][dy][dx],
            Self::Rcd => RCD[usize::from(green)][dy][dx],
            Self::SuperPixel if (dx, dy) != (0, 0) => 0.0,
            Self::SuperPixel => {
                if green {
                    0.5
                } else {
                    1.0
                }
            }
        }
    }
}

/// Half the autocorrelation of the cross (1 in the centre, 1/4 on the sides).
const BILINEAR_GREEN: Lags = [
    [0.625, 0.25, 0.03125, 0.0, 0.0],
    [0.25, 0.0625, 0.0, 0.0, 0.0],
    [0.03125, 0.0, 0.0, 0.0, 0.0],
    [0.0; 5],
    [0.0; 5],
];
