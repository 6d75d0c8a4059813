//! Areas against truth, and groups of frames against the definition.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::f64::consts::PI;

use zemosaic_sky::{
    Ball, Footprint, FootprintHull, PlaceIndex, SipCoefficients, SkyFrame, Wcs, angle_rad, overlap_groups,
    unit_vector,
};

/// Numbers from 0 to 1 (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

/// `width` x `height` degrees in the tangent plane, of either parity.
fn frame(lon: f64, lat: f64, angle_deg: f64, size_deg: (f64, f64), parity: f64) -> Footprint {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let (kx, ky) = (size_deg.0 / 1000.0, size_deg.1 / 1000.0);
    let cd = [[-kx * c * parity, ky * s], [kx * s * parity, ky * c]];
    let wcs = Wcs::tan([lon, lat], [499.5, 499.5], cd, SkyFrame::Icrs).unwrap();
    Footprint::of(&wcs, 1000, 1000).unwrap()
}

/// Solid angle of a rectangle in the tangent plane, from the tangent point: 4 asin(sin a sin b) with half sides a and b.
fn rectangle_sr(width_deg: f64, height_deg: f64) -> f64 {
    let (a, b) = (width_deg.to_radians() / 2.0, height_deg.to_radians() / 2.0);
    4.0 * (a * b / ((1.0 + a * a) * (1.0 + b * b)).sqrt()).asin()
}

fn close(found: f64, truth: f64, relative: f64) {
    assert!((found / truth - 1.0).abs() < relative, "{found:e} {truth:e}: {:e}", found / truth - 1.0);
}

#[test]
fn areas_of_rectangles() {
    for (lon, lat) in [(0.0, 0.0), (359.99, -40.0), (12.0, 90.0), (77.0, -89.999), (180.0, 45.0)] {
        for size in [(1e-4, 2e-4), (0.3, 0.7), (12.0, 3.0), (70.0, 100.0)] {
            for parity in [1.0, -1.0] {
                let outline = frame(lon, lat, 33.0, size, parity);
                let truth = rectangle_sr(size.0, size.1);
                close(outline.area_sr(), truth, if size.0 < 1e-3 { 1e-8 } else { 1e-11 });
                close(outline.common_area_sr(&outline.clone()), outline.area_sr(), 1e-10);
            }
        }
    }
}

#[test]
fn common_areas_of_known_figures() {
    // Turned by 90 degrees about the same point: the square in the middle.
    let (wide, tall) = (frame(10.0, 89.9, 0.0, (3.0, 1.0), 1.0), frame(10.0, 89.9, 90.0, (3.0, 1.0), -1.0));
    close(wide.common_area_sr(&tall), rectangle_sr(1.0, 1.0), 1e-11);
    close(tall.common_area_sr(&wide), rectangle_sr(1.0, 1.0), 1e-11);
    // One inside another.
    let small = frame(10.0, 89.95, 20.0, (0.2, 0.1), 1.0);
    close(small.common_area_sr(&wide), small.area_sr(), 1e-11);
    close(wide.common_share(&small), 1.0, 1e-11);
    // Cut-outs of one grid whose edges lie on the same great circles: any overlap, a touch, a gap.
    let wcs = Wcs::tan([0.0, 60.0], [500.0, 500.0], [[-1e-3, 0.0], [0.0, 1e-3]], SkyFrame::Icrs).unwrap();
    let cut = |x: f64| Footprint::of(&wcs.shifted(x, 0.0), 400, 300).unwrap();
    let first = cut(0.0);
    for step in 1..400_u32 {
        let second = cut(f64::from(step));
        let strip = Footprint::of(&wcs.shifted(f64::from(step), 0.0), 400 - step as usize, 300).unwrap();
        close(first.common_area_sr(&second), strip.area_sr(), 1e-9);
        assert!(first.overlaps(&second) && second.overlaps(&first), "{step}");
    }
    for x in [400.0, 410.0] {
        assert!(!first.overlaps(&cut(x)) && !cut(x).overlaps(&first));
        assert!(first.common_share(&cut(x)) == 0.0);
    }
    // An overlap of a thousandth of a pixel is one.
    assert!(first.overlaps(&cut(399.999)) && first.common_share(&cut(399.999)) > 1e-6);
    assert!(first.common_area_sr(&frame(180.0, -60.0, 0.0, (1.0, 1.0), 1.0)) == 0.0);
}

