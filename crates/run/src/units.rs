//! Sizes and rates with their units, in and out.

/// Parse a size such as `512MiB`, `8GiB`, `2GB`, `1073741824` (bytes).
///
/// # Errors
/// A sentence for the user.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let factor: f64 = match unit.trim().to_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1_048_576.0,
        "g" | "gib" => 1_073_741_824.0,
        "t" | "tib" => 1_099_511_627_776.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("'{text}' is not a size; write for example 512MiB or 8GiB")),
    };
    let value: f64 =
        number.parse().map_err(|_| format!("'{text}' is not a size; write for example 512MiB"))?;
    let bytes = value * factor;
    if bytes.is_finite() && bytes >= 1.0 { Ok(bytes as u64) } else { Err(format!("'{text}' is not a size")) }
}

/// A size for people: three digits and a binary unit.
pub fn show_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if value >= 100.0 || unit == "B" {
                format!("{value:.0} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.2} TiB")
}

/// Seconds for people: `12 s`, `3 min 05 s`, `2 h 10 min`.
pub fn show_seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_and_out() {
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("1.5 GiB"), Ok(1610612736));
        assert_eq!(parse_size("2GB"), Ok(2_000_000_000));
        assert!(parse_size("much").is_err() && parse_size("-1GiB").is_err() && parse_size("0").is_err());
        assert_eq!(show_size(600 << 20), "600 MiB");
        assert_eq!(show_seconds(3725.0), "1 h 02 min");
    }
}
