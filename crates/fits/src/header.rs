//! A FITS header as an ordered list of cards whose bytes are never touched unless a caller sets that very keyword.
//! FITS Standard 4.0 §4; long strings by the CONTINUE convention (§4.2.1.2).

use crate::card::{self, BLANK_CARD, CardValue, RawCard};
use crate::error::FitsError;
use crate::layout::{HduRole, SampleType};
use crate::{BLOCK_BYTES, CARD_BYTES};
use std::path::Path;

/// Name used in errors for headers that did not come from a file; see [`FitsError::at`].
pub(crate) const IN_MEMORY: &str = "<header>";

/// A header: ordered 80-byte cards without END. Keywords are matched without regard to case; where a keyword occurs
/// several times the first one counts (as in cfitsio and astropy). Names longer than eight characters or with blanks
/// stand for HIERARCH cards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    cards: Vec<RawCard>,
}

impl Header {
    /// An empty header.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mandatory cards of an image HDU (`SIMPLE`/`XTENSION`, `BITPIX`, `NAXIS`, `NAXISn`, and `PCOUNT`, `GCOUNT`
    /// for an extension) for stored samples of this type; `dims` has NAXIS1 first and may be empty.
    pub fn for_image(role: HduRole, sample: SampleType, dims: &[usize]) -> Self {
        let mut header = Self::new();
        match role {
            HduRole::Primary => header.set_bool("SIMPLE", true, "conforms to FITS standard"),
            HduRole::Extension => header.set_str("XTENSION", "IMAGE", "image extension"),
        }
        header.set_i64("BITPIX", sample.bitpix(), "bits per data value, negative for IEEE floats");
        header.set_i64("NAXIS", dims.len() as i64, "number of axes");
        for (axis, &n) in dims.iter().enumerate() {
            header.set_i64(&format!("NAXIS{}", axis + 1), n as i64, "");
        }
        match role {
            HduRole::Primary => header.set_bool("EXTEND", true, "the file may contain extensions"),
            HduRole::Extension => {
                header.set_i64("PCOUNT", 0, "");
                header.set_i64("GCOUNT", 1, "");
            }
        }
        header
    }

