//! Cells whose current is not proportional to their voltage: Newton's method around the linear solution.
//!
//! The voltages minimise the co-content, a sum over wires of `s v²/2` and over cells of the integral of their current, which is convex
//! for currents that rise with the voltage: there is one solution. A Newton step solves the same circuit with differential
//! conductances; along the step, the derivative of the co-content is brought near zero or left negative, so every step descends as far as
//! rounding lets it, and the last ones converge quadratically. Steep laws are approached from less steep ones. What does not
//! end is an error.

use super::nodes::for_each_wire;
use super::solver::{Solution, Solver, solution};
use crate::error::{Error, Result, Violation};

/// Current of a cell with conductance G at voltage V: an odd function that rises, with slope G at zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CurrentVoltage {
    /// `G V`.
    Ohmic,
    /// `G sinh(k V) / k`.
    Sinh {
        /// k, in 1/V; 0 is ohmic.
        slope: f64,
    },
    /// `G (V + a V|V| + c V³)`.
    Polynomial {
        /// a, in 1/V.
        quadratic: f64,
        /// c, in 1/V².
        cubic: f64,
    },
}

impl CurrentVoltage {
    /// Current of a cell of 1 S at `v` volt, and its derivative.
    pub fn at(self, v: f64) -> (f64, f64) {
        match self {
            Self::Ohmic | Self::Sinh { slope: 0.0 } => (v, 1.0),
            Self::Sinh { slope } => ((slope * v).sinh() / slope, (slope * v).cosh()),
            Self::Polynomial { quadratic, cubic } => (
                v * (1.0 + quadratic * v.abs() + cubic * v * v),
                1.0 + 2.0 * quadratic * v.abs() + 3.0 * cubic * v * v,
            ),
        }
    }

    /// The same law with `part` of its slope, which is less steep.
    fn softened(self, part: f64) -> Self {
        match self {
            Self::Sinh { slope } => Self::Sinh {
                slope: part * slope,
            },
            other => other,
        }
    }

    /// Part of the slope to begin with where terminals are `span` volt apart: with all of it, cells would conduct better than anything in
    /// double precision.
    fn first_part(self, span: f64) -> f64 {
        match self {
            Self::Sinh { slope } if slope * span > 5.0 => 5.0 / (slope * span),
            _ => 1.0,
        }
    }

    fn check(self) -> Result<()> {
        let numbers = match self {
            Self::Ohmic => [0.0, 0.0],
            Self::Sinh { slope } => [slope, 0.0],
            Self::Polynomial { quadratic, cubic } => [quadratic, cubic],
        };
        match numbers.iter().find(|x| !(**x >= 0.0 && x.is_finite())) {
            None => Ok(()),
            Some(x) => Err(Error::from(Violation {
                file: "circuit".into(),
                line: None,
                column: None,
                key: "current-voltage".into(),
                value: Some(x.to_string()),
                rule: "must be finite and not negative".into(),
                way_out: "0 for ohmic cells".into(),
            })),
        }
    }
}

/// A solution with cells that are not ohmic.
#[derive(Debug, Clone)]
pub struct NonlinearSolution {
    /// Voltages and currents.
    pub solution: Solution,
    /// Newton's steps with the whole law, relative: the square root of a step's power in the linearised circuit over the power in the circuit.
    pub steps: Vec<f64>,
}

const TOO_STEEP: &str =
    "the current of a cell leaves the range of numbers; use a less steep law or smaller voltages";

/// A step after which a softened law is made steeper, by a factor of two.
const SOFT_STEP: f64 = 0.1;

/// Newton's steps before giving up.
const MOST_STEPS: usize = 500;

/// A step after which there is none: the error left is of the order of its square.
const LAST_STEP: f64 = 1e-9;

impl Solver {
    /// Solves for terminal voltages (V) of word lines and bit lines with cells that follow `law`; the conductances of the circuit are
    /// theirs at 0 V.
    ///
    /// # Errors
    /// Those of [`Solver::solve`]; [`Error::Invalid`] for a law whose current does not rise; [`Error::NotConverged`] where currents leave the
    /// range of numbers or steps do not end.
    pub fn solve_nonlinear(
        &mut self,
        word: &[f64],
        bit: &[f64],
        law: CurrentVoltage,
    ) -> Result<NonlinearSolution> {
        law.check()?;
        self.check(word, bit)?;
        let done = self.newton(word, bit, law);
        let ohmic = self.circuit().conductances().to_vec();
        self.refactor(&ohmic)?;
        done
    }

