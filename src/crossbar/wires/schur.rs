//! Conjugate gradients on the word lines, with the bit lines eliminated.
//!
//! # Equation
//! With the chains of the word lines `T_w` and of the bit lines `T_b` (cells and leads on their diagonals), the voltages obey
//! `T_w w - G b = f_w` and `T_b b - G w = f_b`. Eliminating b leaves `S w = f_w + G T_b⁻¹ f_b` with `S = T_w - G T_b⁻¹ G`,
//! which is positive definite; a product with S is one tridiagonal solution of all bit lines.
//!
//! The preconditioner is the chains of the word lines with the true diagonal of S: a cell leads on to ground through what its bit-line
//! place sees without it. It is not below S, so it cannot say how large an error is. That says a second one, M, S with its coupling of word lines
//! lumped on the diagonal: each cell leads to ground through what conducts when all word lines have one voltage. S is M plus a
//! Laplacian of nonnegative conductances, so `M ≤ S`, and `r·M⁻¹r` is never less than the squared error in the norm of S: the power
//! that the error would dissipate. (Where lines are broken, M is kept regular by a small part of the cells, and this holds only nearly.)
//! It is asked once the first has become small, and at the end with the residual as it is.
//!
//! # Reference
//! The conjugate gradient method: M. R. Hestenes and E. Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952).

use pulp::Arch;

use super::circuit::Circuit;
use super::nodes::Graph;
use super::sweeps::{Band, BitPivots, Bound, Down, Elsewhere, LANES, Lane, Links, Up, WordPivots};
use crate::error::{Error, Result};

/// Conductance that holds a floating part at 0 V, in siemens: no current flows through it, so any would do.
const PIN: f64 = 1.0;

/// Part of a cell's conductance that leads to ground at least, where lines are broken: pieces of them may lead nowhere.
const LEAST: f64 = 1e-8;

/// Times that the residual is made anew: because what the cells dissipate has turned out less, or because rounding has made it drift.
const RENEWALS: usize = 12;