    /// Reads a binary header that starts at the first byte. Returns the header and its length in bytes including the
    /// padding of its last block (which may lie beyond the end of `bytes`).
    ///
    /// # Errors
    /// [`FitsError::BadHeader`] when there is no END card.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), FitsError> {
        let mut cards = Vec::with_capacity(64);
        for chunk in bytes.chunks_exact(CARD_BYTES) {
            let raw = card::to_card(chunk);
            if card::is_end(&raw) {
                let length = (cards.len() + 1) * CARD_BYTES;
                return Ok((Self { cards }, length.next_multiple_of(BLOCK_BYTES)));
            }
            cards.push(raw);
        }
        Err(FitsError::bad_header(Path::new(IN_MEMORY), "there is no END card"))
    }

    /// Reads a text header: one card per line (any line end, shorter or slightly longer than 80 columns) or cards
    /// of 80 columns run together, with or without `SIMPLE` and `END`: SWarp and SCAMP `.head`, astropy `.hdr`,
    /// ASTAP `.wcs`, wcslib key records. Cards that are already laid out are kept byte for byte.
    ///
    /// # Errors
    /// [`FitsError::BadHeader`] when no card with a value is found.
    pub fn parse_text(text: &str) -> Result<Self, FitsError> {
        crate::text::parse(text)
    }

    pub(crate) fn from_cards(cards: Vec<RawCard>) -> Self {
        Self { cards }
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.cards.iter().position(|c| card::has_keyword(c, key))
    }

    fn value(&self, key: &str) -> Option<CardValue> {
        card::value(&self.cards[self.position(key)?])
    }

    /// Text of a keyword: the quoted string with doubled quotes undone, trailing blanks dropped and CONTINUE cards
    /// joined; also text that lacks its quotes. `None` for numbers, logicals and undefined values.
    pub fn get_str(&self, key: &str) -> Option<String> {
        let at = self.position(key)?;
        let Some(CardValue::Text(mut text)) = card::value(&self.cards[at]) else { return None };
        for next in &self.cards[at + 1..] {
            if !text.ends_with('&') || !card::is_continue(next) {
                break;
            }
            text.pop();
            text.push_str(&card::quoted(&next[8..]).unwrap_or_default());
        }
        Some(text)
    }

    /// A finite number; integers and numbers in quotes count.
    pub fn get_f64(&self, key: &str) -> Option<f64> {
        let number = match self.value(key)? {
            CardValue::Integer(v) => v as f64,
            CardValue::Float(v) => v,
            CardValue::Text(text) => text.trim().replace(['D', 'd'], "E").parse().ok()?,
            CardValue::Logical(_) => return None,
        };
        number.is_finite().then_some(number)
    }

    /// An integer; a float or a quoted number with an integral value counts.
    pub fn get_i64(&self, key: &str) -> Option<i64> {
        let integral = |v: f64| (v.fract() == 0.0 && v.abs() < 9.0e15).then_some(v as i64);
        match self.value(key)? {
            CardValue::Integer(v) => Some(v),
            CardValue::Float(v) => integral(v),
            CardValue::Text(text) => text.trim().parse().ok(),
            CardValue::Logical(_) => None,
        }
    }

    /// A logical; quoted or unquoted `T`/`F` in either case, and the integers 1 and 0, count.
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            CardValue::Logical(v) => Some(v),
            CardValue::Integer(0) => Some(false),
            CardValue::Integer(1) => Some(true),
            CardValue::Text(text) => match text.trim() {
                "T" | "t" | "true" | "TRUE" | "True" => Some(true),
                "F" | "f" | "false" | "FALSE" | "False" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The comment of a keyword's card, if it has one.
    pub fn get_comment(&self, key: &str) -> Option<String> {
        card::comment(&self.cards[self.position(key)?])
    }

    /// Whether the keyword occurs.
    pub fn contains(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Keywords in order (`""` for blank cards), repeated ones repeatedly; HIERARCH names without `HIERARCH `.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.cards.iter().map(card::keyword)
    }

    /// Texts of the `COMMENT`, `HISTORY` or blank cards, in order.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = String> {
        self.cards.iter().filter(move |c| card::has_keyword(c, key)).map(card::free_text)
    }

    /// The cards, bytes untouched, without END.
    pub fn cards(&self) -> &[[u8; CARD_BYTES]] {
        &self.cards
    }

    /// Sets a text; characters outside printable ASCII become `?`, long texts continue on CONTINUE cards. As for all
    /// setters: the card is replaced in place or appended, and an empty comment keeps the card's present one.
    pub fn set_str(&mut self, key: &str, value: &str, comment: &str) {
        self.set(key, Some(&CardValue::Text(value.to_string())), comment);
    }

    /// Sets a number with as many digits as reading it back exactly needs; a non-finite one, which FITS cannot
    /// express, becomes an undefined value.
    pub fn set_f64(&mut self, key: &str, value: f64, comment: &str) {
        self.set(key, Some(&CardValue::Float(value)), comment);
    }

    /// Sets an integer.
    pub fn set_i64(&mut self, key: &str, value: i64, comment: &str) {
        self.set(key, Some(&CardValue::Integer(value)), comment);
    }

    /// Sets a logical.
    pub fn set_bool(&mut self, key: &str, value: bool, comment: &str) {
        self.set(key, Some(&CardValue::Logical(value)), comment);
    }

    fn set(&mut self, key: &str, value: Option<&CardValue>, comment: &str) {
        match self.position(key) {
            None => self.cards.extend(card::format(key, value, comment)),
            Some(at) => {
                let kept = if comment.is_empty() { card::comment(&self.cards[at]) } else { None };
                let cards = card::format(key, value, kept.as_deref().unwrap_or(comment));
                self.cards.splice(at..self.end_of(at), cards);
            }
        }
    }

    /// Index after the card at `at` and the CONTINUE cards that belong to it.
    fn end_of(&self, at: usize) -> usize {
        let continued = self.cards[at + 1..].iter().take_while(|c| card::is_continue(c)).count();
        at + 1 + continued
    }

    /// Removes every card with this keyword, with its CONTINUE cards.
    pub fn remove(&mut self, key: &str) {
        while let Some(at) = self.position(key) {
            self.cards.drain(at..self.end_of(at));
        }
    }

    /// Appends HISTORY, 72 characters to a card.
    pub fn push_history(&mut self, text: &str) {
        self.cards.extend(card::format_commentary("HISTORY", text));
    }

    /// Appends COMMENT, 72 characters to a card.
    pub fn push_comment(&mut self, text: &str) {
        self.cards.extend(card::format_commentary("COMMENT", text));
    }

    /// Appends blank cards: room for keywords that are known only when a product is finished
    /// (a final header that is too long gives up blank cards, the last ones first).
    pub fn push_blank(&mut self, count: usize) {
        self.cards.extend(std::iter::repeat_n(BLANK_CARD, count));
    }

    /// Appends a card of another program as it is.
    pub fn push_card(&mut self, card: [u8; CARD_BYTES]) {
        if !card::is_end(&card) {
            self.cards.push(card);
        }
    }

    /// Appends the cards of `other` that `keep` accepts (called with the keyword), byte for byte; CONTINUE cards
    /// follow the card they continue.
    pub fn extend_from(&mut self, other: &Self, mut keep: impl FnMut(&str) -> bool) {
        let mut keeping = false;
        for raw in &other.cards {
            if !card::is_continue(raw) {
                keeping = keep(card::keyword(raw));
            }
            if keeping {
                self.cards.push(*raw);
            }
        }
    }

    /// The header as written to a file: cards, END, blanks up to a whole block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = (self.cards.len() + 1) * CARD_BYTES;
        let mut bytes = Vec::with_capacity(length.next_multiple_of(BLOCK_BYTES));
        bytes.extend(self.cards.iter().flatten());
        bytes.extend(b"END");
        bytes.resize(length.next_multiple_of(BLOCK_BYTES), b' ');
        bytes
    }

    /// As [`Header::to_bytes`] in exactly `length` bytes: blank cards fill up before END, blank cards (the last ones
    /// first) give way. `None` when the cards need more.
    pub(crate) fn to_bytes_exactly(&self, length: usize) -> Option<Vec<u8>> {
        let mut fitted = self.clone();
        while fitted.cards.len() >= length / CARD_BYTES {
            let blank = fitted.cards.iter().rposition(card::is_blank)?;
            fitted.cards.remove(blank);
        }
        // END must lie in the last block; blank cards before it are legal, blocks after it are not.
        let least = (length / CARD_BYTES).checked_sub(BLOCK_BYTES / CARD_BYTES)?;
        if fitted.cards.len() < least {
            fitted.push_blank(least - fitted.cards.len());
        }
        let bytes = fitted.to_bytes();
        (bytes.len() == length).then_some(bytes)
    }
}
