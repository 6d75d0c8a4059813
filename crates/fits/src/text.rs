//! Text headers of other programs (SWarp `.head`, astropy `.hdr`, ASTAP `.wcs`): lines or 80-column runs to cards.

use crate::CARD_BYTES;
use crate::card::{self, RawCard, to_card};
use crate::error::FitsError;
use crate::header::{Header, IN_MEMORY};
use std::path::Path;

/// See [`Header::parse_text`].
pub(crate) fn parse(text: &str) -> Result<Header, FitsError> {
    // A lossy conversion put three bytes where the file had one; one byte keeps the 80-column rhythm.
    let text = text.trim_start_matches('\u{feff}').replace('\u{fffd}', "?");
    let mut cards: Vec<RawCard> = Vec::new();
    'lines: for line in text.split(['\n', '\r']) {
        for raw in split_line(line.as_bytes()) {
            let raw = normalise(raw);
            if card::is_end(&raw) {
                break 'lines;
            }
            if !card::is_blank(&raw) {
                cards.push(raw);
            }
        }
    }
    if !cards.iter().any(|c| card::value_field(c).is_some()) {
        return Err(FitsError::bad_header(Path::new(IN_MEMORY), "no FITS keyword was found in the text"));
    }
    Ok(Header::from_cards(cards))
}

/// One line as one card, or several when 80-column cards run together; what hangs over a single card is comment.
fn split_line(line: &[u8]) -> impl Iterator<Item = RawCard> {
    let end = line.iter().rposition(|&b| b != b' ' && b != 0).map_or(0, |i| i + 1);
    let runs_on = end > CARD_BYTES && starts_card(&line[CARD_BYTES..end]);
    let cards = if runs_on { usize::MAX } else { 1 };
    line[..end].chunks(CARD_BYTES).map(to_card).take(cards)
}

/// Whether these bytes look like the start of a card.
fn starts_card(bytes: &[u8]) -> bool {
    let first = to_card(bytes);
    let commentary = [&b"COMMENT "[..], b"HISTORY ", b"CONTINUE", b"HIERARCH", b"        "];
    let keyword_only = first[..8].iter().all(|&b| is_keyword_byte(b) || b == b' ');
    commentary.iter().any(|k| first.starts_with(k))
        || card::is_end(&first)
        || (keyword_only && first[0] != b' ' && first[8] == b'=')
        || bytes.len() >= CARD_BYTES
}

fn is_keyword_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

/// Moves the `=` of hand-written lines (`CRVAL1 = 12.5`, indented lines) to its column; other cards stay as they are.
fn normalise(raw: RawCard) -> RawCard {
    let fixed = raw[8] == b'=' && raw[0] != b' ';
    if fixed || raw.starts_with(b"COMMENT") || raw.starts_with(b"HISTORY") || raw.starts_with(b"HIERARCH ") {
        return raw;
    }
    let Some(equals) = raw.iter().position(|&b| b == b'=') else {
        let trimmed = raw.trim_ascii();
        return if trimmed == b"END" { to_card(trimmed) } else { raw };
    };
    let name = raw[..equals].trim_ascii();
    if name.is_empty() || name.len() > 8 || !name.iter().all(|&b| is_keyword_byte(b)) {
        return raw;
    }
    let mut bytes = vec![b' '; 8];
    bytes[..name.len()].copy_from_slice(name);
    bytes.extend(b"= ");
    bytes.extend(raw[equals + 1..].trim_ascii_start());
    to_card(&bytes)
}
