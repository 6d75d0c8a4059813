//! Headers of `mosaic.fits`: the contract of the science product.

use zemosaic_coadd::{
    BackgroundMethod, CoaddOptions, FluxConvention, KernelName, ProductPlane, RadialWeight,
};
use zemosaic_fits::Header;
use zemosaic_frames::{FrameMeta, time};
use zemosaic_image::rgb_equalize::RgbDecision;

use crate::options::MosaicOptions;
use crate::products::facts::Facts;
use crate::products::tile_header::name;

/// Name and version of this program.
pub const PROGRAM: &str = concat!("zemosaic ", env!("CARGO_PKG_VERSION"));

/// The header of one plane. Its cards are the same before and after the run, so the file can be laid
/// out first and the header filled in at the end.
pub fn plane_header(plane: ProductPlane, index: usize, facts: &Facts, options: &MosaicOptions) -> Header {
    let mut header = structure(plane, index, facts);
    facts.grid.wcs.write_to(&mut header);
    if plane == ProductPlane::Sci {
        identity(&mut header, facts);
        times(&mut header, facts);
        counts(&mut header, facts);
        noise(&mut header, facts);
        if let Some(gauge) = &facts.gauge {
            gauge.write_cards(&mut header);
        }
        if let Some(gauge) = &facts.frame_gauge {
            gauge.write_card_of_frames(&mut header);
        }
        colour(&mut header, facts);
    }
    software(&mut header, facts);
    if plane == ProductPlane::Sci {
        history(&mut header, facts, options);
    }
    if plane == ProductPlane::Dq {
        for line in [
            "bit 1: no data",
            "bit 2: kernel over a frame edge",
            "bit 4: saturated input",
            "bit 8: samples rejected",
            "bit 16: masked input",
            "bit 32: fewer than 3 samples to judge by",
            "bit 64: the patch failed",
        ] {
            header.push_comment(line);
        }
    }
    header
}

fn structure(plane: ProductPlane, index: usize, facts: &Facts) -> Header {
    let mut header = Header::new();
    if index == 0 {
        header.set_bool("SIMPLE", true, "conforms to the FITS standard");
    } else {
        header.set_str("XTENSION", "IMAGE", "image extension");
    }
    header.set_i64("BITPIX", if plane.is_integer() { 32 } else { -32 }, "bits per sample");
    let planes = plane.images(facts.channels, facts.depth);
    header.set_i64("NAXIS", if planes > 1 { 3 } else { 2 }, "axes");
    header.set_i64("NAXIS1", facts.grid.width as i64, "columns");
    header.set_i64("NAXIS2", facts.grid.height as i64, "rows");
    if planes > 1 {
        header.set_i64("NAXIS3", planes as i64, "red, green, blue");
    }
    if index == 0 {
        header.set_bool("EXTEND", true, "extensions follow");
    } else {
        header.set_i64("PCOUNT", 0, "no heap");
        header.set_i64("GCOUNT", 1, "one group");
    }
    header.set_str("EXTNAME", plane.extname(), meaning(plane));
    let unit = facts.unit().map(|unit| match plane {
        ProductPlane::Var => squared(&unit),
        _ => unit,
    });
    if let (Some(unit), ProductPlane::Sci | ProductPlane::Var) = (unit, plane) {
        header.set_str("BUNIT", &unit, "unit of the pixel values");
    }
    header
}

/// The square of a unit, as FITS 4.0 §4.3 writes it.
fn squared(unit: &str) -> String {
    if unit.chars().all(char::is_alphabetic) { format!("{unit}2") } else { format!("({unit})2") }
}

fn meaning(plane: ProductPlane) -> &'static str {
    match plane {
        ProductPlane::Sci => "linear coadd, NaN where no data",
        ProductPlane::Wht => "sum of weights",
        ProductPlane::Var => "variance of SCI",
        ProductPlane::Depth => "valid samples before rejection",
        ProductPlane::RejLo => "samples rejected as too low",
        ProductPlane::RejHi => "samples rejected as too high",
        ProductPlane::Dq => "quality bits",
    }
}

