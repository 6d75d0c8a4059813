//! Depth against footprints: how many frames cover each pixel of a grid, from this crate's own projection.

use crate::tan::{TanFrame, unit_vector};

/// Result of [`compare_depth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct DepthComparison {
    /// Pixels farther than the margin from every footprint's edge.
    pub compared: u64,
    /// Of these, pixels whose depth is the number of frames over them.
    pub equal: u64,
    /// Largest difference.
    pub worst: i32,
}

/// A projection without trigonometry: direction of a pixel, and pixel of a direction.
struct Vectors {
    east: [f64; 3],
    north: [f64; 3],
    centre: [f64; 3],
    cd_rad: [[f64; 2]; 2],
    inverse: [[f64; 2]; 2],
    crpix_px: [f64; 2],
}

impl Vectors {
    fn of(frame: &TanFrame) -> Self {
        let [ra, dec] = frame.crval_deg;
        let (sin_ra, cos_ra) = ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
        let cd_rad = frame.cd_deg.map(|row| row.map(f64::to_radians));
        let determinant = cd_rad[0][0] * cd_rad[1][1] - cd_rad[0][1] * cd_rad[1][0];
        let inverse = [
            [cd_rad[1][1] / determinant, -cd_rad[0][1] / determinant],
            [-cd_rad[1][0] / determinant, cd_rad[0][0] / determinant],
        ];
        Self {
            east: [-sin_ra, cos_ra, 0.0],
            north: [-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec],
            centre: unit_vector(ra, dec),
            cd_rad,
            inverse,
            crpix_px: frame.crpix_px,
        }
    }

    /// Direction of a pixel, not normalised.
    fn direction(&self, x_px: f64, y_px: f64) -> [f64; 3] {
        let (dx, dy) = (x_px - self.crpix_px[0], y_px - self.crpix_px[1]);
        let xi = self.cd_rad[0][0] * dx + self.cd_rad[0][1] * dy;
        let eta = self.cd_rad[1][0] * dx + self.cd_rad[1][1] * dy;
        std::array::from_fn(|i| self.centre[i] + xi * self.east[i] + eta * self.north[i])
    }

    fn pixel(&self, direction: &[f64; 3]) -> Option<(f64, f64)> {
        let dot = |axis: &[f64; 3]| axis[0] * direction[0] + axis[1] * direction[1] + axis[2] * direction[2];
        let depth = dot(&self.centre);
        if depth <= 0.0 {
            return None;
        }
        let (xi, eta) = (dot(&self.east) / depth, dot(&self.north) / depth);
        Some((
            self.crpix_px[0] + self.inverse[0][0] * xi + self.inverse[0][1] * eta,
            self.crpix_px[1] + self.inverse[1][0] * xi + self.inverse[1][1] * eta,
        ))
    }
}

/// Compare `depth` (row-major on `grid`) with the number of `frames` over each pixel, at every pixel that
/// is farther than `margin_px` (in frame pixels) from every frame's edge.
pub fn compare_depth(depth: &[i32], grid: &TanFrame, frames: &[TanFrame], margin_px: f64) -> DepthComparison {
    let on_grid = Vectors::of(grid);
    let on_frames: Vec<Vectors> = frames.iter().map(Vectors::of).collect();
    let mut result = DepthComparison { compared: 0, equal: 0, worst: 0 };
    for y in 0..grid.height_px {
        for x in 0..grid.width_px {
            let direction = on_grid.direction(x as f64, y as f64);
            let Some(count) = count_over(&on_frames, frames, &direction, margin_px) else { continue };
            let difference = (depth[y * grid.width_px + x] - count).abs();
            result.compared += 1;
            result.equal += u64::from(difference == 0);
            result.worst = result.worst.max(difference);
        }
    }
    result
}

/// Frames over a direction, or `None` when it is close to the edge of one.
fn count_over(
    on_frames: &[Vectors],
    frames: &[TanFrame],
    direction: &[f64; 3],
    margin_px: f64,
) -> Option<i32> {
    let mut count = 0;
    for (vectors, frame) in on_frames.iter().zip(frames) {
        if let Some(at) = vectors.pixel(direction) {
            if frame.holds(at, -margin_px) {
                count += 1;
            } else if frame.holds(at, margin_px) {
                return None;
            }
        }
    }
    Some(count)
}
