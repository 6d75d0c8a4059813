//! What to simulate: one struct with a preset for each kind of instrument.
//!
//! The Seestar figures were measured on real frames (photon transfer, sky level, FWHM, dithers, WCS).

use crate::error::TestkitError;
use crate::tan::Parity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ready-made instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Raw 10 s frames of a Seestar S50: u16 Bayer GRBG, 1080 x 1920, 2.374 arcsec per pixel.
    #[default]
    Seestar,
    /// Mono CCD on a longer telescope: f32, 1024 x 1024, 0.7 arcsec per pixel, 60 s.
    Ccd,
}

/// Colours of the sensor: mono, or the first two rows of a Bayer pattern as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sensor {
    /// No colour filter.
    Mono,
    /// R G / G B.
    Rggb,
    /// B G / G R.
    Bggr,
    /// G R / B G.
    Grbg,
    /// G B / R G.
    Gbrg,
}

impl Sensor {
    /// Value of BAYERPAT; `None` for mono.
    pub fn bayer_name(self) -> Option<&'static str> {
        match self {
            Self::Mono => None,
            Self::Rggb => Some("RGGB"),
            Self::Bggr => Some("BGGR"),
            Self::Grbg => Some("GRBG"),
            Self::Gbrg => Some("GBRG"),
        }
    }

    /// Colour (0 R, 1 G, 2 B) of each pixel of the repeating 2 x 2 block, `[y & 1][x & 1]`; mono counts as G.
    pub fn colours(self) -> [[usize; 2]; 2] {
        match self {
            Self::Mono => [[1, 1], [1, 1]],
            Self::Rggb => [[0, 1], [1, 2]],
            Self::Bggr => [[2, 1], [1, 0]],
            Self::Grbg => [[1, 0], [2, 1]],
            Self::Gbrg => [[1, 2], [0, 1]],
        }
    }
}

/// How pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SampleFormat {
    /// Unsigned 16 bit, rounded (BITPIX 16 with BZERO 32768).
    U16,
    /// 32-bit float, not rounded.
    F32,
}

/// Whether random noise is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Poisson noise of the light and Gaussian read noise.
    Full,
    /// None: pixels hold their expected value.
    Off,
}

/// Whether frames carry their WCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WcsCards {
    /// True WCS in the header.
    Written,
    /// No WCS: for plate solving.
    Absent,
}

/// Everything the simulator can be told. All random draws follow from `seed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SimulateOptions {
    /// Style of the header cards.
    pub instrument: Preset,
    /// Seed of everything random; the same seed and options give the same bytes.
    pub seed: u64,
    /// ICRS right ascension of the middle of the field, degrees.
    pub ra_deg: f64,
    /// ICRS declination of the middle of the field, degrees.
    pub dec_deg: f64,
    /// Value of OBJECT, also part of the file names.
    pub object: String,
    /// Start of the first exposure, UTC, `YYYY-MM-DDThh:mm:ss`; proper motions are applied up to it.
    pub start_utc: String,

    /// Frame width in pixels.
    pub width_px: usize,
    /// Frame height in pixels.
    pub height_px: usize,
    /// Arc seconds per pixel.
    pub scale_arcsec: f64,
    /// Handedness of the raw frames.
    pub parity: Parity,
    /// Colour filters.
    pub sensor: Sensor,
    /// Stored number type.
    pub sample: SampleFormat,
    /// Electrons per ADU.
    pub gain_e_per_adu: f64,
    /// Level without light, ADU.
    pub pedestal_adu: f64,
    /// Read noise, electrons.
    pub read_noise_e: f64,
    /// Highest value, ADU: brighter pixels are clipped to it.
    pub saturation_adu: f64,
    /// Step of the analogue-to-digital converter, ADU (16 for the 12-bit sensor of a Seestar before calibration).
    pub adc_step_adu: f64,
    /// Exposure time, seconds.
    pub exposure_s: f64,
    /// Magnitude V of a star that gives 1 ADU/s summed over its image (mean of the colours of the Bayer pattern).
    pub zero_point_mag: f64,
    /// Sky light in G or mono, electrons per pixel and second.
    pub sky_e_per_s: f64,
    /// Sky light in R as a share of G.
    pub sky_red: f64,
    /// Sky light in B as a share of G.
    pub sky_blue: f64,
    /// Random noise.
    pub noise: Noise,

    /// Full width at half maximum of a star (Moffat, beta 3, before pixel integration), pixels.
    pub fwhm_px: f64,
    /// Spread of the FWHM from frame to frame (standard deviation as a share of the FWHM).
    pub fwhm_spread: f64,
    /// Growth of the FWHM from the middle to the corners (0.2 = 20 %).
    pub fwhm_corner_growth: f64,
    /// 1 - minor/major axis of star images.
    pub ellipticity: f64,
    /// Direction of the major axis, degrees from +x towards +y.
    pub ellipticity_angle_deg: f64,
    /// Light lost in the corners (0.25 = 25 %), growing with the square of the distance from the middle.
    pub vignetting: f64,

    /// Number of frames in all.
    pub frames: usize,
    /// Mosaic panels along x.
    pub panels_x: usize,
    /// Mosaic panels along y.
    pub panels_y: usize,
    /// Overlap of neighbouring panels as a share of the frame.
    pub panel_overlap: f64,
    /// Frames between two dither jumps.
    pub dither_group: usize,
    /// Drift from frame to frame inside a group, pixels.
    pub drift_px: f64,
    /// Smallest dither jump from the panel centre, arc seconds.
    pub jump_min_arcsec: f64,
    /// Largest dither jump from the panel centre, arc seconds.
    pub jump_max_arcsec: f64,
    /// Time from one exposure to the next, seconds.
    pub cadence_s: f64,
    /// Extra time for a dither jump, seconds.
    pub jump_time_s: f64,
    /// Position angle of +y of the first frame, degrees east of north.
    pub position_angle_deg: f64,
    /// Field rotation, degrees per hour (an altazimuth mount turns the field; 0.05 deg per 10 s was seen).
    pub field_rotation_deg_per_h: f64,
    /// Whether the frames carry their WCS.
    pub wcs_cards: WcsCards,

    /// Faintest random star, V.
    pub faint_limit_mag: f64,
    /// Growth of star counts per magnitude beyond V 11; absent: as the local Tycho-2 counts grow, slowly falling.
    pub faint_slope: Option<f64>,
    /// Brightness of the nebula's knots as a share of the sky in G; 0 = no nebula.
    pub nebula_brightness: f64,
    /// Size of the largest structures of the nebula, degrees.
    pub nebula_scale_deg: f64,
    /// Radius to which the nebula reaches (1/e^0.5), degrees.
    pub nebula_radius_deg: f64,

    /// Lowest transparency: each frame's gain on the object's light is drawn from this value to 1.
    pub transparency_min: f64,
    /// Standard deviation of an offset added to each frame, ADU.
    pub offset_spread_adu: f64,
    /// Range of the sky gradient over a frame as a share of the sky; direction and shape change with time.
    pub sky_gradient: f64,

    /// Hot pixels, fixed on the sensor.
    pub hot_pixels: usize,
    /// Mean number of cosmic rays per frame.
    pub cosmic_rays_per_frame: f64,
    /// Number of satellite trails in the whole set.
    pub trails: usize,
    /// Peak of a trail in units of the sky noise of one G pixel.
    pub trail_snr: f64,
    /// Standard deviation of a trail across, pixels.
    pub trail_sigma_px: f64,
}

