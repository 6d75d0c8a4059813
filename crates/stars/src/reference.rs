//! Stars whose place on the sky is known: of a catalogue at a date, or of a frame that has been solved.

use zemosaic_sky::unit_vector;

/// One star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceStar {
    /// Stable within its source: row of the catalogue, index in the list.
    pub id: u32,
    /// ICRS right ascension at the date, degrees in [0, 360).
    pub ra_deg: f64,
    /// ICRS declination at the date, degrees.
    pub dec_deg: f64,
    /// Magnitude; of a list any measure that grows as stars get fainter.
    pub mag: f64,
    /// Standard deviation of the position on each axis at the date, arcsec.
    pub sigma_arcsec: f64,
}

/// A source of such stars.
pub trait ReferenceStars: Sync {
    /// The stars within `radius_deg` of `centre_deg` (right ascension, declination), brightest first (equal ones by id), at
    /// most `limit`.
    fn cone(&self, centre_deg: (f64, f64), radius_deg: f64, limit: usize) -> Vec<ReferenceStar>;
}

/// Stars in memory.
#[derive(Debug, Clone, Default)]
pub struct ReferenceList {
    /// Brightest first.
    stars: Vec<(ReferenceStar, [f64; 3])>,
}

impl ReferenceList {
    /// Of `stars` in any order.
    pub fn new(mut stars: Vec<ReferenceStar>) -> Self {
        stars.sort_by(brightest_first);
        Self { stars: stars.into_iter().map(|star| (star, unit_vector(star.ra_deg, star.dec_deg))).collect() }
    }
}

impl ReferenceStars for ReferenceList {
    fn cone(&self, centre_deg: (f64, f64), radius_deg: f64, limit: usize) -> Vec<ReferenceStar> {
        let centre = unit_vector(centre_deg.0, centre_deg.1);
        let chord = 2.0 * (0.5 * radius_deg.min(180.0)).to_radians().sin();
        let near = |at: &[f64; 3]| -> bool {
            at.iter().zip(&centre).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() <= chord * chord
        };
        self.stars.iter().filter(|(_, at)| near(at)).take(limit).map(|(star, _)| *star).collect()
    }
}

/// The order of [`ReferenceStars::cone`].
pub fn brightest_first(a: &ReferenceStar, b: &ReferenceStar) -> std::cmp::Ordering {
    a.mag.total_cmp(&b.mag).then(a.id.cmp(&b.id))
}
