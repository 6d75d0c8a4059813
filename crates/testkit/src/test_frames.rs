//! Small frames with a WCS for the tests of other crates: noise images, star images, headers, files.

use crate::error::TestkitError;
use crate::psf::Moffat;
use crate::rng::Rng;
use crate::tan::TanFrame;
use std::path::Path;
use zemosaic_fits::{Header, ImageData, write_image};

const KEY_NOISE_IMAGE: u64 = 0x7E01;

/// Gaussian noise about a mean, row-major; each row has its own stream, so a wider image does not begin with the same
/// pixels but a taller one does.
pub fn noise_image(width: usize, height: usize, mean_adu: f64, sigma_adu: f64, seed: u64) -> Vec<f32> {
    let mut plane = Vec::with_capacity(width * height);
    for y in 0..height {
        let mut rng = Rng::for_keys(seed, &[KEY_NOISE_IMAGE, width as u64, y as u64]);
        plane.extend((0..width).map(|_| (mean_adu + sigma_adu * rng.normal()) as f32));
    }
    plane
}

/// Noise-free round Moffat stars on an empty plane; `stars` are (x, y, flux).
pub fn star_image(width: usize, height: usize, stars: &[(f64, f64, f64)], fwhm_px: f64) -> Vec<f32> {
    let psf = Moffat::new(fwhm_px, 0.0, 0.0);
    let mut plane = vec![0.0; width * height];
    for &(x, y, flux) in stars {
        let radius = psf.radius_px(flux, 1e-4 * flux.abs().max(1e-30));
        psf.add_star(&mut plane, (width, height), (x, y), radius, |_, _| flux);
    }
    plane
}

/// Header cards of a plain TAN WCS (without the mandatory cards, which the writer adds).
pub fn tan_header(frame: &TanFrame) -> Header {
    let mut header = Header::new();
    header.set_str("OBJECT", "Test", "");
    header.set_f64("EXPTIME", 10.0, "[s] exposure time");
    frame.write_to(&mut header);
    header
}

/// Writes a test frame with this WCS; `data` holds one plane, or three for colour. `edit` may change the header first.
///
/// # Errors
/// [`TestkitError::Fits`] when the file cannot be written or `data` does not fit the frame's size.
pub fn write_test_frame(
    path: &Path,
    frame: &TanFrame,
    data: ImageData<'_>,
    edit: impl FnOnce(&mut Header),
) -> Result<(), TestkitError> {
    let mut header = tan_header(frame);
    edit(&mut header);
    let samples = match &data {
        ImageData::U8(values) => values.len(),
        ImageData::U16(values) => values.len(),
        ImageData::I16(values) => values.len(),
        ImageData::I32(values) => values.len(),
        ImageData::I64(values) => values.len(),
        ImageData::F32(values) => values.len(),
        ImageData::F64(values) => values.len(),
    };
    let mut dims = vec![frame.width_px, frame.height_px];
    let planes = samples / (frame.width_px * frame.height_px).max(1);
    if planes != 1 {
        dims.push(planes);
    }
    write_image(path, &header, data, &dims)?;
    Ok(())
}
