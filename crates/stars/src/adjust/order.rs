//! Which order of distortion the data support: thirds of the stars are held out in turn, frames and distortion solved from the
//! rest, and the residuals of the held-out stars about their own best positions compared.

use super::options::AdjustOptions;
use super::problem::{Linear, Problem};
use super::robust::{TUKEY, Weights};
use super::solution::AdjustError;
use super::solver::solve;
use super::system::{System, best_step};

const FOLDS: usize = 3;
/// A higher order must win by this many standard errors of the mean difference ...
const SIGMAS: f64 = 3.0;
/// ... and by this share of the loss.
const SHARE: f64 = 0.003;

/// Sets the order of every instrument to the one that wins, at most its present one.
pub(super) fn choose_orders(
    problem: &mut Problem,
    weights: &Weights,
    options: &AdjustOptions,
) -> Result<(), AdjustError> {
    let most = problem.instruments.iter().map(|i| i.solved_order).max().unwrap_or(0);
    let limits: Vec<usize> = problem.instruments.iter().map(|i| i.solved_order).collect();
    if most < 2 {
        return Ok(());
    }
    let orders: Vec<usize> = std::iter::once(0).chain(2..=most).collect();
    let mut losses = Vec::with_capacity(orders.len());
    for order in &orders {
        let mut trial = problem.clone();
        for (instrument, limit) in trial.instruments.iter_mut().zip(&limits) {
            if *limit >= 2 {
                instrument.solved_order = (*order).min(*limit);
                instrument.distortion = instrument.distortion.of_order(instrument.solved_order);
            }
        }
        losses.push(held_out_losses(&trial, weights, options)?);
    }
    for (index, limit) in limits.into_iter().enumerate() {
        if limit >= 2 {
            let instrument_of = |s: usize| problem.frames[problem.sights[s].frame as usize].instrument;
            let own: Vec<usize> = (0..problem.sights.len())
                .filter(|s| instrument_of(*s) == index && losses[0][*s].is_finite())
                .collect();
            let mut best = 0;
            for (trial, order) in orders.iter().enumerate().skip(1) {
                if *order <= limit && wins(&losses[trial], &losses[best], &own) {
                    best = trial;
                }
            }
            let instrument = &mut problem.instruments[index];
            instrument.solved_order = orders[best];
            instrument.distortion = instrument.distortion.of_order(orders[best]);
        }
    }
    Ok(())
}

fn wins(higher: &[f64], lower: &[f64], sights: &[usize]) -> bool {
    let count = sights.len() as f64;
    if count < 2.0 {
        return false;
    }
    let gain = |s: &usize| lower[*s] - higher[*s];
    let mean = sights.iter().map(gain).sum::<f64>() / count;
    let square = sights.iter().map(|s| (gain(s) - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let level = sights.iter().map(|s| lower[*s]).sum::<f64>() / count;
    mean > SIGMAS * (square / count).sqrt() && mean > SHARE * level
}

/// Loss of every sight when its star is held out; NaN where it does not count.
fn held_out_losses(
    problem: &Problem,
    weights: &Weights,
    options: &AdjustOptions,
) -> Result<Vec<f64>, AdjustError> {
    let linear = problem.linear();
    let mut losses = vec![f64::NAN; problem.sights.len()];
    for fold in 0..FOLDS {
        let out = |object: usize| object % FOLDS == fold;
        let mut kept = weights.clone();
        for (weight, sight) in kept.sights.iter_mut().zip(&problem.sights) {
            if out(sight.object as usize) {
                *weight = 0.0;
            }
        }
        let system = System::new(problem, &linear, &kept, options);
        let x = solve(&system, options.solver)?;
        let moved = system.forward(&x);
        for object in (0..problem.objects.len()).filter(|o| out(*o)) {
            losses_of(problem, &linear, weights, &moved, object, &mut losses);
        }
    }
    Ok(losses)
}

/// Losses of the sights of one object about its best position.
fn losses_of(
    problem: &Problem,
    linear: &[Linear],
    weights: &Weights,
    moved: &[[f64; 2]],
    object: usize,
    losses: &mut [f64],
) {
    let mut about: Vec<Linear> = Vec::new();
    let seen = problem.of_object(object);
    for &s in seen {
        let (Linear { residual, slope }, by) = (linear[s as usize], moved[s as usize]);
        about.push(Linear { residual: [residual[0] - by[0], residual[1] - by[1]], slope });
    }
    let own: Vec<f64> = seen.iter().map(|&s| weights.sights[s as usize]).collect();
    let tie = problem.tie(object).map(|(apart, _)| (apart, weights.ties[object]));
    let step = best_step(&about, &own, tie);
    for ((&s, linear), weight) in seen.iter().zip(&about).zip(&own) {
        if *weight > 0.0 {
            let r = [0, 1]
                .map(|k| linear.residual[k] + linear.slope[k][0] * step[0] + linear.slope[k][1] * step[1]);
            losses[s as usize] = (weight * (r[0] * r[0] + r[1] * r[1])).min(TUKEY * TUKEY);
        }
    }
}
