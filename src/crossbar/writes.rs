//! Writes through wires: the part of a pulse's voltage that reaches every cell, selected or not.

use super::Direction;
use super::through::{Wires, one_circuit};
use super::wires::{Circuit, Ends, Lines, Method, Solver};
use crate::backend::Shape;
use crate::device::VoltageDependence;
use crate::error::Result;

/// Voltages of the lines while cells are written, in units of the pulse's.
///
/// # Reference
/// An Chen, IEEE Trans. Electron Devices 60, 1318 (2013), <https://doi.org/10.1109/TED.2013.2246791>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// V/2: selected word lines at 1, selected bit lines at 0, all others at 1/2. Cells of a selected line see half of a pulse, those of none
    /// nothing.
    Half,
    /// V/3: selected word lines at 1 and bit lines at 0, other word lines at 1/3 and bit lines at 2/3. Every other cell sees a third; those
    /// of no selected line the wrong way round.
    Third,
    /// A transistor at every cell: only selected cells conduct.
    Isolated,
}

/// What is written at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// One cell.
    Cell,
    /// The cells of one word line, each with its own number of pulses; the wires are loaded as when all of them are pulsed.
    Row,
}

/// How pulses see the wires. Word and bit lines are driven at the ends, and through the resistances, of forward reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Writes {
    /// Voltages of the lines.
    pub scheme: Scheme,
    /// What is written at the same time.
    pub selected: Selected,
    /// Steps after which the voltages are computed anew from the present conductances: those of steps 0, k, 2k ….
    pub every: u32,
    /// Whether cells that are not selected are disturbed.
    pub disturb: bool,
    /// Of steps on voltages, for behavioural laws.
    pub dependence: Option<VoltageDependence>,
}

/// The part of the voltage of a pulse that reaches each cell, row by row; negative where it is pulsed the wrong way round (which loaded wires may do to
/// half-selected cells, too).
///
/// Cells that are not selected see slightly different voltages for every selected cell: these are means over all selections of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    /// Cells that are written: 0 where loaded lines would turn one round.
    pub selected: Vec<f64>,
    /// Cells of a selected word line that are not written.
    pub row: Vec<f64>,
    /// Cells of a bit line of which another cell is written.
    pub column: Vec<f64>,
    /// All others; nothing but under [`Scheme::Third`].
    pub rest: Vec<f64>,
}

impl Scheme {
    /// `[a, c]`: the voltage across a cell is `a (W + B) - c T`, where W and B are what the selected lines bring, alone at 1 and at -1, and T what
    /// all word lines bring together. (A voltage that all lines share brings nothing.)
    fn weights(self) -> [f64; 2] {
        match self {
            Self::Half => [0.5, 0.0],
            Self::Third => [2.0 / 3.0, 1.0 / 3.0],
            Self::Isolated => [1.0, 0.0],
        }
    }
}

impl Drive {
    /// That of ideal wires.
    pub fn ideal(cells: usize, scheme: Scheme) -> Self {
        let [a, c] = scheme.weights();
        let half = match scheme {
            Scheme::Isolated => 0.0,
            _ => a - c,
        };
        Self {
            selected: vec![1.0; cells],
            row: vec![half; cells],
            column: vec![half; cells],
            rest: vec![-c; cells],
        }
    }
}

impl Wires {
    /// The part of a pulse's voltage that reaches every cell, where cells have these conductances (S, row by row) and are ohmic; that of
    /// ideal wires where pulses do not see them ([`Wires::writes`]).
    ///
    /// It takes a solution of the network for every word line and every bit line.
    ///
    /// # Errors
    /// Those of [`Circuit::new`](super::wires::Circuit::new) and [`Solver::solve`].
    pub fn drive(&self, rows: usize, columns: usize, conductances: &[f64]) -> Result<Drive> {
        let shape = Shape {
            replicas: 1,
            rows,
            columns,
        };
        self.drive_by(&mut None, shape, conductances, Method::Direct)
    }

    /// Most replicas in one stack: where pulses see wires that resist, each has cells of its own.
    pub fn replicas_at_once(&self) -> usize {
        match self.writes.is_some() && !self.is_ideal_forward() {
            true => 1,
            false => usize::MAX,
        }
    }

    /// The same with a solver of the same circuit, or none yet.
    pub(super) fn drive_by(
        &self,
        solver: &mut Option<Solver>,
        shape: Shape,
        conductances: &[f64],
        method: Method,
    ) -> Result<Drive> {
        let scheme = self.writes.map_or(Scheme::Half, |w| w.scheme);
        let Some(writes) = self.writes.filter(|_| !self.is_ideal_forward()) else {
            return Ok(Drive::ideal(shape.cells(), scheme));
        };
        let lines = self.lines(Direction::Forward);
        if scheme == Scheme::Isolated {
            let ideal = Drive::ideal(shape.cells(), scheme);
            let selected = match writes.selected {
                Selected::Cell => isolated(shape, conductances, &lines),
                Selected::Row => isolated_rows(shape, conductances, &lines)?,
            };
            return Ok(Drive { selected, ..ideal });
        }
        let solver = one_circuit(solver, conductances, shape, &lines, method)?;
        Ok(brought(solver, shape)?.drive(shape, scheme, writes.selected))
    }
}