/// Share of `a` inside `b`, from points spread evenly over the cap about `a`.
fn monte_carlo_sr(random: &mut Random, a: &Footprint, b: &Footprint, points: u32) -> (f64, f64) {
    let cap = 1.0 - a.radius_rad().cos();
    let [x, y, z] = a.centre();
    let helper = if z.abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let cross = |p: [f64; 3], q: [f64; 3]| {
        [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]]
    };
    let east = cross(helper, [x, y, z]);
    let length = angle_rad(&helper, &[x, y, z]).sin();
    let east = east.map(|part| part / length);
    let north = cross([x, y, z], east);
    let mut hits = 0_u32;
    for _ in 0..points {
        let depth = 1.0 - cap * random.next();
        let (s, c) = (2.0 * PI * random.next()).sin_cos();
        let r = (1.0 - depth * depth).sqrt();
        let at = std::array::from_fn(|k| depth * [x, y, z][k] + r * (c * east[k] + s * north[k]));
        hits += u32::from(a.contains(&at) && b.contains(&at));
    }
    let share = f64::from(hits) / f64::from(points);
    let cap_sr = 2.0 * PI * cap;
    (cap_sr * share, cap_sr * (share * (1.0 - share) / f64::from(points)).sqrt())
}

#[test]
fn common_areas_against_random_points() {
    let mut random = Random(7);
    let (mut overlapping, mut worst) = (0, 0.0_f64);
    for case in 0..200 {
        let (lon, lat): (f64, f64) = [(0.0, 90.0), (0.0, 0.0), (359.9, 50.0), (33.0, -89.7)][case % 4];
        let scale = [0.01, 1.0, 20.0][case % 3];
        let mut one = || {
            let size = (random.between(0.4, 1.5) * scale, random.between(0.4, 1.5) * scale);
            let spread = scale / lat.to_radians().cos().max(0.05);
            let at = (lon + random.between(-0.6, 0.6) * spread, lat + random.between(-0.6, 0.6) * scale);
            let at = (at.0, if at.1 > 90.0 { 180.0 - at.1 } else { at.1.max(-180.0 - at.1) });
            frame(at.0, at.1, random.between(0.0, 360.0), size, (random.next() - 0.5).signum())
        };
        let (a, b) = (one(), one());
        let found = a.common_area_sr(&b);
        close(b.common_area_sr(&a) + 1e-9 * a.area_sr(), found + 1e-9 * a.area_sr(), 1e-6);
        let (truth, error) = monte_carlo_sr(&mut random, &a, &b, 20_000);
        // One hit is the resolution.
        let error = error.max(2.0 * PI * (1.0 - a.radius_rad().cos()) / 20_000.0);
        worst = worst.max((found - truth).abs() / error);
        overlapping += i32::from(found > 0.0);
        assert_eq!(a.overlaps(&b), found > 0.0);
    }
    assert!(overlapping > 80 && overlapping < 200, "{overlapping}");
    assert!(worst < 4.5, "{worst} sigma");
}

/// A frame whose edges are bent, outwards or inwards.
fn bent(lon: f64, lat: f64, angle_deg: f64, bend: f64) -> Footprint {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let cd = [[-1e-3 * c, 1e-3 * s], [1e-3 * s, 1e-3 * c]];
    // (u, v) (1 + bend (u^2 + v^2)), in pixels.
    let mut sip = SipCoefficients::zero(3);
    for (a, b) in [(3 * 4, 3), (4 + 2, 2 * 4 + 1)] {
        sip.a[a] = bend;
        sip.b[b] = bend;
    }
    let wcs = Wcs::tan_sip([lon, lat], [499.5, 499.5], cd, SkyFrame::Icrs, &sip).unwrap();
    Footprint::of(&wcs, 1000, 1000).unwrap()
}

#[test]
fn bent_frames() {
    let mut random = Random(11);
    for (first, second) in [(3e-7, 3e-7), (-3e-7, 3e-7), (3e-7, -3e-7), (-3e-7, -3e-7)] {
        for _ in 0..6 {
            let a = bent(359.9, 70.0, random.between(0.0, 360.0), first);
            let b = bent(random.between(-1.5, 1.5), 70.0 + random.between(-0.5, 0.5), 30.0, second);
            let found = a.common_area_sr(&b);
            let (truth, error) = monte_carlo_sr(&mut random, &a, &b, 40_000);
            assert!((found - truth).abs() < 4.5 * error.max(1e-9), "{found:e} {truth:e} {error:e}");
            close(a.common_area_sr(&a), a.area_sr(), 1e-9);
        }
    }
}

/// The definition of a group.
fn groups_by_all_pairs(footprints: &[Footprint]) -> Vec<usize> {
    let n = footprints.len();
    let mut label: Vec<usize> = (0..n).collect();
    for i in 0..n {
        for j in i + 1..n {
            if label[i] != label[j] && footprints[i].overlaps(&footprints[j]) {
                let (keep, drop) = (label[i].min(label[j]), label[i].max(label[j]));
                label.iter_mut().filter(|l| **l == drop).for_each(|l| *l = keep);
            }
        }
    }
    let size = |of: usize| label.iter().filter(|l| **l == of).count();
    let mut order: Vec<usize> = (0..n).filter(|&l| label[l] == l).collect();
    order.sort_by_key(|&l| (std::cmp::Reverse(size(l)), l));
    label.iter().map(|l| order.iter().position(|o| o == l).unwrap()).collect()
}

