//! Sparse Cholesky factors of the nodal equations.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::LltRegularization;
use faer::sparse::linalg::SymbolicSupernodalParams;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, LltRef, SymbolicCholesky, SymbolicCholeskyRaw, SymmetricOrdering,
    factorize_symbolic_cholesky,
};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Conj, Mat, MatMut, Par, Side};

use super::circuit::Circuit;
use super::nodes::{Branch, Graph};
use crate::error::{Error, Result};

/// Corrections after a solve; one or two are enough unless the wires conduct 10¹⁰ times better than the cells.
const MOST_CORRECTIONS: usize = 12;

/// A correction, of the largest voltage, after which there is none.
const CORRECTED: f64 = 1e-12;

/// The same where corrections have shrunk fast and no longer do, because of rounding.
const ACCEPTED: f64 = 1e-10;

/// Factor by which corrections shrink that is fast: what is left after the last is then less than it.
const FAST: f64 = 0.1;

/// A pivot is lost to rounding where elimination leaves less of a diagonal entry than this, times the root of the number of unknowns.
const LOST: f64 = 1e-13;

/// Why there is no memory, and what to do.
const TOO_LARGE: &str =
    "the factors do not fit into memory: use the iterative method, or cut the matrix into tiles";

/// Supernodes are merged up to so many columns where such a share of them is zeros: solutions take long with many small ones.
const MERGED: [(usize, f64); 4] = [(16, 1.0), (48, 0.7), (128, 0.3), (usize::MAX, 0.1)];

/// Conductance that holds a floating part at 0 V, in siemens: no current flows through it, so any would do.
const PIN: f64 = 1.0;

/// Nodal equations of one circuit, factored.
pub(super) struct Direct {
    graph: Graph,
    symbolic: SymbolicCholesky<usize>,
    /// Upper triangle by columns.
    starts: Vec<usize>,
    rows: Vec<usize>,
    /// Place of every cell's coupling among the values of the matrix, or none where an end is a terminal.
    couplings: Vec<usize>,
    /// Values without the cells.
    wires: Vec<f64>,
    conductances: Vec<f64>,
    pins: Vec<u32>,
    /// Whether cells without conductance can cut nodes off.
    whole: bool,
    values: Vec<f64>,
    factor: Vec<f64>,
    memory: MemBuffer,
}

const NONE: usize = usize::MAX;

fn broken(detail: String) -> Error {
    Error::NotConverged {
        what: "the direct solution of a crossbar".into(),
        detail,
    }
}

impl Direct {
    /// Analyses and factors.
    pub(super) fn new(circuit: &Circuit) -> Result<Self> {
        let graph = Graph::of(circuit);
        let n = graph.unknowns;
        let inner = |b: &Branch| (b.from as usize) < n && (b.to as usize) < n && b.from != b.to;
        let all = (graph.cells.iter()).chain(graph.wires.iter().map(|(b, _)| b));
        // Couplings by column, the larger node; then the diagonal, which ends its column.
        let mut entries: Vec<(u32, u32, usize)> = all
            .enumerate()
            .filter(|(_, b)| inner(b))
            .map(|(k, b)| (b.from.max(b.to), b.from.min(b.to), k))
            .collect();
        entries.sort_unstable();
        let mut places = vec![NONE; graph.cells.len() + graph.wires.len()];
        let (mut starts, mut rows) = (vec![0], Vec::with_capacity(entries.len() + n));
        let mut entries = entries.into_iter().peekable();
        for column in 0..n {
            while let Some((_, row, branch)) = entries.next_if(|e| e.0 as usize == column) {
                places[branch] = rows.len();
                rows.push(row as usize);
            }
            rows.push(column);
            starts.push(rows.len());
        }
        let mut wires = vec![0.0; rows.len()];
        for (&(b, g), &place) in graph.wires.iter().zip(&places[graph.cells.len()..]) {
            add(&starts, &mut wires, b, place, g);
        }
        let pattern = SymbolicSparseColMatRef::new_checked(n, n, &starts, None, &rows);
        let symbolic = factorize_symbolic_cholesky(
            pattern,
            Side::Upper,
            SymmetricOrdering::Identity,
            CholeskySymbolicParams {
                supernodal_params: SymbolicSupernodalParams {
                    relax: Some(&MERGED),
                },
                ..Default::default()
            },
        )
        .map_err(|e| broken(format!("{n} unknown voltages: {e:?}; {TOO_LARGE}")))?;
        places.truncate(graph.cells.len());
        let memory = symbolic.factorize_numeric_llt_scratch::<f64>(Par::Seq, Default::default());
        let memory = MemBuffer::try_new(memory)
            .map_err(|_| broken(format!("{n} unknown voltages: {TOO_LARGE}")))?;
        let mut factor = Vec::new();
        factor
            .try_reserve_exact(symbolic.len_val())
            .map_err(|_| broken(format!("{n} unknown voltages: {TOO_LARGE}")))?;
        factor.resize(symbolic.len_val(), 0.0);
        let mut new = Self {
            whole: circuit.word_wiring().is_whole() && circuit.bit_wiring().is_whole(),
            couplings: places,
            values: vec![0.0; rows.len()],
            factor,
            conductances: Vec::new(),
            pins: Vec::new(),
            memory,
            graph,
            symbolic,
            starts,
            rows,
            wires,
        };
        new.refactor(circuit.conductances())?;
        Ok(new)
    }

