//! The plain definition of the demosaic, in f64. The fast code is tested against it.

use crate::demosaic::CfaWindow;

/// Red, green and blue of the frame's pixel (`x`, `y`): its own value in its own colour, else the mean of the
/// valid neighbours of the colour in the 3 x 3 around it; NaN where there is none, or no own value. `window`
/// holds the neighbours that lie inside the frame.
pub fn demosaic_pixel(window: &CfaWindow<'_>, x: i64, y: i64) -> [f64; 3] {
    let value = |x: i64, y: i64| -> f64 {
        let (column, row) = (x - window.region.x0, y - window.region.y0);
        if column < 0 || row < 0 || column >= window.region.width as i64 || row >= window.region.height as i64
        {
            return f64::NAN;
        }
        f64::from(window.raw[row as usize * window.region.width + column as usize])
    };
    let own = window.pattern.colour_at(x, y);
    std::array::from_fn(|colour| {
        if value(x, y).is_nan() || colour == own {
            return value(x, y);
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
            if window.pattern.colour_at(x + dx, y + dy) == colour && !value(x + dx, y + dy).is_nan() {
                sum += value(x + dx, y + dy);
                count += 1.0;
            }
        }
        sum / count
    })
}
