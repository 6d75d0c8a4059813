//! Exact overlaps on the sphere: equal to the plane for small pixels, and true for large ones.

#[path = "common/area.rs"]
mod area;
mod common;

use area::{Corners, Sampled, sample};
use common::{Frame, Random};
use zemosaic_resample::area::{AreaKernel, AreaMethod, CornerRows, SphereArea, SphereRows, area_ratio_row};
use zemosaic_resample::flags;

type Vector = [f64; 3];

/// A tangent plane about a direction, pixels of `scale_rad`, frame position (cx, cy) at the direction.
struct Tangent {
    axes: [Vector; 3],
    scale_rad: f64,
    centre: [f64; 2],
}

impl Tangent {
    fn new(lon_deg: f64, lat_deg: f64, angle_deg: f64, scale_rad: f64, centre: [f64; 2]) -> Self {
        let ((sl, cl), (sb, cb)) = (lon_deg.to_radians().sin_cos(), lat_deg.to_radians().sin_cos());
        let (s, c) = angle_deg.to_radians().sin_cos();
        let (east, north, up) = ([-sl, cl, 0.0], [-sb * cl, -sb * sl, cb], [cb * cl, cb * sl, sb]);
        let turned = |a: f64, b: f64| [0, 1, 2].map(|k| a * east[k] + b * north[k]);
        Self { axes: [turned(c, s), turned(-s, c), up], scale_rad, centre }
    }

    fn vector(&self, x: f64, y: f64) -> Vector {
        let (u, v) = ((x - self.centre[0]) * self.scale_rad, (y - self.centre[1]) * self.scale_rad);
        let length = (1.0 + u * u + v * v).sqrt();
        [0, 1, 2].map(|k| (u * self.axes[0][k] + v * self.axes[1][k] + self.axes[2][k]) / length)
    }

    fn pixel(&self, p: &Vector) -> (f64, f64) {
        let [u, v, w] = [0, 1, 2].map(|a| (0..3).map(|k| self.axes[a][k] * p[k]).sum::<f64>());
        (u / w / self.scale_rad + self.centre[0], v / w / self.scale_rad + self.centre[1])
    }
}

fn on_sphere(
    frame: &Frame,
    scale: f64,
    corners: &Corners,
    sky: impl Fn(f64, f64) -> Vector,
    pixel: impl Fn(f64, f64) -> Vector,
) -> Sampled {
    let rows: Vec<Vec<Vector>> = (0..=corners.height)
        .map(|j| (0..=corners.width).map(|i| sky(i as f64 - 0.5, j as f64 - 0.5)).collect())
        .collect();
    let mut sphere = SphereArea::new(scale, frame.region());
    let mut out = Sampled::new(corners.width * corners.height);
    for j in 0..corners.height {
        let sky = SphereRows { lower: &rows[j], upper: &rows[j + 1] };
        let row = out.row(j * corners.width, corners.width);
        let mut corner = |x: f64, y: f64| Some(pixel(x, y));
        sphere.row(&[frame.window()], None, corners.row(j), sky, &mut corner, &mut [row]);
    }
    out
}

#[test]
fn small_pixels_are_as_in_the_plane() {
    let frame = Frame::noise(40, 34, -0.5, 1.0, 1).with_holes(2);
    for (arcsec, scale, angle, lat) in
        [(0.2, 1.0, 10.0, 30.0), (2.0, 0.7, 65.0, -88.0), (2.0, 2.4, 170.0, 0.0)]
    {
        let rad = f64::to_radians(arcsec / 3600.0);
        let of_frame = Tangent::new(200.0, lat, 0.0, rad, [19.5, 16.5]);
        let of_grid = Tangent::new(200.0002, lat + 0.0001, angle, rad * scale, [20.0, 18.0]);
        let corners = Corners::new(41, 37, |x, y| of_frame.pixel(&of_grid.vector(x, y)));
        let plane = sample(&AreaKernel::new(AreaMethod::Exact, scale).unwrap(), &frame, &corners);
        let sphere =
            on_sphere(&frame, scale, &corners, |x, y| of_grid.vector(x, y), |x, y| of_frame.vector(x, y));
        let mut compared = 0;
        for k in 0..plane.value.len() {
            assert!((plane.weight[k] - sphere.weight[k]).abs() < 1e-7, "{k}");
            if plane.weight[k] > 1e-4 {
                compared += 1;
                assert_eq!(plane.flags[k], sphere.flags[k], "{k}");
                assert!((plane.value[k] - sphere.value[k]).abs() < 1e-7, "{k}");
                assert!((plane.factor[k] / sphere.factor[k] - 1.0).abs() < 3e-7, "{k}");
            }
        }
        assert!(compared > 150, "{compared}");
    }
}

