//! Retention: states relax towards a resting state while no pulse comes.

use crate::number::Real;

/// Exponential relaxation, the same for all cells.
///
/// # Equation
/// `s(t) = s_rest + (s(0) - s_rest) e^{-t/T}`
///
/// # Behaviour
/// In steps of single precision a state near mid-window cannot move by less than 3e-8 of the window: let enough time pass at
/// once that states move further than that.
///
/// # Reference
/// Li et al., VLSI Technology 2018, <https://doi.org/10.1109/VLSIT.2018.8510648> (charge leaking from a capacitor cell).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retention {
    /// Position that states relax to.
    pub rest: f64,
    /// Time constant T in seconds.
    pub lifetime: f64,
}

impl Retention {
    /// Fraction of the distance to the resting state that is lost in `elapsed` seconds, `1 - e^{-t/T}`.
    pub fn lost(&self, elapsed: f64) -> f64 {
        -(-elapsed / self.lifetime).exp_m1()
    }
}

/// State after a fraction `lost` of its distance to `rest` is gone.
#[inline(always)]
pub fn relaxed<R: Real>(s: R, rest: R, lost: R) -> R {
    s - (s - rest) * lost
}