#[test]
fn groups_are_those_of_all_pairs() {
    let mut random = Random(3);
    for set in 0..24 {
        // From loose fields to dense ones; long thin frames, sizes of 1 to 100, at poles and RA 0.
        let (lon, lat): (f64, f64) = [(0.0, 0.0), (123.0, 90.0), (359.5, -88.0)][set % 3];
        let spread = [30.0, 12.0, 5.0, 0.5][set / 6];
        let footprints: Vec<Footprint> = (0..150)
            .map(|i| {
                let size = if i % 40 == 39 { 8.0 } else { [1.0, 0.3, 0.08][i % 3] };
                let r = spread * random.next().sqrt();
                let (s, c) = (2.0 * PI * random.next()).sin_cos();
                let at = (lon + r * c / lat.to_radians().cos().max(0.05), (lat + r * s).clamp(-90.0, 90.0));
                let at = if lat > 89.0 { (360.0 * random.next(), 90.0 - r) } else { at };
                frame(at.0, at.1, 360.0 * random.next(), (size, size * random.between(0.1, 1.0)), 1.0)
            })
            .collect();
        assert_eq!(overlap_groups(&footprints), groups_by_all_pairs(&footprints), "set {set}");
    }
}

#[test]
fn groups_of_two_stacks_with_a_gap() {
    // Their circles touch and their frames do not: no pair of 2 x 400 connects them.
    let mut random = Random(5);
    let stack = |random: &mut Random, lon: f64| -> Vec<Footprint> {
        (0..400)
            .map(|_| {
                let dither = (random.between(-0.02, 0.02), random.between(-0.02, 0.02));
                frame(lon + dither.0, dither.1, random.between(-1.0, 1.0), (1.0, 1.0), 1.0)
            })
            .collect()
    };
    let mut footprints = stack(&mut random, 0.0);
    footprints.extend(stack(&mut random, 1.1));
    let expected: Vec<usize> = (0..800).map(|i| i / 400).collect();
    assert_eq!(overlap_groups(&footprints), expected);
    footprints.push(frame(0.55, 0.0, 45.0, (0.2, 0.2), 1.0));
    assert_eq!(overlap_groups(&footprints), vec![0; 801]);
    let hull = FootprintHull::around(&footprints[..400].iter().collect::<Vec<_>>());
    assert!(footprints[..400].iter().all(|own| hull.is_reached_by(own)));
    assert!(footprints[400..800].iter().all(|other| !hull.is_reached_by(other)));
    assert!(hull.is_reached_by(&footprints[800]));
}

#[test]
fn neighbours_are_all_that_touch() {
    let mut random = Random(9);
    let balls: Vec<Ball> = (0..700)
        .map(|i| Ball {
            centre: [random.between(-9.0, 9.0), random.between(-9.0, 9.0), random.between(-0.1, 0.1)],
            radius: if i % 50 == 0 { 4.0 } else { random.between(0.0, 0.7) },
        })
        .collect();
    let index = PlaceIndex::new(&balls);
    let mut place_of = vec![usize::MAX; balls.len()];
    for place in 0..index.len() {
        for &frame in index.members(place) {
            assert_eq!(place_of[frame], usize::MAX, "{frame} is in two places");
            place_of[frame] = place;
        }
    }
    for (frame, ball) in balls.iter().enumerate() {
        let place = place_of[frame];
        assert_ne!(place, usize::MAX, "{frame} is in no place");
        let neighbours = index.neighbours(place);
        assert_eq!(neighbours[0], place);
        let mut found = Vec::new();
        index.candidates(frame, &neighbours, usize::MAX - 1, &mut found);
        let touching = |other: &usize| *other != frame && ball.touches(&balls[*other]);
        assert!((0..balls.len()).filter(touching).all(|other| found.contains(&other)));
        let count = found.len();
        found.sort_unstable();
        found.dedup();
        assert!(found.len() == count && !found.contains(&frame));
        // Of more than are wanted, as many as wanted, each once, from as many places as there may be.
        let mut some = Vec::new();
        index.candidates(frame, &neighbours, 20, &mut some);
        let places: std::collections::BTreeSet<usize> = some.iter().map(|f| place_of[*f]).collect();
        assert!(some.len() <= 20 && places.len() >= neighbours.len().min(10) - 1, "{frame}: {places:?}");
        some.sort_unstable();
        let count = some.len();
        some.dedup();
        assert!(some.len() == count && (count >= 15 || count == found.len()), "{frame}: {count}");
    }
    assert!(PlaceIndex::new(&[]).is_empty());
    let pole = Footprint::of(
        &Wcs::tan([0.0, 90.0], [0.0, 0.0], [[-1.0, 0.0], [0.0, 1.0]], SkyFrame::Icrs).unwrap(),
        10,
        10,
    );
    assert!(pole.unwrap().contains(&unit_vector(20.0, 89.9)));
}
