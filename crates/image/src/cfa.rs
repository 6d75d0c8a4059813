//! Bayer colour filter arrays.

/// Colours of the first two rows as stored, left to right, first row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CfaPattern {
    /// R G / G B.
    Rggb,
    /// B G / G R.
    Bggr,
    /// G R / B G.
    Grbg,
    /// G B / R G.
    Gbrg,
}

impl CfaPattern {
    /// From its four letters, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "RGGB" => Some(Self::Rggb),
            "BGGR" => Some(Self::Bggr),
            "GRBG" => Some(Self::Grbg),
            "GBRG" => Some(Self::Gbrg),
            _ => None,
        }
    }

    /// Its four letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rggb => "RGGB",
            Self::Bggr => "BGGR",
            Self::Grbg => "GRBG",
            Self::Gbrg => "GBRG",
        }
    }

    /// Colour of a pixel: 0 red, 1 green, 2 blue.
    pub fn colour_at(self, x: i64, y: i64) -> usize {
        let block = match self {
            Self::Rggb => [0, 1, 1, 2],
            Self::Bggr => [2, 1, 1, 0],
            Self::Grbg => [1, 0, 2, 1],
            Self::Gbrg => [1, 2, 0, 1],
        };
        block[(y.rem_euclid(2) * 2 + x.rem_euclid(2)) as usize]
    }

    /// The pattern whose pixel (0, 0) is this one's (dx, dy).
    #[must_use]
    pub fn shifted(self, dx: i64, dy: i64) -> Self {
        match (self.colour_at(dx, dy), self.colour_at(dx + 1, dy)) {
            (0, _) => Self::Rggb,
            (2, _) => Self::Bggr,
            (_, 0) => Self::Grbg,
            (_, _) => Self::Gbrg,
        }
    }
}