/// Rounding of a voltage, of the largest, below which no iteration leads.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

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
    /// Those of what bounds the error.
    lumped_pivots: Vec<Lane>,
    /// Sum of all conductances that voltages of word lines are across, in siemens.
    stiffness: f64,
    /// Voltages of the word lines: the last solution, and where the next one starts.
    x: Vec<f64>,
    /// Voltages of terminals less `common`: word lines, then bit lines; those of the last solution at first.
    drive: Vec<f64>,
    /// What all voltages are above those here.
    common: f64,
    /// Whether x is the solution for `drive`.
    warm: bool,
    /// Currents fed into the bit lines.
    fed: Vec<f64>,
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
            lumped_pivots: vec![[0.0; LANES]; padded / LANES],
            stiffness: 0.0,
            x: vec![0.0; cells],
            drive: vec![0.0; m + n],
            common: 0.0,
            warm: false,
            fed: vec![0.0; cells],
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
        self.arch.dispatch(Elsewhere {
            n,
            g: &self.g,
            leads: &leads,
            bits: &self.bits,
            e: &self.y,
            pivots: &self.bit_pivots,
            below: &mut self.p[..n],
            out: &mut self.q[..m * n],
        });
        self.factor_words(false);
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
        self.factor_words(true);
        self.q.fill(0.0);
        let links: f64 = (0..m).map(|i| self.words.row(i).iter().sum::<f64>()).sum();
        let ends = self.word_leads.iter().flatten().sum::<f64>();
        self.stiffness = self.g.iter().sum::<f64>() + links + ends;
    }

    /// Pivots of the word lines, whose cells lead to ground with the conductances in q.
    fn factor_words(&mut self, lumped: bool) {
        let (m, n) = (self.m, self.n);
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
            pivots: match lumped {
                true => &mut self.lumped_pivots,
                false => &mut self.word_pivots,
            },
        });
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

    /// What is missing at x, the currents `word` fed into the places of word lines and those of `self.fed` into the others, which leaves
    /// the bit lines' voltages; gives `r·z`. Directions stay.
    fn begin(&mut self, word: Option<&[f64]>) -> f64 {
        let (m, n) = (self.m, self.n);
        std::mem::swap(&mut self.p, &mut self.x);
        let fed = std::mem::take(&mut self.fed);
        self.down(None, Some(&fed));
        self.fed = fed;
        self.up();
        std::mem::swap(&mut self.p, &mut self.x);
        for i in 0..m {
            let v = self.drive[i];
            self.q[i * n] -= self.word_leads[0][i] * v;
            self.q[i * n + n - 1] -= self.word_leads[1][i] * v;
        }
        if let Some(word) = word {
            for (q, f) in self.q.iter_mut().zip(word) {
                *q -= f;
            }
        }
        self.r.fill([0.0; LANES]);
        self.band(1.0)
    }

    /// Not less than the power of the error, from the residual.
    fn bound(&mut self) -> f64 {
        self.arch.dispatch(Bound {
            n: self.n,
            words: &self.words,
            pivots: &self.lumped_pivots,
            r: &self.r,
        })
    }

    /// What the cells dissipate at x and the bit lines' voltages.
    fn power(&self) -> f64 {
        let places = self.x.iter().zip(&self.y);
        let cells = self.g.iter().zip(places);
        cells.map(|(g, (w, b))| g * (w - b) * (w - b)).sum()
    }

    /// The next solution starts with ideal word lines.
    pub(super) fn forget(&mut self) {
        self.warm = false;
    }

    /// Terminals at these voltages; places of word lines where the next solution starts: the last one moved line by line with
    /// its terminal, or else all at the voltage of the terminal. Gives the largest voltage.
    fn set_drive(&mut self, word: &[f64], bit: &[f64], fed: Option<&[f64]>) -> f64 {
        let (m, n) = (self.m, self.n);
        let ends = || word.iter().chain(bit).copied();
        let (low, high) = (
            ends().fold(f64::INFINITY, f64::min),
            ends().fold(f64::NEG_INFINITY, f64::max),
        );
        // Only differences drive currents; but a part that is held is held at 0 V.
        self.common = match self.pins.is_empty() {
            true => 0.0_f64.clamp(low, high),
            false => 0.0,
        };
        for (i, row) in self.x.chunks_exact_mut(n).enumerate() {
            let v = word[i] - self.common;
            match self.warm {
                true => row.iter_mut().for_each(|x| *x += v - self.drive[i]),
                false => row.fill(v),
            }
        }
        for (drive, v) in self.drive.iter_mut().zip(ends()) {
            *drive = v - self.common;
        }
        match fed {
            Some(fed) => self.fed.copy_from_slice(&fed[m * n..]),
            None => self.fed.fill(0.0),
        }
        for j in 0..n {
            self.fed[j] += self.bit_leads[0][j] * self.drive[m + j];
            self.fed[(m - 1) * n + j] += self.bit_leads[1][j] * self.drive[m + j];
        }
        (low - self.common).abs().max((high - self.common).abs())
    }

    /// Solves for terminal voltages of word lines and bit lines, and for currents fed into word-line places, then bit-line places, until
    /// the power of the error is at most `tolerance`² of what the cells dissipate, or what rounding of the voltages leaves. Gives the number of
    /// iterations.
    ///
    /// # Errors
    /// [`Error::NotConverged`] after too many iterations.
    pub(super) fn solve(
        &mut self,
        word: &[f64],
        bit: &[f64],
        fed: Option<&[f64]>,
        tolerance: f64,
    ) -> Result<usize> {
        let largest = self.set_drive(word, bit, fed);
        if largest == 0.0 && fed.is_none() {
            self.x.fill(0.0);
            self.y.fill(0.0);
            self.warm = true;
            return Ok(0);
        }
        self.warm = false;
        let floor = self.stiffness * (ROUNDING * largest).powi(2);
        let most = 200 + 2 * (self.m + self.n);
        let mut iterations = 0;
        let (mut alpha, mut beta) = (0.0, 0.0);
        let mut rz = self.begin(fed);
        self.p.fill(0.0);
        for _ in 0..RENEWALS {
            let enough = floor.max(tolerance * tolerance * self.power());
            if self.bound() <= enough {
                self.warm = true;
                return Ok(iterations);
            }
            // A little less, so that the residual as it is will do.
            let aim = 0.9 * enough;
            while rz.is_finite() && iterations < most {
                self.down(Some((alpha, beta)), None);
                let pq = self.up();
                alpha = rz / pq;
                let new = self.band(alpha);
                beta = new / rz;
                rz = new;
                iterations += 1;
                if rz <= aim && self.bound() <= aim {
                    break;
                }
            }
            for (x, p) in self.x.iter_mut().zip(&self.p) {
                *x += alpha * p;
            }
            alpha = 0.0;
            // The residual as it is, and the voltages of the bit lines. The next direction is the one that would have been, unless rounding
            // has spoilt it.
            let new = self.begin(fed);
            beta *= match new < 2.0 * rz {
                true => new / rz,
                false => 0.0,
            };
            rz = new;
        }
        Err(Error::NotConverged {
            what: "conjugate gradients on a crossbar's word lines".into(),
            detail: format!("{iterations} iterations"),
        })
    }

    /// Voltages of word lines and bit lines after a solution.
    pub(super) fn voltages(&self) -> (Vec<f64>, Vec<f64>) {
        let all = |v: &[f64]| v.iter().map(|v| v + self.common).collect();
        (all(&self.x), all(&self.y))
    }

    /// Conductances of the cells that the equations now have.
    pub(super) fn conductances(&self) -> &[f64] {
        &self.g
    }
}
