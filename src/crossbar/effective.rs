//! One array behind its wires: what reads see of the cells, how that follows them, and what pulses are to them.

use super::through::one_circuit;
use super::wires::{Derivative, Lines, Method, Solver};
use super::{ArrayModel, Direction, WeightMap, Wires};
use crate::backend::Shape;
use crate::device::{Cells, Window};
use crate::error::Result;

/// Effective conductances (S, row by row) of one array whose cells have these: negative ones stay out of the circuit and are added as through
/// ideal wires. What `solver` was used for before changes nothing.
///
/// # Errors
/// Those of [`Circuit::new`](super::wires::Circuit::new) and [`Solver::solve`].
pub(super) fn effective_matrix(
    solver: &mut Option<Solver>,
    conductances: &[f64],
    shape: Shape,
    lines: &(Lines, Lines),
    method: Method,
) -> Result<Vec<f64>> {
    let inside = inside(conductances);
    let mut matrix = one_circuit(solver, &inside, shape, lines, method)?.effective_matrix()?;
    for (seen, g) in matrix.iter_mut().zip(conductances) {
        *seen += g.min(0.0);
    }
    Ok(matrix)
}

/// The conductances of the circuit.
fn inside(conductances: &[f64]) -> Vec<f64> {
    conductances.iter().map(|g| g.max(0.0)).collect()
}

/// One array behind its wires, in double precision: what predictions need of forward reads and of writes.
///
/// Cells and what is seen of them are contributions to weights before the sign ([`WeightMap::value`]): what is read is the weight
/// `Σ sign · seen`. The reference of a reference column does not pass the wires.
pub struct EffectiveArray {
    wires: Wires,
    map: WeightMap,
    window: Window,
    shape: Shape,
    lines: (Lines, Lines),
    solver: Option<Solver>,
}

/// `∂seen/∂true` of all cells.
pub struct Sensitivity {
    derivative: Derivative,
    /// Cells that are not in the circuit.
    outside: Vec<bool>,
}

/// To rounding: Newton's method stops at less than iterations leave.
const METHOD: Method = Method::Direct;

impl Sensitivity {
    /// Of what is seen as cell `seen`, per contribution of cell `cell`.
    pub fn of(&self, seen: usize, cell: usize) -> f64 {
        match self.outside[cell] {
            true => f64::from(u8::from(seen == cell)),
            false => self.derivative.of(seen, cell),
        }
    }
}

impl EffectiveArray {
    /// None where wires are ideal.
    pub fn new(wires: &Wires, model: &ArrayModel) -> Option<Self> {
        (!wires.is_ideal()).then(|| Self {
            wires: *wires,
            map: model.map,
            window: model.cells.window(),
            shape: Shape {
                replicas: 1,
                rows: model.map.inputs(),
                columns: model.map.columns(),
            },
            lines: wires.lines(Direction::Forward),
            solver: None,
        })
    }

    fn conductances(&self, values: &[f64]) -> Vec<f64> {
        let of = |v: &f64| self.window.g_min + self.window.span() * self.map.position(*v);
        values.iter().map(of).collect()
    }

    /// What is seen of cells with these contributions.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::error::Error::Invalid) for values that are not finite; those of [`Solver::solve`].
    pub fn seen(&mut self, values: &[f64]) -> Result<Vec<f64>> {
        let conductances = self.conductances(values);
        let (shape, lines) = (self.shape, &self.lines);
        let seen = effective_matrix(&mut self.solver, &conductances, shape, lines, METHOD)?;
        let value = |g| self.map.value((g - self.window.g_min) / self.window.span());
        Ok(seen.into_iter().map(value).collect())
    }

    /// How it follows them at these.
    ///
    /// # Errors
    /// As [`EffectiveArray::seen`].
    pub fn sensitivity(&mut self, values: &[f64]) -> Result<Sensitivity> {
        let conductances = self.conductances(values);
        let (shape, lines) = (self.shape, &self.lines);
        let inside = inside(&conductances);
        let solver = one_circuit(&mut self.solver, &inside, shape, lines, METHOD)?;
        Ok(Sensitivity {
            derivative: solver.derivative()?,
            outside: conductances.iter().map(|g| *g < 0.0).collect(),
        })
    }

    /// The same cells as pulses reach them where they have these contributions; none where pulses do not see the wires.
    ///
    /// # Errors
    /// As [`EffectiveArray::seen`].
    pub fn reached(&mut self, cells: &Cells, values: &[f64]) -> Result<Option<Cells>> {
        let Some(writes) = self.wires.writes else {
            return Ok(None);
        };
        let inside = inside(&self.conductances(values));
        let drive = (self.wires).drive_by(&mut self.solver, self.shape, &inside, METHOD)?;
        Ok(Some(cells.driven(&drive.selected, writes.dependence)))
    }
}
