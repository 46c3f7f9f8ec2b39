//! One law and the data of all cells: law and noise in turns.

use std::sync::Arc;

use rayon::prelude::*;

use super::super::cells::Window;
use super::super::law::{AnyLaw, STEP};
use super::data::{Pulses, Run};
use super::filter::{Deviations, Miss, Train, follow};
use super::free::Frame;
use super::solve::{Likelihood, Summit, climb};
use super::whole::{Fit, Options};
use crate::error::{Error, Result, Violation};

/// A deviation this small, in steps, is none.
const NO_NOISE: f64 = 5e-4;

/// The data in the window, and what is held.
pub(super) struct Work<'a> {
    pub law: Arc<dyn AnyLaw>,
    pub pulses: &'a Pulses,
    pub window: Window,
    pub step: f64,
    pub cells: Vec<Vec<Train>>,
    pub count: usize,
    pub held: Vec<(usize, f64)>,
    pub write_noise: Option<f64>,
}

/// A state of the fit: parameters of all cells, noise.
pub(super) struct Estimate {
    pub cells: Vec<Summit>,
    pub noise: [f64; 3],
    /// Which kinds were asked for, whatever came out.
    pub asked: [bool; 3],
}

impl Estimate {
    pub fn asked(&self) -> Vec<usize> {
        (0..3).filter(|&k| self.asked[k]).collect()
    }
}

impl<'a> Work<'a> {
    pub fn new(law: &Arc<dyn AnyLaw>, pulses: &'a Pulses, options: &Options) -> Result<Self> {
        let (least, greatest) = pulses.extremes();
        let window = Window {
            g_min: options.g_min.unwrap_or(least),
            g_max: options.g_max.unwrap_or(greatest),
        };
        let bad = |rule: String, way_out: &str| Error::Data {
            file: pulses.file.clone(),
            line: None,
            column: Some("conductance".into()),
            rule,
            way_out: way_out.into(),
        };
        if window.span() <= 1e-6 * window.g_max.abs() || !window.span().is_finite() {
            let rule = "the window from g-min to g-max must have a width".into();
            return Err(bad(rule, "give --g-min below --g-max"));
        }
        if window.g_min < 0.0 {
            let rule = "the conductance of position 0, g-min, must be 0 or greater".into();
            return Err(bad(rule, "give --g-min near the least reading"));
        }
        let cells: Vec<Vec<Train>> = pulses
            .cells
            .iter()
            .map(|cell| {
                let train = |run: &Run| Train {
                    polarities: run.polarities.clone(),
                    positions: run
                        .conductances
                        .iter()
                        .map(|g| (g - window.g_min) / window.span())
                        .collect(),
                };
                cell.runs.iter().map(train).collect()
            })
            .collect();
        let trains = || cells.iter().flatten();
        if trains()
            .flat_map(|t| &t.positions)
            .any(|s| !(-1.0..=2.0).contains(s))
        {
            let rule =
                "readings lie further outside the window from g-min to g-max than it is wide"
                    .into();
            return Err(bad(
                rule,
                "give --g-min and --g-max near the ends of the readings",
            ));
        }
        if greatest - least < 1e-3 * window.span() {
            let rule =
                "readings fill less than a thousandth of the window from g-min to g-max".into();
            return Err(bad(
                rule,
                "give --g-min and --g-max near the ends of the readings",
            ));
        }
        let changes = trains().flat_map(|t| t.positions.windows(2).map(|w| w[1] - w[0]));
        let (count, sum) = changes.fold((0, 0.0), |(n, s), d| (n + 1, s + d.abs()));
        let mut work = Self {
            law: Arc::clone(law),
            pulses,
            window,
            step: (sum / count as f64).clamp(1e-6, 0.25),
            cells,
            count,
            held: Vec::new(),
            write_noise: options.write_noise,
        };
        work.held = options
            .held
            .iter()
            .map(|(name, value)| work.held(&options.held, name, *value))
            .collect::<Result<_>>()?;
        Ok(work)
    }

    /// Place and value of a parameter that the user holds, one of `options`.
    fn held(&self, options: &[(String, f64)], name: &str, value: f64) -> Result<(usize, f64)> {
        let parameters = self.frame().parameters();
        let names: Vec<&str> = parameters.iter().map(|p| p.name).collect();
        let refuse = |rule: String, way_out: String| {
            Err(Violation {
                file: "command line".into(),
                line: None,
                column: None,
                key: "--fix".into(),
                value: Some(format!("{name}={value}")),
                rule,
                way_out,
            }
            .into())
        };
        let Some(k) = names.iter().position(|n| *n == name) else {
            let rule = format!("the law {} has no parameter {name}", self.law.name());
            return refuse(rule, format!("its parameters are {}", names.join(", ")));
        };
        if options.iter().filter(|(n, _)| n == name).count() > 1 {
            let rule = format!("{name} is held at more than one value");
            return refuse(rule, "give --fix once for each parameter".into());
        }
        if k == STEP && value <= 0.0 {
            let rule = "step must be greater than 0".into();
            return refuse(rule, format!("it is the {}", parameters[k].meaning));
        }
        let (least, most) = (parameters[k].least, parameters[k].most);
        if !(least..=most).contains(&value) {
            let rule = format!("{name} must lie between {least} and {most}");
            return refuse(rule, format!("it is the {}", parameters[k].meaning));
        }
        Ok((k, value))
    }

    /// Noise of readings is the same in all cells: it is counted in the mean size of all changes until a nominal step is known.
    pub fn deviations(&self, parts: [f64; 3]) -> Deviations {
        Deviations::new(parts, self.step)
    }

