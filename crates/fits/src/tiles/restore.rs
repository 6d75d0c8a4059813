//! The header of the image that was compressed (FITS Standard 4.0 §10.1.2): the Z keywords undone, the cards of the table
//! and of the compression dropped, everything else kept byte for byte.

use crate::header::Header;
use crate::layout::{HduRole, SampleType};

/// Keywords of the table and of the compression, beside the numbered ones.
const DROPPED: [&str; 30] = [
    "XTENSION", "SIMPLE", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "GROUPS",
    "CHECKSUM", "DATASUM", "ZIMAGE", "ZSIMPLE", "ZTENSION", "ZEXTEND", "ZBITPIX", "ZNAXIS", "ZPCOUNT",
    "ZGCOUNT", "ZBLOCKED", "ZCMPTYPE", "ZMASKCMP", "ZQUANTIZ", "ZDITHER0", "ZSCALE", "ZZERO", "ZBLANK",
    "ZHECKSUM", "ZDATASUM",
];
/// Keywords with a number behind them.
const DROPPED_NUMBERED: [&str; 13] = [
    "NAXIS", "TTYPE", "TFORM", "TUNIT", "TSCAL", "TZERO", "TNULL", "TDISP", "TDIM", "ZNAXIS", "ZTILE",
    "ZNAME", "ZVAL",
];

/// The restored header, as a primary one.
pub(super) fn header(compressed: &Header) -> Result<Header, String> {
    let bitpix = compressed.get_i64("ZBITPIX").ok_or("ZBITPIX is missing")?;
    let sample =
        SampleType::from_bitpix(bitpix).ok_or_else(|| format!("ZBITPIX = {bitpix} is no sample type"))?;
    let count =
        compressed.get_i64("ZNAXIS").filter(|n| (0..=999).contains(n)).ok_or("ZNAXIS is not 0..999")?;
    let dims: Vec<usize> = (1..=count)
        .map(|i| {
            let key = format!("ZNAXIS{i}");
            let n = compressed.get_i64(&key).and_then(|n| usize::try_from(n).ok());
            n.ok_or_else(|| format!("{key} is missing or negative"))
        })
        .collect::<Result<_, _>>()?;
    let mut header = Header::for_image(HduRole::Primary, sample, &dims);
    let named_by_table = compressed.get_str("EXTNAME").is_some_and(|name| name.trim() == "COMPRESSED_IMAGE");
    let mut names = 0;
    header.extend_from(compressed, |key| {
        let upper = key.to_ascii_uppercase();
        if upper == "EXTNAME" {
            // Some writers keep the image's own name in a second card.
            names += 1;
            return !(named_by_table && names == 1);
        }
        !is_dropped(&upper)
    });
    if let (false, false, Some(blank)) =
        (sample.is_float(), header.contains("BLANK"), compressed.get_i64("ZBLANK"))
    {
        header.set_i64("BLANK", blank, "stored value of pixels without data");
    }
    Ok(header)
}

/// Whether the keyword (in capitals) is one of the table or of the compression.
pub(crate) fn is_dropped(key: &str) -> bool {
    let numbered = |prefix: &str| {
        key.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    DROPPED.contains(&key) || DROPPED_NUMBERED.iter().any(|prefix| numbered(prefix))
}
