//! One array behind its wires: what reads see of the cells, how that follows them, and what pulses are to them.

use super::through::one_circuit;
use super::wires::{Derivative, Lines, Method, Solver};
use super::{ArrayModel, Cut, Direction, Layout, WeightMap, Wires};
use crate::backend::Shape;
use crate::device::{Cells, Window};
use crate::error::{Error, Result};

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

/// One array behind its wires, in double precision: what predictions need of forward reads and of writes. Tiles have wires of their own.
///
/// Cells and what is seen of them are contributions to weights before the sign ([`WeightMap::value`]): what is read is the weight
/// `Σ sign · seen`. The reference of a reference column does not pass the wires.
pub struct EffectiveArray {
    wires: Wires,
    lines: (Lines, Lines),
    map: WeightMap,
    window: Window,
    parts: Vec<Part>,
}

/// One tile.
struct Part {
    shape: Shape,
    /// Its cells, of those of the array.
    cells: Vec<usize>,
    solver: Option<Solver>,
}

/// `∂seen/∂true` of all cells.
pub struct Sensitivity {
    /// Tile by tile.
    derivatives: Vec<Derivative>,
    /// Tile of every cell, and its place there.
    places: Vec<(usize, usize)>,
    /// Cells that are not in a circuit.
    outside: Vec<bool>,
}

/// To rounding: Newton's method stops at less than iterations leave.
const METHOD: Method = Method::Direct;

impl Sensitivity {
    /// Of what is seen as cell `seen`, per contribution of cell `cell`.
    pub fn of(&self, seen: usize, cell: usize) -> f64 {
        let ([own, part], [k, l]) = {
            let (seen, cell) = (self.places[seen], self.places[cell]);
            ([seen.0, cell.0], [seen.1, cell.1])
        };
        match self.outside[cell] {
            true => f64::from(u8::from(seen == cell)),
            false if own != part => 0.0,
            false => self.derivatives[own].of(k, l),
        }
    }
}

impl EffectiveArray {
    /// None where wires are ideal.
    ///
    /// # Panics
    /// If a tile has no room for one weight ([`Layout::fits`]).
    pub fn new(wires: &Wires, layout: &Layout, model: &ArrayModel) -> Option<Self> {
        let part = |cut: &Cut| {
            let own = cut.tile(&model.map);
            Part {
                shape: Shape {
                    replicas: 1,
                    rows: own.inputs(),
                    columns: own.columns(),
                },
                cells: (0..own.cells()).map(|k| cut.drawn(&model.map, k)).collect(),
                solver: None,
            }
        };
        (!wires.is_ideal()).then(|| Self {
            wires: *wires,
            lines: wires.lines(Direction::Forward),
            map: model.map,
            window: model.cells.window(),
            parts: layout.cuts(&model.map).iter().map(part).collect(),
        })
    }

    /// The conductances of cells with these contributions.
    fn conductances(&self, values: &[f64]) -> Vec<f64> {
        let of = |v: &f64| self.window.g_min + self.window.span() * self.map.position(*v);
        values.iter().map(of).collect()
    }

    /// What is seen of cells with these contributions.
    ///
    /// # Errors
    /// [`Error::NotConverged`] for values that are not finite; those of [`Solver::solve`].
    pub fn seen(&mut self, values: &[f64]) -> Result<Vec<f64>> {
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::NotConverged {
                what: "the circuit of an array".into(),
                detail: "conductances are not finite".into(),
            });
        }
        let conductances = self.conductances(values);
        let (map, window) = (self.map, self.window);
        let mut all = vec![0.0; values.len()];
        for part in &mut self.parts {
            let own = part.take(&conductances);
            let solver = &mut part.solver;
            let seen = effective_matrix(solver, &own, part.shape, &self.lines, METHOD)?;
            for (g, &cell) in seen.iter().zip(&part.cells) {
                all[cell] = map.value((g - window.g_min) / window.span());
            }
        }
        Ok(all)
    }

    /// How it follows them at these.
    ///
    /// # Errors
    /// As [`EffectiveArray::seen`].
    pub fn sensitivity(&mut self, values: &[f64]) -> Result<Sensitivity> {
        let conductances = self.conductances(values);
        let mut places = vec![(0, 0); values.len()];
        let mut derivatives = Vec::with_capacity(self.parts.len());
        for (p, part) in self.parts.iter_mut().enumerate() {
            let own = inside(&part.take(&conductances));
            let solver = one_circuit(&mut part.solver, &own, part.shape, &self.lines, METHOD)?;
            derivatives.push(solver.derivative()?);
            for (k, &cell) in part.cells.iter().enumerate() {
                places[cell] = (p, k);
            }
        }
        Ok(Sensitivity {
            derivatives,
            places,
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
        let conductances = self.conductances(values);
        let mut arrives = vec![0.0; values.len()];
        for part in &mut self.parts {
            let own = inside(&part.take(&conductances));
            let solver = &mut part.solver;
            let drive = self.wires.drive_by(solver, part.shape, &own, METHOD)?;
            for (d, &cell) in drive.selected.iter().zip(&part.cells) {
                arrives[cell] = *d;
            }
        }
        Ok(Some(cells.driven(&arrives, writes.dependence)))
    }
}

impl Part {
    fn take(&self, all: &[f64]) -> Vec<f64> {
        self.cells.iter().map(|&cell| all[cell]).collect()
    }
}
