//! How well a set of values is a combination of others.

/// Largest amount that is left of `target` after its best combination of `terms`, vectors of the same length that are
/// independent of each other: least squares by Gram-Schmidt, each step twice, which loses no digits (Giraud, Langou &
/// Rozloznik 2005, Comput. Math. Appl. 50, 1069).
pub fn fit_residual(target: &[f64], terms: &[Vec<f64>]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let without = |vector: &mut [f64], basis: &[Vec<f64>]| {
        for own in basis.iter().chain(basis) {
            let share = dot(vector, own);
            vector.iter_mut().zip(own).for_each(|(value, own)| *value -= share * own);
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(terms.len());
    for term in terms {
        let mut own = term.clone();
        without(&mut own, &basis);
        let length = dot(&own, &own).sqrt();
        for value in &mut own {
            *value /= length;
        }
        basis.push(own);
    }
    let mut rest = target.to_vec();
    without(&mut rest, &basis);
    rest.iter().fold(0.0, |most, own| most.max(own.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terms_hold_goes_and_the_rest_stays() {
        let x: Vec<f64> = (0..50).map(f64::from).collect();
        let one = vec![1.0; x.len()];
        let line: Vec<f64> = x.iter().map(|x| 3.0 * x - 700.0).collect();
        assert!(fit_residual(&line, &[x.clone(), one.clone()]) < 1e-10);
        // Of a line its mean is left without a slope: half of its range.
        assert!((fit_residual(&line, std::slice::from_ref(&one)) - 3.0 * 24.5).abs() < 1e-10);
        let zigzag: Vec<f64> = (0..50).map(|at| f64::from(at % 2)).collect();
        assert!((fit_residual(&zigzag, &[one]) - 0.5).abs() < 1e-12);
        assert_eq!(fit_residual(&line, &[]), 700.0);
    }
}
