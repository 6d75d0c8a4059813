//! Where and under which conditions each frame is taken: panels, dither groups, drift, field rotation, transparency.
//!
//! Pattern as measured in real Seestar sets: groups of a few frames that drift by about 2 px per frame, jumps of 5 to
//! 90 arc seconds between groups, slow rotation of the field.

use crate::error::TestkitError;
use crate::options::SimulateOptions;
use crate::rng::Rng;
use crate::tan::TanFrame;
use serde::{Deserialize, Serialize};

/// Streams of random numbers, first key.
const KEY_GROUP: u64 = 0x6702;
const KEY_FRAME: u64 = 0x6703;
const KEY_TRAIL: u64 = 0x6704;

/// Sky gradient over a frame, as a share of the sky level; u and v run from -1 to 1 across the frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SkyGradient {
    /// Coefficient of u.
    pub x: f64,
    /// Coefficient of v.
    pub y: f64,
    /// Coefficient of u² + v² - 2/3 (zero mean).
    pub quadratic: f64,
}

impl SkyGradient {
    /// Relative sky excess at u, v in -1..1.
    pub fn at(&self, u: f64, v: f64) -> f64 {
        self.x * u + self.y * v + self.quadratic * (u * u + v * v - 2.0 / 3.0)
    }
}

/// One frame before it is rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct FramePlan {
    /// 0-based number in time order.
    pub index: usize,
    /// 0-based mosaic panel.
    pub panel: usize,
    /// File name without folder.
    pub file_name: String,
    /// True WCS.
    pub tan: TanFrame,
    /// Start of the exposure.
    pub start: UtcTime,
    /// Gain on the object's light (stars and nebula).
    pub gain: f64,
    /// Offset on top of pedestal and sky, ADU.
    pub offset_adu: f64,
    /// FWHM of this frame, pixels.
    pub fwhm_px: f64,
    /// Gradient of the sky.
    pub gradient: SkyGradient,
    /// Number of satellite trails.
    pub trails: usize,
}

/// Plans every frame.
///
/// # Errors
/// [`TestkitError::Option`] for options that make no sense.
pub fn plan_frames(options: &SimulateOptions) -> Result<Vec<FramePlan>, TestkitError> {
    options.validate()?;
    let start = UtcTime::parse(&options.start_utc)?;
    let panels = options.panels_x * options.panels_y;
    let mut trails = vec![0; options.frames];
    let mut trail_rng = Rng::for_keys(options.seed, &[KEY_TRAIL]);
    for _ in 0..options.trails {
        trails[trail_rng.below(options.frames)] += 1;
    }
    let mut elapsed_s = 0.0;
    let mut place = (usize::MAX, 0);
    let plans = (0..options.frames).map(|index| {
        let panel = index * panels / options.frames;
        let first_of_panel = (panel * options.frames).div_ceil(panels);
        let in_panel = index - first_of_panel;
        let group = in_panel / options.dither_group;
        if index > 0 {
            elapsed_s += options.cadence_s;
            if place != (panel, group) {
                elapsed_s += options.jump_time_s;
            }
        }
        place = (panel, group);
        let tan = frame_tan(options, panel, group, in_panel % options.dither_group, elapsed_s);
        let mut rng = Rng::for_keys(options.seed, &[KEY_FRAME, index as u64]);
        let gain = rng.range(options.transparency_min, 1.0);
        let offset_adu = options.offset_spread_adu * rng.normal();
        let fwhm_px = options.fwhm_px * (1.0 + options.fwhm_spread * rng.normal()).max(0.5);
        let time = start.plus_seconds(elapsed_s);
        FramePlan {
            index,
            panel,
            file_name: file_name(options, index, time),
            tan,
            start: time,
            gain,
            offset_adu,
            fwhm_px,
            gradient: gradient(options, elapsed_s, &mut rng),
            trails: trails[index],
        }
    });
    Ok(plans.collect())
}

fn frame_tan(options: &SimulateOptions, panel: usize, group: usize, step: usize, elapsed_s: f64) -> TanFrame {
    let size = (options.width_px, options.height_px);
    let pointed = |centre, angle_deg| {
        TanFrame::pointed_at(centre, options.scale_arcsec, angle_deg, options.parity, size)
    };
    let field = pointed((options.ra_deg, options.dec_deg), options.position_angle_deg);
    let column = (panel % options.panels_x) as f64 - (options.panels_x - 1) as f64 / 2.0;
    let row = (panel / options.panels_x) as f64 - (options.panels_y - 1) as f64 / 2.0;
    let mut rng = Rng::for_keys(options.seed, &[KEY_GROUP, panel as u64, group as u64]);
    let jump_px = rng.range(options.jump_min_arcsec, options.jump_max_arcsec.max(options.jump_min_arcsec))
        / options.scale_arcsec;
    let (jump_y, jump_x) = rng.range(0.0, std::f64::consts::TAU).sin_cos();
    let (drift_y, drift_x) = rng.range(0.0, std::f64::consts::TAU).sin_cos();
    let drift_px = options.drift_px * step as f64;
    let step_x = column * (1.0 - options.panel_overlap) * options.width_px as f64;
    let step_y = row * (1.0 - options.panel_overlap) * options.height_px as f64;
    let centre = field.pixel_to_sky(
        field.crpix_px[0] + step_x + jump_px * jump_x + drift_px * drift_x,
        field.crpix_px[1] + step_y + jump_px * jump_y + drift_px * drift_y,
    );
    pointed(centre, options.position_angle_deg + options.field_rotation_deg_per_h * elapsed_s / 3600.0)
}

