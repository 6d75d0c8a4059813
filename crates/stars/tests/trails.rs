//! Trails: found in frames that have one, with its place; none in frames that have none, nor along spikes.

mod common;

use common::*;
use zemosaic_stars::Trail;
use zemosaic_testkit::psf::Moffat;
use zemosaic_testkit::rng::Rng;

const WIDTH: usize = 720;
const HEIGHT: usize = 1080;

fn starry(seed: u64) -> Picture {
    let mut picture = Picture::sky(WIDTH, HEIGHT, BOTH[(seed % 2) as usize], 20.0, seed);
    let mut rng = Rng::for_keys(seed, &[2]);
    let psf = Moffat::new(2.4, 0.1, 30.0);
    for _ in 0..250 {
        // Many faint, few bright.
        let flux = 700.0 * rng.uniform().max(1e-3).powf(-1.1);
        picture.star(&psf, (rng.range(0.0, WIDTH as f64), rng.range(0.0, HEIGHT as f64)), flux);
    }
    picture
}

#[test]
fn fifty_frames_with_a_trail_and_fifty_without() {
    let (mut found, mut false_alarms) = (0, 0);
    for seed in 0..50 {
        let picture = starry(seed);
        let alarms = picture.field().trails;
        false_alarms += alarms.len();
        let mut picture = starry(1000 + seed);
        let mut rng = Rng::for_keys(seed, &[3]);
        let centre = (rng.range(0.25, 0.75) * WIDTH as f64, rng.range(0.25, 0.75) * HEIGHT as f64);
        let (angle, width) = (rng.range(1.0, 179.0), rng.range(1.0, 3.0));
        let height = 20.0 * rng.range(5.0, 50.0);
        picture.line(centre, angle, width, height, 1e9);
        let trails = picture.field().trails;
        let is_it = |trail: &&Trail| {
            let turned = (trail.angle_deg - angle + 90.0).rem_euclid(180.0) - 90.0;
            turned.abs() < 0.5 && trail.distance_px([centre.0, centre.1]) < 2.0
        };
        let own = trails.iter().find(is_it);
        if let Some(own) = own {
            found += 1;
            assert!(own.width_px > 0.6 && own.width_px < width + 2.5, "{own:?} of {width}");
        } else {
            eprintln!("{seed}: missed {angle:.1} deg, {width:.1} px, {height:.0} ADU: {trails:?}");
        }
        if trails.len() > 1 {
            eprintln!("{seed}: more than one {trails:?} for {angle} {centre:?} {width}");
        }
        false_alarms += trails.len() - usize::from(own.is_some());
    }
    eprintln!("{found} of 50, {false_alarms} false alarms");
    assert!(found >= 49, "{found} of 50");
    assert!(false_alarms <= 1, "{false_alarms} false alarms");
}

#[test]
fn spikes_of_a_bright_star_are_no_trails() {
    let mut alarms = 0;
    for (seed, angle) in (0..).zip([3.0_f64, 20.0, 45.0, 71.0]) {
        let mut picture = starry(2000 + seed);
        let (cx, cy) = (300.0, 500.0);
        picture.star(&Moffat::new(2.4, 0.0, 0.0), (cx, cy), 3e6);
        for turn in [0.0, 90.0] {
            let (sin, cos) = (angle + turn).to_radians().sin_cos();
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    let (dx, dy) = (x as f64 - cx, y as f64 - cy);
                    let (along, aside) = ((dx * cos + dy * sin).abs(), (dy * cos - dx * sin).abs());
                    let light = 60_000.0 / (1.0 + along * along / 16.0) * (-0.5 * aside * aside).exp();
                    picture.pixels[y * WIDTH + x] += light as f32;
                }
            }
        }
        picture.pixels.iter_mut().for_each(|pixel| *pixel = pixel.min(65_535.0));
        alarms += picture.field().trails.len();
    }
    assert_eq!(alarms, 0);
}

#[test]
fn rows_and_columns_of_the_sensor_are_no_trails() {
    let mut picture = starry(77);
    for y in 0..HEIGHT {
        picture.pixels[y * WIDTH + 401] += 200.0;
    }
    for x in 0..WIDTH {
        picture.pixels[333 * WIDTH + x] += 150.0;
    }
    assert_eq!(picture.field().trails, []);
}

#[test]
fn two_trails_and_a_short_one() {
    let mut picture = starry(5);
    picture.line((300.0, 500.0), 33.0, 2.0, 300.0, 1e9);
    picture.line((400.0, 600.0), 112.0, 1.5, 200.0, 1e9);
    picture.line((200.0, 850.0), 160.0, 2.0, 300.0, 260.0);
    let mut angles: Vec<f64> = picture.field().trails.iter().map(|trail| trail.angle_deg).collect();
    angles.sort_by(f64::total_cmp);
    let near = |angle: f64, truth: f64| (angle - truth).abs() < 0.7;
    assert!(
        angles.len() == 3 && near(angles[0], 33.0) && near(angles[1], 112.0) && near(angles[2], 160.0),
        "{angles:?}"
    );
}