impl Default for SimulateOptions {
    fn default() -> Self {
        Self::preset(Preset::Seestar)
    }
}

impl SimulateOptions {
    /// Realistic options for an instrument.
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Seestar => Self::seestar(),
            Preset::Ccd => Self::ccd(),
        }
    }

    /// The demonstration set: 36 Seestar frames in two panels with dithers and field rotation, gain 1 and offset 0 in
    /// every frame, no vignetting and no gradient, a handful of cosmic rays and hot pixels, one satellite trail. FWHM
    /// and dithers are chosen to soften the Bayer sampling of R and B (see `docs/methods/simulator.md`).
    pub fn demo() -> Self {
        Self {
            seed: 20_250_327,
            frames: 36,
            panels_x: 2,
            panel_overlap: 0.3,
            fwhm_px: 2.6,
            dither_group: 4,
            drift_px: 1.3,
            jump_max_arcsec: 60.0,
            field_rotation_deg_per_h: 40.0,
            transparency_min: 1.0,
            offset_spread_adu: 0.0,
            sky_gradient: 0.0,
            vignetting: 0.0,
            hot_pixels: 20,
            cosmic_rays_per_frame: 4.0,
            trails: 1,
            ..Self::seestar()
        }
    }

    fn seestar() -> Self {
        Self {
            instrument: Preset::Seestar,
            seed: 1,
            ra_deg: 315.4,
            dec_deg: 68.16,
            object: "NGC 7023".to_owned(),
            start_utc: "2025-03-27T01:20:32".to_owned(),
            width_px: 1080,
            height_px: 1920,
            scale_arcsec: 2.374,
            parity: Parity::Mirrored,
            sensor: Sensor::Grbg,
            sample: SampleFormat::U16,
            gain_e_per_adu: 0.071,
            pedestal_adu: 433.0,
            read_noise_e: 1.0,
            saturation_adu: 65535.0,
            adc_step_adu: 1.0,
            exposure_s: 10.0,
            zero_point_mag: 20.4,
            sky_e_per_s: 4.0,
            sky_red: 0.73,
            sky_blue: 0.64,
            noise: Noise::Full,
            fwhm_px: 2.4,
            fwhm_spread: 0.04,
            fwhm_corner_growth: 0.0,
            ellipticity: 0.1,
            ellipticity_angle_deg: 30.0,
            vignetting: 0.1,
            frames: 30,
            panels_x: 1,
            panels_y: 1,
            panel_overlap: 0.25,
            dither_group: 5,
            drift_px: 2.0,
            jump_min_arcsec: 5.0,
            jump_max_arcsec: 90.0,
            cadence_s: 11.3,
            jump_time_s: 17.0,
            position_angle_deg: 20.0,
            field_rotation_deg_per_h: 12.0,
            wcs_cards: WcsCards::Written,
            faint_limit_mag: 16.0,
            faint_slope: None,
            nebula_brightness: 0.4,
            nebula_scale_deg: 0.4,
            nebula_radius_deg: 0.35,
            transparency_min: 0.8,
            offset_spread_adu: 30.0,
            sky_gradient: 0.03,
            hot_pixels: 50,
            cosmic_rays_per_frame: 3.0,
            trails: 2,
            trail_snr: 10.0,
            trail_sigma_px: 1.0,
        }
    }

    fn ccd() -> Self {
        Self {
            instrument: Preset::Ccd,
            object: "Sim".to_owned(),
            width_px: 1024,
            height_px: 1024,
            scale_arcsec: 0.7,
            parity: Parity::Sky,
            sensor: Sensor::Mono,
            sample: SampleFormat::F32,
            gain_e_per_adu: 1.5,
            pedestal_adu: 500.0,
            read_noise_e: 5.0,
            exposure_s: 60.0,
            zero_point_mag: 23.0,
            sky_e_per_s: 3.0,
            sky_red: 1.0,
            sky_blue: 1.0,
            fwhm_px: 3.2,
            ellipticity: 0.05,
            frames: 12,
            drift_px: 0.3,
            jump_max_arcsec: 20.0,
            cadence_s: 70.0,
            jump_time_s: 10.0,
            position_angle_deg: 0.0,
            field_rotation_deg_per_h: 0.0,
            faint_limit_mag: 20.0,
            nebula_scale_deg: 0.1,
            nebula_radius_deg: 0.1,
            nebula_brightness: 0.3,
            ..Self::seestar()
        }
    }

    /// Light of the sky per pixel and exposure in R, G, B, electrons.
    pub fn sky_e(&self) -> [f64; 3] {
        let green = self.sky_e_per_s * self.exposure_s;
        match self.sensor {
            Sensor::Mono => [green; 3],
            _ => [green * self.sky_red, green, green * self.sky_blue],
        }
    }

    /// Checks that the values make sense.
    ///
    /// # Errors
    /// [`TestkitError::Option`] names the first field that does not.
    pub fn validate(&self) -> Result<(), TestkitError> {
        let option = |name, value: String, reason| Err(TestkitError::Option { name, value, reason });
        let counts = [
            ("width-px", self.width_px),
            ("height-px", self.height_px),
            ("frames", self.frames),
            ("panels-x", self.panels_x),
            ("panels-y", self.panels_y),
            ("dither-group", self.dither_group),
        ];
        for (name, value) in counts {
            if value == 0 || value > 1_000_000 {
                return option(name, value.to_string(), "must be from 1 to 1,000,000");
            }
        }
        let positive = [
            ("scale-arcsec", self.scale_arcsec),
            ("gain-e-per-adu", self.gain_e_per_adu),
            ("saturation-adu", self.saturation_adu),
            ("adc-step-adu", self.adc_step_adu),
            ("exposure-s", self.exposure_s),
            ("fwhm-px", self.fwhm_px),
            ("cadence-s", self.cadence_s),
            ("trail-sigma-px", self.trail_sigma_px),
            ("nebula-scale-deg", self.nebula_scale_deg),
            ("nebula-radius-deg", self.nebula_radius_deg),
            ("faint-slope minus 1", self.faint_slope.map_or(1.0, |slope| slope - 1.0)),
        ];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return option(name, value.to_string(), "must be a number above 0");
            }
        }
        let shares = [
            ("ellipticity", self.ellipticity),
            ("vignetting", self.vignetting),
            ("panel-overlap", self.panel_overlap),
            ("transparency-min", 1.0 - self.transparency_min),
        ];
        for (name, value) in shares {
            if !(0.0..1.0).contains(&value) {
                return option(name, value.to_string(), "must be at least 0 and below 1");
            }
        }
        if !(0.0..360.0).contains(&self.ra_deg) || !(-90.0..=90.0).contains(&self.dec_deg) {
            let value = format!("{}, {}", self.ra_deg, self.dec_deg);
            return option("ra-deg, dec-deg", value, "must be a sky position in degrees");
        }
        if self.width_px.max(self.height_px) as f64 * self.scale_arcsec > 60.0 * 3600.0 {
            let value = self.scale_arcsec.to_string();
            return option("scale-arcsec", value, "a frame may span 60 degrees at most");
        }
        if self.faint_limit_mag > 22.0 {
            let value = self.faint_limit_mag.to_string();
            return option("faint-limit-mag", value, "must be 22 or brighter");
        }
        crate::pointing::UtcTime::parse(&self.start_utc).map(|_| ())
    }
}