    fn newton(
        &mut self,
        word: &[f64],
        bit: &[f64],
        law: CurrentVoltage,
    ) -> Result<NonlinearSolution> {
        let fail = |detail: &str| {
            Err(Error::NotConverged {
                what: "Newton's method on a crossbar".into(),
                detail: detail.into(),
            })
        };
        let (m, n) = (self.circuit().rows(), self.circuit().columns());
        let ohmic = self.circuit().conductances().to_vec();
        let mut wires = Vec::new();
        for_each_wire(self.circuit(), |a, b, g| {
            if g.is_finite() {
                wires.push((a, b, g));
            }
        });
        // Of the difference of two voltages of places, between terminals at `ends`.
        let power = |w: &[f64], b: &[f64], ends: (&[f64], &[f64])| -> f64 {
            let at = |place: usize| match place {
                p if p < m * n => w[p],
                p if p < 2 * m * n => b[p - m * n],
                p if p < 2 * m * n + m => ends.0[p - 2 * m * n],
                p => ends.1[p - 2 * m * n - m],
            };
            wires
                .iter()
                .map(|&(p, q, g)| g * (at(p) - at(q)).powi(2))
                .sum()
        };
        let at_rest = (vec![0.0; m], vec![0.0; n]);
        self.refactor(&ohmic)?;
        let (mut w, mut b) = self.voltages(word, bit, None)?;
        let (mut steps, mut slopes, mut fed) = (Vec::new(), vec![0.0; m * n], vec![0.0; 2 * m * n]);
        let ends = || word.iter().chain(bit).copied();
        let span = ends().fold(f64::MIN, f64::max) - ends().fold(f64::MAX, f64::min);
        let (whole, mut part) = (law, law.first_part(span));
        for _ in 0..MOST_STEPS {
            let law = whole.softened(part);
            let mut dissipated = power(&w, &b, (word, bit));
            for k in 0..m * n {
                let u = w[k] - b[k];
                let (i, slope) = law.at(u);
                slopes[k] = ohmic[k] * slope;
                fed[k] = slopes[k] * u - ohmic[k] * i;
                fed[m * n + k] = -fed[k];
                dissipated += ohmic[k] * i * u;
            }
            if !(dissipated.is_finite() && slopes.iter().all(|s| s.is_finite())) {
                return fail(TOO_STEEP);
            }
            self.refactor(&slopes)?;
            let (to_w, to_b) = self.voltages(word, bit, Some(&fed))?;
            let difference =
                |to: &[f64], from: &[f64]| to.iter().zip(from).map(|(t, f)| t - f).collect();
            let (dw, db): (Vec<f64>, Vec<f64>) = (difference(&to_w, &w), difference(&to_b, &b));
            let change = |k: usize| dw[k] - db[k];
            let wired = power(&dw, &db, (&at_rest.0, &at_rest.1));
            let linear: f64 = (0..m * n).map(|k| slopes[k] * change(k).powi(2)).sum();
            let step = if dissipated > 0.0 {
                ((wired + linear) / dissipated).sqrt()
            } else {
                0.0
            };
            if !step.is_finite() {
                return fail(TOO_STEEP);
            }
            if part == 1.0 {
                steps.push(step);
            }
            if step <= SOFT_STEP && part < 1.0 {
                part = (2.0 * part).min(1.0);
            } else if step <= LAST_STEP {
                let solution = solution(self.circuit(), (word, bit), to_w, to_b, |v| law.at(v));
                return Ok(NonlinearSolution { solution, steps });
            }
            // Derivative of the co-content along the step, from what Newton's equations say of it.
            let along = |t: f64| -> f64 {
                let cells = (0..m * n).map(|k| {
                    let u = w[k] - b[k];
                    let change = change(k);
                    let now = ohmic[k] * (law.at(u + t * change).0 - law.at(u).0);
                    (now - slopes[k] * change) * change
                });
                (t - 1.0) * wired + cells.sum::<f64>()
            };
            let t = descend(along, wired + linear);
            for (w, d) in w.iter_mut().zip(&dw) {
                *w += t * d;
            }
            for (b, d) in b.iter_mut().zip(&db) {
                *b += t * d;
            }
        }
        fail("steps do not end; use a less steep law or smaller voltages")
    }
}

/// Part of a step along which a convex function falls, from its derivative, which is `-start` at 0: all of it if the function falls to
/// its end or almost, else about where its derivative is zero.
fn descend(along: impl Fn(f64) -> f64, start: f64) -> f64 {
    let small = 0.1 * start;
    let (mut low, mut high) = (0.0, 1.0);
    let mut t = 1.0;
    // The derivative rises; a number too large is a step too far.
    for _ in 0..60 {
        let slope = along(t);
        if slope.abs() <= small || (t == 1.0 && slope < 0.0) {
            return t;
        }
        match slope < 0.0 {
            true => low = t,
            false => high = t,
        }
        t = 0.5 * (low + high);
    }
    // Where it still falls.
    if low > 0.0 { low } else { t }
}
