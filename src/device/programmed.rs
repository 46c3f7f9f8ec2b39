//! Cells that are programmed and read, whose pulses are not modelled.
//!
//! # Equation
//! No pulse changes a state: `q± = 0`. States come from `[programming]`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | – | `lower`, `upper` (of hard bounds) | S, or position |
//!
//! # Behaviour
//! For inference: weights that were trained elsewhere are written, with the statistics that a programming algorithm was measured to
//! have, and read. Nothing can be trained with such a device. No symmetric point.
//!
//! # Reference
//! Joshi et al., Nat. Commun. 11, 2473 (2020), <https://doi.org/10.1038/s41467-020-16108-9>.
//!
//! # Differences
//! aihwkit and CrossSim keep such models apart from those of pulses; here they are devices like others, so that retention, read noise
//! and faults are the same code.

use super::count::Count;
use super::law::{CycleNoise, Law, Parameter, Pulse};
use crate::number::Real;

/// `q± = 0`.
#[derive(Debug, Clone, Copy)]
pub struct Programmed;

impl Law for Programmed {
    const NAME: &'static str = "programmed";
    const PARAMETERS: &'static [Parameter] = &[];
    const PULSED: bool = false;

    #[inline(always)]
    fn step<R: Real>(_p: &[R], _s: R, _pulse: &Pulse<R>) -> R {
        R::lit(0.0)
    }

    #[inline(always)]
    fn train<R: Real>(
        _p: &[R],
        s: R,
        _pulse: &Pulse<R>,
        _n: &Count<R>,
        _noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        Some((s, R::lit(0.0)))
    }
}
