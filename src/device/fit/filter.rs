//! The likelihood of a train: the state behind the readings, followed pulse by pulse.

use super::super::cycle_noise::CycleNoise;
use super::super::law::{AnyLaw, STEP};

/// Noise of pulses and readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deviations {
    /// Additive, multiplicative and write noise: relative to the cell's step, to the mean change, to `unit`.
    pub parts: [f64; 3],
    /// What the write noise of all cells is relative to, a part of the window.
    pub unit: f64,
    /// A variance that every reading has beside, in squared positions: that of rounding, or of a fit that weighs all pulses alike.
    pub floor: f64,
}

/// Readings are taken to be rounded to this part of the window: single precision, and a better instrument than there is.
pub(super) const RESOLUTION: f64 = 1e-7;

impl Deviations {
    pub fn new(parts: [f64; 3], unit: f64) -> Self {
        Self {
            parts,
            unit,
            floor: RESOLUTION * RESOLUTION,
        }
    }

    /// All pulses weigh alike.
    pub fn equal() -> Self {
        Self {
            parts: [0.0; 3],
            unit: 0.0,
            floor: 1.0,
        }
    }
}

/// A train in positions of the window.
#[derive(Debug, Clone)]
pub(super) struct Train {
    pub polarities: Vec<f64>,
    pub positions: Vec<f64>,
}

/// What a reading misses its prediction by, and the variance of that.
pub(super) type Miss = (f64, f64);

/// Appends the misses of a train; `None` where one is no number.
///
/// # Equation
/// State known as `N(m, P)`; one pulse moves it to `N(m + d + d'' P/2, (1 + d')² P + d''² P²/2 + Q)`,
/// `Q = (σ_a step)² + σ_m² (d² + d'² P)`; a reading of variance R then leaves `P R/(P + R)`. The first reading starts it at `N(y, R)`.
///
/// # Reference
/// Kalman, J. Basic Eng. 82, 35 (1960), <https://doi.org/10.1115/1.3662552>; second order: Athans, Wishner & Bertolini, IEEE Trans. Autom. Control 13,
/// 504 (1968), <https://doi.org/10.1109/TAC.1968.1098986>.
pub(super) fn follow(
    law: &dyn AnyLaw,
    p: &[f64],
    noise: &Deviations,
    train: &Train,
    misses: &mut Vec<Miss>,
) -> Option<()> {
    walk(law, p, noise, train, |miss, _| misses.push(miss))
}

/// The mean state behind every reading of a train, given that reading and those before.
pub(super) fn states(
    law: &dyn AnyLaw,
    p: &[f64],
    noise: &Deviations,
    train: &Train,
) -> Option<Vec<f64>> {
    let mut states = vec![*train.positions.first()?];
    walk(law, p, noise, train, |_, mean| states.push(mean))?;
    Some(states)
}

/// Follows a train; `each` hears the miss and the mean state of every reading but the first.
fn walk(
    law: &dyn AnyLaw,
    p: &[f64],
    noise: &Deviations,
    train: &Train,
    mut each: impl FnMut(Miss, f64),
) -> Option<()> {
    let [additive, multiplicative, write] = noise.parts;
    let cycle = CycleNoise::new(additive, multiplicative);
    let reading = (write * noise.unit).powi(2);
    let (mut mean, mut variance) = (*train.positions.first()?, reading);
    let pulses = train.polarities.iter().zip(&train.positions).skip(1);
    for (&polarity, &seen) in pulses {
        let (predicted, spread) = if variance > 0.0 {
            let d = law.step_jet(p, mean, polarity);
            let feedback = (multiplicative * d.v1).powi(2) * variance;
            let curved = 0.5 * (d.v2 * variance).powi(2);
            (
                mean + d.re + 0.5 * d.v2 * variance,
                (1.0 + d.v1).powi(2) * variance
                    + curved
                    + feedback
                    + cycle.variance(p[STEP], mean, d.re, polarity),
            )
        } else {
            let d = law.step(p, mean, polarity);
            (mean + d, cycle.variance(p[STEP], mean, d, polarity))
        };
        let total = spread + reading + noise.floor;
        let miss = seen - predicted;
        if !(miss.is_finite() && total.is_finite() && total > 0.0) {
            return None;
        }
        if reading > 0.0 {
            mean = predicted + spread / total * miss;
            variance = spread * (reading + noise.floor) / total;
        } else {
            mean = seen;
        }
        each((miss, total), mean);
    }
    Some(())
}