/// The gradient turns slowly with time, as the field moves towards or away from the horizon's glow.
fn gradient(options: &SimulateOptions, elapsed_s: f64, rng: &mut Rng) -> SkyGradient {
    let turn = options.sky_gradient * (1.0 + 0.2 * rng.normal());
    let (sin, cos) = (0.7 + elapsed_s / 3600.0).sin_cos();
    SkyGradient { x: 0.4 * turn * cos, y: 0.4 * turn * sin, quadratic: 0.1 * turn }
}

fn file_name(options: &SimulateOptions, index: usize, time: UtcTime) -> String {
    let object: String =
        options.object.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let stamp = time.compact();
    format!("Light_{object}_{:.1}s_IRCUT_{stamp}_{index:04}.fit", options.exposure_s)
}

/// A moment, seconds since 1970-01-01T00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UtcTime {
    /// Seconds since 1970.
    pub unix_s: f64,
}

impl UtcTime {
    /// Reads `YYYY-MM-DDThh:mm:ss`.
    ///
    /// # Errors
    /// [`TestkitError::Option`] when the text has another shape.
    pub fn parse(text: &str) -> Result<Self, TestkitError> {
        let bad = || TestkitError::Option {
            name: "start-utc",
            value: text.to_owned(),
            reason: "write YYYY-MM-DDThh:mm:ss",
        };
        let fields: Vec<i64> = text
            .split(['-', 'T', ':'])
            .map(str::parse)
            .collect::<Result<_, std::num::ParseIntError>>()
            .map_err(|_| bad())?;
        let &[year, month, day, hour, minute, second] = fields.as_slice() else { return Err(bad()) };
        let in_range = (1000..10000).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..61).contains(&second);
        if !in_range {
            return Err(bad());
        }
        let days = days_from_civil(year, month, day);
        Ok(Self { unix_s: (days * 86400 + hour * 3600 + minute * 60 + second) as f64 })
    }

    /// This moment plus some seconds.
    #[must_use]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self { unix_s: self.unix_s + seconds }
    }

    /// Julian year (2000.0 at J2000).
    pub fn julian_year(self) -> f64 {
        2000.0 + (self.unix_s - 946_728_000.0) / (365.25 * 86400.0)
    }

    fn fields(self) -> (i64, i64, i64, i64, i64, f64) {
        // Whole microseconds, so that no second is ever shown as 60.000000.
        let micros = (self.unix_s * 1e6).round() as i64;
        let (day, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
        let (y, m, d) = civil_from_days(day);
        (y, m, d, rest / 3_600_000_000, rest / 60_000_000 % 60, (rest % 60_000_000) as f64 / 1e6)
    }

    /// `YYYY-MM-DDThh:mm:ss.ssssss`.
    pub fn iso(self) -> String {
        let (y, m, d, hh, mm, ss) = self.fields();
        format!("{y:04}-{m:02}-{d:02}T{hh:02}:{mm:02}:{ss:09.6}")
    }

    /// `YYYYMMDD-hhmmss`.
    pub fn compact(self) -> String {
        let (y, m, d, hh, mm, ss) = self.fields();
        format!("{y:04}{m:02}{d:02}-{hh:02}{mm:02}{:02}", ss as i64)
    }
}

/// Days from 1970-01-01 in the Gregorian calendar (year counted from March, eras of 400 years).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = y.rem_euclid(400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_round() {
        let t = UtcTime::parse("2024-02-29T23:59:50").unwrap();
        assert_eq!(t.iso(), "2024-02-29T23:59:50.000000");
        assert_eq!(t.plus_seconds(11.25).iso(), "2024-03-01T00:00:01.250000");
        assert_eq!(UtcTime::parse("1970-01-01T00:00:00").unwrap().unix_s, 0.0);
        assert!((UtcTime::parse("2000-01-01T12:00:00").unwrap().julian_year() - 2000.0).abs() < 1e-9);
        assert!(UtcTime::parse("27 March 2025").is_err());
    }

    #[test]
    fn demo_has_no_gains_and_two_panels() {
        let plans = plan_frames(&SimulateOptions::demo()).unwrap();
        assert_eq!(plans.len(), 36);
        assert!(
            plans.iter().all(|p| p.gain == 1.0 && p.offset_adu == 0.0 && p.gradient.at(0.3, -0.8) == 0.0)
        );
        assert_eq!(plans.iter().filter(|p| p.panel == 0).count(), 18);
        assert_eq!(plans.iter().map(|p| p.trails).sum::<usize>(), 1);
        let mut names: Vec<_> = plans.iter().map(|p| p.file_name.as_str()).collect();
        names.dedup();
        assert_eq!(names.len(), 36);
    }
}
