//! Mixed precision: changes are added up digitally, and the device is asked for whole steps, or for so many at once.
//!
//! `χ ← χ + Δ`, `n = χ/ε` rounded towards zero, n pulses are written, `χ ← χ - n ε`, with the granularity ε of writing. What the device misses of its steps is not made up for, but every
//! gradient counts, however small, and cells get far fewer pulses: those of
//! gradients that cancel within ε are never made, and do not pull.
//!
//! # Reference
//! S. R. Nandakumar et al., Mixed-precision deep learning based on computational memory, Front. Neurosci. 14 (2020) 406,
//! <https://doi.org/10.3389/fnins.2020.00406>.

use super::planned::Rule;
use super::{matrix, whole};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::error::Result;

/// The digital memory of one array.
pub(super) struct MixedPrecision {
    /// χ, below ε in size.
    left: StackVector,
    quantum: f32,
}

impl MixedPrecision {
    pub fn new(array: &dyn Synapses, quantum: f64) -> Self {
        Self {
            left: matrix(array),
            quantum: quantum as f32,
        }
    }
}

impl Rule for MixedPrecision {
    fn plan(
        &mut self,
        changes: &mut StackVector,
        counting: Counting,
        _rate: f64,
        _array: &mut dyn Synapses,
    ) -> Result<Counting> {
        let pairs = changes.all_mut().iter_mut().zip(self.left.all_mut());
        for (change, left) in pairs {
            *change = take_steps(left, *change, self.quantum);
        }
        Ok(whole(counting))
    }

    fn begin(&mut self) {
        self.left.fill(0.0);
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.list("left", self.left.all_mut())
    }
}

/// Adds `change` to what is left, and takes the whole steps out of it.
pub(super) fn take_steps(left: &mut f32, change: f32, quantum: f32) -> f32 {
    *left += change;
    let steps = (*left / quantum).trunc() * quantum;
    *left -= steps;
    steps
}
