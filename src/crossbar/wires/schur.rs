//! Conjugate gradients on the word lines, with the bit lines eliminated.
//!
//! # Equation
//! With the chains of the word lines `T_w` and of the bit lines `T_b` (cells and leads on their diagonals), the voltages obey
//! `T_w w - G b = f_w` and `T_b b - G w = f_b`. Eliminating b leaves `S w = f_w + G T_b⁻¹ f_b` with `S = T_w - G T_b⁻¹ G`,
//! which is positive definite; a product with S is one tridiagonal solution of all bit lines.
//!
//! The preconditioner M is S with its coupling of word lines lumped on the diagonal: the chains of the word lines, each cell leading to
//! ground through what conducts when all word lines have one voltage. S is M plus a Laplacian of nonnegative conductances, so
//! `M ≤ S`, and `r·M⁻¹r` is never less than the squared error in the norm of S: the power that the error would dissipate. (Where lines are
//! broken, M is kept regular by a small part of the cells, and this holds only nearly.)
//!
//! # Reference
//! The conjugate gradient method: M. R. Hestenes and E. Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952).

use pulp::Arch;

use super::circuit::Circuit;
use super::nodes::Graph;
use super::sweeps::{Band, BitPivots, Down, LANES, Lane, Links, Up, WordPivots};
use crate::error::{Error, Result};

/// Conductance that holds a floating part at 0 V, in siemens: no current flows through it, so any would do.
const PIN: f64 = 1.0;

/// Part of a cell's conductance that leads to ground at least, where lines are broken: pieces of them may lead nowhere.
const LEAST: f64 = 1e-8;

/// Times that the equations are begun anew because rounding has made the residual drift.
const RESTARTS: usize = 6;

/// Equations of one circuit without ideal lines.
pub(super) struct Schur {
    m: usize,
    n: usize,
    arch: Arch,
    words: Links,
    bits: Links,
    /// Leads of word lines and of bit lines (S), at the first and the last place.
    word_leads: [Vec<f64>; 2],
    bit_leads: [Vec<f64>; 2],
    g: Vec<f64>,
    /// Where parts can float: the graph that tells.
    graph: Option<Graph>,
    /// Places of word lines (row by row), then of bit lines, that are held.
    pins: Vec<usize>,
    /// Reciprocal pivots of the bit lines, row by row.
    bit_pivots: Vec<f64>,
    /// Reciprocal pivots of the preconditioner's word lines, in bands.
    word_pivots: Vec<Lane>,
    /// Voltages of the word lines: the last solution, and where the next one starts.
    x: Vec<f64>,
    /// Direction and what it changes; row by row.
    p: Vec<f64>,
    q: Vec<f64>,
    z: Vec<f64>,
    /// The bit lines' answer; at the end their voltages.
    y: Vec<f64>,
    /// Missing currents, in bands.
    r: Vec<Lane>,
    t: Vec<Lane>,
}

impl Schur {
    pub(super) fn new(circuit: &Circuit) -> Self {
        let (m, n) = (circuit.rows(), circuit.columns());
        let (word, bit) = (circuit.word_wiring(), circuit.bit_wiring());
        let leads = |wiring: &super::circuit::Wiring, lines: usize| {
            [0, 1].map(|end| (0..lines).map(|k| wiring.leads(k)[end]).collect())
        };
        let whole = word.is_whole() && bit.is_whole();
        let (cells, padded) = (m * n, m.next_multiple_of(LANES) * n);
        let mut new = Self {
            m,
            n,
            arch: Arch::new(),
            words: Links::of_words(&word, m, n),
            bits: Links::of_bits(&bit, m, n),
            word_leads: leads(&word, m),
            bit_leads: leads(&bit, n),
            g: vec![0.0; cells],
            graph: (!whole).then(|| Graph::of(circuit)),
            pins: Vec::new(),
            bit_pivots: vec![0.0; cells],
            word_pivots: vec![[0.0; LANES]; padded / LANES],
            x: vec![0.0; cells],
            p: vec![0.0; cells],
            q: vec![0.0; padded],
            z: vec![0.0; padded],
            y: vec![0.0; cells],
            r: vec![[0.0; LANES]; padded / LANES],
            t: vec![[0.0; LANES]; n],
        };
        new.refactor(circuit.conductances());
        new
    }

    /// Other conductances of the same circuit; the last solution stays.
    pub(super) fn refactor(&mut self, conductances: &[f64]) {
        let (m, n) = (self.m, self.n);
        self.g.copy_from_slice(conductances);
        if let Some(graph) = &self.graph {
            let floating = graph.floating(conductances);
            let mut held: Vec<bool> = vec![false; graph.unknowns];
            floating.iter().for_each(|&k| held[k as usize] = true);
            let places = (0..).zip(&graph.nodes);
            self.pins = places
                .filter(|(_, node)| held[**node as usize])
                .map(|(place, _)| place)
                .collect();
        }
        // What leads from the bit lines to terminals.
        self.y.fill(0.0);
        for (j, lead) in self.bit_leads[0].iter().enumerate() {
            self.y[j] += lead;
        }
        for (j, lead) in self.bit_leads[1].iter().enumerate() {
            self.y[(m - 1) * n + j] += lead;
        }
        for &pin in self.pins.iter().filter(|&&k| k >= m * n) {
            self.y[pin - m * n] += PIN;
        }
        let leads = self.y.clone();
        for (e, g) in self.y.iter_mut().zip(&self.g) {
            *e += g;
        }
        self.arch.dispatch(BitPivots {
            n,
            bits: &self.bits,
            e: &mut self.y,
            pivots: &mut self.bit_pivots,
        });
        // With all word lines at 1 V, bit lines are 1 V less than this much; without subtraction.
        self.p.fill(0.0);
        self.down(None, Some(&leads));
        self.up();
        self.q.fill(0.0);
        let least = if self.graph.is_some() { LEAST } else { 0.0 };
        let drops = self.g.iter().zip(&self.y);
        for (e, (g, drop)) in self.q.iter_mut().zip(drops) {
            *e = g * drop.max(least);
        }
        for i in 0..m {
            self.q[i * n] += self.word_leads[0][i];
            self.q[i * n + n - 1] += self.word_leads[1][i];
        }
        for &pin in self.pins.iter().filter(|&&k| k < m * n) {
            self.q[pin] += PIN;
        }
        // Lines that are not there.
        self.q[m * n..].fill(1.0);
        self.arch.dispatch(WordPivots {
            n,
            words: &self.words,
            e: &self.q,
            pivots: &mut self.word_pivots,
        });
        self.q.fill(0.0);
    }

