//! One circuit and its solutions.

use super::circuit::Circuit;
use super::direct::Direct;
use super::schur::Schur;
use crate::error::{Error, Result, Violation};

/// How a circuit is solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Sparse Cholesky factors with corrections: to rounding.
    Direct,
    /// Conjugate gradients until the power that the error would dissipate is `tolerance`² of what the cells dissipate.
    Iterative {
        /// Error of the voltages in the norm of power; where next to nothing flows, rounding of the voltages may be more.
        tolerance: f64,
    },
}

impl Method {
    /// Conjugate gradients with a tolerance of 10⁻⁸.
    pub const ITERATIVE: Self = Self::Iterative { tolerance: 1e-8 };
}

/// Voltages and currents of one circuit at given terminal voltages.
///
/// Parts that nothing conducting connects with a terminal carry no current, and nothing determines their voltage: one of their nodes is
/// set to 0 V.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Voltages of the word lines at all cells, in volt, row by row.
    pub word: Vec<f64>,
    /// Voltages of the bit lines at all cells, in volt, row by row.
    pub bit: Vec<f64>,
    /// Currents from the terminals into the word lines, in ampere; those of both ends add up.
    pub word_currents: Vec<f64>,
    /// Currents out of the bit lines into their terminals, in ampere; those of both ends add up.
    pub bit_currents: Vec<f64>,
}

impl Solution {
    /// Voltages across all cells (word line minus bit line), in volt, row by row.
    pub fn cell_voltages(&self) -> Vec<f64> {
        let places = self.word.iter().zip(&self.bit);
        places.map(|(w, b)| w - b).collect()
    }
}

enum Engine {
    Direct(Box<Direct>),
    Iterative(Box<Schur>, f64),
}

/// A circuit whose conductances may change, with what its solutions share.
pub struct Solver {
    circuit: Circuit,
    engine: Engine,
    /// Made when iterations fail; for the conductances that it was last used with.
    spare: Option<Box<Direct>>,
    /// Whether the engine has the circuit's conductances, or those that it was last given.
    ready: bool,
    iterations: usize,
    fallbacks: usize,
}

/// Right-hand sides that the direct method solves at once.
const AT_ONCE: usize = 32;

impl Solver {
    /// Prepares a circuit.
    ///
    /// # Errors
    /// [`Error::NotConverged`] where double precision is not enough for the conductances; [`Error::Invalid`] for a tolerance outside
    /// (0, 1).
    pub fn new(circuit: Circuit, method: Method) -> Result<Self> {
        let engine = match method {
            Method::Iterative { tolerance } if !(tolerance > 0.0 && tolerance < 1.0) => {
                return Err(invalid(
                    "tolerance",
                    tolerance.to_string(),
                    "must be between 0 and 1",
                    "for example 1e-8",
                ));
            }
            Method::Iterative { tolerance } if !circuit.has_ideal_lines() => {
                Engine::Iterative(Box::new(Schur::new(&circuit)), tolerance)
            }
            _ => Engine::Direct(Box::new(Direct::new(&circuit)?)),
        };
        Ok(Self {
            circuit,
            engine,
            spare: None,
            ready: true,
            iterations: 0,
            fallbacks: 0,
        })
    }

    /// The circuit.
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Iterations of the last solution; 0 by the direct method.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Solutions so far that the direct method had to find because iterations did not converge.
    pub fn fallbacks(&self) -> usize {
        self.fallbacks
    }

    /// Replaces the conductances of all cells (S, row by row).
    ///
    /// # Errors
    /// As [`Circuit::set_conductances`] and [`Solver::new`].
    pub fn set_conductances(&mut self, conductances: &[f64]) -> Result<()> {
        self.circuit.set_conductances(conductances)?;
        self.refactor(conductances)
    }

    /// Forgets the last solution: the next one starts with ideal word lines.
    pub fn forget(&mut self) {
        if let Engine::Iterative(schur, _) = &mut self.engine {
            schur.forget();
        }
    }

