//! Values of the command line with their units.

use zemosaic_coadd::{RadialWeight, SpatialOptions};
use zemosaic_run::GroupChoice;
use zemosaic_sky::Rotation;
use zemosaic_stack::Combine;
use zemosaic_stars::SipOrder;

/// `LOW[,HIGH]`, both positive.
pub fn kappa(text: &str) -> Result<(f64, f64), String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    let value = |part: &str| {
        part.trim()
            .parse::<f64>()
            .ok()
            .filter(|kappa| *kappa > 0.0)
            .ok_or_else(|| format!("'{part}' is not a positive number of standard deviations"))
    };
    Ok((value(low)?, value(high)?))
}

/// One number for both sides, or two.
pub fn pair(text: &str) -> Result<(f64, f64), String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    let value = |part: &str| {
        let number = part.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| format!("'{part}' is not a number of at least 0"))
    };
    Ok((value(low)?, value(high)?))
}

/// One count for both sides, or two.
pub fn pair_of_counts(text: &str) -> Result<(u32, u32), String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    let count = |part: &str| part.trim().parse::<u32>().map_err(|error| format!("'{part}': {error}"));
    Ok((count(low)?, count(high)?))
}

/// A limit of the noise clip: finite, 0 or more.
pub fn limit(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|limit| limit.is_finite() && *limit >= 0.0);
    value.ok_or_else(|| format!("'{text}' is not a number of 0 or more"))
}

/// Degrees above 0, at most 180; with or without `deg`, or in `arcmin`.
pub fn angle_deg(text: &str) -> Result<f64, String> {
    let bare = text.trim();
    let (number, unit_deg) = match (bare.strip_suffix("arcmin"), bare.strip_suffix("deg")) {
        (Some(number), _) => (number, 1.0 / 60.0),
        (_, Some(number)) => (number, 1.0),
        (None, None) => (bare, 1.0),
    };
    let value = number.trim().parse::<f64>().ok().map(|value| value * unit_deg);
    value
        .filter(|value| *value > 0.0 && *value <= 180.0)
        .ok_or_else(|| format!("'{text}' is not an angle above 0 and at most 180 degrees"))
}

/// A whole number of at least one.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    let value = text.trim().parse::<usize>().ok().filter(|value| *value > 0);
    value.ok_or_else(|| format!("'{text}' is not a whole number of 1 or more"))
}

/// `mean`, `median`, `min`, `max`, `sum`, or `percentile:Q`.
pub fn combine(text: &str) -> Result<Combine, String> {
    let value = match text.trim().split_once(':') {
        Some(("percentile", percent)) => {
            let percent: f64 =
                percent.trim().parse().map_err(|_| format!("'{percent}' is not a percentage"))?;
            serde_json::json!({ "percentile": percent })
        }
        _ => serde_json::json!(text.trim()),
    };
    serde_json::from_value(value).map_err(|_| {
        format!("'{text}' is none of mean, median, min, max, sum and percentile:0 to percentile:100")
    })
}

/// `FEATHER[,POWER[,FLOOR]]`.
pub fn radial_weight(text: &str) -> Result<RadialWeight, String> {
    let bad = |_| format!("'{text}' is no radial weight; write for example 0.8, or 0.8,2,0.05");
    let mut numbers = Vec::new();
    for part in text.split(',') {
        numbers.push(part.trim().parse::<f64>().map_err(bad)?);
    }
    let default = RadialWeight::default();
    let radial = match numbers[..] {
        [feather] => RadialWeight { feather, ..default },
        [feather, power] => RadialWeight { feather, power, ..default },
        [feather, power, floor] => RadialWeight { feather, power, floor },
        _ => return Err(format!("'{text}' has more than a feather, a power and a floor")),
    };
    SpatialOptions { radial: Some(radial), ..SpatialOptions::default() }.check().map(|()| radial)
}

/// Steps per standard deviation: 0 (no loss), or 0.5 and more.
pub fn quantize(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|q| q.is_finite() && (*q == 0.0 || *q >= 0.5));
    value.ok_or_else(|| {
        format!("'{text}' is neither 0 nor 0.5 or more; write for example 16, or 0 for no loss")
    })
}

/// Pixels, 0 or more.
pub fn map_error_px(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|error| error.is_finite() && *error >= 0.0);
    value.ok_or_else(|| format!("'{text}' is not an error in pixels; write for example 1e-4, or 0 for none"))
}

/// Arcseconds per pixel: a bare number, or with `"`, `arcsec`, `arcmin`, `deg`, each also with `/px`.
pub fn scale_arcsec(text: &str) -> Result<f64, String> {
    let bare = text.trim().trim_end_matches("/px").trim();
    let split =
        bare.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == 'e' || c == '-')).unwrap_or(bare.len());
    let (number, unit) = bare.split_at(split);
    let factor = match unit.trim() {
        "" | "\"" | "arcsec" => 1.0,
        "'" | "arcmin" => 60.0,
        "deg" => 3600.0,
        _ => return Err(format!("'{text}' is not a pixel scale; write for example 1.5 or 1.5arcsec")),
    };
    let value: f64 = number.parse().map_err(|_| format!("'{text}' is not a pixel scale"))?;
    if value > 0.0 && value.is_finite() {
        Ok(value * factor)
    } else {
        Err(format!("'{text}' is not a pixel scale"))
    }
}

