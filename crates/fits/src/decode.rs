//! Stored big-endian samples to physical f32: `bzero + bscale * stored`, BLANK and non-finite values to NaN
//! (FITS Standard 4.0 §4.4.2.5, §5). Plain loops over fixed-size chunks that the compiler turns into byte shuffles.

use crate::layout::{ImageLayout, SampleType};

/// Decodes `out.len()` samples; `bytes` must hold exactly as many.
pub(crate) fn decode(layout: &ImageLayout, bytes: &[u8], out: &mut [f32]) {
    let plain = layout.bscale == 1.0 && layout.bzero == 0.0;
    let blank = layout.blank;
    let scale = |stored: f64| (layout.bzero + layout.bscale * stored) as f32;
    match layout.sample {
        SampleType::I16 if layout.is_unsigned16() && blank.is_none() => {
            each(bytes, out, |b: [u8; 2]| f32::from(u16::from_be_bytes(b) ^ 0x8000));
        }
        SampleType::I16 if plain && blank.is_none() => {
            each(bytes, out, |b: [u8; 2]| f32::from(i16::from_be_bytes(b)));
        }
        SampleType::I16 => match blank.and_then(|v| i16::try_from(v).ok()) {
            None => each(bytes, out, |b: [u8; 2]| scale(f64::from(i16::from_be_bytes(b)))),
            Some(blank) => each(bytes, out, |b: [u8; 2]| {
                let stored = i16::from_be_bytes(b);
                if stored == blank { f32::NAN } else { scale(f64::from(stored)) }
            }),
        },
        SampleType::U8 => {
            // 256 possible samples: a table costs nothing and serves every scale.
            let mut table = [0.0; 256];
            for (stored, value) in table.iter_mut().enumerate() {
                *value = if blank == Some(stored as i64) { f32::NAN } else { scale(stored as f64) };
            }
            each(bytes, out, |b: [u8; 1]| table[usize::from(b[0])]);
        }
        SampleType::I32 => match blank.and_then(|v| i32::try_from(v).ok()) {
            None => each(bytes, out, |b: [u8; 4]| scale(f64::from(i32::from_be_bytes(b)))),
            Some(blank) => each(bytes, out, |b: [u8; 4]| {
                let stored = i32::from_be_bytes(b);
                if stored == blank { f32::NAN } else { scale(f64::from(stored)) }
            }),
        },
        // f64 carries 53 bits; an f32 result needs no more.
        SampleType::I64 => each(bytes, out, |b: [u8; 8]| {
            let stored = i64::from_be_bytes(b);
            if blank == Some(stored) { f32::NAN } else { scale(stored as f64) }
        }),
        SampleType::F32 if plain => each(bytes, out, |b: [u8; 4]| finite(f32::from_be_bytes(b))),
        SampleType::F32 => each(bytes, out, |b: [u8; 4]| finite(scale(f64::from(f32::from_be_bytes(b))))),
        SampleType::F64 => each(bytes, out, |b: [u8; 8]| finite(scale(f64::from_be_bytes(b)))),
    }
}

#[inline(always)]
fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { f32::NAN }
}

#[inline(always)]
fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    let (chunks, _) = bytes.as_chunks::<N>();
    for (value, chunk) in out.iter_mut().zip(chunks) {
        *value = convert(*chunk);
    }
}
