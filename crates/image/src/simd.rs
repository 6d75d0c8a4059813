//! Which instruction set the kernels use. Every kernel is one generic body over plain arrays; a level only
//! decides how the compiler vectorises it, never what it computes, so all levels give equal bits.

/// Instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdLevel {
    /// What the compile target guarantees.
    Portable,
    /// 256-bit vectors on x86-64.
    Avx2,
}

impl SimdLevel {
    /// The best level of this processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Portable
    }

    /// All levels of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        let best = Self::detect();
        if best == Self::Portable { vec![best] } else { vec![Self::Portable, best] }
    }
}