    /// Factors anew for other conductances of the same circuit.
    pub(super) fn refactor(&mut self, conductances: &[f64]) -> Result<()> {
        self.conductances.clear();
        self.conductances.extend_from_slice(conductances);
        self.values.copy_from_slice(&self.wires);
        let cells = self.graph.cells.iter().zip(conductances);
        for ((&b, &g), &place) in cells.zip(&self.couplings) {
            add(&self.starts, &mut self.values, b, place, g);
        }
        if !self.whole {
            self.pins = self.graph.floating(conductances);
            for &pin in &self.pins {
                self.values[self.starts[pin as usize + 1] - 1] += PIN;
            }
        }
        let n = self.graph.unknowns;
        if n == 0 {
            return Ok(());
        }
        let pattern = SymbolicSparseColMatRef::new_checked(n, n, &self.starts, None, &self.rows);
        self.symbolic
            .factorize_numeric_llt(
                &mut self.factor,
                SparseColMatRef::new(pattern, &self.values),
                Side::Upper,
                LltRegularization::default(),
                Par::Seq,
                MemStack::new(&mut self.memory),
                Default::default(),
            )
            .map_err(|e| broken(format!("{e}; {TOO_FAR}")))?;
        let least = LOST * (n as f64).sqrt();
        let lost = (0..n).zip(self.diagonal()).any(|(k, pivot)| {
            // A number that is none is lost, too.
            pivot.is_nan() || pivot * pivot < least * self.values[self.starts[k + 1] - 1]
        });
        match lost {
            true => Err(broken(format!("a pivot is lost to rounding; {TOO_FAR}"))),
            false => Ok(()),
        }
    }

    /// Diagonal of the factor, in the order of elimination.
    fn diagonal(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self.symbolic.raw() {
            SymbolicCholeskyRaw::Simplicial(symbolic) => {
                Box::new((symbolic.col_ptr().iter()).map(|&start| self.factor[start]))
            }
            SymbolicCholeskyRaw::Supernodal(symbolic) => {
                let nodes = symbolic
                    .supernode_begin()
                    .iter()
                    .zip(symbolic.supernode_end());
                Box::new(nodes.enumerate().flat_map(move |(s, (&begin, &end))| {
                    let columns = end - begin;
                    let start = symbolic.col_ptr_for_val()[s];
                    let rows = (symbolic.col_ptr_for_val()[s + 1] - start) / columns.max(1);
                    (0..columns).map(move |c| self.factor[start + c * (rows + 1)])
                }))
            }
        }
    }

    /// Conductances of the cells that the factors have.
    pub(super) fn conductances(&self) -> &[f64] {
        &self.conductances
    }