/// `RA,DEC` or `RA DEC`: degrees, `12h34m56.7s +01d02m03s`, or `12:34:56.7 +01:02:03` (hours first).
pub fn centre_deg(text: &str) -> Result<(f64, f64), String> {
    let bad =
        || format!("'{text}' is not a position; write for example 10.68,41.27 or \"00h42m44s +41d16m09s\"");
    let (ra, dec) = text.trim().split_once([',', ' ']).ok_or_else(bad)?;
    let (ra, dec) = (ra.trim(), dec.trim());
    let hours = ra.contains('h') || ra.contains(':');
    let ra_deg = sexagesimal(ra).ok_or_else(bad)? * if hours { 15.0 } else { 1.0 };
    let dec_deg = sexagesimal(dec).ok_or_else(bad)?;
    if (-90.0..=90.0).contains(&dec_deg) && (-360.0..=360.0).contains(&ra_deg) {
        Ok((ra_deg.rem_euclid(360.0), dec_deg))
    } else {
        Err(bad())
    }
}

fn sexagesimal(text: &str) -> Option<f64> {
    let negative = text.starts_with('-');
    let body = text.trim_start_matches(['+', '-']);
    let mut value = 0.0;
    let parts: Vec<&str> =
        body.split(['h', 'd', 'm', 's', ':', '°', '\'', '"']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.len() > 3 {
        return None;
    }
    for (part, divisor) in parts.iter().zip([1.0, 60.0, 3600.0]) {
        value += part.parse::<f64>().ok().filter(|v| *v >= 0.0)? / divisor;
    }
    Some(if negative { -value } else { value })
}

/// `WxH` or `W,H`, pixels.
pub fn size_px(text: &str) -> Result<(usize, usize), String> {
    let bad = || format!("'{text}' is not a size in pixels; write for example 4000x3000");
    let (width, height) = text.trim().split_once(['x', ',', 'X']).ok_or_else(bad)?;
    let value = |part: &str| part.trim().parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(bad);
    Ok((value(width)?, value(height)?))
}

/// `auto` or degrees.
pub fn rotation(text: &str) -> Result<Rotation, String> {
    match text.trim() {
        "auto" => Ok(Rotation::Auto),
        "north" | "0" => Ok(Rotation::NorthUp),
        other => other
            .parse::<f64>()
            .ok()
            .filter(|degrees| degrees.is_finite())
            .map(Rotation::Degrees)
            .ok_or_else(|| format!("'{text}' is neither auto nor an angle in degrees")),
    }
}

/// A group's number from 1, or `all`.
pub fn group(text: &str) -> Result<GroupChoice, String> {
    match text.trim() {
        "all" => Ok(GroupChoice::All),
        other => match other.parse::<usize>() {
            Ok(number) if number >= 1 => Ok(GroupChoice::Number(number)),
            _ => Err(format!("'{text}' is neither all nor a group's number, from 1")),
        },
    }
}

/// Order of a distortion.
pub fn sip_order(text: &str) -> Result<SipOrder, String> {
    match text.trim().to_lowercase().as_str() {
        "auto" => Ok(SipOrder::Auto),
        other => match other.parse() {
            Ok(order @ 1..=4) => Ok(SipOrder::Fixed(order)),
            _ => Err("auto, or from 1 (none) to 4".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_in_all_writings() {
        assert_eq!(centre_deg("10.5,-41.25"), Ok((10.5, -41.25)));
        let (ra, dec) = centre_deg("00h42m44s +41d16m09s").unwrap();
        assert!((ra - 10.683_333).abs() < 1e-6 && (dec - 41.269_167).abs() < 1e-6);
        assert_eq!(centre_deg("12:00:00 -00:30:00"), Ok((180.0, -0.5)));
        assert!(centre_deg("10").is_err() && centre_deg("10,91").is_err());
    }

    #[test]
    fn other_values() {
        assert_eq!(kappa("2.5"), Ok((2.5, 2.5)));
        assert_eq!(kappa("3,4"), Ok((3.0, 4.0)));
        assert!(kappa("0").is_err());
        assert_eq!(limit("0"), Ok(0.0));
        assert!(["-1", "inf", "nan", "x"].into_iter().all(|text| limit(text).is_err()));
        assert_eq!(combine("sum"), Ok(Combine::Sum));
        assert_eq!(combine("percentile:25"), Ok(Combine::Percentile(25.0)));
        assert!(
            combine("percentile:101").is_err() && combine("percentile").is_err() && combine("men").is_err()
        );
        assert_eq!(scale_arcsec("1.5\"/px"), Ok(1.5));
        assert_eq!(scale_arcsec("0.5arcmin"), Ok(30.0));
        assert_eq!(size_px("40x30"), Ok((40, 30)));
        assert_eq!(rotation("-12.5"), Ok(Rotation::Degrees(-12.5)));
        assert_eq!(group("2"), Ok(GroupChoice::Number(2)));
        assert!(group("0").is_err());
    }
}