    /// A given write noise in the unit of [`Work::deviations`].
    pub fn given<'p>(
        &self,
        mut noise: [f64; 3],
        cells: impl ExactSizeIterator<Item = &'p [f64]>,
    ) -> [f64; 3] {
        if let Some(steps) = self.write_noise {
            let count = cells.len() as f64;
            noise[2] = steps * cells.map(|p| p[STEP]).sum::<f64>() / (count * self.step);
        }
        noise
    }

    pub fn frame(&self) -> Frame<'_> {
        Frame {
            law: &*self.law,
            window: self.window,
            step: self.step,
        }
    }

    /// Misses of some trains under parameters `p`; with `noise` beside them.
    pub fn misses(&self, p: &[f64], noise: &Deviations, trains: &[&Train]) -> Option<Vec<Miss>> {
        if !self.frame().ordered(p) {
            return None;
        }
        let mut out = Vec::with_capacity(trains.iter().map(|t| t.positions.len()).sum());
        for train in trains {
            follow(&*self.law, p, noise, train, &mut out)?;
        }
        Some(out)
    }

    /// The `free` numbers of `p` that make the trains most likely.
    pub fn climb_law(
        &self,
        p: &[f64],
        free: &[usize],
        noise: &Deviations,
        trains: &[&Train],
        rounds: usize,
    ) -> Option<Summit> {
        let filled = |q: &[f64]| filled(p, free, q);
        let likelihood = Likelihood {
            axes: free.iter().map(|&k| self.frame().axis(k, p[k])).collect(),
            misses: &|q| self.misses(&filled(q), noise, trains),
        };
        let start: Vec<f64> = free.iter().map(|&k| p[k]).collect();
        let summit = climb(&likelihood, &start, rounds)?;
        Some(Summit {
            p: filled(&summit.p),
            ..summit
        })
    }

    pub fn not_converged(&self, detail: &str) -> Error {
        Error::NotConverged {
            what: format!("the fit of {} to {}", self.law.name(), self.pulses.file),
            detail: detail.into(),
        }
    }

    pub fn fit(&self, progress: &(dyn Fn(f64) + Sync)) -> Result<Fit> {
        let (common, shape) = self.common(progress)?;
        let lost =
            || self.not_converged("the noise of the readings cannot be found; give --write-noise");
        // All cells under one law, noise and law in turns.
        let all: Vec<&Train> = self.cells.iter().flatten().collect();
        let (mut noise, asked) = self.noise_start(&common);
        let mut fitted = asked;
        let mut p = common;
        for _ in 0..3 {
            let same: Vec<&[f64]> = self.cells.iter().map(|_| &p[..]).collect();
            noise = self.climb_noise(&same, noise, fitted).ok_or_else(lost)?;
            if let Some(summit) = self.climb_law(&p, &shape, &self.deviations(noise), &all, 10) {
                p = summit.p;
            }
            noise = self.given(noise, std::iter::once(&p[..]));
        }
        progress(0.5);
        let frame = self.frame();
        let fixed: Vec<usize> = self.held.iter().map(|(k, _)| *k).collect();
        let free = frame.independent(&p, &frame.order(false, &fixed));
        let mut before = f64::INFINITY;
        let mut cells = vec![p; self.cells.len()];
        // Where noise is far larger than the step, step and noise move together, and every turn gains but a little.
        const ROUNDS: usize = 200;
        for round in 0..ROUNDS {
            let summits: Vec<Option<Summit>> = cells
                .par_iter()
                .zip(&self.cells)
                .map(|(p, trains)| {
                    let trains: Vec<&Train> = trains.iter().collect();
                    self.climb_law(p, &free, &self.deviations(noise), &trains, 40)
                })
                .collect();
            let summits: Vec<Summit> = summits
                .into_iter()
                .zip(&self.pulses.cells)
                .map(|(s, cell)| {
                    s.ok_or_else(|| {
                        self.not_converged(&format!("cell {} has no likelihood", cell.name))
                    })
                })
                .collect::<Result<_>>()?;
            let cost: f64 = summits.iter().map(|s| s.cost).sum();
            let settled = (before - cost).abs() < 1e-4;
            before = cost;
            cells = summits.iter().map(|s| s.p.clone()).collect();
            progress(0.5 + 0.5 * (1.0 - 0.7_f64.powi(round as i32 + 1)));
            if settled {
                let estimate = Estimate {
                    cells: summits,
                    noise,
                    asked,
                };
                let fit = self.conclude(&free, &estimate);
                progress(1.0);
                return fit;
            }
            let own: Vec<&[f64]> = cells.iter().map(|p| &p[..]).collect();
            noise = self.given(noise, own.iter().copied());
            noise = self.climb_noise(&own, noise, fitted).ok_or_else(lost)?;
            for k in 0..3 {
                let others = (0..3).filter(|&j| j != k && noise[j] > 0.0).count();
                if fitted[k] && noise[k] < NO_NOISE && others > 0 {
                    (noise[k], fitted[k]) = (0.0, false);
                }
            }
        }
        Err(self.not_converged(&format!("law and noise did not settle in {ROUNDS} turns")))
    }
}

/// `p` with the numbers `q` in the places `free`.
pub(super) fn filled(p: &[f64], free: &[usize], q: &[f64]) -> Vec<f64> {
    let mut out = p.to_vec();
    for (&k, &v) in free.iter().zip(q) {
        out[k] = v;
    }
    out
}
