//! One 80-byte header card: its keyword, its value and how a new card is laid out. Values are parsed and formatted
//! by `fitsio_pure`; this file only adds what real files need (HIERARCH, other case, bytes that are not UTF-8).

use crate::CARD_BYTES;
use fitsio_pure::header::{Card, serialize_header};
use fitsio_pure::value::{Value, format_value, parse_value};

/// The bytes of one card, never altered after reading.
pub(crate) type RawCard = [u8; CARD_BYTES];

/// A card of spaces.
pub(crate) const BLANK_CARD: RawCard = [b' '; CARD_BYTES];

/// Keyword of a card without trailing blanks; `""` when it is blank or not UTF-8. For HIERARCH cards the whole name
/// after `HIERARCH ` without its blanks at the ends.
pub(crate) fn keyword(card: &RawCard) -> &str {
    if let Some((name, _)) = hierarch(card) {
        return name;
    }
    std::str::from_utf8(&card[..8]).unwrap_or("").trim_end_matches([' ', '\0'])
}

/// Name and value field of a `HIERARCH name = value` card.
fn hierarch(card: &RawCard) -> Option<(&str, &[u8])> {
    let rest = card.strip_prefix(b"HIERARCH ")?;
    let equals = rest.iter().position(|&b| b == b'=')?;
    let name = std::str::from_utf8(&rest[..equals]).ok()?.trim();
    (!name.is_empty()).then(|| (name, &rest[equals + 1..]))
}

/// Whether the card carries this keyword; letters' case is ignored, as astropy does.
pub(crate) fn has_keyword(card: &RawCard, wanted: &str) -> bool {
    let wanted = strip_hierarch(wanted);
    let bytes = wanted.as_bytes();
    if bytes.len() <= 8
        && card[..bytes.len()].eq_ignore_ascii_case(bytes)
        && card[bytes.len()..8].iter().all(|&b| b == b' ')
    {
        return true;
    }
    card.starts_with(b"HIERARCH ") && keyword(card).eq_ignore_ascii_case(wanted)
}

fn strip_hierarch(name: &str) -> &str {
    match name.get(..9) {
        Some(prefix) if prefix.eq_ignore_ascii_case("HIERARCH ") => name[9..].trim(),
        _ => name.trim(),
    }
}

/// Whether this is the card that ends a header.
pub(crate) fn is_end(card: &RawCard) -> bool {
    card.starts_with(b"END") && card[3..8].iter().all(|&b| b == b' ' || b == 0)
}

/// Whether the card is all blanks (or NUL padding).
pub(crate) fn is_blank(card: &RawCard) -> bool {
    card.iter().all(|&b| b == b' ' || b == 0)
}

pub(crate) fn is_continue(card: &RawCard) -> bool {
    card.starts_with(b"CONTINUE")
}

/// The bytes after the value indicator, or `None` for commentary cards. A missing blank after `=` is tolerated.
pub(crate) fn value_field(card: &RawCard) -> Option<&[u8]> {
    if let Some((_, field)) = hierarch(card) {
        return Some(field);
    }
    let commentary = [&b"COMMENT "[..], b"HISTORY ", b"        "];
    if card[8] != b'=' || commentary.iter().any(|k| card.starts_with(k)) {
        return None;
    }
    Some(&card[9..])
}

/// What a card says, as far as it can be understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CardValue {
    Logical(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// The value of a card; `None` when undefined, complex or not readable.
pub(crate) fn value(card: &RawCard) -> Option<CardValue> {
    let field = value_field(card)?;
    if let Some(text) = quoted(field) {
        return Some(CardValue::Text(text));
    }
    match parse_value(field) {
        Some((Value::Logical(v), _)) => Some(CardValue::Logical(v)),
        Some((Value::Integer(v), _)) => Some(CardValue::Integer(v)),
        Some((Value::Float(v), _)) => Some(CardValue::Float(v)),
        Some((Value::String(v), _)) => Some(CardValue::Text(v)),
        Some(_) => None,
        None => bare_word(field).map(CardValue::Text),
    }
}

/// Text in quotes (doubled quotes undone, trailing blanks dropped); an absent closing quote is tolerated.
/// Bytes that are not UTF-8 are taken as Latin-1, the usual sin of capture programs.
pub(crate) fn quoted(field: &[u8]) -> Option<String> {
    let start = field.iter().position(|&b| b != b' ')?;
    if field[start] != b'\'' {
        return None;
    }
    let mut text = Vec::with_capacity(field.len());
    let mut bytes = field[start + 1..].iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\'' && bytes.next_if_eq(&b'\'').is_none() {
            break;
        }
        text.push(byte);
    }
    Some(latin1_or_utf8(&text).trim_end_matches([' ', '\0']).to_string())
}

