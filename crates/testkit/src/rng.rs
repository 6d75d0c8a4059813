//! Seeded random numbers: SplitMix64 streams named by integer keys, with uniform, normal and Poisson draws.
//!
//! A stream depends only on (seed, keys), never on which thread draws from it or when, so simulated sets are equal at
//! any thread count. Methods: Steele, Lea and Flood 2014 (SplitMix64); Marsaglia and Bray 1964 (polar normal);
//! Hörmann 1993, "The transformed rejection method for generating Poisson random variables" (PTRS).

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output permutation of SplitMix64: a good 64-bit integer hash.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Hash of a seed and a list of keys.
pub fn hash_keys(seed: u64, keys: &[u64]) -> u64 {
    keys.iter().fold(mix(seed.wrapping_add(GOLDEN)), |h, &k| mix(h.rotate_left(23) ^ k.wrapping_mul(GOLDEN)))
}

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
    spare_normal: Option<f64>,
}

impl Rng {
    /// The stream that belongs to these keys.
    pub fn for_keys(seed: u64, keys: &[u64]) -> Self {
        Self { state: hash_keys(seed, keys), spare_normal: None }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform integer in 0..n (n > 0).
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// Normal with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare_normal.take() {
            return z;
        }
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let f = (-2.0 * s.ln() / s).sqrt();
                self.spare_normal = Some(v * f);
                return u * f;
            }
        }
    }

    /// Poisson with mean `lambda`; 0 for a mean that is not positive.
    pub fn poisson(&mut self, lambda: f64) -> f64 {
        if lambda <= 0.0 || lambda.is_nan() {
            0.0
        } else if lambda < 10.0 {
            self.poisson_by_inversion(lambda)
        } else {
            self.poisson_ptrs(lambda)
        }
    }

    fn poisson_by_inversion(&mut self, lambda: f64) -> f64 {
        let mut u = self.uniform();
        let mut p = (-lambda).exp();
        let mut k = 0.0;
        // The tail beyond 100 has no probability that a 53-bit uniform could tell from 0.
        while u >= p && k < 100.0 {
            u -= p;
            k += 1.0;
            p *= lambda / k;
        }
        k
    }

    fn poisson_ptrs(&mut self, lambda: f64) -> f64 {
        let b = 0.931 + 2.53 * lambda.sqrt();
        let a = -0.059 + 0.02483 * b;
        let quick = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + lambda + 0.43).floor();
            if us >= 0.07 && v <= quick {
                return k;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
            let left = (v * inverse_alpha / (a / (us * us) + b)).ln();
            if left <= k * lambda.ln() - lambda - ln_factorial(k) {
                return k;
            }
        }
    }
}

/// ln k! by Stirling's series (error below 1e-9 for k >= 9; a short product below).
fn ln_factorial(k: f64) -> f64 {
    if k < 9.0 {
        return (1..=k as u64).map(|i| (i as f64).ln()).sum();
    }
    let n = k + 1.0;
    let r = 1.0 / n;
    (n - 0.5) * n.ln() - n
        + 0.918_938_533_204_672_8
        + r * (1.0 / 12.0 - r * r * (1.0 / 360.0 - r * r / 1260.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_distinct() {
        let draw = |keys: &[u64]| {
            let mut rng = Rng::for_keys(7, keys);
            [rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1]), draw(&[1, 0]));
    }

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64)
    }

    #[test]
    fn normal_has_unit_variance() {
        let mut rng = Rng::for_keys(1, &[]);
        let (mean, variance) = moments(|| rng.normal());
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.015, "{mean} {variance}");
    }

    #[test]
    fn poisson_has_equal_mean_and_variance() {
        for lambda in [0.3, 4.0, 9.9, 10.1, 40.0, 900.0, 1e6] {
            let mut rng = Rng::for_keys(2, &[]);
            let (mean, variance) = moments(|| rng.poisson(lambda));
            assert!(
                (mean / lambda - 1.0).abs() < 5.0 / (200_000.0 * lambda).sqrt(),
                "mean of {lambda}: {mean}"
            );
            assert!((variance / lambda - 1.0).abs() < 0.03, "variance of {lambda}: {variance}");
        }
    }

    #[test]
    fn poisson_skewness_is_right_where_the_method_changes() {
        for lambda in [8.0, 12.0, 40.0] {
            let mut rng = Rng::for_keys(3, &[]);
            let n = 400_000;
            let third: f64 = (0..n).map(|_| (rng.poisson(lambda) - lambda).powi(3)).sum::<f64>() / n as f64;
            assert!((third / lambda - 1.0).abs() < 0.25, "third central moment of {lambda}: {third}");
        }
    }
}