    pub(super) fn refactor(&mut self, conductances: &[f64]) -> Result<()> {
        self.ready = false;
        match &mut self.engine {
            Engine::Direct(direct) => direct.refactor(conductances)?,
            Engine::Iterative(schur, _) => schur.refactor(conductances),
        }
        self.ready = true;
        Ok(())
    }

    /// Whether the circuit has no ideal lines and iterations were asked for.
    pub fn iterates(&self) -> bool {
        matches!(self.engine, Engine::Iterative(..))
    }

    /// Factors the circuit where that failed before: as it is, or it fails again.
    fn make_ready(&mut self) -> Result<()> {
        match self.ready {
            true => Ok(()),
            false => {
                let conductances = self.circuit.conductances().to_vec();
                self.refactor(&conductances)
            }
        }
    }

    /// Solves for terminal voltages of all word lines and all bit lines, in volt.
    ///
    /// # Errors
    /// [`Error::Invalid`] for voltages of another number or that are not finite; [`Error::NotConverged`].
    pub fn solve(&mut self, word: &[f64], bit: &[f64]) -> Result<Solution> {
        self.check(word, bit)?;
        let (word_voltages, bit_voltages) = self.voltages(word, bit, None)?;
        Ok(solution(
            &self.circuit,
            (word, bit),
            word_voltages,
            bit_voltages,
            |g, v| (g * v, g),
        ))
    }

    /// Solves for many pairs of terminal voltages, as [`Solver::solve`]; the direct method solves them together.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn solve_many(&mut self, drives: &[(Vec<f64>, Vec<f64>)]) -> Result<Vec<Solution>> {
        for (word, bit) in drives {
            self.check(word, bit)?;
        }
        self.make_ready()?;
        let mut all = Vec::with_capacity(drives.len());
        for some in drives.chunks(AT_ONCE) {
            let Engine::Direct(direct) = &self.engine else {
                for (word, bit) in some {
                    all.push(self.solve(word, bit)?);
                }
                continue;
            };
            let terminals: Vec<_> = some
                .iter()
                .map(|(word, bit)| [&word[..], bit].concat())
                .collect();
            for ((word, bit), mut places) in some.iter().zip(direct.solve(&terminals, None)?) {
                let lower = places.split_off(places.len() / 2);
                all.push(solution(
                    &self.circuit,
                    (word, bit),
                    places,
                    lower,
                    |g, v| (g * v, g),
                ));
            }
        }
        Ok(all)
    }

    /// The matrix `A` (S, rows × columns, row by row) of all reads: with word lines at `V` and bit lines at ground, bit line j gives
    /// `Σ_i V_i A_ij`; with bit lines at `V` and word lines at ground, word line i gives `Σ_j A_ij V_j`.
    ///
    /// It takes a solution for every word line or every bit line, whichever are fewer.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn effective_matrix(&mut self) -> Result<Vec<f64>> {
        let (m, n) = (self.circuit.rows(), self.circuit.columns());
        let unit = |k: usize, count: usize| {
            let mut v = vec![0.0; count];
            v[k] = 1.0;
            v
        };
        let mut matrix = vec![0.0; m * n];
        let by_rows = m <= n;
        let lines: Vec<usize> = (0..m.min(n)).collect();
        for some in lines.chunks(AT_ONCE) {
            let drive = |&k: &usize| match by_rows {
                true => (unit(k, m), vec![0.0; n]),
                false => (vec![0.0; m], unit(k, n)),
            };
            let drives: Vec<_> = some.iter().map(drive).collect();
            for (&k, solved) in some.iter().zip(self.solve_many(&drives)?) {
                if by_rows {
                    matrix[k * n..(k + 1) * n].copy_from_slice(&solved.bit_currents);
                } else {
                    for (row, current) in matrix.chunks_exact_mut(n).zip(&solved.word_currents) {
                        row[k] = -current;
                    }
                }
            }
        }
        Ok(matrix)
    }

    pub(super) fn check(&self, word: &[f64], bit: &[f64]) -> Result<()> {
        let sides = [
            ("word voltages", word, self.circuit.rows()),
            ("bit voltages", bit, self.circuit.columns()),
        ];
        for (name, voltages, count) in sides {
            if voltages.len() != count {
                let rule = format!("there are {count} lines");
                return Err(invalid(
                    name,
                    format!("{} values", voltages.len()),
                    &rule,
                    "give a voltage a line",
                ));
            }
            if let Some(v) = voltages.iter().find(|v| !v.is_finite()) {
                return Err(invalid(
                    name,
                    v.to_string(),
                    "must be finite",
                    "drive open lines at 0 V",
                ));
            }
        }
        Ok(())
    }

    /// Voltages of all places, with currents fed into the word-line places, then the bit-line places.
    pub(super) fn voltages(
        &mut self,
        word: &[f64],
        bit: &[f64],
        fed: Option<&[f64]>,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        self.make_ready()?;
        let cells = self.circuit.rows() * self.circuit.columns();
        let direct = match &mut self.engine {
            Engine::Direct(direct) => direct,
            Engine::Iterative(schur, tolerance) => {
                if let Ok(iterations) = schur.solve(word, bit, fed, *tolerance) {
                    self.iterations = iterations;
                    return Ok(schur.voltages());
                }
                self.fallbacks += 1;
                let mut spare = match self.spare.take() {
                    Some(spare) => spare,
                    None => Box::new(Direct::new(&self.circuit)?),
                };
                if spare.conductances() != schur.conductances() {
                    spare.refactor(schur.conductances())?;
                }
                self.spare.insert(spare)
            }
        };
        self.iterations = 0;
        let mut places = direct.solve(&[[word, bit].concat()], fed)?;
        let mut upper = places.swap_remove(0);
        let lower = upper.split_off(cells);
        Ok((upper, lower))
    }
}