/// Unquoted text where the standard demands quotes; some programs write it and cfitsio returns it.
fn bare_word(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|&b| b == b'/').unwrap_or(field.len());
    let text = latin1_or_utf8(&field[..end]);
    let text = text.trim_matches([' ', '\0']);
    let complex = text.starts_with('(');
    (!text.is_empty() && !complex).then(|| text.to_string())
}

pub(crate) fn latin1_or_utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => bytes.iter().map(|&b| b as char).collect(),
    }
}

/// Text of a COMMENT, HISTORY or CONTINUE card.
pub(crate) fn free_text(card: &RawCard) -> String {
    latin1_or_utf8(&card[8..]).trim_end_matches([' ', '\0']).to_string()
}

/// Comment of a value card, if any.
pub(crate) fn comment(card: &RawCard) -> Option<String> {
    let field = value_field(card)?;
    let after_text = match field.iter().position(|&b| b != b' ') {
        Some(start) if field[start] == b'\'' => start + 1 + closing_quote(&field[start + 1..]),
        _ => 0,
    };
    let slash = after_text + field[after_text..].iter().position(|&b| b == b'/')?;
    let text = latin1_or_utf8(&field[slash + 1..]).trim_matches([' ', '\0']).to_string();
    (!text.is_empty()).then_some(text)
}

/// Bytes up to and including the closing quote.
fn closing_quote(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\'' {
            if bytes.get(at + 1) != Some(&b'\'') {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

/// Text as FITS allows it: printable ASCII, anything else becomes `?` (FITS 4.0 §4.1.1).
pub(crate) fn ascii(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

/// The cards of one keyword: fixed format as cfitsio lays it out, long strings over CONTINUE cards, names that are
/// not a standard keyword as HIERARCH. `None` writes an undefined value.
pub(crate) fn format(name: &str, value: Option<&CardValue>, comment: &str) -> Vec<RawCard> {
    let value = match value {
        Some(CardValue::Logical(v)) => Value::Logical(*v),
        Some(CardValue::Integer(v)) => Value::Integer(*v),
        Some(CardValue::Float(v)) if v.is_finite() => Value::Float(*v),
        Some(CardValue::Text(v)) => Value::String(ascii(v)),
        Some(CardValue::Float(_)) | None => Value::Undefined,
    };
    let name = ascii(strip_hierarch(name)).to_ascii_uppercase();
    let comment = ascii(comment);
    let Ok(mut card) = Card::new(&name, value.clone()) else {
        return vec![format_hierarch(&name, &value, &comment)];
    };
    card.comment = (!comment.is_empty()).then_some(comment);
    match serialize_header(std::slice::from_ref(&card)) {
        Ok(bytes) => bytes.chunks_exact(CARD_BYTES).map(to_card).take_while(|c| !is_end(c)).collect(),
        // A lone SIMPLE or XTENSION fails the library's completeness check; it is short, so one card holds it.
        Err(_) => vec![fitsio_pure::header::format_card(&card)],
    }
}

fn format_hierarch(name: &str, value: &Value, comment: &str) -> RawCard {
    let lead = format!("HIERARCH {name} = ");
    let mut value = value.clone();
    if let Value::String(text) = &mut value {
        // No CONTINUE here: shorten until the closing quote fits (a quote within counts twice).
        let room = CARD_BYTES.saturating_sub(lead.len() + 2);
        while text.len() + text.matches('\'').count() > room && text.pop().is_some() {}
    }
    let field = latin1_or_utf8(&format_value(&value));
    let mut text = format!("{lead}{}", field.trim());
    if !comment.is_empty() && text.len() + 3 < CARD_BYTES {
        text.push_str(" / ");
        text.push_str(comment);
    }
    to_card(text.as_bytes())
}

/// A commentary card (`COMMENT`, `HISTORY` or blank) per 72 bytes of text.
pub(crate) fn format_commentary(name: &str, text: &str) -> Vec<RawCard> {
    let text = ascii(text);
    let lead = format!("{name:<8}");
    if text.is_empty() {
        return vec![to_card(lead.as_bytes())];
    }
    text.as_bytes().chunks(CARD_BYTES - 8).map(|part| to_card(&[lead.as_bytes(), part].concat())).collect()
}

/// Pads with blanks (or cuts) to a card.
pub(crate) fn to_card(bytes: &[u8]) -> RawCard {
    let mut card = BLANK_CARD;
    let n = bytes.len().min(CARD_BYTES);
    card[..n].copy_from_slice(&bytes[..n]);
    card
}