    /// Voltages of all nodes, a column each for every column of `terminals` (word lines, then bit lines) with the currents that are
    /// fed into word-line and bit-line places, where there are any. Word-line places come first.
    pub(super) fn solve(
        &self,
        terminals: &[Vec<f64>],
        fed: Option<&[f64]>,
    ) -> Result<Vec<Vec<f64>>> {
        let n = self.graph.unknowns;
        let mut v: Vec<Vec<f64>> = terminals
            .iter()
            .map(|t| [vec![0.0; n], t.clone()].concat())
            .collect();
        let mut rhs = Mat::<f64>::zeros(n, v.len());
        let scratch = self
            .symbolic
            .solve_in_place_scratch::<f64>(v.len(), Par::Seq);
        let mut memory = MemBuffer::try_new(scratch).map_err(|_| broken(TOO_LARGE.into()))?;
        let (mut before, mut fastest) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..MOST_CORRECTIONS {
            for (k, v) in v.iter().enumerate() {
                self.residual(v, fed, rhs.col_as_slice_mut(k));
            }
            self.apply(rhs.as_mut(), &mut memory);
            // Of the worst column.
            let mut error = 0.0_f64;
            for (k, v) in v.iter_mut().enumerate() {
                let (mut largest, mut change) = (0.0_f64, 0.0_f64);
                for (v, d) in v.iter_mut().zip(rhs.col_as_slice(k)) {
                    *v += d;
                    change = change.max(d.abs());
                }
                for v in v.iter() {
                    largest = if v.is_finite() {
                        largest.max(v.abs())
                    } else {
                        f64::NAN
                    };
                }
                if largest.is_nan() {
                    return Err(broken(format!("a voltage is no number; {TOO_FAR}")));
                }
                if change > 0.0 {
                    error = error.max(change / largest);
                }
            }
            let stalled = before < 1.0 && error >= 0.5 * before;
            if before.is_finite() {
                fastest = fastest.min(error / before);
            }
            let enough = if stalled { ACCEPTED } else { CORRECTED };
            if error == 0.0 || (error <= enough && (!stalled || fastest <= FAST)) {
                return Ok(v.iter().map(|v| self.places(v)).collect());
            }
            before = error;
            if stalled {
                break;
            }
        }
        Err(broken(format!(
            "the last correction was {before:.1e} of the largest voltage; {TOO_FAR}"
        )))
    }

    fn apply(&self, rhs: MatMut<'_, f64>, memory: &mut MemBuffer) {
        if rhs.nrows() > 0 {
            LltRef::<usize, f64>::new(&self.symbolic, &self.factor).solve_in_place_with_conj(
                Conj::No,
                rhs,
                Par::Seq,
                MemStack::new(memory),
            );
        }
    }

    /// Currents that are missing at the unknown nodes, from differences of voltages.
    fn residual(&self, v: &[f64], fed: Option<&[f64]>, out: &mut [f64]) {
        out.fill(0.0);
        let n = out.len();
        let mut flow = |b: Branch, g: f64| {
            let (from, to) = (b.from as usize, b.to as usize);
            let current = g * (v[from] - v[to]);
            if from < n {
                out[from] -= current;
            }
            if to < n {
                out[to] += current;
            }
        };
        for (&b, &g) in self.graph.cells.iter().zip(&self.conductances) {
            flow(b, g);
        }
        for &(b, g) in &self.graph.wires {
            flow(b, g);
        }
        for &pin in &self.pins {
            out[pin as usize] -= PIN * v[pin as usize];
        }
        if let Some(fed) = fed {
            for (&node, &i) in self.graph.nodes.iter().zip(fed) {
                if (node as usize) < n {
                    out[node as usize] += i;
                }
            }
        }
    }

    fn places(&self, v: &[f64]) -> Vec<f64> {
        self.graph.nodes.iter().map(|&k| v[k as usize]).collect()
    }
}

const TOO_FAR: &str = "conductances of wires and cells are too far apart for double precision: make the smallest resistances 0";

/// Adds a branch to the values of a matrix; the diagonal ends its column.
fn add(starts: &[usize], values: &mut [f64], b: Branch, coupling: usize, g: f64) {
    if b.from == b.to {
        return;
    }
    for node in [b.from, b.to] {
        if let Some(&end) = starts.get(node as usize + 1) {
            values[end - 1] += g;
        }
    }
    if coupling != NONE {
        values[coupling] -= g;
    }
}
