//! The fit of a law to all cells: nominal cell, device to device, cycle to cycle.

use std::sync::Arc;

use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::super::cells::Window;
use super::super::file::{laws, unphysical};
use super::super::law::{AnyLaw, STEP};
use super::super::uncertainty::quantile;
use super::data::Pulses;
use super::filter::{Deviations, Miss, Train, follow};
use super::free::Frame;
use super::solve::{Axis, Likelihood, Summit, climb, covariance};
use crate::error::{Error, Result, Violation};

/// What a fit is told beside the data.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Conductance of position 0 in siemens; the least reading without it.
    pub g_min: Option<f64>,
    /// Conductance of position 1 in siemens; the greatest reading without it.
    pub g_max: Option<f64>,
    /// Parameters that are held, by name.
    pub held: Vec<(String, f64)>,
    /// Write noise in steps; fitted without it.
    pub write_noise: Option<f64>,
}

/// One number of the nominal cell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Nominal {
    /// Key in the device file.
    pub name: &'static str,
    /// Mean over cells: a position or part of the window, or a ratio.
    pub value: f64,
    /// Ends of the 95 % interval; `None` for a number that was held.
    pub interval: Option<(f64, f64)>,
    /// Standard deviation of the true number from cell to cell; `None` for one cell or a number that was held.
    pub device_to_device: Option<f64>,
    /// How probable the scatter of the cells would be if they did not differ (Cochran's Q).
    pub p_equal: Option<f64>,
}

/// One kind of noise.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Noise {
    /// Standard deviation, as device files give it.
    pub value: f64,
    /// Ends of the 95 % interval; `None` for a number that was held.
    pub interval: Option<(f64, f64)>,
}

/// A law fitted to pulse trains.
#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fit {
    /// The law.
    #[serde(skip)]
    pub law: Arc<dyn AnyLaw>,
    /// Its name.
    #[serde(rename = "law")]
    pub name: &'static str,
    /// Conductances of positions 0 and 1 in siemens.
    #[serde(skip)]
    pub window: Window,
    /// The nominal cell.
    pub parameters: Vec<Nominal>,
    /// Which of them are not held.
    #[serde(skip)]
    pub free: Vec<usize>,
    /// Covariance of the free numbers.
    pub covariance: Vec<Vec<f64>>,
    /// Degrees of freedom of that covariance; `None` where it is not from a scatter.
    pub degrees_of_freedom: Option<u32>,
    /// Additive and multiplicative noise from cycle to cycle.
    pub additive: Noise,
    /// The multiplicative one.
    pub multiplicative: Noise,
    /// Noise of a reading in steps.
    pub write_noise: Noise,
    /// Logarithm of the likelihood of the positions.
    pub log_likelihood: f64,
    /// Numbers fitted, those of all cells together.
    pub fitted: usize,
    /// Akaike's criterion `2 fitted - 2 log-likelihood`.
    pub aic: f64,
    /// Pulses that it is fitted to.
    pub pulses: usize,
    /// Names of the cells.
    pub cells: Vec<String>,
    /// Parameters of each cell, all of them in the order of the law.
    pub cell_parameters: Vec<Vec<f64>>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Fit {
    /// Numbers of the nominal cell in the order of the law.
    pub fn nominal(&self) -> Vec<f64> {
        self.parameters.iter().map(|p| p.value).collect()
    }
}

