//! RCD pixel by pixel; nothing is kept, so that each step reads as its formula.

use super::filled_value;
use crate::demosaic::CfaWindow;

/// The steps of RCD on a frame of two rows and columns at least: `docs/methods/demosaic.md`.
pub struct Rcd<'a> {
    /// The whole frame.
    pub window: CfaWindow<'a>,
}

/// `a`'s share of `a + b`.
fn share(a: f64, b: f64) -> f64 {
    if a + b == 0.0 { 0.5 } else { a / (a + b) }
}

fn between(from: f64, to: f64, weight: f64) -> f64 {
    (1.0 - weight) * from + weight * to
}

fn decided(own: f64, around: f64) -> f64 {
    if (own - 0.5).abs() < (around - 0.5).abs() { around } else { own }
}

const DIAGONALS: [(i64, i64); 4] = [(-1, -1), (1, -1), (-1, 1), (1, 1)];

impl Rcd<'_> {
    /// Red, green and blue of a pixel whose neighbourhood has no hole.
    pub fn pixel(&self, x: i64, y: i64) -> [f64; 3] {
        std::array::from_fn(|colour| self.colour(colour, x, y))
    }

    fn raw(&self, x: i64, y: i64) -> f64 {
        filled_value(&self.window, x, y)
    }

    fn has(&self, x: i64, y: i64) -> usize {
        self.window.pattern.colour_at(x, y)
    }

    fn colour(&self, colour: usize, x: i64, y: i64) -> f64 {
        match (self.has(x, y), colour) {
            (own, wanted) if own == wanted => self.raw(x, y),
            (_, 1) => self.green(x, y),
            (1, wanted) => self.at_green(wanted, x, y),
            (_, wanted) => self.opposite(wanted, x, y),
        }
    }

    /// Square of the high-pass along (`dx`, `dy`): (1, 2, 1) times the fourth difference.
    fn high_pass(&self, x: i64, y: i64, (dx, dy): (i64, i64)) -> f64 {
        const WEIGHTS: [f64; 7] = [1.0, -2.0, -1.0, 4.0, -1.0, -2.0, 1.0];
        let terms = WEIGHTS.iter().zip(-3..).map(|(weight, k)| weight * self.raw(x + k * dx, y + k * dy));
        terms.sum::<f64>().powi(2)
    }

    /// Of three along (`dx`, `dy`).
    fn change(&self, x: i64, y: i64, (dx, dy): (i64, i64)) -> f64 {
        (-1..=1).map(|k| self.high_pass(x + k * dx, y + k * dy, (dx, dy))).sum()
    }

    /// Weight of the second direction over the first, from how much each changes.
    fn weight(&self, x: i64, y: i64, first: (i64, i64), second: (i64, i64)) -> f64 {
        let at = |x, y| share(self.change(x, y, first), self.change(x, y, second));
        let around = DIAGONALS.map(|(dx, dy)| at(x + dx, y + dy)).iter().sum::<f64>() / 4.0;
        decided(at(x, y), around)
    }

    fn low(&self, x: i64, y: i64) -> f64 {
        let pairs = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        let weight = |d: i64| if d == 0 { 0.5 } else { 0.25 };
        pairs.map(|(dx, dy)| weight(dx) * weight(dy) * self.raw(x + dx, y + dy)).sum()
    }

    /// Green at a red or blue site.
    fn green(&self, x: i64, y: i64) -> f64 {
        let at = |(dx, dy): (i64, i64), k: i64| self.raw(x + k * dx, y + k * dy);
        let gradient =
            |d| (at(d, 1) - at(d, -1)).abs() + (at(d, 0) - at(d, 2)).abs() + (at(d, 1) - at(d, 3)).abs();
        let estimate = |(dx, dy): (i64, i64)| {
            let (green, low, beyond) = (at((dx, dy), 1), self.low(x, y), self.low(x + 2 * dx, y + 2 * dy));
            let sum = low + beyond;
            let slope = if sum > 0.0 { (green / sum).clamp(0.0, 1.0) } else { 0.5 };
            green + slope * (low - beyond)
        };
        let along = |a, b| between(estimate(b), estimate(a), share(gradient(b), gradient(a)));
        between(along((0, -1), (0, 1)), along((-1, 0), (1, 0)), self.weight(x, y, (0, 1), (1, 0)))
    }

    /// Blue at a red site, red at a blue one.
    fn opposite(&self, wanted: usize, x: i64, y: i64) -> f64 {
        let at = |(dx, dy): (i64, i64), k: i64| self.raw(x + k * dx, y + k * dy);
        let own = self.green(x, y);
        let gradient = |d: (i64, i64)| {
            let beyond = self.green(x + 2 * d.0, y + 2 * d.1);
            (at(d, 1) - at(d, -1)).abs() + (at(d, 1) - at(d, 3)).abs() + (own - beyond).abs()
        };
        let difference = |d: (i64, i64)| {
            debug_assert_eq!(self.has(x + d.0, y + d.1), wanted);
            at(d, 1) - self.green(x + d.0, y + d.1)
        };
        let along = |a, b| between(difference(b), difference(a), share(gradient(b), gradient(a)));
        let weight = self.weight(x, y, (1, 1), (-1, 1));
        own + between(along((-1, -1), (1, 1)), along((1, -1), (-1, 1)), weight)
    }

    /// Red or blue at a green site.
    fn at_green(&self, wanted: usize, x: i64, y: i64) -> f64 {
        let at = |(dx, dy): (i64, i64), k: i64| self.raw(x + k * dx, y + k * dy);
        let gradient =
            |d| (at(d, 1) - at(d, -1)).abs() + (at(d, 0) - at(d, 2)).abs() + (at(d, 1) - at(d, 3)).abs();
        let difference = |d: (i64, i64)| self.colour(wanted, x + d.0, y + d.1) - self.green(x + d.0, y + d.1);
        let along = |a, b| between(difference(b), difference(a), share(gradient(b), gradient(a)));
        let weight = self.weight(x, y, (0, 1), (1, 0));
        self.raw(x, y) + between(along((0, -1), (0, 1)), along((-1, 0), (1, 0)), weight)
    }
}
