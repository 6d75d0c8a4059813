//! A catalogue at an epoch: its stars moved by their proper motions, as reference stars.

use super::any::Catalogue;
use super::cone::Cone;
use super::tycho::{CatalogueStar, FASTEST_DEG_YR};
use crate::reference::{ReferenceStar, ReferenceStars, brightest_first};

/// Epoch of Tycho-2's positions and of those of its stars that are not marked.
const TYCHO_YEARS: [f64; 2] = [1991.25, 2000.0];

/// The catalogue at `year`.
#[derive(Debug, Clone, Copy)]
pub struct Dated<'a> {
    catalogue: &'a Catalogue,
    year: f64,
}

impl<'a> Dated<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, year: f64) -> Self {
        Self { catalogue, year }
    }

    /// The epoch, Julian year.
    pub fn year(&self) -> f64 {
        self.year
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// Calls `visit` for every star that stands within `radius_deg` of `centre_deg` at the epoch, in a fixed order.
    pub fn visit_cone(&self, centre_deg: (f64, f64), radius_deg: f64, mut visit: impl FnMut(ReferenceStar)) {
        let cone = Cone::new(centre_deg, radius_deg);
        let mut take = |id: u32, (ra_deg, dec_deg): (f64, f64), mag: f64, sigma_arcsec: f64| {
            if cone.holds(ra_deg, dec_deg) {
                visit(ReferenceStar { id, ra_deg, dec_deg, mag, sigma_arcsec });
            }
        };
        match self.catalogue {
            Catalogue::Tycho2(tycho) => {
                let years = TYCHO_YEARS.map(|year| (self.year - year).abs());
                let reach_deg = FASTEST_DEG_YR * years[0].max(years[1]);
                tycho.visit_cone(centre_deg, radius_deg + reach_deg, |star: CatalogueStar| {
                    take(star.index, star.at_epoch(self.year), star.mag, star.sigma_arcsec(self.year));
                });
            }
            Catalogue::Extract(extract) => {
                extract.visit_cone(centre_deg, radius_deg + extract.reach_deg(self.year), |star| {
                    take(star.row, star.at_epoch(self.year), star.mag, star.sigma_arcsec(self.year));
                });
            }
            Catalogue::Tiles(tiles) => {
                tiles.cone(centre_deg, radius_deg, usize::MAX, self.year).into_iter().for_each(visit);
            }
        }
    }
}

impl ReferenceStars for Dated<'_> {
    fn cone(&self, centre_deg: (f64, f64), radius_deg: f64, limit: usize) -> Vec<ReferenceStar> {
        if limit == 0 {
            return Vec::new();
        }
        if let Catalogue::Tiles(tiles) = self.catalogue {
            return tiles.cone(centre_deg, radius_deg, limit, self.year);
        }
        let mut stars = Vec::new();
        self.visit_cone(centre_deg, radius_deg, |star| stars.push(star));
        if stars.len() > limit {
            stars.select_nth_unstable_by(limit - 1, brightest_first);
            stars.truncate(limit);
        }
        stars.sort_by(brightest_first);
        stars
    }
}
