//! Equatorial or alt-azimuth mount, from the turn of the frames with time.
//!
//! On an equatorial mount the position angle stays, but for a half turn at the meridian. On an alt-azimuth mount it follows the
//! parallactic angle, at 15.04 deg/h cos(latitude) cos(azimuth) / cos(altitude) (Meeus 1998, chapter 14, differentiated):
//! 5 to 15 deg/h at middle latitudes but for a short while about east and west. Site and sidereal time are not needed.

/// Kind of mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mount {
    /// Frames do not turn.
    Equatorial,
    /// Frames turn with the sky.
    AltAz,
    /// Too few frames, too short, or frames that turn in no such way.
    Unknown,
}

/// Where a frame looked and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MountPose {
    /// Time of mid-exposure, seconds of any continuous scale.
    pub time_s: f64,
    /// Position angle of the +y axis, degrees east of north, at the centre.
    pub position_angle_deg: f64,
    /// -1.0 as on the sky, +1.0 mirrored ([`zemosaic_sky::Wcs::parity`]).
    pub parity: f64,
    /// Right ascension of the centre, degrees.
    pub ra_deg: f64,
    /// Declination of the centre, degrees.
    pub dec_deg: f64,
}

/// A longer pause begins a session: the camera may have been turned.
const PAUSE_S: f64 = 3.0 * 3600.0;
/// Shorter sessions say nothing: 15 minutes of 1 deg/h are as little as a poor solution.
const LEAST_SPAN_S: f64 = 900.0;
const LEAST_FRAMES: usize = 5;
/// Pairs nearer in time have too much noise in their rate.
const LEAST_PAIR_S: f64 = 300.0;
/// More frames of a session are thinned to this many.
const MOST_FRAMES: usize = 300;
/// Slower is equatorial: polar misalignment of a degree turns the field by less than 0.3 deg/h below 60 degrees declination.
const EQUATORIAL_DEG_PER_H: f64 = 0.3;
/// Faster is alt-azimuth.
const ALT_AZ_DEG_PER_H: f64 = 1.0;
/// A new target farther than this begins a session: on an alt-azimuth mount the angle jumps with it.
const TARGET_DEG: f64 = 5.0;
/// Scatter about the mean turn within which a session tells of a mount, degrees and as a share of its turn.
const SCATTER: (f64, f64) = (0.5, 0.2);

/// The mount that the frames tell of; sessions vote with their length. Poses in any order.
pub fn mount_type(poses: &[MountPose]) -> Mount {
    let mut poses: Vec<MountPose> = poses.iter().copied().filter(is_finite).collect();
    poses.sort_by(|a, b| {
        a.time_s.total_cmp(&b.time_s).then(a.position_angle_deg.total_cmp(&b.position_angle_deg))
    });
    let (mut equatorial, mut alt_az) = (0.0, 0.0);
    for session in poses.chunk_by(same_session) {
        match of_session(session) {
            Mount::Equatorial => equatorial += span_s(session),
            Mount::AltAz => alt_az += span_s(session),
            Mount::Unknown => {}
        }
    }
    if equatorial > alt_az {
        Mount::Equatorial
    } else if alt_az > equatorial {
        Mount::AltAz
    } else {
        Mount::Unknown
    }
}

fn is_finite(pose: &MountPose) -> bool {
    [pose.time_s, pose.position_angle_deg, pose.ra_deg, pose.dec_deg].iter().all(|v| v.is_finite())
}

fn same_session(a: &MountPose, b: &MountPose) -> bool {
    let (u, v) =
        (zemosaic_sky::unit_vector(a.ra_deg, a.dec_deg), zemosaic_sky::unit_vector(b.ra_deg, b.dec_deg));
    b.time_s - a.time_s <= PAUSE_S
        && a.parity == b.parity
        && zemosaic_sky::angle_rad(&u, &v).to_degrees() <= TARGET_DEG
}

fn span_s(session: &[MountPose]) -> f64 {
    match session {
        [first, .., last] => last.time_s - first.time_s,
        _ => 0.0,
    }
}

fn of_session(session: &[MountPose]) -> Mount {
    if session.len() < LEAST_FRAMES || span_s(session) < LEAST_SPAN_S {
        return Mount::Unknown;
    }
    let step = session.len().div_ceil(MOST_FRAMES);
    // Turns are counted modulo 180 deg: a meridian flip is none.
    let mut angles: Vec<(f64, f64)> = Vec::new();
    for pose in session.iter().step_by(step) {
        let before = angles.last().map_or(pose.position_angle_deg, |last| last.1);
        let turn = (pose.position_angle_deg - before + 90.0).rem_euclid(180.0) - 90.0;
        angles.push((pose.time_s / 3600.0, before + turn));
    }
    let mut rates = Vec::new();
    for (index, a) in angles.iter().enumerate() {
        let later = angles[index + 1..].iter().filter(|b| b.0 - a.0 >= LEAST_PAIR_S / 3600.0);
        rates.extend(later.map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    // The median slope (Theil 1950, Sen 1968).
    let rate = super::robust::median(rates);
    let zero = super::robust::median(angles.iter().map(|a| a.1 - rate * a.0).collect());
    let scatter = super::robust::median(angles.iter().map(|a| (a.1 - rate * a.0 - zero).abs()).collect());
    let turn = (rate * span_s(session) / 3600.0).abs();
    if scatter.is_nan() || scatter > SCATTER.0.max(SCATTER.1 * turn) {
        Mount::Unknown
    } else if rate.abs() < EQUATORIAL_DEG_PER_H {
        Mount::Equatorial
    } else if rate.abs() > ALT_AZ_DEG_PER_H {
        Mount::AltAz
    } else {
        Mount::Unknown
    }
}