/// Where only the selected cell conducts: it divides the voltage with its lines.
fn isolated(shape: Shape, conductances: &[f64], (word, bit): &(Lines, Lines)) -> Vec<f64> {
    let cells = conductances.iter().enumerate().map(|(k, g)| {
        let (row, column) = (k / shape.columns, k % shape.columns);
        let path = path(word, column, shape.columns) + path(bit, row, shape.rows);
        1.0 / (1.0 + g * path)
    });
    cells.collect()
}

/// Where the cells of one word line conduct: each has a bit line for itself, which is one more resistance between cell and ground.
fn isolated_rows(
    shape: Shape,
    conductances: &[f64],
    (word, bit): &(Lines, Lines),
) -> Result<Vec<f64>> {
    let mut out = Vec::with_capacity(conductances.len());
    let ground = vec![0.0; shape.columns];
    for (row, own) in conductances.chunks(shape.columns).enumerate() {
        let to_ground = Lines {
            terminals: [path(bit, row, shape.rows); 2],
            ..Lines::new(0.0, Ends::First)
        };
        let circuit = Circuit::new(1, shape.columns, own.to_vec(), word.clone(), to_ground)?;
        let solved = Solver::new(circuit, Method::Direct)?.solve(&[1.0], &ground)?;
        out.extend(
            solved
                .cell_voltages()
                .into_iter()
                .map(|v| v.clamp(0.0, 1.0)),
        );
    }
    Ok(out)
}

/// Resistance between the terminals of a line of so many cells and its cell `at`.
fn path(lines: &Lines, at: usize, cells: usize) -> f64 {
    let [first, last] = lines.terminals;
    let first = first + lines.segment * (at + 1) as f64;
    let last = last + lines.segment * (cells - at) as f64;
    match lines.ends {
        Ends::First => first,
        Ends::Last => last,
        // Ideal lines have no resistance either way.
        Ends::Both if first.min(last) == 0.0 => 0.0,
        Ends::Both => 1.0 / (1.0 / first + 1.0 / last),
    }
}

/// What lines bring across cells.
struct Brought {
    /// A cell's own word line, alone at 1.
    word: Vec<f64>,
    /// Its own bit line, alone at -1.
    bit: Vec<f64>,
    /// All word lines at 1, which is all bit lines at -1.
    all: Vec<f64>,
}

fn brought(solver: &mut Solver, shape: Shape) -> Result<Brought> {
    let (m, n) = (shape.rows, shape.columns);
    let mut out = Brought {
        word: vec![0.0; m * n],
        bit: vec![0.0; m * n],
        all: vec![0.0; m * n],
    };
    let lines: Vec<usize> = (0..m + n).collect();
    for some in lines.chunks(AT_ONCE) {
        let drives: Vec<_> = some
            .iter()
            .map(|&line| {
                let (mut word, mut bit) = (vec![0.0; m], vec![0.0; n]);
                match line.checked_sub(m) {
                    None => word[line] = 1.0,
                    Some(column) => bit[column] = -1.0,
                }
                (word, bit)
            })
            .collect();
        for (&line, solved) in some.iter().zip(solver.solve_many(&drives)?) {
            let across = solved.cell_voltages();
            match line.checked_sub(m) {
                None => {
                    let own = line * n..(line + 1) * n;
                    out.word[own.clone()].copy_from_slice(&across[own]);
                    out.all.iter_mut().zip(&across).for_each(|(a, v)| *a += v);
                }
                Some(column) => {
                    let places = (column..m * n).step_by(n);
                    places.for_each(|k| out.bit[k] = across[k]);
                }
            }
        }
    }
    Ok(out)
}

/// Solutions that are kept at a time.
const AT_ONCE: usize = 32;

impl Brought {
    fn drive(&self, shape: Shape, scheme: Scheme, selected: Selected) -> Drive {
        let [a, c] = scheme.weights();
        let (others, other_rows) = (
            shape.columns.saturating_sub(1).max(1) as f64,
            shape.rows.saturating_sub(1).max(1) as f64,
        );
        let mut out = Drive::ideal(shape.cells(), scheme);
        for k in 0..shape.cells() {
            let (word, bit, all) = (self.word[k], self.bit[k], self.all[k]);
            // Of one other line, in the mean.
            let other_word = (all - word) / other_rows;
            // What the selected bit lines bring: with the cell's own among them, and without.
            let (with, without) = match selected {
                Selected::Cell => (bit, (all - bit) / others),
                Selected::Row => (all, all - bit),
            };
            let of = |word: f64, bits: f64| a * (word + bits) - c * all;
            // Rounding and iterations may lead beyond the ends of the network. A selected cell that starved lines turn round is left alone.
            out.selected[k] = of(word, with).clamp(0.0, 1.0);
            out.row[k] = of(word, without).clamp(-1.0, 1.0);
            out.column[k] = of(other_word, with).clamp(-1.0, 1.0);
            // Between lines of equal voltages next to nothing is left.
            if scheme == Scheme::Third {
                out.rest[k] = of(other_word, without).clamp(-1.0, 1.0);
            }
        }
        out
    }
}