/// Fits one law; `progress` hears the fraction that is done.
///
/// # Errors
/// A held name that the law does not have, a window without width, a fit that does not converge or that the data do not
/// determine, a law that they make unphysical.
pub fn fit_law(
    law: &Arc<dyn AnyLaw>,
    pulses: &Pulses,
    options: &Options,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Fit> {
    Work::new(law, pulses, options)?.fit(progress)
}

/// A law's name and what its fit gave.
pub type Candidate = (&'static str, Result<Fit>);

/// Fits every law that device files can name; the best, by Akaike's criterion, first and those that failed last.
///
/// # Reference
/// Akaike, IEEE Trans. Autom. Control 19, 716 (1974), <https://doi.org/10.1109/TAC.1974.1100705>.
pub fn compare(
    pulses: &Pulses,
    options: &Options,
    progress: &(dyn Fn(f64) + Sync),
) -> Vec<Candidate> {
    let laws = laws();
    let n = laws.len() as f64;
    let mut out: Vec<Candidate> = laws
        .iter()
        .enumerate()
        .map(|(k, law)| {
            let part = |x: f64| progress((k as f64 + x) / n);
            (law.name(), fit_law(law, pulses, options, &part))
        })
        .collect();
    let aic = |c: &Candidate| c.1.as_ref().map_or(f64::INFINITY, |f| f.aic);
    out.sort_by(|a, b| aic(a).total_cmp(&aic(b)));
    out
}

/// The three kinds of noise, as logarithms between these ends.
const LN_NOISE: (f64, f64) = (-9.2, 7.0);
/// A deviation this small, in steps, is none.
const NO_NOISE: f64 = 5e-4;
/// Pulses that starting points are tried on.
const TRIAL: usize = 3000;

struct Work<'a> {
    law: Arc<dyn AnyLaw>,
    pulses: &'a Pulses,
    window: Window,
    step: f64,
    cells: Vec<Vec<Train>>,
    count: usize,
    held: Vec<(usize, f64)>,
    write_noise: Option<f64>,
}

/// A state of the fit: parameters of all cells, noise.
struct Estimate {
    cells: Vec<Summit>,
    noise: [f64; 3],
    /// Which kinds were asked for, whatever came out.
    asked: [bool; 3],
}

impl Estimate {
    fn asked(&self) -> Vec<usize> {
        (0..3).filter(|&k| self.asked[k]).collect()
    }
}

impl<'a> Work<'a> {
    fn new(law: &Arc<dyn AnyLaw>, pulses: &'a Pulses, options: &Options) -> Result<Self> {
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
        let cells: Vec<Vec<Train>> = pulses
            .cells
            .iter()
            .map(|cell| {
                let train = |run: &super::Run| Train {
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
            .map(|(name, value)| work.held(name, *value))
            .collect::<Result<_>>()?;
        Ok(work)
    }

    /// Place and value of a parameter that the user holds.
    fn held(&self, name: &str, value: f64) -> Result<(usize, f64)> {
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
        let (least, most) = (parameters[k].least, parameters[k].most);
        if !(least..=most).contains(&value) {
            let rule = format!("{name} must lie between {least} and {most}");
            return refuse(rule, format!("it is the {}", parameters[k].meaning));
        }
        Ok((k, value))
    }

    /// Noise of readings is the same in all cells: it is counted in the mean size of all changes until a nominal step is known.
    fn deviations(&self, parts: [f64; 3]) -> Deviations {
        Deviations::new(parts, self.step)
    }

    /// A given write noise in the unit of [`Work::deviations`].
    fn given<'p>(
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

    fn frame(&self) -> Frame<'_> {
        Frame {
            law: &*self.law,
            window: self.window,
            step: self.step,
        }
    }

    /// Misses of some trains under parameters `p`; with `noise` beside them.
    fn misses(&self, p: &[f64], noise: &Deviations, trains: &[&Train]) -> Option<Vec<Miss>> {
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
    fn climb_law(
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

    /// One law for all cells, all pulses weighing alike: the best of several starts.
    fn common(&self, progress: &(dyn Fn(f64) + Sync)) -> Result<(Vec<f64>, Vec<usize>)> {
        let frame = self.frame();
        let fixed: Vec<usize> = self.held.iter().map(|(k, _)| *k).collect();
        let order = frame.order(true, &fixed);
        let all: Vec<&Train> = self.cells.iter().flatten().collect();
        let every = (self.count / TRIAL).clamp(1, all.len());
        let some: Vec<&Train> = all.iter().copied().step_by(every).collect();
        let equal = Deviations::equal();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let starts = frame.starts(&self.held);
        let total = starts.len();
        let tried: Vec<(Summit, Vec<usize>)> = starts
            .into_par_iter()
            .filter_map(|mut p| {
                let free = frame.independent(&p, &order);
                for &k in order.iter().filter(|k| !free.contains(k)) {
                    p[k] = frame.neutral(k);
                }
                let found = self.climb_law(&p, &free, &equal, &some, 15);
                let n = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                progress(0.3 * n as f64 / total as f64);
                Some((found?, free))
            })
            .collect();
        let best = tried
            .into_iter()
            .min_by(|a, b| a.0.cost.total_cmp(&b.0.cost));
        let (summit, free) = best.ok_or_else(|| {
            self.not_converged(
                "no starting point has a likelihood; give the window by --g-min and --g-max",
            )
        })?;
        let summit = self
            .climb_law(&summit.p, &free, &equal, &all, 15)
            .unwrap_or(summit);
        Ok((summit.p, free))
    }

    /// Which kinds of noise can be told apart under the law `p`, and where their fit starts.
    fn noise_start(&self, p: &[f64]) -> ([f64; 3], [bool; 3]) {
        let all: Vec<&Train> = self.cells.iter().flatten().collect();
        let misses = self
            .misses(p, &Deviations::equal(), &all)
            .unwrap_or_default();
        let n = misses.len().max(1) as f64;
        let rms = (misses.iter().map(|(v, _)| v * v).sum::<f64>() / n).sqrt();
        let squares = || {
            self.cells.iter().flatten().flat_map(|t| {
                let pulses = t.polarities.iter().skip(1).zip(&t.positions);
                pulses.map(|(&sign, &s)| self.law.step(p, s, sign).powi(2))
            })
        };
        let mean = squares().sum::<f64>() / n;
        let deviation = (squares().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        let part = (0.5 * rms / p[STEP]).clamp(0.01, 100.0);
        let multiplicative = (0.5 * rms / mean.sqrt()).clamp(0.01, 100.0);
        // Where all steps are alike, noise relative to them is additive noise.
        let two = deviation > 0.05 * mean;
        let start = [
            part,
            if two { multiplicative } else { 0.0 },
            self.write_noise.unwrap_or(part) * p[STEP] / self.step,
        ];
        (start, [true, two, self.write_noise.is_none()])
    }

    /// The noise that makes all trains most likely; `alone` is the law of all cells, else each has its own.
    fn climb_noise(
        &self,
        cells: &[&[f64]],
        noise: [f64; 3],
        fitted: [bool; 3],
    ) -> Option<[f64; 3]> {
        let free: Vec<usize> = (0..3).filter(|&k| fitted[k]).collect();
        let parts = |q: &[f64]| {
            let mut parts = noise;
            for (&k, v) in free.iter().zip(q) {
                parts[k] = v.exp();
            }
            parts
        };
        let axis = Axis {
            least: LN_NOISE.0,
            most: LN_NOISE.1,
            scale: 1.0,
        };
        let likelihood = Likelihood {
            axes: vec![axis; free.len()],
            misses: &|q| self.all_misses(cells, &self.deviations(parts(q))),
        };
        let start: Vec<f64> = free.iter().map(|&k| noise[k].ln()).collect();
        Some(parts(&climb(&likelihood, &start, 20)?.p))
    }

    fn all_misses(&self, cells: &[&[f64]], noise: &Deviations) -> Option<Vec<Miss>> {
        let parts: Vec<Vec<Miss>> = cells
            .par_iter()
            .zip(&self.cells)
            .map(|(p, trains)| self.misses(p, noise, &trains.iter().collect::<Vec<_>>()))
            .collect::<Option<_>>()?;
        Some(parts.concat())
    }

    fn not_converged(&self, detail: &str) -> Error {
        Error::NotConverged {
            what: format!("the fit of {} to {}", self.law.name(), self.pulses.file),
            detail: detail.into(),
        }
    }

    fn fit(&self, progress: &(dyn Fn(f64) + Sync)) -> Result<Fit> {
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
        const ROUNDS: usize = 60;
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

    /// Numbers and intervals from the estimates of all cells.
    fn conclude(&self, free: &[usize], estimate: &Estimate) -> Result<Fit> {
        let (count, n) = (self.cells.len(), self.count as f64);
        let names = &self.pulses.cells;
        let unreached = estimate.cells.iter().filter(|s| !s.reached).count();
        if unreached > 0 {
            let detail = format!(
                "{unreached} of {count} cells: the data do not say where the law ends; hold a parameter by --fix, or choose a law with fewer"
            );
            return Err(self.not_converged(&detail));
        }
        let own = (count * free.len()) as f64;
        if n <= own + 1.0 {
            let detail = format!("{own} parameters from {n} pulses; measure more pulses a cell");
            return Err(self.not_converged(&detail));
        }
        let estimate = &Estimate {
            noise: self.restricted(free, estimate).ok_or_else(|| {
                let detail = "the data do not determine all parameters of a cell and the noise; hold one by --fix, or choose a law with fewer";
                self.not_converged(detail)
            })?,
            cells: estimate.cells.clone(),
            asked: estimate.asked,
        };
        let mut covariances = Vec::new();
        for (summit, (trains, cell)) in estimate.cells.iter().zip(self.cells.iter().zip(names)) {
            let found = self.cell_information(free, &summit.p, estimate.noise, trains);
            let found = found.and_then(|information| covariance(&information));
            covariances.push(found.ok_or_else(|| {
                self.not_converged(&format!(
                    "cell {} does not determine all parameters; hold one by --fix, or choose a law with fewer",
                    cell.name
                ))
            })?);
        }
        let values = |k: usize| estimate.cells.iter().map(move |s| s.p[k]);
        let mean = |k: usize| match free.contains(&k) {
            true => values(k).sum::<f64>() / count as f64,
            false => estimate.cells[0].p[k],
        };
        let nominal: Vec<f64> = (0..self.frame().parameters().len()).map(mean).collect();
        if let Err((key, rule, way_out)) = unphysical(&*self.law, self.window, &nominal) {
            return Err(Violation {
                file: self.pulses.file.clone(),
                line: None,
                column: None,
                key: format!("law.{}.{key}", self.law.name()),
                value: None,
                rule: format!("the fitted law is unphysical: {rule}"),
                way_out: format!(
                    "{way_out}; --fix a parameter, give --g-min and --g-max, or choose another law"
                ),
            }
            .into());
        }
        let spread = scatter(&estimate.cells, free);
        let several = count > 1;
        let covariance = if several {
            &spread / count as f64
        } else {
            covariances[0].clone()
        };
        let freedom = several.then(|| count as u32 - 1);
        let quantile = quantile(freedom);
        let parameters = self.frame().parameters();
        let parameters: Vec<Nominal> = parameters
            .iter()
            .enumerate()
            .map(|(k, parameter)| {
                let place = free.iter().position(|&f| f == k);
                let own = |j: usize| covariances.iter().map(move |v| v[(j, j)]);
                Nominal {
                    name: parameter.name,
                    value: nominal[k],
                    interval: place.map(|j| {
                        let half = quantile * covariance[(j, j)].max(0.0).sqrt();
                        (nominal[k] - half, nominal[k] + half)
                    }),
                    device_to_device: place.filter(|_| several).map(|j| {
                        let uncertain = own(j).sum::<f64>() / count as f64;
                        (spread[(j, j)] - uncertain).max(0.0).sqrt()
                    }),
                    p_equal: place
                        .filter(|_| several)
                        .and_then(|j| equal(values(k), own(j))),
                }
            })
            .collect();
        let cost: f64 = estimate.cells.iter().map(|s| s.cost).sum();
        let fitted = count * free.len() + estimate.asked.iter().filter(|f| **f).count();
        let step = free.iter().position(|&k| k == STEP);
        let error = step.map_or(0.0, |j| covariance[(j, j)].max(0.0).sqrt());
        let step = (nominal[STEP], quantile * error);
        let [additive, multiplicative, write_noise] = self.noises(free, estimate, step);
        let write_noise = Noise {
            value: self.write_noise.unwrap_or(write_noise.value),
            ..write_noise
        };
        Ok(Fit {
            law: Arc::clone(&self.law),
            name: self.law.name(),
            window: self.window,
            notes: self.notes(free, estimate),
            parameters,
            free: free.to_vec(),
            covariance: covariance
                .row_iter()
                .map(|r| r.iter().copied().collect())
                .collect(),
            degrees_of_freedom: freedom,
            additive,
            multiplicative,
            write_noise,
            log_likelihood: -cost,
            fitted,
            aic: 2.0 * (fitted as f64 + cost),
            pulses: self.count,
            cells: names.iter().map(|c| c.name.clone()).collect(),
            cell_parameters: estimate.cells.iter().map(|s| s.p.clone()).collect(),
        })
    }

    /// Information of all cells about the variances of the noise that was asked for, after what is not known of the cells is taken out of it.
    fn variance_information(&self, free: &[usize], estimate: &Estimate) -> Option<DMatrix<f64>> {
        let asked = estimate.asked();
        let total: f64 = estimate.noise.iter().map(|v| v * v).sum();
        let variance = Axis {
            least: 0.0,
            most: f64::MAX,
            scale: total.max(1e-12),
        };
        let (n, m) = (free.len(), asked.len());
        let of_cell = |summit: &Summit, trains: &[Train]| -> Option<DMatrix<f64>> {
            let trains: Vec<&Train> = trains.iter().collect();
            let axis = |k: &usize| self.frame().axis(*k, summit.p[*k]);
            let likelihood = Likelihood {
                axes: free.iter().map(axis).chain(vec![variance; m]).collect(),
                misses: &|q| {
                    let (q, squares) = q.split_at(n);
                    let mut parts = estimate.noise;
                    for (&k, v) in asked.iter().zip(squares) {
                        parts[k] = v.sqrt();
                    }
                    let p = filled(&summit.p, free, q);
                    // A negative variance has no root.
                    let real = parts.iter().all(|v| v.is_finite());
                    real.then(|| self.misses(&p, &self.deviations(parts), &trains))?
                },
            };
            let own = free.iter().map(|&k| summit.p[k]);
            let at: Vec<f64> = own
                .chain(asked.iter().map(|&k| estimate.noise[k].powi(2)))
                .collect();
            let all = likelihood.point(&at)?.information;
            let cell = covariance(&all.view((0, 0), (n, n)).into_owned())?;
            let cross = all.view((0, n), (n, m)).into_owned();
            Some(all.view((n, n), (m, m)).into_owned() - cross.tr_mul(&(cell * &cross)))
        };
        let parts: Vec<DMatrix<f64>> = estimate
            .cells
            .par_iter()
            .zip(&self.cells)
            .map(|(summit, trains)| of_cell(summit, trains))
            .collect::<Option<_>>()?;
        Some(parts.iter().fold(DMatrix::zeros(m, m), |a, b| a + b))
    }

    /// Information of one cell about its own parameters.
    fn cell_information(
        &self,
        free: &[usize],
        p: &[f64],
        noise: [f64; 3],
        trains: &[Train],
    ) -> Option<DMatrix<f64>> {
        let trains: Vec<&Train> = trains.iter().collect();
        let noise = self.deviations(noise);
        let likelihood = Likelihood {
            axes: free.iter().map(|&k| self.frame().axis(k, p[k])).collect(),
            misses: &|q| self.misses(&filled(p, free, q), &noise, &trains),
        };
        let at: Vec<f64> = free.iter().map(|&k| p[k]).collect();
        Some(likelihood.point(&at)?.information)
    }

    /// The noise without what the parameters of the cells have swallowed of it: the step from the likelihood towards the restricted one,
    /// which has `-½ ln det I_c` of every cell beside. Where all readings scatter alike it is the divisor `N - K` of a regression.
    ///
    /// # Reference
    /// Patterson & Thompson, Biometrika 58, 545 (1971), <https://doi.org/10.1093/biomet/58.3.545>.
    fn restricted(&self, free: &[usize], estimate: &Estimate) -> Option<[f64; 3]> {
        let there: Vec<usize> = estimate
            .asked()
            .into_iter()
            .filter(|&k| estimate.noise[k] > 0.0)
            .collect();
        let only = Estimate {
            cells: estimate.cells.clone(),
            noise: estimate.noise,
            asked: std::array::from_fn(|k| there.contains(&k)),
        };
        let known = covariance(&self.variance_information(free, &only)?)?;
        // Part of a variance to either side: the information changes smoothly with it.
        const H: f64 = 1e-3;
        let slope = |k: usize| -> Option<f64> {
            let total = |sign: f64| {
                let mut noise = estimate.noise;
                noise[k] *= (1.0 + sign * H).sqrt();
                let parts: Vec<f64> = estimate
                    .cells
                    .par_iter()
                    .zip(&self.cells)
                    .map(|(s, trains)| {
                        let information = self.cell_information(free, &s.p, noise, trains)?;
                        Some(0.5 * information.determinant().ln())
                    })
                    .collect::<Option<_>>()?;
                Some(parts.iter().sum::<f64>())
            };
            Some((total(1.0)? - total(-1.0)?) / (2.0 * H * estimate.noise[k].powi(2)))
        };
        let slopes: Option<Vec<f64>> = there.iter().map(|&k| slope(k)).collect();
        let step = known * nalgebra::DVector::from_vec(slopes?);
        let mut out = estimate.noise;
        for (&k, step) in there.iter().zip(step.iter()) {
            let square = out[k].powi(2);
            // A correction beyond this is none: the data are too few.
            out[k] = (square - step).clamp(0.25 * square, 4.0 * square).sqrt();
        }
        out.iter().all(|v| v.is_finite()).then_some(out)
    }

    /// Noise with intervals, which come from the information about variances: that is regular where one is zero. `step`: the nominal one
    /// and half its interval, in whose unit write noise is returned.
    fn noises(&self, free: &[usize], estimate: &Estimate, step: (f64, f64)) -> [Noise; 3] {
        let known = self.variance_information(free, estimate);
        let known = known.and_then(|information| covariance(&information));
        let asked = estimate.asked();
        std::array::from_fn(|k| {
            // Write noise goes from mean changes to nominal steps, which are not known either.
            let (unit, doubt) = match k {
                2 => (self.step / step.0, 2.0 * step.1 / step.0),
                _ => (1.0, 0.0),
            };
            let square = (unit * estimate.noise[k]).powi(2);
            let place = asked.iter().position(|&a| a == k);
            let interval = place.zip(known.as_ref()).map(|(j, v)| {
                let own = quantile(None) * unit * unit * v[(j, j)].max(0.0).sqrt();
                let half = own.hypot(doubt * square);
                ((square - half).max(0.0).sqrt(), (square + half).sqrt())
            });
            Noise {
                value: square.sqrt(),
                interval,
            }
        })
    }

    fn notes(&self, free: &[usize], estimate: &Estimate) -> Vec<String> {
        let mut notes = Vec::new();
        let parameters = self.frame().parameters();
        for &k in free {
            let axis = self.frame().axis(k, 1.0);
            let margin = 1e-6 * (axis.most - axis.least);
            let at_end = |s: &&Summit| {
                s.p[k] - axis.least < margin.min(1e-3 * self.step) || axis.most - s.p[k] < margin
            };
            let n = estimate.cells.iter().filter(at_end).count();
            if n > 0 {
                notes.push(format!(
                    "{} ended at a limit of its range in {n} of {} cells: its interval is not valid",
                    parameters[k].name,
                    self.cells.len()
                ));
            }
        }
        let held: Vec<&str> = (0..parameters.len())
            .filter(|k| !free.contains(k))
            .map(|k| parameters[k].name)
            .collect();
        if !held.is_empty() {
            notes.push(format!(
                "held, because it was asked for or the data cannot tell: {}",
                held.join(", ")
            ));
        }
        if self.cells.len() == 1 {
            notes.push("one cell: intervals are its own and say nothing about other cells".into());
        }
        if self.pulses.gaps > 0 {
            notes.push(format!(
                "{} jumps in the number of the pulse are left out",
                self.pulses.gaps
            ));
        }
        notes
    }
}

fn filled(p: &[f64], free: &[usize], q: &[f64]) -> Vec<f64> {
    let mut out = p.to_vec();
    for (&k, &v) in free.iter().zip(q) {
        out[k] = v;
    }
    out
}

/// Sample covariance of the cells' estimates.
fn scatter(cells: &[Summit], free: &[usize]) -> DMatrix<f64> {
    let n = cells.len() as f64;
    let values = DMatrix::from_fn(cells.len(), free.len(), |i, j| cells[i].p[free[j]]);
    let mean = values.row_mean();
    let centred = DMatrix::from_fn(cells.len(), free.len(), |i, j| values[(i, j)] - mean[j]);
    centred.tr_mul(&centred) / (n - 1.0).max(1.0)
}

/// Probability of the scatter of equal cells: Cochran's Q, Biometrics 10, 101 (1954), <https://doi.org/10.2307/3001666>.
fn equal(
    values: impl Iterator<Item = f64> + Clone,
    variances: impl Iterator<Item = f64> + Clone,
) -> Option<f64> {
    let pairs = || values.clone().zip(variances.clone());
    let weight: f64 = variances.clone().map(|v| 1.0 / v).sum();
    let mean = pairs().map(|(x, v)| x / v).sum::<f64>() / weight;
    let q: f64 = pairs().map(|(x, v)| (x - mean).powi(2) / v).sum();
    let freedom = values.count() as f64 - 1.0;
    ChiSquared::new(freedom).ok().map(|d| d.sf(q))
}