fn invalid(key: &str, value: String, rule: &str, way_out: &str) -> Error {
    Error::from(Violation {
        file: "circuit".into(),
        line: None,
        column: None,
        key: key.into(),
        value: Some(value),
        rule: rule.into(),
        way_out: way_out.into(),
    })
}

/// Adds the currents of the terminals, where a cell of some conductance and voltage has a current and a derivative that `law` gives. The current of a line is the sum
/// over its cells; or what flows through its leads where these conduct less than its cells do together, because then the voltages
/// across the cells are what rounding spoils.
pub(super) fn solution(
    circuit: &Circuit,
    (word, bit): (&[f64], &[f64]),
    word_voltages: Vec<f64>,
    bit_voltages: Vec<f64>,
    law: impl Fn(f64, f64) -> (f64, f64),
) -> Solution {
    let (m, n) = (circuit.rows(), circuit.columns());
    let mut word_currents = vec![0.0; m];
    let mut bit_currents = vec![0.0; n];
    let mut bit_sums = vec![0.0; n];
    let words = circuit.word_wiring();
    let places = word_voltages
        .chunks_exact(n)
        .zip(bit_voltages.chunks_exact(n));
    for (i, (g, (w, b))) in circuit
        .conductances()
        .chunks_exact(n)
        .zip(places)
        .enumerate()
    {
        let (mut row, mut sum) = (0.0, 0.0);
        let lines = bit_currents.iter_mut().zip(&mut bit_sums);
        for ((bit_current, bit_sum), (g, (w, b))) in lines.zip(g.iter().zip(w.iter().zip(b))) {
            let (current, slope) = law(*g, w - b);
            row += current;
            sum += slope;
            *bit_current += current;
            *bit_sum += slope;
        }
        let [first, last] = words.leads(i);
        word_currents[i] = match first + last < sum {
            true => first * (word[i] - w[0]) + last * (word[i] - w[n - 1]),
            false => row,
        };
    }
    let bits = circuit.bit_wiring();
    for j in 0..n {
        let [first, last] = bits.leads(j);
        if first + last < bit_sums[j] {
            let v = |i: usize| bit_voltages[i * n + j];
            bit_currents[j] = first * (v(0) - bit[j]) + last * (v(m - 1) - bit[j]);
        }
    }
    Solution {
        word: word_voltages,
        bit: bit_voltages,
        word_currents,
        bit_currents,
    }
}