    fn down(&mut self, step: Option<(f64, f64)>, fed: Option<&[f64]>) {
        self.arch.dispatch(Down {
            n: self.n,
            step: step.map(|(alpha, beta)| (alpha, beta, &mut self.x[..], &self.z[..])),
            p: &mut self.p,
            g: &self.g,
            bits: &self.bits,
            pivots: &self.bit_pivots,
            fed,
            y: &mut self.y,
        });
    }

    fn up(&mut self) -> f64 {
        let cells = self.m * self.n;
        let mut sum = self.arch.dispatch(Up {
            n: self.n,
            p: &self.p,
            g: &self.g,
            words: &self.words,
            word_leads: &self.word_leads,
            bits: &self.bits,
            pivots: &self.bit_pivots,
            y: &mut self.y,
            q: &mut self.q[..cells],
        });
        for &pin in self.pins.iter().filter(|&&k| k < cells) {
            self.q[pin] += PIN * self.p[pin];
            sum += PIN * self.p[pin] * self.p[pin];
        }
        sum
    }

    fn band(&mut self, alpha: f64) -> f64 {
        self.arch.dispatch(Band {
            n: self.n,
            alpha,
            q: &self.q,
            words: &self.words,
            pivots: &self.word_pivots,
            r: &mut self.r,
            t: &mut self.t,
            z: &mut self.z,
        })
    }

    /// Begins with what is missing at x, the currents `word` and `bit` fed into all places; gives `r·M⁻¹r`.
    fn begin(&mut self, word: &[f64], bit: Option<&[f64]>) -> f64 {
        self.p.copy_from_slice(&self.x);
        self.down(None, bit);
        self.up();
        for (q, f) in self.q.iter_mut().zip(word) {
            *q = f - *q;
        }
        self.r.fill([0.0; LANES]);
        let rz = self.band(-1.0);
        self.p.fill(0.0);
        rz
    }

    /// What the cells dissipate at x and the bit lines' voltages.
    fn power(&self) -> f64 {
        let places = self.x.iter().zip(&self.y);
        let cells = self.g.iter().zip(places);
        cells.map(|(g, (w, b))| g * (w - b) * (w - b)).sum()
    }

    /// Solves for the currents fed into all places, until the power of the error is at most `tolerance`² of what the cells dissipate. Starts
    /// with word line i at `start[i]` volt, or at the last solution without a `start`. Gives the number of iterations.
    ///
    /// # Errors
    /// [`Error::NotConverged`] after too many iterations.
    pub(super) fn solve(
        &mut self,
        word: &[f64],
        bit: Option<&[f64]>,
        tolerance: f64,
        start: Option<&[f64]>,
    ) -> Result<usize> {
        if let Some(start) = start {
            for (row, v) in self.x.chunks_exact_mut(self.n).zip(start) {
                row.fill(*v);
            }
        }
        let mut rz = self.begin(word, bit);
        let most = 200 + 2 * (self.m + self.n);
        let mut iterations = 0;
        for _ in 0..RESTARTS {
            let enough = tolerance * tolerance * self.power();
            if rz <= enough {
                return Ok(iterations);
            }
            // A little less, so that the residual as it is will do.
            let aim = 0.9 * enough;
            let (mut alpha, mut beta) = (0.0, 0.0);
            while rz > aim && iterations < most {
                self.down(Some((alpha, beta)), None);
                let pq = self.up();
                alpha = rz / pq;
                let new = self.band(alpha);
                beta = new / rz;
                rz = new;
                iterations += 1;
            }
            for (x, p) in self.x.iter_mut().zip(&self.p) {
                *x += alpha * p;
            }
            // The residual as it is, and the voltages of the bit lines.
            rz = self.begin(word, bit);
        }
        if rz <= tolerance * tolerance * self.power() {
            return Ok(iterations);
        }
        self.x.fill(0.0);
        Err(Error::NotConverged {
            what: "conjugate gradients on a crossbar's word lines".into(),
            detail: format!("{iterations} iterations"),
        })
    }

    /// Voltages of the word lines after a solution.
    pub(super) fn word_voltages(&self) -> &[f64] {
        &self.x
    }

    /// Voltages of the bit lines after a solution.
    pub(super) fn bit_voltages(&self) -> &[f64] {
        &self.y
    }

    /// Conductances of the cells that the equations now have.
    pub(super) fn conductances(&self) -> &[f64] {
        &self.g
    }

    /// Leads of word lines and bit lines (S), at the first and the last place.
    pub(super) fn leads(&self) -> [&[Vec<f64>; 2]; 2] {
        [&self.word_leads, &self.bit_leads]
    }
}
