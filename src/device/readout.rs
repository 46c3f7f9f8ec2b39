//! From the states of cells to the conductances that reads find, and back.

use std::marker::PhantomData;

use super::cells::Cells;
use super::kernel::{Own, Planes, TILE, filled, planes};
use super::law::{
    AnyLaw, Cell, FEW_PARAMETERS, LOWER, Law, MOST_PARAMETERS, OWN, Parameter, UPPER,
};

/// A readout of many lanes, each a state of its own.
pub struct ReadOut<'a> {
    /// Instructions to use: the results are the same with any.
    pub arch: pulp::Arch,
    /// The cell of all lanes.
    pub cell: Cell<'a, f32>,
    /// Where lanes are different cells.
    pub own: Option<Own<'a>>,
    /// States, which become positions of the conductance.
    pub values: &'a mut [f32],
}

/// Turns states into positions of the conductance.
pub(super) fn read_out<L: Law>(read: ReadOut) {
    let arch = read.arch;
    if const { OWN + L::PARAMETERS.len() <= FEW_PARAMETERS } {
        arch.dispatch(Loop::<L, FEW_PARAMETERS>(read, PhantomData));
    } else {
        arch.dispatch(Loop::<L, MOST_PARAMETERS>(read, PhantomData));
    }
}

/// A loop over lanes, compiled for several processors.
struct Loop<'a, L, const SIZE: usize>(ReadOut<'a>, PhantomData<L>);

impl<L: Law, const SIZE: usize> pulp::WithSimd for Loop<'_, L, SIZE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let ReadOut {
            cell, own, values, ..
        } = self.0;
        let Some(own) = own else {
            let shared: [f32; SIZE] = filled(cell.parameters);
            for v in values {
                *v = L::conductance(&shared, *v);
            }
            return;
        };
        let tiles = own.tiles.as_chunks().0.chunks_exact(own.places.len());
        for (values, tile) in values.chunks_mut(TILE).zip(tiles) {
            let planes: Planes<SIZE> = planes(&own, tile);
            for (i, v) in values.iter_mut().enumerate() {
                let mut parameters = [0.0; SIZE];
                for (k, p) in parameters.iter_mut().enumerate() {
                    if k < OWN + L::PARAMETERS.len() {
                        *p = planes[k][i];
                    }
                }
                *v = L::conductance(&parameters, *v);
            }
        }
    }
}

/// Whether conductances of a cell with parameters `p` are not its states.
pub(super) fn is_read_out(law: &dyn AnyLaw, p: &[f64]) -> bool {
    (0..16).any(|k| {
        let s = p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / 15.0;
        law.conductance(p, s) != s
    })
}

/// Whether conductances of a law are not its states, for some parameters.
pub(super) fn reads_out(law: &dyn AnyLaw) -> bool {
    let middle = |p: &Parameter| 0.5 * (p.least.max(-1e3) + p.most.min(1e3));
    let own = law.parameters().iter().map(middle);
    let p: Vec<f64> = [0.01, 0.0, 1.0].into_iter().chain(own).collect();
    is_read_out(law, &p)
}

/// The state inside the cell's window whose conductance is at position `x`; the nearer end where there is none.
///
/// Bisection to the last bit: the readout rises with the state.
pub fn state_of(law: &dyn AnyLaw, p: &[f64], x: f64) -> f64 {
    let (mut a, mut b) = (p[LOWER], p[UPPER]);
    if law.conductance(p, a) >= x {
        return a;
    }
    if law.conductance(p, b) <= x {
        return b;
    }
    // Halving 60 times leaves less than one rounding of the window.
    for _ in 0..60 {
        let m = 0.5 * (a + b);
        if law.conductance(p, m) < x {
            a = m;
        } else {
            b = m;
        }
    }
    0.5 * (a + b)
}

impl Cells {
    /// States of all cells whose conductances are at these positions, as the loops hold them.
    pub fn states(&self, positions: &[f64]) -> Vec<f32> {
        let cells = positions.iter().enumerate();
        cells
            .map(|(k, &x)| self.state(k, self.stuck_at(k).unwrap_or(x)) as f32)
            .collect()
    }

    /// State of cell `k` whose conductance is at position `x`.
    pub fn state(&self, k: usize, x: f64) -> f64 {
        if self.is_read_out() {
            state_of(self.law(), self.double(k).parameters, x)
        } else {
            x
        }
    }

    /// Position of the conductance of cell `k` at state `s`.
    pub fn conductance(&self, k: usize, s: f64) -> f64 {
        if self.is_read_out() {
            self.law().conductance(self.double(k).parameters, s)
        } else {
            s
        }
    }
}
