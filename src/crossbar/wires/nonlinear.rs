//! Cells whose current is not proportional to their voltage: Newton's method around the linear solution.
//!
//! The voltages minimise the co-content, a sum over wires of `s v²/2` and over cells of the integral of their current, which is convex
//! for currents that rise with the voltage: there is one solution. A Newton step solves the same circuit with differential
//! conductances; along the step, the derivative of the co-content is brought near zero or left negative, so every step descends as far as
//! rounding lets it, and the last ones converge quadratically. Steep laws are approached from less steep ones. What does not
//! end is an error.

use super::nodes::for_each_wire;
use super::solver::{Solution, Solver, solution};
use crate::device::CurrentVoltage;
use crate::error::{Error, Result, Violation};

/// A law as Newton's method follows it.
#[derive(Debug, Clone, Copy)]
struct Followed {
    law: CurrentVoltage,
    /// Where it goes on straight: no cell of the solution has more than what lies between terminals, but a step may go beyond.
    end: f64,
}

impl Followed {
    /// `span` is what lies between terminals, in volts.
    fn new(law: CurrentVoltage, span: f64) -> Self {
        // What rises for ever is followed for ever.
        let end = match law {
            CurrentVoltage::Polynomial { quadratic, cubic } if quadratic.min(cubic) < 0.0 => span,
            CurrentVoltage::Graded { .. } => span,
            _ => f64::INFINITY,
        };
        Self { law, end }
    }

    /// Current of a cell of `g` siemens at `v` volt, and its derivative.
    fn at(self, g: f64, v: f64) -> (f64, f64) {
        let inside = v.clamp(-self.end, self.end);
        let (i, slope) = self.law.at(g, inside);
        (i + slope * (v - inside), slope)
    }

    /// The same law with `part` of its slope, which is less steep.
    fn softened(self, part: f64) -> Self {
        let law = match self.law {
            CurrentVoltage::Sinh { slope } => CurrentVoltage::Sinh {
                slope: part * slope,
            },
            other => other,
        };
        Self { law, ..self }
    }
}

/// Part of the slope to begin with where terminals are `span` volt apart: with all of it, cells would conduct better than anything in
/// double precision.
fn first_part(law: CurrentVoltage, span: f64) -> f64 {
    match law {
        CurrentVoltage::Sinh { slope } if slope * span > 5.0 => 5.0 / (slope * span),
        _ => 1.0,
    }
}

fn check(law: CurrentVoltage) -> Result<()> {
    let wrong = match law {
        CurrentVoltage::Sinh { slope } => Some(slope).filter(|x| !(*x >= 0.0 && x.is_finite())),
        CurrentVoltage::Polynomial { quadratic, cubic } => {
            [quadratic, cubic].into_iter().find(|x| !x.is_finite())
        }
        CurrentVoltage::Graded { quadratic, cubic } => {
            let mut all = quadratic.into_iter().chain(cubic);
            all.find(|x| !x.is_finite())
        }
        CurrentVoltage::Ohmic => None,
    };
    match wrong {
        None => Ok(()),
        Some(x) => Err(Error::from(Violation {
            file: "circuit".into(),
            line: None,
            column: None,
            key: "current-voltage".into(),
            value: Some(x.to_string()),
            rule: "must be finite, and the slope of a sinh not negative".into(),
            way_out: "0 for ohmic cells".into(),
        })),
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

const FALLS: &str = "the current of a cell does not rise with its voltage; use smaller voltages, or a law that rises as far";

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
    /// Those of [`Solver::solve`]; [`Error::Invalid`] for a law that is none; [`Error::NotConverged`] where a current does not rise with the voltages
    /// that cells can have, leaves the range of numbers, or steps do not end.
    pub fn solve_nonlinear(
        &mut self,
        word: &[f64],
        bit: &[f64],
        law: CurrentVoltage,
    ) -> Result<NonlinearSolution> {
        check(law)?;
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
        let (whole, mut part) = (Followed::new(law, span), first_part(law, span));
        for _ in 0..MOST_STEPS {
            let law = whole.softened(part);
            let mut dissipated = power(&w, &b, (word, bit));
            for k in 0..m * n {
                let u = w[k] - b[k];
                let (i, slope) = law.at(ohmic[k], u);
                slopes[k] = slope;
                fed[k] = slope * u - i;
                fed[m * n + k] = -fed[k];
                dissipated += i * u;
            }
            if slopes.iter().any(|s| *s < 0.0) {
                return fail(FALLS);
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
                let solution =
                    solution(self.circuit(), (word, bit), to_w, to_b, |g, v| law.at(g, v));
                return Ok(NonlinearSolution { solution, steps });
            }
            // Derivative of the co-content along the step, from what Newton's equations say of it.
            let along = |t: f64| -> f64 {
                let cells = (0..m * n).map(|k| {
                    let u = w[k] - b[k];
                    let change = change(k);
                    let now = law.at(ohmic[k], u + t * change).0 - law.at(ohmic[k], u).0;
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
