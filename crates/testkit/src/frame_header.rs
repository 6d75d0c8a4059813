//! Header cards of simulated frames: those of real Seestar frames, or a plain CCD's.

use crate::options::{Preset, SimulateOptions, WcsCards};
use crate::pointing::FramePlan;
use zemosaic_fits::Header;

/// Every card of a frame beyond the mandatory ones.
pub fn frame_header(options: &SimulateOptions, plan: &FramePlan) -> Header {
    let mut header = Header::new();
    match options.instrument {
        Preset::Seestar => seestar_cards(options, plan, &mut header),
        Preset::Ccd => ccd_cards(options, plan, &mut header),
    }
    if let Some(pattern) = options.sensor.bayer_name() {
        header.set_str("BAYERPAT", pattern, "Bayer pattern");
    }
    header.set_str("OBJECT", &options.object, "name of object being imaged");
    header.set_f64("TOTALEXP", options.exposure_s, "Total Exposure Time in seconds");
    if options.wcs_cards == WcsCards::Written {
        plan.tan.write_to(&mut header);
    }
    header.push_comment("Simulated frame of the real sky (Tycho-2), made by zemosaic simulate.");
    header
}

/// The cards that firmware 4.27 writes, in its order and with its comments. RA and DEC are of date, as there.
fn seestar_cards(options: &SimulateOptions, plan: &FramePlan, header: &mut Header) {
    header.set_str("CREATOR", "ZWO Seestar S50", "Capture software");
    header.set_str("PRODUCER", "ZWO", "Powered by ZWO");
    header.set_i64("XORGSUBF", 0, "Subframe X position in binned pixels");
    header.set_i64("YORGSUBF", 0, "Subframe Y position in binned pixels");
    header.set_i64("FOCALLEN", 250, "Focal length of telescope in mm");
    header.set_f64("APERTURE", 5.0, "Name of field of view aperture");
    header.set_str("PROGRAM", "4.27", "The name of the software task that created the");
    for key in ["XBINNING", "CCDXBIN"] {
        header.set_i64(key, 1, "Camera X Bin");
    }
    for key in ["YBINNING", "CCDYBIN"] {
        header.set_i64(key, 1, "Camera Y Bin");
    }
    header.set_f64("XPIXSZ", 2.900_000_095_367_43, "pixel size in microns (with binning)");
    header.set_f64("YPIXSZ", 2.900_000_095_367_43, "pixel size in microns (with binning)");
    header.set_str("IMAGETYP", "Light", "Type of image");
    header.set_f64("EXPOSURE", options.exposure_s, "Exposure time in seconds");
    header.set_f64("EXPTIME", options.exposure_s, "Exposure time in seconds");
    header.set_f64("CCD-TEMP", 25.125, "sensor temperature in C");
    let (ra_deg, dec_deg) = of_date(plan.tan.crval_deg, plan.start.julian_year());
    header.set_f64("RA", round_to(ra_deg, 1e6), "Object Right Ascension in degrees");
    header.set_f64("DEC", round_to(dec_deg, 1e6), "Object Declination in degrees");
    header.set_f64("SITELONG", 0.0, "longitude of the imaging site in degrees");
    header.set_f64("SITELAT", 0.0, "latitude of the imaging site in degrees");
    header.set_str("DATE-OBS", &plan.start.iso(), "Image created time");
    header.set_str("FILTER", "IRCUT", "Filter used when taking image");
    header.set_str("INSTRUME", "Seestar S50", "Camera model");
    header.set_i64("GAIN", 80, "Gain Value");
    header.set_i64("FOCUSPOS", 1555, "Focuser position in steps");
    header.set_str("TELESCOP", "S50_00000000", "Telescope name");
}

fn ccd_cards(options: &SimulateOptions, plan: &FramePlan, header: &mut Header) {
    header.set_str("INSTRUME", "Simulated CCD", "Camera model");
    header.set_str("IMAGETYP", "Light", "Type of image");
    header.set_f64("EXPTIME", options.exposure_s, "[s] exposure time");
    header.set_str("DATE-OBS", &plan.start.iso(), "start of exposure, UTC");
    header.set_str("FILTER", "V", "");
    header.set_f64("EGAIN", options.gain_e_per_adu, "[e-/ADU]");
    header.set_f64("RDNOISE", options.read_noise_e, "[e-]");
    header.set_f64("SATURATE", options.saturation_adu, "[ADU]");
    header.set_f64("RA", round_to(plan.tan.crval_deg[0], 1e6), "[deg] pointing, J2000");
    header.set_f64("DEC", round_to(plan.tan.crval_deg[1], 1e6), "[deg] pointing, J2000");
}

fn round_to(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

/// Mean place of date from J2000: precession angles of Lieske et al. 1977 (good to an arc second for decades).
fn of_date([ra_deg, dec_deg]: [f64; 2], julian_year: f64) -> (f64, f64) {
    let t = (julian_year - 2000.0) / 100.0;
    let arcsec = |a: f64, b: f64, c: f64| ((a + (b + c * t) * t) * t / 3600.0).to_radians();
    let zeta = arcsec(2306.2181, 0.30188, 0.017998);
    let z = arcsec(2306.2181, 1.09468, 0.018203);
    let theta = arcsec(2004.3109, -0.42665, -0.041833);
    let (sin_a, cos_a) = (ra_deg.to_radians() + zeta).sin_cos();
    let (sin_d, cos_d) = dec_deg.to_radians().sin_cos();
    let (sin_t, cos_t) = theta.sin_cos();
    let x = cos_t * cos_d * cos_a - sin_t * sin_d;
    let y = cos_d * sin_a;
    let new_sin = sin_t * cos_d * cos_a + cos_t * sin_d;
    ((y.atan2(x) + z).to_degrees().rem_euclid(360.0), new_sin.atan2(x.hypot(y)).to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_of_date_matches_a_real_seestar_header() {
        // M94 (J2000 192.7210, +41.1203) stands at 193.04, +40.97 in the frames of March 2025.
        let (ra, dec) = of_date([192.7210, 41.1203], 2025.24);
        assert!((ra - 193.0).abs() < 0.05 && (dec - 40.98).abs() < 0.02, "{ra} {dec}");
    }
}
