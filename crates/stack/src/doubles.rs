//! Four f64 side by side, as a register or as an array that does the same.
//!
//! For loops that carry many numbers per lane from row to row: as plain array code the compiler left half of them scalar.
//! The array is the scalar twin; every operation is one of IEEE 754, so both give equal bits.

/// Numbers of a register.
pub const WIDTH: usize = 4;

/// Four f64. Comparisons give masks: all bits where true.
///
/// # Safety
/// All functions: the processor has the instructions.
pub trait Doubles: Copy {
    unsafe fn splat(value: f64) -> Self;
    unsafe fn load(from: &[f64; WIDTH]) -> Self;
    unsafe fn store(self) -> [f64; WIDTH];
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn abs(self) -> Self;
    /// The lesser; `other` if one is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// The greater; `other` if one is NaN.
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn and(self, other: Self) -> Self;
    /// Bits of `other` that are not in this.
    unsafe fn not_and(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    /// Mask: less than `other`.
    unsafe fn less(self, other: Self) -> Self;
    /// Mask: not greater than `other`.
    unsafe fn at_most(self, other: Self) -> Self;
    /// Whether a mask is set anywhere.
    unsafe fn any(self) -> bool;
}

#[inline(always)]
fn pairs(a: [f64; WIDTH], b: [f64; WIDTH], of: impl Fn(f64, f64) -> f64) -> [f64; WIDTH] {
    std::array::from_fn(|k| of(a[k], b[k]))
}

#[inline(always)]
fn bits(a: [f64; WIDTH], b: [f64; WIDTH], of: impl Fn(u64, u64) -> u64) -> [f64; WIDTH] {
    pairs(a, b, |a, b| f64::from_bits(of(a.to_bits(), b.to_bits())))
}

#[inline(always)]
fn masks(a: [f64; WIDTH], b: [f64; WIDTH], of: impl Fn(f64, f64) -> bool) -> [f64; WIDTH] {
    pairs(a, b, |a, b| f64::from_bits(u64::from(of(a, b)).wrapping_neg()))
}

impl Doubles for [f64; WIDTH] {
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        [value; WIDTH]
    }

    #[inline(always)]
    unsafe fn load(from: &[f64; WIDTH]) -> Self {
        *from
    }

    #[inline(always)]
    unsafe fn store(self) -> [f64; WIDTH] {
        self
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        pairs(self, other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        pairs(self, other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        pairs(self, other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        pairs(self, other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        self.map(f64::abs)
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        pairs(self, other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        pairs(self, other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        bits(self, other, |a, b| a & b)
    }

    #[inline(always)]
    unsafe fn not_and(self, other: Self) -> Self {
        bits(self, other, |a, b| !a & b)
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        bits(self, other, |a, b| a | b)
    }

    #[inline(always)]
    unsafe fn less(self, other: Self) -> Self {
        masks(self, other, |a, b| a < b)
    }

    #[inline(always)]
    unsafe fn at_most(self, other: Self) -> Self {
        masks(self, other, |a, b| a <= b)
    }

    #[inline(always)]
    unsafe fn any(self) -> bool {
        self.iter().fold(0, |found, mask| found | mask.to_bits()) != 0
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256d, _CMP_LE_OQ, _CMP_LT_OQ, _mm256_add_pd, _mm256_and_pd, _mm256_andnot_pd, _mm256_cmp_pd,
        _mm256_div_pd, _mm256_loadu_pd, _mm256_max_pd, _mm256_min_pd, _mm256_movemask_pd, _mm256_mul_pd,
        _mm256_or_pd, _mm256_set1_pd, _mm256_storeu_pd, _mm256_sub_pd,
    };

    use super::{Doubles, WIDTH};

    impl Doubles for __m256d {
        #[inline(always)]
        unsafe fn splat(value: f64) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_set1_pd(value) }
        }

        #[inline(always)]
        unsafe fn load(from: &[f64; WIDTH]) -> Self {
            // SAFETY: four doubles are there to read, and the processor has AVX.
            unsafe { _mm256_loadu_pd(from.as_ptr()) }
        }

        #[inline(always)]
        unsafe fn store(self) -> [f64; WIDTH] {
            let mut to = [0.0; WIDTH];
            // SAFETY: there is room for four doubles, and the processor has AVX.
            unsafe { _mm256_storeu_pd(to.as_mut_ptr(), self) };
            to
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_add_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_sub_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_mul_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_div_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_min_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_max_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn and(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_and_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn not_and(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_andnot_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn or(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_or_pd(self, other) }
        }

        #[inline(always)]
        unsafe fn abs(self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_andnot_pd(_mm256_set1_pd(-0.0), self) }
        }

        #[inline(always)]
        unsafe fn less(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_cmp_pd::<_CMP_LT_OQ>(self, other) }
        }

        #[inline(always)]
        unsafe fn at_most(self, other: Self) -> Self {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_cmp_pd::<_CMP_LE_OQ>(self, other) }
        }

        #[inline(always)]
        unsafe fn any(self) -> bool {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { _mm256_movemask_pd(self) != 0 }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::arch::x86_64::__m256d;

    use super::*;

    /// Every operation on two fours, as bits.
    #[inline(always)]
    unsafe fn all<R: Doubles>(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> Vec<[u64; WIDTH]> {
        // SAFETY: as promised by the caller.
        unsafe {
            let (a, b) = (R::load(a), R::load(b));
            let results = [
                a.add(b),
                a.sub(b),
                a.mul(b),
                a.div(b),
                a.abs(),
                a.min(b),
                a.max(b),
                a.and(b),
                a.not_and(b),
                a.or(b),
                a.less(b),
                a.at_most(b),
                R::splat(if a.less(b).any() { 1.0 } else { 0.0 }),
            ];
            // All NaN are one.
            let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
            results.iter().map(|result| result.store().map(bits)).collect()
        }
    }

    #[target_feature(enable = "avx2")]
    fn all_avx2(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> Vec<[u64; WIDTH]> {
        // SAFETY: this function has the instructions.
        unsafe { all::<__m256d>(a, b) }
    }

    #[test]
    fn registers_equal_arrays() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        let values = [0.0, -0.0, 1.0, -3.5, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, 0.1];
        for (i, a) in values.iter().enumerate() {
            for b in values {
                let (a, b) = ([*a, b, 2.0, values[(i + 1) % 10]], [b, *a, b, 2.0]);
                // SAFETY: arrays need nothing; the processor has AVX2.
                let (twin, registers) = unsafe { (all::<[f64; WIDTH]>(&a, &b), all_avx2(&a, &b)) };
                assert_eq!(registers, twin, "{a:?} {b:?}");
            }
        }
    }
}
