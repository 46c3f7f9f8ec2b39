//! Device parameters from measured pulse trains.
//!
//! # Model
//! Position `s` in the window, `n` counts the pulses of one cell in one cycle:
//!
//! ```text
//! s_{n+1} = s_n + d±(s_n; p) + ε,   ε ~ N(0, (σ_a step)² + (σ_m d±)²)
//! y_n     = s_n + w,                w ~ N(0, (σ_w step)²)
//! ```
//!
//! `d±` is the mean change of any law of [`laws`](super::laws), `p` the cell's own parameters, σ_a and σ_m the cycle-to-cycle noise as
//! [`CycleNoise`](super::CycleNoise) defines it without `state-slope` and `correlated`, which are not fitted, σ_w the write noise. Noise of reads
//! is no part of the model either: white noise of readings counts as write noise.
//!
//! # Method
//! Maximum likelihood of whole trains, not of single increments: an increment `y_{n+1} - y_n` holds the write noise of two readings, and its
//! regression on `y_n` would be a regression on a noisy abscissa, which pulls slopes κ of the law away from zero (`E κ̂ ≈ κ + σ_w²/(σ_w² + Var s)`,
//! errors in variables). Here the state behind the readings is followed by a Kalman filter, so there is no such bias where the law is
//! affine in the state; where it curves, the filter carries the second derivative of the law and leaves out terms of order `d''' P²`, `P` the
//! variance that is left of the state. Without write noise the filter is the product of the densities of the increments, exactly.
//!
//! The likelihood is climbed by Fisher scoring in a trust region (`argmin`), parameters inside their ranges by
//! `p = middle + half sin θ`. Derivatives in the parameters are central differences over 6·10⁻⁶ of a parameter's scale: a relative error
//! near 10⁻¹⁰, far below what data can show.
//!
//! What no data can tell apart is held: parameters are freed one by one while the law's change depends on them in a new direction.
//! First one law for all cells is fitted from several starting points, then each cell alone and the noise of all cells together, in turns until the
//! likelihood stands still. What the parameters of the cells have swallowed of the noise is given back by one step towards the restricted
//! likelihood, as `N - K` for `N` in any regression. States that stop hard at a bound are not modelled: leave such readings out.
//!
//! # Device to device
//! The estimates of `C` cells scatter by what cells differ and by what each is uncertain: `s² = τ² + mean(V)`. The first is the deviation from
//! device to device (zero where the scatter is smaller than the uncertainty explains). The nominal cell is the mean of the estimates,
//! its covariance `S/C` from their scatter; of a single cell, the inverse information. Both are for known noise, which cells share: what is not known of
//! it adds `Ḡ Σ Ḡᵀ`, `Σ` the covariance of its variances, `Ḡ` the mean over cells of `-I_pp⁻¹ I_pn`, by which estimates move with them. (With σ_a of 3 steps
//! that is nearly all: a deviation of σ_a step that is known exactly says nothing of the step.) Intervals are Student's: `C - 1` degrees
//! of freedom for `S/C`, by Satterthwaite's rule for the sum.

mod conclude;
mod data;
mod file;
mod filter;
mod free;
mod noise;
mod solve;
mod start;
mod whole;
mod work;

pub use data::{CellPulses, Pulses, Run};
pub use file::{Labels, device_file};
pub use whole::{Candidate, Fit, Noise, Nominal, Options, compare, fit_law};

use std::sync::Arc;

use super::law::{AnyLaw, Kind};
use super::readout::reads_out;

/// The laws that can be fitted to conductances: those whose state is the conductance and whose parameters are plain numbers and
/// positions. Labels, nodes and quantities of physical laws are not found from conductances alone.
pub fn fittable() -> Vec<Arc<dyn AnyLaw>> {
    let plain = |kind| matches!(kind, Kind::Change | Kind::Position | Kind::Ratio);
    let mut laws = super::laws();
    laws.retain(|law| {
        let kinds = law.parameters().iter().all(|p| plain(p.kind));
        kinds && law.is_pulsed() && !law.derives_step() && !reads_out(&**law)
    });
    laws
}