fn identity(header: &mut Header, facts: &Facts) {
    type Pick = fn(&FrameMeta) -> Option<String>;
    let keys: [(&str, Pick, &str); 5] = [
        ("OBJECT", |m| m.object.clone(), "target"),
        ("TELESCOP", |m| m.telescope.clone(), "telescope"),
        ("INSTRUME", |m| m.instrument.clone(), "camera"),
        ("FILTER", |m| m.filter.clone(), "filter"),
        ("SRCCREA", |m| m.creator.clone(), "program that wrote the frames"),
    ];
    for (key, pick, comment) in keys {
        if let Some(value) = facts.common(pick) {
            header.set_str(key, &value, comment);
        }
    }
    let common_number = |pick: fn(&FrameMeta) -> Option<f64>| {
        facts
            .common(|meta| pick(meta).map(|value| value.to_string()))
            .and_then(|text| text.parse::<f64>().ok())
    };
    if let Some(value) = common_number(|m| m.focal_length_mm) {
        header.set_f64("FOCALLEN", value, "[mm] focal length");
    }
    if let Some(value) = common_number(|m| m.pixel_size_um) {
        header.set_f64("XPIXSZ", value, "[um] pixel size of the frames");
    }
    header.set_str("ROWORDER", "BOTTOM-UP", "first row is the bottom of the picture");
}

fn times(header: &mut Header, facts: &Facts) {
    let time = &facts.time;
    header.set_str("TIMESYS", "UTC", "time scale");
    if let (Some(begin), Some(end), Some(average)) = (time.begin, time.end, time.average) {
        header.set_str("DATE-OBS", &time::iso(begin), "start of the first exposure");
        header.set_str("DATE-BEG", &time::iso(begin), "start of the first exposure");
        header.set_str("DATE-END", &time::iso(end), "end of the last exposure");
        header.set_str("DATE-AVG", &time::iso(average), "exposure-weighted mean time");
        header.set_f64("MJD-OBS", time::mjd(begin), "[d] start of the first exposure");
        header.set_f64("MJD-BEG", time::mjd(begin), "[d] start of the first exposure");
        header.set_f64("MJD-END", time::mjd(end), "[d] end of the last exposure");
        header.set_f64("MJD-AVG", time::mjd(average), "[d] exposure-weighted mean time");
        header.set_f64(
            "TELAPSE",
            (time::mjd(end) - time::mjd(begin)) * 86400.0,
            "[s] first start to last end",
        );
    }
    if let (Some(total), Some(each)) = (time.total_exposure_s, time.frame_exposure_s) {
        let (median, max) = facts.depth_median_and_max();
        header.set_f64("EXPTIME", each, "[s] exposure the pixel values refer to");
        header.set_f64("XPOSURE", total, "[s] total exposure of the used frames");
        header.set_f64("LIVETIME", total, "[s] total exposure of the used frames");
        header.set_f64("MEDEXP", f64::from(median) * each, "[s] median exposure per pixel with data");
        header.set_f64("MAXEXP", f64::from(max) * each, "[s] largest exposure per pixel");
    }
}

fn counts(header: &mut Header, facts: &Facts) {
    let used = facts.used.len() as i64;
    header.set_i64("NCOMBINE", used, "frames used");
    header.set_i64("STACKCNT", used, "frames used");
    header.set_i64("NINPUT", facts.offered as i64, "files offered");
    header.set_i64("NREJECT", facts.offered as i64 - used, "files not used");
    header.set_i64("NNIGHTS", facts.time.nights as i64, "nights");
}

fn noise(header: &mut Header, facts: &Facts) {
    for (aperture_px, correlation) in &facts.noise_correlation {
        let meaning = format!("variance of {aperture_px}x{aperture_px} px sums / sum of VAR");
        header.set_f64(&format!("NCORR{aperture_px}"), *correlation, &meaning);
    }
}

/// What RGB equalisation did, where it was asked for.
fn colour(header: &mut Header, facts: &Facts) {
    let found = &facts.rgb_equalize;
    if found.decision == RgbDecision::Disabled {
        return;
    }
    header.set_str("RGBEQ", found.decision.name(), "RGB equalisation of this image");
    for (key, gain) in ["RGBGAINR", "RGBGAING", "RGBGAINB"].into_iter().zip(found.gains) {
        header.set_f64(key, gain, "gain of RGB equalisation");
    }
    header.set_f64("RGBEQMED", found.target, "level the channels were brought to");
}

fn software(header: &mut Header, facts: &Facts) {
    header.set_str("DATE", &time::iso(facts.date), "UTC date of this file");
    header.set_str("PROGRAM", PROGRAM, "program that made this file");
    header.set_str("SWCREATE", PROGRAM, "program that made this file");
    header.set_str("RUNID", &facts.run_id(), "identity of the run");
    header.set_str("PARHASH", &facts.parameter_hash, "hash of options that change pixels");
    header.set_str("INPHASH", &facts.input_hash, "hash of the input list");
}

