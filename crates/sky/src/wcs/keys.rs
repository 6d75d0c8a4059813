//! Typed access to header cards.

use zemosaic_fits::Header;

use crate::error::WcsError;

/// A finite number; numbers written as strings count. A value that is no number is an error, a missing card is not.
pub(crate) fn float(header: &Header, keyword: &str) -> Result<Option<f64>, WcsError> {
    if !header.contains(keyword) {
        return Ok(None);
    }
    let text = || header.get_str(keyword);
    let value = header
        .get_f64(keyword)
        .or_else(|| header.get_i64(keyword).map(|i| i as f64))
        .or_else(|| text().and_then(|s| s.trim().parse().ok()));
    match value {
        Some(v) if v.is_finite() => Ok(Some(v)),
        Some(v) => Err(WcsError::Value { keyword: keyword.into(), value: format!("{v}") }),
        // An undefined value (a card with an empty value field) is as good as no card.
        None => match text() {
            Some(s) if !s.trim().is_empty() => Err(WcsError::Value { keyword: keyword.into(), value: s }),
            _ => Ok(None),
        },
    }
}

/// A trimmed, upper-case text value; empty counts as missing.
pub(crate) fn upper(header: &Header, keyword: &str) -> Option<String> {
    header.get_str(keyword).map(|s| s.trim().to_ascii_uppercase()).filter(|s| !s.is_empty())
}
