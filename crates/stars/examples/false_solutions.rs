//! How often does the built-in solver claim a place on the sky for stars that show none?
//!
//! `cargo run --release -p zemosaic-stars --example false_solutions [hinted] [blind] [folder of the index]`, by default 2000
//! and 200 lists. Half of the lists are uniform, half are true fields of the catalogue with their y coordinates shuffled.
#![expect(clippy::unwrap_used, reason = "an example that cannot go on may panic")]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use zemosaic_stars::{
    BlindIndex, Catalogue, Detection, Hint, Limits, ReferenceStars, RoughWcs, ScaleRange, SolveError,
    solve_blind, solve_hinted,
};
use zemosaic_testkit::TanFrame;
use zemosaic_testkit::rng::Rng;
use zemosaic_testkit::tan::Parity;

const SIZE_PX: [usize; 2] = [1080, 1920];
const SCALE_ARCSEC: f64 = 2.4;
const COUNTS: [usize; 4] = [40, 60, 100, 200];
const YEAR: f64 = 2025.0;

/// A random place, uniform on the sphere.
fn place(rng: &mut Rng) -> (f64, f64) {
    (rng.range(0.0, 360.0), rng.range(-1.0, 1.0).asin().to_degrees())
}

fn list(positions: Vec<(f64, f64)>) -> Vec<Detection> {
    let star = |(i, (x_px, y_px))| Detection { x_px, y_px, flux_adu: 1e5 / (i + 1) as f64, sigma_px: 0.1 };
    positions.into_iter().enumerate().map(star).collect()
}

fn uniform(rng: &mut Rng, count: usize) -> Vec<Detection> {
    list((0..count).map(|_| (rng.range(0.0, 1080.0), rng.range(0.0, 1920.0))).collect())
}

/// A field of the catalogue at `centre` with shuffled rows, filled up at random.
fn scrambled(rng: &mut Rng, catalogue: &Catalogue, centre: (f64, f64), count: usize) -> Vec<Detection> {
    let tan =
        TanFrame::pointed_at(centre, SCALE_ARCSEC, rng.range(0.0, 360.0), Parity::Mirrored, (1080, 1920));
    let stars = catalogue.at(YEAR).cone(centre, 0.8, usize::MAX);
    let pixels = stars.iter().filter_map(|s| tan.sky_to_pixel(s.ra_deg, s.dec_deg));
    let mut at: Vec<(f64, f64)> = pixels.filter(|&p| tan.holds(p, 0.0)).take(count).collect();
    while at.len() < count {
        at.push((rng.range(0.0, 1080.0), rng.range(0.0, 1920.0)));
    }
    for i in (1..count).rev() {
        let j = rng.below(i + 1);
        (at[i].1, at[j].1) = (at[j].1, at[i].1);
    }
    list(at)
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    stopped: usize,
    times_s: Vec<f64>,
}

impl Tally {
    fn count(&mut self, what: &str, start: Instant, result: Result<RoughWcs, SolveError>) {
        self.times_s.push(start.elapsed().as_secs_f64());
        match result {
            Ok(found) => {
                self.accepted += 1;
                println!("ACCEPTED {what}: {} matched, chance {:.1e}", found.matched, found.chance);
            }
            Err(SolveError::TimedOut { .. }) => self.stopped += 1,
            Err(_) => {}
        }
    }

    fn print(mut self, name: &str) {
        self.times_s.sort_by(f64::total_cmp);
        let Some(max) = self.times_s.last() else { return };
        let median = self.times_s[self.times_s.len() / 2];
        println!(
            "{name}: {} lists, {} accepted, {} stopped by the limit, time median {median:.3} s, max {max:.3} s",
            self.times_s.len(),
            self.accepted,
            self.stopped
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| arguments.get(i).map_or(default, |text| text.parse().unwrap());
    let (hinted, blind) = (number(0, 2000), number(1, 200));
    let folder = arguments.get(2).map(PathBuf::from).or_else(BlindIndex::default_folder).unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let sky = catalogue.at(YEAR);
    let never = AtomicBool::new(false);
    let limits = Limits { within: Duration::from_secs(30), cancel: &never };
    let draw = |kind: u64, trial: usize| {
        let mut rng = Rng::for_keys(20_251, &[kind, trial as u64]);
        let (centre, count) = (place(&mut rng), COUNTS[trial / 2 % COUNTS.len()]);
        let stars = match trial % 2 {
            0 => uniform(&mut rng, count),
            _ => scrambled(&mut rng, &catalogue, centre, count),
        };
        (centre, stars)
    };
    // Wide searches are the dear ones, and fewer in a run.
    let wide = hinted / 5;
    for (radius_deg, kind, lists) in [(1.0, 1, hinted - wide), (2.1, 2, wide)] {
        let mut tally = Tally::default();
        for trial in 0..lists {
            let (centre_deg, stars) = draw(kind, trial);
            let hint = Hint { centre_deg, radius_deg, scale_arcsec: SCALE_ARCSEC, scale_tolerance: 0.1 };
            let start = Instant::now();
            let result = solve_hinted(&stars, SIZE_PX, &sky, &hint, &limits);
            tally.count(&format!("hinted, radius {radius_deg}, trial {trial}"), start, result);
        }
        tally.print(&format!("hinted, radius {radius_deg} deg"));
    }
    if blind == 0 {
        return;
    }
    let index = BlindIndex::open_or_build(&folder, &catalogue, u64::MAX, &|text| println!("{text}")).unwrap();
    let range = ScaleRange { min_arcsec: SCALE_ARCSEC / 1.2, max_arcsec: SCALE_ARCSEC * 1.2 };
    let mut tally = Tally::default();
    for trial in 0..blind {
        let (_, stars) = draw(3, trial);
        let start = Instant::now();
        let result = solve_blind(&stars, SIZE_PX, &sky, &index, &range, &limits);
        tally.count(&format!("blind, trial {trial}"), start, result);
    }
    tally.print("blind");
}
