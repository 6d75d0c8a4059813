//! Which rows of a catalogue sorted by declination zone and right ascension a circle on the sky can hold.

use std::ops::RangeInclusive;
use zemosaic_sky::unit_vector;

/// A circle on the sky.
pub(super) struct Cone {
    centre_deg: (f64, f64),
    radius_deg: f64,
    centre: [f64; 3],
    chord_sq: f64,
}

impl Cone {
    pub(super) fn new(centre_deg: (f64, f64), radius_deg: f64) -> Self {
        let centre_deg = (centre_deg.0.rem_euclid(360.0), centre_deg.1);
        let chord = 2.0 * (radius_deg.min(180.0) / 2.0).to_radians().sin();
        let centre = unit_vector(centre_deg.0, centre_deg.1);
        Self { centre_deg, radius_deg, centre, chord_sq: chord * chord }
    }

    /// Zones of `zone_deg` degrees, from -90 deg, that the circle touches.
    pub(super) fn zones(&self, zone_deg: f64) -> RangeInclusive<usize> {
        let last = (180.0 / zone_deg).round() as usize - 1;
        let zone = |dec: f64| zone_of(dec, zone_deg).min(last);
        zone(self.centre_deg.1 - self.radius_deg)..=zone(self.centre_deg.1 + self.radius_deg)
    }

    /// One or two ranges of right ascension in 0..=360 that cover the circle; near a pole everything.
    pub(super) fn ra_ranges_deg(&self) -> Vec<(f64, f64)> {
        let (ra0, dec0) = self.centre_deg;
        if dec0.abs() + self.radius_deg >= 89.9 {
            return vec![(0.0, 360.0)];
        }
        // Widest extent in right ascension of a small circle.
        let ratio = self.radius_deg.to_radians().sin() / dec0.to_radians().cos();
        let half_width_deg = ratio.min(1.0).asin().to_degrees() + 1e-6;
        let (low, high) = (ra0 - half_width_deg, ra0 + half_width_deg);
        if low < 0.0 {
            vec![(0.0, high), (low + 360.0, 360.0)]
        } else if high > 360.0 {
            vec![(0.0, high - 360.0), (low, 360.0)]
        } else {
            vec![(low, high)]
        }
    }

    pub(super) fn holds(&self, ra_deg: f64, dec_deg: f64) -> bool {
        let at = unit_vector(ra_deg, dec_deg);
        at.iter().zip(&self.centre).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() <= self.chord_sq
    }
}

/// Zone of a declination; that of +90 deg may be one too many.
pub(super) fn zone_of(dec_deg: f64, zone_deg: f64) -> usize {
    ((dec_deg + 90.0) / zone_deg).floor().max(0.0) as usize
}
