//! Nodes and branches of a circuit: what ideal wires join is one node, and nodes are numbered as they are best eliminated.

use super::circuit::Circuit;

/// A conductance between two nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The graph of a circuit. Nodes of unknown voltage come first, in the order of elimination; after them the terminals of all word
/// lines and of all bit lines.
pub(super) struct Graph {
    /// How many voltages are unknown.
    pub(super) unknowns: usize,
    /// Node of every word-line place (row by row), then of every bit-line place.
    pub(super) nodes: Vec<u32>,
    /// Cells, row by row.
    pub(super) cells: Vec<Branch>,
    /// Wires that conduct and have resistance, with their conductance (S).
    pub(super) wires: Vec<(Branch, f64)>,
}

/// Which places are one node: a forest whose roots are the largest of their tree, so that terminals are always roots.
struct Joined(Vec<u32>);

impl Joined {
    fn root(&mut self, place: usize) -> usize {
        let mut at = place;
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.min(b)] = a.max(b) as u32;
    }
}

/// Calls `f` with the places of every wire that conducts, and its conductance. Places are those of word lines, those of bit lines,
/// terminals of word lines, terminals of bit lines.
pub(super) fn for_each_wire(circuit: &Circuit, mut f: impl FnMut(usize, usize, f64)) {
    let (m, n) = (circuit.rows(), circuit.columns());
    let (word, bit) = (circuit.word_wiring(), circuit.bit_wiring());
    let mut side = |wiring: &super::circuit::Wiring,
                    lines: usize,
                    cells: usize,
                    place: &dyn Fn(usize, usize) -> usize,
                    terminals: usize| {
        for line in 0..lines {
            for cell in 0..cells - 1 {
                let g = wiring.link(line, cell);
                if g > 0.0 {
                    f(place(line, cell), place(line, cell + 1), g);
                }
            }
            for (g, end) in wiring.leads(line).into_iter().zip([0, cells - 1]) {
                if g > 0.0 {
                    f(place(line, end), terminals + line, g);
                }
            }
        }
    };
    side(&word, m, n, &|i, j| i * n + j, 2 * m * n);
    side(&bit, n, m, &|j, i| m * n + i * n + j, 2 * m * n + m);
}

/// Nested dissection of the places of an m × n crossbar, last first: a cut between columns separates on word-line places, one
/// between rows on bit-line places, so a cut has half the nodes that one through both planes would have.
///
/// Reference: A. George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10, 345 (1973).
fn dissect(
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    (m, n): (usize, usize),
    take: &mut impl FnMut(usize),
) {
    if rows.len() == 1 && columns.len() == 1 {
        take(rows.start * n + columns.start);
        take(m * n + rows.start * n + columns.start);
    } else if columns.len() >= rows.len() {
        let middle = columns.start + columns.len() / 2;
        rows.clone().for_each(|i| take(i * n + middle - 1));
        dissect(rows.clone(), columns.start..middle, (m, n), take);
        dissect(rows, middle..columns.end, (m, n), take);
    } else {
        let middle = rows.start + rows.len() / 2;
        columns
            .clone()
            .for_each(|j| take(m * n + (middle - 1) * n + j));
        dissect(rows.start..middle, columns.clone(), (m, n), take);
        dissect(middle..rows.end, columns, (m, n), take);
    }
}

impl Graph {
    pub(super) fn of(circuit: &Circuit) -> Self {
        let (m, n) = (circuit.rows(), circuit.columns());
        let places = 2 * m * n;
        let all = places + m + n;
        let mut joined = Joined((0..all as u32).collect());
        if circuit.has_ideal_lines() {
            for_each_wire(circuit, |a, b, g| {
                if g.is_infinite() {
                    joined.join(a, b);
                }
            });
        }
        // The last of the elimination come first here: their numbers are turned round below.
        const NONE: u32 = u32::MAX;
        let mut number = vec![NONE; all];
        let mut unknowns = 0;
        dissect(0..m, 0..n, (m, n), &mut |place| {
            let root = joined.root(place);
            if root < places && number[root] == NONE {
                number[root] = unknowns;
                unknowns += 1;
            }
        });
        let node = |root: usize| match root < places {
            true => unknowns - 1 - number[root],
            false => unknowns + (root - places) as u32,
        };
        let nodes: Vec<u32> = (0..places).map(|p| node(joined.root(p))).collect();
        let cell = |k: usize| Branch {
            from: nodes[k],
            to: nodes[m * n + k],
        };
        let cells = (0..m * n).map(cell).collect();
        let mut wires = Vec::new();
        for_each_wire(circuit, |a, b, g| {
            if g.is_finite() {
                let branch = Branch {
                    from: nodes[a],
                    to: node(joined.root(b)),
                };
                wires.push((branch, g));
            }
        });
        Self {
            unknowns: unknowns as usize,
            nodes,
            cells,
            wires,
        }
    }

    /// One unknown node of every part of the circuit that no path of conductance connects with a terminal. No current flows there, and
    /// nothing says what its voltage is.
    pub(super) fn floating(&self, conductances: &[f64]) -> Vec<u32> {
        let terminals = self.unknowns;
        let mut joined = Joined((0..=self.unknowns as u32).collect());
        // All terminals are one place, the last.
        let place = |node: u32| (node as usize).min(terminals);
        let cells = self.cells.iter().zip(conductances);
        let conducting = cells.filter(|(_, g)| **g > 0.0).map(|(b, _)| b);
        for b in conducting.chain(self.wires.iter().map(|(b, _)| b)) {
            joined.join(place(b.from), place(b.to));
        }
        (0..self.unknowns)
            .filter(|&k| joined.0[k] as usize == k)
            .map(|k| k as u32)
            .collect()
    }
}