/// What is subtracted from frames, if anything.
fn background_line(coadd: &CoaddOptions) -> Option<String> {
    if coadd.background == BackgroundMethod::None {
        return None;
    }
    let (mesh, surface) = (coadd.mesh, coadd.background.surface_order());
    let what =
        surface.map_or(String::new(), |_| format!(" as {} surface through its sky", name(coadd.background)));
    Some(format!(
        "coadd: background subtracted, mesh {} px, filter {}{what}",
        mesh.mesh_px, mesh.filter_meshes
    ))
}

/// What was done to tiles that were there before; what was done to their frames, the tiles say.
fn history_of_tiles(header: &mut Header, facts: &Facts) {
    header.push_history(&format!("zemosaic tiles: {} existing master tiles added up", facts.tiles.len()));
    if let Some(gauge) = &facts.gauge {
        header.push_history(&format!("zemosaic {}", gauge.summary()));
        header.push_history("zemosaic tiles: table TILES has what was done to each before");
    }
}

/// What was done, in lines that fit a card.
fn history(header: &mut Header, facts: &Facts, options: &MosaicOptions) {
    let (ingest, coadd) = (&options.ingest, &options.coadd);
    if facts.from_existing_tiles {
        history_of_tiles(header, facts);
        return;
    }
    let mut lines = vec![format!("ingest: {} of {} files used", facts.used.len(), facts.offered)];
    if facts.used.iter().any(|frame| frame.flux_scale != 1.0) {
        lines.push(format!("ingest: values times flux scale ({})", ingest.flux_scale_key));
    }
    if facts.used.iter().any(|frame| !frame.maps.is_empty()) {
        lines.push(format!(
            "ingest: {:?} and masks, rescale {:?}",
            ingest.maps.weight_type, ingest.maps.rescale
        ));
    }
    if let Some(gauge) = facts.gauge_of_frames() {
        lines.push(gauge.summary());
    }
    let calibrated = facts.used.iter().filter(|frame| !frame.calibration.is_empty()).count();
    if calibrated > 0 {
        lines.push(format!("calibration: {calibrated} of {} frames, see frames.csv", facts.used.len()));
    }
    lines.push(format!("coadd: kernel {:?}, antialias {:?}", coadd.kernel, coadd.antialias));
    if facts.used.iter().any(|frame| frame.kind.starts_with("cfa")) {
        lines.push(format!("ingest: demosaic {:?}, pattern of {:?}", ingest.demosaic, ingest.cfa));
    }
    if coadd.spatial.taper_px > 0.0 {
        lines.push(format!("coadd: taper {} px", coadd.spatial.taper_px));
    }
    if let Some(radial) = coadd.spatial.radial {
        let RadialWeight { feather, power, floor } = radial;
        lines.push(format!("coadd: radial weight {feather}, {power}, {floor}"));
    }
    if matches!(coadd.kernel, KernelName::Drizzle | KernelName::DrizzleTurbo) {
        lines.push(format!("coadd: pixfrac {}", coadd.pixfrac));
    }
    if coadd.flux == FluxConvention::Flux {
        lines.push("coadd: flux per pixel, not brightness".to_owned());
    }
    if let Some(two_pass) = &options.two_pass {
        lines.push(format!(
            "compatibility: two-pass coverage renormalisation, sigma {} px; values are multiplied by depth",
            two_pass.sigma_px
        ));
    }
    lines.extend(background_line(coadd));
    lines.push(format!("coadd: combine {:?}, weights {}", coadd.combine, name(coadd.weights)));
    let reject = coadd.reject;
    lines.push(format!(
        "coadd: reject {}, kappa {} {}",
        name(reject.method),
        reject.kappa_low,
        reject.kappa_high
    ));
    if reject.clips_by_noise() {
        lines.push(format!(
            "coadd: below 6 samples by noise, kappa {}, amplitude {}",
            reject.noise_kappa, reject.noise_amplitude
        ));
    }
    lines.push(format!(
        "coadd: map error {} px, photon noise {:?}",
        coadd.map.max_error_px, coadd.photon_noise
    ));
    let tiles = facts.tiles.iter().filter(|tile| tile.missing.is_none()).count();
    if tiles > 0 {
        lines.push(format!("tiles: {tiles} master tiles added up"));
    }
    let is_matched = facts.gauge.as_ref().is_some_and(|gauge| gauge.matched.is_some());
    if let Some(gauge) = facts.gauge.as_ref().filter(|gauge| gauge.is_of_tiles()) {
        lines.push("tiles: matched to one another first, see table TILES".into());
        lines.push(format!("tiles: {}", gauge.summary()));
    } else if is_matched && options.rgb_equalize.of_tiles() && tiles > 1 && facts.channels == 3 {
        lines.push("tiles: RGB equalised one by one after the match: joins are not certified".into());
    }
    for line in lines {
        header.push_history(&format!("zemosaic {line}"));
    }
}