/// Degrees on a plate carree with a pole in it, seen on a tangent plane: every output pixel's covered area, and
/// the sum over all of them, against the areas of the frame's pixels between parallels.
#[test]
fn large_pixels_cover_the_frame_once() {
    let (width, height, step) = (60_usize, 20_usize, 2.0_f64.to_radians());
    // Longitudes 0 .. 120 degrees, latitudes 40 .. 80.
    let plate = |x: f64, y: f64| {
        let (lon, lat) = ((x + 0.5) * step, 40.0_f64.to_radians() + (y + 0.5) * step);
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let back =
        |p: &Vector| (p[1].atan2(p[0]) / step - 0.5, (p[2].asin() - 40.0_f64.to_radians()) / step - 0.5);
    let frame = Frame::new(width, height, |_, _| 7.0);
    let grid = Tangent::new(60.0, 60.0, 20.0, 1.5_f64.to_radians(), [44.5, 44.5]);
    let sky = |x: f64, y: f64| grid.vector(x, y);
    let corners = Corners::new(90, 90, |x, y| back(&sky(x, y)));
    let found = on_sphere(&frame, 8.0, &corners, sky, plate);
    let solid = |q: [Vector; 4]| -> f64 {
        let half = |a: Vector, b: Vector, c: Vector| {
            let dot = |a: &Vector, b: &Vector| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let cross = [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]];
            2.0 * dot(&a, &cross).atan2(1.0 + dot(&a, &b) + dot(&b, &c) + dot(&c, &a))
        };
        half(q[0], q[1], q[2]) + half(q[0], q[2], q[3])
    };
    let corner_of = |f: &dyn Fn(f64, f64) -> Vector, x: f64, y: f64| {
        [f(x - 0.5, y - 0.5), f(x + 0.5, y - 0.5), f(x + 0.5, y + 0.5), f(x - 0.5, y + 0.5)]
    };
    let covered: f64 = (0..90 * 90)
        .map(|k| f64::from(found.weight[k]) * solid(corner_of(&sky, (k % 90) as f64, (k / 90) as f64)))
        .sum();
    let expected: f64 =
        (0..width * height).map(|k| solid(corner_of(&plate, (k % width) as f64, (k / width) as f64))).sum();
    assert!((covered / expected - 1.0).abs() < 1e-6, "{covered} {expected}");
    assert!(found.weight.iter().all(|w| *w <= 1.0 + 1e-6));
    let values = found.value.iter().filter(|v| !v.is_nan());
    assert!(values.clone().count() > 1000 && values.clone().all(|v| *v == 7.0));
    assert!(found.flags.iter().any(|f| f & flags::EDGE != 0) && found.flags.contains(&flags::INSIDE));
}

#[test]
fn corners_off_the_sky_give_no_data() {
    let frame = Frame::noise(20, 20, 0.0, 1.0, 3);
    let tangent = Tangent::new(0.0, 0.0, 0.0, 1e-3, [9.5, 9.5]);
    let corners = Corners::affine(8, 8, 1.0, 10.0, 1.0, [9.5, 9.5]);
    let nowhere = on_sphere(&frame, 1.0, &corners, |_, _| [f64::NAN; 3], |x, y| tangent.vector(x, y));
    assert!(nowhere.value.iter().all(|v| v.is_nan()) && nowhere.flags.iter().all(|f| *f == 0));
    let mut sphere = SphereArea::new(1.0, frame.region());
    let mut out = Sampled::new(8);
    let sky: Vec<Vector> = (0..9).map(|i| tangent.vector(6.0 + f64::from(i), 6.0)).collect();
    let above: Vec<Vector> = (0..9).map(|i| tangent.vector(6.0 + f64::from(i), 7.0)).collect();
    let xs: Vec<f64> = (0..9).map(|i| 6.0 + f64::from(i)).collect();
    let rows = CornerRows { lower_x: &xs, lower_y: &[6.0; 9], upper_x: &xs, upper_y: &[7.0; 9] };
    let rows_sky = SphereRows { lower: &sky, upper: &above };
    sphere.row(&[frame.window()], None, rows, rows_sky, &mut |_, _| None, &mut [out.row(0, 8)]);
    assert!(out.value.iter().all(|v| v.is_nan()));
    let mut ratio = [0.0; 8];
    area_ratio_row(rows, &mut ratio);
    assert!(ratio.iter().all(|r| (r - 1.0).abs() < 1e-6));
    let _ = Random(1);
}
