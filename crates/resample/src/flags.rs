//! What a sample's taps met, as bits.

/// Some tap lies outside the frame.
pub const EDGE: u8 = 1;
/// Some tap is NaN, whether the sample is valid or not.
pub const MASKED: u8 = 2;
/// The position is inside the frame.
pub const INSIDE: u8 = 4;
