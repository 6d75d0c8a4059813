//! Matrices of `K` x `K`, rows first, and their Cholesky factors.

/// A matrix.
pub(crate) type Block<const K: usize> = [[f64; K]; K];
/// The unknowns of a frame.
pub(crate) type Unknowns<const K: usize> = [f64; K];

/// A pivot below this share of its diagonal is rounding.
const LEAST_PIVOT: f64 = 1e-13;

/// Nothing.
pub(crate) const fn zero<const K: usize>() -> Block<K> {
    [[0.0; K]; K]
}

pub(crate) fn transpose<const K: usize>(a: &Block<K>) -> Block<K> {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// `c += a`.
pub(crate) fn add<const K: usize>(c: &mut Block<K>, a: &Block<K>) {
    for (c, a) in c.iter_mut().zip(a) {
        for (c, a) in c.iter_mut().zip(a) {
            *c += a;
        }
    }
}

/// `c += a b`.
#[inline(always)]
pub(crate) fn add_product<const K: usize>(c: &mut Block<K>, a: &Block<K>, b: &Block<K>) {
    for (c, a) in c.iter_mut().zip(a) {
        for (a, b) in a.iter().zip(b) {
            for (c, b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

/// `c -= a b`.
#[inline(always)]
pub(crate) fn take_product<const K: usize>(c: &mut Block<K>, a: &Block<K>, b: &Block<K>) {
    for (c, a) in c.iter_mut().zip(a) {
        for (a, b) in a.iter().zip(b) {
            for (c, b) in c.iter_mut().zip(b) {
                *c -= a * b;
            }
        }
    }
}

/// `c += a^T b`.
#[inline(always)]
pub(crate) fn add_transposed<const K: usize>(c: &mut Block<K>, a: &Block<K>, b: &Block<K>) {
    for (a, b) in a.iter().zip(b) {
        for (c, a) in c.iter_mut().zip(a) {
            for (c, b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

/// `a b`.
pub(crate) fn product<const K: usize>(a: &Block<K>, b: &Block<K>) -> Block<K> {
    let mut c = zero();
    add_product(&mut c, a, b);
    c
}

/// `y += a x`.
pub(crate) fn add_image<const K: usize>(y: &mut Unknowns<K>, a: &Block<K>, x: &Unknowns<K>) {
    for (y, a) in y.iter_mut().zip(a) {
        *y += dot(a, x);
    }
}

/// `y += a^T x`.
pub(crate) fn add_transposed_image<const K: usize>(y: &mut Unknowns<K>, a: &Block<K>, x: &Unknowns<K>) {
    for (a, x) in a.iter().zip(x) {
        for (y, a) in y.iter_mut().zip(a) {
            *y += a * x;
        }
    }
}

pub(crate) fn dot<const K: usize>(a: &Unknowns<K>, b: &Unknowns<K>) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// Inverse of the lower Cholesky factor of `a`; `None` where `a` is not positive definite beside `whole`, the matrix before
/// elimination.
pub(crate) fn inverse_cholesky<const K: usize>(a: &Block<K>, whole: &Block<K>) -> Option<Block<K>> {
    let mut lower: Block<K> = zero();
    for i in 0..K {
        for j in 0..=i {
            let known = (0..j).fold(0.0, |sum, k| sum + lower[i][k] * lower[j][k]);
            let value = a[i][j] - known;
            if i != j {
                lower[i][j] = value / lower[j][j];
            } else if value > LEAST_PIVOT * whole[i][i] && value > 0.0 {
                lower[i][i] = value.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut inverse: Block<K> = zero();
    for i in 0..K {
        let mut row = [0.0; K];
        for (j, value) in row.iter_mut().enumerate().take(i + 1) {
            let own = if i == j { 1.0 } else { 0.0 };
            let known = (j..i).fold(0.0, |sum, k| sum + lower[i][k] * inverse[k][j]);
            *value = (own - known) / lower[i][i];
        }
        inverse[i] = row;
    }
    Some(inverse)
}
